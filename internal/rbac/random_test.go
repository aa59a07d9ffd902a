package rbac_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// noon is when tests ask.
var noon = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

// world makes random policies and questions, small enough that everything meets.
type world struct{ *rand.Rand }

func newWorld(seed uint64) world { return world{rand.New(rand.NewPCG(seed, 1))} }

func pick[T any](w world, from ...T) T { return from[w.IntN(len(from))] }

func some[T any](w world, most int, from ...T) []T {
	var out []T
	for range w.IntN(most + 1) {
		out = append(out, pick(w, from...))
	}
	return out
}

func (w world) odds(n int) bool { return w.IntN(n) == 0 }

var (
	scopes     = []vitrine.ID{"org", "p0", "p1", "d0", "d1", "d2", "d3", "p0/hidream", "p0/flux", "p1/hidream"}
	people     = []vitrine.ID{"u0", "u1", "u2", "s0", "s1"}
	holders    = []vitrine.ID{"u0", "u1", "u2", "s0", "s1", "g0", "g1", "g2"}
	roleIDs    = []vitrine.ID{"r0", "r1", "r2", "r3", "r4"}
	keyIDs     = []vitrine.ID{"k0", "k1", "k2", "k3"}
	conditions = []string{
		`tier <= internal`, `category == "generated"`, `environment == "production"`, `scope == "d1"`,
		`owner == principal`, `owner == "u1" || tier == public`, `mfa_age < duration("15m")`, `key == ""`,
		`inCIDR(address, "10.0.0.0/8")`, `end_user != ""`, `now < timestamp("2027-01-15T12:00:00Z")`, `tier <= internal && mfa_age < duration("15m")`,
	}
)

func (w world) permissions(most int) []vitrine.Permission {
	var out []vitrine.Permission
	for range 1 + w.IntN(most) {
		if w.odds(3) {
			out = append(out, pick(w, vitrine.Catalogue...).Permission)
		} else {
			out = append(out, pick(w, vitrine.ImageView, vitrine.ImageOpen, vitrine.ImageExport, vitrine.ImageCreate, vitrine.ModelGenerate, vitrine.DatasetView))
		}
	}
	return out
}

func (w world) grant() vitrine.Grant {
	g := vitrine.Grant{Permissions: w.permissions(4), Categories: some(w, 8, vitrine.Categories...), Tiers: vitrine.TiersUpTo(pick(w, vitrine.Tiers...))}
	if w.odds(4) {
		g.Tiers = some(w, 2, vitrine.Tiers...)
	}
	if w.odds(3) {
		g.Models = some(w, 2, "hidream", "flux")
		g.Formats = some(w, 1, "png", "jpeg")
		g.ResponseFormats = some(w, 1, "url", "b64_json")
		g.MaxWidth, g.MaxHeight, g.MaxN = pick(w, 0, 512, 1024), pick(w, 0, 512, 1024), pick(w, 0, 1, 4)
	}
	g.Findings = some(w, 2, "face", "text", "name")
	g.NoUse, g.Give = w.odds(10), w.odds(3)
	return g
}

func (w world) binding(id vitrine.ID) *vitrine.Binding {
	b := &vitrine.Binding{ID: id, Role: pick(w, roleIDs...), Principal: pick(w, holders...), Scope: pick(w, scopes[:1+w.IntN(len(scopes))]...)}
	if w.odds(6) {
		b.From = noon.Add(time.Duration(w.IntN(3)-1) * time.Microsecond)
	}
	if w.odds(6) {
		b.Until = noon.Add(time.Duration(w.IntN(3)-1) * time.Microsecond)
	}
	if !b.From.IsZero() && !b.Until.IsZero() && !b.From.Before(b.Until) {
		b.Until = time.Time{}
	}
	if w.odds(4) {
		b.Condition = pick(w, conditions...)
	}
	return b
}

func (w world) role(i int) *vitrine.Role {
	r := &vitrine.Role{ID: roleIDs[i], Name: fmt.Sprintf("Role %d", i), Disabled: w.odds(8)}
	if i > 0 {
		r.Includes = some(w, 1, roleIDs[:i]...)
	}
	for range 1 + w.IntN(3) {
		r.Grants = append(r.Grants, w.grant())
	}
	return r
}

func (w world) constraint(id vitrine.ID) *vitrine.Constraint {
	c := &vitrine.Constraint{ID: id, Kind: pick(w, vitrine.MFA, vitrine.Keys, vitrine.Formats, vitrine.DynamicSoD)}
	if w.odds(2) {
		c.Scope = pick(w, scopes...)
	}
	switch c.Kind {
	case vitrine.DynamicSoD:
		for range 2 + w.IntN(2) {
			c.Sets = append(c.Sets, vitrine.RoleSet{Roles: some(w, 1, roleIDs...), Permissions: w.permissions(1), Categories: some(w, 1, vitrine.Categories...)})
		}
		c.Max = 2
		return c
	case vitrine.Formats:
		c.ResponseFormats = []string{"url"}
	default:
		c.MaxAge = vitrine.Duration(15 * time.Minute)
		if c.Permissions = w.permissions(2); w.odds(3) {
			c.Role, c.Permissions = pick(w, roleIDs...), nil
		}
	}
	c.Tiers = some(w, 2, vitrine.Tiers...)
	return c
}

func (w world) deny(id vitrine.ID) *vitrine.Deny {
	return &vitrine.Deny{ID: id, Permissions: w.permissions(2), Principals: []vitrine.ID{pick(w, append(holders, vitrine.Everyone)...)},
		Except: some(w, 1, holders...), Scope: pick(w, scopes...)}
}

func (w world) key(id vitrine.ID) *vitrine.Key {
	k := &vitrine.Key{ID: id, Principal: pick(w, people...), Roles: some(w, 2, roleIDs...)}
	if w.odds(2) {
		k.Scope = pick(w, scopes...)
	}
	if w.odds(6) {
		k.Expires = noon.Add(time.Duration(w.IntN(3)-1) * time.Microsecond)
	}
	if w.odds(10) {
		k.Revoked = noon
	}
	if (k.Principal == "s0" || k.Principal == "s1") && w.odds(2) {
		k.For = pick(w, people[:3]...)
	}
	return k
}

// frame is what every random policy stands in: places, and owners who have
// enrolled.
func (w world) frame() []vitrine.Object {
	objects := []vitrine.Object{
		&vitrine.Organization{ID: "org"},
		&vitrine.Project{ID: "p0", Environment: vitrine.Production},
		&vitrine.Project{ID: "p1", Environment: vitrine.Staging},
		&vitrine.Dataset{ID: "d0", Project: "p0", Category: vitrine.Generated, Owner: "alice"},
		&vitrine.Dataset{ID: "d1", Project: "p0", Category: vitrine.Training, Owner: "adam"},
		&vitrine.Dataset{ID: "d2", Project: "p1", Category: vitrine.Reference},
		&vitrine.Dataset{ID: "d3", Project: "p1", Category: vitrine.Generated},
		&vitrine.Provider{ID: "studio", Kind: vitrine.Studio},
		&vitrine.Deployment{ID: "p0/hidream", Project: "p0", Model: "hidream", Provider: "studio"},
		&vitrine.Deployment{ID: "p0/flux", Project: "p0", Model: "flux", Provider: "studio"},
		&vitrine.Deployment{ID: "p1/hidream", Project: "p1", Model: "hidream", Provider: "studio"},
	}
	for _, r := range rbac.Predefined() {
		if r.ID == rbac.OwnerRole {
			objects = append(objects, r)
		}
	}
	for _, id := range []vitrine.ID{"alice", "adam"} {
		objects = append(objects, &vitrine.Principal{ID: id, Kind: vitrine.User, Enrolled: noon},
			&vitrine.Binding{ID: "owner-" + id, Role: rbac.OwnerRole, Principal: id, Scope: "org"})
	}
	return objects
}

func (w world) objects() []vitrine.Object {
	objects := w.frame()
	for _, id := range people {
		p := &vitrine.Principal{ID: id, Kind: vitrine.User, Disabled: w.odds(12)}
		if id[0] == 's' {
			p.Kind, p.Service, p.Owner = vitrine.Service, vitrine.Agent, "u0"
			p.Environment = pick(w, "", "", vitrine.Production, vitrine.Staging)
		}
		objects = append(objects, p)
	}
	for i := range 3 {
		members := append([]vitrine.ID{}, people...)
		for j := range i {
			members = append(members, holders[5+j])
		}
		objects = append(objects, &vitrine.Principal{ID: holders[5+i], Kind: vitrine.Group, Members: some(w, 6, members...), Disabled: w.odds(8)})
	}
	for i := range roleIDs {
		objects = append(objects, w.role(i))
	}
	for i := range 6 + w.IntN(14) {
		objects = append(objects, w.binding(vitrine.ID(fmt.Sprintf("b%d", i))))
	}
	for i := range w.IntN(3) {
		objects = append(objects, w.deny(vitrine.ID(fmt.Sprintf("deny%d", i))))
	}
	for i := range w.IntN(4) {
		objects = append(objects, w.constraint(vitrine.ID(fmt.Sprintf("c%d", i))))
	}
	for _, id := range keyIDs {
		objects = append(objects, w.key(id))
	}
	return objects
}

func (w world) subject() rbac.Subject {
	s := rbac.Subject{Principal: pick(w, people...)}
	if w.odds(2) {
		s.Credential, s.Key = pick(w, keyIDs...), true
	}
	if w.odds(3) {
		s.MFA = noon.Add(-time.Duration(w.IntN(20)) * time.Minute)
	}
	if w.odds(4) {
		s.Roles = some(w, 3, roleIDs...)
	}
	s.Address = netip.MustParseAddr(pick(w, "10.1.2.3", "192.0.2.1"))
	s.EndUser = pick(w, "", "reader-7")
	return s
}

func (w world) image() vitrine.Resource {
	return vitrine.Resource{Kind: vitrine.KindImage, ID: "i", Scope: pick(w, "d0", "d1", "d2", "d3", vitrine.ID("nowhere")), Category: vitrine.Category(w.IntN(7)),
		Tier: vitrine.Tier(w.IntN(5)), Owner: pick(w, people...)}
}

func (w world) question() rbac.Question {
	q := rbac.Question{Subject: w.subject(), At: noon, Permission: w.permissions(1)[0]}
	switch w.IntN(4) {
	case 0:
		q.Permission = pick(w, vitrine.ModelGenerate, vitrine.ModelView, vitrine.ModelDeploy)
		q.Resource = vitrine.Resource{Kind: vitrine.KindDeployment, Scope: pick(w, scopes...), Format: pick(w, "", "png", "webp"), ResponseFormat: pick(w, "", "url", "b64_json"),
			Tier: vitrine.Tier(w.IntN(5)), Width: pick(w, 0, 512, 2048), Height: pick(w, 0, 512, 2048), N: w.IntN(5), Model: pick(w, "hidream", "flux")}
	case 1:
		q.Resource = vitrine.Resource{Kind: pick(w, vitrine.PolicyKinds...), Scope: pick(w, scopes...), Owner: pick(w, people...)}
	default:
		q.Resource = w.image()
	}
	return q
}
