package rbac

import (
	"maps"
	"slices"

	"vitrine.dev/vitrine"
)

// Apply is the policy after changes, at the given revision; p is unchanged. It
// checks references but neither constraints nor rights. The error is Problems.
//
// Only what changed is compiled again: a new key, person or binding costs the
// same in a large policy as in a small one, give or take a copy of a list of
// numbers. Changed groups cost all memberships, deletions of what others may
// refer to cost a check of all objects.
func (p *Policy) Apply(revision int64, changes []vitrine.Change) (*Policy, error) {
	n := *p
	n.revision = revision
	e := edit{p: &n, was: p}
	e.gather(changes)
	if len(e.problems) == 0 {
		e.build()
	}
	if len(e.problems) > 0 {
		return nil, e.problems
	}
	return &n, nil
}

// edit is a policy on its way to the next one.
type edit struct {
	p, was   *Policy
	changed  [kindCount]map[vitrine.ID]entry
	everyRef bool // something went that others may refer to
	problems Problems
}

func (e *edit) gather(changes []vitrine.Change) {
	for _, c := range changes {
		i := kindNumber(c.Ref.Kind)
		if i < 0 || c.Object != nil && (kindOf(c.Object) != i || c.Object.Ref() != c.Ref) {
			e.problems = append(e.problems, Problem{c.Ref, "", "this is no object of a policy"})
			continue
		}
		if e.changed[i] == nil {
			e.changed[i] = map[vitrine.ID]entry{}
		}
		if _, there := e.object(i, c.Ref.ID); !there && c.Object == nil {
			e.problems = append(e.problems, Problem{c.Ref, "", "there is no such thing to delete"})
			continue
		}
		e.changed[i][c.Ref.ID] = entry{c.Object, e.p.revision}
	}
	for i, m := range e.changed {
		if len(m) > 0 {
			e.p.kinds[i] = newObjects(e.p.kinds[i].with(m, func(x entry) bool { return x.object == nil }))
		}
	}
}

// object is the object as the changes so far left it.
func (e *edit) object(kind int, id vitrine.ID) (vitrine.Object, bool) {
	x, ok := e.changed[kind][id]
	if !ok {
		x, _ = e.was.kinds[kind].get(id)
	}
	return x.object, x.object != nil
}

func (e *edit) touched(kinds ...vitrine.Kind) bool {
	return slices.ContainsFunc(kinds, func(k vitrine.Kind) bool { return len(e.changed[kindNumber(k)]) > 0 })
}

// build compiles what the changes touch and checks what they may have broken.
func (e *edit) build() {
	p := e.p
	places := e.touched(scopeKinds...)
	if places {
		p.buildScopes()
	}
	roles := e.touched(vitrine.KindRole)
	if roles {
		e.problems = append(e.problems, p.buildRoles()...)
	}
	e.principals()
	e.check()
	if len(e.problems) > 0 {
		return
	}
	e.bindings()
	e.keys()
	switch {
	case places || roles || e.touched(vitrine.KindDeny, vitrine.KindConstraint):
		p.buildRules()
	case e.touched(vitrine.KindBinding, vitrine.KindPrincipal):
		p.standSides()
	}
	p.settingUp = !p.Enrolled()
}

// principals compiles changed principals and whoever is in a changed group;
// where somebody went, all.
func (e *edit) principals() {
	p := e.p
	changed := e.changed[kindNumber(vitrine.KindPrincipal)]
	if len(changed) == 0 {
		return
	}
	for id, x := range changed {
		was, _ := e.was.Principal(id)
		now, _ := x.object.(*vitrine.Principal)
		e.everyRef = e.everyRef || now == nil || was != nil && was.Kind != now.Kind
	}
	if e.everyRef {
		e.problems = append(e.problems, p.buildPrincipals()...)
	} else {
		e.problems = append(e.problems, p.patchPrincipals(changed)...)
	}
	p.held = append(slices.Clip(p.held), make([]*held, len(p.who)-len(p.held))...)
}

// check checks what changed, and everything where something went that others
// may refer to.
func (e *edit) check() {
	p := e.p
	if e.touched(vitrine.KindBinding) || e.everyRef {
		p.programs = e.was.conditions()
	}
	for i, k := range vitrine.PolicyKinds {
		for _, x := range e.changed[i] {
			if x.object == nil && k != vitrine.KindBinding && k != vitrine.KindDeny && k != vitrine.KindConstraint &&
				k != vitrine.KindBudget && k != vitrine.KindCredential {
				e.everyRef = true
			}
		}
	}
	if e.everyRef {
		e.problems = append(e.problems, p.checkAll()...)
		return
	}
	c := checker{p: p}
	for i := range vitrine.PolicyKinds {
		for _, id := range slices.Sorted(maps.Keys(e.changed[i])) {
			if o := e.changed[i][id].object; o != nil {
				c.check(o)
			}
		}
	}
	if e.touched(scopeKinds...) {
		c.oneTree()
	}
	if e.touched(vitrine.KindConstraint) {
		c.fewSides()
	}
	e.problems = append(e.problems, c.problems...)
}

// bindings compiles the tables of those whose bindings changed.
func (e *edit) bindings() {
	p := e.p
	changed := e.changed[kindNumber(vitrine.KindBinding)]
	if len(changed) == 0 {
		return
	}
	fresh := map[int32][]bound{} // by holder
	for id, x := range changed {
		if was, ok := object[*vitrine.Binding](e.was, vitrine.KindBinding, id); ok {
			if i, _ := p.whoOf.get(was.Principal); fresh[i] == nil {
				fresh[i] = []bound{}
			}
		}
		if now, ok := x.object.(*vitrine.Binding); ok {
			i, _ := p.whoOf.get(now.Principal)
			fresh[i] = append(fresh[i], p.newBound(now))
		}
	}
	p.held = slices.Clone(p.held)
	for i, list := range fresh {
		if h := p.held[i]; h != nil {
			for _, b := range h.list {
				if _, touched := changed[b.ID]; !touched {
					list = append(list, b)
				}
			}
		}
		p.held[i] = newHeld(list)
	}
}

func (e *edit) keys() {
	changed := e.changed[kindNumber(vitrine.KindKey)]
	fresh := make(map[vitrine.ID]*key, len(changed))
	for id, x := range changed {
		if k, ok := x.object.(*vitrine.Key); ok {
			fresh[id] = e.p.newKey(k)
		} else {
			fresh[id] = nil
		}
	}
	e.p.keys = e.p.keys.with(fresh, func(k *key) bool { return k == nil })
}
