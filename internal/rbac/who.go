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
	for i, w := range p.who {
		if !w.active() || !slices.ContainsFunc(w.bears, func(h int32) bool { return candidates[h] }) {
			continue
		}
		s := Subject{Principal: w.object.ID}
		a := ask{p: p, subject: &s, at: at, who: w, person: none, assume: assumption{on: true}}
		a.about(number(perm), &r)
		if code, _, _ := a.withhold(); code != "" {
			continue
		}
		if h, ok := a.holder(int32(i)); ok {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b Holder) int { return cmp.Compare(a.Principal, b.Principal) })
	return all
}

// holders are the principals that hold bindings at a scope or above.
func (p *Policy) holders(at int32) []bool {
	some := make([]bool, len(p.who))
	for i, h := range p.held {
		if h != nil {
			some[i] = slices.ContainsFunc(p.scopes[at].above(), func(s int32) bool { return len(h.at(s)) > 0 })
		}
	}
	return some
}

// holder is the caller with the first binding that grants what is asked without
// a condition, or else the first that does with one.
func (a *ask) holder(who int32) (Holder, bool) {
	var best *Holder
	for _, n := range a.who.bears {
		h := a.p.held[n]
		if h == nil {
			continue
		}
		for _, s := range a.place.above() {
			list := h.at(s)
			for i := range list {
				a.assume.used = false
				if v, _ := a.judge(&list[i], false); v != granted || best != nil && a.assume.used {
					continue
				}
				best = &Holder{Principal: a.who.object.ID, Kind: a.who.object.Kind, Binding: list[i].ID, Role: list[i].Role,
					Path: a.p.path(who, n), Conditional: a.assume.used}
				if !best.Conditional {
					return *best, true
				}
			}
		}
	}
	if best == nil {
		return Holder{}, false
	}
	return *best, true
}
