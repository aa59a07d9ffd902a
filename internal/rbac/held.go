package rbac

import (
	"cmp"
	"math/bits"
	"slices"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/cond"
)

// held is what one principal holds itself: its bindings, found by scope. It is a
// small table with open addressing, at most half full, because a decision looks
// into one for each group and each scope above the resource.
type held struct {
	slots []slot
	shift uint8
	list  []bound // by scope, then by id
}

type slot struct {
	scope     int32 // none is empty
	from, end int32 // in list
}

// bound is a compiled binding.
type bound struct {
	*vitrine.Binding
	program *cond.Program // nil: no condition
	role    int32
	scope   int32
	timed   bool // it begins or ends
}

func hash(scope int32) uint32 { return uint32(scope) * 0x9E3779B1 }

// at is the bindings that hang on a scope.
func (h *held) at(scope int32) []bound {
	for i := hash(scope) >> h.shift; ; i++ {
		s := &h.slots[i&uint32(len(h.slots)-1)]
		if s.scope == scope {
			return h.list[s.from:s.end]
		}
		if s.scope == none {
			return nil
		}
	}
}

// bounds is all of it; none of nil.
func (h *held) bounds() []bound {
	if h == nil {
		return nil
	}
	return h.list
}

func (h *held) bindings() []*vitrine.Binding {
	var all []*vitrine.Binding
	for i := range h.bounds() {
		all = append(all, h.list[i].Binding)
	}
	return all
}

// newHeld makes the table of one principal's bindings; nil of none.
func newHeld(list []bound) *held {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b bound) int {
		return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.ID, b.ID))
	})
	scopes := 1
	for i := 1; i < len(list); i++ {
		if list[i].scope != list[i-1].scope {
			scopes++
		}
	}
	width := max(1, bits.Len(uint(2*scopes-1)))
	h := &held{slots: make([]slot, 1<<width), shift: uint8(32 - width), list: list}
	for i := range h.slots {
		h.slots[i].scope = none
	}
	for from := 0; from < len(list); {
		end := from + 1
		for end < len(list) && list[end].scope == list[from].scope {
			end++
		}
		h.put(slot{list[from].scope, int32(from), int32(end)})
		from = end
	}
	return h
}

func (h *held) put(s slot) {
	mask := uint32(len(h.slots) - 1)
	i := hash(s.scope) >> h.shift
	for h.slots[i&mask].scope != none {
		i++
	}
	h.slots[i&mask] = s
}

// buildHeld compiles all bindings anew.
func (p *Policy) buildHeld() {
	lists := make([][]bound, len(p.who))
	p.kinds[kindNumber(vitrine.KindBinding)].each(func(o vitrine.Object) {
		b, _ := o.(*vitrine.Binding)
		if i, ok := p.whoOf.get(b.Principal); ok {
			lists[i] = append(lists[i], p.newBound(b))
		}
	})
	p.held = make([]*held, len(p.who))
	for i, l := range lists {
		p.held[i] = newHeld(slices.Clip(l))
	}
}

// newBound compiles a binding whose role and scope there are and whose
// condition is sound, which check keeps.
func (p *Policy) newBound(b *vitrine.Binding) bound {
	r, _ := p.roleOf.get(b.Role)
	s, _ := p.scopeOf.get(b.Scope)
	return bound{Binding: b, program: p.programs[b.Condition], role: r, scope: s, timed: !b.From.IsZero() || !b.Until.IsZero()}
}
