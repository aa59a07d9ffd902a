package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

const reserve = 1 << 20

// startReserved is a running store that keeps a reserve.
func startReserved(t *testing.T) (s *store.Store, file string) {
	t.Helper()
	url := storetest.SQLite(t)
	s, err := store.Open(t.Context(), store.Config{URL: url, Seal: storetest.Key, Reserve: reserve})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, filepath.Join(filepath.Dir(strings.TrimPrefix(url, "sqlite:")), "reserve")
}

// kept reports whether the reserve is there.
func kept(t *testing.T, file string) bool {
	t.Helper()
	st, err := os.Stat(file)
	return err == nil && st.Size() == reserve
}

// fillUp lets the database grow no further and acts until it finds that out. It
// answers how many acts stood.
func fillUp(t *testing.T, s *store.Store, ran *int) (stood int64) {
	t.Helper()
	if err := s.Maintain(t.Context(), func(tx *store.Tx) error { return store.Exec(tx, "PRAGMA max_page_count = 1") }); err != nil {
		t.Fatal(err)
	}
	for ; stood < 100; stood++ {
		*ran = 0
		e := opened(stood)
		_, err := s.Commit(t.Context(), e, func(tx *store.Tx) error {
			*ran++
			return tx.SetMeta(fmt.Sprint("large-", stood), strings.Repeat("x", 100_000))
		})
		if err == nil {
			continue
		}
		if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnrecorded) || e.Outcome != vitrine.Broken || e.Code != "disk_full" {
			t.Fatalf("on a full disk: %v, entry %+v; want it refused and recorded", err, e)
		}
		return stood
	}
	t.Fatal("the disk was never full")
	return 0
}

// On a full disk nothing is done any more, and the log says so: what was kept for
// it is given up. When there is room again, all goes on as before.
func TestFullDisk(t *testing.T) {
	s, file := startReserved(t)
	if !kept(t, file) || s.Full() {
		t.Fatalf("at the start: reserve %v, full %v", kept(t, file), s.Full())
	}
	var ran int
	stood := fillUp(t, s, &ran)
	if ran != 1 || has(t, s, fmt.Sprint("large-", stood)) {
		t.Errorf("the act ran %d times and stands: %v", ran, has(t, s, fmt.Sprint("large-", stood)))
	}
	if kept(t, file) || !s.Full() {
		t.Errorf("full: reserve %v, full %v; want it given up", kept(t, file), s.Full())
	}
	refusal := opened(7)
	refusal.Outcome, refusal.Code = vitrine.Refused, "no_grant"
	for _, test := range []struct {
		name    string
		entry   *vitrine.Entry
		fn      func(*store.Tx) error
		want    error
		outcome vitrine.Outcome
	}{
		{"a refusal", refusal, nil, nil, vitrine.Refused},
		{"an allow without an act", opened(8), nil, store.ErrFull, vitrine.Broken},
		{"an allow with an act", opened(9), set("x"), store.ErrFull, vitrine.Broken},
	} {
		before := size(t, s)
		_, err := s.Commit(t.Context(), test.entry, test.fn)
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) || test.entry.Outcome != test.outcome {
			t.Errorf("%s: %v, outcome %s; want %v, %s", test.name, err, test.entry.Outcome, test.want, test.outcome)
		}
		if size(t, s) != before+1 {
			t.Errorf("%s was not recorded", test.name)
		}
	}
	if err := s.Maintain(t.Context(), set("y")); !errors.Is(err, store.ErrFull) || has(t, s, "x") || has(t, s, "y") {
		t.Errorf("maintenance: %v; x %v, y %v; want nothing done", err, has(t, s, "x"), has(t, s, "y"))
	}
	if err := s.Probe(t.Context()); err != nil || !kept(t, file) || s.Full() {
		t.Errorf("with room again: %v, reserve %v, full %v", err, kept(t, file), s.Full())
	}
	if _, err := s.Commit(t.Context(), opened(10), set("x")); err != nil || !has(t, s, "x") {
		t.Errorf("afterwards: %v", err)
	}
	storetest.Verify(t, s)
}

// Without a reserve a full disk is what it was: nothing can be recorded, so
// nothing is done.
func TestFullDiskWithoutReserve(t *testing.T) {
	s := storetest.Start(t, storetest.SQLite(t))
	if err := s.Maintain(t.Context(), func(tx *store.Tx) error { return store.Exec(tx, "PRAGMA max_page_count = 1") }); err != nil {
		t.Fatal(err)
	}
	large := func(tx *store.Tx) error { return tx.SetMeta("large", strings.Repeat("x", 1_000_000)) }
	if _, err := s.Commit(t.Context(), opened(0), large); !errors.Is(err, store.ErrUnrecorded) || has(t, s, "large") || s.Full() {
		t.Errorf("got %v, stands %v, full %v; want unrecorded", err, has(t, s, "large"), s.Full())
	}
	if err := s.Probe(t.Context()); err != nil {
		t.Errorf("what is small still fits: %v", err)
	}
}
