package rbac

import (
	"cmp"
	"encoding/binary"
	"slices"

	"vitrine.dev/vitrine"
)

// principal is a compiled principal. It fills a cache line with its id.
type principal struct {
	object  *vitrine.Principal // nil: it was deleted
	changed int64              // the revision
	groups  *groups            // that it is in
	held    *held              // what it holds itself; nil is nothing
	marks   uint64             // of the scopes where it does
	self    int32
	awake   bool // it is somebody who may ask
	gaps    bool // a group: some member is not there
}

// groups are those that some principals are in, who share them.
type groups struct {
	in    []int32 // those that list them, each once
	reach []int32 // all of them, by id: what rules about them mean
	bears []int32 // of these those whose bindings count: no disabled group, nor what is reached through one alone
}

// alone is nobody's group.
var alone = new(groups)

// there reports whether there is such a principal.
func (w *principal) there() bool { return w != nil && w.object != nil }

// active reports whether it is somebody who may ask.
func (w *principal) active() bool { return w != nil && w.awake }

// set enters a principal.
func (w *principal) set(o *vitrine.Principal, changed int64) {
	w.object, w.changed = o, changed
	w.awake = o != nil && !o.Disabled && o.Kind != vitrine.Group
	if w.groups == nil {
		w.groups = alone
	}
}

// putPrincipal enters a principal, or that it went.
func (p *Policy) putPrincipal(id vitrine.ID, o *vitrine.Principal, changed int64) {
	n := p.who.add(id)
	w := p.who.edit(n)
	w.self = n
	w.set(o, changed)
}

// reaches reports whether rules about a principal mean w.
func (w *principal) reaches(n int32) bool { return n == w.self || contains(w.groups.reach, n) }

// bears reports whether the bindings of a principal count for w.
func (w *principal) bears(n int32) bool { return n == w.self || contains(w.groups.bears, n) }

// buildPrincipals compiles anew who is in which groups. Circles of groups are
// problems.
func (p *Policy) buildPrincipals() Problems {
	in := make([][]int32, p.who.n)
	for i := range p.who.n {
		w := p.who.at(i)
		if w.object == nil || w.object.Kind != vitrine.Group {
			continue
		}
		gaps := false
		for _, id := range w.object.Members {
			n, m := p.who.find(id)
			if !m.there() {
				gaps = true
			} else if l := len(in[n]); l == 0 || in[n][l-1] != i {
				in[n] = append(in[n], i)
			}
		}
		if gaps != w.gaps {
			p.who.edit(i).gaps = gaps
		}
	}
	if problems := p.groupCircles(in); len(problems) > 0 {
		return problems
	}
	p.shareGroups(in)
	return nil
}

// shareGroups gives everybody the groups that they are in: those who are in the
// same share one list.
func (p *Policy) shareGroups(in [][]int32) {
	climb := climber{p: p, in: func(i int32) []int32 { return in[i] }}
	known := map[string]*groups{"": alone}
	var key []byte
	for i := range p.who.n {
		key = key[:0]
		for _, g := range in[i] {
			key = binary.LittleEndian.AppendUint32(key, uint32(g))
		}
		g, ok := known[string(key)]
		if !ok {
			g = climb.groups(in[i])
			known[string(key)] = g
		}
		p.who.edit(i).groups = g
	}
}

// groupCircles reports groups that hold each other in a circle. It takes groups
// away that hold no group which is left; what is left in the end are circles,
// and only then names are looked up.
func (p *Policy) groupCircles(in [][]int32) Problems {
	kids := make([]int32, p.who.n) // how many groups that are left a group holds
	var all, empty []int32
	for i := range p.who.n {
		if o := p.who.at(i).object; o != nil && o.Kind == vitrine.Group {
			all = append(all, i)
			for _, up := range in[i] {
				kids[up]++
			}
		}
	}
	for _, g := range all {
		if kids[g] == 0 {
			empty = append(empty, g)
		}
	}
	for n := 0; n < len(empty); n++ {
		for _, up := range in[empty[n]] {
			if kids[up]--; kids[up] == 0 {
				empty = append(empty, up)
			}
		}
	}
	if len(empty) == len(all) {
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

// climber finds all groups above some.
type climber struct {
	p  *Policy
	in func(int32) []int32 // the groups that list a principal
}

// groups are all above those that list somebody, by id, so that every node names
// the same binding; and of these those whose bindings count. A deny rule about a
// disabled group still withholds.
func (c climber) groups(in []int32) *groups {
	if len(in) == 0 {
		return alone
	}
	g := &groups{in: slices.Clip(in), reach: c.climb(in, func(int32) bool { return true })}
	on := func(n int32) bool { return !c.p.who.at(n).object.Disabled }
	if g.bears = g.reach; !every(g.reach, on) {
		g.bears = c.climb(in, on)
	}
	return g
}

func every(all []int32, ok func(int32) bool) bool {
	return !slices.ContainsFunc(all, func(n int32) bool { return !ok(n) })
}

func (c climber) climb(in []int32, through func(int32) bool) []int32 {
	var reach []int32
	add := func(some []int32) {
		for _, g := range some {
			if through(g) && !slices.Contains(reach, g) {
				reach = append(reach, g)
			}
		}
	}
	add(in)
	for n := 0; n < len(reach); n++ {
		add(c.in(reach[n]))
	}
	slices.SortFunc(reach, c.p.byName)
	return slices.Clip(reach)
}

// byName orders principals by id. Their numbers differ from node to node.
func (p *Policy) byName(a, b int32) int { return cmp.Compare(p.who.id(a), p.who.id(b)) }

// path is how a holder's bindings reach a principal: itself, groups, the holder,
// over the fewest groups, and of several ways the first by ids. Where one leads
// over enabled groups alone, those that do not are none.
func (p *Policy) path(from, holder int32) []vitrine.ID {
	borne := p.who.at(from).bears(holder)
	came := map[int32]int32{from: none}
	queue := []int32{from}
	for n := 0; n < len(queue) && queue[n] != holder; n++ {
		for _, g := range slices.SortedFunc(slices.Values(p.who.at(queue[n]).groups.in), p.byName) {
			if _, seen := came[g]; !seen && !(borne && p.who.at(g).object.Disabled) {
				came[g] = queue[n]
				queue = append(queue, g)
			}
		}
	}
	var path []vitrine.ID
	for at := holder; at != none; at = came[at] {
		path = append(path, p.who.id(at))
	}
	slices.Reverse(path)
	return path
}
