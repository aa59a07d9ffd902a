package policyfile

import (
	"slices"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// Portable is objects without what belongs to one installation alone, so that
// they can be applied to another, which then decides the same: without keys,
// credentials, the owner's role of those owners whom init made, and these people
// themselves, unless something else names them. Another installation has owners
// and secrets of its own.
func Portable(objects []vitrine.Object) []vitrine.Object {
	made := make(map[vitrine.ID]bool) // owners of this installation
	rest := slices.DeleteFunc(slices.Clone(objects), func(o vitrine.Object) bool {
		switch o := o.(type) {
		case *vitrine.Key, *vitrine.Credential:
			return true
		case *vitrine.Binding:
			ours := o.Role == rbac.OwnerRole && o.ID == "owner-"+o.Principal
			if ours {
				made[o.Principal] = true
			}
			return ours
		}
		return false
	})
	named := func(id vitrine.ID) bool {
		return slices.ContainsFunc(rest, func(o vitrine.Object) bool { return mentions(o, id) })
	}
	return slices.DeleteFunc(rest, func(o vitrine.Object) bool {
		p, ok := o.(*vitrine.Principal)
		return ok && made[p.ID] && !named(p.ID)
	})
}

// mentions reports whether an object could not stand without a principal.
func mentions(o vitrine.Object, id vitrine.ID) bool {
	switch o := o.(type) {
	case *vitrine.Dataset:
		return o.Owner == id
	case *vitrine.Principal:
		return o.Owner == id || slices.Contains(o.Members, id)
	case *vitrine.Binding:
		return o.Principal == id
	case *vitrine.Deny:
		return slices.Contains(o.Principals, id) || slices.Contains(o.Except, id)
	case *vitrine.Budget:
		return (o.Kind == vitrine.BudgetPrincipal || o.Kind == vitrine.BudgetGroup) && o.Subject == string(id)
	}
	return false
}
