package rbac

import (
	"cmp"
	"fmt"

	"vitrine.dev/vitrine"
)

// nearest is the least that would have been needed: the smallest role that
// grants it, where to have it, and the highest tier that the caller reaches.
func (a *ask) nearest(code vitrine.Code) vitrine.Nearest {
	n := vitrine.Nearest{Permission: vitrine.Catalogue[max(a.perm, 0)].Permission}
	if a.perm < 0 {
		return vitrine.Nearest{}
	}
	if a.cell != anywhere {
		n.WantTier = a.resource.Tier.Effective()
	}
	at := a.place.chain[a.place.depth-1]
	if a.place.project != none {
		at = a.place.project
	}
	n.Scope = a.p.scopes[at].id
	least := a.least()
	if least != nil {
		n.Role = least.object.ID
		n.Hint = fmt.Sprintf("needs %s at %s %s", cmp.Or(least.object.Name, string(least.object.ID)), a.p.scopes[at].kind, n.Scope)
	} else {
		n.Hint = fmt.Sprintf("needs %s at %s %s", n.Permission, a.p.scopes[at].kind, n.Scope)
	}
	if code == vitrine.CodeTier {
		if n.Tier = a.highest(); n.Tier != vitrine.TierUnknown {
			n.Hint += ", or a tier ≤ " + n.Tier.String()
		}
	}
	if most := a.allowance(code); most != "" {
		n.Hint += ", or " + most
	}
	return n
}

// least is the role that grants least among those that grant what is asked; nil
// where none does.
func (a *ask) least() *role {
	var least *role
	for _, r := range a.p.roles {
		if r == nil || !r.on || r.goes(a.perm, a.cell, a.resource, a.model) != granted {
			continue
		}
		if least == nil || cmp.Or(cmp.Compare(r.weight, least.weight), cmp.Compare(r.object.ID, least.object.ID)) < 0 {
			least = r
		}
	}
	return least
}

// highest is the highest tier at which the caller may use the permission on this
// category here.
func (a *ask) highest() vitrine.Tier {
	o, r := *a, *a.resource
	for i := len(vitrine.Tiers) - 1; i >= 0; i-- {
		r.Tier = vitrine.Tiers[i]
		o.about(a.perm, &r)
		if b, _ := o.find(new(vitrine.Decision)); b != nil {
			if withheld, _ := o.denied(1 << a.perm); withheld == 0 {
				return r.Tier
			}
		}
	}
	return vitrine.TierUnknown
}

// allowance tells the largest size and n that the caller's grants allow.
func (a *ask) allowance(code vitrine.Code) string {
	if code != vitrine.CodeSize && code != vitrine.CodeN {
		return ""
	}
	var width, height, n int
	a.each(func(b *bound) {
		a.roles(b, func(_ int32, r *role) {
			for i := range r.grants {
				if g := &r.grants[i]; !g.NoUse && g.permissions.has(a.perm) && a.inTime(b) {
					width, height, n = max(width, g.MaxWidth), max(height, g.MaxHeight), max(n, g.MaxN)
				}
			}
		})
	})
	switch {
	case code == vitrine.CodeN && n > 0:
		return fmt.Sprintf("n ≤ %d", n)
	case code == vitrine.CodeSize && width > 0 && height > 0:
		return fmt.Sprintf("a size ≤ %dx%d", width, height)
	case code == vitrine.CodeSize && width > 0:
		return fmt.Sprintf("a width ≤ %d", width)
	case code == vitrine.CodeSize && height > 0:
		return fmt.Sprintf("a height ≤ %d", height)
	}
	return ""
}
