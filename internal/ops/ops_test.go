package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/ops"
)

func front(t *testing.T, checks ...ops.Check) *ops.Ops {
	t.Helper()
	o, err := ops.New(ops.Config{
		Checks:  checks,
		LogSize: func() int64 { return 42 }, Revision: func() int64 { return 7 },
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
	b, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(b)
}

func TestReadyzTellsWhatIsWrong(t *testing.T) {
	broken := errors.New("dial tcp: vitrine@db.internal: no answer")
	var fail error
	o := front(t,
		ops.Check{Name: "policy", Fails: "the policy is stale", Run: func(context.Context) error { return nil }},
		ops.Check{Name: "database", Fails: "the database does not answer", Run: func(context.Context) error { return fail }},
	)
	if code, body := get(t, o, "/readyz"); code != 200 {
		t.Fatalf("ready: %d %s, want 200", code, body)
	}
	fail = broken
	code, body := get(t, o, "/readyz")
	var got map[string]string
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if code != 503 || got["database"] != "the database does not answer" || got["policy"] != "ok" {
		t.Errorf("with the database gone: %d %v, want 503 that names it", code, got)
	}
	if strings.Contains(body, "db.internal") {
		t.Errorf("%s tells everybody where the database is", body)
	}
	fail = nil
	o.Drain()
	if code, body := get(t, o, "/readyz"); code != 503 || !strings.Contains(body, "going down") {
		t.Errorf("draining: %d %s, want 503", code, body)
	}
	if code, _ := get(t, o, "/healthz"); code != 200 {
		t.Errorf("healthz while draining: %d, want 200: the process is alive", code)
	}
}

func TestMetricsCountByFrontAndClass(t *testing.T) {
	o := front(t)
	h := o.Count("openai", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }))
	get(t, h, "/v1/models")
	_, body := get(t, o, "/metrics")
	for _, want := range []string{
		`vitrine_http_requests_total{front="openai",status="4xx"} 1`,
		"vitrine_log_entries 42", "vitrine_policy_revision 7",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
}
