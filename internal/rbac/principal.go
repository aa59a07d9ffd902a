package rbac

import (
	"cmp"
	"slices"

	"vitrine.dev/vitrine"
)

// principal is a compiled principal.
type principal struct {
	object *vitrine.Principal
	in     []int32 // groups that list it, each once
	reach  []int32 // itself, then all its groups by id: what rules about them mean
	bears  []int32 // of these those whose bindings count: no disabled group, nor what is reached through one alone
	gaps   bool    // a group: some member is not there
}

// active reports whether it is somebody who may ask.
func (w *principal) active() bool {
	return w != nil && !w.object.Disabled && w.object.Kind != vitrine.Group
}

// buildPrincipals compiles all principals anew; numbers stay. Circles of groups
// are problems.
func (p *Policy) buildPrincipals() Problems {
	fresh := map[vitrine.ID]int32{}
	p.who = make([]*principal, len(p.who))
	kind := &p.kinds[kindNumber(vitrine.KindPrincipal)]
	add := func(o vitrine.Object) {
		x, _ := o.(*vitrine.Principal)
		i, ok := p.whoOf.get(x.ID)
		if !ok {
			i = int32(len(p.who))
			p.who = append(p.who, nil)
			fresh[x.ID] = i
		}
		p.who[i] = &principal{object: x}
	}
	kind.each(add)
	p.whoOf = p.whoOf.with(fresh, nil)
	for i, w := range p.who {
		if w == nil || w.object.Kind != vitrine.Group {
			continue
		}
		for _, id := range w.object.Members {
			m := p.principal(id)
			if m == nil {
				w.gaps = true
			} else if n := len(m.in); n == 0 || m.in[n-1] != int32(i) {
				m.in = append(m.in, int32(i))
			}
		}
	}
	if problems := p.groupCircles(); len(problems) > 0 {
		return problems
	}
	for i, w := range p.who {
		if w != nil {
			w.reach, w.bears = p.reachOf(int32(i))
		}
	}
	return nil
}

// groupCircles reports groups that hold each other in a circle. It takes groups
// away that hold no group which is left; what is left in the end are circles,
// and only then names are looked up.
func (p *Policy) groupCircles() Problems {
	kids := make([]int32, len(p.who)) // how many groups that are left a group holds
	var groups, free []int32
	for i, w := range p.who {
		if w != nil && w.object.Kind == vitrine.Group {
			groups = append(groups, int32(i))
			for _, up := range w.in {
				kids[up]++
			}
		}
	}
	for _, g := range groups {
		if kids[g] == 0 {
			free = append(free, g)
		}
	}
	for n := 0; n < len(free); n++ {
		for _, up := range p.who[free[n]].in {
			if kids[up]--; kids[up] == 0 {
				free = append(free, up)
			}
		}
	}
	if len(free) == len(groups) {
		return nil
	}
	return p.nameCircles()
}

func (p *Policy) nameCircles() Problems {
	g := newGraph("members", "groups hold each other", func(id vitrine.ID) []vitrine.ID {
		if w := p.principal(id); w != nil && w.object.Kind == vitrine.Group {
			return w.object.Members
		}
		return nil
	})
	for _, o := range p.Objects(vitrine.KindPrincipal) {
		g.walk(o.Ref())
	}
	return g.problems
}

// reachOf is a principal, then its groups by id, so that every node names the
// same binding; and of these those whose bindings count. A deny rule about a
// disabled group still withholds.
func (p *Policy) reachOf(i int32) (reach, bears []int32) {
	reach = p.climb(i, func(int32) bool { return true })
	on := func(g int32) bool { return !p.who[g].object.Disabled }
	if bears = reach; slices.ContainsFunc(reach[1:], func(g int32) bool { return !on(g) }) {
		bears = p.climb(i, on)
	}
	return reach, bears
}

func (p *Policy) climb(i int32, through func(int32) bool) []int32 {
	reach := []int32{i}
	for n := 0; n < len(reach); n++ {
		for _, g := range p.who[reach[n]].in {
			if through(g) && !slices.Contains(reach, g) {
				reach = append(reach, g)
			}
		}
	}
	slices.SortFunc(reach[1:], p.byName)
	return slices.Clip(reach)
}

// byName orders principals by id. Their numbers differ from node to node.
func (p *Policy) byName(a, b int32) int { return cmp.Compare(p.who[a].object.ID, p.who[b].object.ID) }

// path is how a holder's bindings reach a principal: itself, groups, the holder,
// over the fewest groups, and of several ways the first by ids.
func (p *Policy) path(from, holder int32) []vitrine.ID {
	came := map[int32]int32{from: none}
	queue := []int32{from}
	for n := 0; n < len(queue) && queue[n] != holder; n++ {
		for _, g := range slices.SortedFunc(slices.Values(p.who[queue[n]].in), p.byName) {
			if _, seen := came[g]; !seen {
				came[g] = queue[n]
				queue = append(queue, g)
			}
		}
	}
	var path []vitrine.ID
	for at := holder; at != none; at = came[at] {
		path = append(path, p.who[at].object.ID)
	}
	slices.Reverse(path)
	return path
}
