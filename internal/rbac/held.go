package rbac

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/cond"
)

// held is what one principal holds itself: its bindings, found by scope. Of many
// there is a small table with open addressing, at most half full, because a
// decision looks for one for each group and each scope above the resource.
type held struct {
	list  []bound // by scope, then by id
	spans *[]span // nil of few
	sides uint64  // of duties on which the roles stand
}

type span struct {
	scope     int32 // none is empty
	from, end int32 // in list
}

// few is how many bindings are looked through one by one.
const few = 16

// bound is a compiled binding. There can be tens of millions: what few have
// stands apart.
type bound struct {
	id    vitrine.ID
	made  *made
	role  int32
	scope int32
}

// made is when a binding was last changed, and its terms: nil where it is in
// force for ever and always. Such bindings of one revision share it.
type made struct {
	changed int64
	terms   *terms
}

// terms are when a binding is in force, and why there is one.
type terms struct {
	from, until time.Time
	condition   string
	program     *cond.Program // nil: no condition
	reason      string
}

// mark is one of 64 bits that a scope has: where a holder's marks lack it, it
// holds nothing there.
func mark(scope int32) uint64 { return 1 << (scatter(scope) >> 26) }

func scatter(scope int32) uint32 { return uint32(scope) * 0x9E3779B1 }

// at is the bindings that hang on a scope.
func (h *held) at(scope int32) []bound {
	if h.spans != nil {
		return h.in(scope)
	}
	for i := range h.list {
		if h.list[i].scope < scope {
			continue
		}
		end := i
		for end < len(h.list) && h.list[end].scope == scope {
			end++
		}
		return h.list[i:end]
	}
	return nil
}

func (h *held) in(scope int32) []bound {
	spans := *h.spans
	mask := uint32(len(spans) - 1)
	for i := scatter(scope) & mask; ; i = (i + 1) & mask {
		s := &spans[i]
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

// any reports whether ok holds of a binding.
func (h *held) any(ok func(*bound) bool) bool {
	list := h.bounds()
	for i := range list {
		if ok(&list[i]) {
			return true
		}
	}
	return false
}

// stands are the sides of duties on which it puts its holder.
func (h *held) stands() uint64 {
	if h == nil {
		return 0
	}
	return h.sides
}

// newHeld makes what a principal holds of its bindings; nil of none.
func (p *Policy) newHeld(list []bound) *held {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b bound) int {
		return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.id, b.id))
	})
	h := &held{list: list, sides: p.sidesOf(list)}
	if len(list) > few {
		h.span()
	}
	return h
}

func (h *held) span() {
	spans := make([]span, 1<<bits.Len(uint(2*len(h.list)-1)))
	for i := range spans {
		spans[i].scope = none
	}
	mask := uint32(len(spans) - 1)
	for from := 0; from < len(h.list); {
		scope, end := h.list[from].scope, from+1
		for end < len(h.list) && h.list[end].scope == scope {
			end++
		}
		i := scatter(scope) & mask
		for spans[i].scope != none {
			i = (i + 1) & mask
		}
		spans[i] = span{scope, int32(from), int32(end)}
		from = end
	}
	h.spans = &spans
}

// hold gives a principal what it holds from now on.
func (w *principal) hold(h *held) {
	w.held, w.marks = h, 0
	for i := range h.bounds() {
		w.marks |= mark(h.list[i].scope)
	}
}

// binder compiles bindings.
type binder struct {
	*Policy
	plain map[int64]*made // by revision: of bindings without terms
}

// bound compiles a binding whose role and scope there are and whose condition
// is sound, which check keeps.
func (p *binder) bound(b *vitrine.Binding, changed int64) bound {
	c := bound{id: b.ID}
	c.role, _ = p.roleNumber(b.Role)
	c.scope, _ = p.scopes.find(b.Scope)
	if !b.From.IsZero() || !b.Until.IsZero() || b.Condition != "" || b.Reason != "" {
		c.made = &made{changed, &terms{from: b.From, until: b.Until, condition: b.Condition, program: p.programs[b.Condition], reason: b.Reason}}
		return c
	}
	if c.made = p.plain[changed]; c.made == nil {
		c.made = &made{changed: changed}
		p.plain[changed] = c.made
	}
	return c
}

// unbound is the binding as it came.
func (p *Policy) unbound(holder int32, b *bound) *vitrine.Binding {
	o := &vitrine.Binding{ID: b.id, Role: p.roleID(b.role), Principal: p.who.id(holder), Scope: p.scopes.id(b.scope)}
	if t := b.made.terms; t != nil {
		o.From, o.Until, o.Condition, o.Reason = t.from, t.until, t.condition, t.reason
	}
	return o
}

// binding is who holds a binding, and the binding; nil where there is none.
func (p *Policy) binding(id vitrine.ID) (holder int32, b *bound) {
	h := hash(id)
	i := p.bindings.find(h, func(n int32) bool {
		list := p.who.at(n).held.bounds()
		for j := range list {
			if list[j].id == id {
				holder, b = n, &list[j]
				return true
			}
		}
		return false
	})
	if i == none {
		return none, nil
	}
	return holder, b
}

// program is the binding's condition; nil is none.
func (b *bound) program() *cond.Program {
	if t := b.made.terms; t != nil {
		return t.program
	}
	return nil
}

// inTime reports whether a binding has begun and not ended.
func (b *bound) inTime(at time.Time) bool {
	t := b.made.terms
	return t == nil || (t.from.IsZero() || !at.Before(t.from)) && (t.until.IsZero() || at.Before(t.until))
}

// ended reports whether a binding is over, for ever.
func (b *bound) ended(at time.Time) bool {
	t := b.made.terms
	return t != nil && !t.until.IsZero() && !at.Before(t.until)
}

// buildHeld compiles all bindings anew.
func (p *Policy) buildHeld(all []entry) {
	many := make([]int32, p.who.n)
	for _, e := range all {
		b, _ := e.object.(*vitrine.Binding)
		if n, w := p.who.find(b.Principal); w != nil {
			many[n]++
		}
	}
	binder := binder{p, map[int64]*made{}}
	lists := make([][]bound, p.who.n)
	for _, e := range all {
		b, _ := e.object.(*vitrine.Binding)
		n, w := p.who.find(b.Principal)
		if w == nil {
			continue
		}
		if lists[n] == nil {
			lists[n] = make([]bound, 0, many[n])
		}
		lists[n] = append(lists[n], binder.bound(b, e.changed))
	}
	p.bindings = denseIndexOf(len(all))
	for i, l := range lists {
		for j := range l {
			p.bindings.put(hash(l[j].id), int32(i))
		}
		if len(l) > 0 {
			p.who.edit(int32(i)).hold(p.newHeld(l))
		}
	}
}
