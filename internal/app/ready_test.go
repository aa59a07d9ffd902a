package app_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

// serve serves an installation until it listens, and answers what became of it
// and what the process log said.
func serve(t *testing.T, s *vitrinetest.System) (listened bool, said string, err error) {
	t.Helper()
	var log strings.Builder
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c := *s.Config
	c.Listen = "127.0.0.1:0"
	err = app.Serve(ctx, &c, slog.New(slog.NewTextHandler(&log, nil)), func(net.Addr) { listened = true; stop() })
	return listened, log.String(), err
}

// Data that are older than what was published are not served, and stay as they
// are. Whoever goes on with them on purpose does so by moving the checkpoints
// away, and the log tells.
func TestRolledBackDataAreNotServed(t *testing.T) {
	s := vitrinetest.New(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(old, os.DirFS(s.Config.Data)); err != nil {
		t.Fatal(err)
	}
	s.Start(nil)
	for range 3 {
		s.Owner(0)
		if _, err := s.Vault.List(t.Context(), s.Owner(0), vault.Query{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Stop(); err != nil { // which signs and publishes what was recorded
		t.Fatal(err)
	}
	if ok, said, err := serve(t, s); !ok || err != nil {
		t.Fatalf("the newest data: %v\n%s", err, said)
	}
	if err := errors.Join(os.RemoveAll(s.Config.Data), os.Rename(old, s.Config.Data), os.Chmod(s.Config.Data, 0o700)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ok, said, err := serve(t, s)
		if ok || !errors.Is(err, audit.ErrTampered) || !strings.Contains(err.Error(), s.Config.Checkpoints) || !strings.Contains(err.Error(), "operate.md") {
			t.Errorf("older data: served %v, %v\n%s", ok, err, said)
		}
	}
	if err := os.Rename(s.Config.Checkpoints, s.Config.Checkpoints+".away"); err != nil {
		t.Fatal(err)
	}
	if ok, said, err := serve(t, s); !ok || err != nil || !strings.Contains(said, "no checkpoint is published") {
		t.Errorf("without checkpoints: served %v, %v\n%s", ok, err, said)
	}
	s.Start(nil)
	if e := alert(t, s, "checkpoints_absent"); e != 1 {
		t.Errorf("the log tells of it %d times, want once", e)
	}
}

// alert counts the entries that raise an alert.
func alert(t *testing.T, s *vitrinetest.System, name string) (n int) {
	t.Helper()
	all, err := s.Store.Entries(t.Context(), store.EntryQuery{After: -1, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Alert == name {
			n++
		}
	}
	return n
}

// meddle does to the database of a running system what only others do.
func meddle(t *testing.T, s *vitrinetest.System, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.Config.Data, "vitrine.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// readyz is what anybody is told of the system.
func readyz(t *testing.T, s *vitrinetest.System) (status int, body map[string]string) {
	t.Helper()
	r, err := http.Get(s.URL + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close(), json.Unmarshal(b, &body)); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return r.StatusCode, body
}

// A log that is found not to continue what was signed, while the system runs,
// ends everything: what is recorded in it proves nothing.
func TestTamperedLogStopsAll(t *testing.T) {
	s := vitrinetest.New(t)
	by := s.Owner(0)
	list := func() error { _, err := s.Vault.List(t.Context(), by, vault.Query{}); return err }
	if status, body := readyz(t, s); list() != nil || status != 200 {
		t.Fatalf("before: %v, %d %v", list(), status, body)
	}
	meddle(t, s, `UPDATE checkpoints SET note = 'x'`)
	if _, err := s.Log.Checkpoint(t.Context()); err == nil {
		t.Fatal("signed")
	}
	var e *vitrine.Error
	if err := list(); !errors.As(err, &e) || e.Code != "log_tampered" || !errors.Is(err, vitrine.ErrUnavailable) {
		t.Errorf("afterwards: %v, want log_tampered", err)
	}
	status, body := readyz(t, s)
	if status != 503 || body["log"] == "ok" || body["store"] != "ok" || strings.Contains(body["log"], "checkpoint:") {
		t.Errorf("%d %v, want 503 that names the log and no detail", status, body)
	}
	if n := alert(t, s, "log_tampered"); n != 1 {
		t.Errorf("%d alerts, want one", n)
	}
}

// A database that somebody else holds locked makes the system not ready, and the
// answer does not hang with it.
func TestLockedDatabaseIsNotReady(t *testing.T) {
	s := vitrinetest.New(t)
	by := s.Owner(0)
	db, err := sql.Open("sqlite", filepath.Join(s.Config.Data, "vitrine.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	status, body := readyz(t, s)
	if status != 503 || body["store"] == "ok" || body["policy"] != "ok" {
		t.Errorf("locked: %d %v, want 503 that names the store", status, body)
	}
	if _, err := s.Vault.List(t.Context(), by, vault.Query{}); !errors.Is(err, vitrine.ErrUnavailable) {
		t.Errorf("a list: %v, want unavailable", err)
	}
	if _, err := c.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}
