package policy_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// A node follows what another one changes: at once when it asks, and by itself
// within a poll.
func TestSourceFollows(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := identitytest.New(t, url)
		other := s.Join(t, s.Clock)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- other.Source.Run(ctx) }()
		a := s.Apply(s.Alice, vitrine.Put(project("renders")))
		deadline := time.Now().Add(time.Second) // promise 5
		for {
			now, err := other.Source.Current()
			if err != nil {
				t.Fatal(err)
			}
			if now.Revision() >= a.Revision {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("a second later the other node still decides by the old policy")
			}
			runtime.Gosched()
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A node that was away for long reads the whole policy instead of replaying it,
// and comes to the same.
func TestSourceCatchesUp(t *testing.T) {
	for _, gap := range []int{1, 5, policy.SmallGap + 5} {
		s := identitytest.New(t, "")
		other := s.Join(t, s.Clock)
		for i := range gap {
			p := project("renders")
			p.Name = string(rune('a' + i%26))
			s.Apply(s.Alice, vitrine.Put(p))
		}
		if err := other.Source.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		want, err := s.Source.Current()
		if err != nil {
			t.Fatal(err)
		}
		got, err := other.Source.Current()
		if err != nil || got.Revision() != want.Revision() {
			t.Fatalf("gap %d: at revision %d, %v, want %d", gap, got.Revision(), err, want.Revision())
		}
		g, _ := got.Project("renders")
		w, _ := want.Project("renders")
		if g == nil || w == nil || *g != *w {
			t.Errorf("gap %d: got %+v, want %+v", gap, g, w)
		}
		ref := w.Ref()
		if got.ChangedAt(ref) != want.ChangedAt(ref) || got.ChangedAt(ref) == 0 {
			t.Errorf("gap %d: changed at %d, want %d", gap, got.ChangedAt(ref), want.ChangedAt(ref))
		}
	}
}

// In a large policy a long way is replayed too, piece by piece, and comes to the
// same.
func TestSourceReplaysALongWay(t *testing.T) {
	s := identitytest.New(t, "")
	many := set()
	for i := range 2 * 16 * policy.SmallGap {
		many.Changes = append(many.Changes, vitrine.Put(&vitrine.Principal{ID: vitrine.ID(fmt.Sprintf("user-%d", i)), Kind: vitrine.User}))
	}
	if _, err := s.Policies.Apply(t.Context(), s.Alice, many); err != nil {
		t.Fatal(err)
	}
	s.Apply(s.Alice, vitrine.Put(project("renders")))
	other := s.Join(t, s.Clock)
	for i := range policy.SmallGap + 5 {
		s.Apply(s.Alice, vitrine.Put(&vitrine.Binding{ID: vitrine.ID(fmt.Sprint("b", i)), Role: "ai-image-user", Principal: vitrine.ID(fmt.Sprint("user-", i)), Scope: "renders"}))
	}
	before, err := other.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Source.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, err := other.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := now.Revision(), before.Revision()+policy.SmallGap+5; got != want {
		t.Errorf("at revision %d, want %d", got, want)
	}
	want, err := s.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range vitrine.PolicyKinds {
		if diff := cmp.Diff(want.Objects(k), now.Objects(k)); diff != "" {
			t.Errorf("%s: %s", k, diff)
		}
	}
	if before.Holds("user-3", "ai-image-user") || !now.Holds("user-3", "ai-image-user") {
		t.Error("the binding is not where it should be")
	}
}

// BenchmarkFollow is how long a node takes to decide by what another one has
// changed, in a policy of ten thousand people, and to read the whole of it.
func BenchmarkFollow(b *testing.B) {
	s := identitytest.New(b, "")
	many := set()
	for i := range 9_999 {
		many.Changes = append(many.Changes, vitrine.Put(&vitrine.Principal{ID: vitrine.ID(fmt.Sprintf("user-%d", i)), Kind: vitrine.User}))
	}
	if _, err := s.Policies.Apply(b.Context(), s.Alice, many); err != nil {
		b.Fatal(err)
	}
	s.Apply(s.Alice, vitrine.Put(project("renders")))
	other := s.Join(b, s.Clock)
	n := 0
	b.Run("change", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			n++
			s.Apply(s.Alice, vitrine.Put(&vitrine.Binding{ID: vitrine.ID(fmt.Sprint("b", n)), Role: "ai-image-user", Principal: vitrine.ID(fmt.Sprint("user-", n%9_999)), Scope: "renders"}))
			b.StartTimer()
			if err := other.Source.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			if _, err := policy.Open(b.Context(), s.Store, s.Clock.Now); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestLease is promise 5 under partition: a node of several that cannot confirm
// its revision for a second refuses, and works again when it can.
func TestLease(t *testing.T) {
	s := identitytest.New(t, "")
	node := s.Join(t, s.Clock)
	src, err := policy.OpenShared(t.Context(), node.Store, s.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Current(); err != nil {
		t.Fatal(err)
	}
	// The store answers: a late node confirms by itself.
	s.Clock.Advance(5 * time.Second)
	if _, err := src.Current(); err != nil {
		t.Fatalf("the store answers, but: %v", err)
	}
	if err := node.Store.Close(); err != nil { // as if the network were gone
		t.Fatal(err)
	}
	if _, err := src.Current(); err != nil {
		t.Fatalf("within the lease: %v", err)
	}
	s.Clock.Advance(time.Second)
	if _, err := src.Current(); err == nil {
		t.Fatal("a second after the last confirmation the node still decides")
	}
	// A snapshot of the embedded store needs no lease: nobody else writes to it.
	if _, err := node.Source.Current(); err != nil {
		t.Errorf("embedded: %v", err)
	}
}

// Current is on the way of every request.
func BenchmarkCurrent(b *testing.B) {
	s := identitytest.New(b, "")
	src, err := policy.OpenShared(b.Context(), s.Store, func() time.Time { return time.Time{} })
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := src.Current(); err != nil {
			b.Fatal(err)
		}
	}
}

// When nobody can say whether a change stands, the node asks the store before
// it decides again - and refuses if the store does not answer either.
func TestDoubtEndsTheSnapshot(t *testing.T) {
	s := identitytest.New(t, "")
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Source.Current(); err != nil {
		t.Fatalf("before: %v", err)
	}
	_, err := s.Policies.Apply(t.Context(), s.Alice, set(vitrine.Put(project("lost"))))
	wantKind(t, err, vitrine.ErrUnavailable)
	if _, err := s.Source.Current(); err == nil {
		t.Error("the node goes on with what may be outdated")
	}
}

// A set out of bounds is refused, and recorded, before anybody copies it.
func TestApplyIsBounded(t *testing.T) {
	s := identitytest.New(t, "")
	big := set()
	for i := range 10_001 {
		big.Changes = append(big.Changes, vitrine.Put(project(vitrine.ID(fmt.Sprintf("p%d", i)))))
	}
	_, err := s.Policies.Apply(t.Context(), s.Alice, big)
	wantKind(t, err, vitrine.ErrInvalid)
	if e := s.Last(); e.Outcome != vitrine.Refused || e.Code != "too_many" {
		t.Errorf("the log says %+v", e)
	}
	_, err = s.Policies.Apply(t.Context(), s.Alice, &vitrine.ChangeSet{Reason: strings.Repeat("x", 1001), Changes: big.Changes[:1]})
	wantKind(t, err, vitrine.ErrInvalid)
}

// What is read from the store knows when each object last changed, as the
// snapshot does that saw the changes; otherwise every change of a thing that is
// older than the process would be taken for a conflict.
func TestLoadedKnowsWhenObjectsChanged(t *testing.T) {
	s := identitytest.New(t, "")
	s.Apply(s.Alice, vitrine.Put(project("a")))
	s.Apply(s.Alice, vitrine.Put(project("b")))
	source, err := policy.Open(t.Context(), s.Store, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := source.Current()
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []vitrine.ID{"a", "b"} {
		ref := vitrine.Ref{Kind: vitrine.KindProject, ID: id}
		if got, want := loaded.ChangedAt(ref), now.ChangedAt(ref); got != want {
			t.Errorf("%s changed at %d, loaded %d", ref, want, got)
		}
	}
}

// Nobody is refused because somebody else has hung up: the query that confirms
// the revision is asked for all, and ends when it is answered.
func TestHangingUpFailsNobodyElse(t *testing.T) {
	s := identitytest.New(t, "")
	src, err := policy.OpenShared(t.Context(), s.Store, s.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(2 * time.Second) // its lease has ended
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := src.Refresh(gone); err != nil {
		t.Logf("who hung up is told: %v", err)
	}
	if _, err := src.Current(); err != nil {
		t.Errorf("who asks next is told: %v", err)
	}
}
