package reference

import (
	"fmt"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// administers are permissions that random administrators hold some of.
var administers = []vitrine.Permission{
	vitrine.RoleBind, vitrine.RoleBind, vitrine.RoleBind, vitrine.RoleEdit, vitrine.DenyEdit, vitrine.ConstraintEdit, vitrine.PrincipalEdit, vitrine.PrincipalEdit,
	vitrine.KeyIssue, vitrine.KeyRevoke, vitrine.DatasetEdit, vitrine.ProjectEdit,
}

// Administered are the objects of a random world in which some may change some of
// it, give some of what there is, and stand under static separations of duty.
func (r Random) Administered(predefined []*vitrine.Role) []vitrine.Object {
	objects := r.Objects(predefined)
	for i := range 3 {
		x := &vitrine.Role{ID: vitrine.ID(fmt.Sprintf("admin%d", i)), Grants: []vitrine.Grant{
			{Permissions: append(Some(r, 6, administers...), vitrine.RoleBind), Give: r.Odds(2)},
			{Permissions: r.permissions(6), Categories: vitrine.Categories, Tiers: vitrine.TiersUpTo(Pick(r, vitrine.Tiers...)), NoUse: r.Odds(2), Give: true},
		}}
		if !r.Odds(3) {
			x.Grants = append(x.Grants, r.giveAll())
		}
		objects = append(objects, x)
	}
	admins := []vitrine.ID{"admin0", "admin1", "admin2"}
	for i := range 5 {
		b := r.Binding(vitrine.ID(fmt.Sprintf("a%d", i)), admins)
		b.Scope = Pick(r, "org", "org", "org", "p0", vitrine.ID("p1"))
		if r.Odds(2) {
			b.Principal = Pick(r, people...)
		}
		objects = append(objects, b)
	}
	for i := range r.IntN(3) {
		objects = append(objects, r.Constraint(vitrine.ID(fmt.Sprintf("s%d", i)), vitrine.StaticSoD, vitrine.StaticSoD, vitrine.Holders))
	}
	return objects
}

// giveAll gives everything there is.
func (r Random) giveAll() vitrine.Grant {
	all := vitrine.Grant{Categories: vitrine.Categories, Tiers: vitrine.Tiers, NoUse: true, Give: true}
	for _, info := range vitrine.Catalogue {
		all.Permissions = append(all.Permissions, info.Permission)
	}
	return all
}

// Administrator is mostly somebody who may change something.
func (r Random) Administrator(w *World) Caller {
	c := r.Caller(w)
	c.MFA = Noon
	switch r.IntN(6) {
	case 0:
		return c
	case 1, 2:
		c.Principal = Pick(r, "alice", vitrine.ID("adam"))
	default:
		c.Principal = Pick(r, people...)
	}
	c.Credential, c.Key, c.Roles, c.For = "", false, nil, ""
	if r.Odds(40) {
		c.System = true
	}
	return c
}

// Changes are one to three changes of different objects.
func (r Random) Changes(w *World) []vitrine.Change {
	var all []vitrine.Change
	for range 1 + r.IntN(6)/3 + r.IntN(8)/7 {
		c := r.change(w)
		if !slices.ContainsFunc(all, func(o vitrine.Change) bool { return o.Ref == c.Ref }) {
			all = append(all, c)
		}
	}
	if r.Odds(12) {
		all = r.leaving(w, Pick(r, callers...))
	}
	return all
}

// ChangesBy are changes that somebody might try: with a key to start a session, to
// make more of a binding of their own, or to let a friend or a group own.
func (r Random) ChangesBy(w *World, by Caller) []vitrine.Change {
	if by.Key && r.Odds(2) {
		return []vitrine.Change{r.changeSession(w, by.Credential)}
	}
	b := r.Binding(vitrine.ID(fmt.Sprintf("new%d", r.IntN(3))), roles)
	switch r.IntN(12) {
	case 0, 1:
		if own := w.reaching(by.Principal); len(own) > 0 {
			return []vitrine.Change{r.lengthen(Pick(r, own...))}
		}
	case 2:
		if in := w.groups(by.Principal, true); len(in) > 0 {
			b.Principal = Pick(r, in...)
			return []vitrine.Change{vitrine.Put(b)}
		}
	case 3:
		b.Role, b.Scope = Owner, "org"
		more := *b
		more.ID, more.Principal = "more", Pick(r, people...)
		return []vitrine.Change{vitrine.Put(b), vitrine.Put(&more)}
	}
	return r.Changes(w)
}

// lengthen changes the times of a binding, mostly to more.
func (r Random) lengthen(b *vitrine.Binding) vitrine.Change {
	c := *b
	switch r.IntN(5) {
	case 0:
		c.Until = time.Time{}
	case 1:
		c.From = time.Time{}
	case 2:
		c.Until = Noon.Add(time.Duration(1+r.IntN(3)) * time.Microsecond)
	case 3:
		c.Condition = ""
	default:
		c.Scope = Pick(r, places...)
	}
	if !c.Until.IsZero() && !c.From.Before(c.Until) {
		c.From = time.Time{}
	}
	return vitrine.Put(&c)
}

// reaching lists the bindings that reach somebody.
func (w *World) reaching(id vitrine.ID) []*vitrine.Binding {
	return slices.DeleteFunc(slices.Clone(w.bindings), func(b *vitrine.Binding) bool { return !w.reaches(b, id) })
}

// leaving deletes somebody with all that refers to them, or most of it.
func (r Random) leaving(w *World, who vitrine.ID) []vitrine.Change {
	all := []vitrine.Change{vitrine.Delete(vitrine.Ref{Kind: vitrine.KindPrincipal, ID: who})}
	for _, o := range w.objects {
		if !slices.Contains(w.refers(o), all[0].Ref) || r.Odds(30) {
			continue
		}
		switch o := o.(type) {
		case *vitrine.Binding, *vitrine.Key:
			all = append(all, vitrine.Delete(o.Ref()))
		case *vitrine.Principal:
			c := *o
			c.Members = minus(c.Members, []vitrine.ID{who})
			if c.Owner == who {
				c.Owner = Pick(r, people...)
			}
			all = append(all, vitrine.Put(&c))
		case *vitrine.Deny:
			c := *o
			c.Principals, c.Except = minus(c.Principals, []vitrine.ID{who}), minus(c.Except, []vitrine.ID{who})
			if len(c.Principals) == 0 {
				all = append(all, vitrine.Delete(o.Ref()))
			} else {
				all = append(all, vitrine.Put(&c))
			}
		}
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func oneOf[T vitrine.Object](r Random, w *World) (T, bool) {
	var all []T
	for _, o := range w.objects {
		if t, ok := o.(T); ok {
			all = append(all, t)
		}
	}
	if len(all) == 0 {
		var none T
		return none, false
	}
	return Pick(r, all...), true
}

func (r Random) change(w *World) vitrine.Change {
	switch r.IntN(14) {
	case 0, 1:
		return r.changeGroup(w)
	case 2, 3:
		return r.changeRole(w)
	case 4:
		return r.changeDeny(w)
	case 5:
		return r.changeConstraint(w)
	case 6, 7:
		return r.changeBinding(w)
	case 8:
		return r.changeSomebody(w)
	case 9:
		if r.Odds(2) {
			return r.changeSession(w, Pick(r, keys...))
		}
		return r.changeKey(w)
	case 10:
		return r.changePlace(w)
	case 11:
		return vitrine.Delete(Pick(r, w.objects[1:]...).Ref())
	}
	b := r.Binding(vitrine.ID(fmt.Sprintf("new%d", r.IntN(3))), append([]vitrine.ID{"admin0"}, roles...))
	if r.Odds(20) {
		b.Role = Owner
	}
	if r.Odds(2) {
		b.Condition = ""
	}
	return vitrine.Put(b)
}

func (r Random) changeBinding(w *World) vitrine.Change {
	b, ok := oneOf[*vitrine.Binding](r, w)
	if !ok || r.Odds(3) {
		return vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: Pick(r, "b0", "b1", vitrine.ID("none"))})
	}
	c, o := *b, r.Binding(b.ID, roles)
	switch r.IntN(6) {
	case 0:
		c.Scope = o.Scope
	case 1:
		c.From, c.Until = o.From, o.Until
	case 2:
		c.Condition = o.Condition
	case 3:
		c.Principal = o.Principal
	case 4:
		c.Role = o.Role
	default:
		c.Reason = "why not"
	}
	return vitrine.Put(&c)
}

func (r Random) changeGroup(w *World) vitrine.Change {
	g := w.principal(Pick(r, groups...))
	if g == nil {
		return vitrine.Put(&vitrine.Principal{ID: Pick(r, groups...), Kind: vitrine.Group, Members: Some(r, 3, holders...)})
	}
	c := *g
	c.Members = slices.Clone(c.Members)
	switch i := r.IntN(len(c.Members) + 3); {
	case i < len(c.Members):
		c.Members = slices.Delete(c.Members, i, i+1)
	case r.Odds(5):
		c.Disabled = !c.Disabled
	default:
		c.Members = append(c.Members, Pick(r, holders...))
	}
	return vitrine.Put(&c)
}

func (r Random) changeRole(w *World) vitrine.Change {
	x, ok := oneOf[*vitrine.Role](r, w)
	if !ok || r.Odds(8) {
		return vitrine.Put(r.Role(Pick(r, "r9", vitrine.ID("r8")), roles))
	}
	c := *x
	c.Grants = slices.Clone(c.Grants)
	switch r.IntN(7) {
	case 0, 1:
		c.Grants = append(c.Grants, r.grant())
	case 2:
		c.Grants = c.Grants[:len(c.Grants)/2]
	case 3:
		c.Disabled = !c.Disabled
	case 4:
		c.Includes = append(slices.Clone(c.Includes), Pick(r, roles...))
	case 5:
		c.Includes = nil
	default:
		c.Name = "Another name"
	}
	return vitrine.Put(&c)
}

func (r Random) changeDeny(w *World) vitrine.Change {
	d, ok := oneOf[*vitrine.Deny](r, w)
	switch {
	case !ok || r.Odds(4):
		return vitrine.Put(r.Deny(Pick(r, "x0", vitrine.ID("x9"))))
	case r.Odds(2):
		return vitrine.Delete(d.Ref())
	}
	c, o := *d, r.Deny(d.ID)
	switch r.IntN(4) {
	case 0:
		c.Scope = o.Scope
	case 1:
		c.Principals = append(slices.Clone(c.Principals), o.Principals...)
	case 2:
		c.Except = o.Except
	default:
		c.Permissions = append(slices.Clone(c.Permissions), o.Permissions...)
	}
	return vitrine.Put(&c)
}

func (r Random) changeConstraint(w *World) vitrine.Change {
	all := []vitrine.ConstraintKind{vitrine.StaticSoD, vitrine.StaticSoD, vitrine.DynamicSoD, vitrine.Holders, vitrine.MFA, vitrine.Keys, vitrine.Formats}
	x, ok := oneOf[*vitrine.Constraint](r, w)
	switch {
	case !ok || r.Odds(3):
		return vitrine.Put(r.Constraint(Pick(r, "s0", vitrine.ID("s9")), all...))
	case r.Odds(2):
		return vitrine.Delete(x.Ref())
	}
	c := *x
	switch r.IntN(3) {
	case 0:
		c.Max = max(2, min(c.Max-1, len(c.Sets)))
	case 1:
		c.Scope = Pick(r, places...)
	default:
		c.Reason = "because"
	}
	if len(c.Sets) > 0 {
		c.Max = min(max(c.Max, 2), len(c.Sets))
	}
	return vitrine.Put(&c)
}

func (r Random) changeSomebody(w *World) vitrine.Change {
	p := w.principal(Pick(r, append(callers, "alice")...))
	if p == nil || r.Odds(8) {
		return vitrine.Put(&vitrine.Principal{ID: Pick(r, "u8", vitrine.ID("u9")), Kind: vitrine.User})
	}
	c := *p
	switch r.IntN(5) {
	case 0:
		c.Disabled = !c.Disabled
	case 1:
		c.Epoch++
	case 2:
		c.Name = "Somebody"
	default:
		if c.Kind == vitrine.Service {
			c.Owner, c.Environment = Pick(r, people...), Pick(r, "", vitrine.Production, vitrine.Staging)
		}
	}
	return vitrine.Put(&c)
}

func (r Random) changeKey(w *World) vitrine.Change {
	k := w.key(Pick(r, keys...))
	if k == nil || r.Odds(2) {
		n := r.Key(Pick(r, "n0", vitrine.ID("n1")))
		if w.principal(n.Principal) == nil || n.For != "" && w.principal(n.For) == nil {
			n.Principal, n.For = "alice", ""
		}
		return vitrine.Put(n)
	}
	c := *k
	switch i := r.IntN(5); {
	case i == 0:
		c.Revoked = Noon
	case i == 1 || k.Session():
		return vitrine.Delete(k.Ref())
	case i == 2:
		c.Roles = nil
	case i == 3:
		c.Name = "A key"
	default:
		c.Scope = Pick(r, places...)
	}
	return vitrine.Put(&c)
}

// changeSession starts a session with a key, or changes the one that it is.
func (r Random) changeSession(w *World, id vitrine.ID) vitrine.Change {
	k := w.key(id)
	switch {
	case k == nil:
		return r.changeKey(w)
	case !k.Session():
		s := r.session(Pick(r, "n2", vitrine.ID("n3")), k)
		s.Roles = Some(r, 3, append(slices.Clone(k.Roles), Pick(r, roles...))...)
		if s.Expires = Noon.Add(time.Hour); !k.Expires.IsZero() && !r.Odds(6) {
			s.Expires = k.Expires
		}
		if r.Odds(6) {
			s.Scope = Pick(r, places...)
		}
		return vitrine.Put(s)
	}
	c := *k
	switch r.IntN(4) {
	case 0:
		c.Roles = minus(c.Roles, []vitrine.ID{Pick(r, roles...)})
	case 1:
		c.Expires = c.Expires.Add(time.Duration(r.IntN(3)-1) * time.Microsecond)
	default:
		c.Roles = append(slices.Clone(c.Roles), Pick(r, roles...))
	}
	return vitrine.Put(&c)
}

func (r Random) changePlace(w *World) vitrine.Change {
	switch r.IntN(3) {
	case 0:
		return vitrine.Put(&vitrine.Project{ID: Pick(r, "p0", "p1", vitrine.ID("p9")), Environment: Pick(r, vitrine.Production, vitrine.Staging)})
	case 1:
		return vitrine.Put(&vitrine.Dataset{ID: Pick(r, "d0", "d2", vitrine.ID("d9")), Project: Pick(r, "p0", "p1", vitrine.ID("p9")), Category: vitrine.Generated})
	}
	project, model := Pick(r, "p0", vitrine.ID("p1")), Pick(r, models...)
	return vitrine.Put(&vitrine.Deployment{ID: vitrine.DeploymentID(project, model), Project: project, Model: model, Provider: "studio"})
}
