package rbac

import (
	"math/bits"
	"slices"
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
	Datasets []vitrine.ID // by project, then by id; shared, not to be changed
	Cells    Cells
	Residual bool // some condition looks at the owner: ask Allows for each row
}

// Filter answers for one permission on images; of any other it holds nothing.
func (p *Policy) Filter(s *Subject, perm vitrine.Permission, at time.Time) Filter {
	f := Filter{Revision: p.revision, policy: p, subject: *s, permission: perm, at: at}
	var l, person lister
	if !l.begin(p, s, number(perm), at) {
		return f
	}
	var both *ask
	if l.person != none {
		person.ask = l.principal()
		person.about(l.perm, &person.row)
		both = &person.ask
	}
	all := lotsOf(&l.ask, both, vitrine.KindDataset, false)
	parts := make([]filterPart, 0, 2*len(all))
	for _, lot := range all {
		sure, maybe := l.cellsIn(lot.like)
		if both != nil && sure|maybe != 0 {
			s, m := person.cellsIn(lot.like)
			sure, maybe = sure&s, (sure|maybe)&(s|m)
		}
		if sure != 0 {
			parts = append(parts, filterPart{lot.ids, sure, false})
		}
		if maybe &^= sure; maybe != 0 {
			parts = append(parts, filterPart{lot.ids, maybe, true})
		}
	}
	f.Sets = joined(parts)
	return f
}

// filterPart is datasets in which the same cells are let through.
type filterPart struct {
	ids      []vitrine.ID
	cells    Cells
	residual bool
}

func (f *filterPart) like(o *filterPart) bool { return f.cells == o.cells && f.residual == o.residual }

// joined makes one set of parts that are alike, in the order in which they come.
func joined(parts []filterPart) []FilterSet {
	var sets []FilterSet
	for i := range parts {
		f := &parts[i]
		if slices.ContainsFunc(parts[:i], func(o filterPart) bool { return f.like(&o) }) {
			continue
		}
		many, n := 0, 0
		for j := range parts[i:] {
			if o := &parts[i+j]; f.like(o) {
				many, n = many+1, n+len(o.ids)
			}
		}
		set := FilterSet{Datasets: f.ids, Cells: f.cells, Residual: f.residual}
		if many > 1 {
			set.Datasets = make([]vitrine.ID, 0, n)
			for j := range parts[i:] {
				if o := &parts[i+j]; f.like(o) {
					set.Datasets = append(set.Datasets, o.ids...)
				}
			}
		}
		sets = append(sets, set)
	}
	return sets
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
	s := l.p.scopes.at(i)
	l.row.Scope = l.p.scopes.id(i)
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
	list = l.candidatesOf(list, l.who, at)
	for _, g := range l.who.groups.bears {
		list = l.candidatesOf(list, l.p.who.at(g), at)
	}
	return list
}

func (l *lister) candidatesOf(list []candidate, w *principal, at int32) []candidate {
	if w.marks&mark(at) == 0 {
		return list
	}
	bounds := w.held.at(at)
	for i := range bounds {
		b := &bounds[i]
		if !b.inTime(l.at) {
			continue
		}
		l.roles(b, func(n int32, r *role) {
			if c := (candidate{b, n, r, r.cells(l.perm), b.program() == nil}); r.on && c.cells != 0 && l.settle(&c) {
				list = append(list, c)
			}
		})
	}
	return list
}

// settle evaluates a condition that does not look at the image once and for all;
// it is false where that does not hold.
func (l *lister) settle(c *candidate) bool {
	if c.plain || c.b.program().UsesOwner() || c.b.program().UsesResource() {
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
		l.row.Category, l.tier = cellAt(bits.TrailingZeros32(uint32(bit)))
		switch {
		case l.pass(c.r) != granted:
		case c.plain:
			sure |= bit
		case c.b.program().UsesOwner():
			maybe |= bit
		case l.holds(c.b) == granted:
			sure |= bit
		}
	}
	return sure, maybe
}
