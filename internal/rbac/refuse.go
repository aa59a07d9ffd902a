package rbac

import "vitrine.dev/vitrine"

// refuse says of what no binding grants why, and whether the caller may know of
// it.
func (a *ask) refuse(d *vitrine.Decision) {
	best := unassigned
	var by *bound
	var known set
	a.each(func(b *bound) {
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
	})
	d.Code, d.Failed = verdicts[best].code, verdicts[best].failed
	if by != nil {
		d.Binding, d.Role = by.ID, by.Role
	}
	if a.erred != nil {
		d.Erred = a.erred.ID
	}
	d.Hidden = !a.known(known)
	if !d.Hidden && (d.Failed == vitrine.FailedPermission || d.Failed == vitrine.FailedAssigned) {
		d.Nearest = a.nearest(d.Code)
	}
}

// each calls fn with the bindings that reach the caller where it is asked.
func (a *ask) each(fn func(*bound)) {
	if a.place == nil {
		return
	}
	for _, n := range a.who.bears {
		h := a.p.held[n]
		if h == nil {
			continue
		}
		for _, s := range a.place.above() {
			list := h.at(s)
			for i := range list {
				fn(&list[i])
			}
		}
	}
}

// usable are the permissions that a role in force lets use at the cell, whatever
// is asked.
func (a *ask) usable(n int32, r *role) set {
	if a.broken != 0 && a.p.rules.sides[n]&a.broken != 0 {
		return 0
	}
	cell := a.cell
	if cell == anywhere {
		cell = cellNumber(a.resource.Category, a.resource.Tier)
	}
	s := r.use[cell] | r.use[anywhere]
	if a.keyed {
		for i := range a.p.rules.gates {
			if g := &a.p.rules.gates[i]; g.keys && a.reaches(g, r) && g.tiers>>a.resource.Tier.Effective()&1 != 0 {
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
	case a.place.kind == vitrine.KindOrganization:
		return a.whole() && a.somewhere()
	case a.place.kind == vitrine.KindDeployment:
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
		return a.resource.ID == "" || a.resource.ID == a.place.id
	}
	return a.resource.ID == ""
}

// somewhere reports whether the caller may use something of the kind at any
// place: then it is no secret that the same is done for the whole organization.
func (a *ask) somewhere() bool {
	want := knowing(a.resource.Kind, a.perm)
	return a.p.anyBorne(a.who, func(b *bound) bool {
		found := false
		if b.program == nil && a.inTime(b) && (a.key == nil || a.key.scope == none || a.p.overlaps(b.scope, a.key.scope)) {
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
	for _, i := range a.p.scopes[a.place.project].deployments {
		s := a.p.scopes[i]
		if s == a.place {
			continue
		}
		r = vitrine.Resource{Kind: vitrine.KindDeployment, ID: s.id, Scope: s.id, Model: s.model}
		o.about(modelGenerate, &r)
		for _, n := range o.who.bears {
			h := a.p.held[n]
			if h == nil {
				continue
			}
			list := h.at(i)
			for j := range list {
				if v, _ := o.judge(&list[j], false); v == granted || v == needsMFA {
					if withheld, _ := o.denied(1 << modelGenerate); withheld == 0 {
						return true
					}
				}
			}
		}
	}
	return false
}
