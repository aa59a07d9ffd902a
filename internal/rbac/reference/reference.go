// Package reference is the access model of docs/model.md a second time: read
// aloud, one sentence after the other, with lists that are walked from end to
// end. It is what tests hold package rbac against, question by question, and
// nothing else uses it.
//
// It shares no code with rbac and none with cond: it knows the nouns, and has
// an evaluator of its own for the conditions that tests write. It finds things
// by id, and works out once for each world which groups, roles and places lie
// within which; it changes nothing and remembers no answer, so that there is
// nothing in it to be out of date.
//
// The invariant: what stands here stands in docs/model.md, and nothing is here
// because the engine does it so. Where the two disagree, the document says who
// is wrong; where it does not say, it is the document that is mended.
//
// The surprising choice: an answer holds every binding and every code that the
// model would accept, not one. Which of two equal reasons is told is no part of
// the model, and the engine may choose.
package reference

import (
	"net/netip"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// World is all there is: the objects of a policy, by id, and what follows from
// them alone.
type World struct {
	objects    []vitrine.Object
	byRef      map[vitrine.Ref]vitrine.Object
	org        *vitrine.Organization
	roles      map[vitrine.ID]*vitrine.Role
	people     map[vitrine.ID]*vitrine.Principal
	keys       map[vitrine.ID]*vitrine.Key
	principals []*vitrine.Principal
	bindings   []*vitrine.Binding
	denies     []*vitrine.Deny

	constraints []*vitrine.Constraint
	conditions  map[string]expression
	in          map[vitrine.ID][]vitrine.ID // groups of a principal
	borne       map[vitrine.ID][]vitrine.ID // of these those that are enabled, by way of such
	closures    map[vitrine.ID][]vitrine.ID // roles that a role includes, and itself
	effective   map[vitrine.ID][]vitrine.ID // of these those that are enabled, by way of such
	above       map[vitrine.ID][]vitrine.ID // places above a place, and itself
	settingUp   bool
}

// Caller is who asks, and how. Its fields are those of the engine's Subject.
type Caller struct {
	Principal  vitrine.ID
	Credential vitrine.ID
	Key        bool
	Roles      []vitrine.ID
	For        vitrine.ID
	MFA        time.Time
	Address    netip.Addr
	EndUser    string
	System     bool
}

// Question is one question.
type Question struct {
	Caller     Caller
	Permission vitrine.Permission
	Resource   vitrine.Resource
	At         time.Time
}

// New is the world of some objects, which must make sense (see Problem).
func New(objects []vitrine.Object) *World {
	ids := func() map[vitrine.ID][]vitrine.ID { return map[vitrine.ID][]vitrine.ID{} }
	w := &World{objects: objects, byRef: map[vitrine.Ref]vitrine.Object{}, roles: map[vitrine.ID]*vitrine.Role{},
		people: map[vitrine.ID]*vitrine.Principal{}, keys: map[vitrine.ID]*vitrine.Key{}, conditions: map[string]expression{},
		in: ids(), borne: ids(), closures: ids(), effective: ids(), above: ids()}
	for _, o := range objects {
		w.byRef[o.Ref()] = o
		w.add(o)
	}
	for _, o := range objects {
		switch id := o.Ref().ID; o.Ref().Kind {
		case vitrine.KindPrincipal:
			w.in[id], w.borne[id] = w.climb(id, true), w.climb(id, false)
		case vitrine.KindRole:
			w.closures[id], w.effective[id] = w.descend(id, true), w.descend(id, false)
		case vitrine.KindOrganization, vitrine.KindProject, vitrine.KindDataset, vitrine.KindDeployment:
			w.above[id] = w.rise(id)
		}
	}
	w.settingUp = w.isSettingUp()
	return w
}

func (w *World) add(o vitrine.Object) {
	switch o := o.(type) {
	case *vitrine.Organization:
		w.org = o
	case *vitrine.Principal:
		w.principals = append(w.principals, o)
		w.people[o.ID] = o
	case *vitrine.Role:
		w.roles[o.ID] = o
	case *vitrine.Key:
		w.keys[o.ID] = o
	case *vitrine.Binding:
		w.bindings = append(w.bindings, o)
	case *vitrine.Deny:
		w.denies = append(w.denies, o)
	case *vitrine.Constraint:
		w.constraints = append(w.constraints, o)
	}
}

// Objects lists what the world was made of.
func (w *World) Objects() []vitrine.Object { return w.objects }

// After is the world after changes, made one after the other.
func (w *World) After(changes []vitrine.Change) *World {
	objects := slices.Clone(w.objects)
	for _, c := range changes {
		objects = slices.DeleteFunc(objects, func(o vitrine.Object) bool { return o.Ref() == c.Ref })
		if c.Object != nil {
			objects = append(objects, c.Object)
		}
	}
	return New(objects)
}

func find[T vitrine.Object](w *World, k vitrine.Kind, id vitrine.ID) (T, bool) {
	t, ok := w.byRef[vitrine.Ref{Kind: k, ID: id}].(T)
	return t, ok
}

func (w *World) principal(id vitrine.ID) *vitrine.Principal { return w.people[id] }
func (w *World) role(id vitrine.ID) *vitrine.Role           { return w.roles[id] }
func (w *World) key(id vitrine.ID) *vitrine.Key             { return w.keys[id] }

// places lists a place and those above it, to the organization; none where
// there is no such place.
func (w *World) places(id vitrine.ID) []vitrine.ID { return w.above[id] }

func (w *World) rise(id vitrine.ID) []vitrine.ID {
	if w.org == nil {
		return nil
	}
	if id == w.org.ID {
		return []vitrine.ID{id}
	}
	switch p := w.projectOf(id); {
	case p == nil:
		return nil
	case p.ID == id:
		return []vitrine.ID{id, w.org.ID}
	default:
		return []vitrine.ID{id, p.ID, w.org.ID}
	}
}

// projectOf is the project that a place is, or lies in.
func (w *World) projectOf(id vitrine.ID) *vitrine.Project {
	if d, ok := find[*vitrine.Dataset](w, vitrine.KindDataset, id); ok {
		id = d.Project
	} else if d, ok := find[*vitrine.Deployment](w, vitrine.KindDeployment, id); ok {
		id = d.Project
	}
	p, _ := find[*vitrine.Project](w, vitrine.KindProject, id)
	return p
}

// within reports whether a place is another or lies below it.
func (w *World) within(id, top vitrine.ID) bool { return slices.Contains(w.places(id), top) }

// under is within, where no top is the organization.
func (w *World) under(id, top vitrine.ID) bool {
	return top == "" && w.places(id) != nil || w.within(id, top)
}

// overlap reports whether one of two places lies in the other.
func (w *World) overlap(a, b vitrine.ID) bool { return w.within(a, b) || w.within(b, a) }

// groups lists the groups that a principal is in, directly or through others.
// Those that are disabled count where all is asked for.
func (w *World) groups(id vitrine.ID, all bool) []vitrine.ID {
	if all {
		return w.in[id]
	}
	return w.borne[id]
}

func (w *World) climb(id vitrine.ID, all bool) []vitrine.ID {
	var found []vitrine.ID
	member := func(g *vitrine.Principal) bool {
		return slices.ContainsFunc(g.Members, func(m vitrine.ID) bool { return m == id || slices.Contains(found, m) })
	}
	for again := true; again; {
		again = false
		for _, g := range w.principals {
			if g.Kind == vitrine.Group && (all || !g.Disabled) && !slices.Contains(found, g.ID) && member(g) {
				found, again = append(found, g.ID), true
			}
		}
	}
	return found
}

// active reports whether somebody is there who may do anything: a person or a
// service account that is not disabled.
func (w *World) active(id vitrine.ID) bool {
	p := w.principal(id)
	return p != nil && !p.Disabled && p.Kind != vitrine.Group
}

// Owner is the id of the role whose holders own the installation.
const Owner vitrine.ID = "owner"

// isSettingUp reports whether too few owners have enrolled yet.
func (w *World) isSettingUp() bool {
	if w.org == nil {
		return true
	}
	enrolled := 0
	for _, p := range w.surely(Owner, w.org.ID, forever) {
		if !p.Enrolled.IsZero() {
			enrolled++
		}
	}
	return enrolled < w.fewest()
}

// forever is when every binding has begun.
var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// fewest is how many owners there must be.
func (w *World) fewest() int {
	if w.org.Solo {
		return 1
	}
	return 2
}

// surely lists those who hold a role at a place, whatever happens: active people,
// bound for good and without a condition, by roles and groups that are enabled,
// and from whom no deny withholds the lifting of denies.
func (w *World) surely(role, place vitrine.ID, at time.Time) []*vitrine.Principal {
	var sure []*vitrine.Principal
	for _, p := range w.principals {
		bound := slices.ContainsFunc(w.bindings, func(b *vitrine.Binding) bool {
			return w.reaches(b, p.ID) && w.within(place, b.Scope) && b.Until.IsZero() && b.Condition == "" && !at.Before(b.From) && slices.Contains(w.enabled(b.Role), role)
		})
		if p.Kind == vitrine.User && !p.Disabled && bound && len(w.denying(vitrine.DenyEdit, place, p.ID)) == 0 {
			sure = append(sure, p)
		}
	}
	return sure
}

// closure lists a role and all that it includes.
func (w *World) closure(id vitrine.ID) []vitrine.ID { return w.closures[id] }

// enabled lists an enabled role and what it includes by way of enabled ones: a
// disabled role authorizes nothing, neither itself nor by what it includes.
func (w *World) enabled(id vitrine.ID) []vitrine.ID { return w.effective[id] }

func (w *World) descend(id vitrine.ID, all bool) []vitrine.ID {
	var found []vitrine.ID
	for todo := []vitrine.ID{id}; len(todo) > 0; todo = todo[1:] {
		if r := w.role(todo[0]); r != nil && (all || !r.Disabled) && !slices.Contains(found, r.ID) {
			found = append(found, r.ID)
			todo = append(todo, r.Includes...)
		}
	}
	return found
}
