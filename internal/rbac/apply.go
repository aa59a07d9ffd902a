package rbac

import (
	"maps"
	"slices"

	"vitrine.dev/vitrine"
)

// Apply is the policy after changes, at the given revision; p is unchanged. It
// checks references but neither constraints nor rights. The error is Problems.
//
// Only what changed is compiled again, and the next snapshot shares the rest: a
// new key, person, dataset or binding costs the same in a large policy as in a
// small one, give or take a list of pages. Changed groups cost their members;
// changed projects and roles cost all scopes or roles, deletions of what others
// may refer to cost a check of all objects.
func (p *Policy) Apply(revision int64, changes []vitrine.Change) (*Policy, error) {
	e := edit{p: p.fork(revision), was: p}
	e.gather(changes)
	if len(e.problems) == 0 {
		e.build()
	}
	if len(e.problems) > 0 {
		return nil, e.problems
	}
	return e.p, nil
}

// fork is the next policy, which shares everything as long as nothing changes.
func (p *Policy) fork(revision int64) *Policy {
	n := *p
	n.revision = revision
	n.who, n.scopes, n.roleIDs, n.keys = p.who.fork(), p.scopes.fork(), p.roleIDs.fork(), p.keys.fork()
	n.bindings.slots = p.bindings.slots.fork()
	for i := range n.kinds {
		n.kinds[i] = p.kinds[i].fork()
	}
	return &n
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
		if !e.there(i, c.Ref.ID) && c.Object == nil {
			e.problems = append(e.problems, Problem{c.Ref, "", "there is no such thing to delete"})
			continue
		}
		e.changed[i][c.Ref.ID] = entry{c.Object, e.p.revision}
	}
	for i, some := range e.changed {
		if len(some) == 0 {
			continue
		}
		e.p.lists[i] = new(sortedList)
		if i == principals || i == bindings {
			continue
		}
		kind := &e.p.kinds[i]
		kind.tidy(len(some), func(x *entry) bool { return x.object != nil })
		for id, x := range some {
			*kind.edit(kind.add(id)) = x
		}
	}
}

// there reports whether there is an object as the changes so far left it.
func (e *edit) there(kind int, id vitrine.ID) bool {
	if x, ok := e.changed[kind][id]; ok {
		return x.object != nil
	}
	return e.was.entry(kind, id).object != nil
}

func (e *edit) touched(kinds ...vitrine.Kind) bool {
	return slices.ContainsFunc(kinds, func(k vitrine.Kind) bool { return len(e.changed[kindNumber(k)]) > 0 })
}

// build compiles what the changes touch and checks what they may have broken.
func (e *edit) build() {
	p := e.p
	places := e.touched(scopeKinds...) && !p.patchScopes(&e.changed)
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
	rules := places || roles || e.touched(vitrine.KindConstraint)
	if rules || e.touched(vitrine.KindDeny) {
		p.buildRules()
	}
	e.bindings()
	e.keys()
	if rules {
		p.standSides()
		p.watch()
	}
	if e.touched(vitrine.KindPrincipal) {
		e.serve()
	}
	p.settingUp = !p.Enrolled()
}

// principals compiles changed principals and whoever is in a changed group;
// where somebody went, all.
func (e *edit) principals() {
	p := e.p
	changed := e.changed[principals]
	if len(changed) == 0 {
		return
	}
	for id, x := range changed {
		was, _ := e.was.Principal(id)
		now, _ := x.object.(*vitrine.Principal)
		e.everyRef = e.everyRef || now == nil || was != nil && was.Kind != now.Kind
	}
	if !e.everyRef {
		e.problems = append(e.problems, p.patchPrincipals(changed)...)
		return
	}
	for id, x := range changed {
		now, _ := x.object.(*vitrine.Principal)
		p.putPrincipal(id, now, x.changed)
	}
	e.problems = append(e.problems, p.buildPrincipals()...)
}

// check checks what changed, and everything where something went that others
// may refer to.
func (e *edit) check() {
	p := e.p
	for i, k := range vitrine.PolicyKinds {
		for _, x := range e.changed[i] {
			if x.object == nil && k != vitrine.KindBinding && k != vitrine.KindDeny && k != vitrine.KindConstraint &&
				k != vitrine.KindBudget && k != vitrine.KindCredential {
				e.everyRef = true
			}
		}
	}
	c := checker{p: p, changed: e.changed[bindings]}
	if e.everyRef {
		c.all(e.put(bindings))
	} else {
		for i := range vitrine.PolicyKinds {
			for _, id := range slices.Sorted(maps.Keys(e.changed[i])) {
				if o := e.changed[i][id].object; o != nil {
					c.check(o)
				}
			}
		}
	}
	var scopes []vitrine.ID
	for _, k := range scopeKinds {
		scopes = slices.AppendSeq(scopes, maps.Keys(e.changed[kindNumber(k)]))
	}
	if len(scopes) > 0 {
		slices.Sort(scopes)
		c.oneTree(slices.Compact(scopes))
	}
	if e.touched(vitrine.KindConstraint) {
		c.fewSides()
	}
	e.problems = append(e.problems, c.problems...)
}

// put are the changed objects of a kind that did not go.
func (e *edit) put(kind int) []entry {
	var all []entry
	for _, x := range e.changed[kind] {
		if x.object != nil {
			all = append(all, x)
		}
	}
	return all
}

// bindings compiles what those hold whose bindings changed.
func (e *edit) bindings() {
	p := e.p
	changed := e.changed[bindings]
	if len(changed) == 0 {
		return
	}
	binder := binder{p, map[int64]*made{}}
	fresh := map[int32][]bound{} // by holder
	type move struct {
		id       vitrine.ID
		from, to int32
	}
	var moves []move
	for id, x := range changed {
		from, _ := e.was.binding(id)
		to := none
		if now, ok := x.object.(*vitrine.Binding); ok {
			to, _ = p.who.find(now.Principal)
			fresh[to] = append(fresh[to], binder.bound(now, x.changed))
		}
		if from != none && fresh[from] == nil {
			fresh[from] = []bound{}
		}
		moves = append(moves, move{id, from, to})
	}
	for i, list := range fresh {
		for _, b := range p.who.at(i).held.bounds() {
			if _, touched := changed[b.id]; !touched {
				list = append(list, b)
			}
		}
		p.who.edit(i).hold(p.newHeld(list))
	}
	if !p.bindings.room(len(moves)) {
		p.reindexBindings() // of what is held by now, whole
		moves = nil
	}
	for _, m := range moves {
		p.moveBinding(m.id, m.from, m.to)
	}
	p.rewatch(fresh)
}

// moveBinding notes that a binding is held by another, by nobody yet or by
// nobody any more. There is room for it.
func (p *Policy) moveBinding(id vitrine.ID, from, to int32) {
	if from == to {
		return
	}
	h := hash(id)
	if from != none {
		i := p.bindings.find(h, func(n int32) bool { return n == from })
		p.bindings.slots.edit(i).number = dropped
	}
	if to == none {
		return
	}
	p.bindings.put(h, to)
}

func (p *Policy) reindexBindings() {
	live := 0
	for i := range p.who.n {
		live += len(p.who.at(i).held.bounds())
	}
	p.bindings = denseIndexOf(live + live/2)
	for i := range p.who.n {
		for _, b := range p.who.at(i).held.bounds() {
			p.bindings.put(hash(b.id), i)
		}
	}
}

func (e *edit) keys() {
	p := e.p
	changed := e.changed[kindNumber(vitrine.KindKey)]
	if len(changed) == 0 {
		return
	}
	p.keys.tidy(len(changed), func(k **key) bool { return *k != nil })
	for id, x := range changed {
		var now *key
		if k, ok := x.object.(*vitrine.Key); ok {
			now = p.newKey(k)
		}
		*p.keys.edit(p.keys.add(id)) = now
	}
}
