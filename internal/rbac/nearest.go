package rbac

import (
	"cmp"
	"math/bits"

	"vitrine.dev/vitrine"
)

// nearest is the least that would have been needed: the smallest role that
// grants it, where to have it, and the highest tier that the caller reaches.
func (a *ask) nearest(n *vitrine.Nearest, code vitrine.Code) {
	if a.perm < 0 {
		return
	}
	n.Permission = vitrine.Catalogue[a.perm].Permission
	if a.cell != anywhere {
		n.WantTier = a.tier
	}
	at := a.place.chain[a.place.depth-1]
	if a.place.project != none {
		at = a.place.project
	}
	n.Scope, n.ScopeKind = a.p.scopes.id(at), vitrine.PolicyKinds[a.p.scopes.at(at).kind]
	if least := a.least(); least != nil {
		n.Role, n.RoleName = least.object.ID, least.object.Name
	}
	switch code {
	case vitrine.CodeTier:
		n.Tier = a.highest()
	case vitrine.CodeSize:
		n.MaxWidth, n.MaxHeight, _ = a.allowance()
	case vitrine.CodeN:
		_, _, n.MaxN = a.allowance()
	}
}

// least is the role that grants least among those that grant what is asked; nil
// where none does.
func (a *ask) least() *role {
	if !a.p.limited.has(a.perm) {
		if n := a.p.least[a.perm][a.cell]; n != none {
			return a.p.roles[n]
		}
		return nil
	}
	var least *role
	for _, r := range a.p.roles {
		if r != nil && r.on && r.goes(a.perm, a.cell, a.resource, a.model) == granted && r.less(least) {
			least = r
		}
	}
	return least
}

// less reports whether the role grants less than another one, which may be nil.
func (r *role) less(o *role) bool {
	return o == nil || cmp.Or(cmp.Compare(r.weight, o.weight), cmp.Compare(r.object.ID, o.object.ID)) < 0
}

// rankRoles finds for each permission and cell the role that grants least of
// those that grant it. Of permissions that some role grants within limits it
// depends on what is asked.
func (p *Policy) rankRoles() {
	p.limited, p.least = 0, make([][nowhere + 1]int32, len(vitrine.Catalogue))
	for perm := range p.least {
		for cell := range p.least[perm] {
			p.least[perm][cell] = none
		}
	}
	for i, r := range p.roles {
		if r == nil || !r.on {
			continue
		}
		p.limited |= r.limited
		for cell, s := range r.use {
			for ; s != 0; s &= s - 1 {
				perm := bits.TrailingZeros64(uint64(s))
				if at := &p.least[perm][cell]; *at == none || r.less(p.roles[*at]) {
					*at = int32(i)
				}
			}
		}
	}
}

// highest is the highest tier at which the caller may use the permission on this
// category here.
func (a *ask) highest() vitrine.Tier {
	if withheld, _ := a.denied(1 << a.perm); withheld != 0 {
		return vitrine.TierUnknown
	}
	o := *a
	for i := len(vitrine.Tiers) - 1; i >= 0; i-- {
		o.tier = vitrine.Tiers[i]
		o.cell = cellNumber(a.resource.Category, o.tier)
		if b, _ := o.find(); b != nil {
			return o.tier
		}
	}
	return vitrine.TierUnknown
}

// allowance is the largest size and n that the caller's grants allow.
func (a *ask) allowance() (width, height, n int) {
	a.each(func(b *bound) {
		a.roles(b, func(_ int32, r *role) {
			for i := range r.grants {
				if g := &r.grants[i]; !g.NoUse && g.permissions.has(a.perm) && b.inTime(a.at) {
					width, height, n = max(width, g.MaxWidth), max(height, g.MaxHeight), max(n, g.MaxN)
				}
			}
		})
	})
	return width, height, n
}
