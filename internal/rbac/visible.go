package rbac

import (
	"cmp"
	"time"

	"vitrine.dev/vitrine"
)

// Visible lists the objects of a kind on which s may use perm: exactly those
// that Decide would allow one by one. They come by id, datasets and deployments
// by project first.
func (p *Policy) Visible(s *Subject, perm vitrine.Permission, k vitrine.Kind, at time.Time) []vitrine.ID {
	q := Question{Subject: *s, Permission: perm, At: at}
	if k == vitrine.KindDataset || k == vitrine.KindDeployment {
		return p.visibleIn(&q, k)
	}
	// Objects of one kind at one scope differ by their owner alone.
	known := map[vitrine.ID]bool{}
	var all []vitrine.ID
	for _, o := range p.Objects(k) {
		q.Resource = p.Resource(o)
		ok, seen := known[q.Resource.Scope]
		if !seen {
			var owned bool
			if ok, owned = p.permits(&q); !owned {
				known[q.Resource.Scope] = ok
			}
		}
		if ok {
			all = append(all, o.Ref().ID)
		}
	}
	return all
}

// visibleIn is Visible for what lies in projects.
func (p *Policy) visibleIn(q *Question, k vitrine.Kind) []vitrine.ID {
	q.Resource.Kind = k
	var a, o ask
	if !a.begin(p, q, new(vitrine.Decision)) {
		return nil
	}
	var person *ask
	if a.person != none {
		o = a.principal()
		o.about(a.perm, a.resource)
		person = &o
	}
	var few [16]lot
	seen, n := few[:0], 0
	for _, lot := range lotsOf(&a, person, k, true) {
		q.Resource = vitrine.Resource{Kind: k, ID: lot.ids[0], Scope: lot.ids[0]}
		if d, ok := p.Dataset(lot.ids[0]); ok && len(lot.ids) == 1 {
			q.Resource.Owner = d.Owner
		}
		a.about(a.perm, &q.Resource)
		if !a.permits() {
			continue
		}
		if person != nil {
			if o.about(o.perm, &q.Resource); !o.permits() {
				continue
			}
		}
		seen, n = append(seen, lot), n+len(lot.ids)
	}
	if n == 0 {
		return nil
	}
	all := make([]vitrine.ID, 0, n)
	for _, lot := range seen {
		all = append(all, lot.ids...)
	}
	return all
}

// permits is whether Decide allows, and whether the owner of the resource may
// matter to that.
func (p *Policy) permits(q *Question) (allow, owned bool) {
	var a ask
	if !a.begin(p, q, new(vitrine.Decision)) {
		return false, false
	}
	allow = a.permits()
	if owned = a.owned; allow && a.person != none {
		o := a.principal()
		o.about(a.perm, a.resource)
		allow = o.permits()
		owned = owned || o.owned
	}
	return allow, owned
}

func (a *ask) permits() bool {
	if b, _ := a.find(); b == nil {
		return false
	}
	code, _, _ := a.withhold()
	return code == ""
}

// Resource is what a question about an object of the policy looks at. What has
// no place of its own lies in the organization.
func (p *Policy) Resource(o vitrine.Object) vitrine.Resource {
	ref := o.Ref()
	r := vitrine.Resource{Kind: ref.Kind, ID: ref.ID}
	if p.org != nil {
		r.Scope = p.org.ID
	}
	switch o := o.(type) {
	case *vitrine.Organization, *vitrine.Project:
		r.Scope = ref.ID
	case *vitrine.Dataset:
		r.Scope, r.Owner = o.ID, o.Owner
	case *vitrine.Deployment:
		r.Scope, r.Model = o.ID, o.Model
	case *vitrine.Binding:
		r.Scope = o.Scope
	case *vitrine.Deny:
		r.Scope = o.Scope
	case *vitrine.Constraint:
		r.Scope = cmp.Or(o.Scope, r.Scope)
	case *vitrine.Key:
		r.Scope, r.Owner = cmp.Or(o.Scope, r.Scope), o.Principal
	case *vitrine.Principal:
		r.Owner = o.Owner
	case *vitrine.Budget:
		if o.Kind == vitrine.BudgetProject && vitrine.ID(o.Subject) != vitrine.Everyone {
			r.Scope = vitrine.ID(o.Subject)
		}
	}
	return r
}
