package rbac

import (
	"math/bits"
	"slices"

	"vitrine.dev/vitrine"
)

// authority is what somebody may give, or use, at a scope.
type authority struct {
	grants []*grant
	owner  bool
}

// power is one of the two that grants are of, at a scope.
type power struct {
	scope vitrine.ID
	use   bool
}

// authority is what by may give at a scope, under bindings that are in force
// for it now, on the policy before the changes.
func (a *admission) authority(scope vitrine.ID) *authority { return a.power(scope, false) }

// usage is what by may use at a scope, in the same way.
func (a *admission) usage(scope vitrine.ID) *authority { return a.power(scope, true) }

func (a *admission) power(scope vitrine.ID, use bool) *authority {
	scope = a.present(scope)
	if have, ok := a.may[power{scope, use}]; ok {
		return have
	}
	have := new(authority)
	var k ask
	if k.identify(a.before, a.by, a.at) {
		k.narrow()
		k.about(number(vitrine.RoleBind), &vitrine.Resource{Kind: vitrine.KindBinding, Scope: scope})
		have.gather(&k, func(g *grant) bool { return use && !g.NoUse || !use && g.Give })
	}
	if a.may == nil {
		a.may = make(map[power]*authority)
	}
	a.may[power{scope, use}] = have
	return have
}

func (have *authority) gather(k *ask, counts func(*grant) bool) {
	k.each(func(b *bound) {
		k.roles(b, func(n int32, r *role) {
			v := k.judgeAs(b, n, r, true)
			if v >= lacksPermission && v <= lacksN { // to give what it grants it need not hold role.bind itself
				v = k.restrained(n, r)
			}
			if v != granted {
				return
			}
			for i := range r.grants {
				if counts(&r.grants[i]) {
					have.grants = append(have.grants, &r.grants[i])
				}
			}
			own, ok := k.p.roleNumber(OwnerRole)
			have.owner = have.owner || ok && r.activates(own)
		})
	})
}

// owner reports whether by is an owner, acting as one.
func (a *admission) owner() bool { return a.authority(a.root()).owner }

// lacks names the first thing of a grant that may not be given; "" is none.
func (have *authority) lacks(g *grant) string {
	for perms := setOf(g.Permissions, exactly); perms != 0; perms &= perms - 1 {
		perm := bits.TrailingZeros64(uint64(perms))
		name := string(vitrine.Catalogue[perm].Permission)
		if !dataPermissions.has(perm) {
			if !have.covers(g, perm, anywhere) {
				return name
			}
			continue
		}
		for cells := g.cells; cells != 0; cells &= cells - 1 {
			if cell := bits.TrailingZeros32(uint32(cells)); !have.covers(g, perm, cell) {
				c, t := cellAt(cell)
				return name + " on " + c.String() + " " + t.String() + " data"
			}
		}
	}
	return ""
}

// covers reports whether one grant to give is no narrower than g for a
// permission at a cell.
func (have *authority) covers(g *grant, perm, cell int) bool {
	return slices.ContainsFunc(have.grants, func(h *grant) bool {
		switch {
		case !h.permissions.has(perm), cell != anywhere && h.cells>>cell&1 == 0:
			return false
		case modelPermissions.has(perm) && !h.wider(g):
			return false
		}
		return perm != imageView || h.permissions.has(number(vitrine.ImageOpen)) || amongst(g.Findings, h.Findings)
	})
}

// wider reports whether the limits of h allow all that those of g allow.
func (h *grant) wider(g *grant) bool {
	list := func(h, g []string) bool { return len(h) == 0 || len(g) > 0 && amongst(g, h) }
	most := func(h, g int) bool { return h == 0 || g > 0 && g <= h }
	return list(h.Models, g.Models) && list(h.Formats, g.Formats) && list(h.ResponseFormats, g.ResponseFormats) &&
		most(h.MaxWidth, g.MaxWidth) && most(h.MaxHeight, g.MaxHeight) && most(h.MaxN, g.MaxN)
}

func amongst(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}
