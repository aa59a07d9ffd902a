package rbac

import (
	"math/bits"
	"time"

	"vitrine.dev/vitrine"
)

// Filter is, for lists, exactly what Decide would allow one by one. The zero
// Filter holds nothing.
type Filter struct {
	Sets     []FilterSet
	Revision int64

	policy     *Policy
	subject    Subject
	permission vitrine.Permission
	at         time.Time
}

// FilterSet holds the images of these datasets whose category × tier is in
// Cells; no two sets hold the same image.
type FilterSet struct {
	Datasets []vitrine.ID // by id
	Cells    Cells
	Residual bool // some condition looks at the owner: ask Allows for each row
}

// Filter answers for one permission on images; of any other it holds nothing.
func (p *Policy) Filter(s *Subject, perm vitrine.Permission, at time.Time) Filter {
	f := Filter{Revision: p.revision, policy: p, subject: *s, permission: perm, at: at}
	l := lister{}
	if !l.begin(p, s, number(perm), at) {
		return f
	}
	var both *lister
	if l.person != none {
		both = &lister{ask: l.principal()}
		both.about(l.perm, &both.row)
	}
	sets := map[filterCells]int{}
	add := func(id vitrine.ID, c filterCells) {
		if c.cells == 0 {
			return
		}
		i, ok := sets[c]
		if !ok {
			i = len(f.Sets)
			sets[c] = i
			f.Sets = append(f.Sets, FilterSet{Cells: c.cells, Residual: c.residual})
		}
		f.Sets[i].Datasets = append(f.Sets[i].Datasets, id)
	}
	for _, o := range p.Objects(vitrine.KindDataset) {
		i, ok := p.scope(o.Ref().ID)
		if !ok {
			continue
		}
		sure, maybe := l.cellsIn(i)
		if both != nil && sure|maybe != 0 {
			s, m := both.cellsIn(i)
			sure, maybe = sure&s, (sure|maybe)&(s|m)
		}
		add(o.Ref().ID, filterCells{sure, false})
		add(o.Ref().ID, filterCells{maybe &^ sure, true})
	}
	return f
}

// Allows asks Decide for one row of a residual set.
func (f *Filter) Allows(r vitrine.Resource) bool {
	if f.policy == nil {
		return false
	}
	q := Question{Subject: f.subject, Permission: f.permission, Resource: r, At: f.at}
	ok, _ := f.policy.permits(&q)
	return ok
}

// lister asks about all datasets, one after the other, for one principal.
type lister struct {
	ask
	row vitrine.Resource
	// What hangs above the dataset, kept from one to the next.
	above, project []candidate
	in             int32 // project is of
}

// candidate is a binding, as one of its active roles, that grants the permission
// somewhere.
type candidate struct {
	b     *bound
	n     int32
	r     *role
	cells Cells
	plain bool // its condition, if any, holds whatever the image
}

// begin is false where nothing can be allowed.
func (l *lister) begin(p *Policy, s *Subject, perm int, at time.Time) bool {
	if !imagePermissions.has(perm) || s.Principal == "" || p.org == nil || !l.identify(p, s, at) {
		return false
	}
	l.narrow()
	l.in = none
	l.row.Kind = vitrine.KindImage
	l.about(perm, &l.row)
	return !p.settingUp || setupPermissions.has(perm)
}

// cellsIn is where in a dataset the permission may be used: for sure, and maybe,
// by the owner of the image.
func (l *lister) cellsIn(i int32) (sure, maybe Cells) {
	s := l.p.scopes[i]
	l.row.Scope = s.id
	l.stand(s)
	if l.outside {
		return 0, 0
	}
	if withheld, _ := l.denied(1 << l.perm); withheld != 0 {
		return 0, 0
	}
	if l.above == nil {
		l.above = l.candidates([]candidate{}, l.p.orgScope)
	}
	if l.in != s.project {
		l.in, l.project = s.project, l.candidates(l.project[:0], s.project)
	}
	for _, list := range [][]candidate{l.candidates(nil, i), l.project, l.above} {
		for j := range list {
			yes, perhaps := l.spread(&list[j], sure)
			sure, maybe = sure|yes, maybe|perhaps
		}
	}
	return sure, maybe &^ sure
}

// candidates appends the bindings at a scope that grant the permission.
func (l *lister) candidates(list []candidate, at int32) []candidate {
	for _, n := range l.who.bears {
		h := l.p.held[n]
		if h == nil {
			continue
		}
		bounds := h.at(at)
		for i := range bounds {
			b := &bounds[i]
			if !l.inTime(b) {
				continue
			}
			l.roles(b, func(n int32, r *role) {
				if c := (candidate{b, n, r, r.cells(l.perm), b.program == nil}); r.on && c.cells != 0 && l.settle(&c) {
					list = append(list, c)
				}
			})
		}
	}
	return list
}

// settle evaluates a condition that does not look at the image once and for all;
// it is false where that does not hold.
func (l *lister) settle(c *candidate) bool {
	if c.plain || c.b.program.UsesOwner() || c.b.program.UsesResource() {
		return true
	}
	c.plain = true
	return l.holds(c.b) == granted
}

// spread is where a candidate allows: for sure, and maybe. Cells that are
// decided already are left out.
func (l *lister) spread(c *candidate, decided Cells) (sure, maybe Cells) {
	if l.broken != 0 && l.p.rules.sides[c.n]&l.broken != 0 {
		return 0, 0
	}
	if c.plain && len(l.p.rules.gates) == 0 {
		return c.cells, 0
	}
	for rest := c.cells &^ decided; rest != 0; rest &= rest - 1 {
		bit := rest & -rest
		l.row.Category, l.row.Tier = cellAt(bits.TrailingZeros32(uint32(bit)))
		switch {
		case l.pass(c.r) != granted:
		case c.plain:
			sure |= bit
		case c.b.program.UsesOwner():
			maybe |= bit
		case l.holds(c.b) == granted:
			sure |= bit
		}
	}
	return sure, maybe
}

// filterCells tells sets of a filter apart.
type filterCells struct {
	cells    Cells
	residual bool
}
