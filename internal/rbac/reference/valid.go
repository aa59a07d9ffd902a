package reference

import (
	"fmt"
	"slices"

	"vitrine.dev/vitrine"
)

// Wrong is something that is wrong with the world that changes lead to, or "":
// they delete what is not there, or leave a problem.
func (w *World) Wrong(changes []vitrine.Change) string {
	for _, c := range changes {
		if c.Object == nil && w.byRef[c.Ref] == nil {
			return fmt.Sprintf("there is no %s", c.Ref)
		}
	}
	return w.After(changes).Problem()
}

// Problem is something that is wrong with a world, or "": an id that dangles, or
// a circle of roles or groups. Tests make nothing else that is wrong.
func (w *World) Problem() string {
	for _, o := range w.objects {
		for _, ref := range w.refers(o) {
			if w.byRef[ref] == nil {
				return fmt.Sprintf("%s refers to %s", o.Ref(), ref)
			}
		}
		for _, scope := range scopes(o) {
			if scope != "" && w.places(scope) == nil {
				return fmt.Sprintf("%s lies in %s", o.Ref(), scope)
			}
		}
	}
	for _, r := range w.roles {
		if slices.ContainsFunc(r.Includes, func(id vitrine.ID) bool { return slices.Contains(w.closure(id), r.ID) }) {
			return fmt.Sprintf("%s includes itself", r.ID)
		}
	}
	for _, g := range w.principals {
		if g.Kind == vitrine.Group && slices.Contains(w.groups(g.ID, true), g.ID) {
			return fmt.Sprintf("%s holds itself", g.ID)
		}
	}
	return ""
}

func refs(k vitrine.Kind, ids ...vitrine.ID) []vitrine.Ref {
	var all []vitrine.Ref
	for _, id := range ids {
		if id != "" && id != vitrine.Everyone {
			all = append(all, vitrine.Ref{Kind: k, ID: id})
		}
	}
	return all
}

// refers lists what an object refers to.
func (w *World) refers(o vitrine.Object) []vitrine.Ref {
	switch o := o.(type) {
	case *vitrine.Dataset:
		return append(refs(vitrine.KindProject, o.Project), refs(vitrine.KindPrincipal, o.Owner)...)
	case *vitrine.Deployment:
		return append(refs(vitrine.KindProject, o.Project), refs(vitrine.KindProvider, o.Provider)...)
	case *vitrine.Role:
		return refs(vitrine.KindRole, o.Includes...)
	case *vitrine.Principal:
		return refs(vitrine.KindPrincipal, append(slices.Clone(o.Members), o.Owner)...)
	case *vitrine.Key:
		return append(refs(vitrine.KindRole, o.Roles...), refs(vitrine.KindPrincipal, o.Principal, o.For)...)
	case *vitrine.Binding:
		return append(refs(vitrine.KindRole, o.Role), refs(vitrine.KindPrincipal, o.Principal)...)
	case *vitrine.Deny:
		return refs(vitrine.KindPrincipal, append(slices.Clone(o.Principals), o.Except...)...)
	case *vitrine.Constraint:
		all := refs(vitrine.KindRole, o.Role)
		for _, s := range o.Sets {
			all = append(all, refs(vitrine.KindRole, s.Roles...)...)
		}
		return all
	}
	return nil
}

// scopes lists the places that an object names.
func scopes(o vitrine.Object) []vitrine.ID {
	switch o := o.(type) {
	case *vitrine.Key:
		return []vitrine.ID{o.Scope}
	case *vitrine.Binding:
		return []vitrine.ID{o.Scope}
	case *vitrine.Deny:
		return []vitrine.ID{o.Scope}
	case *vitrine.Constraint:
		return []vitrine.ID{o.Scope}
	}
	return nil
}
