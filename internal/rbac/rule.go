package rbac

import (
	"cmp"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// rules are the compiled denies and constraints that decisions look at.
type rules struct {
	denied  []int32           // scopes on which deny rules hang
	lone    map[int32][]int32 // by project: the datasets on which a rule hangs, sorted
	gates   []gate
	formats []formatRule
	duties  []duty
	sides   []uint64 // by role: the sides of duties on which it stands; nil where there are no duties
}

// deny is a compiled deny rule.
type deny struct {
	id          vitrine.ID
	permissions set // with all that include one of them
	everyone    bool
	principals  []int32
	except      []int32
}

// hits reports whether the rule is about a principal. A disabled group still
// puts its members under the rule, and spares them from it no more.
func (d *deny) hits(w *principal) bool {
	return (d.everyone || slices.ContainsFunc(d.principals, w.reaches)) && !slices.ContainsFunc(d.except, w.bears)
}

// gate is a compiled constraint on how permissions are used: with a fresh second
// factor, or not with a key.
type gate struct {
	permissions set   // with all that include one of them; of none it is all
	role        int32 // only under this role or one that includes it; none is any
	scope       int32
	cells       Cells // only there, and on what is not data-bearing by its tier
	tiers       uint8 // bit of each tier
	keys        bool  // not with a key; otherwise a second factor
	maxAge      time.Duration
}

// formatRule is a compiled constraint that forbids response formats.
type formatRule struct {
	scope   int32
	tiers   uint8
	formats []string
}

// duty is a compiled dynamic separation of duty.
type duty struct {
	scope int32
	sides uint64 // its sets
	max   int
	why   string // for whom it refuses
}

// maxSides is how many sets all dynamic separations of duty may have together.
const maxSides = 64

func tierBits(tiers []vitrine.Tier) uint8 {
	if len(tiers) == 0 {
		tiers = vitrine.Tiers
	}
	var b uint8
	for _, t := range tiers {
		b |= 1 << t.Effective()
	}
	return b
}

// buildRules compiles denies and constraints anew. Roles are compiled.
func (p *Policy) buildRules() {
	for _, s := range p.rules.denied {
		p.scopes.edit(s).denies = nil
	}
	p.rules = rules{}
	for _, o := range p.Objects(vitrine.KindDeny) {
		d, _ := o.(*vitrine.Deny)
		p.addDeny(d)
	}
	var sides int
	for _, o := range p.Objects(vitrine.KindConstraint) {
		c, _ := o.(*vitrine.Constraint)
		at := p.orgScope
		if c.Scope != "" {
			at, _ = p.scopes.find(c.Scope)
		}
		switch c.Kind {
		case vitrine.MFA, vitrine.Keys:
			p.addGate(c, at)
		case vitrine.Formats:
			p.rules.formats = append(p.rules.formats, formatRule{at, tierBits(c.Tiers), c.ResponseFormats})
		case vitrine.DynamicSoD:
			sides = p.addDuty(c, at, sides)
		}
	}
	p.rules.lone = map[int32][]int32{}
	for _, s := range p.rules.denied {
		p.setApart(s)
	}
	for i := range p.rules.gates {
		p.setApart(p.rules.gates[i].scope)
	}
	for i := range p.rules.duties {
		p.setApart(p.rules.duties[i].scope)
	}
}

// setApart notes that a rule hangs on a scope, which if it is a dataset is not
// like its neighbours.
func (p *Policy) setApart(scope int32) {
	if scope == none || !p.scopes.at(scope).is(vitrine.KindDataset) {
		return
	}
	s := p.scopes.at(scope)
	if i, there := slices.BinarySearch(p.rules.lone[s.project], scope); !there {
		p.rules.lone[s.project] = slices.Insert(p.rules.lone[s.project], i, scope)
	}
}

// denies are the deny rules that hang on a scope.
func (p *Policy) denies(scope int32) []deny {
	if d := p.scopes.at(scope).denies; d != nil {
		return *d
	}
	return nil
}

func (p *Policy) addDeny(d *vitrine.Deny) {
	at, ok := p.scope(d.Scope)
	if !ok {
		return
	}
	c := deny{id: d.ID, permissions: setOf(d.Permissions, including), everyone: slices.Contains(d.Principals, vitrine.Everyone)}
	for _, id := range d.Principals {
		if i, w := p.who.find(id); w != nil {
			c.principals = append(c.principals, i)
		}
	}
	for _, id := range d.Except {
		if i, w := p.who.find(id); w != nil {
			c.except = append(c.except, i)
		}
	}
	s := p.scopes.edit(at)
	if s.denies == nil {
		p.rules.denied = append(p.rules.denied, at)
		s.denies = new([]deny)
	}
	*s.denies = append(*s.denies, c)
}

func (p *Policy) addGate(c *vitrine.Constraint, at int32) {
	g := gate{permissions: ^set(0), role: none, scope: at, cells: tierCells(c.Tiers), tiers: tierBits(c.Tiers),
		keys: c.Kind == vitrine.Keys, maxAge: time.Duration(c.MaxAge)}
	if len(c.Permissions) > 0 {
		g.permissions = setOf(c.Permissions, including)
	}
	if i, ok := p.roleNumber(c.Role); ok {
		g.role = i
	}
	p.rules.gates = append(p.rules.gates, g)
}

func (p *Policy) addDuty(c *vitrine.Constraint, at int32, side int) int {
	d := duty{scope: at, max: c.Max, why: cmp.Or(c.Reason, string(c.ID))}
	if p.rules.sides == nil {
		p.rules.sides = make([]uint64, len(p.roles))
	}
	for i := range c.Sets {
		bit := uint64(1) << side
		d.sides |= bit
		for j := range p.rules.sides {
			if r := p.roles[j]; r != nil && p.stands(r, &c.Sets[i]) {
				p.rules.sides[j] |= bit
			}
		}
		side++
	}
	p.rules.duties = append(p.rules.duties, d)
	return side
}

// stands reports whether holding a role is standing on a side of a separation of
// duty: one of its roles, or a use of one of its permissions on one of its
// categories.
func (p *Policy) stands(r *role, s *vitrine.RoleSet) bool {
	for _, id := range s.Roles {
		if i, ok := p.roleNumber(id); ok && r.includes(i) {
			return true
		}
	}
	want := setOf(s.Permissions, exactly)
	if want == 0 {
		return false
	}
	if r.use[anywhere]&want != 0 {
		return true
	}
	for i := range cellCount {
		c, _ := cellAt(i)
		if r.use[i]&want != 0 && (len(s.Categories) == 0 || slices.Contains(s.Categories, c)) {
			return true
		}
	}
	return false
}

// standSides notes of what everybody holds on which sides its roles stand, so
// that a decision passes over duties that it cannot break.
func (p *Policy) standSides() {
	for i := range p.who.n {
		h := p.who.at(i).held
		if h == nil || h.sides == p.sidesOf(h.list) {
			continue
		}
		n := *h
		n.sides = p.sidesOf(h.list)
		p.who.edit(i).held = &n
	}
}

func (p *Policy) sidesOf(list []bound) uint64 {
	var sides uint64
	if p.rules.sides != nil {
		for i := range list {
			sides |= p.rules.sides[list[i].role]
		}
	}
	return sides
}
