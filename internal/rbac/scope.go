package rbac

import (
	"slices"

	"vitrine.dev/vitrine"
)

// none stands for a number where there is none.
const none int32 = -1

// scope is a place on which bindings hang: organization, project, dataset or
// deployment. It fills a cache line with its id.
type scope struct {
	chain   [3]int32 // itself and those above, nearest first
	project int32    // itself or the one that it lies in, or none
	depth   int8     // how many of chain; 0: it was deleted
	kind    int8
	marks   uint64  // of chain
	denies  *[]deny // that hang on it; nil is none
	site    *site   // of a project or a deployment
}

// site is what else there is to a project, and to a deployment its model.
type site struct {
	environment vitrine.Environment
	model       string
	datasets    roll
	deployments roll
}

// roll is a list of scopes by id. What stands in a policy is not changed.
type roll struct {
	numbers []int32
	ids     []vitrine.ID
}

// add enters a scope. It writes to what is behind the list only where the list
// is the only one.
func (r *roll) add(n int32, id vitrine.ID) {
	i := len(r.ids)
	if i > 0 && r.ids[i-1] > id {
		i, _ = slices.BinarySearch(r.ids, id)
	}
	r.numbers, r.ids = slices.Insert(r.numbers, i, n), slices.Insert(r.ids, i, id)
}

func (r roll) clone() roll { return roll{slices.Clone(r.numbers), slices.Clone(r.ids)} }

// above is the scope itself and those above it, nearest first.
func (s *scope) above() []int32 { return s.chain[:s.depth] }

// in reports whether the scope is top or lies below it.
func (s *scope) in(top int32) bool {
	return s.chain[0] == top || s.depth > 1 && s.chain[1] == top || s.depth > 2 && s.chain[2] == top
}

// is reports whether the scope is of a kind.
func (s *scope) is(k vitrine.Kind) bool { return vitrine.PolicyKinds[s.kind] == k }

// overlaps reports whether one of two scopes lies in the other.
func (p *Policy) overlaps(a, b int32) bool {
	return p.scopes.at(a).in(b) || p.scopes.at(b).in(a)
}

// environment is that of the project in which a scope lies.
func (p *Policy) environment(s *scope) vitrine.Environment {
	if s.project == none {
		return ""
	}
	return p.scopes.at(s.project).site.environment
}

// named is "project renders".
func (p *Policy) named(scope int32) string {
	return string(vitrine.PolicyKinds[p.scopes.at(scope).kind]) + " " + string(p.scopes.id(scope))
}

// scopeKinds are the kinds of scope, those above first.
var scopeKinds = []vitrine.Kind{vitrine.KindOrganization, vitrine.KindProject, vitrine.KindDataset, vitrine.KindDeployment}

// buildScopes makes the tree of scopes anew; numbers stay. All kinds of scope
// share one space of ids, which check keeps.
func (p *Policy) buildScopes() {
	for i := range p.scopes.n {
		*p.scopes.edit(i) = scope{}
	}
	p.org, p.orgScope, p.projects = nil, none, nil
	for _, k := range scopeKinds {
		for _, o := range p.Objects(k) {
			p.addScope(o)
		}
	}
}

// addScope enters a scope. Those of one kind come in order of id, or cost more.
func (p *Policy) addScope(o vitrine.Object) {
	ref := o.Ref()
	i := p.scopes.add(ref.ID)
	s := scope{kind: int8(kindNumber(ref.Kind)), project: none}
	above := p.orgScope
	switch o := o.(type) {
	case *vitrine.Organization:
		p.org, p.orgScope = o, i
	case *vitrine.Project:
		s.project, s.site = i, &site{environment: o.Environment}
		p.projects = append(p.projects, i)
	case *vitrine.Dataset:
		s.project = p.projectNumber(o.Project)
		above = s.project
	case *vitrine.Deployment:
		s.project, s.site = p.projectNumber(o.Project), &site{model: o.Model}
		above = s.project
	}
	s.chain[0], s.depth = i, 1
	if above != none {
		s.depth += int8(copy(s.chain[1:], p.scopes.at(above).above()))
	}
	for _, n := range s.above() {
		s.marks |= mark(n)
	}
	*p.scopes.edit(i) = s
	if above == none {
		return
	}
	switch at := p.scopes.at(above).site; ref.Kind {
	case vitrine.KindDeployment:
		at.deployments.add(i, ref.ID)
	case vitrine.KindDataset:
		at.datasets.add(i, ref.ID)
	}
}

// projectNumber is the number of a project that there is, or none.
func (p *Policy) projectNumber(project vitrine.ID) int32 {
	i, s := p.scopes.find(project)
	if s == nil || s.depth == 0 || s.site == nil {
		return none
	}
	return i
}

// patchScopes enters datasets and deployments that are new, and is false where
// more has changed than that.
func (p *Policy) patchScopes(changed *[kindCount]map[vitrine.ID]entry) bool {
	var fresh []vitrine.Object
	for i, k := range vitrine.PolicyKinds {
		if len(changed[i]) > 0 && (k == vitrine.KindOrganization || k == vitrine.KindProject) {
			return false
		}
		if k != vitrine.KindDataset && k != vitrine.KindDeployment {
			continue
		}
		for id, x := range changed[i] {
			_, s := p.scopes.find(id)
			switch o := x.object.(type) {
			case *vitrine.Dataset:
				if s == nil {
					fresh = append(fresh, o)
				} else if s.depth == 0 || !s.is(k) || s.project != p.projectNumber(o.Project) {
					return false
				}
			case *vitrine.Deployment:
				if s == nil {
					fresh = append(fresh, o)
				} else if s.depth == 0 || !s.is(k) || s.site.model != o.Model {
					return false
				}
			default:
				return false
			}
		}
	}
	opened := map[int32]bool{}
	for _, o := range fresh {
		p.patchScope(o, opened)
	}
	return true
}

// patchScope enters a new scope into a copy of its project's lists.
func (p *Policy) patchScope(o vitrine.Object, opened map[int32]bool) {
	var project vitrine.ID
	switch o := o.(type) {
	case *vitrine.Dataset:
		project = o.Project
	case *vitrine.Deployment:
		project = o.Project
	}
	at := p.projectNumber(project)
	if at != none && !opened[at] {
		opened[at] = true
		c := *p.scopes.at(at).site
		c.datasets, c.deployments = c.datasets.clone(), c.deployments.clone()
		p.scopes.edit(at).site = &c
	}
	p.addScope(o)
}
