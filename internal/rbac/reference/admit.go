package reference

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// Admitted is what the model says to a change set: whether it may be made, the
// world after it, or the reasons for which it is refused. Several reasons are
// equal where it is no part of the model which of some bindings is asked first.
type Admitted struct {
	After *World
	Codes []vitrine.Code
}

// admission is a change set on its way in.
type admission struct {
	before, after *World
	by            *Caller
	at            time.Time
	changes       []vitrine.Change
	wait          bool // it gives to whoever asks
}

// Admit answers whether somebody may make some changes, no two of one object.
// What they may is judged on the world before, what it comes to on that after.
func (w *World) Admit(by *Caller, at time.Time, changes []vitrine.Change) Admitted {
	a := &admission{before: w, by: by, at: at, changes: changes}
	codes := a.refused()
	if len(codes) > 0 {
		return Admitted{Codes: codes}
	}
	return Admitted{After: a.after}
}

func (a *admission) refused() []vitrine.Code {
	if codes := a.rights(); len(codes) > 0 {
		return codes
	}
	if a.before.Wrong(a.changes) != "" {
		return only("invalid_policy")
	}
	a.after = a.before.After(a.changes)
	if !a.by.System {
		for _, c := range a.changes {
			if codes := a.gives(c); len(codes) > 0 {
				return codes
			}
		}
	}
	if code := a.constrained(); code != "" {
		return only(code)
	}
	if a.wait && !(a.before.org.Solo && a.owner()) {
		return only(vitrine.CodeNeedsApproval)
	}
	return nil
}

func only(c vitrine.Code) []vitrine.Code {
	if c == "" {
		return nil
	}
	return []vitrine.Code{c}
}

// rights: the permission for the kind of each change where the object lies, and
// where it lay. The system itself needs none.
func (a *admission) rights() []vitrine.Code {
	if a.by.System {
		return nil
	}
	if a.by.Principal == "" {
		return only(vitrine.CodeNoCaller)
	}
	if !a.before.Live(a.by, a.at) {
		return only(vitrine.CodeInactive)
	}
	for _, c := range a.changes {
		was := a.before.byRef[c.Ref]
		if code := a.needs(c, was); code != "" {
			return only(code)
		}
		if c.Ref == ownerRole && !renamed(was, c.Object) {
			return only(vitrine.CodeFixed)
		}
	}
	return nil
}

var ownerRole = vitrine.Ref{Kind: vitrine.KindRole, ID: Owner}

// renamed reports whether of a role nothing changed but its name.
func renamed(was, now vitrine.Object) bool {
	w, ok := was.(*vitrine.Role)
	n, ok2 := now.(*vitrine.Role)
	if !ok || !ok2 {
		return false
	}
	x := *n
	x.Name, x.Description = w.Name, w.Description
	return alike(w, &x)
}

// alike compares, where no list and an empty one are one.
func alike[T any](x, y *T) bool {
	a, b := reflect.ValueOf(x).Elem(), reflect.ValueOf(y).Elem()
	for i := range a.NumField() {
		empty := a.Field(i).Kind() == reflect.Slice && a.Field(i).Len() == 0 && b.Field(i).Len() == 0
		if !empty && !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			return false
		}
	}
	return true
}

// may asks for a permission on an object before the changes.
func (a *admission) may(p vitrine.Permission, r vitrine.Resource) vitrine.Code {
	d := a.before.Decide(&Question{*a.by, p, r, a.at})
	if d.Allow {
		return ""
	}
	return d.Code
}

// editing is the permission that a change of a kind needs.
var editing = map[vitrine.Kind]vitrine.Permission{
	vitrine.KindOrganization: vitrine.SystemEdit, vitrine.KindProject: vitrine.ProjectEdit, vitrine.KindDataset: vitrine.DatasetEdit,
	vitrine.KindDeployment: vitrine.ModelDeploy, vitrine.KindProvider: vitrine.ProviderEdit, vitrine.KindPrincipal: vitrine.PrincipalEdit,
	vitrine.KindRole: vitrine.RoleEdit, vitrine.KindBinding: vitrine.RoleBind, vitrine.KindDeny: vitrine.DenyEdit,
	vitrine.KindConstraint: vitrine.ConstraintEdit, vitrine.KindKey: vitrine.KeyRevoke,
}

func (a *admission) needs(c vitrine.Change, was vitrine.Object) vitrine.Code {
	root := a.before.org.ID
	if a.leftBehind(was, c.Object) {
		return ""
	}
	if was == nil && c.Object == nil {
		if a.may(editing[c.Ref.Kind], vitrine.Resource{Kind: c.Ref.Kind, ID: c.Ref.ID, Scope: root}) != "" {
			return vitrine.CodeAbsent
		}
		return ""
	}
	if c.Ref.Kind == vitrine.KindKey {
		return a.needsOfKey(c, was)
	}
	var where []vitrine.ID
	if was != nil {
		where = append(where, a.place(was, true))
	}
	if c.Object != nil {
		where = append(where, a.place(c.Object, was != nil))
	}
	if moved(was, c.Object) {
		where = append(where, root)
	}
	for _, place := range where {
		r := vitrine.Resource{Kind: c.Ref.Kind, ID: c.Ref.ID, Scope: place}
		if b, ok := c.Object.(*vitrine.Binding); ok && was == nil {
			r.ID = b.Scope
		}
		if c.Ref.Kind == vitrine.KindDeployment {
			_, r.Model, _ = vitrine.SplitDeployment(c.Ref.ID)
		}
		if code := a.may(editing[c.Ref.Kind], r); code != "" {
			return code
		}
	}
	return ""
}

// moved reports whether a project changes its environment.
func moved(was, now vitrine.Object) bool {
	w, ok := was.(*vitrine.Project)
	n, ok2 := now.(*vitrine.Project)
	return ok && ok2 && w.Environment != n.Environment
}

// leftBehind reports whether a change deletes a binding or key of somebody whom
// the same set deletes.
func (a *admission) leftBehind(was, now vitrine.Object) bool {
	if was == nil || now != nil {
		return false
	}
	switch o := was.(type) {
	case *vitrine.Binding:
		return a.deletes(o.Principal)
	case *vitrine.Key:
		return a.deletes(o.Principal) || o.For != "" && a.deletes(o.For)
	}
	return false
}

func (a *admission) deletes(id vitrine.ID) bool {
	return slices.ContainsFunc(a.changes, func(c vitrine.Change) bool {
		return c.Object == nil && c.Ref == vitrine.Ref{Kind: vitrine.KindPrincipal, ID: id}
	})
}

// place is where an object lies: a scope that is there in itself, a new one where
// it will lie, and what has no place of its own in the organization.
func (a *admission) place(o vitrine.Object, there bool) vitrine.ID {
	scope := a.before.org.ID
	switch o := o.(type) {
	case *vitrine.Project:
		if there {
			scope = o.ID
		}
	case *vitrine.Dataset:
		if scope = o.Project; there {
			scope = o.ID
		}
	case *vitrine.Deployment:
		if scope = o.Project; there {
			scope = o.ID
		}
	case *vitrine.Binding:
		scope = o.Scope
	case *vitrine.Deny:
		scope = o.Scope
	case *vitrine.Constraint:
		scope = cmp.Or(o.Scope, scope)
	}
	return a.present(scope)
}

// present is a place that is there before the changes: itself, or what it will
// lie in.
func (a *admission) present(place vitrine.ID) vitrine.ID {
	if a.before.places(place) != nil {
		return place
	}
	project, _, _ := vitrine.SplitDeployment(place)
	for _, c := range a.changes {
		if d, ok := c.Object.(*vitrine.Dataset); ok && d.ID == place {
			project = d.Project
		}
	}
	if a.before.places(project) != nil {
		return project
	}
	return a.before.org.ID
}

// Live reports whether somebody may ask at all, and from there.
func (w *World) Live(c *Caller, at time.Time) bool {
	return c.Principal != "" && w.live(c, at) && w.fromNetwork(c)
}
