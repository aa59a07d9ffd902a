package reference

import (
	"cmp"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// Visible lists the objects of a kind on which a permission may be used.
func (w *World) Visible(c Caller, p vitrine.Permission, k vitrine.Kind, at time.Time) []vitrine.ID {
	var ids []vitrine.ID
	for _, o := range w.objects {
		if o.Ref().Kind == k && w.Decide(&Question{c, p, w.Resource(o), at}).Allow {
			ids = append(ids, o.Ref().ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// Resource is what a question about an object looks at: where it lies, and whose
// it is. What has no place of its own lies in the organization.
func (w *World) Resource(o vitrine.Object) vitrine.Resource {
	r := vitrine.Resource{Kind: o.Ref().Kind, ID: o.Ref().ID, Scope: w.org.ID}
	switch o := o.(type) {
	case *vitrine.Project:
		r.Scope = o.ID
	case *vitrine.Dataset:
		r.Scope, r.Owner = o.ID, o.Owner
	case *vitrine.Deployment:
		r.Scope, r.Model = o.ID, o.Model
	case *vitrine.Principal:
		r.Owner = o.Owner
	case *vitrine.Key:
		r.Scope, r.Owner = cmp.Or(o.Scope, r.Scope), o.Principal
	case *vitrine.Binding:
		r.Scope = o.Scope
	case *vitrine.Deny:
		r.Scope = o.Scope
	case *vitrine.Constraint:
		r.Scope = cmp.Or(o.Scope, r.Scope)
	}
	return r
}

// Holder is one who may, and the bindings by which; Conditional says that it is
// only while a condition holds, or after a second factor.
type Holder struct {
	Conditional bool
	Bindings    []vitrine.ID
}

// Who is who may use a permission on something in a session with all their roles,
// or could.
func (w *World) Who(p vitrine.Permission, r vitrine.Resource, at time.Time) map[vitrine.ID]Holder {
	all := map[vitrine.ID]Holder{}
	if r.Kind == "" {
		return all
	}
	for _, who := range w.principals {
		if !w.active(who.ID) {
			continue
		}
		q := &Question{Caller{Principal: who.ID}, p, r, at}
		could := w.ask(q, seat{who: who.ID, assume: true})
		if !could.Allow {
			continue
		}
		h := Holder{true, could.Bindings}
		sure := slices.DeleteFunc(slices.Clone(could.Bindings), func(id vitrine.ID) bool {
			b, _ := find[*vitrine.Binding](w, vitrine.KindBinding, id)
			return b.Condition != "" || w.fate(q, seat{who: who.ID}, b) != vitrine.CodeAllowed
		})
		if len(sure) > 0 {
			h = Holder{false, sure}
		}
		all[who.ID] = h
	}
	return all
}

// Groups lists all groups that somebody is in, by id.
func (w *World) Groups(id vitrine.ID) []vitrine.ID {
	return slices.Sorted(slices.Values(w.groups(id, true)))
}

// Denying lists the denies that withhold from the caller what a question asks.
func (w *World) Denying(q *Question) []vitrine.ID {
	return w.denying(q.Permission, q.Resource.Scope, q.Caller.Principal)
}
