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

// anyBound reports whether ok holds of a binding that reaches a principal.
func (p *Policy) anyBound(w *principal, ok func(*bound) bool) bool {
	for _, n := range w.reach {
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

// claimants are those of whom ok holds and whom one of some claims reaches.
func (p *Policy) claimants(claims []claim, ok func(*principal) bool) []*vitrine.Principal {
	var all []*vitrine.Principal
	for _, w := range p.who {
		if w != nil && slices.ContainsFunc(claims, func(c claim) bool { return contains(w.reach, c.holder) }) && ok(w) {
			all = append(all, w.object)
		}
	}
	return byID(all)
}

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
	return p.claimants(claims, func(w *principal) bool {
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
	return p.claimants(claims, func(w *principal) bool { return w.object.Kind != vitrine.Group })
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
