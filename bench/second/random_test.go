package second_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// noon is when questions are asked.
var noon = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

// world makes random policies and questions, so small that everything meets.
type world struct{ *rand.Rand }

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
	places  = []vitrine.ID{"org", "p0", "p1", "d0", "d1", "d2", "d3", "p0/hidream", "p0/flux", "p1/hidream"}
	people  = []vitrine.ID{"u0", "u1", "u2", "u3", "s0", "s1"}
	groups  = []vitrine.ID{"g0", "g1", "g2", "g3"}
	holders = append(append([]vitrine.ID{}, people...), groups...)
	roles   = []vitrine.ID{"r0", "r1", "r2", "r3", "r4", "r5"}
	common  = []vitrine.Permission{
		vitrine.ImageView, vitrine.ImageView, vitrine.ImageOpen, vitrine.ImageExport, vitrine.ImageCreate,
		vitrine.DatasetView, vitrine.ModelGenerate, vitrine.ModelView, vitrine.RoleBind,
	}
)

// permission is mostly one that roles have; now and then any.
func (w world) permission() vitrine.Permission {
	if w.odds(10) {
		return pick(w, vitrine.Catalogue...).Permission
	}
	return pick(w, common...)
}

func (w world) permissions(most int) []vitrine.Permission {
	all := []vitrine.Permission{w.permission()}
	for range w.IntN(most) {
		all = append(all, w.permission())
	}
	return all
}

// moment is none, or about now: before, at it, after.
func (w world) moment() time.Time {
	if !w.odds(4) {
		return time.Time{}
	}
	return noon.Add(time.Duration(w.IntN(3)-1) * time.Microsecond)
}

func (w world) grant() vitrine.Grant {
	g := vitrine.Grant{Permissions: w.permissions(4), Categories: some(w, 9, vitrine.Categories...), Tiers: vitrine.TiersUpTo(pick(w, vitrine.Tiers...)), NoUse: w.odds(10)}
	if w.odds(4) {
		g.Tiers = some(w, 2, vitrine.Tiers...)
	}
	if w.odds(2) {
		g.Models, g.Formats, g.ResponseFormats = some(w, 1, "hidream", "flux"), some(w, 1, "png", "jpeg"), some(w, 1, "url", "b64_json")
		g.MaxWidth, g.MaxHeight, g.MaxN = pick(w, 0, 512, 1024), pick(w, 0, 512, 1024), pick(w, 0, 1, 4)
	}
	return g
}

func (w world) role(i int) *vitrine.Role {
	r := &vitrine.Role{ID: roles[i], Name: "Role " + string(roles[i]), Disabled: w.odds(8)}
	if i > 0 {
		r.Includes = some(w, 2, roles[:i]...)
	}
	for range 1 + w.IntN(2) {
		r.Grants = append(r.Grants, w.grant())
	}
	return r
}

func (w world) binding(i int) *vitrine.Binding {
	b := &vitrine.Binding{ID: vitrine.ID(fmt.Sprintf("b%d", i)), Role: pick(w, roles...), Principal: pick(w, holders...), Scope: pick(w, places[:1+w.IntN(len(places))]...), From: w.moment(), Until: w.moment()}
	if !b.From.IsZero() && !b.From.Before(b.Until) {
		b.Until = time.Time{}
	}
	return b
}

// frame is what every policy stands in.
func frame() []vitrine.Object {
	all := []vitrine.Object{
		&vitrine.Organization{ID: "org"},
		&vitrine.Project{ID: "p0", Environment: vitrine.Production},
		&vitrine.Project{ID: "p1", Environment: vitrine.Staging},
		&vitrine.Dataset{ID: "d0", Project: "p0", Category: vitrine.Generated},
		&vitrine.Dataset{ID: "d1", Project: "p0", Category: vitrine.Training},
		&vitrine.Dataset{ID: "d2", Project: "p1", Category: vitrine.Reference},
		&vitrine.Dataset{ID: "d3", Project: "p1", Category: vitrine.Generated},
		&vitrine.Provider{ID: "studio", Kind: vitrine.Studio},
		&vitrine.Deployment{ID: "p0/hidream", Project: "p0", Model: "hidream", Provider: "studio"},
		&vitrine.Deployment{ID: "p0/flux", Project: "p0", Model: "flux", Provider: "studio"},
		&vitrine.Deployment{ID: "p1/hidream", Project: "p1", Model: "hidream", Provider: "studio"},
	}
	for _, r := range rbac.Predefined() {
		if r.ID == rbac.OwnerRole {
			all = append(all, r)
		}
	}
	for _, id := range []vitrine.ID{"alice", "adam"} { // without whom nothing works
		all = append(all, &vitrine.Principal{ID: id, Kind: vitrine.User, Enrolled: noon},
			&vitrine.Binding{ID: "owner-" + id, Role: rbac.OwnerRole, Principal: id, Scope: "org"})
	}
	return all
}

func (w world) policy() []vitrine.Object {
	all := frame()
	for _, id := range people {
		p := &vitrine.Principal{ID: id, Kind: vitrine.User, Disabled: w.odds(12)}
		if id[0] == 's' {
			p.Kind, p.Service, p.Owner = vitrine.Service, vitrine.Pipeline, "u0"
			p.Environment = pick(w, vitrine.Environment(""), vitrine.Production, vitrine.Staging)
		}
		all = append(all, p)
	}
	for i, id := range groups { // a group may hold those before it
		all = append(all, &vitrine.Principal{ID: id, Kind: vitrine.Group, Disabled: w.odds(8),
			Members: append(some(w, 5, people...), some(w, 2*i, groups[:i]...)...)})
	}
	for i := range roles {
		all = append(all, w.role(i))
	}
	for i := range 6 + w.IntN(14) {
		all = append(all, w.binding(i))
	}
	for i := range w.IntN(4) {
		all = append(all, &vitrine.Deny{ID: vitrine.ID(fmt.Sprintf("deny%d", i)), Permissions: w.permissions(1), Scope: pick(w, places...),
			Principals: append(some(w, 1, holders...), pick(w, append(holders, vitrine.Everyone)...)), Except: some(w, 1, holders...)})
	}
	return all
}

func (w world) question() rbac.Question {
	q := rbac.Question{Subject: rbac.Subject{Principal: pick(w, people...)}, Permission: w.permission(), At: noon}
	if w.odds(30) {
		q.Subject.Principal = pick(w, "alice", "nobody", vitrine.ID("g0"))
	}
	info, _ := q.Permission.Info()
	q.Resource = vitrine.Resource{Kind: info.Kind, ID: "x", Scope: pick(w, places...),
		Category: vitrine.Category(w.IntN(7)), Tier: vitrine.Tier(w.IntN(5)), Owner: pick(w, people...)}
	switch {
	case w.odds(40):
		q.Resource.Scope = "nowhere"
	case info.Data:
		q.Resource.Scope = pick(w, "d0", "d1", "d2", vitrine.ID("d3"))
	case info.Kind == vitrine.KindDeployment:
		r := &q.Resource
		r.Scope = pick(w, places[len(places)-3:]...)
		r.Format, r.ResponseFormat, r.Model = pick(w, "", "png", "webp"), pick(w, "", "url", "b64_json"), pick(w, "hidream", "flux")
		r.Width, r.Height, r.N = pick(w, 0, 512, 2048), pick(w, 0, 512, 2048), w.IntN(5)
	}
	return q
}
