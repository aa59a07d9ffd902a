package policy_test

import (
	"maps"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/policyfile"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/reference"
)

// wild is a system with a random policy, as far as its owners are let apply it.
func wild(t *testing.T, r reference.Random) *identitytest.System {
	t.Helper()
	s := identitytest.New(t, "")
	objects := r.Objects(rbac.Predefined())
	people := func(o vitrine.Object) bool { return o.Ref().Kind != vitrine.KindPrincipal }
	slices.SortStableFunc(objects, func(a, b vitrine.Object) int { // whom others name first
		switch {
		case people(a) == people(b):
			return 0
		case people(a):
			return 1
		}
		return -1
	})
	for _, o := range objects {
		switch x := o.(type) {
		case *vitrine.Organization, *vitrine.Key:
			continue
		case *vitrine.Binding:
			if x.Role == rbac.OwnerRole {
				continue
			}
		case *vitrine.Role:
			if _, there := current(t, s).Object(o.Ref()); there {
				continue
			}
		case *vitrine.Principal:
			x.Disabled, x.Epoch, x.Enrolled = false, 0, time.Time{}
		}
		if _, err := s.Policies.Apply(t.Context(), s.Alice, set(vitrine.Put(o))); err != nil {
			t.Logf("%s stays out: %v", o.Ref(), err)
		}
	}
	return s
}

func current(t *testing.T, s *identitytest.System) *rbac.Policy {
	t.Helper()
	p, err := s.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func world(p *rbac.Policy) *reference.World {
	var all []vitrine.Object
	for _, k := range vitrine.PolicyKinds {
		all = append(all, p.Objects(k)...)
	}
	return reference.New(all)
}

// decideTheSame asks two policies what people and service accounts may do in a
// session, and what they see. It answers how much was allowed.
func decideTheSame(t *testing.T, r reference.Random, a, b *rbac.Policy, many int) (allowed int) {
	t.Helper()
	w := world(a)
	for range many {
		x := r.Question(w)
		x.Caller.Credential, x.Caller.Key, x.Caller.For = "", false, ""
		q := &rbac.Question{Subject: rbac.Subject(x.Caller), Permission: x.Permission, Resource: x.Resource, At: x.At}
		one, other := a.Decide(q), b.Decide(q)
		if one.Allow {
			allowed++
		}
		if other.Revision = one.Revision; !cmp.Equal(one, other) {
			t.Fatalf("%+v\n(-one +other) %s", q, cmp.Diff(one, other))
		}
		f, g := a.Filter(&q.Subject, vitrine.ImageView, q.At), b.Filter(&q.Subject, vitrine.ImageView, q.At)
		if !cmp.Equal(f.Sets, g.Sets) {
			t.Fatalf("%+v\n(-one +other) %s", q.Subject, cmp.Diff(f.Sets, g.Sets))
		}
	}
	return allowed
}

// Undoing a change set restores every decision, whatever the set was.
func TestUndoRestoresEveryDecision(t *testing.T) {
	undone, allowed := 0, 0
	for seed := range uint64(4) {
		r := reference.NewRandom(seed)
		s := wild(t, r)
		for range 40 {
			before := current(t, s)
			changes := slices.DeleteFunc(r.Changes(world(before)), func(c vitrine.Change) bool { return c.Ref.Kind == vitrine.KindKey })
			a, err := s.Policies.Apply(t.Context(), s.Alice, set(changes...))
			if err != nil || a.Revision == before.Revision() || r.Odds(4) {
				continue // refused, nothing to change, or left as it is
			}
			if _, err := s.Policies.Undo(t.Context(), s.Alice, a.Revision); err != nil {
				t.Logf("revision %d stays: %v", a.Revision, err)
				continue
			}
			undone++
			allowed += decideTheSame(t, r, before, current(t, s), 60)
			if got, want := portable(current(t, s)), portable(before); !maps.Equal(got, want) {
				t.Fatalf("seed %d: (-before +undone) %s", seed, cmp.Diff(want, got))
			}
		}
	}
	if t.Logf("%d sets undone, %d questions allowed", undone, allowed); undone < 20 || allowed < 100 {
		t.Error("this tests too little")
	}
}

// portable is a policy as files that fit any installation.
func portable(p *rbac.Policy) map[string]string {
	var all []vitrine.Object
	for _, k := range vitrine.PolicyKinds {
		all = append(all, p.Objects(k)...)
	}
	return policyfile.Print(policyfile.Portable(all))
}

// A policy that was exported, and applied to an installation with nothing in it,
// decides the same.
func TestExportDecidesTheSame(t *testing.T) {
	allowed, exported := 0, 0
	for seed := uint64(0); exported < 6; seed++ {
		r := reference.NewRandom(100 + seed)
		s, other := wild(t, r), identitytest.New(t, "")
		_, objects, err := s.Policies.Export(t.Context(), s.Alice)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(policyfile.Print(policyfile.Portable(objects)), portable(current(t, s))) {
			continue // a deny withholds from her that some of it is there
		}
		exported++
		files := fstest.MapFS{}
		for name, text := range policyfile.Print(policyfile.Portable(objects)) {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		declared, err := policyfile.Parse(files)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := other.Policies.Plan(t.Context(), other.Alice, declared, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Policies.Apply(t.Context(), other.Alice, plan); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got, want := portable(current(t, other)), portable(current(t, s)); !maps.Equal(got, want) {
			t.Fatalf("seed %d: (-exported +applied) %s", seed, cmp.Diff(want, got))
		}
		allowed += decideTheSame(t, r, current(t, s), current(t, other), 400)
	}
	if allowed < 100 {
		t.Errorf("%d questions allowed: this tests too little", allowed)
	}
}
