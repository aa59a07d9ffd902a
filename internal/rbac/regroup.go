package rbac

import (
	"slices"

	"vitrine.dev/vitrine"
)

// patchPrincipals compiles principals that were put, and whoever they are
// groups of. None changed its kind and none went. Circles are problems.
func (p *Policy) patchPrincipals(changed map[vitrine.ID]entry) Problems {
	fresh := map[vitrine.ID]int32{}
	p.who = slices.Clone(p.who)
	var moved []int32 // who is in other groups than before, or in ones that were switched
	regrouped := map[int32][]vitrine.ID{}
	for id, x := range changed {
		now, _ := x.object.(*vitrine.Principal)
		i, ok := p.whoOf.get(id)
		var was []vitrine.ID
		if ok && p.who[i] != nil {
			w := *p.who[i]
			if w.object.Disabled != now.Disabled {
				moved = append(moved, i) // what it gave its members, or does from now on
			}
			was, w.object = w.object.Members, now
			p.who[i] = &w
		} else {
			if !ok {
				i = int32(len(p.who))
				fresh[id] = i
				p.who = append(p.who, nil)
			}
			p.who[i] = &principal{object: now}
			moved = append(moved, i)
		}
		if now.Kind == vitrine.Group {
			regrouped[i] = was
		}
	}
	p.whoOf = p.whoOf.with(fresh, nil)
	for g, was := range regrouped {
		moved = append(moved, p.regroup(g, was)...)
	}
	if len(moved) == 0 {
		return nil
	}
	if problems := p.groupCircles(); len(problems) > 0 {
		return problems
	}
	for _, i := range p.below(moved) {
		w := *p.who[i]
		w.reach, w.bears = p.reachOf(i)
		p.who[i] = &w
	}
	return nil
}

// regroup enters a group's members as they are now and answers those who came
// or went.
func (p *Policy) regroup(g int32, was []vitrine.ID) (moved []int32) {
	w := p.who[g]
	w.gaps = false
	now := make(map[int32]bool, len(w.object.Members))
	for _, id := range w.object.Members {
		if i, ok := p.whoOf.get(id); ok && p.who[i] != nil {
			now[i] = true
		} else {
			w.gaps = true
		}
	}
	for _, id := range was {
		if i, ok := p.whoOf.get(id); ok && p.who[i] != nil && !now[i] && slices.Contains(p.who[i].in, g) {
			m := *p.who[i]
			m.in = slices.DeleteFunc(slices.Clone(m.in), func(x int32) bool { return x == g })
			p.who[i] = &m
			moved = append(moved, i)
		}
	}
	for i := range now {
		if !slices.Contains(p.who[i].in, g) {
			m := *p.who[i]
			m.in = append(slices.Clip(m.in), g)
			p.who[i] = &m
			moved = append(moved, i)
		}
	}
	return moved
}

// below are some principals and everybody in those of them that are groups.
func (p *Policy) below(some []int32) []int32 {
	seen := make(map[int32]bool, len(some))
	var all []int32
	for todo := some; len(todo) > 0; todo = todo[1:] {
		i := todo[0]
		if seen[i] {
			continue
		}
		seen[i] = true
		all = append(all, i)
		for _, id := range p.who[i].object.Members {
			if m, ok := p.whoOf.get(id); ok && p.who[m] != nil {
				todo = append(todo, m)
			}
		}
	}
	return all
}
