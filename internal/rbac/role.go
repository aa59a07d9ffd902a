package rbac

import (
	"math/bits"
	"slices"

	"vitrine.dev/vitrine"
)

// role is a compiled role: what it and the roles that it includes grant.
type role struct {
	object *vitrine.Role
	on     bool    // not disabled
	has    []int32 // itself and all roles that it includes, in order of number
	live   []int32 // of these itself and those that it includes by way of enabled ones
	grants []grant // of all of them

	use     [nowhere + 1]set // by cell: what may be used
	spread  []Cells          // by permission: where it may be used
	free    set              // of use, what some grant gives without limits on generation
	limited set              // of use, what some grant gives within limits
	show    *[cellCount][]string
	weight  int // how much it grants, to find the least role that grants something
}

// grant is a compiled grant.
type grant struct {
	*vitrine.Grant
	role        vitrine.ID // that it is written in
	permissions set        // with all that they include
	cells       Cells
	limits      bool // it limits generation
}

// includes reports whether holding the role is holding the other one.
func (r *role) includes(other int32) bool {
	_, ok := slices.BinarySearch(r.has, other)
	return ok
}

// activates reports whether holding the role can make the other one active: a
// disabled role authorizes nothing, neither itself nor by what it includes.
func (r *role) activates(other int32) bool {
	_, ok := slices.BinarySearch(r.live, other)
	return ok
}

// buildRoles compiles all roles anew; numbers stay. Circles are problems.
func (p *Policy) buildRoles() Problems {
	all := p.Objects(vitrine.KindRole)
	for _, o := range all {
		p.roleIDs.add(o.Ref().ID)
	}
	p.roles = make([]*role, p.roleIDs.n)
	for _, o := range all {
		x, _ := o.(*vitrine.Role)
		n, _ := p.roleNumber(x.ID)
		p.roles[n] = &role{object: x, on: !x.Disabled}
	}
	g := newGraph("includes", "roles include each other", func(id vitrine.ID) []vitrine.ID {
		if r := p.role(id); r != nil {
			return r.object.Includes
		}
		return nil
	})
	for _, o := range all {
		g.walk(o.Ref())
	}
	if len(g.problems) > 0 {
		return g.problems
	}
	for _, ref := range g.order { // included ones first
		if r := p.role(ref.ID); r != nil {
			r.compile(p)
		}
	}
	p.rankRoles()
	return nil
}

// compile joins a role with those that it includes, which are compiled.
func (r *role) compile(p *Policy) {
	own, _ := p.roleNumber(r.object.ID)
	r.has, r.live = []int32{own}, []int32{own}
	for _, id := range r.object.Includes {
		o := p.role(id)
		if o == nil {
			continue
		}
		if r.has = append(r.has, o.has...); o.on {
			r.live = append(r.live, o.live...)
		}
	}
	r.has, r.live = sortedSet(r.has), sortedSet(r.live)
	for _, i := range r.live {
		o := p.roles[i].object
		for j := range o.Grants {
			r.grants = append(r.grants, newGrant(o.ID, &o.Grants[j]))
		}
	}
	for i := range r.grants {
		r.add(&r.grants[i])
	}
	r.spread = make([]Cells, len(vitrine.Catalogue))
	for i, s := range r.use {
		r.weight += bits.OnesCount64(uint64(s))
		for s &= dataPermissions; s != 0; s &= s - 1 {
			r.spread[bits.TrailingZeros64(uint64(s))] |= 1 << i
		}
	}
}

func sortedSet(all []int32) []int32 {
	slices.Sort(all)
	return slices.Clip(slices.Compact(all))
}

func newGrant(id vitrine.ID, g *vitrine.Grant) grant {
	return grant{
		Grant: g, role: id,
		permissions: setOf(g.Permissions, included),
		cells:       cellsOf(g.Categories, g.Tiers),
		limits: len(g.Models) > 0 || len(g.Formats) > 0 || len(g.ResponseFormats) > 0 ||
			g.MaxWidth > 0 || g.MaxHeight > 0 || g.MaxN > 0,
	}
}

// add adds what a grant lets use.
func (r *role) add(g *grant) {
	if g.NoUse {
		return
	}
	r.use[anywhere] |= g.permissions &^ dataPermissions
	for c := g.cells; c != 0; c &= c - 1 {
		r.use[bits.TrailingZeros32(uint32(c))] |= g.permissions & dataPermissions
	}
	if g.limits {
		r.limited |= g.permissions & modelPermissions
	} else {
		r.free |= g.permissions & modelPermissions
	}
	if len(g.Findings) > 0 && g.permissions.has(imageView) {
		r.reveal(g)
	}
}

// reveal adds the kinds of finding that a view under the grant shows.
func (r *role) reveal(g *grant) {
	if r.show == nil {
		r.show = new([cellCount][]string)
	}
	for c := g.cells; c != 0; c &= c - 1 {
		i := bits.TrailingZeros32(uint32(c))
		r.show[i] = union(r.show[i], g.Findings)
	}
}

// union is the sorted union of two lists; where b adds nothing it is a, which
// is sorted.
func union(a, b []string) []string {
	missing := func(s string) bool { return !slices.Contains(a, s) }
	if !slices.ContainsFunc(b, missing) {
		return a
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// cells is where the role may use a data-bearing permission.
func (r *role) cells(perm int) Cells { return r.spread[perm] }

// limit is how a question passes the limits of a grant: granted, or the first
// limit that it breaks.
func (g *grant) limit(r *vitrine.Resource, model string) verdict {
	switch {
	case len(g.Models) > 0 && !slices.Contains(g.Models, model):
		return lacksModel
	case r.Format != "" && len(g.Formats) > 0 && !slices.Contains(g.Formats, r.Format):
		return lacksFormat
	case r.ResponseFormat != "" && len(g.ResponseFormats) > 0 && !slices.Contains(g.ResponseFormats, r.ResponseFormat):
		return lacksResponseFormat
	case g.MaxWidth > 0 && r.Width > g.MaxWidth, g.MaxHeight > 0 && r.Height > g.MaxHeight:
		return lacksSize
	case g.MaxN > 0 && r.N > g.MaxN:
		return lacksN
	}
	return granted
}

// within is how far the role goes towards a permission on models within its
// limits: the best over its grants.
func (r *role) within(perm int, q *vitrine.Resource, model string) verdict {
	best := lacksPermission
	for i := range r.grants {
		if g := &r.grants[i]; !g.NoUse && g.permissions.has(perm) {
			best = max(best, g.limit(q, model))
		}
	}
	return best
}

// goes is how far the role goes towards a permission at a cell: granted, or
// what it lacks.
func (r *role) goes(perm, cell int, q *vitrine.Resource, model string) verdict {
	if r.use[cell].has(perm) {
		if r.limited.has(perm) && !r.free.has(perm) {
			return r.within(perm, q, model)
		}
		return granted
	}
	if perm < 0 || cell == anywhere {
		return lacksPermission
	}
	cells := r.cells(perm)
	switch {
	case cells == 0:
		return lacksPermission
	case cell == nowhere || cells>>(cell&^3)&15 == 0:
		return lacksCategory
	}
	return lacksTier
}
