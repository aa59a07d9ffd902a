package rbac

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"vitrine.dev/vitrine"
)

// gives checks that by may give what a change gives, and notes where it gives
// to by itself.
func (a *admission) gives(c vitrine.Change) error {
	was, _ := a.before.Object(c.Ref)
	if a.bereaved(was, c.Object) {
		return nil
	}
	switch c.Ref.Kind {
	case vitrine.KindBinding:
		w, _ := was.(*vitrine.Binding)
		n, _ := c.Object.(*vitrine.Binding)
		return a.givesBinding(c.Ref, w, n)
	case vitrine.KindRole:
		w, _ := was.(*vitrine.Role)
		n, _ := c.Object.(*vitrine.Role)
		return a.givesRole(c.Ref, w, n)
	case vitrine.KindPrincipal:
		w, _ := was.(*vitrine.Principal)
		n, _ := c.Object.(*vitrine.Principal)
		return a.givesPrincipal(c.Ref, w, n)
	case vitrine.KindKey:
		w, _ := was.(*vitrine.Key)
		n, _ := c.Object.(*vitrine.Key)
		return a.givesKey(c.Ref, w, n)
	case vitrine.KindDeny:
		w, _ := was.(*vitrine.Deny)
		n, _ := c.Object.(*vitrine.Deny)
		return a.givesDeny(c.Ref, w, n)
	case vitrine.KindConstraint:
		w, _ := was.(*vitrine.Constraint)
		n, _ := c.Object.(*vitrine.Constraint)
		return a.givesConstraint(c.Ref, w, n)
	case vitrine.KindProject:
		if restaged(was, c.Object) {
			a.restages(c.Ref)
		}
	case vitrine.KindDataset:
		w, _ := was.(*vitrine.Dataset)
		n, _ := c.Object.(*vitrine.Dataset)
		if w != nil && n != nil && w.Project != n.Project {
			return vitrine.Invalid(c.Ref.String(), "moved", "A dataset stays in its project: move its images to a dataset of the other one.")
		}
		return a.keeps(c.Ref, w, n)
	}
	return nil
}

// givesBinding: what a binding gave may be taken away, and what it gives be
// given, by those alone who may give it.
func (a *admission) givesBinding(at vitrine.Ref, was, now *vitrine.Binding) error {
	if was != nil {
		if err := a.mayGive(at, was.Role, was.Scope); err != nil {
			return err
		}
	}
	if now == nil || was != nil && a.narrows(was, now) {
		return nil
	}
	if err := a.mayGive(at, now.Role, now.Scope); err != nil {
		return err
	}
	a.toOneself(at, now.Principal)
	return nil
}

// narrows reports whether a binding became no more than it was.
func (a *admission) narrows(was, now *vitrine.Binding) bool {
	return was.Role == now.Role && was.Principal == now.Principal &&
		(was.Scope == now.Scope || a.after.within(now.Scope, was.Scope)) &&
		!now.From.Before(was.From) &&
		(was.Until.IsZero() || !now.Until.IsZero() && !now.Until.After(was.Until)) &&
		(was.Condition == "" || was.Condition == now.Condition)
}

// givesRole: a grant added to a role is given wherever the role is bound, also
// as a part of another.
func (a *admission) givesRole(at vitrine.Ref, was, now *vitrine.Role) error {
	if was == nil || now == nil {
		return nil // nobody is bound to it yet, or any more
	}
	gained := everything(a.after, at.ID)
	if !was.Disabled {
		had := everything(a.before, at.ID)
		gained = slices.DeleteFunc(gained, func(g grant) bool {
			return slices.ContainsFunc(had, func(h grant) bool { return sameJSON(g.Grant, h.Grant) })
		})
	}
	if len(gained) == 0 {
		return nil
	}
	claims := slices.DeleteFunc(a.after.claims(at.ID), func(c claim) bool { return c.ended(a.at) })
	slices.SortFunc(claims, func(x, y claim) int { return cmp.Compare(x.id, y.id) })
	for _, c := range claims {
		if err := a.addsTo(at, a.after.unbound(c.holder, c.bound), gained); err != nil {
			return err
		}
	}
	return nil
}

// addsTo: what a role gains is given under a binding.
func (a *admission) addsTo(at vitrine.Ref, b *vitrine.Binding, gained []grant) error {
	if err := a.mayBind(at, b.Scope); err != nil {
		return err
	}
	if a.after.holdsOwner(b.Role) && !a.owner() {
		return refused(vitrine.CodeMayNotGive, at, "Only an owner makes owners.")
	}
	if err := a.mayGiveAll(at, gained, b.Role, b.Scope); err != nil {
		return err
	}
	a.toOneself(at, b.Principal)
	return nil
}

// fixed refuses to change what every installation rests on.
func fixed(c vitrine.Change, was vitrine.Object) error {
	if c.Ref != (vitrine.Ref{Kind: vitrine.KindRole, ID: OwnerRole}) {
		return nil
	}
	w, _ := was.(*vitrine.Role)
	if n, _ := c.Object.(*vitrine.Role); w != nil && n != nil && alike(w, n) {
		return nil
	}
	return refused(vitrine.CodeFixed, c.Ref, "Every installation rests on the role owner: what it grants does not change, and it cannot be deleted.")
}

// alike reports whether a role grants what it did, whatever it is called.
func alike(was, now *vitrine.Role) bool {
	w, n := *was, *now
	w.Name, w.Description, n.Name, n.Description = "", "", "", ""
	return sameJSON(w, n)
}

// sameJSON compares as it is written, where no list and an empty one are one.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// mayBind: what gives roles without a binding of its own needs role.bind too.
func (a *admission) mayBind(at vitrine.Ref, scope vitrine.ID) error {
	_, err := a.decide(need{vitrine.RoleBind, vitrine.Resource{Kind: vitrine.KindBinding, ID: at.ID, Scope: a.present(scope)}})
	return err
}

// mayGive: whether by may give all of a role at a scope.
func (a *admission) mayGive(at vitrine.Ref, role, scope vitrine.ID) error {
	in := a.after
	if in.role(role) == nil {
		in = a.before
	}
	if in.holdsOwner(role) && !a.owner() {
		return refused(vitrine.CodeMayNotGive, at, "Only an owner makes owners, and only an owner unmakes them.")
	}
	return a.mayGiveAll(at, everything(in, role), role, scope)
}

func (a *admission) mayGiveAll(at vitrine.Ref, grants []grant, role, scope vitrine.ID) error {
	have := a.authority(scope)
	for i := range grants {
		what := have.lacks(&grants[i])
		if what == "" {
			continue
		}
		if role != "" {
			return refused(vitrine.CodeMayNotGive, at, "The role %s holds %s, which you may not give at %s. Ask somebody who may.", role, what, scope)
		}
		return refused(vitrine.CodeMayNotGive, at, "This lets people use %s again, which you may not give at %s. Ask somebody who may.", what, scope)
	}
	return nil
}

// everything is all that a role and the roles that it includes grant, disabled
// ones too: they can be enabled.
func everything(p *Policy, id vitrine.ID) []grant {
	r := p.role(id)
	if r == nil {
		return nil
	}
	var all []grant
	for _, i := range r.has {
		o := p.roles[i].object
		for j := range o.Grants {
			all = append(all, newGrant(o.ID, &o.Grants[j]))
		}
	}
	return all
}

// toOneself notes that a change gives to a principal, which may be by.
func (a *admission) toOneself(at vitrine.Ref, id vitrine.ID) {
	switch {
	case !a.mine[id]:
	case id == a.by.Principal:
		a.wait(at, "This would give something to yourself. Another person must do it.")
	default:
		a.wait(at, fmt.Sprintf("This would give something to %s, and so to yourself. Another person must do it.", id))
	}
}

// wait notes that the change needs another person. With solo there is none.
func (a *admission) wait(at vitrine.Ref, why string) {
	if a.waiting == nil && !(a.before.org != nil && a.before.org.Solo && a.owner()) {
		a.waiting = refused(vitrine.CodeNeedsApproval, at, "%s", why)
	}
}

// own is by, the person for whom it acts, and all through which either can be
// given something: groups, the service accounts that they own, and theirs, before
// and after.
func (a *admission) own() map[vitrine.ID]bool {
	mine := map[vitrine.ID]bool{a.by.Principal: true}
	for _, p := range []*Policy{a.before, a.after} {
		for _, id := range []vitrine.ID{a.by.Principal, a.actsFor()} {
			all := p.owned[id]
			if n, w := p.who.find(id); w.there() {
				all = append([]int32{n}, all...)
			}
			for _, n := range all {
				mine[p.who.id(n)] = true
				for _, g := range p.who.at(n).groups.reach {
					mine[p.who.id(g)] = true
				}
			}
		}
	}
	return mine
}

// serve notes who owns the service accounts that changed.
func (e *edit) serve() {
	p := e.p
	copied := false
	for id, x := range e.changed[principals] {
		was, _ := e.was.Principal(id)
		now, _ := x.object.(*vitrine.Principal)
		if ownerOf(was) == ownerOf(now) {
			continue
		}
		if !copied {
			p.owned, copied = maps.Clone(p.owned), true
		}
		n, _ := p.who.find(id)
		p.own(ownerOf(was), n, false)
		p.own(ownerOf(now), n, true)
	}
}

func ownerOf(o *vitrine.Principal) vitrine.ID {
	if o == nil {
		return ""
	}
	return o.Owner
}

// own notes that somebody owns a service account, or does so no more.
func (p *Policy) own(id vitrine.ID, account int32, does bool) {
	if id == "" {
		return
	}
	rest := slices.DeleteFunc(slices.Clone(p.owned[id]), func(n int32) bool { return n == account })
	if does {
		rest = append(rest, account)
	}
	if p.owned[id] = rest; len(rest) == 0 {
		delete(p.owned, id)
	}
}
