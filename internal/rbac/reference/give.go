package reference

import (
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// gives is why somebody may not give what a change gives; it notes where it
// gives to themselves.
func (a *admission) gives(c vitrine.Change) []vitrine.Code {
	was := a.before.byRef[c.Ref]
	if a.leftBehind(was, c.Object) {
		return nil
	}
	switch n := c.Object.(type) {
	case *vitrine.Project:
		if moved(was, n) {
			a.movesUnder(n.ID)
		}
	case *vitrine.Dataset:
		if w, ok := was.(*vitrine.Dataset); ok && w.Project != n.Project {
			return only("moved")
		}
	}
	switch c.Ref.Kind {
	case vitrine.KindBinding:
		w, _ := was.(*vitrine.Binding)
		n, _ := c.Object.(*vitrine.Binding)
		return a.givesBinding(w, n)
	case vitrine.KindRole:
		w, _ := was.(*vitrine.Role)
		n, _ := c.Object.(*vitrine.Role)
		return a.givesRole(w, n)
	case vitrine.KindPrincipal:
		w, _ := was.(*vitrine.Principal)
		n, _ := c.Object.(*vitrine.Principal)
		return a.givesPrincipal(w, n)
	case vitrine.KindKey:
		w, _ := was.(*vitrine.Key)
		n, _ := c.Object.(*vitrine.Key)
		return a.givesKey(w, n)
	case vitrine.KindDeny:
		w, _ := was.(*vitrine.Deny)
		n, _ := c.Object.(*vitrine.Deny)
		return a.givesDeny(w, n)
	case vitrine.KindConstraint:
		w, _ := was.(*vitrine.Constraint)
		n, _ := c.Object.(*vitrine.Constraint)
		return a.givesConstraint(w, n)
	}
	return nil
}

// hold is what somebody holds at a place, to give or to use.
func (a *admission) hold(place vitrine.ID, counts func(*vitrine.Grant) bool) (held []*vitrine.Grant, owner bool) {
	w, s := a.before, a.before.seat(a.by)
	q := &Question{*a.by, vitrine.RoleBind, vitrine.Resource{Kind: vitrine.KindBinding, Scope: a.present(place)}, a.at}
	for _, b := range w.bindings {
		if !w.reaches(b, s.who) || !w.within(q.Resource.Scope, b.Scope) || !w.inForce(b, q, s) {
			continue
		}
		for _, r := range w.activeRoles(b, s) {
			if w.gated(q, s, r) != vitrine.CodeAllowed {
				continue
			}
			owner = owner || slices.Contains(w.enabled(r), Owner)
			for _, id := range w.enabled(r) {
				for i := range w.role(id).Grants {
					if g := &w.role(id).Grants[i]; counts(g) {
						held = append(held, g)
					}
				}
			}
		}
	}
	return held, owner
}

func given(g *vitrine.Grant) bool { return g.Give }
func used(g *vitrine.Grant) bool  { return !g.NoUse }

// owner reports whether whoever asks is an owner, acting as one.
func (a *admission) owner() bool {
	_, owner := a.hold(a.before.org.ID, given)
	return owner
}

// everything lists all that a role grants, and those that it includes, disabled
// or not.
func (w *World) everything(role vitrine.ID) []vitrine.Grant {
	var all []vitrine.Grant
	for _, id := range w.closure(role) {
		all = append(all, w.role(id).Grants...)
	}
	return all
}

// within reports whether each permission of a grant is within one of some, for
// each category and tier.
func within(g *vitrine.Grant, some []*vitrine.Grant) bool {
	for _, p := range g.Permissions {
		info, _ := p.Info()
		if !info.Data {
			if !slices.ContainsFunc(some, func(h *vitrine.Grant) bool { return wider(h, g, p) }) {
				return false
			}
			continue
		}
		for _, c := range g.Categories {
			for _, t := range g.Tiers {
				if !slices.ContainsFunc(some, func(h *vitrine.Grant) bool {
					return wider(h, g, p) && slices.Contains(h.Categories, c) && slices.Contains(h.Tiers, t)
				}) {
					return false
				}
			}
		}
	}
	return true
}

// wider reports whether one grant holds a permission of another with no narrower
// limits.
func wider(h, g *vitrine.Grant, p vitrine.Permission) bool {
	holds := func(p vitrine.Permission) bool {
		return slices.ContainsFunc(h.Permissions, func(q vitrine.Permission) bool { return contains(q, p) })
	}
	if !holds(p) {
		return false
	}
	if p == vitrine.ImageView && !holds(vitrine.ImageOpen) && !subset(g.Findings, h.Findings) {
		return false
	}
	info, _ := p.Info()
	return info.Kind != vitrine.KindDeployment ||
		fewer(g.Models, h.Models) && fewer(g.Formats, h.Formats) && fewer(g.ResponseFormats, h.ResponseFormats) &&
			less(g.MaxWidth, h.MaxWidth) && less(g.MaxHeight, h.MaxHeight) && less(g.MaxN, h.MaxN)
}

func subset[T comparable](some, all []T) bool { return len(minus(some, all)) == 0 }

// fewer and less compare limits, of which none is no limit.
func fewer(some, all []string) bool { return len(all) == 0 || len(some) > 0 && subset(some, all) }
func less(x, most int) bool         { return most == 0 || x > 0 && x <= most }

func minus[T comparable](all, some []T) []T {
	return slices.DeleteFunc(slices.Clone(all), func(x T) bool { return slices.Contains(some, x) })
}

// mayGive is whether all of a role may be given at a place.
func (a *admission) mayGive(role, place vitrine.ID) vitrine.Code {
	w := a.after
	if w.role(role) == nil {
		w = a.before
	}
	if slices.Contains(w.closure(role), Owner) && !a.owner() {
		return vitrine.CodeMayNotGive
	}
	return a.mayGiveAll(w.everything(role), place)
}

func (a *admission) mayGiveAll(grants []vitrine.Grant, place vitrine.ID) vitrine.Code {
	held, _ := a.hold(place, given)
	for i := range grants {
		if !within(&grants[i], held) {
			return vitrine.CodeMayNotGive
		}
	}
	return ""
}

func (a *admission) mayBind(place, id vitrine.ID) vitrine.Code {
	return a.may(vitrine.RoleBind, vitrine.Resource{Kind: vitrine.KindBinding, ID: id, Scope: a.present(place)})
}

// mine reports whether giving to somebody is giving to whoever asks, or to the
// person for whom: to themselves, to a group of theirs or of a service account
// that they own, before or after.
func (a *admission) mine(id vitrine.ID) bool {
	person := a.before.ActsFor(a.by)
	ours := func(x vitrine.ID) bool { return x != "" && (x == a.by.Principal || x == person) }
	for _, w := range []*World{a.before, a.after} {
		for _, p := range w.principals {
			if (ours(p.ID) || ours(p.Owner)) && (p.ID == id || slices.Contains(w.groups(p.ID, true), id)) {
				return true
			}
		}
	}
	return id == a.by.Principal
}

// to notes to whom something is given.
func (a *admission) to(ids ...vitrine.ID) { a.wait = a.wait || slices.ContainsFunc(ids, a.mine) }

// over reports whether a binding has ended for ever.
func over(b *vitrine.Binding, at time.Time) bool { return !b.Until.IsZero() && !at.Before(b.Until) }

func (a *admission) givesBinding(was, now *vitrine.Binding) []vitrine.Code {
	if was != nil {
		if code := a.mayGive(was.Role, was.Scope); code != "" {
			return only(code)
		}
	}
	if now == nil || was != nil && a.narrows(was, now) {
		return nil
	}
	if code := a.mayGive(now.Role, now.Scope); code != "" {
		return only(code)
	}
	a.to(now.Principal)
	return nil
}

// narrows reports whether a binding became no more than it was: no wider in
// place or time, and under the same condition if there was one.
func (a *admission) narrows(was, now *vitrine.Binding) bool {
	return was.Role == now.Role && was.Principal == now.Principal && a.after.within(now.Scope, was.Scope) && !now.From.Before(was.From) &&
		(was.Until.IsZero() || !now.Until.IsZero() && !now.Until.After(was.Until)) && (was.Condition == "" || was.Condition == now.Condition)
}

// givesRole: what a role gains is given wherever it is bound, also as a part of
// another.
func (a *admission) givesRole(was, now *vitrine.Role) []vitrine.Code {
	if was == nil || now == nil {
		return nil
	}
	gained := a.after.everything(now.ID)
	if !was.Disabled {
		had := a.before.everything(now.ID)
		gained = slices.DeleteFunc(gained, func(g vitrine.Grant) bool {
			return slices.ContainsFunc(had, func(h vitrine.Grant) bool { return alike(&g, &h) })
		})
	}
	if len(gained) == 0 {
		return nil
	}
	var codes []vitrine.Code
	for _, b := range byID(a.after.bindings) {
		closure := a.after.closure(b.Role)
		if over(b, a.at) || !slices.Contains(closure, now.ID) {
			continue
		}
		code := a.mayBind(b.Scope, now.ID)
		if code == "" && slices.Contains(closure, Owner) && !a.owner() {
			code = vitrine.CodeMayNotGive
		}
		if code == "" {
			code = a.mayGiveAll(gained, b.Scope)
		}
		if code != "" {
			return append(codes, code)
		}
		a.to(b.Principal)
	}
	return codes
}

func byID(all []*vitrine.Binding) []*vitrine.Binding {
	return slices.SortedFunc(slices.Values(all), func(a, b *vitrine.Binding) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
}

// reaching lists the bindings that reach somebody, by disabled groups too, and
// are not over.
func (a *admission) reaching(id vitrine.ID) []*vitrine.Binding {
	return slices.DeleteFunc(slices.Clone(a.after.bindings), func(b *vitrine.Binding) bool {
		return over(b, a.at) || b.Principal != id && !slices.Contains(a.after.groups(id, true), b.Principal)
	})
}

// givesReaching: some get all that reaches a principal.
func (a *admission) givesReaching(id vitrine.ID, to []vitrine.ID) []vitrine.Code {
	var codes []vitrine.Code
	for _, b := range a.reaching(id) {
		code := a.mayBind(b.Scope, id)
		if code == "" {
			code = a.mayGive(b.Role, b.Scope)
		}
		if code != "" {
			codes = append(codes, code)
		}
		a.to(to...)
	}
	return codes
}
