package rbac

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// Explanation is a decision with everything that was considered.
type Explanation struct {
	Decision vitrine.Decision `json:"decision"`
	// Bindings are those of the caller and, where it acts for a person, hers:
	// the nearest to an allow first, those that hang elsewhere last.
	Bindings []Considered `json:"bindings"`
	Denies   []vitrine.ID `json:"denies,omitempty"` // rules that withhold the permission, by id
}

// Considered is one binding and the exact condition that failed.
type Considered struct {
	Binding vitrine.ID     `json:"binding"`
	Role    vitrine.ID     `json:"role"`
	Scope   vitrine.ID     `json:"scope"`
	Path    []vitrine.ID   `json:"path"` // principal, groups..., holder of the binding
	Code    vitrine.Code   `json:"code"`
	Failed  vitrine.Failed `json:"failed,omitempty"`
	Detail  string         `json:"detail,omitempty"`
}

// maxElsewhere bounds how many bindings at other places an explanation lists.
const maxElsewhere = 100

// Explain answers a question with every binding that was considered for it, and
// which of the three conditions each one failed. Its decision is Decide's.
func (p *Policy) Explain(q *Question) Explanation {
	x := Explanation{Decision: p.Decide(q)}
	var a ask
	if !a.begin(p, q, new(vitrine.Decision)) {
		return x
	}
	a.explain(&x)
	if a.person != none {
		o := a.principal()
		o.about(a.perm, a.resource)
		o.explain(&x)
	}
	slices.Sort(x.Denies)
	x.Denies = slices.Compact(x.Denies)
	return x
}

// explain adds what is considered for one principal.
func (a *ask) explain(x *Explanation) {
	type judged struct {
		Considered
		verdict verdict
	}
	var all []judged
	elsewhere := 0
	for _, n := range append([]int32{a.who.self}, a.who.groups.reach...) {
		var path []vitrine.ID
		list := a.p.who.at(n).held.bounds()
		for i := range list {
			b := &list[i]
			c := judged{Considered: Considered{Binding: b.id, Role: a.p.roleID(b.role), Scope: a.p.scopes.id(b.scope)}}
			if !a.who.bears(n) {
				c.verdict, c.Detail = roleOff, "it is held by or through a disabled group"
			} else if a.place != nil && a.place.in(b.scope) {
				c.verdict, c.Detail = a.detail(b)
			} else if elsewhere++; elsewhere > maxElsewhere {
				continue
			} else {
				c.Detail = "it hangs on " + a.p.named(b.scope)
			}
			if path == nil {
				path = a.p.path(a.who.self, n)
			}
			c.Path, c.Code, c.Failed = path, verdicts[c.verdict].code, verdicts[c.verdict].failed
			if c.verdict == granted {
				c.Code = vitrine.CodeAllowed
			}
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b judged) int {
		return cmp.Or(cmp.Compare(b.verdict, a.verdict), cmp.Compare(a.Binding, b.Binding))
	})
	for _, c := range all {
		x.Bindings = append(x.Bindings, c.Considered)
	}
	a.explainDenies(x)
}

func (a *ask) explainDenies(x *Explanation) {
	if a.place == nil || a.perm < 0 {
		return
	}
	for _, s := range a.place.above() {
		for _, d := range a.p.denies(s) {
			if d.permissions.has(a.perm) && d.hits(a.who) {
				x.Denies = append(x.Denies, d.id)
			}
		}
	}
}

// detail is the verdict on a binding and what it comes from.
func (a *ask) detail(b *bound) (verdict, string) {
	v, r := a.judge(b, true)
	switch v {
	case outOfTime:
		if from := b.made.terms.from; !from.IsZero() && a.at.Before(from) {
			return v, "it begins at " + from.UTC().Format(time.RFC3339)
		}
		return v, "it ended at " + b.made.terms.until.UTC().Format(time.RFC3339)
	case roleOff:
		if !a.p.roles[b.role].on || !r.on {
			return v, "the role is disabled"
		}
		return v, "the role is not active in this session or key"
	case elsewhere:
		return v, "outside the key's scope, or the environment that the service works in"
	case conditionFalse:
		return v, "false: " + b.made.terms.condition
	case conditionErred:
		if _, err := b.program().Eval(a.facts()); err != nil {
			return v, err.Error() + ": " + b.made.terms.condition
		}
	case lacksPermission:
		return v, "the role does not grant " + a.named()
	case lacksCategory:
		return v, fmt.Sprintf("the role does not grant %s on %s", a.named(), cmp.Or(a.resource.Category.String(), "data of unknown category"))
	case lacksTier:
		return v, fmt.Sprintf("the role grants %s on %s up to %s, not %s", a.named(), a.resource.Category,
			a.upTo(r), a.tier)
	case lacksModel:
		return v, "the role does not grant model " + a.model
	}
	return v, ""
}

// named is the permission asked for.
func (a *ask) named() string {
	if a.perm < 0 {
		return "what there is no permission for"
	}
	return string(vitrine.Catalogue[a.perm].Permission)
}

// upTo is the highest tier at which a role grants the permission on the category.
func (a *ask) upTo(r *role) vitrine.Tier {
	top := vitrine.TierUnknown
	for _, t := range vitrine.Tiers {
		if r.use[cellNumber(a.resource.Category, t)].has(a.perm) {
			top = t
		}
	}
	return top
}
