package rbac

import (
	"maps"
	"slices"

	"vitrine.dev/vitrine"
)

// watch finds who holds the roles of which somebody counts the holders - Owner,
// and those that constraints name - so that a change of one binding need not
// look at all.
func (p *Policy) watch() {
	p.watched = map[int32][]int32{}
	for _, o := range p.Objects(vitrine.KindConstraint) {
		if c, ok := o.(*vitrine.Constraint); ok && c.Kind == vitrine.Holders {
			p.watchRole(c.Role)
		}
	}
	p.watchRole(OwnerRole)
}

func (p *Policy) watchRole(id vitrine.ID) {
	n, ok := p.roleNumber(id)
	if _, there := p.watched[n]; ok && !there {
		p.watched[n] = p.holding(n)
	}
}

// holding are those who have a role, or one that includes it, by a binding of
// their own.
func (p *Policy) holding(role int32) []int32 {
	var all []int32
	for i := range p.who.n {
		if p.holds(i, role) {
			all = append(all, i)
		}
	}
	return all
}

func (p *Policy) holds(who, role int32) bool {
	return p.who.at(who).held.any(func(b *bound) bool {
		r := p.roles[b.role]
		return r != nil && r.includes(role)
	})
}

// rewatch looks again at those who hold something else than before.
func (p *Policy) rewatch(changed map[int32][]bound) {
	copied := false
	for role, holders := range p.watched {
		for who := range changed {
			i, there := slices.BinarySearch(holders, who)
			if p.holds(who, role) == there {
				continue
			}
			if holders = slices.Clone(holders); there {
				holders = slices.Delete(holders, i, i+1)
			} else {
				holders = slices.Insert(holders, i, who)
			}
			if !copied {
				p.watched, copied = maps.Clone(p.watched), true
			}
			p.watched[role] = holders
		}
	}
}
