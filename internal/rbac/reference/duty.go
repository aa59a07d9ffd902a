package reference

import (
	"slices"

	"vitrine.dev/vitrine"
)

// sides lists which sides of a separation of duty a role stands on: it has one
// of their roles, or lets use one of their permissions on one of their
// categories.
func (w *World) stands(role vitrine.ID, side *vitrine.RoleSet) bool {
	if slices.ContainsFunc(w.closure(role), func(r vitrine.ID) bool { return slices.Contains(side.Roles, r) }) {
		return true
	}
	for _, id := range w.enabled(role) {
		for _, g := range w.role(id).Grants {
			if !g.NoUse && slices.ContainsFunc(side.Permissions, func(p vitrine.Permission) bool { return lets(&g, p, side.Categories) }) {
				return true
			}
		}
	}
	return false
}

// lets reports whether a grant holds a permission on one of some categories;
// none is any.
func lets(g *vitrine.Grant, p vitrine.Permission, categories []vitrine.Category) bool {
	info, _ := p.Info()
	if !slices.ContainsFunc(g.Permissions, func(q vitrine.Permission) bool { return contains(q, p) }) {
		return false
	}
	return !info.Data || len(g.Tiers) > 0 && slices.ContainsFunc(g.Categories, func(c vitrine.Category) bool {
		return len(categories) == 0 || slices.Contains(categories, c)
	})
}

// conflicts reports whether a role takes part in a dynamic separation of duty
// that this session or key breaks.
func (w *World) conflicts(q *Question, s seat, role vitrine.ID) bool {
	for _, c := range w.constraints {
		if c.Kind != vitrine.DynamicSoD || !w.under(q.Resource.Scope, c.Scope) {
			continue
		}
		active, part := 0, false
		for i := range c.Sets {
			if !w.activates(c, &c.Sets[i], q, s) {
				continue
			}
			active++
			part = part || w.stands(role, &c.Sets[i])
		}
		if active >= c.Max && part {
			return true
		}
	}
	return false
}

// activates reports whether a session or key has a side active where a
// constraint holds: by a binding inside its times, whatever its condition says.
func (w *World) activates(c *vitrine.Constraint, side *vitrine.RoleSet, q *Question, s seat) bool {
	for _, b := range w.bindings {
		if !w.reaches(b, s.who) || !inTime(b, q.At) || c.Scope != "" && !w.overlap(b.Scope, c.Scope) {
			continue
		}
		if s.key != nil && s.key.Scope != "" && !w.overlap(b.Scope, s.key.Scope) {
			continue
		}
		if slices.ContainsFunc(w.activeRoles(b, s), func(r vitrine.ID) bool { return w.stands(r, side) }) {
			return true
		}
	}
	return false
}
