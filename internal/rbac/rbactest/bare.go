package rbactest

import "vitrine.dev/vitrine"

// Bare answers questions from masks that were flattened once: of each user for
// each project a bit for every permission and tier.
type Bare struct {
	users     map[vitrine.ID][]flat
	resources map[vitrine.ID]place
	inside    [][]vitrine.ID // by project
}

// flat is what somebody may do in a project.
type flat struct {
	mask    uint64
	project int32
}

// place is where a resource lies, and its tier.
type place struct {
	project int32
	tier    vitrine.Tier
}

// bit is a permission's place in a mask: four bits, one for each tier.
func bit(p vitrine.Permission, t vitrine.Tier) uint64 {
	shift := 0
	switch p {
	case vitrine.ImageView:
		shift = 0
	case vitrine.ImageOpen:
		shift = 4
	case vitrine.ImageExport:
		shift = 8
	case vitrine.ImageCreate:
		shift = 12
	case vitrine.ImageUpdate:
		shift = 16
	case vitrine.ImageClassify:
		shift = 20
	case vitrine.ImageDelete:
		shift = 24
	case vitrine.DatasetView:
		shift = 28
	default:
		return 0
	}
	return 1 << (shift + int(t) - 1)
}

// mask is all that a role lets do.
func mask(r *vitrine.Role) uint64 {
	var m uint64
	for _, g := range r.Grants {
		for _, p := range Permissions {
			if !grants(&g, p) {
				continue
			}
			tiers := g.Tiers
			if p == vitrine.DatasetView {
				tiers = vitrine.Tiers
			}
			for _, t := range tiers {
				m |= bit(p, t)
			}
		}
	}
	return m
}

// Bare is the world flattened, once.
func (w *World) Bare() *Bare {
	if w.bare == nil {
		w.bare = w.flat()
	}
	return w.bare
}

func (w *World) flat() *Bare {
	b := &Bare{
		users:     make(map[vitrine.ID][]flat, len(w.Users)),
		resources: make(map[vitrine.ID]place, len(w.Resources)),
		inside:    make([][]vitrine.ID, len(w.Projects)),
	}
	projects := make(map[vitrine.ID]int32, len(w.Projects))
	for i, p := range w.Projects {
		projects[p.ID] = int32(i)
	}
	for _, o := range w.Resources {
		p := projects[o.Project]
		b.resources[o.ID] = place{p, o.Tier}
		b.inside[p] = append(b.inside[p], o.ID)
	}
	b.flatten(w, projects)
	return b
}

// flatten gives every user what it holds itself and what its team and
// department hold.
func (b *Bare) flatten(w *World, projects map[vitrine.ID]int32) {
	masks := make(map[vitrine.ID]uint64, len(w.Roles))
	for _, r := range w.Roles {
		masks[r.ID] = mask(r)
	}
	up := make(map[vitrine.ID]vitrine.ID, len(w.Users)+len(w.Groups))
	for _, g := range w.Groups {
		for _, m := range g.Members {
			up[m] = g.ID
		}
	}
	held := map[vitrine.ID][]flat{}
	for _, x := range w.Bindings {
		held[x.Principal] = add(held[x.Principal], flat{masks[x.Role], projects[x.Scope]})
	}
	for _, u := range w.Users {
		var all []flat
		for who := u.ID; who != ""; who = up[who] {
			for _, f := range held[who] {
				all = add(all, f)
			}
		}
		b.users[u.ID] = all
	}
}

func add(all []flat, f flat) []flat {
	for i := range all {
		if all[i].project == f.project {
			all[i].mask |= f.mask
			return all
		}
	}
	return append(all, f)
}

// Allows answers a question.
func (b *Bare) Allows(user vitrine.ID, p vitrine.Permission, dataset vitrine.ID) bool {
	r, ok := b.resources[dataset]
	if !ok {
		return false
	}
	all := b.users[user]
	for i := range all {
		if all[i].project == r.project {
			return all[i].mask&bit(p, r.tier) != 0
		}
	}
	return false
}

// Datasets lists those that a user may see, in no order, into a list that is
// used again.
func (b *Bare) Datasets(list []vitrine.ID, user vitrine.ID) []vitrine.ID {
	list = list[:0]
	for _, f := range b.users[user] {
		if f.mask&bit(vitrine.DatasetView, vitrine.Public) != 0 {
			list = append(list, b.inside[f.project]...)
		}
	}
	return list
}

// places are the projects where a user may do anything.
func (b *Bare) places(user vitrine.ID) []int32 {
	var all []int32
	for _, f := range b.users[user] {
		all = append(all, f.project)
	}
	return all
}

// Reader is the user who may see as many datasets as wanted, or the nearest
// number to it.
func (w *World) Reader(b *Bare, wanted int) vitrine.ID {
	best, off := w.Users[0].ID, -1
	var list []vitrine.ID
	for _, u := range w.Users {
		list = b.Datasets(list, u.ID)
		if d := max(len(list)-wanted, wanted-len(list)); off < 0 || d < off {
			best, off = u.ID, d
		}
	}
	return best
}
