package rbactest

import (
	"math/rand/v2"
	"strconv"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// World is a company and who may do what in it.
type World struct {
	Size
	Users     []*vitrine.Principal
	Groups    []*vitrine.Principal // departments first
	Roles     []*vitrine.Role
	Projects  []*vitrine.Project
	Resources []Resource
	Bindings  []*vitrine.Binding

	rand *rand.Rand
	bare *Bare
}

// Resource is a dataset, and the tier of the images in it.
type Resource struct {
	*vitrine.Dataset
	Tier vitrine.Tier
}

// New makes the world of a size.
func New(s Size) *World {
	w := &World{Size: s, rand: rand.New(rand.NewPCG(2027, uint64(s.Users)))}
	w.places()
	w.roles()
	w.people()
	w.bind()
	return w
}

func id(kind string, n int) vitrine.ID { return vitrine.ID(kind + "-" + strconv.Itoa(n)) }

func (w *World) places() {
	for i := range w.Size.Projects {
		w.Projects = append(w.Projects, &vitrine.Project{ID: id("project", i), Environment: vitrine.Production})
	}
	for i := range w.Size.Resources {
		w.Resources = append(w.Resources, Resource{
			&vitrine.Dataset{ID: id("dataset", i), Project: w.Projects[w.rand.IntN(len(w.Projects))].ID, Category: vitrine.Generated},
			vitrine.Tiers[w.rand.IntN(len(vitrine.Tiers))],
		})
	}
}

// jobs are what the roles of a world let do; those that see a dataset see all
// of it, those that do something to images do it up to a tier.
var jobs = [][]vitrine.Permission{
	{vitrine.DatasetView, vitrine.ImageView},
	{vitrine.DatasetView, vitrine.ImageOpen},
	{vitrine.ImageCreate},
	{vitrine.DatasetView, vitrine.ImageExport},
	{vitrine.DatasetView, vitrine.ImageUpdate, vitrine.ImageDelete},
	{vitrine.ImageClassify},
}

func (w *World) roles() {
	for i := range w.Size.Roles {
		w.Roles = append(w.Roles, &vitrine.Role{ID: id("role", i), Name: "Role " + strconv.Itoa(i), Grants: []vitrine.Grant{{
			Permissions: jobs[i%len(jobs)],
			Categories:  []vitrine.Category{vitrine.Generated},
			Tiers:       vitrine.TiersUpTo(vitrine.Tiers[i/len(jobs)%len(vitrine.Tiers)]),
		}}})
	}
}

// people puts each user into one team and each team into one department.
func (w *World) people() {
	departments := w.Size.Groups / 10
	for i := range w.Size.Groups {
		g := &vitrine.Principal{ID: id("group", i), Kind: vitrine.Group}
		if w.Groups = append(w.Groups, g); i >= departments {
			d := w.Groups[w.rand.IntN(departments)]
			d.Members = append(d.Members, g.ID)
		}
	}
	for i := range w.Size.Users {
		u := &vitrine.Principal{ID: id("user", i), Kind: vitrine.User}
		w.Users = append(w.Users, u)
		team := w.Groups[departments+w.rand.IntN(len(w.Groups)-departments)]
		team.Members = append(team.Members, u.ID)
	}
}

// bind gives roles at projects: three of four bindings to teams, one of forty
// to departments, the rest to users.
func (w *World) bind() {
	departments := w.Size.Groups / 10
	for i := range w.Size.Bindings {
		var who vitrine.ID
		switch n := i % 40; {
		case n == 0:
			who = w.Groups[w.rand.IntN(departments)].ID
		case n <= 30:
			who = w.Groups[departments+w.rand.IntN(len(w.Groups)-departments)].ID
		default:
			who = w.Users[w.rand.IntN(len(w.Users))].ID
		}
		w.give(who)
	}
	for _, u := range w.Users {
		for range w.Own {
			w.give(u.ID)
		}
	}
}

func (w *World) give(who vitrine.ID) {
	w.Bindings = append(w.Bindings, &vitrine.Binding{
		ID:        id("binding", len(w.Bindings)),
		Role:      w.Roles[w.rand.IntN(len(w.Roles))].ID,
		Principal: who,
		Scope:     w.Projects[w.rand.IntN(len(w.Projects))].ID,
	})
}

// Objects are what a policy of the world is compiled from: all of the above,
// the organization, and the two owners without whom nothing works.
func (w *World) Objects() []vitrine.Object {
	all := make([]vitrine.Object, 0, 8+len(w.Users)+len(w.Groups)+len(w.Roles)+len(w.Projects)+len(w.Resources)+len(w.Bindings))
	all = append(all, &vitrine.Organization{ID: Organization})
	for _, r := range rbac.Predefined() {
		if r.ID == rbac.OwnerRole {
			all = append(all, r)
		}
	}
	for _, who := range []vitrine.ID{"owner-alice", "owner-adam"} {
		all = append(all, &vitrine.Principal{ID: who, Kind: vitrine.User, Enrolled: Now.AddDate(-1, 0, 0)},
			&vitrine.Binding{ID: who, Role: rbac.OwnerRole, Principal: who, Scope: Organization})
	}
	for _, o := range w.Projects {
		all = append(all, o)
	}
	for _, o := range w.Resources {
		all = append(all, o.Dataset)
	}
	for _, o := range w.Roles {
		all = append(all, o)
	}
	for _, o := range w.Groups {
		all = append(all, o)
	}
	for _, o := range w.Users {
		all = append(all, o)
	}
	for _, o := range w.Bindings {
		all = append(all, o)
	}
	return all
}
