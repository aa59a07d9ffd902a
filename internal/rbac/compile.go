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
	p := &Policy{revision: revision, programs: map[string]*cond.Program{}, orgScope: none}
	bound, problems := p.gather(all, changed)
	problems = append(problems, p.build(bound)...)
	if len(problems) > 0 {
		return nil, problems
	}
	return p, nil
}

// gather puts the objects into their kinds and answers the bindings.
func (p *Policy) gather(all []vitrine.Object, changed map[vitrine.Ref]int64) (bound []entry, problems Problems) {
	var count [kindCount]int
	for _, o := range all {
		if i := kindOf(o); i >= 0 {
			count[i]++
		}
	}
	for i := range p.kinds {
		p.lists[i] = new(sortedList)
		if i != principals && i != bindings {
			p.kinds[i] = tableOf[entry](count[i])
		}
	}
	p.who = tableOf[principal](count[principals])
	bound, seen := make([]entry, 0, count[bindings]), indexOf(count[bindings])
	for _, o := range all {
		i := kindOf(o)
		if i < 0 {
			problems = append(problems, Problem{Text: "this is no object of a policy"})
			continue
		}
		ref, twice := o.Ref(), false
		e := entry{o, p.revision}
		if at, ok := changed[ref]; ok {
			e.changed = at
		}
		switch x := o.(type) {
		case *vitrine.Principal:
			if _, w := p.who.find(x.ID); w == nil {
				p.putPrincipal(x.ID, x, e.changed)
			} else {
				twice = true
			}
		case *vitrine.Binding:
			h := hash(x.ID)
			if twice = seen.find(h, func(n int32) bool { return bound[n].object.Ref() == ref }) != none; !twice {
				seen.put(h, int32(len(bound)))
				bound = append(bound, e)
			}
		default:
			n := p.kinds[i].n
			if at := p.kinds[i].add(ref.ID); at == n {
				*p.kinds[i].edit(at) = e
			} else {
				twice = true
			}
		}
		if twice {
			problems = append(problems, Problem{ref, "", "there are two with this id"})
		}
	}
	return bound, problems
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
func (p *Policy) build(bound []entry) Problems {
	p.buildScopes()
	problems := p.buildRoles()
	problems = append(problems, p.buildPrincipals()...)
	c := checker{p: p, own: true}
	c.all(bound)
	c.oneTree(p.scopeIDs())
	c.fewSides()
	if problems = append(problems, c.problems...); len(problems) > 0 {
		return problems
	}
	p.buildRules()
	p.buildHeld(bound)
	p.buildKeys()
	p.watch()
	p.owned = map[vitrine.ID][]int32{}
	for i := range p.who.n {
		p.own(ownerOf(p.who.at(i).object), i, true)
	}
	p.settingUp = !p.Enrolled()
	return nil
}

// learn compiles a condition, unless it was compiled before.
func (c *checker) learn(text string) error {
	if text == "" || c.p.programs[text] != nil {
		return nil
	}
	program, err := cond.Compile(text)
	if err != nil {
		return err
	}
	if !c.own {
		c.p.programs, c.own = c.p.conditions(), true
	}
	c.p.programs[text] = program
	return nil
}

// manyConditions is from how many on those are forgotten that no binding has.
const manyConditions = 1024

// conditions is a copy of the compiled conditions; where there are many, of
// those that bindings still have.
func (p *Policy) conditions() map[string]*cond.Program {
	if len(p.programs) < max(manyConditions, 2*p.used) {
		return maps.Clone(p.programs)
	}
	used := make(map[string]*cond.Program, len(p.programs))
	for i := range p.who.n {
		for _, b := range p.who.at(i).held.bounds() {
			if b.program() != nil {
				used[b.made.terms.condition] = b.program()
			}
		}
	}
	p.used = len(used)
	return used
}
