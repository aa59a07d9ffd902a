package rbactest

import (
	"math/rand/v2"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// Question is whether a user may use a permission on what lies in a dataset.
type Question struct {
	User       vitrine.ID
	Permission vitrine.Permission
	Dataset    vitrine.ID
	Tier       vitrine.Tier
	Allow      bool // the answer, by Bare
}

// Questions are n different ones, in no order. Half are allowed. Of the
// others half are asked about any dataset and half about one in a project
// where the user may do something else.
func (w *World) Questions(n int) []Question {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	bare, in := w.Bare(), w.within()
	all := make([]Question, 0, n)
	seen := make(map[Question]bool, n)
	for len(all) < n {
		u := w.Users[r.IntN(len(w.Users))]
		o := w.Resources[r.IntN(len(w.Resources))]
		if places := bare.places(u.ID); len(all)%4 != 0 && len(places) > 0 {
			if near := in[places[r.IntN(len(places))]]; len(near) > 0 {
				o = w.Resources[near[r.IntN(len(near))]]
			}
		}
		q := Question{User: u.ID, Permission: Permissions[r.IntN(len(Permissions))], Dataset: o.ID, Tier: o.Tier}
		q.Allow = bare.Allows(q.User, q.Permission, q.Dataset)
		if q.Allow == (len(all)%2 == 1) && !seen[q] {
			seen[q] = true
			all = append(all, q)
		}
	}
	r.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// within are the resources of each project, by number.
func (w *World) within() map[int32][]int {
	number := make(map[vitrine.ID]int32, len(w.Projects))
	for i, p := range w.Projects {
		number[p.ID] = int32(i)
	}
	in := make(map[int32][]int, len(w.Projects))
	for i, o := range w.Resources {
		p := number[o.Project]
		in[p] = append(in[p], i)
	}
	return in
}

// Ask writes the question into the one that the engine is asked: one about the
// dataset itself, or about an image in it. What else stands in to is kept.
func (q *Question) Ask(to *rbac.Question) {
	to.Subject.Principal, to.Permission, to.At = q.User, q.Permission, Now
	to.Resource.Kind, to.Resource.ID = vitrine.KindImage, "image"
	if q.Permission == vitrine.DatasetView {
		to.Resource.Kind, to.Resource.ID = vitrine.KindDataset, q.Dataset
	}
	to.Resource.Scope, to.Resource.Category, to.Resource.Tier = q.Dataset, vitrine.Generated, q.Tier
}

// Action is the question's permission and, where it is compared, the tier, in
// one word: what engines without tiers are asked for.
func (q *Question) Action() string { return action(q.Permission, q.Tier) }

func action(p vitrine.Permission, t vitrine.Tier) string {
	if i, ok := p.Info(); !ok || !i.Data {
		return string(p)
	}
	return string(p) + ":" + t.String()
}

// Actions are all that a role of the world lets do, in words of Action.
func Actions(r *vitrine.Role) []string {
	var all []string
	for _, g := range r.Grants {
		for _, p := range Permissions {
			if !grants(&g, p) {
				continue
			}
			if i, ok := p.Info(); !ok || !i.Data {
				all = append(all, string(p))
				continue
			}
			for _, t := range g.Tiers {
				all = append(all, action(p, t))
			}
		}
	}
	return all
}

func grants(g *vitrine.Grant, p vitrine.Permission) bool {
	for _, held := range g.Permissions {
		if held.Implies(p) {
			return true
		}
	}
	return false
}
