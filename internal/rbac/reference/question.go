package reference

import (
	"net/netip"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// Caller is somebody who asks: mostly who there is, in a session or with a key,
// mostly with one of their own.
func (r Random) Caller(w *World) Caller {
	c := Caller{Principal: Pick(r, callers...), Address: netip.MustParseAddr(Pick(r, "10.1.2.3", "192.0.2.1", "2001:db8::1")), EndUser: Pick(r, "", "reader-7", "acme-1")}
	if r.Odds(30) {
		c.Principal = Pick(r, "", "ghost", "g0", vitrine.ID("alice"))
	}
	if r.Odds(10) {
		c.Address = netip.Addr{}
	}
	if r.Odds(2) {
		c.Credential, c.Key = Pick(r, keys...), true
		if k := w.key(c.Credential); k != nil && !r.Odds(12) {
			c.Principal = k.Principal
		}
	}
	if r.Odds(2) {
		c.MFA = r.Instant().Add(-time.Duration(10+5*r.IntN(3)) * time.Minute)
	}
	if r.Odds(5) {
		c.Roles = append([]vitrine.ID{}, Some(r, 3, roles...)...)
	}
	if r.Odds(25) {
		c.For = Pick(r, people...)
	}
	return c
}

// Image is an image somewhere.
func (r Random) Image() vitrine.Resource {
	return vitrine.Resource{Kind: vitrine.KindImage, ID: "i", Scope: Pick(r, "d0", "d1", "d2", "d3", "d0", "d1", "d2", "d3", "d4", "p0", "nowhere", vitrine.ID("")),
		Category: vitrine.Category(r.IntN(8)), Tier: vitrine.Tier(r.IntN(6)), Owner: Pick(r, "u0", "u1", "u2", vitrine.ID(""))}
}

// Question is any question; most are about what some role of the caller holds, or
// nearly.
func (r Random) Question(w *World) Question {
	q := Question{Caller: r.Caller(w), Permission: r.permission(), At: r.Instant()}
	switch r.IntN(6) {
	case 0:
		q.Permission = Pick(r, vitrine.ModelGenerate, vitrine.ModelView, vitrine.ModelDeploy)
		q.Resource = r.generation()
	case 1:
		q.Resource = vitrine.Resource{Kind: Pick(r, vitrine.PolicyKinds...), Scope: Pick(r, places...), Owner: Pick(r, people...), Tier: vitrine.Tier(r.IntN(6))}
	default:
		q.Resource = r.Image()
	}
	if !r.Odds(8) {
		r.aim(w, &q)
	}
	if r.Odds(80) {
		q.Resource = vitrine.Resource{}
	}
	if r.Odds(80) {
		q.Permission = Pick(r, "", "image.steal", vitrine.Permission("image.open\x00"))
	}
	return q
}

func (r Random) generation() vitrine.Resource {
	return vitrine.Resource{Kind: vitrine.KindDeployment, Scope: Pick(r, places...), Format: Pick(r, "", "", "png", "webp"), ResponseFormat: Pick(r, "", "", "url", "b64_json"),
		Tier: vitrine.Tier(r.IntN(6)), Width: Pick(r, 0, 512, 513, 1024), Height: Pick(r, 0, 512, 513, 1024), N: r.IntN(6), Model: Pick(r, models...)}
}

// aim makes a question one that some binding of the caller might allow.
func (r Random) aim(w *World, q *Question) {
	s, anyRole := w.seat(&q.Caller), r.Odds(8)
	held := slices.DeleteFunc(slices.Clone(w.bindings), func(b *vitrine.Binding) bool {
		return !w.reaches(b, s.who) || !anyRole && len(w.activeRoles(b, s)) == 0
	})
	if len(held) == 0 {
		r.swap(w, q)
		return
	}
	b := Pick(r, held...)
	role := w.role(Pick(r, w.closure(Pick(r, append(w.activeRoles(b, s), b.Role)...))...))
	if len(role.Grants) == 0 {
		return
	}
	g := Pick(r, role.Grants...)
	var permissions []vitrine.Permission
	for _, info := range vitrine.Catalogue {
		if slices.ContainsFunc(g.Permissions, func(p vitrine.Permission) bool { return contains(p, info.Permission) }) {
			permissions = append(permissions, info.Permission)
		}
	}
	q.Permission = Pick(r, permissions...)
	info, _ := q.Permission.Info()
	outside := !r.Odds(6)
	there := slices.DeleteFunc(slices.Clone(places), func(p vitrine.ID) bool { return !w.within(p, b.Scope) || outside && w.outside(p, s) })
	if info.Kind == vitrine.KindDeployment {
		q.Resource = r.generation()
	}
	q.Resource.Kind, q.Resource.Scope = info.Kind, Pick(r, append(there, b.Scope)...)
	if len(g.Categories) > 0 && !r.Odds(8) {
		q.Resource.Category = Pick(r, g.Categories...)
	}
	if len(g.Tiers) > 0 && !r.Odds(8) {
		q.Resource.Tier = Pick(r, g.Tiers...)
	}
}

// swap asks for somebody whom a binding reaches, in a session.
func (r Random) swap(w *World, q *Question) {
	b := Pick(r, w.bindings...)
	for _, p := range callers {
		if w.reaches(b, p) {
			q.Caller.Principal, q.Caller.Credential, q.Caller.Key, q.Caller.Roles = p, "", false, nil
			r.aim(w, q)
			return
		}
	}
}
