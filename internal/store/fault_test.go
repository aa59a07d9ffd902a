package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

var errFault = errors.New("the disk is on fire")

func size(t *testing.T, s *store.Store) int64 {
	t.Helper()
	n, _, _, err := s.LogSize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// set is an act that leaves a trace.
func set(key string) func(*store.Tx) error {
	return func(tx *store.Tx) error { return tx.SetMeta(key, "done") }
}

// has reports whether the trace is there.
func has(t *testing.T, s *store.Store, key string) bool {
	t.Helper()
	_, ok, err := s.Meta(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// A commit that fails leaves both the act and its entry, or neither, and the
// caller is told which.
func TestCommitFails(t *testing.T) {
	for _, test := range []struct {
		name   string
		fault  string // the stage that fails
		fn     func(*store.Tx) error
		stands bool
		want   error // what Commit answers; nil is none
	}{
		{"nothing fails", "", set("x"), true, nil},
		{"the act fails", "", func(tx *store.Tx) error { return errors.Join(set("x")(tx), vitrine.ErrConflict) }, true, vitrine.ErrConflict},
		{"before COMMIT", "before", set("x"), false, store.ErrUnrecorded},
		{"before COMMIT, an entry alone", "before", nil, false, store.ErrUnrecorded},
		{"before COMMIT, the act fails too", "before", func(*store.Tx) error { return vitrine.ErrConflict }, false, store.ErrUnrecorded},
		{"after COMMIT", "after", set("x"), true, nil},
		{"after COMMIT, an entry alone", "after", nil, true, nil},
		{"after COMMIT, the act fails too", "after", func(*store.Tx) error { return vitrine.ErrConflict }, true, vitrine.ErrConflict},
	} {
		t.Run(test.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, url string) {
				s := storetest.Start(t, url)
				if _, err := s.Commit(t.Context(), opened(0), nil); err != nil {
					t.Fatal(err)
				}
				store.SetFault(s, func(stage string) error {
					if stage == test.fault {
						return errFault
					}
					return nil
				})
				appended := s.Appended()
				e, was := opened(1), opened(1)
				r, err := s.Commit(t.Context(), e, test.fn)
				if !errors.Is(err, test.want) || test.want == nil && err != nil {
					t.Errorf("got %v; want %v", err, test.want)
				}
				if errors.Is(err, store.ErrUnrecorded) && (!errors.Is(err, errFault) || !errors.Is(err, vitrine.ErrUnavailable)) {
					t.Errorf("%v is not unavailable, or hides its cause", err)
				}
				if !test.stands {
					if diff := cmp.Diff(was, e); diff != "" || r != (store.Receipt{}) {
						t.Errorf("of an entry that does not stand something was noted: %+v, %s", r, diff)
					}
				} else if r.Seq != 1 || e.Seq != 1 {
					t.Errorf("the place is %d and %d; want 1", r.Seq, e.Seq)
				}
				if test.stands {
					<-appended
				}
				store.SetFault(s, nil)
				want := int64(1)
				if test.stands {
					want = 2
				} else if appended != s.Appended() {
					t.Error("who waits for the log was woken for nothing")
				}
				if n := size(t, s); n != want {
					t.Errorf("the log has %d entries; want %d", n, want)
				}
				if got := has(t, s, "x"); got != (test.stands && test.fn != nil && test.want == nil) {
					t.Errorf("what the act did is there: %v", got)
				}
				if r, err := s.Commit(t.Context(), opened(2), set("y")); err != nil || r.Seq != want {
					t.Errorf("afterwards: %+v, %v", r, err)
				}
				storetest.Verify(t, s)
			})
		})
	}
}

// watched tells when somebody begins to wait for the context's end: by then an
// act is queued.
type watched struct {
	context.Context
	queued func()
}

func (w watched) Done() <-chan struct{} {
	w.queued()
	return w.Context.Done()
}

// queueUp starts acts that find the committer busy, and lets it go on once all
// of them are queued.
func queueUp(t *testing.T, s *store.Store, acts ...func(ctx context.Context)) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	var all, queued sync.WaitGroup
	all.Go(func() {
		if err := s.Maintain(t.Context(), func(*store.Tx) error { close(busy); <-free; return nil }); err != nil {
			t.Errorf("keep the committer busy: %v", err)
		}
	})
	<-busy
	queued.Add(len(acts))
	for _, act := range acts {
		all.Go(func() { act(watched{t.Context(), queued.Done}) })
	}
	queued.Wait()
	close(free)
	all.Wait()
}

// A hundred neighbours share one sync; those that fail, and one that breaks the
// rules, take nobody with them.
func TestNeighboursShareACommit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Start(t, url)
		var syncs []string
		store.SetFault(s, func(stage string) error { syncs = append(syncs, stage); return nil })
		var acts []func(context.Context)
		for i := range 100 {
			acts = append(acts, func(ctx context.Context) {
				fn, want := set(fmt.Sprintf("act-%d", i)), error(nil)
				switch i {
				case 10:
					fn, want = func(tx *store.Tx) error { return errors.Join(set("act-10")(tx), vitrine.ErrExhausted) }, vitrine.ErrExhausted
				case 20:
					fn, want = func(tx *store.Tx) error { return store.Exec(tx, "nonsense") }, errAny
				case 30:
					fn, want = func(tx *store.Tx) error { panic("a bug") }, errAny
				}
				if _, err := s.Commit(ctx, opened(int64(i)), fn); !is(err, want) {
					t.Errorf("act %d: got %v; want %v", i, err, want)
				}
			})
		}
		queueUp(t, s, acts...)
		store.SetFault(s, nil)
		if diff := cmp.Diff([]string{"before", "after", "before", "after"}, syncs); diff != "" {
			t.Errorf("commits (-want +got):\n%s", diff)
		}
		for i := range 100 {
			if got := has(t, s, fmt.Sprintf("act-%d", i)); got != (i != 10 && i != 20 && i != 30) {
				t.Errorf("what act %d did is there: %v", i, got)
			}
		}
		refused, err := s.Entries(t.Context(), store.EntryQuery{After: -1, Outcome: vitrine.Refused})
		failed, err2 := s.Entries(t.Context(), store.EntryQuery{After: -1, Outcome: vitrine.Broken})
		if len(refused) != 1 || len(failed) != 2 || errors.Join(err, err2) != nil || size(t, s) != 100 {
			t.Errorf("%d entries, %d refused, %d failed, %v; want 100, 1, 2", size(t, s), len(refused), len(failed), errors.Join(err, err2))
		}
		storetest.Verify(t, s)
	})
}

// errAny stands for any error but one that says that nothing was recorded.
var errAny = errors.New("any")

func is(err, want error) bool {
	if want == errAny {
		return err != nil && !errors.Is(err, store.ErrUnrecorded)
	}
	return want == nil && err == nil || want != nil && errors.Is(err, want)
}

// When a shared commit fails, all who share it are refused, maintenance too.
func TestNeighboursFailTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Start(t, url)
		first := true
		store.SetFault(s, func(stage string) error {
			if stage == "before" && !first {
				return errFault
			}
			first = false
			return nil
		})
		commit := func(ctx context.Context) {
			if _, err := s.Commit(ctx, opened(1), set("x")); !errors.Is(err, store.ErrUnrecorded) {
				t.Errorf("got %v; want unrecorded", err)
			}
		}
		queueUp(t, s, commit, commit, func(ctx context.Context) {
			if err := s.Maintain(ctx, set("x")); !errors.Is(err, store.ErrUnrecorded) {
				t.Errorf("maintenance: got %v; want unrecorded", err)
			}
		})
		store.SetFault(s, nil)
		if size(t, s) != 0 || has(t, s, "x") {
			t.Errorf("%d entries; what they did is there: %v", size(t, s), has(t, s, "x"))
		}
	})
}

// A database that takes no more writes refuses everything, and works again
// when it does.
func TestDatabaseThatTakesNothing(t *testing.T) {
	for _, test := range []struct {
		name        string
		sqlite      bool
		stop, start string // on the writer's connection
		cause       string
	}{
		{"full", true, "PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", "full"},
		{"closed to writing", true, "CREATE TRIGGER no BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'closed'); END", "DROP TRIGGER no", "closed"},
		{"without the right", false, "REVOKE INSERT ON log FROM CURRENT_USER", "GRANT INSERT ON log TO CURRENT_USER", "permission denied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, url string) {
				if strings.HasPrefix(url, "sqlite:") != test.sqlite {
					t.Skip("of the other engine")
				}
				s := storetest.Start(t, url)
				change := func(text string) {
					if err := s.Maintain(t.Context(), func(tx *store.Tx) error { return store.Exec(tx, text) }); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := s.Commit(t.Context(), opened(0), putImage(0)); err != nil {
					t.Fatal(err)
				}
				n := int64(1)
				change(test.stop)
				var err error
				for i := range int64(100) { // free pages fill up first
					if _, err = s.Commit(t.Context(), opened(i), putImage(i+1)); err != nil {
						break
					}
					n++
				}
				if !errors.Is(err, store.ErrUnrecorded) || !strings.Contains(err.Error(), test.cause) {
					t.Errorf("got %v; want unrecorded, %s", err, test.cause)
				}
				if size(t, s) != n {
					t.Errorf("%d entries; want %d", size(t, s), n)
				}
				if _, err := s.Image(t.Context(), vitrine.ID(fmt.Sprintf("img-%09d", n))); !errors.Is(err, vitrine.ErrNotFound) {
					t.Errorf("the image of the refused act: %v", err)
				}
				change(test.start)
				if _, err := s.Commit(t.Context(), opened(1), putImage(n)); err != nil {
					t.Errorf("afterwards: %v", err)
				}
				storetest.Verify(t, s)
			})
		})
	}
}

// Dynamic queries must not pile up as prepared statements.
func TestPreparedStatementsStayFew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Start(t, url)
		ask := func(n int) {
			set := store.ImageSet{Cells: uint32(n)}
			for i := range n {
				set.Datasets = append(set.Datasets, vitrine.ID(fmt.Sprint(i)))
			}
			_, err := s.Images(t.Context(), store.ImageQuery{Sets: []store.ImageSet{set}})
			_, err2 := s.Entries(t.Context(), store.EntryQuery{After: -1, Scopes: set.Datasets, Limit: n})
			_, err3 := s.Usage(t.Context(), store.UsageQuery{Projects: set.Datasets, By: "day"})
			_, err4 := s.BlobNamed(t.Context(), []string{fmt.Sprint(n)})
			if err := errors.Join(err, err2, err3, err4); err != nil {
				t.Fatal(err)
			}
		}
		ask(1)
		before := store.Prepared(s)
		for n := range 100 {
			ask(n + 2)
		}
		if now := store.Prepared(s); now > before+10 {
			t.Errorf("%d statements are prepared; there were %d before a hundred questions", now, before)
		}
	})
}
