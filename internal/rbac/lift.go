package rbac

import (
	"cmp"
	"maps"
	"slices"

	"vitrine.dev/vitrine"
)

// givesDeny: lifting a deny gives what it withheld.
func (a *admission) givesDeny(at vitrine.Ref, was, now *vitrine.Deny) error {
	if was == nil || now != nil && a.withholds(was, now) {
		return nil
	}
	if err := a.mayLift(at, was); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(a.mine)) {
		if a.hit(was, id) && a.gains(id, was) {
			a.toOneself(at, id)
		}
	}
	return nil
}

// withholds reports whether a deny withholds all that it did.
func (a *admission) withholds(was, now *vitrine.Deny) bool {
	gone := slices.DeleteFunc(lacking(was.Principals, now.Principals), a.deleted)
	return (was.Scope == now.Scope || a.after.within(was.Scope, now.Scope)) &&
		setOf(was.Permissions, including)&^setOf(now.Permissions, including) == 0 &&
		(len(gone) == 0 || slices.Contains(now.Principals, vitrine.Everyone)) &&
		len(lacking(now.Except, was.Except)) == 0
}

// hit reports whether a deny is about a principal.
func (a *admission) hit(d *vitrine.Deny, id vitrine.ID) bool {
	among := func(list []vitrine.ID) bool {
		return slices.Contains(list, id) || slices.ContainsFunc(a.before.Groups(id), func(g vitrine.ID) bool { return slices.Contains(list, g) })
	}
	return (slices.Contains(d.Principals, vitrine.Everyone) || among(d.Principals)) && !among(d.Except)
}

// gains reports whether a principal could use what a deny withholds.
func (a *admission) gains(id vitrine.ID, d *vitrine.Deny) bool {
	withheld := setOf(d.Permissions, including)
	for _, b := range a.after.reaching(id) {
		if at, ok := a.after.scope(d.Scope); !ok || b.ended(a.at) || !a.after.overlaps(b.scope, at) {
			continue
		}
		for _, g := range everything(a.after, a.after.roleID(b.role)) {
			if !g.NoUse && g.permissions&withheld != 0 {
				return true
			}
		}
	}
	return false
}

// mayLift: whoever lifts a deny must be able to give all that it withholds.
func (a *admission) mayLift(at vitrine.Ref, d *vitrine.Deny) error {
	all := vitrine.Grant{Categories: vitrine.Categories, Tiers: vitrine.Tiers}
	withheld := setOf(d.Permissions, including)
	for i := range vitrine.Catalogue {
		if withheld.has(i) {
			all.Permissions = append(all.Permissions, vitrine.Catalogue[i].Permission)
		}
	}
	return a.mayGiveAll(at, []grant{newGrant("", &all)}, "", d.Scope)
}

// givesConstraint: whoever is held by a constraint does not loosen it alone. A
// change of anything but its reason counts as loosening.
func (a *admission) givesConstraint(at vitrine.Ref, was, now *vitrine.Constraint) error {
	if was == nil {
		return nil
	}
	if now != nil {
		renamed := *now
		if renamed.Reason = was.Reason; sameJSON(was, &renamed) {
			return nil
		}
	}
	if err := a.mayLoosen(at, was); err != nil {
		return err
	}
	for id := range a.mine {
		if w := a.before.principal(id); w != nil && a.before.anyBound(w, func(b *bound) bool { return a.before.holdsBack(was, b) }) {
			a.wait(at, "This constraint holds you, so you may not loosen it. Somebody whom it does not hold must do it.")
		}
	}
	return nil
}

// mayLoosen: whoever loosens how something is used must be able to give it.
func (a *admission) mayLoosen(at vitrine.Ref, was *vitrine.Constraint) error {
	scope := cmp.Or(was.Scope, a.root())
	switch was.Kind {
	case vitrine.Holders:
		if was.Role == OwnerRole && !a.owner() {
			return refused(vitrine.CodeMayNotGive, at, "How many owners there are is for owners to say.")
		}
	case vitrine.MFA, vitrine.Keys:
		if len(was.Permissions) == 0 {
			return a.mayGive(at, was.Role, scope)
		}
		return a.mayLift(at, &vitrine.Deny{Permissions: was.Permissions, Scope: scope})
	case vitrine.Formats:
		return a.mayLift(at, &vitrine.Deny{Permissions: []vitrine.Permission{vitrine.ModelGenerate}, Scope: scope})
	}
	return nil
}

// holdsBack reports whether a constraint holds back who is bound so.
func (p *Policy) holdsBack(c *vitrine.Constraint, b *bound) bool {
	if at, ok := p.scope(cmp.Or(c.Scope, p.org.ID)); !ok || !p.overlaps(b.scope, at) {
		return false
	}
	r := p.roles[b.role]
	switch c.Kind {
	case vitrine.StaticSoD, vitrine.DynamicSoD:
		return slices.ContainsFunc(c.Sets, func(s vitrine.RoleSet) bool { return p.stands(r, &s) })
	case vitrine.Formats:
		return r.uses(1<<modelGenerate | imagePermissions)
	case vitrine.MFA, vitrine.Keys:
		if n, ok := p.roleNumber(c.Role); ok && !r.includes(n) {
			return false
		}
		if len(c.Permissions) == 0 {
			return true
		}
		return r.uses(setOf(c.Permissions, including))
	}
	return false
}

// uses reports whether a role lets use any of some permissions.
func (r *role) uses(some set) bool {
	return slices.ContainsFunc(r.use[:], func(s set) bool { return s&some != 0 })
}

// restages: a project in another environment is another place to conditions and
// to service accounts that work in one.
func (a *admission) restages(at vitrine.Ref) {
	place, ok := a.before.scope(at.ID)
	for _, id := range slices.Sorted(maps.Keys(a.mine)) {
		w := a.before.principal(id)
		if !ok || w == nil {
			continue
		}
		if a.before.anyBound(w, func(b *bound) bool {
			return a.before.overlaps(b.scope, place) && (b.program() != nil && b.program().UsesResource() || w.object.Environment != "")
		}) {
			a.toOneself(at, w.object.ID)
		}
	}
}
