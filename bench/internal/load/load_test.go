package load_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vitrine.dev/vitrine/bench/internal/load"
)

func TestLoad(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer key" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "not a hundred") // the connection is closed on this
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	at := strings.TrimPrefix(s.URL, "http://")

	r, err := load.Times(t.Context(), load.Post(at, "/echo", "key", `{"a": 1}`), 4, 100)
	if err != nil {
		t.Fatal(err)
	}
	if r.Count != 100 || len(r.Latencies) != 100 || r.Bytes != 800 {
		t.Errorf("got %d answers of %d bytes in all, want 100 of 800", r.Count, r.Bytes)
	}
	for _, bad := range []struct {
		name   string
		target load.Target
		want   string
	}{
		{"a short body", load.Get(at, "/short", ""), "unexpected EOF"},
		{"a refusal", load.Post(at, "/echo", "other", "{}"), "who are you?"},
		{"less than must come", func() load.Target { x := load.Post(at, "/echo", "key", "{}"); x.Bytes = 3; return x }(), "want at least 3"},
	} {
		if _, err := load.Times(t.Context(), bad.target, 1, 1); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: got %v, want %q", bad.name, err, bad.want)
		}
	}
}
