package rbac

import (
	"cmp"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// Holder is one who can, and by what.
type Holder struct {
	Principal vitrine.ID            `json:"principal"`
	Kind      vitrine.PrincipalKind `json:"kind"`
	Binding   vitrine.ID            `json:"binding"`
	Role      vitrine.ID            `json:"role"`
	Path      []vitrine.ID          `json:"path"` // principal, groups..., holder of the binding
	// Conditional: only while a condition holds or after a second factor.
	Conditional bool `json:"conditional,omitempty"`
}

// Who lists, by id, the people and service accounts that may use perm on r in a
// session with all their roles, or could while some condition holds. Each is
// listed once, with an unconditional binding where there is one. What keys and
// sessions narrow, and what agents may for others, is not looked at.
func (p *Policy) Who(perm vitrine.Permission, r vitrine.Resource, at time.Time) []Holder {
	n, ok := p.scope(r.Scope)
	if !ok || r.Kind == "" || number(perm) < 0 {
		return nil
	}
	candidates := p.holders(n)
	var all []Holder
	for i := range p.who.n {
		w := p.who.at(i)
		if !w.active() || !candidates[i] && !slices.ContainsFunc(w.groups.bears, func(h int32) bool { return candidates[h] }) {
			continue
		}
		s := Subject{Principal: w.object.ID}
		a := ask{p: p, subject: &s, at: at, who: w, person: none, assume: assumption{on: true}}
		a.about(number(perm), &r)
		if code, _, _ := a.withhold(); code != "" {
			continue
		}
		if h, ok := a.holder(); ok {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b Holder) int { return cmp.Compare(a.Principal, b.Principal) })
	return all
}

// holders are the principals that hold bindings at a scope or above.
func (p *Policy) holders(at int32) []bool {
	some := make([]bool, p.who.n)
	place := p.scopes.at(at)
	for i := range some {
		if w := p.who.at(int32(i)); w.marks&place.marks != 0 {
			some[i] = slices.ContainsFunc(place.above(), func(s int32) bool { return len(w.held.at(s)) > 0 })
		}
	}
	return some
}

// holder is the caller with the first binding that grants what is asked without
// a condition, or else the first that does with one.
func (a *ask) holder() (Holder, bool) {
	var best *bound
	var conditional bool
	a.any(func(b *bound) bool {
		a.assume.used = false
		if v, _ := a.judge(b, false); v == granted && (best == nil || !a.assume.used) {
			best, conditional = b, a.assume.used
		}
		return best != nil && !conditional
	})
	if best == nil {
		return Holder{}, false
	}
	by, _ := a.p.binding(best.id)
	return Holder{Principal: a.who.object.ID, Kind: a.who.object.Kind, Binding: best.id, Role: a.p.roleID(best.role),
		Path: a.p.path(a.who.self, by), Conditional: conditional}, true
}
