package rbac

import (
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// Reaches reports whether anything that the subject holds counts at a scope,
// above or below it: then that there is such a scope is no secret to it. It says
// nothing about what may be done there. Of an agent and the person whom it acts
// for it must be true of both.
func (p *Policy) Reaches(s *Subject, scope vitrine.ID, at time.Time) bool {
	var a ask
	place, ok := p.scope(scope)
	if !ok || !a.identify(p, s, at) {
		return false
	}
	a.narrow()
	if !a.standsAt(place) {
		return false
	}
	if a.person == none {
		return true
	}
	o := a.principal()
	return o.standsAt(place)
}

func (a *ask) standsAt(place int32) bool {
	if a.key != nil && a.key.scope != none && !a.p.overlaps(a.key.scope, place) {
		return false
	}
	return a.p.anyBorne(a.who, func(b *bound) bool {
		return b.inTime(a.at) && a.p.overlaps(b.scope, place) && a.roles(b, func(int32, *role) {})
	})
}

// Roles are those that are bound to a principal or to a group that it is in,
// ordered by id, whatever becomes of the bindings.
func (p *Policy) Roles(principal vitrine.ID) []vitrine.ID {
	w := p.principal(principal)
	if w == nil {
		return nil
	}
	var all []vitrine.ID
	p.anyBound(w, func(b *bound) bool {
		all = append(all, p.roleID(b.role))
		return false
	})
	slices.Sort(all)
	return slices.Compact(all)
}

// Holds reports whether a principal is bound to a role, or to one that includes
// it, anywhere and at any time.
func (p *Policy) Holds(principal, role vitrine.ID) bool {
	w := p.principal(principal)
	n, ok := p.roleNumber(role)
	return ok && w != nil && p.anyBound(w, func(b *bound) bool { return p.roles[b.role].includes(n) })
}
