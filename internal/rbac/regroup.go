package rbac

import (
	"slices"

	"vitrine.dev/vitrine"
)

// patchPrincipals compiles principals that were put, and whoever they are
// groups of. None changed its kind and none went. Circles are problems.
func (p *Policy) patchPrincipals(changed map[vitrine.ID]entry) Problems {
	var moved []int32 // who is in other groups than before, or in ones that were switched
	regrouped := map[int32][]vitrine.ID{}
	for id, x := range changed {
		now, _ := x.object.(*vitrine.Principal)
		i := p.who.add(id)
		w := p.who.edit(i)
		var was []vitrine.ID
		if w.object != nil {
			was = w.object.Members
		}
		if now.Kind == vitrine.Group {
			regrouped[i] = was
			if w.object == nil || w.object.Disabled != now.Disabled {
				moved = append(moved, i) // what it gave its members, or does from now on
			}
		}
		w.self = i
		w.set(now, x.changed)
	}
	for g, was := range regrouped {
		moved = append(moved, p.regroup(g, was)...)
	}
	climb := climber{p: p, in: func(i int32) []int32 { return p.who.at(i).groups.in }}
	for g := range regrouped {
		if up := climb.groups(p.who.at(g).groups.in); slices.Contains(up.reach, g) {
			return p.nameCircles()
		}
	}
	for _, i := range p.below(moved) {
		p.who.edit(i).groups = climb.groups(p.who.at(i).groups.in)
	}
	return nil
}

// regroup enters a group's members as they are now and answers those who came
// or went.
func (p *Policy) regroup(g int32, was []vitrine.ID) (moved []int32) {
	gaps := false
	now := make(map[int32]bool, len(p.who.at(g).object.Members))
	for _, id := range p.who.at(g).object.Members {
		if i, m := p.who.find(id); m.there() {
			now[i] = true
		} else {
			gaps = true
		}
	}
	p.who.edit(g).gaps = gaps
	for _, id := range was {
		i, m := p.who.find(id)
		if !m.there() || now[i] || !slices.Contains(m.groups.in, g) {
			continue
		}
		p.who.edit(i).groups = &groups{in: slices.DeleteFunc(slices.Clone(m.groups.in), func(x int32) bool { return x == g })}
		moved = append(moved, i)
	}
	for i := range now {
		if in := p.who.at(i).groups.in; !slices.Contains(in, g) {
			p.who.edit(i).groups = &groups{in: append(slices.Clip(in), g)}
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
		for _, id := range p.who.at(i).object.Members {
			if m, w := p.who.find(id); w.there() {
				todo = append(todo, m)
			}
		}
	}
	return all
}
