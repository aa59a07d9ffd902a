package rbac

import (
	"cmp"
	"slices"
	"sync/atomic"

	"vitrine.dev/vitrine"
)

// entry is an object and the revision at which it last changed. Without object
// it was deleted.
type entry struct {
	object  vitrine.Object
	changed int64
}

// sortedList is a list of objects by id, once somebody asked for it.
type sortedList = atomic.Pointer[[]vitrine.Object]

// The kinds that are not kept as they came: principals stand where decisions
// look for them, and of bindings there can be very many.
var (
	principals = kindNumber(vitrine.KindPrincipal)
	bindings   = kindNumber(vitrine.KindBinding)
)

// entry is an object of a kind.
func (p *Policy) entry(kind int, id vitrine.ID) entry {
	switch kind {
	case principals:
		if w := p.principal(id); w != nil {
			return entry{w.object, w.changed}
		}
	case bindings:
		if holder, b := p.binding(id); b != nil {
			return entry{p.unbound(holder, b), b.made.changed}
		}
	default:
		if _, e := p.kinds[kind].find(id); e != nil && e.object != nil {
			return *e
		}
	}
	return entry{}
}

// each calls fn with all objects of a kind, in no order.
func (p *Policy) each(kind int, fn func(vitrine.Object)) {
	switch kind {
	case principals:
		for i := range p.who.n {
			if o := p.who.at(i).object; o != nil {
				fn(o)
			}
		}
	case bindings:
		for i := range p.who.n {
			w := p.who.at(i)
			for j := range w.held.bounds() {
				fn(p.unbound(i, &w.held.list[j]))
			}
		}
	default:
		for i := range p.kinds[kind].n {
			if o := p.kinds[kind].at(i).object; o != nil {
				fn(o)
			}
		}
	}
}

// sorted are all objects of a kind, by id.
func (p *Policy) sorted(kind int) []vitrine.Object {
	if l := p.lists[kind].Load(); l != nil {
		return *l
	}
	var l []vitrine.Object
	p.each(kind, func(o vitrine.Object) { l = append(l, o) })
	l = slices.Clip(l)
	byID := func(a, b vitrine.Object) int { return cmp.Compare(a.Ref().ID, b.Ref().ID) }
	if !slices.IsSortedFunc(l, byID) {
		slices.SortFunc(l, byID)
	}
	p.lists[kind].Store(&l)
	return l
}

// kindCount is how many kinds stand in a policy.
const kindCount = 13

// kindNumber is a kind's place in vitrine.PolicyKinds, or -1.
func kindNumber(k vitrine.Kind) int {
	switch k {
	case vitrine.KindOrganization:
		return 0
	case vitrine.KindProject:
		return 1
	case vitrine.KindDataset:
		return 2
	case vitrine.KindProvider:
		return 3
	case vitrine.KindCredential:
		return 4
	case vitrine.KindDeployment:
		return 5
	case vitrine.KindRole:
		return 6
	case vitrine.KindPrincipal:
		return 7
	case vitrine.KindKey:
		return 8
	case vitrine.KindBinding:
		return 9
	case vitrine.KindDeny:
		return 10
	case vitrine.KindConstraint:
		return 11
	case vitrine.KindBudget:
		return 12
	}
	return -1
}
