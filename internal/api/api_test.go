package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/api"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/problem"
	"vitrine.dev/vitrine/internal/store"
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
		Gateway: new(gateway.Gateway), Log: new(audit.Log), Backups: new(backup.Backups), Store: new(store.Store), PublicURL: "https://vitrine.example/",
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

// The document says which routes heed which conditions, and what answers tell.
func TestDocumentNamesTheHeaders(t *testing.T) {
	var d struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name, In string }
			Responses  map[string]struct{ Headers map[string]any }
		}
	}
	if err := json.Unmarshal(get(t, hollow(t), "/api/v1/openapi.json").Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	took := make(map[string][]string)
	for path, ops := range d.Paths {
		for method, op := range ops {
			for _, p := range op.Parameters {
				if p.In == "header" && p.Name != "Range" {
					took[p.Name] = append(took[p.Name], method+" "+path)
				}
			}
			for status, r := range op.Responses {
				if _, told := r.Headers["X-Vitrine-Revision"]; told != (status != "401") {
					t.Errorf("%s %s, %s: tells the revision: %t", method, path, status, told)
				}
			}
			if _, tells := op.Responses["200"].Headers["ETag"]; method == "get" && tells != (op.Responses["304"].Headers != nil) {
				t.Errorf("%s %s tells a tag: %t, and heeds one: %t", method, path, tells, !tells)
			}
		}
	}
	for _, all := range took {
		slices.Sort(all)
	}
	want := map[string][]string{
		"If-None-Match":   {"get /images/{id}", "get /images/{id}/content", "get /objects/{kind}/{id}"},
		"Idempotency-Key": {"post /holds", "post /images", "post /images/{id}/links", "post /keys", "post /keys/{id}/rotate", "post /principals", "post /sessions"},
		"If-Match": {
			"delete /groups/{id}/members/{member}", "delete /images/{id}", "delete /keys/{id}", "delete /objects/{kind}/{id}", "delete /principals/{id}",
			"delete /sessions/{id}/roles/{role}",
			"patch /images/{id}", "post /credentials/{id}/rotate", "post /images/{id}/links", "post /images/{id}/restore", "post /keys/{id}/rotate", "post /principals/{id}/disable", "post /principals/{id}/enable",
			"put /groups/{id}/members/{member}", "put /images/{id}/tier", "put /objects/{kind}/{id}", "put /principals/{id}", "put /providers/{id}",
			"put /sessions/{id}/roles/{role}",
		},
	}
	if diff := cmp.Diff(want, took); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
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
		{"GET", "/api/v1//images", 404},
		{"GET", "/api/v1/./images", 404},
		{"GET", "//", 404},
	} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, strings.NewReader("x")))
		var p problem.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Type != "urn:vitrine:problem:"+p.Code {
			t.Errorf("%s %s: %v, %s", tt.method, tt.path, err, w.Body)
		}
		if w.Code != tt.status || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, w.Code, w.Body)
		}
	}
}
