package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/api"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/web"
)

// hollow is a front before services that do nothing: enough for what is said
// without asking them.
func hollow(t *testing.T) *api.API {
	t.Helper()
	directory, guard := new(identity.Directory), new(access.Guard)
	door, err := web.New(web.Config{Directory: directory, Guard: guard})
	if err != nil {
		t.Fatal(err)
	}
	a, err := api.New(api.Config{
		Door: door, Guard: guard, Policies: new(policy.Policies), Directory: directory, Vault: new(vault.Vault),
		Gateway: new(gateway.Gateway), Log: new(audit.Log), PublicURL: "https://vitrine.example/",
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string         `json:"operationId"`
		Summary     string         `json:"summary"`
		Responses   map[string]any `json:"responses"`
		Security    []any          `json:"security"`
		Parameters  []struct {
			Name string `json:"name"`
			In   string `json:"in"`
		} `json:"parameters"`
	} `json:"paths"`
}

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

// The document names every route, and nothing that is none.
func TestDocumentNamesTheRoutes(t *testing.T) {
	a := hollow(t)
	var d document
	w := get(t, a, "/api/v1/openapi.json")
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || w.Code != 200 || !strings.HasPrefix(d.OpenAPI, "3.1") {
		t.Fatalf("%d %v: %.300s", w.Code, err, w.Body)
	}
	if strings.Contains(w.Body.String(), "$schema") {
		t.Error("answers would carry $schema")
	}
	routes := make(map[string]bool)
	for _, r := range a.Routes() {
		if r.Summary == "" {
			t.Errorf("%s %s has no summary", r.Method, r.Pattern)
		}
		path, ours := strings.CutPrefix(strings.ReplaceAll(r.Pattern, "...}", "}"), "/api/v1")
		if !ours || r.Public != "" {
			continue
		}
		at := strings.ToLower(r.Method) + " " + path
		routes[at] = true
		op, ok := d.Paths[path][strings.ToLower(r.Method)]
		if !ok {
			t.Errorf("%s is not in the document", at)
			continue
		}
		for _, status := range []string{"401", "403", "404", "503"} {
			if op.Responses[status] == nil {
				t.Errorf("%s does not say that it may answer %s", at, status)
			}
		}
		if len(op.Security) == 0 || op.Summary == "" {
			t.Errorf("%s: %+v", at, op)
		}
		for _, name := range strings.FieldsFunc(path, func(c rune) bool { return c == '/' }) {
			if name, ok := strings.CutPrefix(name, "{"); ok {
				name = strings.TrimSuffix(name, "}")
				if !slices.ContainsFunc(op.Parameters, func(p struct {
					Name string `json:"name"`
					In   string `json:"in"`
				}) bool {
					return p.Name == name && p.In == "path"
				}) {
					t.Errorf("%s does not describe {%s}", at, name)
				}
			}
		}
	}
	for path, ops := range d.Paths {
		for method := range ops {
			if !routes[method+" "+path] {
				t.Errorf("the document names %s %s, which is no route", method, path)
			}
		}
	}
	if w := get(t, a, "/api/v1/openapi.yaml"); w.Code != 200 || !strings.Contains(w.Body.String(), "openapi: 3.1") {
		t.Errorf("yaml: %d %.100s", w.Code, w.Body)
	}
}

func TestNoSuchRoute(t *testing.T) {
	a := hollow(t)
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/api/v1/nothing", 404},
		{"GET", "/api/v1", 404},
		{"PUT", "/api/v1/images", 405},
		{"POST", "/l/token", 405},
		{"HEAD", "/l/token", 405},
	} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, strings.NewReader("x")))
		if w.Code != tt.status || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, w.Code, w.Body)
		}
	}
}
