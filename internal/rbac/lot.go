package rbac

import (
	"cmp"
	"slices"

	"vitrine.dev/vitrine"
)

// lot is some datasets, or a deployment, of one project. Nothing that hangs
// there tells them apart, so that one answer is the answer for all.
type lot struct {
	like int32        // one of them
	ids  []vitrine.ID // all of them, by id; shared
}

// lots finds the datasets or deployments where a subject might use a permission,
// without looking at others: those below what it holds.
type lots struct {
	*ask
	kind vitrine.Kind
	all  []lot

	everywhere bool    // something hangs on the organization
	projects   []int32 // on which something hangs
	below      []int32 // in which something hangs on a dataset or deployment
	apart      []int32 // those, and what else is not like its neighbours
	each       bool    // no two are alike
}

// lotsOf are the lots of a subject and, where it acts for a person, hers; by
// project, then by id. With owners it matters whose a dataset is.
func lotsOf(a, person *ask, k vitrine.Kind, owners bool) []lot {
	l := lots{ask: a, kind: k, each: k == vitrine.KindDeployment}
	l.look(a, owners, func(b *bound) {
		switch s := a.p.scopes.at(b.scope); {
		case s.project == none:
			l.everywhere = true
		case s.depth > 0 && s.chain[0] == s.project:
			l.projects = append(l.projects, b.scope)
		case s.is(k):
			l.below, l.apart = append(l.below, s.project), append(l.apart, b.scope)
		}
	})
	if person != nil {
		l.look(person, owners, func(b *bound) { l.apart = append(l.apart, b.scope) })
	}
	if a.key != nil && a.key.scope != none {
		l.apart = append(l.apart, a.key.scope)
	}
	slices.Sort(l.apart)
	slices.Sort(l.projects)
	for _, project := range l.where() {
		l.enter(project)
	}
	return l.all
}

// look calls fn with what a principal holds that grants the permission anywhere.
func (l *lots) look(a *ask, owners bool, fn func(*bound)) {
	a.p.anyBorne(a.who, func(b *bound) bool {
		if !b.inTime(a.at) {
			return false
		}
		could := false
		a.roles(b, func(_ int32, r *role) { could = could || r.could(a.perm) })
		if !could {
			return false
		}
		if c := b.program(); c != nil && (c.UsesResource() || owners && c.UsesOwner()) {
			l.each = true
		}
		fn(b)
		return false
	})
}

// could reports whether a role lets use a permission on anything.
func (r *role) could(perm int) bool {
	return r.use[anywhere].has(perm) || perm >= 0 && r.spread[perm] != 0
}

// where are the projects to look into, by id.
func (l *lots) where() []int32 {
	if l.everywhere {
		return l.p.projects
	}
	all := append(slices.Clone(l.projects), l.below...)
	slices.SortFunc(all, func(a, b int32) int { return cmp.Compare(l.p.scopes.id(a), l.p.scopes.id(b)) })
	return slices.Compact(all)
}

// enter splits what lies in a project.
func (l *lots) enter(project int32) {
	in := &l.p.scopes.at(project).site.datasets
	if l.kind == vitrine.KindDeployment {
		in = &l.p.scopes.at(project).site.deployments
	}
	granted := l.everywhere || amid(l.projects, project)
	lone := l.p.rules.lone[project]
	if granted && !l.each && len(l.apart) == 0 && len(lone) == 0 {
		l.add(in, 0, len(in.ids))
		return
	}
	from := 0
	for i, n := range in.numbers {
		apart := amid(l.apart, n)
		if !apart && (!granted || !l.each && !amid(lone, n)) {
			continue
		}
		if granted {
			l.add(in, from, i)
		}
		l.add(in, i, i+1)
		from = i + 1
	}
	if granted {
		l.add(in, from, len(in.ids))
	}
}

func (l *lots) add(in *roll, from, to int) {
	if from < to {
		l.all = append(l.all, lot{in.numbers[from], in.ids[from:to:to]})
	}
}

// amid reports whether a sorted list holds a number.
func amid(sorted []int32, n int32) bool {
	_, ok := slices.BinarySearch(sorted, n)
	return ok
}
