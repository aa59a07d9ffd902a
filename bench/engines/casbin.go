package main

import (
	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"vitrine.dev/vitrine"
)

// casbinEngine asks Casbin. It reads its rules one after the other for every
// question, so its best encoding has as few as can be: roles with domains, where
// a rule is what a role lets do, the project is the domain, and each binding is
// a link in it. Links hold in one domain only, so memberships are repeated in
// each where the group has a role. (Tried and 6 times slower: a rule for each
// binding.) It is asked about the project: datasets would be links too.
type casbinEngine struct {
	cached   bool // asked each question before: the answer is in its cache
	enforce  func(rvals ...any) (bool, error)
	requests [][]any
}

const casbinModel = `
[request_definition]
r = sub, project, act

[policy_definition]
p = role, act

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.act == p.act && g(r.sub, p.role, r.project)
`

func (e *casbinEngine) load(w *world) error {
	m, err := model.NewModelFromString(casbinModel)
	if err != nil {
		return err
	}
	enforcer, err := e.enforcer(m)
	if err != nil {
		return err
	}
	var rules [][]string
	for role, actions := range w.actions {
		for _, a := range actions {
			rules = append(rules, []string{string(role), a})
		}
	}
	if _, err := enforcer.AddPolicies(rules); err != nil {
		return err
	}
	if _, err := enforcer.AddGroupingPolicies(links(w)); err != nil {
		return err
	}
	for _, q := range w.questions {
		e.requests = append(e.requests, e.request(w, q.User, q.Dataset, q.Action()))
	}
	return e.warm()
}

// links are the bindings and, in each project where a group has a role, its
// members and theirs. Casbin adds all of a list or, where one stands twice, none.
func links(w *world) [][]string {
	members := map[vitrine.ID][]vitrine.ID{}
	for member, group := range w.up {
		members[group] = append(members[group], member)
	}
	var all [][]string
	seen := map[[3]vitrine.ID]bool{}
	link := func(low, high, project vitrine.ID) bool {
		l := [3]vitrine.ID{low, high, project}
		if seen[l] {
			return false
		}
		seen[l] = true
		all = append(all, []string{string(low), string(high), string(project)})
		return true
	}
	var enter func(group, project vitrine.ID)
	enter = func(group, project vitrine.ID) {
		for _, m := range members[group] {
			if link(m, group, project) {
				enter(m, project)
			}
		}
	}
	for _, b := range w.Bindings {
		link(b.Principal, b.Role, b.Scope)
		enter(b.Principal, b.Scope)
	}
	return all
}

func (e *casbinEngine) enforcer(m model.Model) (*casbin.Enforcer, error) {
	if !e.cached {
		plain, err := casbin.NewEnforcer(m)
		if err != nil {
			return nil, err
		}
		e.enforce = plain.Enforce
		return plain, nil
	}
	cached, err := casbin.NewCachedEnforcer(m)
	if err != nil {
		return nil, err
	}
	e.enforce = cached.Enforce
	return cached.Enforcer, nil
}

func (e *casbinEngine) request(w *world, user, dataset vitrine.ID, action string) []any {
	return []any{string(user), string(w.project[dataset]), action}
}

// warm fills the cache, if there is one.
func (e *casbinEngine) warm() error {
	if !e.cached {
		return nil
	}
	for i := range e.requests {
		if _, err := e.ask(i); err != nil {
			return err
		}
	}
	return nil
}

func (e *casbinEngine) ask(i int) (bool, error) { return e.enforce(e.requests[i]...) }
