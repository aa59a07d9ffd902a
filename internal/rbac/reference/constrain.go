package reference

import (
	"cmp"
	"slices"

	"vitrine.dev/vitrine"
)

// givesConstraint: whoever is held by a constraint does not loosen it, and what
// it holds back must be theirs to give. A change of anything but its reason
// counts as loosening.
func (a *admission) givesConstraint(was, now *vitrine.Constraint) []vitrine.Code {
	if was == nil {
		return nil
	}
	if now != nil {
		x := *now
		if x.Reason = was.Reason; alike(was, &x) {
			return nil
		}
	}
	if code := a.mayLoosen(was); code != "" {
		return only(code)
	}
	for _, p := range a.before.principals {
		if slices.ContainsFunc(a.before.bindings, func(b *vitrine.Binding) bool {
			return (b.Principal == p.ID || slices.Contains(a.before.groups(p.ID, true), b.Principal)) && a.before.holdsBack(was, b)
		}) {
			a.to(p.ID)
		}
	}
	return nil
}

func (a *admission) mayLoosen(c *vitrine.Constraint) vitrine.Code {
	place := cmp.Or(c.Scope, a.before.org.ID)
	switch c.Kind {
	case vitrine.Holders:
		if c.Role == Owner && !a.owner() {
			return vitrine.CodeMayNotGive
		}
	case vitrine.Formats:
		return a.mayLift([]vitrine.Permission{vitrine.ModelGenerate}, place)
	case vitrine.MFA, vitrine.Keys:
		if len(c.Permissions) == 0 {
			return a.mayGive(c.Role, place)
		}
		return a.mayLift(c.Permissions, place)
	}
	return ""
}

// holdsBack reports whether a constraint holds back whom a binding reaches.
func (w *World) holdsBack(c *vitrine.Constraint, b *vitrine.Binding) bool {
	if !w.overlap(b.Scope, cmp.Or(c.Scope, w.org.ID)) {
		return false
	}
	uses := func(some []vitrine.Permission) bool {
		return slices.ContainsFunc(w.grants(b.Role), func(g vitrine.Grant) bool { return !g.NoUse && usesAny(&g, some) })
	}
	switch c.Kind {
	case vitrine.StaticSoD, vitrine.DynamicSoD:
		return slices.ContainsFunc(c.Sets, func(s vitrine.RoleSet) bool { return w.stands(b.Role, &s) })
	case vitrine.Formats:
		return uses(append([]vitrine.Permission{vitrine.ModelGenerate}, onImages()...))
	case vitrine.MFA, vitrine.Keys:
		return (c.Role == "" || slices.Contains(w.closure(b.Role), c.Role)) && (len(c.Permissions) == 0 || uses(c.Permissions))
	}
	return false
}

// grants lists those of a role, even if it is disabled, and of what it includes
// by way of enabled ones.
func (w *World) grants(role vitrine.ID) []vitrine.Grant {
	all := slices.Clone(w.role(role).Grants)
	for _, in := range w.role(role).Includes {
		for _, id := range w.enabled(in) {
			all = append(all, w.role(id).Grants...)
		}
	}
	return all
}

// usesAny reports whether a grant lets use something of what withholding some
// permissions would withhold.
func usesAny(g *vitrine.Grant, some []vitrine.Permission) bool {
	return slices.ContainsFunc(vitrine.Catalogue, func(i vitrine.PermissionInfo) bool {
		return withholds(some, i.Permission) && lets(g, i.Permission, nil)
	})
}

func onImages() []vitrine.Permission {
	var all []vitrine.Permission
	for _, i := range vitrine.Catalogue {
		if i.Kind == vitrine.KindImage {
			all = append(all, i.Permission)
		}
	}
	return all
}

// constrained holds the constraints, and what no policy can change, against the
// world after.
func (a *admission) constrained() vitrine.Code {
	for _, c := range slices.SortedFunc(slices.Values(a.after.constraints), func(a, b *vitrine.Constraint) int { return cmp.Compare(a.ID, b.ID) }) {
		var code vitrine.Code
		switch c.Kind {
		case vitrine.Holders:
			code = a.held(c.Role, cmp.Or(c.Scope, a.after.org.ID), c.Min, c.Max)
		case vitrine.StaticSoD:
			code = a.separate(c)
		}
		if code != "" {
			return code
		}
	}
	return a.owned()
}

// held: at least so many surely hold a role there, and no more than so many
// could.
func (a *admission) held(role, place vitrine.ID, least, most int) vitrine.Code {
	if len(a.after.surely(role, place, a.at)) < least {
		return vitrine.CodeFewHolders
	}
	if most > 0 && len(a.possibly(role, place)) > most {
		return vitrine.CodeManyHolders
	}
	return ""
}

// possibly lists people and service accounts who hold a role at a place or could
// come to.
func (a *admission) possibly(role, place vitrine.ID) []*vitrine.Principal {
	return slices.DeleteFunc(slices.Clone(a.after.principals), func(p *vitrine.Principal) bool {
		return p.Kind == vitrine.Group || !slices.ContainsFunc(a.reaching(p.ID), func(b *vitrine.Binding) bool {
			return a.after.overlap(b.Scope, place) && slices.Contains(a.after.closure(b.Role), role)
		})
	})
}

// owned is what always holds of owners: two, or with solo one, and three at most,
// people all of them, as many of whom can administer access with any key; and
// set-up, once done, stays done.
func (a *admission) owned() vitrine.Code {
	w := a.after
	if w.org == nil || w.role(Owner) == nil {
		return vitrine.CodeFixed
	}
	if code := a.held(Owner, w.org.ID, w.fewest(), 3); code != "" {
		return code
	}
	if slices.ContainsFunc(a.possibly(Owner, w.org.ID), func(p *vitrine.Principal) bool { return p.Kind != vitrine.User }) {
		return vitrine.CodePeopleOnly
	}
	able := slices.DeleteFunc(w.surely(Owner, w.org.ID, a.at), func(p *vitrine.Principal) bool { return !a.administers(p.ID) })
	if len(able) < w.fewest() || !a.before.settingUp && w.settingUp {
		return vitrine.CodeFewHolders
	}
	return ""
}

// administration is how access is changed.
var administration = []vitrine.Permission{
	vitrine.RoleBind, vitrine.RoleEdit, vitrine.DenyEdit, vitrine.ConstraintEdit, vitrine.PrincipalEdit, vitrine.KeyIssue,
}

// administers reports whether somebody can administer access, with any key and
// without a second factor.
func (a *admission) administers(id vitrine.ID) bool {
	return !slices.ContainsFunc(administration, func(p vitrine.Permission) bool {
		q := Question{Caller{Principal: id}, p, vitrine.Resource{Kind: vitrine.KindConstraint, Scope: a.after.org.ID}, a.at}
		return !a.after.ask(&q, seat{who: id, keyed: true}).Allow
	})
}

// stance is that a binding puts somebody on a side of a separation of duty, at a
// place: the organization, or a project with all that lies in it.
type stance struct {
	binding vitrine.ID
	side    int
	place   vitrine.ID
}

// separate refuses what puts anybody on too many sides at one place who was not
// so before, or who stands where they did not.
func (a *admission) separate(c *vitrine.Constraint) vitrine.Code {
	old, _ := find[*vitrine.Constraint](a.before, vitrine.KindConstraint, c.ID)
	for _, p := range a.after.principals {
		now := a.stances(a.after, c, p.ID)
		if p.Kind == vitrine.Group || a.sides(c, now) < c.Max {
			continue
		}
		if old == nil || a.before.principal(p.ID) == nil || !slices.EqualFunc(old.Sets, c.Sets, func(x, y vitrine.RoleSet) bool { return alike(&x, &y) }) {
			return vitrine.CodeSoD
		}
		had := a.stances(a.before, old, p.ID)
		if a.sides(old, had) < old.Max || !subset(now, had) {
			return vitrine.CodeSoD
		}
	}
	return ""
}

func (a *admission) stances(w *World, c *vitrine.Constraint, id vitrine.ID) []stance {
	var all []stance
	for _, b := range w.bindings {
		reaches := b.Principal == id || slices.Contains(w.groups(id, true), b.Principal)
		if !reaches || over(b, a.at) || w.role(b.Role).Disabled || !w.overlap(b.Scope, cmp.Or(c.Scope, w.org.ID)) {
			continue
		}
		place := w.org.ID
		if p := w.projectOf(b.Scope); p != nil {
			place = p.ID
		}
		for i := range c.Sets {
			if w.stands(b.Role, &c.Sets[i]) {
				all = append(all, stance{b.ID, i, place})
			}
		}
	}
	return all
}

// sides is on how many sides somebody stands at the place with most, where what
// is held in the whole organization counts everywhere.
func (a *admission) sides(c *vitrine.Constraint, all []stance) int {
	most := 0
	for _, at := range all {
		n := 0
		for side := range c.Sets {
			if slices.ContainsFunc(all, func(s stance) bool { return s.side == side && (s.place == at.place || s.place == a.before.org.ID) }) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}
