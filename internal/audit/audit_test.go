package audit_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

const origin = "vitrine-log/test"

// bench is a store with a log and what signs it; nobody is asked.
type bench struct {
	t       testing.TB
	file    string
	key     seal.Key
	signer  string
	publish string
	mirror  audit.Target
	hook    *audit.Webhook
	outage  time.Duration
	store   *store.Store
	guard   *access.Guard
	log     *audit.Log
	said    strings.Builder // the process log
	stop    func()
}

func newBench(t testing.TB) *bench {
	t.Helper()
	signer, err := audit.GenerateSigner(origin)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := &bench{t: t, file: filepath.Join(dir, "vitrine.db"), key: seal.NewKey(), signer: signer, publish: filepath.Join(dir, "published")}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// start opens the store and a log on it, as a new process does.
func (b *bench) start() {
	b.t.Helper()
	st, err := store.Open(context.Background(), store.Config{URL: "sqlite:" + b.file, Seal: b.key})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	b.store = st
	b.stop = func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
		if err := st.Close(); err != nil {
			b.t.Error(err)
		}
		b.stop = func() {}
	}
	guard, err := access.NewGuard(access.Config{Store: st, Policy: func() (*rbac.Policy, error) { return nil, fmt.Errorf("no policy here") }})
	if err != nil {
		b.t.Fatal(err)
	}
	b.guard = guard
	b.log, err = audit.New(audit.Config{
		Store: st, Guard: guard, Signer: b.signer, Origin: origin, Publish: b.publish,
		Mirror: b.mirror, Tiles: b.mirror != nil, Webhook: b.hook, Outage: b.outage,
		Logger: slog.New(slog.NewTextHandler(&b.said, nil)),
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// restart is a stop and a start with something done to the files between.
func (b *bench) restart(between func()) {
	b.t.Helper()
	b.stop()
	between()
	b.start()
}

// grow appends n entries; many at the same time, so that they share commits.
func (b *bench) grow(n int) {
	b.t.Helper()
	var all sync.WaitGroup
	defer all.Wait()
	turns := make(chan struct{}, max(1, n/8))
	for i := range n {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			e := &vitrine.Entry{
				Time: time.Now(), Act: "image.open", Op: "open", Outcome: vitrine.Allowed, Code: "allowed", Actor: "usr-ann", ActorKind: vitrine.User,
				Credential: "k1", Kind: vitrine.KindImage, Resource: vitrine.ID(fmt.Sprintf("img-%d", i)), Scope: "drafts",
				Category: vitrine.Generated, Tier: vitrine.Internal, Binding: "b1", Revision: 7, Request: "req-1",
				Personal: vitrine.Personal{Address: "192.0.2.7", UserAgent: "curl/8", EndUser: "customer 7"},
			}
			if _, err := b.store.Commit(b.t.Context(), e, nil); err != nil {
				b.t.Error(err)
			}
		})
	}
}

func (b *bench) checkpoint() string {
	b.t.Helper()
	text, err := b.log.Checkpoint(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// sql does to the database what only an attacker does.
func (b *bench) sql(text string, args ...any) {
	b.t.Helper()
	db, err := sql.Open("sqlite", b.file)
	if err != nil {
		b.t.Fatal(err)
	}
	defer db.Close()
	r, err := db.Exec(text, args...)
	if err != nil {
		b.t.Fatal(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		b.t.Fatalf("%s changed %d rows (%v)", text, n, err)
	}
}

// copyAway and putBack are what somebody does who rolls the database back.
func (b *bench) copyAway() {
	b.t.Helper()
	copyFile(b.t, b.file, b.file+".old")
	copyFile(b.t, b.file+"-wal", b.file+".old-wal")
}

func (b *bench) putBack() { b.file += ".old" }

// copyFile copies a file, or its absence.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.RemoveAll(to)
	} else if err == nil {
		err = os.WriteFile(to, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) alerts() []string {
	b.t.Helper()
	all, err := b.store.Entries(b.t.Context(), store.EntryQuery{After: -1, Act: "sign"})
	if err != nil {
		b.t.Fatal(err)
	}
	var alerts []string
	for _, e := range all {
		alerts = append(alerts, e.Alert)
	}
	return alerts
}

func TestCheckpoint(t *testing.T) {
	b := newBench(t)
	var held []string
	for i := range 4 {
		b.grow(i + 1)
		text := b.checkpoint()
		if again := b.checkpoint(); again != text {
			t.Error("the same log was signed twice, differently")
		}
		held = append(held, text)
		c, err := audit.OpenCheckpoint(text, b.log.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		size, root, _, err := b.store.LogSize(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.Origin != origin || c.Size != size || c.Root != root {
			t.Errorf("checkpoint %+v, want of size %d and root %s", c, size, root)
		}
		if n, note, err := b.store.LatestCheckpoint(t.Context()); err != nil || n != size || note != text {
			t.Errorf("stored: size %d, %v", n, err)
		}
		if newest, err := os.ReadFile(filepath.Join(b.publish, "checkpoint")); err != nil || string(newest) != text {
			t.Errorf("published %q, %v", newest, err)
		}
	}
	history, err := os.ReadFile(filepath.Join(b.publish, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	if got := audit.ReadCheckpoints(history); strings.Join(got, "|") != strings.Join(held, "|") {
		t.Errorf("history %q, want %q", got, held)
	}
	if _, err := audit.OpenCheckpoint(strings.Replace(held[1], "\n3\n", "\n4\n", 1), b.log.PublicKey()); err == nil {
		t.Error("a changed checkpoint was accepted")
	}
}

// A process goes on where the last one stopped, whatever of the last
// checkpoint had arrived where.
func TestGoesOn(t *testing.T) {
	b := newBench(t)
	b.grow(300)
	b.checkpoint()
	for _, tt := range []struct {
		name    string
		between func()
	}{
		{"nothing happened", func() {}},
		{"the tiles were lost", func() { b.sql(`DELETE FROM log_tiles`) }},
		{"the tiles are of another log", func() { b.sql(`UPDATE log_tiles SET hashes = randomblob(length(hashes))`) }},
		{"the stored checkpoints were lost", func() { b.sql(`DELETE FROM checkpoints`) }},
		{"the published ones were lost", func() {
			if err := os.RemoveAll(b.publish); err != nil {
				t.Fatal(err)
			}
		}},
		{"the history was torn", func() {
			f, err := os.OpenFile(filepath.Join(b.publish, "checkpoints"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(origin + "\n7\nAAAA"); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.t = t
			b.restart(tt.between)
			b.grow(2)
			b.checkpoint()
			if err := b.log.Healthy(t.Context()); err != nil {
				t.Error(err)
			}
			history, err := os.ReadFile(filepath.Join(b.publish, "checkpoints"))
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range audit.ReadCheckpoints(history) {
				if _, err := audit.OpenCheckpoint(text, b.log.PublicKey()); err != nil {
					t.Errorf("history holds %q: %v", text, err)
				}
			}
		})
	}
}

// What was changed under the system's feet is not signed again, and everybody
// is told, once.
func TestRefusesToSign(t *testing.T) {
	for _, tt := range []struct {
		name    string
		tamper  func(b *bench)
		alerted bool // the log can still be written
	}{
		{"the database is an older copy", func(b *bench) { b.putBack() }, true},
		{"the head is cut off", func(b *bench) { b.sql(`UPDATE log_head SET size = 4`) }, false},
		{"the root is another", func(b *bench) { b.sql(`UPDATE log_head SET root = zeroblob(32)`) }, false},
		{"a new leaf is another", func(b *bench) { b.sql(`UPDATE log SET leaf = (SELECT leaf FROM log WHERE seq = 6) WHERE seq = 7`) }, true},
		{"the stored checkpoint is another", func(b *bench) { b.sql(`UPDATE checkpoints SET note = 'x'`) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.grow(4)
			b.checkpoint()
			b.restart(b.copyAway)
			b.grow(2)
			b.checkpoint()
			b.grow(2)
			b.restart(func() { tt.tamper(b) })
			for range 3 {
				if text, err := b.log.Checkpoint(t.Context()); err == nil {
					t.Fatalf("signed %q", text)
				}
			}
			if err := b.log.Healthy(t.Context()); err == nil {
				t.Error("healthy all the same")
			}
			if n := strings.Count(b.said.String(), "changed outside the system"); n != 1 {
				t.Errorf("said %d times: %s", n, &b.said)
			}
			if got := b.alerts(); tt.alerted && (len(got) != 1 || got[0] != "log_tampered") {
				t.Errorf("alerts %q", got)
			}
		})
	}
}

func TestForeignDirectory(t *testing.T) {
	b, other := newBench(t), newBench(t)
	other.grow(3)
	other.checkpoint()
	b.restart(func() { b.publish = other.publish })
	b.grow(1)
	if text, err := b.log.Checkpoint(t.Context()); err == nil || !strings.Contains(err.Error(), "directory of its own") {
		t.Errorf("published %q, %v over another log's", text, err)
	}
}

func TestRun(t *testing.T) {
	b := newBench(t)
	b.grow(3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.log.Run(ctx); err != nil {
		t.Fatal(err)
	}
	newest, err := os.ReadFile(filepath.Join(b.publish, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := audit.OpenCheckpoint(string(newest), b.log.PublicKey()); err != nil || c.Size != 3 {
		t.Errorf("at its end Run published %+v, %v", c, err)
	}
}

// A server asks before it serves. Data that are older than what was published,
// or rewritten, are refused, and nothing is written into them.
func TestContinues(t *testing.T) {
	for _, tt := range []struct {
		name    string
		between func(b *bench)
		want    bool
		alerts  string
	}{
		{"nothing happened", func(*bench) {}, true, ""},
		{"it was not signed to its end", func(b *bench) { b.start(); b.grow(3); b.stop() }, true, ""},
		{"an older copy", (*bench).putBack, false, ""},
		{"an older copy that grew", func(b *bench) { b.putBack(); b.start(); b.grow(9); b.stop() }, false, ""},
		{"rewritten", func(b *bench) {
			b.sql(`UPDATE log SET leaf = (SELECT leaf FROM log WHERE seq = 0) WHERE seq = 1`)
			b.sql(`UPDATE log SET hash = zeroblob(32) WHERE seq = 2`)
		}, false, ""},
		{"an older copy, and the checkpoints moved away", func(b *bench) {
			b.putBack()
			if err := os.Rename(b.publish, b.publish+".away"); err != nil {
				t.Fatal(err)
			}
		}, true, "checkpoints_absent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.grow(4)
			b.checkpoint()
			b.restart(b.copyAway)
			b.grow(2)
			b.checkpoint()
			b.restart(func() { tt.between(b) })
			before, _, _, err := b.store.LogSize(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				err := b.log.Continues(t.Context())
				if (err == nil) != tt.want || err != nil && !errors.Is(err, audit.ErrTampered) {
					t.Fatalf("got %v, want it to continue: %v", err, tt.want)
				}
				if err == nil {
					b.checkpoint() // published again: the second time nothing is missing
				}
			}
			after, _, _, err := b.store.LogSize(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := b.alerts()
			if tt.alerts == "" && (after != before || len(got) > 0) || tt.alerts != "" && (len(got) != 1 || got[0] != tt.alerts) {
				t.Errorf("alerts %q, %d entries more; want %q, once", got, after-before, tt.alerts)
			}
		})
	}
}

// Where nothing is published, there is nothing to miss.
func TestContinuesUnpublished(t *testing.T) {
	b := newBench(t)
	b.restart(func() { b.publish = "" })
	b.grow(1)
	b.checkpoint()
	if err := b.log.Continues(t.Context()); err != nil || len(b.alerts()) > 0 {
		t.Errorf("%v, alerts %q", err, b.alerts())
	}
}

// What breaks while the system runs tells the guard.
func TestBroken(t *testing.T) {
	b := newBench(t)
	b.grow(4)
	b.checkpoint()
	if err := b.log.Broken(); err != nil {
		t.Fatal(err)
	}
	b.sql(`UPDATE log_head SET size = 2`)
	if _, err := b.log.Checkpoint(t.Context()); err == nil {
		t.Fatal("signed")
	}
	var e *vitrine.Error
	if err := b.log.Broken(); !errors.As(err, &e) || !errors.Is(err, vitrine.ErrUnavailable) || e.Code != "log_tampered" {
		t.Errorf("got %v, want log_tampered", err)
	}
}
