package rbac

import (
	"cmp"

	"vitrine.dev/vitrine"
)

// none stands for a number where there is none.
const none int32 = -1

// scope is a place on which bindings hang: organization, project, dataset or
// deployment.
type scope struct {
	id          vitrine.ID
	kind        vitrine.Kind
	project     int32 // itself or the one that it lies in, or none
	environment vitrine.Environment
	model       string  // of a deployment
	deployments []int32 // of a project

	chain [3]int32 // itself and those above, nearest first
	depth int8     // how many of chain
}

// above is the scope itself and those above it, nearest first.
func (s *scope) above() []int32 { return s.chain[:s.depth] }

// in reports whether the scope is top or lies below it.
func (s *scope) in(top int32) bool {
	return s.chain[0] == top || s.depth > 1 && s.chain[1] == top || s.depth > 2 && s.chain[2] == top
}

// overlaps reports whether one of two scopes lies in the other.
func (p *Policy) overlaps(a, b int32) bool {
	return p.scopes[a].in(b) || p.scopes[b].in(a)
}

// scopeKinds are the kinds of scope, those above first.
var scopeKinds = []vitrine.Kind{vitrine.KindOrganization, vitrine.KindProject, vitrine.KindDataset, vitrine.KindDeployment}

// buildScopes makes the tree of scopes anew; numbers stay. All kinds of scope
// share one space of ids, which check keeps.
func (p *Policy) buildScopes() {
	fresh := map[vitrine.ID]int32{}
	p.scopes = make([]*scope, len(p.scopes))
	p.org, p.orgScope = nil, none
	for _, k := range scopeKinds {
		for _, o := range p.Objects(k) {
			p.addScope(o, fresh)
		}
	}
	p.scopeOf = p.scopeOf.with(fresh, nil)
}

func (p *Policy) addScope(o vitrine.Object, fresh map[vitrine.ID]int32) {
	find := func(id vitrine.ID) int32 {
		if i, ok := fresh[id]; ok {
			return i
		}
		if i, ok := p.scopeOf.get(id); ok {
			return i
		}
		return none
	}
	s := &scope{id: o.Ref().ID, kind: o.Ref().Kind, project: none}
	i := find(s.id)
	if i == none {
		i = int32(len(p.scopes))
		fresh[s.id] = i
		p.scopes = append(p.scopes, nil)
	}
	above := p.orgScope
	switch o := o.(type) {
	case *vitrine.Organization:
		p.org, p.orgScope = o, i
	case *vitrine.Project:
		s.project, s.environment = i, o.Environment
	case *vitrine.Dataset:
		s.project = find(o.Project)
		above = s.project
	case *vitrine.Deployment:
		s.project, s.model = find(o.Project), o.Model
		above = s.project
	}
	s.chain[0], s.depth = i, 1
	if above != none && p.scopes[above] != nil {
		up := p.scopes[above]
		s.depth += int8(copy(s.chain[1:], up.above()))
		s.environment = cmp.Or(s.environment, up.environment)
		if s.kind == vitrine.KindDeployment {
			up.deployments = append(up.deployments, i)
		}
	}
	p.scopes[i] = s
}
