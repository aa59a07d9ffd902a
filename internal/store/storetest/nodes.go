package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// rootAt is the root over the first n entries.
func rootAt(t testing.TB, s *store.Store, n int64) merkle.Hash {
	t.Helper()
	var tree merkle.Range
	err := s.LogRows(t.Context(), 0, n, func(l store.LogRow) error { tree.Append(l.Hash); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return tree.Root()
}

// Two nodes write one log and compete for the same money and the same image.
func testNodes(t *testing.T, url string) {
	nodes := []*store.Store{Start(t, url), Start(t, url)}
	putImages(t, nodes[0], image("img", 0))
	const each = 50
	charges := []store.Charge{charge("b", each)}
	var wg sync.WaitGroup
	for n, s := range nodes {
		for i := range each {
			wg.Go(func() {
				if _, err := s.Commit(t.Context(), act("test"), nil); err != nil {
					t.Errorf("node %d: %v", n, err)
				}
			})
			wg.Go(func() {
				err := try(t, s, func(tx *store.Tx) error { return tx.Reserve(fmt.Sprintf("%d-%d", n, i), 1, charges, epoch) })
				if err != nil && !errors.Is(err, vitrine.ErrExhausted) {
					t.Errorf("node %d: %v", n, err)
				}
			})
		}
		wg.Go(func() {
			for done := 0; done < 5; {
				m, err := s.Image(t.Context(), "img")
				if err != nil {
					t.Error(err)
					return
				}
				err = try(t, s, func(tx *store.Tx) error { return tx.UpdateImage(&m.Image) })
				if err == nil {
					done++
				} else if !errors.Is(err, vitrine.ErrConflict) {
					t.Errorf("node %d: %v", n, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if m, err := nodes[1].Image(t.Context(), "img"); err != nil || m.Version != 11 {
		t.Errorf("after ten changes: %+v, %v", m, err)
	}
	for _, s := range nodes {
		balances(t, s, charges, []money{{reserved: each}})
		Verify(t, s)
	}
	do(t, nodes[0], func(tx *store.Tx) error {
		_, err := tx.ApplyChanges(0, "ann", &vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Put(project("p", ""))}})
		return err
	})
	if rev, err := nodes[1].Revision(t.Context()); rev != 1 || err != nil {
		t.Errorf("the other node reads revision %d, %v", rev, err)
	}
}

func testNodesForget(t *testing.T, url string) {
	a, b := Start(t, url), Start(t, url)
	from(t, a, "ann", "10.0.0.1", "", nil)
	from(t, b, "ann", "10.0.0.2", "", nil) // both remember her key now
	do(t, b, func(tx *store.Tx) error { return tx.Forget("ann") })
	from(t, a, "ann", "10.0.0.3", "", nil)
	from(t, b, "ann", "10.0.0.4", "", nil)
	for _, s := range []*store.Store{a, b} {
		addresses, _ := personal(t, s)
		equal(t, "addresses", addresses, []string{"", "", "", "10.0.0.3", "10.0.0.4"})
	}
}

func testRestart(t *testing.T, url string) {
	var roots []merkle.Hash
	for run := range 3 {
		s, stop := StartUntil(t, url)
		for i := range int64(run) {
			if got := rootAt(t, s, i+1); got != roots[i] {
				t.Errorf("after restart %d the root over %d entries is another", run, i+1)
			}
		}
		from(t, s, "ann", fmt.Sprintf("10.0.0.%d", run), "", nil)
		addresses, _ := personal(t, s)
		if len(addresses) != run+1 || addresses[0] != "10.0.0.0" {
			t.Errorf("run %d opens %q", run, addresses)
		}
		_, root, _, err := s.LogSize(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, root)
		Verify(t, s)
		stop()
	}
}

func testStartTogether(t *testing.T, url string) {
	if strings.HasPrefix(url, "sqlite:") {
		t.Skip("one process has the file of an SQLite database")
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			s, stop := StartUntil(t, url)
			defer stop()
			do(t, s, nil)
		})
	}
	wg.Wait()
	s := Start(t, url)
	if size, _, _, err := s.LogSize(t.Context()); size != 5 || err != nil {
		t.Errorf("the log has %d entries, %v", size, err)
	}
	Verify(t, s)
}

func testOtherKey(t *testing.T, url string) {
	_, stop := StartUntil(t, url)
	stop()
	for name, key := range map[string]seal.Key{"another": {1}, "none": {}} {
		s, err := store.Open(t.Context(), store.Config{URL: url, Seal: key})
		if err == nil || !strings.Contains(err.Error(), "installation key") {
			t.Errorf("%s key: got %v", name, err)
		}
		if err == nil {
			t.Error(s.Close())
		}
	}
	Start(t, url)
}

// Before Run acts wait; after it they are refused.
func testNotRunning(t *testing.T, url string) {
	s, err := store.Open(t.Context(), store.Config{URL: url, Seal: Key})
	if err != nil {
		t.Fatal(err)
	}
	inner, cancel := context.WithCancel(t.Context())
	queued := watched{inner, make(chan struct{})}
	waiting, left := make(chan error), make(chan error)
	go func() {
		<-queued.asked
		ctx := watched{t.Context(), make(chan struct{})}
		go func() { <-ctx.asked; cancel() }()
		_, err := s.Commit(ctx, act("test"), nil)
		waiting <- err
	}()
	go func() { _, err := s.Commit(queued, act("test"), nil); left <- err }()
	if err := <-left; !errors.Is(err, store.ErrUnrecorded) {
		t.Errorf("left before Run: got %v", err)
	}
	running, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(running) }()
	if err := <-waiting; err != nil {
		t.Errorf("queued before Run: %v", err)
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("Run ran twice at once")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	if _, err := s.Commit(t.Context(), act("test"), nil); !errors.Is(err, store.ErrUnrecorded) {
		t.Errorf("after Run: got %v; want unrecorded", err)
	}
	if size, _, _, err := s.LogSize(t.Context()); size != 1 || err != nil {
		t.Errorf("reading goes on without Run: %d entries, %v", size, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close twice: %v", err)
	}
	if err := s.Maintain(t.Context(), nil); !errors.Is(err, store.ErrUnrecorded) {
		t.Errorf("after Close: got %v; want unrecorded", err)
	}
}

func testReadMeta(t *testing.T, url string) {
	if v, ok, err := store.ReadMeta(t.Context(), url, "k"); v != "" || ok || err != nil {
		t.Errorf("of no database: got %q, %v, %v", v, ok, err)
	}
	if path, lite := strings.CutPrefix(url, "sqlite:"); lite {
		if _, err := os.Stat(path); err == nil {
			t.Error("asking made a database")
		}
	}
	s := Start(t, url)
	if v, ok, err := store.ReadMeta(t.Context(), url, "k"); v != "" || ok || err != nil {
		t.Errorf("of an unset key: got %q, %v, %v", v, ok, err)
	}
	do(t, s, func(tx *store.Tx) error { return tx.SetMeta("k", "v") })
	if v, ok, err := store.ReadMeta(t.Context(), url, "k"); v != "v" || !ok || err != nil {
		t.Errorf("beside a running store: got %q, %v, %v", v, ok, err)
	}
	if _, _, err := store.ReadMeta(t.Context(), "mysql://x", "k"); err == nil {
		t.Error("of a database of another kind: no error")
	}
}
