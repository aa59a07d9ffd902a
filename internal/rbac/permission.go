package rbac

import (
	"math/bits"

	"vitrine.dev/vitrine"
)

// set is a set of permissions: bit i is vitrine.Catalogue[i].
type set uint64

func (s set) has(perm int) bool { return perm >= 0 && s>>perm&1 != 0 }

// noPermission is the number of what does not stand in the catalogue.
const noPermission = -1

// The catalogue as numbers and sets.
var (
	permissionNumbers = func() (t [256]int8) {
		for i := range vitrine.Catalogue {
			at := spell(vitrine.Catalogue[i].Permission)
			for t[at] != 0 {
				at++
			}
			t[at] = int8(i) + 1
		}
		return t
	}()
	// included are a permission and all that come with it.
	included = closure(func(p, q vitrine.Permission) bool { return p.Implies(q) })
	// including are a permission and all that it comes with: what is withheld
	// where it is denied.
	including = closure(func(p, q vitrine.Permission) bool { return q.Implies(p) })
	exactly   = closure(func(vitrine.Permission, vitrine.Permission) bool { return false })

	dataPermissions   = where(func(i *vitrine.PermissionInfo) bool { return i.Data })
	peoplePermissions = where(func(i *vitrine.PermissionInfo) bool { return i.People })
	setupPermissions  = where(func(i *vitrine.PermissionInfo) bool { return i.Setup })
	imagePermissions  = where(func(i *vitrine.PermissionInfo) bool { return i.Kind == vitrine.KindImage })
	modelPermissions  = where(func(i *vitrine.PermissionInfo) bool { return i.Kind == vitrine.KindDeployment })

	imageView     = number(vitrine.ImageView)
	modelGenerate = number(vitrine.ModelGenerate)
)

// number is a permission's place in the catalogue, or noPermission. Every
// decision asks, so a few letters take the place of a hash.
func number(p vitrine.Permission) int {
	for at := spell(p); ; at++ {
		switch i := permissionNumbers[at]; {
		case i == 0:
			return noPermission
		case vitrine.Catalogue[i-1].Permission == p:
			return int(i - 1)
		}
	}
}

// spell is where the search for a permission begins.
func spell(p vitrine.Permission) uint8 {
	n := len(p)
	if n < 4 {
		return 0
	}
	letters := uint32(p[0]) | uint32(p[n/2])<<8 | uint32(p[n-4])<<16 | uint32(p[n-2])<<24
	return uint8((letters + uint32(n)) * 0x9E3779B1 >> 24)
}

func where(ok func(*vitrine.PermissionInfo) bool) set {
	var s set
	for i := range vitrine.Catalogue {
		if ok(&vitrine.Catalogue[i]) {
			s |= 1 << i
		}
	}
	return s
}

// closure is, for each permission, those that are reached over the relation.
func closure(related func(p, q vitrine.Permission) bool) []set {
	all := make([]set, len(vitrine.Catalogue))
	for i := range vitrine.Catalogue {
		p := vitrine.Catalogue[i].Permission
		all[i] = 1<<i | where(func(q *vitrine.PermissionInfo) bool { return related(p, q.Permission) })
	}
	for again := true; again; {
		again = false
		for i, s := range all {
			for r := s; r != 0; r &= r - 1 {
				all[i] |= all[bits.TrailingZeros64(uint64(r))]
			}
			again = again || all[i] != s
		}
	}
	return all
}

// setOf is the union over permissions of what by says of each.
func setOf(permissions []vitrine.Permission, by []set) set {
	var s set
	for _, p := range permissions {
		if i := number(p); i >= 0 {
			s |= by[i]
		}
	}
	return s
}

// families are, for each kind, the permissions that let know of such things.
var families = func() map[vitrine.Kind]set {
	m := map[vitrine.Kind]set{}
	for i := range vitrine.Catalogue {
		m[vitrine.Catalogue[i].Kind] |= 1 << i
	}
	access := m[vitrine.KindRole] | m[vitrine.KindBinding] | m[vitrine.KindDeny] | m[vitrine.KindConstraint]
	for _, k := range []vitrine.Kind{vitrine.KindRole, vitrine.KindBinding, vitrine.KindDeny, vitrine.KindConstraint} {
		m[k] = access
	}
	m[vitrine.KindOrganization] = m[vitrine.KindProject]
	m[vitrine.KindCredential] = m[vitrine.KindProvider]
	return m
}()

// knowing is the set of permissions any of which lets a caller know of a thing
// of the kind for which perm was asked.
func knowing(k vitrine.Kind, perm int) set {
	if k == vitrine.KindImage {
		return imagePermissions
	}
	s := families[k]
	if perm >= 0 {
		s |= families[vitrine.Catalogue[perm].Kind]
	}
	return s
}
