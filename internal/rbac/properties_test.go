package rbac_test

import (
	"slices"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/reference"
)

// admissions runs fn on random change sets that somebody in a session was let
// make.
func admissions(t *testing.T, fn func(r reference.Random, by vitrine.ID, before *rbac.Policy, after told)) {
	t.Helper()
	admitted, tried := 0, 0
	for seed := range uint64(4 * worlds) {
		r := reference.NewRandom(seed)
		objects := r.Administered(rbac.Predefined())
		p, w := compile(t, objects), reference.New(objects)
		for range 15 {
			caller := r.Administrator(w)
			if caller.System || caller.Credential != "" || caller.For != "" || p.Organization().Solo {
				continue
			}
			by, set := rbac.Subject(caller), r.Changes(w)
			tried++
			after, _, err := p.Admit(&by, noon, &vitrine.ChangeSet{Changes: set})
			if err != nil {
				continue
			}
			admitted++
			if fn(r, by.Principal, p, told{after, w.After(set)}); t.Failed() {
				t.Fatalf("seed %d: %s applies %s", seed, by.Principal, tell(&vitrine.ChangeSet{Changes: set}))
			}
		}
	}
	if admitted*20 < tried {
		t.Errorf("%d of %d admitted: this tests too little", admitted, tried)
	}
}

// question is any question of somebody in a session with all their roles.
func question(r reference.Random, w *reference.World, who vitrine.ID) *rbac.Question {
	q := asked(r.Question(w))
	q.At = noon
	q.Subject.Principal, q.Subject.Credential, q.Subject.Key, q.Subject.Roles, q.Subject.For = who, "", false, nil, ""
	if info, ok := q.Permission.Info(); ok && info.Kind != vitrine.KindImage && q.Permission != vitrine.ModelGenerate {
		q.Resource.ResponseFormat = "" // nothing else is answered with pictures
	}
	return q
}

// unblocked reports whether what allows a question now broke a dynamic separation
// of duty before: who has less active is blocked less.
func unblocked(before *rbac.Policy, q *rbac.Question, now vitrine.Decision) bool {
	return slices.ContainsFunc(before.Explain(q).Bindings, func(c rbac.Considered) bool {
		return c.Binding == now.Binding && c.Code == vitrine.CodeSession
	})
}

// Promise 7: whatever somebody is let change, neither they nor a service account
// of theirs may do anything after it that they could not do before, but for what
// a dynamic separation of duty withheld from them that they now break no more.
func TestNobodyGivesThemselves(t *testing.T) {
	lost := 0
	admissions(t, func(r reference.Random, by vitrine.ID, before *rbac.Policy, after told) {
		mine := []vitrine.ID{by}
		for _, o := range after.policy.Objects(vitrine.KindPrincipal) {
			if x, ok := o.(*vitrine.Principal); ok && x.Owner == by {
				mine = append(mine, x.ID)
			}
		}
		for range 25 {
			who := reference.Pick(r, mine...)
			q := question(r, after.world, who)
			was, is := before.Decide(q), after.policy.Decide(q)
			// What a service account could do that was not theirs before, they gain.
			if then, ok := before.Principal(who); who != by && (!ok || then.Owner != by) {
				own := *q
				own.Subject.Principal = by
				was = before.Decide(&own)
			}
			switch {
			case was.Allow && !is.Allow:
				lost++
			case is.Allow && !was.Allow && was.Code != vitrine.CodeInactive && !unblocked(before, q, is):
				t.Errorf("%+v\nbefore %+v\nafter %+v", q, was, is)
				return
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
	admissions(t, func(r reference.Random, by vitrine.ID, before *rbac.Policy, after told) {
		people := after.policy.Objects(vitrine.KindPrincipal)
		for range 25 {
			q := question(r, after.world, reference.Pick(r, people...).Ref().ID)
			was, is := before.Decide(q), after.policy.Decide(q)
			if !is.Allow || was.Allow || was.Code == vitrine.CodeInactive || unblocked(before, q, is) {
				continue
			}
			gained++
			if !mightGive(before, by, q) {
				t.Errorf("%+v\nbefore %+v\nafter %+v", q, was, is)
				return
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
	each(t, func(t *testing.T, r reference.Random, now told) {
		caller := r.Administrator(now.world)
		by := rbac.Subject(caller)
		for range 20 {
			set := &vitrine.ChangeSet{Changes: r.Changes(now.world)}
			_, d, err := now.policy.Admit(&by, noon, set)
			if err == nil || d.Code == "invalid_policy" || by.System {
				continue
			}
			refused++
			less := []vitrine.Change{vitrine.Put(r.Deny("more")),
				vitrine.Put(r.Constraint("more", vitrine.MFA, vitrine.Keys, vitrine.Formats, vitrine.DynamicSoD, vitrine.StaticSoD))}
			for _, o := range now.policy.Objects(vitrine.KindBinding) {
				if b, ok := o.(*vitrine.Binding); ok && b.Principal == by.Principal && (d.Failed != "" || d.Code == vitrine.CodeMayNotGive) && d.Code != vitrine.CodeSession {
					less = append(less, vitrine.Delete(b.Ref()))
				}
			}
			change := reference.Pick(r, less...)
			if slices.ContainsFunc(set.Changes, func(c vitrine.Change) bool {
				// What an edited role gains is given under its bindings: one less is less given.
				return c.Ref == change.Ref || c.Ref.Kind == vitrine.KindRole && change.Ref.Kind == vitrine.KindBinding
			}) {
				continue
			}
			next, err := now.policy.Apply(8, []vitrine.Change{change})
			if err != nil {
				t.Fatal(err)
			}
			still++
			if _, then, err := next.Admit(&by, noon, set); err == nil {
				t.Errorf("%s applies %s\nwas refused: %+v\nwith %v %+v it is admitted: %+v", by.Principal, tell(set), d, change.Ref, change.Object, then)
			}
		}
	})
	if still < 250 {
		t.Errorf("only %d of %d refusals were tried again", still, refused)
	}
}
