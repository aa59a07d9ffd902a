package rbac_test

import (
	"fmt"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// size is how large a company is.
type size struct {
	name                                                   string
	people, groups, memberships, roles, bindings, projects int
}

var (
	small  = size{"small", 20, 5, 2, 10, 40, 3}
	medium = size{"medium", 1_000, 100, 10, 50, 10_000, 50}
	large  = size{"large", 100_000, 2_000, 10, 200, 100_000, 1_000}
)

func id(kind string, n int) vitrine.ID { return vitrine.ID(fmt.Sprintf("%s-%d", kind, n)) }

// company is a policy of a size: each project has ten datasets and a model, each
// person is in some groups, bindings hang on groups and people at every level.
func (s size) company() []vitrine.Object {
	w := newWorld(1)
	objects := []vitrine.Object{&vitrine.Organization{ID: "org"}, &vitrine.Provider{ID: "studio", Kind: vitrine.Studio}}
	var places []vitrine.ID
	for i := range s.projects {
		p := id("project", i)
		objects = append(objects, &vitrine.Project{ID: p, Environment: vitrine.Production},
			&vitrine.Deployment{ID: vitrine.DeploymentID(p, "hidream"), Project: p, Model: "hidream", Provider: "studio"})
		places = append(places, p)
		for j := range 10 {
			d := id("dataset", i*10+j)
			objects = append(objects, &vitrine.Dataset{ID: d, Project: p, Category: vitrine.Generated})
			places = append(places, d)
		}
	}
	for i := range s.roles {
		objects = append(objects, &vitrine.Role{ID: id("role", i), Name: "Role", Grants: []vitrine.Grant{
			{Permissions: []vitrine.Permission{vitrine.ImageOpen, vitrine.ImageCreate}, Categories: []vitrine.Category{vitrine.Generated}, Tiers: vitrine.TiersUpTo(vitrine.Tiers[i%3])},
			{Permissions: []vitrine.Permission{vitrine.ModelGenerate, vitrine.DatasetView}},
		}})
	}
	members := make([][]vitrine.ID, s.groups)
	for i := range s.people {
		p := id("person", i)
		objects = append(objects, &vitrine.Principal{ID: p, Kind: vitrine.User},
			&vitrine.Key{ID: id("key", i), Principal: p})
		for range s.memberships {
			g := w.IntN(s.groups)
			members[g] = append(members[g], p)
		}
	}
	for i, m := range members {
		objects = append(objects, &vitrine.Principal{ID: id("group", i), Kind: vitrine.Group, Members: m})
	}
	for i := range s.bindings {
		b := &vitrine.Binding{ID: id("binding", i), Role: id("role", w.IntN(s.roles)), Principal: id("group", w.IntN(s.groups)), Scope: pick(w, places...)}
		if i%2 == 0 {
			b.Principal = id("person", w.IntN(s.people))
		}
		objects = append(objects, b)
	}
	objects = append(objects, &vitrine.Binding{ID: "hers", Role: "role-1", Principal: "person-0", Scope: "project-0"})
	objects = append(objects, &vitrine.Principal{ID: "stranger", Kind: vitrine.User}, &vitrine.Key{ID: "strange", Principal: "stranger"})
	for _, r := range rbac.Predefined() {
		objects = append(objects, r)
	}
	for _, o := range []vitrine.ID{"alice", "adam"} {
		objects = append(objects, &vitrine.Principal{ID: o, Kind: vitrine.User, Enrolled: noon},
			&vitrine.Binding{ID: "owner-" + o, Role: rbac.OwnerRole, Principal: o, Scope: "org"})
	}
	return objects
}

// asks are the questions of the benchmarks and what they come to.
var asks = []struct {
	name   string
	q      rbac.Question
	allow  bool
	hidden bool
}{
	{"allow", opens("person-0", "key-0", "dataset-0", vitrine.Internal), true, false},
	{"denied", exports("person-0", "key-0", "dataset-0", vitrine.Internal), false, false},
	{"hidden", opens("stranger", "strange", "dataset-0", vitrine.Restricted), false, true},
	{"absent", opens("person-0", "key-0", "no-dataset", vitrine.Internal), false, true},
}

func opens(who, key, dataset vitrine.ID, tier vitrine.Tier) rbac.Question {
	return rbac.Question{Subject: rbac.Subject{Principal: who, Credential: key, Key: true}, Permission: vitrine.ImageOpen, At: noon,
		Resource: vitrine.Resource{Kind: vitrine.KindImage, ID: "i", Scope: dataset, Category: vitrine.Generated, Tier: tier}}
}

func exports(who, key, dataset vitrine.ID, tier vitrine.Tier) rbac.Question {
	q := opens(who, key, dataset, tier)
	q.Permission = vitrine.ImageExport
	return q
}

func BenchmarkDecide(b *testing.B) {
	for _, s := range []size{small, medium, large} {
		p := compile(b, s.company())
		for _, ask := range asks {
			b.Run(s.name+"/"+ask.name, func(b *testing.B) {
				if d := p.Decide(&ask.q); d.Allow != ask.allow || d.Hidden != ask.hidden {
					b.Fatalf("got %+v", d)
				}
				b.ReportAllocs()
				for b.Loop() {
					p.Decide(&ask.q)
				}
			})
		}
		b.Run(s.name+"/everybody", func(b *testing.B) {
			b.ReportAllocs()
			var q rbac.Question
			n := 0
			people, sets := make([]vitrine.ID, 1024), make([]vitrine.ID, 1024)
			for i := range people {
				people[i], sets[i] = id("person", i*7919%s.people), id("dataset", i*104729%(10*s.projects))
			}
			for b.Loop() {
				q = opens(people[n&1023], "", sets[n&1023], vitrine.Public)
				q.Subject.Key = false
				n++
				p.Decide(&q)
			}
		})
	}
}

// TestDecideAllocatesNothing holds what the budget of a decision rests on.
func TestDecideAllocatesNothing(t *testing.T) {
	p := compile(t, small.company())
	for _, ask := range asks {
		if ask.name == "denied" {
			continue // it says what would have been needed
		}
		if n := testing.AllocsPerRun(100, func() { p.Decide(&ask.q) }); n != 0 {
			t.Errorf("%s: %v allocations", ask.name, n)
		}
	}
}

func BenchmarkFilter(b *testing.B) {
	for _, s := range []size{small, medium, large} {
		p := compile(b, s.company())
		subject := rbac.Subject{Principal: "person-0", Credential: "key-0", Key: true}
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if f := p.Filter(&subject, vitrine.ImageView, noon); len(f.Sets) == 0 {
					b.Fatal("nothing")
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, s := range []size{medium, large} {
		objects := s.company()
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				compile(b, objects)
			}
		})
	}
}

func BenchmarkApply(b *testing.B) {
	changes := []struct {
		name   string
		change vitrine.Change
	}{
		{"binding", vitrine.Put(&vitrine.Binding{ID: "new", Role: "role-0", Principal: "person-1", Scope: "project-1"})},
		{"key", vitrine.Put(&vitrine.Key{ID: "new", Principal: "person-1"})},
		{"person", vitrine.Put(&vitrine.Principal{ID: "new", Kind: vitrine.User})},
		{"disable", vitrine.Put(&vitrine.Principal{ID: "person-1", Kind: vitrine.User, Disabled: true})},
		{"group", vitrine.Put(&vitrine.Principal{ID: "group-1", Kind: vitrine.Group, Members: []vitrine.ID{"person-1", "person-2"}})},
		{"dataset", vitrine.Put(&vitrine.Dataset{ID: "new", Project: "project-1", Category: vitrine.Generated})},
		{"role", vitrine.Put(&vitrine.Role{ID: "role-1"})},
		{"deny", vitrine.Put(&vitrine.Deny{ID: "new", Permissions: []vitrine.Permission{vitrine.ImageView}, Principals: []vitrine.ID{"group-1"}, Scope: "project-1"})},
	}
	for _, s := range []size{medium, large} {
		p := compile(b, s.company())
		for _, c := range changes {
			b.Run(s.name+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := p.Apply(8, []vitrine.Change{c.change}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkWho(b *testing.B) {
	p := compile(b, medium.company())
	q := asks[0].q
	for b.Loop() {
		if len(p.Who(q.Permission, q.Resource, noon)) == 0 {
			b.Fatal("nobody")
		}
	}
}
