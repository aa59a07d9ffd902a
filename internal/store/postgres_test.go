package store_test

import (
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// postgres is the URL of an empty database with settings of its sessions.
func postgres(t *testing.T, settings ...string) string {
	t.Helper()
	base := os.Getenv("VITRINE_TEST_POSTGRES")
	if base == "" {
		t.Skip("VITRINE_TEST_POSTGRES names no database")
	}
	u, err := url.Parse(storetest.Schema(t, base))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("application_name", q.Get("search_path")) // to find its sessions by
	for i := 0; i < len(settings); i += 2 {
		q.Set(settings[i], settings[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// killAll ends all sessions of a store's database, as a restart would.
func killAll(t *testing.T, url string) {
	t.Helper()
	execute(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()`)
}

// A database that was restarted between two acts costs no act.
func TestConnectionsComeBack(t *testing.T) {
	url := postgres(t)
	s := storetest.Start(t, url)
	for i := range int64(5) {
		r, err := s.Commit(t.Context(), opened(i), putImage(i))
		if err != nil || r.Seq != i {
			t.Fatalf("act %d: %+v, %v", i, r, err)
		}
		retry(t, "read", func() error { _, err := s.Image(t.Context(), imageRow(i, "").ID); return err })
		retry(t, "snapshot", func() error { _, _, _, err := s.Policy(t.Context()); return err })
		killAll(t, url)
	}
	retry(t, "size", func() error { _, _, _, err := s.LogSize(t.Context()); return err })
	storetest.Verify(t, s)
}

// retry reads until it works. A reader that has just used its connection does
// not ask whether it is still there, so each may fail once.
func retry(t *testing.T, what string, read func() error) {
	t.Helper()
	var err error
	for range 100 {
		if err = read(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// One that goes away within an act refuses it.
func TestConnectionLostWithin(t *testing.T) {
	url := postgres(t)
	s := storetest.Start(t, url)
	_, err := s.Commit(t.Context(), opened(0), func(tx *store.Tx) error {
		if err := set("x")(tx); err != nil {
			return err
		}
		killAll(t, url)
		return nil
	})
	if !errors.Is(err, store.ErrUnrecorded) {
		t.Errorf("within the act: got %v; want unrecorded", err)
	}
	store.SetFault(s, func(stage string) error {
		if stage == "before" {
			killAll(t, url)
		}
		return nil
	})
	if _, err = s.Commit(t.Context(), opened(0), set("x")); !errors.Is(err, store.ErrUnrecorded) {
		t.Errorf("before COMMIT: got %v; want unrecorded", err)
	}
	store.SetFault(s, nil)
	retry(t, "read", func() error { return s.Ping(t.Context()) })
	if r, err := s.Commit(t.Context(), opened(0), set("y")); err != nil || r.Seq != 0 || has(t, s, "x") || !has(t, s, "y") {
		t.Errorf("afterwards: %+v, %v, x %v, y %v", r, err, has(t, s, "x"), has(t, s, "y"))
	}
	storetest.Verify(t, s)
}

// A node that hangs within an act loses its turn, or the others would wait for
// ever.
func TestHungNode(t *testing.T) {
	url := postgres(t, "idle_in_transaction_session_timeout", "300ms")
	hung, other := storetest.Start(t, url), storetest.Start(t, url)
	_, err := hung.Commit(t.Context(), opened(0), func(tx *store.Tx) error {
		if err := set("x")(tx); err != nil {
			return err
		}
		_, err := other.Commit(t.Context(), opened(1), set("y"))
		return err
	})
	if !errors.Is(err, store.ErrUnrecorded) {
		t.Errorf("the hung node: got %v; want unrecorded", err)
	}
	if size(t, other) != 1 || has(t, other, "x") || !has(t, other, "y") {
		t.Errorf("%d entries, x %v, y %v; want the other node's act alone", size(t, other), has(t, other, "x"), has(t, other, "y"))
	}
	if r, err := hung.Commit(t.Context(), opened(0), set("x")); err != nil || r.Seq != 1 {
		t.Errorf("when it is back: %+v, %v", r, err)
	}
	storetest.Verify(t, hung)
}

// A node hears of another's change, also after the connection was lost.
func TestNotified(t *testing.T) {
	url := postgres(t)
	a, b := storetest.Start(t, url), storetest.Start(t, url)
	<-b.Notified() // it listens: it may have missed something before
	for rev := range int64(3) {
		_, err := a.Commit(t.Context(), opened(rev), func(tx *store.Tx) error {
			_, err := tx.ApplyChanges(rev, "owner", &vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Put(&vitrine.Role{ID: "r"})}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		<-b.Notified()
		var got int64
		retry(t, "revision", func() (err error) { got, err = b.Revision(t.Context()); return err })
		if got != rev+1 {
			t.Errorf("when told: revision %d; want %d", got, rev+1)
		}
		killAll(t, url)
		<-b.Notified() // it listens again
	}
	if lite := storetest.Start(t, storetest.SQLite(t)); lite.Notified() != nil {
		t.Error("SQLite, where there are no other nodes, tells of them")
	}
}

func TestRefusesWhatIsNotDurable(t *testing.T) {
	for _, test := range []struct{ setting, want string }{
		{"off", "durable"}, {"on", ""}, {"remote_write", ""},
	} {
		s, err := store.Open(t.Context(), store.Config{URL: postgres(t, "synchronous_commit", test.setting), Seal: storetest.Key})
		if test.want == "" {
			if err != nil {
				t.Errorf("synchronous_commit %s: %v", test.setting, err)
			} else if err := s.Close(); err != nil {
				t.Error(err)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("synchronous_commit %s: got %v; want %q", test.setting, err, test.want)
		}
	}
}

func TestRefusesStrangeURLs(t *testing.T) {
	for _, test := range []struct{ name, url, want string }{
		{"none", "", "want sqlite:"},
		{"another kind", "mysql://u:hunter2@h/d", "want sqlite:"},
		{"no directory", "sqlite:" + t.TempDir() + "/none/vitrine.db", "no such file"},
		{"malformed", "postgres://u:hunter2@h:port/d", "database"},
	} {
		s, err := store.Open(t.Context(), store.Config{URL: test.url, Seal: storetest.Key})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v; want %q and no password", test.name, err, test.want)
		}
		if err == nil {
			t.Error(s.Close())
		}
	}
}
