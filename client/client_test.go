package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

// serving is a client of a server that answers with h. What the client and the
// real server make of each other is tested with a whole system elsewhere; here
// is what a server cannot be made to do.
func serving(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := client.New(srv.URL, "vtr_user_x_secret")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestErrorsHaveKinds(t *testing.T) {
	tests := []struct {
		name, kind, body, text string
		status                 int
		want                   error
	}{
		{"problem", "application/problem+json", `{"status":403,"title":"Not allowed","detail":"No role.","code":"tier","request":"req_1"}`, "No role.", 403, vitrine.ErrDenied},
		{"problem about a field", "application/problem+json", `{"title":"Invalid request","detail":"At most 10.","param":"n"}`, "n: At most 10.", 400, vitrine.ErrInvalid},
		{"openai's shape", "application/json", `{"error":{"message":"No such model.","param":"model","code":"model_not_found"}}`, "model: No such model.", 404, vitrine.ErrNotFound},
		{"a proxy's page", "text/html", `<html>502</html>`, "Bad Gateway", 502, vitrine.ErrUpstream},
		{"not even JSON", "application/json", `{`, "Conflict", 409, vitrine.ErrConflict},
		{"unauthenticated", "", "", "Unauthorized", 401, vitrine.ErrUnauthenticated},
		{"budget", "", "", "Payment Required", 402, vitrine.ErrExhausted},
		{"unavailable", "", "", "Service Unavailable", 503, vitrine.ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := serving(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				w.Header().Set("X-Request-Id", "req_1")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			_, err := c.Whoami(t.Context())
			var e *client.Error
			if !errors.Is(err, tt.want) || !errors.As(err, &e) {
				t.Fatalf("error %v (%T), want %v", err, err, tt.want)
			}
			if e.Error() != tt.text || e.Request != "req_1" || e.Status != tt.status {
				t.Errorf("got %q, request %q, status %d", e, e.Request, e.Status)
			}
		})
	}
}

func TestTheKeyGoesNowhereElse(t *testing.T) {
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(other.Close)
	c := serving(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	_, err := c.Whoami(t.Context())
	if err == nil || !strings.Contains(err.Error(), other.URL) || asked {
		t.Errorf("error %v, other server asked: %v", err, asked)
	}
}

func TestReadsItsOwnWrites(t *testing.T) {
	var demanded []string
	c := serving(t, func(w http.ResponseWriter, r *http.Request) {
		demanded = append(demanded, r.Header.Get("X-Vitrine-Revision"))
		_, _ = io.WriteString(w, `{"revision": 41}`)
	})
	for range 2 {
		if _, err := c.SetDisabled(t.Context(), "bob", true); err != nil {
			t.Fatal(err)
		}
	}
	c.AtLeast(7)
	if _, err := c.Whoami(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(demanded, ","); got != ",41,41" {
		t.Errorf("demanded %q", got)
	}
}

func TestPathsAndBodies(t *testing.T) {
	var method, path, body, match string
	c := serving(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		method, path, body, match = r.Method, r.URL.EscapedPath(), string(b), r.Header.Get("If-Match")
		w.Header().Set("ETag", `"9"`)
		_, _ = io.WriteString(w, `{"revision": 10, "id":"renders/a%2Fb"}`)
	})
	d := &vitrine.Deployment{ID: vitrine.DeploymentID("renders", "a/b"), Project: "renders", Model: "a/b"}
	if _, err := c.Put(t.Context(), d, 9); err != nil {
		t.Fatal(err)
	}
	if method != "PUT" || path != "/api/v1/objects/deployment/renders%2Fa%252Fb" || match != `"9"` || !strings.Contains(body, `"model":"a/b"`) {
		t.Errorf("%s %s %q %s", method, path, match, body)
	}
	if _, revision, err := c.Object(t.Context(), d.Ref()); err != nil || revision != 9 {
		t.Errorf("revision %d, %v", revision, err)
	}
	if _, err := c.RotateKey(t.Context(), "k1", 90*time.Minute); err != nil || body != `{"overlap":"1h30m0s"}` {
		t.Errorf("body %s, %v", body, err)
	}
	if _, err := c.Plan(t.Context(), nil, true); err != nil || body != `{"objects":[],"prune":true}` {
		t.Errorf("body %s, %v", body, err)
	}
}

func TestImagesWalksOverPages(t *testing.T) {
	c := serving(t, func(w http.ResponseWriter, r *http.Request) {
		page := map[string]any{"images": []map[string]string{{"id": "a"}, {"id": "b"}}, "next": "2"}
		if r.URL.Query().Get("after") == "2" {
			page = map[string]any{"images": []map[string]string{{"id": "c"}}}
		}
		_ = json.NewEncoder(w).Encode(page)
	})
	got := ""
	for m, err := range c.Images(t.Context(), client.ImageQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		got += string(m.ID)
	}
	if got != "abc" {
		t.Errorf("got %q", got)
	}
}

func TestACutExportIsAnError(t *testing.T) {
	c := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
	})
	if _, err := c.ExportLog(t.Context(), 0, 0, io.Discard); err == nil {
		t.Error("half an export passed for a whole one")
	}
}

func TestNewRefusesWhatIsNoServer(t *testing.T) {
	for _, s := range []string{"", "localhost:8420", "ftp://x", "http://", "http://u:p@host", "http://host?x=1"} {
		if _, err := client.New(s, "k"); err == nil {
			t.Errorf("took %q for a server", s)
		}
	}
	c, err := client.New("http://127.0.0.1:1", "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Whoami(t.Context()); err == nil || !strings.Contains(err.Error(), "no answer from http://127.0.0.1:1") {
		t.Errorf("error %v", err)
	}
}
