package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

func testCommit(t *testing.T, s *store.Store) {
	for i := range 3 {
		e := act("test")
		e.Time = time.Time{}
		before := time.Now().Truncate(time.Microsecond)
		r, err := s.Commit(t.Context(), e, func(tx *store.Tx) error {
			e.Revision = 7 // an act may say more about itself
			return tx.SetMeta("n", fmt.Sprint(i))
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Seq != int64(i) || e.Seq != r.Seq || !r.Time.Equal(e.Time) || e.Time.Before(before) || e.Time.After(time.Now()) {
			t.Errorf("commit %d: got %+v and entry %+v", i, r, e)
		}
		got := entries(t, s, store.EntryQuery{Back: true, Limit: 1})
		equal(t, "the last entry", got, []vitrine.Entry{*e})
		if n, _, err := s.Meta(t.Context(), "n"); err != nil || n != fmt.Sprint(i) {
			t.Errorf("after commit %d: meta is %q, %v", i, n, err)
		}
	}
}

func testRefused(t *testing.T, s *store.Store) {
	secret := errors.New("the prompt was: my secret")
	for _, test := range []struct {
		name         string
		err          error
		outcome      vitrine.Outcome
		code, detail string
	}{
		{"denied", fmt.Errorf("x: %w", vitrine.ErrDenied), vitrine.Refused, "denied", ""},
		{"conflict", &vitrine.Error{Kind: vitrine.ErrConflict, Code: "version", Public: "It has changed.", Err: secret}, vitrine.Refused, "version", "It has changed."},
		{"exhausted", &vitrine.Error{Kind: vitrine.ErrExhausted, Code: "budget_exhausted"}, vitrine.Refused, "budget_exhausted", ""},
		{"invalid", vitrine.ErrInvalid, vitrine.Refused, "invalid", ""},
		{"not found", vitrine.ErrNotFound, vitrine.Refused, "not_found", ""},
		{"unavailable", &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "busy", Err: secret}, vitrine.Broken, "busy", ""},
		{"anything", secret, vitrine.Broken, "failed", ""},
	} {
		e := act("test")
		r, err := s.Commit(t.Context(), e, func(tx *store.Tx) error {
			e.Revision, e.Alert = 9, "never" // of what did not happen
			if err := tx.SetMeta("undone", "yes"); err != nil {
				return err
			}
			return test.err
		})
		if !errors.Is(err, test.err) || errors.Is(err, store.ErrUnrecorded) {
			t.Errorf("%s: got %v; want the function's error", test.name, err)
		}
		want := *act("test")
		want.Seq, want.Outcome, want.Code, want.Detail = r.Seq, test.outcome, test.code, test.detail
		equal(t, test.name, *e, want)
		equal(t, test.name+" in the log", entries(t, s, store.EntryQuery{Back: true, Limit: 1}), []vitrine.Entry{want})
		if v, ok, err := s.Meta(t.Context(), "undone"); ok || err != nil {
			t.Errorf("%s: what it did stands: %q, %v", test.name, v, err)
		}
	}
	err := try(t, s, func(tx *store.Tx) error {
		if err := tx.SetMeta("undone", "yes"); err != nil {
			return err
		}
		panic("a bug")
	})
	if err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("panic: got %v", err)
	}
	if _, ok, err := s.Meta(t.Context(), "undone"); ok || err != nil {
		t.Errorf("what panicked stands, or %v", err)
	}
	do(t, s, func(tx *store.Tx) error { return tx.SetMeta("after", "works") })
}

// A function that passes over a refusal keeps the rest, on every engine.
func testSwallowed(t *testing.T, s *store.Store) {
	put := func(tx *store.Tx) error { return tx.PutImage(image("img-1", 0)) }
	do(t, s, put)
	do(t, s, func(tx *store.Tx) error {
		isError(t, "put again", put(tx), vitrine.ErrConflict, "id_used")
		isError(t, "bad text", tx.SetMeta("x", "\xff"), vitrine.ErrInvalid, "bad_text")
		return tx.SetMeta("went on", "yes")
	})
	if v, ok, err := s.Meta(t.Context(), "went on"); v != "yes" || !ok || err != nil {
		t.Errorf("the rest: got %q, %v, %v", v, ok, err)
	}
}

// Whatever an attempt brings, it is recorded, and neighbours with it.
func testHostileEntries(t *testing.T, s *store.Store) {
	for _, text := range []string{"\x00", "\xff\xfe", strings.Repeat("ä", 5000), "'; DROP TABLE log; --", "\u2028", "𝄞"} {
		e := &vitrine.Entry{
			Act: text, Op: text, Outcome: vitrine.Outcome(text), Code: text, Detail: text, Actor: vitrine.ID(text),
			ActorKind: vitrine.PrincipalKind(text), For: vitrine.ID(text), Credential: vitrine.ID(text), Kind: vitrine.Kind(text),
			Resource: vitrine.ID(text), Scope: vitrine.ID(text), Binding: vitrine.ID(text), Request: text, Model: text,
			PromptHash: text, Alert: text, Personal: vitrine.Personal{Address: text, UserAgent: text, EndUser: text},
		}
		r, err := s.Commit(t.Context(), e, nil)
		if err != nil {
			t.Errorf("%q: %v", text[:min(len(text), 10)], err)
			continue
		}
		equal(t, "what was recorded", entries(t, s, store.EntryQuery{After: r.Seq - 1, Limit: 1}), []vitrine.Entry{*e})
	}
}

func testNested(t *testing.T, s *store.Store) {
	covered := charge("b-1", 100)
	do(t, s, func(tx *store.Tx) error {
		// Reserve undoes itself where the second budget does not cover it.
		err := tx.Reserve("r-1", 60, []store.Charge{covered, charge("b-2", 50)}, epoch)
		isError(t, "reserve beyond", err, vitrine.ErrExhausted, "budget_exhausted")
		return tx.Reserve("r-1", 60, []store.Charge{covered}, epoch)
	})
	balances(t, s, []store.Charge{covered, charge("b-2", 50)}, []money{{reserved: 60}, {}})
}

func testMaintain(t *testing.T, s *store.Store) {
	if err := s.Maintain(t.Context(), func(tx *store.Tx) error { return tx.SetMeta("k", "v") }); err != nil {
		t.Fatal(err)
	}
	err := s.Maintain(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.SetMeta("k", "undone"), vitrine.ErrConflict)
	})
	if !errors.Is(err, vitrine.ErrConflict) {
		t.Errorf("got %v; want the function's error", err)
	}
	if v, _, err := s.Meta(t.Context(), "k"); v != "v" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	if size, _, _, err := s.LogSize(t.Context()); size != 0 || err != nil {
		t.Errorf("the log has %d entries, %v", size, err)
	}
}

// hold starts an act that waits until release is called.
func hold(t *testing.T, s *store.Store) (release func()) {
	t.Helper()
	started, end := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Maintain(t.Context(), func(*store.Tx) error { close(started); <-end; return nil }); err != nil {
			t.Errorf("hold the committer: %v", err)
		}
	})
	<-started
	return func() { close(end); wg.Wait() }
}

// watched tells when somebody begins to wait for the context's end.
type watched struct {
	context.Context
	asked chan struct{}
}

func (w watched) Done() <-chan struct{} {
	close(w.asked)
	return w.Context.Done()
}

func testLeave(t *testing.T, s *store.Store) {
	release := hold(t, s)
	inner, cancel := context.WithCancel(t.Context())
	ctx := watched{inner, make(chan struct{})}
	result := make(chan error)
	go func() {
		_, err := s.Commit(ctx, act("test"), func(tx *store.Tx) error { return tx.SetMeta("left", "no") })
		result <- err
	}()
	<-ctx.asked // by now it is queued
	cancel()
	if err := <-result; !errors.Is(err, store.ErrUnrecorded) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want unrecorded, canceled", err)
	}
	release()
	do(t, s, nil)
	if _, ok, err := s.Meta(t.Context(), "left"); ok || err != nil {
		t.Errorf("what was taken back stands, or %v", err)
	}
	if size, _, _, err := s.LogSize(t.Context()); size != 1 || err != nil {
		t.Errorf("the log has %d entries, %v; want the other act's only", size, err)
	}
	if _, err := s.Commit(inner, act("test"), nil); !errors.Is(err, store.ErrUnrecorded) {
		t.Errorf("with a context that has ended: got %v; want unrecorded", err)
	}
}

func testCarriedThrough(t *testing.T, s *store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Commit(ctx, act("test"), func(tx *store.Tx) error {
		cancel()
		return tx.SetMeta("done", "yes")
	})
	if err != nil || r.Seq != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	if v, _, err := s.Meta(t.Context(), "done"); v != "yes" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
}
