package rbac

import "vitrine.dev/vitrine"

// refuse says of what no binding grants why, and whether the caller may know of
// it.
func (a *ask) refuse(d *vitrine.Decision) {
	best := unassigned
	var by *bound
	var known set
	a.any(func(b *bound) bool {
		some := a.roles(b, func(n int32, r *role) {
			v := a.judgeAs(b, n, r, true)
			if v.authorized() {
				known |= a.usable(n, r)
			}
			if v > best {
				best, by = v, b
			}
		})
		if !some && best < roleOff {
			best, by = roleOff, b
		}
		return false
	})
	d.Code, d.Failed = verdicts[best].code, verdicts[best].failed
	if by != nil {
		d.Binding, d.Role = by.id, a.p.roleID(by.role)
	}
	d.Erred = a.erred
	d.Hidden = !a.known(known)
	if !d.Hidden && (d.Failed == vitrine.FailedPermission || d.Failed == vitrine.FailedAssigned) {
		a.nearest(&d.Nearest, d.Code)
	}
}

// any reports whether ok holds of a binding that reaches the caller where it is
// asked: the caller's own before those of its groups by id, nearer scopes before
// those above, then by id.
func (a *ask) any(ok func(*bound) bool) bool {
	if a.place == nil {
		return false
	}
	if a.anyHeld(a.who, ok) {
		return true
	}
	for _, g := range a.who.groups.bears {
		if a.anyHeld(a.p.who.at(g), ok) {
			return true
		}
	}
	return false
}

func (a *ask) anyHeld(w *principal, ok func(*bound) bool) bool {
	if w.marks&a.place.marks == 0 {
		return false
	}
	for _, s := range a.place.above() {
		if w.marks&mark(s) == 0 {
			continue
		}
		list := w.held.at(s)
		for i := range list {
			if ok(&list[i]) {
				return true
			}
		}
	}
	return false
}

// each calls fn with all of them.
func (a *ask) each(fn func(*bound)) {
	a.any(func(b *bound) bool {
		fn(b)
		return false
	})
}

// usable are the permissions that a role in force lets use at the cell, whatever
// is asked.
func (a *ask) usable(n int32, r *role) set {
	if a.broken != 0 && a.p.rules.sides[n]&a.broken != 0 {
		return 0
	}
	cell := a.cell
	if cell == anywhere {
		cell = cellNumber(a.resource.Category, a.tier)
	}
	s := r.use[cell] | r.use[anywhere]
	if a.keyed {
		for i := range a.p.rules.gates {
			if g := &a.p.rules.gates[i]; g.keys && a.reaches(g, r) && g.tiers>>a.tier&1 != 0 {
				s &^= g.permissions
			}
		}
	}
	return s
}

// known reports whether the caller may know that the thing exists, by the
// permissions that it may use there.
func (a *ask) known(usable set) bool {
	if a.place == nil {
		return false
	}
	if !a.who.object.Human() {
		usable &^= peoplePermissions
	}
	usable &= knowing(a.resource.Kind, a.perm)
	withheld, _ := a.denied(usable)
	switch {
	case usable&^withheld != 0:
		return true
	case a.resource.Kind == vitrine.KindImage:
		return false
	case a.place.is(vitrine.KindOrganization):
		return a.whole() && a.somewhere()
	case a.place.is(vitrine.KindDeployment):
		return a.generates()
	}
	return false
}

// whole reports whether it is asked about the organization itself, or about
// everything in it. A thing that only has the organization's id as its own is
// a thing like any other.
func (a *ask) whole() bool {
	switch a.resource.Kind {
	case vitrine.KindOrganization, vitrine.KindSystem, vitrine.KindBinding:
		return a.resource.ID == "" || a.resource.ID == a.p.scopes.id(a.place.chain[0])
	}
	return a.resource.ID == ""
}

// somewhere reports whether the caller may use something of the kind at any
// place: then it is no secret that the same is done for the whole organization.
func (a *ask) somewhere() bool {
	want := knowing(a.resource.Kind, a.perm)
	return a.p.anyBorne(a.who, func(b *bound) bool {
		found := false
		if b.program() == nil && b.inTime(a.at) && (a.key == nil || a.key.scope == none || a.p.overlaps(b.scope, a.key.scope)) {
			a.roles(b, func(_ int32, r *role) { found = found || r.on && r.use[anywhere]&want != 0 })
		}
		return found
	})
}

// knows is known for what a binding grants and something else withholds.
func (a *ask) knows() bool {
	var usable set
	a.each(func(b *bound) {
		a.roles(b, func(n int32, r *role) {
			if a.judgeAs(b, n, r, true).authorized() {
				usable |= a.usable(n, r)
			}
		})
	})
	return a.known(usable)
}

// generates reports whether the caller may generate with any other deployment of
// the project: then none of them is a secret.
func (a *ask) generates() bool {
	o := *a
	var r vitrine.Resource
	for _, i := range a.p.scopes.at(a.place.project).site.deployments.numbers {
		s := a.p.scopes.at(i)
		if s == a.place {
			continue
		}
		id := a.p.scopes.id(i)
		r = vitrine.Resource{Kind: vitrine.KindDeployment, ID: id, Scope: id, Model: s.site.model}
		o.about(modelGenerate, &r)
		found := o.any(func(b *bound) bool {
			v, _ := o.judge(b, false)
			return v == granted || v == needsMFA
		})
		if withheld, _ := o.denied(1 << modelGenerate); found && withheld == 0 {
			return true
		}
	}
	return false
}
