package reference

import (
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

func (a *admission) givesPrincipal(was, now *vitrine.Principal) []vitrine.Code {
	if was != nil && a.before.couldOwn(was.ID, a.at) && !a.owner() {
		return only(vitrine.CodeMayNotGive)
	}
	if was == nil || now == nil {
		return nil
	}
	switch {
	case was.Kind != now.Kind:
		return only("kind")
	case now.Kind == vitrine.Group:
		return a.givesGroup(was, now)
	case was.Disabled && !now.Disabled, was.Owner != now.Owner, was.Environment != "" && was.Environment != now.Environment:
		return a.givesReaching(now.ID, []vitrine.ID{now.Owner, now.ID})
	}
	return nil
}

// couldOwn reports whether somebody, or whoever is in a group, is an owner or
// could come to be one.
func (w *World) couldOwn(id vitrine.ID, at time.Time) bool {
	return slices.ContainsFunc(w.bindings, func(b *vitrine.Binding) bool {
		return !over(b, at) && slices.Contains(w.closure(b.Role), Owner) && (b.Principal == id || slices.Contains(w.groups(id, true), b.Principal))
	})
}

// givesGroup: whoever joins gets what reaches the group; whoever leaves is freed
// of its denies, and whoever joins of those that spare it. To switch a group is
// both, for all its members.
func (a *admission) givesGroup(was, now *vitrine.Principal) []vitrine.Code {
	joined, left := minus(now.Members, was.Members), minus(was.Members, now.Members)
	if was.Disabled != now.Disabled {
		joined, left = now.Members, now.Members
	}
	left = slices.DeleteFunc(slices.Clone(left), a.ends)
	if len(joined) > 0 {
		if codes := a.givesReaching(now.ID, joined); len(codes) > 0 {
			return codes
		}
	}
	var codes []vitrine.Code
	groups := append(slices.Clone(a.after.groups(now.ID, true)), now.ID)
	for _, d := range a.after.denies {
		var freed []vitrine.ID
		if !disjoint(d.Principals, groups) {
			freed = append(freed, left...)
		}
		if !disjoint(d.Except, groups) {
			freed = append(freed, joined...)
		}
		if len(freed) > 0 {
			codes = append(codes, only(a.mayLift(d.Permissions, d.Scope))...)
			a.to(freed...)
		}
	}
	return codes
}

func disjoint(a, b []vitrine.ID) bool {
	return !slices.ContainsFunc(a, func(x vitrine.ID) bool { return slices.Contains(b, x) })
}

// ends reports whether the set deletes somebody who is no group.
func (a *admission) ends(id vitrine.ID) bool {
	p := a.before.principal(id)
	return p != nil && p.Kind != vitrine.Group && a.deletes(id)
}
