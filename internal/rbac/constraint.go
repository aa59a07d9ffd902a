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

// anyBound reports whether ok holds of a binding that reaches a principal, also
// by a disabled group: one that is enabled gives it back.
func (p *Policy) anyBound(w *principal, ok func(*bound) bool) bool {
	return p.anyOf(w, w.groups.reach, ok)
}

// anyBorne is anyBound of the bindings that count now.
func (p *Policy) anyBorne(w *principal, ok func(*bound) bool) bool {
	return p.anyOf(w, w.groups.bears, ok)
}

func (p *Policy) anyOf(w *principal, groups []int32, ok func(*bound) bool) bool {
	if w.held.any(ok) {
		return true
	}
	for _, g := range groups {
		if p.who.at(g).held.any(ok) {
			return true
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
// are.
func (p *Policy) claims(role vitrine.ID) []claim {
	n, ok := p.roleNumber(role)
	if !ok {
		return nil
	}
	holders, ok := p.watched[n]
	if !ok {
		holders = p.holding(n)
	}
	var all []claim
	for _, i := range holders {
		p.who.at(i).held.any(func(b *bound) bool {
			if p.roles[b.role].includes(n) {
				all = append(all, claim{b, i})
			}
			return false
		})
	}
	return all
}

// claimants are those of whom ok holds and whom one of some claims reaches, also
// by a disabled group or not.
func (p *Policy) claimants(claims []claim, disabled bool, ok func(*principal) bool) []*vitrine.Principal {
	var holders []int32
	for _, c := range claims {
		if !contains(holders, c.holder) {
			holders = append(holders, c.holder)
		}
	}
	var all []*vitrine.Principal
	for _, i := range p.below(holders) {
		w := p.who.at(i)
		groups := w.groups.bears
		if disabled {
			groups = w.groups.reach
		}
		if w.there() && (contains(holders, i) || slices.ContainsFunc(groups, func(g int32) bool { return contains(holders, g) })) && ok(w) {
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
		t := c.made.terms
		return t != nil && (!t.until.IsZero() || t.program != nil || at.Before(t.from)) ||
			!p.scopes.at(place).in(c.scope) || !p.enabled(c, role)
	})
	return p.claimants(claims, false, func(w *principal) bool {
		return w.awake && w.object.Human() && !p.lockedOut(w, place)
	})
}

// byID sorts, so that every node names the same one first.
func byID(all []*vitrine.Principal) []*vitrine.Principal {
	slices.SortFunc(all, func(a, b *vitrine.Principal) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// enabled reports whether a binding gives a role, by roles and to a holder that
// are enabled.
func (p *Policy) enabled(c claim, role vitrine.ID) bool {
	if w := p.who.at(c.holder); !w.there() || w.object.Disabled {
		return false
	}
	for todo := []vitrine.ID{p.roleID(c.role)}; len(todo) > 0; {
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
	lift := number(vitrine.DenyEdit)
	return slices.ContainsFunc(p.scopes.at(place).above(), func(s int32) bool {
		return slices.ContainsFunc(p.denies(s), func(d deny) bool { return d.permissions.has(lift) && d.hits(w) })
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
		return c.ended(at) || !p.overlaps(c.scope, place)
	})
	return p.claimants(claims, true, func(w *principal) bool { return w.object.Kind != vitrine.Group })
}

// mayOwn reports whether a principal, or whoever is in the group that it is, is
// an owner or could come to be one.
func (p *Policy) mayOwn(id vitrine.ID, at time.Time) bool {
	w := p.principal(id)
	n, ok := p.roleNumber(OwnerRole)
	return ok && w != nil && p.anyBound(w, func(b *bound) bool { return !b.ended(at) && p.roles[b.role].includes(n) })
}

// holdsOwner reports whether holding a role is being an owner.
func (p *Policy) holdsOwner(role vitrine.ID) bool {
	r := p.role(role)
	n, ok := p.roleNumber(OwnerRole)
	return ok && r != nil && r.includes(n)
}
