package openai_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/openai"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/vitrinetest"
	"vitrine.dev/vitrine/internal/web"
)

// front is one before real people and keys, without a gateway.
func front(t *testing.T) *openai.Front {
	t.Helper()
	s := identitytest.New(t, "")
	door, err := web.New(web.Config{Directory: s.Directory, Guard: s.Guard})
	if err != nil {
		t.Fatal(err)
	}
	f, err := openai.New(openai.Config{Door: door, Gateway: new(gateway.Gateway)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Whoever comes without a key is told how to show one, on every route.
func TestChallenge(t *testing.T) {
	f := front(t)
	for _, route := range openai.Routes() {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(route.Method, strings.Replace(route.Pattern, "{id...}", "a/b", 1), nil))
		if w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Bearer realm="vitrine"` || !strings.Contains(w.Body.String(), `"code":"invalid_api_key"`) {
			t.Errorf("%s %s: %d %v %s", route.Method, route.Pattern, w.Code, w.Header(), w.Body)
		}
	}
}

// A path that is not written as routes are is nowhere; nobody is sent elsewhere.
func TestUncleanPath(t *testing.T) {
	f := front(t)
	for _, path := range []string{"/v1//models", "/v1/./models", "//v1/models", "/v1/models//x", "/v1/images/../models"} {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest("GET", "http://vitrine.example"+path, nil))
		var body struct {
			Error struct{ Code string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 404 || body.Error.Code != "unknown_url" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// Clients ask again by themselves only where the first attempt surely cost
// nothing and another may help.
func TestShouldRetry(t *testing.T) {
	failed := func(code string, up *provider.Error) error {
		return &vitrine.Error{Kind: vitrine.ErrUpstream, Code: code, Err: fmt.Errorf("call: %w", up)}
	}
	down := &provider.Error{Code: provider.CodeUnreachable, Charged: provider.ChargedNo}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"nobody was reached", failed("unreachable", down), "true"},
		{"nobody was reached in time", failed("timeout", &provider.Error{Code: provider.CodeTimeout, Charged: provider.ChargedNo}), "true"},
		{"it says that it failed", failed("overloaded", &provider.Error{Status: 503, Code: "overloaded", Charged: provider.ChargedNo}), "true"},
		{"something between failed", failed("bad_gateway", &provider.Error{Status: 502, Charged: provider.ChargedUnknown}), "false"},
		{"no answer in time", failed("timeout", &provider.Error{Code: provider.CodeTimeout, Charged: provider.ChargedUnknown}), "false"},
		{"garbage", failed("bad_answer", &provider.Error{Code: provider.CodeBadAnswer, Charged: provider.ChargedYes}), "false"},
		{"another address is meant", failed("redirect", &provider.Error{Status: 302, Code: provider.CodeRedirect, Charged: provider.ChargedNo}), "false"},
		{"our account is refused", failed("provider_account", &provider.Error{Status: 401, Charged: provider.ChargedNo}), "false"},
		{"nobody was reached, and that is not recorded", &vitrine.Error{Kind: vitrine.ErrUpstream, Code: "failed_unrecorded", Err: errors.New(down.Error())}, "false"},
		{"a mistake of ours", fmt.Errorf("keep: %w", down), "false"},
	} {
		if got := openai.ShouldRetry(tt.err); got != tt.want {
			t.Errorf("%s: %q, want %s", tt.name, got, tt.want)
		}
	}
}

// A model that is offered in two projects is one model to who names none.
func TestModelsAreDistinct(t *testing.T) {
	cheap, dear := &vitrine.Price{Image: 10_000}, &vitrine.Price{Image: 30_000}
	got, err := json.Marshal(openai.Distinct([]gateway.Model{
		{ID: "a", Project: "one", Provider: "p", Price: cheap}, {ID: "a", Project: "two", Provider: "p", Price: cheap},
		{ID: "b", Project: "one", Provider: "p", Price: cheap}, {ID: "b", Project: "two", Provider: "q", Price: dear},
		{ID: "c", Project: "one", Provider: "p", Price: dear},
	}))
	if err != nil {
		t.Fatal(err)
	}
	const price = `"pricing":{"per_image":{"auto":%s},"currency":"USD"}`
	want := `[{"id":"a","object":"model","created":0,"owned_by":"p",` + fmt.Sprintf(price, "0.01") + `},` +
		`{"id":"b","object":"model","created":0,"owned_by":"p"},` +
		`{"id":"c","object":"model","created":0,"owned_by":"p",` + fmt.Sprintf(price, "0.03") + `}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// NanoGPT's clients have /api/v1 as their base. What they list there they can
// ask for there, whatever its id holds.
func TestNanoGPTClientsFindModels(t *testing.T) {
	s := vitrinetest.New(t, vitrinetest.Policy(`
projects:
  one: {environment: staging, deployments: {"black-forest/flux.2@dev": {provider: studio, price: 0.01}}}
  two: {environment: staging, deployments: {"black-forest/flux.2@dev": {provider: studio, price: 0.01}}}
providers: {studio: {kind: studio}}
people: {ann: {email: ann@example.com}}
roles: {drawer: {grants: [{permissions: [model.generate]}]}}
bindings:
  - {role: drawer, principal: ann, scope: one}
  - {role: drawer, principal: ann, scope: two}
`))
	everywhere := s.Key(identity.NewKey{Principal: "ann"})
	inOne := s.Key(identity.NewKey{Principal: "ann", Project: "one"})
	get := func(path string, key vitrine.Secret, v any) int {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", key.Reveal())
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return resp.StatusCode
	}
	type listed struct{ ID, Object string }
	for _, path := range []string{"/v1/models", "/api/v1/models", "/api/v1/image-models?detailed=true"} {
		var list struct {
			Object string
			Data   []listed
		}
		status := get(path, everywhere, &list)
		if diff := cmp.Diff([]listed{{"black-forest/flux.2@dev", "model"}}, list.Data); status != 200 || list.Object != "list" || diff != "" {
			t.Errorf("%s: %d %q (-want +got):\n%s", path, status, list.Object, diff)
		}
	}
	for _, path := range []string{"/v1/models/black-forest/flux.2@dev", "/api/v1/models/black-forest/flux.2@dev", "/api/v1/models/black-forest%2Fflux.2@dev"} {
		var one listed
		if status := get(path, inOne, &one); status != 200 || one.ID != "black-forest/flux.2@dev" {
			t.Errorf("%s: %d %+v", path, status, one)
		}
	}
}
