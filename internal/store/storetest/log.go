package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/store"
)

// Verify recomputes the log from its rows: every leaf parses, stands at its
// place, has its hash, and all of them have the root that the head says.
func Verify(t testing.TB, s *store.Store) {
	t.Helper()
	size, root, _, err := s.LogSize(t.Context())
	if err != nil {
		t.Fatalf("verify the log: %v", err)
	}
	var tree merkle.Range
	err = s.LogRows(t.Context(), 0, size, func(l store.LogRow) error {
		if e, _, err := entry.Parse(l.Leaf); err != nil || e.Seq != l.Seq || l.Seq != tree.Size() {
			t.Errorf("entry %d of the log, at %d: %+v, %v", l.Seq, tree.Size(), e, err)
		}
		if merkle.Leaf(l.Leaf) != l.Hash {
			t.Errorf("the hash of entry %d is of something else", l.Seq)
		}
		tree.Append(l.Hash)
		return nil
	})
	if err != nil {
		t.Fatalf("verify the log: %v", err)
	}
	if tree.Size() != size || tree.Root() != root {
		t.Errorf("the log's head says %d, %s; its rows say %d, %s", size, root, tree.Size(), tree.Root())
	}
	if err := s.LogRows(t.Context(), size, size+1, func(store.LogRow) error { return nil }); err == nil {
		t.Errorf("there is an entry %d beyond the head, or its absence is no error", size)
	}
}

func entries(t testing.TB, s *store.Store, q store.EntryQuery) []vitrine.Entry {
	t.Helper()
	got, err := s.Entries(t.Context(), q)
	if err != nil {
		t.Fatalf("search %+v: %v", q, err)
	}
	return got
}

func seqs(entries []vitrine.Entry) []int64 {
	all := []int64{}
	for _, e := range entries {
		all = append(all, e.Seq)
	}
	return all
}

func testDense(t *testing.T, s *store.Store) {
	const writers, each = 200, 5
	taken := make([][]int64, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				e := act(fmt.Sprintf("w%d", w))
				e.Personal.Address = fmt.Sprintf("10.0.0.%d", w)
				e.Actor = vitrine.ID(fmt.Sprintf("user-%d", w))
				var fn func(*store.Tx) error
				if i == 3 {
					fn = func(*store.Tx) error { return vitrine.ErrConflict }
				}
				r, err := s.Commit(t.Context(), e, fn)
				if fn == nil && err != nil || fn != nil && !errors.Is(err, vitrine.ErrConflict) {
					t.Errorf("writer %d: %v", w, err)
				}
				taken[w] = append(taken[w], r.Seq)
			}
		})
	}
	wg.Wait()
	seen := map[int64]bool{}
	for w, own := range taken {
		if !slices.IsSorted(own) {
			t.Errorf("writer %d got %v; a later act stands before an earlier one", w, own)
		}
		for _, seq := range own {
			seen[seq] = true
		}
	}
	if len(seen) != writers*each || !seen[0] || !seen[writers*each-1] {
		t.Errorf("got %d places; want 0 to %d", len(seen), writers*each-1)
	}
	for _, e := range entries(t, s, store.EntryQuery{After: -1, Limit: 1000}) {
		want := vitrine.ID("user-" + e.Act[1:])
		if e.Actor != want || e.Personal.Address != "10.0.0."+e.Act[1:] {
			t.Errorf("entry %d of %s is %s from %s", e.Seq, e.Act, e.Actor, e.Personal.Address)
		}
	}
}

// testSearch has 12 entries: even ones by ann, every third in scope p-1, every
// fourth refused.
func testSearch(t *testing.T, s *store.Store) {
	for i := range 12 {
		e := act("image.open")
		e.Time = epoch.Add(time.Duration(i) * time.Microsecond)
		if i%2 == 1 {
			e.Actor = "Ann"
		}
		if i%3 == 0 {
			e.Scope = "p-1"
		}
		if i%4 == 0 {
			e.Outcome, e.Act, e.Request, e.Credential, e.Resource = vitrine.Refused, "image.view", "req", "key", "img"
		}
		if _, err := s.Commit(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	at := func(i int) time.Time { return epoch.Add(time.Duration(i) * time.Microsecond) }
	for _, test := range []struct {
		name string
		q    store.EntryQuery
		want []int64
	}{
		{"all", store.EntryQuery{After: -1}, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
		{"after", store.EntryQuery{After: 8}, []int64{9, 10, 11}},
		{"back from the newest", store.EntryQuery{Back: true, Limit: 3}, []int64{11, 10, 9}},
		{"back from one", store.EntryQuery{Back: true, After: 2}, []int64{1, 0}},
		{"by actor, in its case", store.EntryQuery{After: -1, Actor: "Ann", Limit: 2}, []int64{1, 3}},
		{"by act", store.EntryQuery{After: -1, Act: "image.view"}, []int64{0, 4, 8}},
		{"by outcome", store.EntryQuery{After: 0, Outcome: vitrine.Refused}, []int64{4, 8}},
		{"by resource", store.EntryQuery{After: -1, Resource: "img"}, []int64{0, 4, 8}},
		{"by request", store.EntryQuery{After: -1, Request: "req"}, []int64{0, 4, 8}},
		{"by credential", store.EntryQuery{After: -1, Credential: "key"}, []int64{0, 4, 8}},
		{"by time", store.EntryQuery{After: -1, From: at(3), To: at(5)}, []int64{3, 4}},
		{"by scope", store.EntryQuery{After: -1, Scopes: []vitrine.ID{"p-1"}}, []int64{0, 3, 6, 9}},
		{"by scopes, back", store.EntryQuery{Back: true, Scopes: []vitrine.ID{"p-1", "", "p-1"}, Limit: 2}, []int64{11, 10}},
		{"by no scope", store.EntryQuery{After: -1, Scopes: []vitrine.ID{}}, []int64{}},
		{"by all at once", store.EntryQuery{After: -1, Actor: "ann", Act: "image.view", Outcome: vitrine.Refused, Resource: "img",
			Scopes: []vitrine.ID{"p-1"}, Request: "req", Credential: "key", From: at(0), To: at(12)}, []int64{0}},
		{"by what nobody did", store.EntryQuery{After: -1, Actor: "eve"}, []int64{}},
	} {
		equal(t, test.name, seqs(entries(t, s, test.q)), test.want)
	}
}

func testLogPages(t *testing.T, s *store.Store) {
	const n = 2105 // more than two pages of LogRows
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range n / 10 {
				if _, err := s.Commit(t.Context(), act("test"), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var got []int64
	for after := int64(-1); ; after = got[len(got)-1] {
		page := entries(t, s, store.EntryQuery{After: after, Limit: 999})
		if len(page) == 0 {
			break
		}
		got = append(got, seqs(page)...)
		if len(page) == 999 {
			do(t, s, nil) // an entry that comes meanwhile comes once, at the end
		}
	}
	for i, seq := range got {
		if seq != int64(i) {
			t.Fatalf("place %d of all pages is entry %d", i, seq)
		}
	}
	if len(got) < n/10*10 {
		t.Errorf("all pages hold %d entries", len(got))
	}
	if got := entries(t, s, store.EntryQuery{After: -1, Limit: 5000}); len(got) != 1000 {
		t.Errorf("a page of 5000 has %d entries; 1000 is the most", len(got))
	}
	if got := entries(t, s, store.EntryQuery{After: -1}); len(got) != 100 {
		t.Errorf("a page has %d entries; want 100", len(got))
	}
	stop := errors.New("enough")
	if err := s.LogRows(t.Context(), 5, 50, func(l store.LogRow) error {
		if l.Seq == 7 {
			return stop
		}
		return nil
	}); err != stop {
		t.Errorf("stopping at entry 7: got %v", err)
	}
}

func testManyScopes(t *testing.T, s *store.Store) {
	scopes := make([]vitrine.ID, 70_000)
	for i := range scopes {
		scopes[i] = vitrine.ID(fmt.Sprintf("s-%05d", i))
	}
	for _, i := range []int{69_999, 3, 35_000} {
		e := act("test")
		e.Scope = scopes[i]
		if _, err := s.Commit(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	do(t, s, nil)
	equal(t, "forward", seqs(entries(t, s, store.EntryQuery{After: -1, Scopes: scopes})), []int64{0, 1, 2})
	equal(t, "back", seqs(entries(t, s, store.EntryQuery{Back: true, Scopes: scopes, Limit: 2})), []int64{2, 1})
}

func testAppended(t *testing.T, s *store.Store) {
	appended := s.Appended()
	select {
	case <-appended:
		t.Error("woken before anything was appended")
	default:
	}
	do(t, s, nil)
	<-appended
	if again := s.Appended(); again == appended {
		t.Error("asked again, got the channel of before")
	}
}

func testCheckpoints(t *testing.T, s *store.Store) {
	if size, note, err := s.LatestCheckpoint(t.Context()); size != 0 || note != "" || err != nil {
		t.Errorf("of a new log: got %d, %q, %v", size, note, err)
	}
	for _, c := range []struct {
		size int64
		note string
	}{{10, "ten"}, {2, "two"}, {10, "ten again"}} {
		if err := s.Maintain(t.Context(), func(tx *store.Tx) error { return tx.PutCheckpoint(c.size, c.note, epoch) }); err != nil {
			t.Fatal(err)
		}
	}
	if size, note, err := s.LatestCheckpoint(t.Context()); size != 10 || note != "ten again" || err != nil {
		t.Errorf("got %d, %q, %v", size, note, err)
	}
	for size, want := range map[int64]string{2: "two", 3: "", 10: "ten again"} {
		if note, err := s.CheckpointOf(t.Context(), size); note != want || err != nil {
			t.Errorf("of %d: got %q, %v", size, note, err)
		}
	}
}
