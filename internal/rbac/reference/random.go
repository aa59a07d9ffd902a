package reference

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// Noon is when random questions are asked, give or take a microsecond.
var Noon = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

// Random makes worlds, questions and changes. Worlds are small enough that
// everything in them meets, and what is hard is common: groups and roles that
// nest against the order of their ids, times that begin and end at the very
// instant of the question, conditions that err, narrowed keys, agents.
type Random struct{ *rand.Rand }

// NewRandom is a source that a seed repeats.
func NewRandom(seed uint64) Random { return Random{rand.New(rand.NewPCG(seed, 1))} }

// Odds is true once in n times.
func (r Random) Odds(n int) bool { return r.IntN(n) == 0 }

// Pick is one of some.
func Pick[T any](r Random, from ...T) T { return from[r.IntN(len(from))] }

// Some is up to most of some, in any order, some of them twice.
func Some[T any](r Random, most int, from ...T) []T {
	var out []T
	for range r.IntN(most + 1) {
		out = append(out, Pick(r, from...))
	}
	return out
}

// What random worlds are made of.
var (
	people  = []vitrine.ID{"u0", "u1", "u2", "u3"}
	robots  = []vitrine.ID{"s0", "s1", "s2"}
	callers = slices.Concat(people, robots)
	groups  = []vitrine.ID{"g0", "g1", "g2", "g3", "g4"}
	holders = slices.Concat(callers, groups)
	roles   = []vitrine.ID{"r0", "r1", "r2", "r3", "r4", "r5"}
	keys    = []vitrine.ID{"k0", "k1", "k2", "k3", "k4"}
	places  = []vitrine.ID{"org", "p0", "p1", "d0", "d1", "d2", "d3", "p0/hidream", "p0/flux", "p1/hidream", "p2", "d4", "p1/a%2Fb%3Ac"}
	models  = []string{"hidream", "flux", "a/b:c"}

	common = []vitrine.Permission{
		vitrine.ImageView, vitrine.ImageView, vitrine.ImageOpen, vitrine.ImageOpen, vitrine.ImageExport, vitrine.ImageCreate, vitrine.ImageMove,
		vitrine.ModelGenerate, vitrine.ModelGenerate, vitrine.ModelView, vitrine.DatasetView, vitrine.RoleBind, vitrine.RoleView,
	}
	conditions = []string{
		`tier <= internal`, `tier > public`, `category == "generated"`, `category != "training"`, `environment == "production"`, `environment != "staging"`,
		`scope == "d1"`, `scope in ["d0", "d2", "p0/hidream"]`, `owner == principal`, `owner == "u1" || tier == public`, `!(owner == "u0")`,
		`mfa_age < duration("15m")`, `mfa_age <= duration("15m")`, `!(mfa_age < duration("15m"))`, `mfa_age < duration("15m") || tier == public`, `key == ""`, `key != "k0"`,
		`inCIDR(address, "10.0.0.0/8")`, `!inCIDR(address, "10.0.0.0/8", "2001:db8::/32")`, `end_user != ""`, `end_user.startsWith("acme-")`,
		`now < timestamp("2027-01-15T12:00:00Z")`, `now <= timestamp("2027-01-15T12:00:00Z")`, `now > timestamp("2027-01-15T11:59:59.999999Z") && key == ""`,
		`now.getHours() == 12`, `principal == "u0" || principal == "s0"`, `tier <= internal && mfa_age < duration("15m")`, `environment == "production" && owner == "u2"`,
		`category == "generated" || inCIDR(address, "10.0.0.0/8")`,
	}
)

// Instant is within a microsecond of noon.
func (r Random) Instant() time.Time { return Noon.Add(time.Duration(r.IntN(3)-1) * time.Microsecond) }

// permissions are one to most permissions, mostly common ones.
func (r Random) permissions(most int) []vitrine.Permission {
	var out []vitrine.Permission
	for range 1 + r.IntN(most) {
		out = append(out, r.permission())
	}
	return out
}

func (r Random) permission() vitrine.Permission {
	if r.Odds(4) {
		return Pick(r, vitrine.Catalogue...).Permission
	}
	return Pick(r, common...)
}

func (r Random) tiers() []vitrine.Tier {
	if r.Odds(4) {
		return Some(r, 2, vitrine.Tiers...)
	}
	return slices.Clone(vitrine.TiersUpTo(Pick(r, vitrine.Tiers...)))
}

func (r Random) grant() vitrine.Grant {
	g := vitrine.Grant{Permissions: r.permissions(4), Categories: Some(r, 8, vitrine.Categories...), Tiers: r.tiers()}
	if r.Odds(3) {
		g.Models, g.Formats, g.ResponseFormats = Some(r, 2, models...), Some(r, 1, "png", "jpeg"), Some(r, 1, "url", "b64_json")
		g.MaxWidth, g.MaxHeight, g.MaxN = Pick(r, 0, 512, 1024), Pick(r, 0, 512, 1024), Pick(r, 0, 1, 4)
	}
	g.Findings = Some(r, 2, "face", "text", "name")
	g.NoUse, g.Give = r.Odds(8), r.Odds(4)
	return g
}

// Role is a role that includes some of others.
func (r Random) Role(id vitrine.ID, others []vitrine.ID) *vitrine.Role {
	x := &vitrine.Role{ID: id, Name: "Role " + string(id), Disabled: r.Odds(8)}
	if len(others) > 0 {
		x.Includes = Some(r, 2, others...)
	}
	for range 1 + r.IntN(2) {
		x.Grants = append(x.Grants, r.grant())
	}
	return x
}

// Binding is a binding of one of some roles.
func (r Random) Binding(id vitrine.ID, roles []vitrine.ID) *vitrine.Binding {
	b := &vitrine.Binding{ID: id, Role: Pick(r, roles...), Principal: Pick(r, Pick(r, holders...), Pick(r, groups...)), Scope: Pick(r, places[:1+r.IntN(len(places))]...)}
	if r.Odds(5) {
		b.From = r.Instant()
	}
	if r.Odds(5) {
		b.Until = r.Instant()
	}
	if !b.From.IsZero() && !b.Until.IsZero() && !b.From.Before(b.Until) {
		b.From = time.Time{}
	}
	if r.Odds(4) {
		b.Condition = Pick(r, conditions...)
	}
	return b
}

// Deny is a deny rule.
func (r Random) Deny(id vitrine.ID) *vitrine.Deny {
	d := &vitrine.Deny{ID: id, Permissions: r.permissions(2), Principals: Some(r, 2, holders...), Except: Some(r, 1, holders...), Scope: Pick(r, places[:1+r.IntN(len(places))]...)}
	if len(d.Principals) == 0 {
		d.Principals = []vitrine.ID{vitrine.Everyone}
	}
	return d
}

func (r Random) side() vitrine.RoleSet {
	s := vitrine.RoleSet{Roles: Some(r, 2, roles...), Categories: Some(r, 1, vitrine.Categories...)}
	if len(s.Roles) == 0 || r.Odds(3) {
		s.Permissions = r.permissions(2)
	}
	return s
}

// Constraint is a constraint of one of some kinds.
func (r Random) Constraint(id vitrine.ID, kinds ...vitrine.ConstraintKind) *vitrine.Constraint {
	c := &vitrine.Constraint{ID: id, Kind: Pick(r, kinds...)}
	if r.Odds(2) {
		c.Scope = Pick(r, places...)
	}
	switch c.Kind {
	case vitrine.DynamicSoD, vitrine.StaticSoD:
		for range 2 + r.IntN(2) {
			c.Sets = append(c.Sets, r.side())
		}
		c.Max = 2 + r.IntN(len(c.Sets)-1)
		return c
	case vitrine.Holders:
		c.Role, c.Min, c.Max = Pick(r, roles...), r.IntN(2), 2+r.IntN(3)
		return c
	case vitrine.Formats:
		c.ResponseFormats = []string{Pick(r, "url", "b64_json")}
	default:
		c.Permissions = r.permissions(2)
		if r.Odds(2) {
			c.Role = Pick(r, roles...)
			if r.Odds(2) {
				c.Permissions = nil
			}
		}
		if c.Kind == vitrine.MFA {
			c.MaxAge = vitrine.Duration(15 * time.Minute)
		}
	}
	c.Tiers = Some(r, 2, vitrine.Tiers...)
	return c
}

// Key is a key of a caller.
func (r Random) Key(id vitrine.ID) *vitrine.Key {
	k := &vitrine.Key{ID: id, Principal: Pick(r, callers...), Roles: Some(r, 2, roles...), Hash: fmt.Sprintf("%064x", r.Uint64()), Epoch: int64(r.IntN(6)+2) / 3}
	if r.Odds(3) {
		k.Scope = Pick(r, places...)
	}
	if r.Odds(8) {
		k.Expires = r.Instant()
	}
	if r.Odds(20) {
		k.Revoked = r.Instant()
	}
	if r.Odds(8) {
		k.CIDRs = []string{"10.0.0.0/8"}
	}
	if slices.Contains(robots, k.Principal) && r.Odds(2) {
		k.For, k.ForEpoch = Pick(r, people...), int64(r.IntN(2))
		k.IssuedBy = k.For
	}
	return k
}

// session is a session that was started with a key, whatever became of either.
func (r Random) session(id vitrine.ID, with *vitrine.Key) *vitrine.Key {
	k := *with
	k.ID, k.Parent, k.Roles, k.Revoked = id, with.ID, Some(r, 3, roles...), time.Time{}
	k.Expires = Pick(r, r.Instant(), Noon.Add(time.Hour))
	return &k
}

// frame is what every random world stands in: places, and owners.
func (r Random) frame(owner *vitrine.Role) []vitrine.Object {
	objects := []vitrine.Object{
		&vitrine.Organization{ID: "org", Solo: r.Odds(12)},
		&vitrine.Project{ID: "p0", Environment: vitrine.Production},
		&vitrine.Project{ID: "p1", Environment: vitrine.Staging},
		&vitrine.Project{ID: "p2", Environment: vitrine.Experimental},
		&vitrine.Dataset{ID: "d0", Project: "p0", Category: vitrine.Generated, BirthTier: vitrine.Internal, Owner: "u0"},
		&vitrine.Dataset{ID: "d1", Project: "p0", Category: vitrine.Training, Owner: "u1"},
		&vitrine.Dataset{ID: "d2", Project: "p1", Category: vitrine.Reference, BirthTier: vitrine.Public},
		&vitrine.Dataset{ID: "d3", Project: "p1", Category: vitrine.Generated, BirthTier: vitrine.Confidential, Owner: "u2"},
		&vitrine.Dataset{ID: "d4", Project: "p2", Category: vitrine.Evaluation},
		&vitrine.Provider{ID: "studio", Kind: vitrine.Studio},
		owner,
	}
	for _, id := range places {
		if project, model, ok := vitrine.SplitDeployment(id); ok {
			objects = append(objects, &vitrine.Deployment{ID: id, Project: project, Model: model, Provider: "studio"})
		}
	}
	for i, id := range []vitrine.ID{"alice", "adam"} {
		p := &vitrine.Principal{ID: id, Kind: vitrine.User, Enrolled: Noon.Add(-time.Hour)}
		if i == 1 && r.Odds(12) {
			p.Enrolled = time.Time{}
		}
		objects = append(objects, p, &vitrine.Binding{ID: "owner-" + id, Role: Owner, Principal: id, Scope: "org"})
	}
	return objects
}

// Objects are a random world's, with the predefined roles given, of which Owner
// must be one.
func (r Random) Objects(predefined []*vitrine.Role) []vitrine.Object {
	bound, others := slices.Clone(roles), r.Odds(3)
	var objects []vitrine.Object
	for _, p := range predefined {
		switch {
		case p.ID == Owner:
			objects = append(objects, r.frame(p)...)
		case others:
			objects, bound = append(objects, p), append(bound, p.ID)
		}
	}
	objects = append(objects, r.principals()...)
	at := r.Perm(len(roles))
	for i, n := range at {
		var below []vitrine.ID
		for _, m := range at[:i] {
			below = append(below, roles[m])
		}
		objects = append(objects, r.Role(roles[n], below))
	}
	for i := range 8 + r.IntN(16) {
		objects = append(objects, r.Binding(vitrine.ID(fmt.Sprintf("b%d", i)), bound))
	}
	for i := range r.IntN(4) {
		objects = append(objects, r.Deny(vitrine.ID(fmt.Sprintf("x%d", i))))
	}
	for i := range r.IntN(5) {
		objects = append(objects, r.Constraint(vitrine.ID(fmt.Sprintf("c%d", i)), vitrine.MFA, vitrine.Keys, vitrine.Formats, vitrine.DynamicSoD))
	}
	var key *vitrine.Key
	for _, id := range keys {
		if key != nil && !key.Session() && r.Odds(5) {
			key = r.session(id, key)
		} else {
			key = r.Key(id)
		}
		objects = append(objects, key)
	}
	if r.Odds(30) {
		objects = append(objects, r.crowd(bound)...)
	}
	return objects
}

// crowd makes a world large in places: some hold many bindings, there are many
// places that nobody asks about, and people that nothing reaches.
func (r Random) crowd(roles []vitrine.ID) []vitrine.Object {
	var objects []vitrine.Object
	for i := range 260 {
		objects = append(objects, &vitrine.Principal{ID: vitrine.ID(fmt.Sprintf("crowd%d", i)), Kind: vitrine.User})
	}
	for i := range 80 {
		d := &vitrine.Dataset{ID: vitrine.ID(fmt.Sprintf("far%d", i)), Project: Pick(r, "p0", vitrine.ID("p1")), Category: Pick(r, vitrine.Categories...)}
		objects = append(objects, d)
		for j := range 2 {
			b := r.Binding(vitrine.ID(fmt.Sprintf("far%d-%d", i, j)), roles)
			if b.Principal = Pick(r, "u0", vitrine.ID("g1")); r.Odds(2) {
				b.Scope = d.ID
			}
			objects = append(objects, b)
		}
	}
	return objects
}

func (r Random) principals() []vitrine.Object {
	var objects []vitrine.Object
	for _, id := range people {
		objects = append(objects, &vitrine.Principal{ID: id, Kind: vitrine.User, Disabled: r.Odds(24), Epoch: int64(r.IntN(8) / 7)})
	}
	for _, id := range robots {
		objects = append(objects, &vitrine.Principal{ID: id, Kind: vitrine.Service, Service: vitrine.Agent, Owner: Pick(r, people...),
			Environment: Pick(r, "", "", vitrine.Production, vitrine.Staging), Disabled: r.Odds(24), Epoch: int64(r.IntN(8) / 7)})
	}
	at := r.Perm(len(groups))
	for i, n := range at {
		members := slices.Clone(callers)
		for _, m := range at[:i] {
			members = append(members, groups[m], groups[m])
		}
		objects = append(objects, &vitrine.Principal{ID: groups[n], Kind: vitrine.Group, Members: Some(r, 6, members...), Disabled: r.Odds(8)})
	}
	return objects
}
