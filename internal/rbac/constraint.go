package rbac

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// constraints checks what is constrained on the state that the changes end in.
func (a *admission) constraints() error {
	touched := a.touched()
	for _, o := range a.after.Objects(vitrine.KindConstraint) {
		c, _ := o.(*vitrine.Constraint)
		var err error
		switch c.Kind {
		case vitrine.Holders:
			err = a.holders(c)
		case vitrine.StaticSoD:
			err = a.separate(c, touched)
		}
		if err != nil {
			return err
		}
	}
	return a.ownership()
}

// ownership holds what no policy can change: two owners, or with solo one, and
// three at most; owners are people; and set-up, once done, stays done.
func (a *admission) ownership() error {
	org := a.after.org
	if org == nil || a.after.role(OwnerRole) == nil {
		if a.before.org != nil {
			return refused(vitrine.CodeFixed, vitrine.Ref{Kind: vitrine.KindRole, ID: OwnerRole}, "The organization and its owners cannot be deleted.")
		}
		return nil
	}
	if err := a.holders(owners(org.ID, org.Solo)); err != nil {
		return err
	}
	for _, who := range a.after.possible(OwnerRole, org.ID, a.at) {
		if !who.Human() {
			return refused(vitrine.CodePeopleOnly, who.Ref(), "%s is a service account: only people own.", who.ID)
		}
	}
	able := slices.DeleteFunc(a.after.sure(OwnerRole, org.ID, a.at), func(who *vitrine.Principal) bool {
		return !a.after.unlocks(a.after.principal(who.ID), a.at)
	})
	if least := owners(org.ID, org.Solo).Min; len(able) < least {
		return refused(vitrine.CodeFewHolders, vitrine.Ref{Kind: vitrine.KindRole, ID: OwnerRole},
			"%s must remain: owners who can administer access, each with any key. This would lock them out for ever.", count(least))
	}
	if !a.before.settingUp && a.after.settingUp {
		return refused(vitrine.CodeFewHolders, vitrine.Ref{Kind: vitrine.KindRole, ID: OwnerRole},
			"Fewer owners would be left who have enrolled than it needs. Whoever takes over must use her first key first.")
	}
	return nil
}

// holders holds how many may and must hold a role. What is so already is refused
// too, until it is right.
func (a *admission) holders(c *vitrine.Constraint) error {
	scope := cmp.Or(c.Scope, a.after.org.ID)
	if sure := a.after.sure(c.Role, scope, a.at); len(sure) < c.Min {
		return refused(vitrine.CodeFewHolders, c.Ref(),
			"%s must remain: active people who hold %s, bound without end or condition. This leaves %d. Bind somebody else first.",
			count(c.Min), c.Role, len(sure))
	}
	if possible := a.after.possible(c.Role, scope, a.at); c.Max > 0 && len(possible) > c.Max {
		return refused(vitrine.CodeManyHolders, c.Ref(),
			"At most %d may hold %s, counting everybody who could: disabled, in groups, later, under a condition. This makes %d. Unbind somebody first.",
			c.Max, c.Role, len(possible))
	}
	return nil
}

// count says a small number as people do.
func count(n int) string {
	if words := []string{"None", "One", "Two", "Three"}; n < len(words) {
		return words[n]
	}
	return fmt.Sprint(n)
}

// ended reports whether a binding is over, for ever.
func ended(b *vitrine.Binding, at time.Time) bool { return !b.Until.IsZero() && !at.Before(b.Until) }

// anyBound reports whether ok holds of a binding that reaches a principal, also
// by a disabled group: one that is enabled gives it back.
func (p *Policy) anyBound(w *principal, ok func(*bound) bool) bool { return p.anyOf(w.reach, ok) }

// anyBorne is anyBound of the bindings that count now.
func (p *Policy) anyBorne(w *principal, ok func(*bound) bool) bool { return p.anyOf(w.bears, ok) }

func (p *Policy) anyOf(holders []int32, ok func(*bound) bool) bool {
	for _, n := range holders {
		if h := p.held[n]; h != nil {
			for i := range h.list {
				if ok(&h.list[i]) {
					return true
				}
			}
		}
	}
	return false
}

// claim is a binding by which its holder has some role.
type claim struct {
	*bound
	holder int32
}

// claims are the bindings of a role and of those that include it, all that there
// are: few, and so found before anybody is looked at whom they may reach.
func (p *Policy) claims(role vitrine.ID) []claim {
	n, ok := p.roleOf.get(role)
	if !ok {
		return nil
	}
	var all []claim
	for i, h := range p.held {
		if h == nil {
			continue
		}
		for j := range h.list {
			if b := &h.list[j]; p.roles[b.role].includes(n) {
				all = append(all, claim{b, int32(i)})
			}
		}
	}
	return all
}

// claimants are those of whom ok holds and whom one of some claims reaches; how
// says over which holders.
func (p *Policy) claimants(claims []claim, how func(*principal) []int32, ok func(*principal) bool) []*vitrine.Principal {
	var all []*vitrine.Principal
	for _, w := range p.who {
		if w != nil && slices.ContainsFunc(claims, func(c claim) bool { return contains(how(w), c.holder) }) && ok(w) {
			all = append(all, w.object)
		}
	}
	return byID(all)
}

func reached(w *principal) []int32 { return w.reach }
func borne(w *principal) []int32   { return w.bears }

// sure are those who hold a role at a scope whatever happens: active people
// under a permanent, unconditional binding in force, with every role and group
// on the way enabled. Who is denied the lifting of denies could be locked out,
// and does not count.
func (p *Policy) sure(role, scope vitrine.ID, at time.Time) []*vitrine.Principal {
	place, ok := p.scope(scope)
	if !ok {
		return nil
	}
	claims := slices.DeleteFunc(p.claims(role), func(c claim) bool {
		return !c.Until.IsZero() || c.Condition != "" || at.Before(c.From) || !p.scopes[place].in(c.bound.scope) || !p.enabled(c.bound, role)
	})
	return p.claimants(claims, borne, func(w *principal) bool {
		return w.active() && w.object.Human() && !p.lockedOut(w, place)
	})
}

// byID sorts, so that every node names the same one first.
func byID(all []*vitrine.Principal) []*vitrine.Principal {
	slices.SortFunc(all, func(a, b *vitrine.Principal) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// enabled reports whether a binding gives a role, by roles and to a holder that
// are enabled.
func (p *Policy) enabled(b *bound, role vitrine.ID) bool {
	if w := p.principal(b.Principal); w == nil || w.object.Disabled {
		return false
	}
	for todo := []vitrine.ID{b.Role}; len(todo) > 0; {
		r := p.role(todo[0])
		if todo = todo[1:]; r == nil || !r.on {
			continue
		}
		if r.object.ID == role {
			return true
		}
		todo = append(todo, r.object.Includes...)
	}
	return false
}

func (p *Policy) lockedOut(w *principal, place int32) bool {
	if p.rules.denies == nil {
		return false
	}
	lift := number(vitrine.DenyEdit)
	return slices.ContainsFunc(p.scopes[place].above(), func(s int32) bool {
		return slices.ContainsFunc(p.rules.denies[s], func(d deny) bool { return d.permissions.has(lift) && d.hits(w) })
	})
}

// unlocks reports whether an owner can administer access, with any key and no
// second factor, since nobody is sure to have more. What shuts all owners out of
// that - a deny, a constraint on how it is done, a dynamic separation of duty that
// the role owner breaks by itself - could never be taken away again: nobody gives
// to herself, and nobody else may.
func (p *Policy) unlocks(w *principal, at time.Time) bool {
	s := Subject{Principal: w.object.ID}
	for _, perm := range administration {
		a := ask{p: p, subject: &s, at: at, who: w, person: none, keyed: true}
		a.about(number(perm), &vitrine.Resource{Kind: vitrine.KindConstraint, Scope: p.org.ID})
		if !a.permits() {
			return false
		}
	}
	return true
}

// possible are all who hold a role at a scope, or could come to: disabled, under
// a binding that begins later or has a condition, above the scope or below it.
func (p *Policy) possible(role, scope vitrine.ID, at time.Time) []*vitrine.Principal {
	place, ok := p.scope(scope)
	if !ok {
		return nil
	}
	claims := slices.DeleteFunc(p.claims(role), func(c claim) bool {
		return ended(c.Binding, at) || !p.overlaps(c.bound.scope, place)
	})
	return p.claimants(claims, reached, func(w *principal) bool { return w.object.Kind != vitrine.Group })
}

// mayOwn reports whether a principal, or whoever is in the group that it is, is
// an owner or could come to be one.
func (p *Policy) mayOwn(id vitrine.ID, at time.Time) bool {
	w := p.principal(id)
	n, ok := p.roleOf.get(OwnerRole)
	return ok && w != nil && p.anyBound(w, func(b *bound) bool { return !ended(b.Binding, at) && p.roles[b.role].includes(n) })
}

// holdsOwner reports whether holding a role is being an owner.
func (p *Policy) holdsOwner(role vitrine.ID) bool {
	r := p.role(role)
	n, ok := p.roleOf.get(OwnerRole)
	return ok && r != nil && r.includes(n)
}
