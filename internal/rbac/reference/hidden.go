package reference

import (
	"slices"

	"vitrine.dev/vitrine"
)

// knows reports whether somebody may know that the thing is there: may use some
// permission on such things there, a second factor that is not fresh aside.
func (w *World) knows(q *Question, s seat) bool {
	if w.places(q.Resource.Scope) == nil {
		return false
	}
	tells, force := telling(q.Resource.Kind, q.Permission), w.force(q, s)
	if slices.ContainsFunc(tells, func(p vitrine.Permission) bool { return w.uses(p, q, s, force) }) {
		return true
	}
	_, model := find[*vitrine.Deployment](w, vitrine.KindDeployment, q.Resource.Scope)
	switch {
	case q.Resource.Kind == vitrine.KindImage:
		return false
	case model:
		return w.generates(q, s)
	case q.Resource.Scope == w.org.ID:
		return w.ofWhole(q) && slices.ContainsFunc(tells, func(p vitrine.Permission) bool { return w.usesSomewhere(p, q, s) })
	}
	return false
}

// families are kinds of which whoever knows of one knows of the others.
var families = [][]vitrine.Kind{
	{vitrine.KindRole, vitrine.KindBinding, vitrine.KindDeny, vitrine.KindConstraint},
	{vitrine.KindOrganization, vitrine.KindProject},
	{vitrine.KindCredential, vitrine.KindProvider},
}

func akin(a, b vitrine.Kind) bool {
	return a == b || slices.ContainsFunc(families, func(f []vitrine.Kind) bool { return slices.Contains(f, a) && slices.Contains(f, b) })
}

// telling lists the permissions that let know of a thing of a kind: those on the
// kind, and, but for images, those of the kind of what was asked for.
func telling(k vitrine.Kind, asked vitrine.Permission) []vitrine.Permission {
	info, ok := asked.Info()
	var tells []vitrine.Permission
	for _, p := range vitrine.Catalogue {
		if akin(p.Kind, k) || ok && k != vitrine.KindImage && akin(p.Kind, info.Kind) {
			tells = append(tells, p.Permission)
		}
	}
	return tells
}

// uses reports whether a permission may be used on the thing, whatever is asked
// of a model: by a role in force, with a second factor if need be, and not
// withheld.
func (w *World) uses(p vitrine.Permission, q *Question, s seat, force []vitrine.ID) bool {
	info, _ := p.Info()
	other := *q
	other.Permission = p
	if info.People && w.principal(s.who).Kind != vitrine.User {
		return false
	}
	return slices.ContainsFunc(force, func(role vitrine.ID) bool {
		if !w.has(role, &other) {
			return false
		}
		gate := w.gated(&other, s, role)
		return gate == vitrine.CodeAllowed || gate == vitrine.CodeNeedsMFA
	}) && len(w.denying(p, q.Resource.Scope, s.who)) == 0
}

// force lists the roles that are active under bindings in force.
func (w *World) force(q *Question, s seat) []vitrine.ID {
	var roles []vitrine.ID
	for _, b := range w.bindings {
		if w.reaches(b, s.who) && w.within(q.Resource.Scope, b.Scope) && w.inForce(b, q, s) {
			roles = append(roles, w.activeRoles(b, s)...)
		}
	}
	return roles
}

// inForce reports whether a binding is in force for this question.
func (w *World) inForce(b *vitrine.Binding, q *Question, s seat) bool {
	if !inTime(b, q.At) || w.outside(q.Resource.Scope, s) {
		return false
	}
	holds, err := w.holds(b, q, s)
	return err == nil && holds
}

// has reports whether a role lets use a permission on this category and tier,
// whatever the limits.
func (w *World) has(role vitrine.ID, q *Question) bool {
	return nearness(w.granted(q, role)) >= nearness(vitrine.CodeModel)
}

// generates reports whether somebody may generate with another model of the same
// project: then none of them is a secret.
func (w *World) generates(q *Question, s seat) bool {
	for _, o := range w.objects {
		d, ok := o.(*vitrine.Deployment)
		if !ok || d.ID == q.Resource.Scope || d.Project != w.projectOf(q.Resource.Scope).ID {
			continue
		}
		other := Question{q.Caller, vitrine.ModelGenerate, vitrine.Resource{Kind: vitrine.KindDeployment, ID: d.ID, Scope: d.ID, Model: d.Model}, q.At}
		a := w.three(&other, s)
		if (a.Allow || a.Code == vitrine.CodeNeedsMFA) && len(w.denying(vitrine.ModelGenerate, d.ID, s.who)) == 0 {
			return true
		}
	}
	return false
}

// ofWhole reports whether it is asked about the organization, and not about a
// thing of its own that lies in it.
func (w *World) ofWhole(q *Question) bool {
	own := slices.Contains([]vitrine.Kind{vitrine.KindOrganization, vitrine.KindSystem, vitrine.KindBinding}, q.Resource.Kind)
	return q.Resource.ID == "" || own && q.Resource.ID == w.org.ID
}

// usesSomewhere reports whether a role lets use a permission anywhere, by a
// binding inside its times and without a condition.
func (w *World) usesSomewhere(p vitrine.Permission, q *Question, s seat) bool {
	info, _ := p.Info()
	other := *q
	other.Permission = p
	return !info.Data && slices.ContainsFunc(w.bindings, func(b *vitrine.Binding) bool {
		reachable := s.key == nil || s.key.Scope == "" || w.overlap(b.Scope, s.key.Scope)
		return w.reaches(b, s.who) && b.Condition == "" && inTime(b, q.At) && reachable &&
			slices.ContainsFunc(w.activeRoles(b, s), func(r vitrine.ID) bool { return w.has(r, &other) })
	})
}
