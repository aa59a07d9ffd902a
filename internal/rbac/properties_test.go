package rbac_test

import (
	"fmt"
	"slices"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// administration is what random administrators hold some of.
var administration = []vitrine.Permission{
	vitrine.RoleBind, vitrine.RoleBind, vitrine.RoleEdit, vitrine.DenyEdit, vitrine.ConstraintEdit,
	vitrine.PrincipalEdit, vitrine.KeyIssue, vitrine.KeyRevoke, vitrine.DatasetEdit, vitrine.ProjectEdit, vitrine.BudgetEdit,
}

// administered is a random policy in which some people may change some of it and
// give some of what there is. Dynamic separations of duty are left out: taking
// away what breaks one gives the rest back.
func (w world) administered() []vitrine.Object {
	objects := slices.DeleteFunc(w.objects(), func(o vitrine.Object) bool {
		c, ok := o.(*vitrine.Constraint)
		return ok && c.Kind == vitrine.DynamicSoD
	})
	for i := range 3 {
		r := &vitrine.Role{ID: vitrine.ID(fmt.Sprintf("admin%d", i)), Grants: []vitrine.Grant{
			{Permissions: some(w, 6, administration...), NoUse: false, Give: w.odds(2)},
			{Permissions: w.permissions(6), Categories: vitrine.Categories, Tiers: vitrine.TiersUpTo(pick(w, vitrine.Tiers...)), NoUse: true, Give: true},
			{Permissions: []vitrine.Permission{vitrine.RoleBind}, Give: w.odds(3)},
		}}
		if w.odds(3) {
			all := vitrine.Grant{Categories: vitrine.Categories, Tiers: vitrine.Tiers, NoUse: true, Give: true}
			for _, info := range vitrine.Catalogue {
				all.Permissions = append(all.Permissions, info.Permission)
			}
			r.Grants = append(r.Grants, all)
		}
		r.Grants = slices.DeleteFunc(r.Grants, func(g vitrine.Grant) bool { return len(g.Permissions) == 0 })
		objects = append(objects, r, &vitrine.Binding{ID: vitrine.ID(fmt.Sprintf("a%d", i)), Role: r.ID,
			Principal: pick(w, "u0", "u1", "u2", vitrine.ID("g0")), Scope: pick(w, "org", "org", "p0", vitrine.ID("p1"))})
	}
	return objects
}

// edits is a random change set such as an administrator might try.
func (w world) edits(p *rbac.Policy) *vitrine.ChangeSet {
	s := new(vitrine.ChangeSet)
	for range 1 + w.IntN(2) {
		s.Changes = append(s.Changes, w.edit(p))
	}
	if len(s.Changes) == 2 && s.Changes[0].Ref == s.Changes[1].Ref {
		s.Changes = s.Changes[:1]
	}
	return s
}

func (w world) edit(p *rbac.Policy) vitrine.Change {
	any := func(k vitrine.Kind) vitrine.Object {
		if all := p.Objects(k); len(all) > 0 {
			return pick(w, all...)
		}
		return &vitrine.Deny{ID: "none"}
	}
	switch w.IntN(10) {
	case 0: // somebody joins or leaves a group
		g, _ := p.Principal(pick(w, holders[5:]...))
		c := *g
		if i := w.IntN(len(c.Members) + 1); i < len(c.Members) {
			c.Members = slices.Delete(slices.Clone(c.Members), i, i+1)
		} else {
			c.Members = append(slices.Clone(c.Members), pick(w, people...))
		}
		return vitrine.Put(&c)
	case 1: // a role gains or loses a grant, or is switched
		r, _ := any(vitrine.KindRole).(*vitrine.Role)
		c := *r
		switch w.IntN(3) {
		case 0:
			c.Grants = append(slices.Clone(c.Grants), w.grant())
		case 1:
			c.Grants = c.Grants[:len(c.Grants)-1]
		default:
			c.Disabled = !c.Disabled
		}
		return vitrine.Put(&c)
	case 2:
		return vitrine.Delete(any(vitrine.KindDeny).Ref())
	case 3:
		return vitrine.Put(w.deny(any(vitrine.KindDeny).Ref().ID))
	case 4:
		return vitrine.Delete(any(vitrine.KindConstraint).Ref())
	case 5: // a binding goes, or becomes another
		return vitrine.Delete(any(vitrine.KindBinding).Ref())
	case 6: // somebody else answers for a service account, or it works elsewhere
		x, _ := p.Principal(pick(w, "s0", vitrine.ID("s1")))
		c := *x
		c.Owner, c.Environment = pick(w, people[:3]...), pick(w, "", vitrine.Production)
		return vitrine.Put(&c)
	case 7: // somebody is switched off or on
		x, _ := p.Principal(pick(w, append(holders[5:], people...)...))
		c := *x
		c.Disabled = !c.Disabled
		return vitrine.Put(&c)
	case 8:
		return vitrine.Put(w.binding(any(vitrine.KindBinding).Ref().ID))
	}
	b := w.binding(vitrine.ID(fmt.Sprintf("new%d", w.IntN(3))))
	if w.odds(2) {
		b.From, b.Until, b.Condition = vitrine.Binding{}.From, vitrine.Binding{}.Until, ""
	}
	return vitrine.Put(b)
}

// admissions runs fn on random change sets that were admitted.
func admissions(t *testing.T, fn func(w world, by rbac.Subject, s *vitrine.ChangeSet, before, after *rbac.Policy)) {
	t.Helper()
	admitted, tried := 0, 0
	for seed := range uint64(4 * worlds) {
		w := newWorld(seed)
		p := compile(t, w.administered())
		for range 20 {
			by := rbac.Subject{Principal: pick(w, people[:3]...), MFA: noon}
			s := w.edits(p)
			tried++
			after, _, err := p.Admit(&by, noon, s)
			if err != nil {
				continue
			}
			admitted++
			if fn(w, by, s, p, after); t.Failed() {
				t.Fatalf("seed %d: %s applies %s", seed, by.Principal, tell(s))
			}
		}
	}
	if admitted*50 < tried {
		t.Errorf("%d of %d admitted: this tests too little", admitted, tried)
	}
}

func tell(s *vitrine.ChangeSet) string {
	out := ""
	for _, c := range s.Changes {
		out += fmt.Sprintf("\n%s: %+v", c.Ref, c.Object)
	}
	return out
}

// Promise 7: whatever somebody is let change, neither they nor a service account
// of theirs may do anything after it that they could not do before.
func TestNobodyGivesThemselves(t *testing.T) {
	lost := 0
	admissions(t, func(w world, by rbac.Subject, s *vitrine.ChangeSet, before, after *rbac.Policy) {
		for range 40 {
			q := w.question()
			q.Subject = rbac.Subject{Principal: by.Principal, MFA: q.Subject.MFA, Address: q.Subject.Address}
			if w.odds(3) {
				q.Subject.MFA = noon
			}
			was := before.Decide(&q)
			robot := pick(w, "s0", vitrine.ID("s1"))
			if now, ok := after.Principal(robot); ok && now.Owner == by.Principal && w.odds(2) {
				q.Subject.Principal = robot
				if then, _ := before.Principal(robot); then.Owner == by.Principal {
					was = before.Decide(&q)
				}
			}
			is := after.Decide(&q)
			if is.Allow && !was.Allow {
				// Switching on is not giving: what was given was given.
				if slices.ContainsFunc(s.Changes, func(c vitrine.Change) bool {
					x, ok := c.Object.(*vitrine.Principal)
					return ok && x.ID == q.Subject.Principal
				}) {
					continue
				}
				t.Errorf("%+v\nbefore %+v\nafter %+v", q, was, is)
			}
			if was.Allow && !is.Allow {
				lost++
			}
		}
	})
	if lost == 0 {
		t.Error("nothing ever changed")
	}
}

// Promise 7: whatever somebody is let change, nobody may do anything after it
// that a role of theirs does not let them give.
func TestNobodyGivesWhatTheyMayNot(t *testing.T) {
	gained := 0
	admissions(t, func(w world, by rbac.Subject, s *vitrine.ChangeSet, before, after *rbac.Policy) {
		for range 40 {
			q := w.question()
			q.Subject = rbac.Subject{Principal: pick(w, people...), MFA: q.Subject.MFA, Address: q.Subject.Address}
			was, is := before.Decide(&q), after.Decide(&q)
			if !is.Allow || was.Allow || was.Code == vitrine.CodeInactive {
				continue
			}
			gained++
			if !mightGive(before, by.Principal, &q) {
				t.Errorf("%+v\nbefore %+v\nafter %+v", q, was, is)
			}
		}
	})
	if gained == 0 {
		t.Error("nobody ever gained anything")
	}
}

// mightGive reports whether some grant that reaches a principal gives a
// permission where a question asks, whatever its times and conditions.
func mightGive(p *rbac.Policy, by vitrine.ID, q *rbac.Question) bool {
	holders := append(p.Groups(by), by)
	var grants func(id vitrine.ID) []vitrine.Grant
	grants = func(id vitrine.ID) []vitrine.Grant {
		o, _ := p.Object(vitrine.Ref{Kind: vitrine.KindRole, ID: id})
		r, _ := o.(*vitrine.Role)
		all := slices.Clone(r.Grants)
		for _, other := range r.Includes {
			all = append(all, grants(other)...)
		}
		return all
	}
	above := []vitrine.ID{q.Resource.Scope, "org"}
	if d, ok := p.Dataset(q.Resource.Scope); ok {
		above = append(above, d.Project)
	}
	if project, _, ok := vitrine.SplitDeployment(q.Resource.Scope); ok {
		above = append(above, project)
	}
	info, _ := q.Permission.Info()
	for _, o := range p.Objects(vitrine.KindBinding) {
		b, _ := o.(*vitrine.Binding)
		if !slices.Contains(holders, b.Principal) || !slices.Contains(above, b.Scope) {
			continue
		}
		for _, g := range grants(b.Role) {
			holds := slices.ContainsFunc(g.Permissions, func(perm vitrine.Permission) bool { return perm.Implies(q.Permission) })
			covers := !info.Data || slices.Contains(g.Categories, q.Resource.Category) && slices.Contains(g.Tiers, q.Resource.Tier.Effective())
			if g.Give && holds && covers {
				return true
			}
		}
	}
	return false
}

// What is refused stays refused with one deny or constraint more, and with one
// binding of the asker's less where it was a right that was missing.
func TestLessNeverAdmitsMore(t *testing.T) {
	refused, still := 0, 0
	for seed := range uint64(4 * worlds) {
		w := newWorld(seed)
		objects := w.administered()
		p := compile(t, objects)
		less := []vitrine.Change{vitrine.Put(w.deny("more")), vitrine.Put(w.constraint("more")), vitrine.Put(&vitrine.Constraint{
			ID: "more", Kind: vitrine.StaticSoD, Max: 2, Sets: []vitrine.RoleSet{{Roles: []vitrine.ID{"r0"}}, {Permissions: w.permissions(1)}}})}
		by := rbac.Subject{Principal: pick(w, people[:3]...), MFA: noon}
		var own []vitrine.Change
		for _, o := range objects {
			if b, ok := o.(*vitrine.Binding); ok && b.Principal == by.Principal {
				own = append(own, vitrine.Delete(b.Ref()))
			}
		}
		for range 10 {
			s := w.edits(p)
			_, d, err := p.Admit(&by, noon, s)
			if err == nil || d.Code == "invalid_policy" {
				continue
			}
			refused++
			change := pick(w, less...)
			if right := d.Failed != "" || d.Code == vitrine.CodeMayNotGive; right && len(own) > 0 && w.odds(2) {
				change = pick(w, own...)
			}
			if slices.ContainsFunc(s.Changes, func(c vitrine.Change) bool {
				// What an edited role gains is given under its bindings: one less is less given.
				return c.Ref == change.Ref || c.Ref.Kind == vitrine.KindRole && change.Ref.Kind == vitrine.KindBinding
			}) {
				continue
			}
			next, err := p.Apply(8, []vitrine.Change{change})
			if err != nil {
				t.Fatal(err)
			}
			still++
			if _, then, err := next.Admit(&by, noon, s); err == nil {
				t.Fatalf("seed %d: %s applies %s\nwas refused: %+v\nwith %v %+v it is admitted: %+v", seed, by.Principal, tell(s), d, change.Ref, change.Object, then)
			}
		}
	}
	if still < 500 {
		t.Errorf("only %d of %d refusals were tried again", still, refused)
	}
}
