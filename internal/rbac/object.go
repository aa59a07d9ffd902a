package rbac

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"

	"vitrine.dev/vitrine"
)

// layered is a map that is not changed once it stands in a policy. The next
// policy's map shares the large base and has its own small map of what changed
// since; when that has grown the two become one.
type layered[V any] struct {
	base, over map[vitrine.ID]V
}

func (m *layered[V]) get(id vitrine.ID) (V, bool) {
	if len(m.over) > 0 {
		if v, ok := m.over[id]; ok {
			return v, true
		}
	}
	v, ok := m.base[id]
	return v, ok
}

// with is the map after changes. What gone, may be nil, reports of a value need
// not be kept when the layers become one.
func (m layered[V]) with(changes map[vitrine.ID]V, gone func(V) bool) layered[V] {
	if len(changes) == 0 {
		return m
	}
	over := make(map[vitrine.ID]V, len(m.over)+len(changes))
	maps.Copy(over, m.over)
	maps.Copy(over, changes)
	if len(over) <= 256+len(m.base)/64 {
		return layered[V]{m.base, over}
	}
	base := make(map[vitrine.ID]V, len(m.base)+len(over))
	maps.Copy(base, m.base)
	maps.Copy(base, over)
	if gone != nil {
		maps.DeleteFunc(base, func(_ vitrine.ID, v V) bool { return gone(v) })
	}
	return layered[V]{base: base}
}

// all calls fn with everything in the map, in no order.
func (m *layered[V]) all(fn func(vitrine.ID, V)) {
	for id, v := range m.over {
		fn(id, v)
	}
	for id, v := range m.base {
		if _, newer := m.over[id]; !newer {
			fn(id, v)
		}
	}
}

// names gives ids small numbers. A number is never used again.
type names = layered[int32]

// entry is an object and the revision at which it last changed. Without object
// it was deleted.
type entry struct {
	object  vitrine.Object
	changed int64
}

// objects are the objects of a kind.
type objects struct {
	layered[entry]
	list *atomic.Pointer[[]vitrine.Object] // sorted, once somebody asked
}

func newObjects(m layered[entry]) objects {
	return objects{m, new(atomic.Pointer[[]vitrine.Object])}
}

func (o *objects) sorted() []vitrine.Object {
	if o.list == nil {
		return nil
	}
	if l := o.list.Load(); l != nil {
		return *l
	}
	l := make([]vitrine.Object, 0, len(o.base)+len(o.over))
	o.each(func(x vitrine.Object) { l = append(l, x) })
	slices.SortFunc(l, func(a, b vitrine.Object) int { return cmp.Compare(a.Ref().ID, b.Ref().ID) })
	l = slices.Clip(l)
	o.list.Store(&l)
	return l
}

// each calls fn with all objects, in no order.
func (o *objects) each(fn func(vitrine.Object)) {
	o.all(func(_ vitrine.ID, e entry) {
		if e.object != nil {
			fn(e.object)
		}
	})
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
