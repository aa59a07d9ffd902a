package rbac

import (
	"slices"

	"vitrine.dev/vitrine"
)

// givesPrincipal: whoever joins a group gets its roles, and whoever becomes the
// owner of a service account can use its, as she can where it comes to work in
// another environment; whoever is enabled has again what the bindings give that
// stayed; leaving a group may lift a deny.
func (a *admission) givesPrincipal(at vitrine.Ref, was, now *vitrine.Principal) error {
	if was != nil && a.before.mayOwn(at.ID, a.at) && !a.owner() {
		return refused(vitrine.CodeMayNotGive, at, "%s is an owner: only an owner changes, disables or deletes an owner.", at.ID)
	}
	if was == nil || now == nil {
		return nil // its bindings are changes of their own
	}
	enabled := was.Disabled && !now.Disabled
	switch {
	case was.Kind != now.Kind:
		return vitrine.Invalid(at.String(), "kind", "A principal stays what it is.")
	case now.Kind == vitrine.Group:
		return a.givesGroup(at, was, now)
	case enabled, was.Owner != now.Owner, was.Environment != "" && was.Environment != now.Environment:
		return a.givesReaching(at, []vitrine.ID{now.Owner, now.ID})
	}
	return nil
}

func (a *admission) givesGroup(at vitrine.Ref, was, now *vitrine.Principal) error {
	joined, left := lacking(now.Members, was.Members), lacking(was.Members, now.Members)
	if was.Disabled != now.Disabled {
		joined, left = now.Members, now.Members
	}
	left = slices.DeleteFunc(slices.Clone(left), a.deleted)
	if len(joined) > 0 {
		if err := a.givesReaching(at, joined); err != nil {
			return err
		}
	}
	groups := append(a.after.Groups(at.ID), at.ID)
	in := func(id vitrine.ID) bool { return slices.Contains(groups, id) }
	for _, o := range a.after.Objects(vitrine.KindDeny) {
		d, _ := o.(*vitrine.Deny)
		var freed []vitrine.ID
		if slices.ContainsFunc(d.Principals, in) {
			freed = append(freed, left...)
		}
		if slices.ContainsFunc(d.Except, in) {
			freed = append(freed, joined...)
		}
		if len(freed) == 0 {
			continue
		}
		if err := a.mayLift(at, d); err != nil {
			return err
		}
		for _, id := range freed {
			a.toOneself(at, id)
		}
	}
	return nil
}

func lacking(all, some []vitrine.ID) []vitrine.ID {
	var out []vitrine.ID
	for _, id := range all {
		if !slices.Contains(some, id) {
			out = append(out, id)
		}
	}
	return out
}

// deleted reports whether the set deletes a person or a service account, which
// then gains nothing by it. A group's members outlive it.
func (a *admission) deleted(id vitrine.ID) bool {
	o, changed := a.put[vitrine.Ref{Kind: vitrine.KindPrincipal, ID: id}]
	was, ok := a.before.Principal(id)
	return changed && o == nil && ok && was.Kind != vitrine.Group
}

// givesReaching: to get all that reaches a principal.
func (a *admission) givesReaching(at vitrine.Ref, to []vitrine.ID) error {
	for _, b := range a.after.reaching(at.ID) {
		if b.ended(a.at) {
			continue
		}
		role, scope := a.after.roleID(b.role), a.after.scopes.id(b.scope)
		if err := a.mayBind(at, scope); err != nil {
			return err
		}
		if err := a.mayGive(at, role, scope); err != nil {
			return err
		}
		for _, id := range to {
			a.toOneself(at, id)
		}
	}
	return nil
}
