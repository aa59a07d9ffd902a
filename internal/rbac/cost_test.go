package rbac_test

import (
	"slices"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/rbactest"
)

// The engine answers what the bare loop of the benchmarks answers, question by
// question and list by list, and a decision allocates nothing, whatever it is.
func TestTheEngineAnswersWhatTheBareLoopDoes(t *testing.T) {
	for _, s := range []rbactest.Size{rbactest.Small, rbactest.Medium} {
		w := rbactest.New(s)
		p, bare := governed(t, w), w.Bare()
		questions := w.Questions(20_000)
		allowed := 0
		var q rbac.Question
		for i := range questions {
			x := &questions[i]
			x.Ask(&q)
			d := p.Decide(&q)
			if d.Allow != bare.Allows(x.User, x.Permission, x.Dataset) {
				t.Fatalf("%s: %+v: %+v", s.Name, *x, d)
			}
			if d.Allow {
				allowed++
			}
		}
		if allowed != len(questions)/2 {
			t.Errorf("%s: %d of %d are allowed", s.Name, allowed, len(questions))
		}
		if n := testing.AllocsPerRun(1, func() {
			for i := range questions {
				questions[i].Ask(&q)
				p.Decide(&q)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", s.Name, n)
		}
		for _, u := range w.Users[:50] {
			got := p.Visible(&rbac.Subject{Principal: u.ID}, vitrine.DatasetView, vitrine.KindDataset, rbactest.Now)
			want := bare.Datasets(nil, u.ID)
			if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("%s: %s sees %v, want %v", s.Name, u.ID, got, want)
			}
		}
	}
}

// A change costs in a large policy what it costs in a small one: it allocates as
// often, and a page here and there is copied, not the whole.
func TestAChangeCostsTheSameInALargePolicy(t *testing.T) {
	const more = 16 // what groups and lists of different lengths make of it
	small, medium := rbactest.New(rbactest.Small), rbactest.New(rbactest.Medium)
	p, q := governed(t, small), governed(t, medium)
	few, many := edits(small), edits(medium)
	for i := range few {
		if few[i].name == "leave a team" {
			continue // costs its members, of whom there are more
		}
		cost := func(p *rbac.Policy, c vitrine.Change) float64 {
			return testing.AllocsPerRun(10, func() {
				if _, err := p.Apply(8, []vitrine.Change{c}); err != nil {
					t.Fatal(err)
				}
			})
		}
		if s, m := cost(p, few[i].change), cost(q, many[i].change); m > s+more {
			t.Errorf("%s: %v allocations, in a small policy %v", few[i].name, m, s)
		}
	}
}

// A decision sees a change with the next snapshot, and the one before does not.
func TestTheNextDecisionSeesAChange(t *testing.T) {
	w := rbactest.New(rbactest.Medium)
	p := governed(t, w)
	who, where := w.Users[0].ID, w.Resources[0]
	ask := rbactest.Question{User: who, Permission: vitrine.DatasetView, Dataset: where.ID, Tier: where.Tier}
	var q rbac.Question
	ask.Ask(&q)
	if d := p.Decide(&q); d.Allow {
		t.Fatalf("already: %+v", d)
	}
	b := &vitrine.Binding{ID: "new", Role: w.Roles[0].ID, Principal: who, Scope: where.Project}
	with := apply(t, p, vitrine.Put(b))
	without := apply(t, with, vitrine.Delete(b.Ref()))
	for name, tt := range map[string]struct {
		p    *rbac.Policy
		want bool
	}{"before": {p, false}, "bound": {with, true}, "unbound": {without, false}} {
		seen := tt.p.Visible(&q.Subject, vitrine.DatasetView, vitrine.KindDataset, rbactest.Now)
		if d := tt.p.Decide(&q); d.Allow != tt.want || slices.Contains(seen, where.ID) != tt.want {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
