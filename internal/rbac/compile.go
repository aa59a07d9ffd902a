package rbac

import (
	"maps"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/cond"
)

// Compile makes the policy of some objects at a revision. It refuses ids that
// are not valid, that stand twice or that dangle, circles of roles and groups,
// unknown words and conditions that are not safe: the error is Problems and
// lists everything. It checks neither constraints nor rights, so that what
// stands in a store can always be loaded. All objects count as changed at the
// revision.
func Compile(revision int64, objects []vitrine.Object) (*Policy, error) {
	return CompileAt(revision, objects, nil)
}

// CompileAt is Compile with the revisions at which objects last changed; those
// that changed does not hold changed at the revision.
func CompileAt(revision int64, all []vitrine.Object, changed map[vitrine.Ref]int64) (*Policy, error) {
	p := &Policy{revision: revision, programs: map[string]*cond.Program{}}
	problems := p.gather(all, changed)
	problems = append(problems, p.build()...)
	if len(problems) > 0 {
		return nil, problems
	}
	return p, nil
}

// gather puts the objects into their kinds.
func (p *Policy) gather(all []vitrine.Object, changed map[vitrine.Ref]int64) Problems {
	var problems Problems
	var count [kindCount]int
	for _, o := range all {
		if i := kindOf(o); i >= 0 {
			count[i]++
		}
	}
	for i := range p.kinds {
		p.kinds[i] = newObjects(layered[entry]{base: make(map[vitrine.ID]entry, count[i])})
	}
	for _, o := range all {
		i := kindOf(o)
		if i < 0 {
			problems = append(problems, Problem{Text: "this is no object of a policy"})
			continue
		}
		ref := o.Ref()
		if _, twice := p.kinds[i].base[ref.ID]; twice {
			problems = append(problems, Problem{ref, "", "there are two with this id"})
			continue
		}
		e := entry{o, p.revision}
		if at, ok := changed[ref]; ok {
			e.changed = at
		}
		p.kinds[i].base[ref.ID] = e
	}
	return problems
}

// kindOf is the number of an object's kind, or -1 for what is no object of a
// policy.
func kindOf(o vitrine.Object) int {
	switch o.(type) {
	case *vitrine.Organization, *vitrine.Project, *vitrine.Dataset, *vitrine.Deployment, *vitrine.Provider,
		*vitrine.Credential, *vitrine.Principal, *vitrine.Key, *vitrine.Role, *vitrine.Binding, *vitrine.Deny,
		*vitrine.Constraint, *vitrine.Budget:
		return kindNumber(o.Ref().Kind)
	}
	return -1
}

// build compiles everything anew from the objects.
func (p *Policy) build() Problems {
	p.buildScopes()
	problems := p.buildRoles()
	problems = append(problems, p.buildPrincipals()...)
	problems = append(problems, p.checkAll()...)
	if len(problems) > 0 {
		return problems
	}
	p.buildHeld()
	p.buildKeys()
	p.buildRules()
	p.settingUp = !p.Enrolled()
	return nil
}

// learn compiles a condition, unless it was compiled before.
func (p *Policy) learn(text string) error {
	if text == "" || p.programs[text] != nil {
		return nil
	}
	program, err := cond.Compile(text)
	if err == nil {
		p.programs[text] = program
	}
	return err
}

// conditions is a copy of the compiled conditions; where there are many, of
// those that bindings still have.
func (p *Policy) conditions() map[string]*cond.Program {
	if len(p.programs) < 1024 {
		return maps.Clone(p.programs)
	}
	used := make(map[string]*cond.Program, len(p.programs))
	for _, h := range p.held {
		for _, b := range h.bounds() {
			if b.program != nil {
				used[b.Condition] = b.program
			}
		}
	}
	return used
}
