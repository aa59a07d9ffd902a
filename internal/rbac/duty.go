package rbac

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine"
)

// separate holds a static separation of duty for everybody whom the changes
// could have brought to break it. Who broke it before, and stands nowhere that
// they did not stand, does not block them.
func (a *admission) separate(c *vitrine.Constraint, touched []int32) error {
	was, _ := a.before.Object(c.Ref())
	old, _ := was.(*vitrine.Constraint)
	var who *principal
	for _, i := range touched {
		w := a.after.who.at(i)
		if !w.there() || w.object.Kind == vitrine.Group || who != nil && who.object.ID < w.object.ID {
			continue
		}
		now := a.after.stances(c, w, a.at)
		if sides, _ := a.after.most(c, now); len(sides) >= c.Max && !a.stood(old, c, w.object.ID, now) {
			who = w
		}
	}
	if who == nil {
		return nil
	}
	sides, where := a.after.most(c, a.after.stances(c, who, a.at))
	return refused(vitrine.CodeSoD, c.Ref(), "Separation of duty: %s. At %s, %s would be one who %s. Take one away first.",
		cmp.Or(c.Reason, string(c.ID)), where, who.object.ID, strings.Join(sides, " and "))
}

// stood reports whether a principal broke a separation of duty before, and
// gained nothing on any side.
func (a *admission) stood(old, c *vitrine.Constraint, id vitrine.ID, now []stance) bool {
	w := a.before.principal(id)
	if old == nil || w == nil || !sameJSON(old.Sets, c.Sets) {
		return false
	}
	had := a.before.stances(old, w, a.at)
	if sides, _ := a.before.most(old, had); len(sides) < old.Max {
		return false
	}
	return !slices.ContainsFunc(now, func(s stance) bool { return !slices.Contains(had, s) })
}

// touched are the principals that hold something else after the changes: those
// with a binding or a membership that changed and, when roles or constraints
// did, all.
func (a *admission) touched() []int32 {
	var roots []int32
	root := func(id vitrine.ID) {
		if n, w := a.after.who.find(id); w.there() {
			roots = append(roots, n)
		}
	}
	for _, c := range a.set.Changes {
		was, _ := a.before.Object(c.Ref)
		for _, o := range []vitrine.Object{was, c.Object} {
			switch o := o.(type) {
			case *vitrine.Binding:
				root(o.Principal)
			case *vitrine.Principal:
				root(o.ID)
				for _, id := range o.Members {
					root(id)
				}
			case *vitrine.Role, *vitrine.Constraint, *vitrine.Organization:
				return a.after.everybody()
			}
		}
	}
	return a.after.below(roots)
}

func (p *Policy) everybody() []int32 {
	all := make([]int32, p.who.n)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// stance is that a binding puts its holder on a side of a separation of duty, at
// a place: the organization or a project with all that lies in it.
type stance struct {
	binding vitrine.ID
	side    int
	place   int32
}

// stances are those of a principal. Bindings that begin later or have a condition
// count; those that are over do not, nor do disabled roles.
func (p *Policy) stances(c *vitrine.Constraint, w *principal, at time.Time) []stance {
	scope := p.orgScope
	if c.Scope != "" {
		scope, _ = p.scope(c.Scope)
	}
	var all []stance
	p.anyBound(w, func(b *bound) bool {
		r := p.roles[b.role]
		if !r.on || b.ended(at) || !p.overlaps(b.scope, scope) {
			return false
		}
		place := p.scopes.at(b.scope).project
		if place == none {
			place = p.orgScope
		}
		for i := range c.Sets {
			if p.stands(r, &c.Sets[i]) {
				all = append(all, stance{b.id, i, place})
			}
		}
		return false
	})
	return all
}

// most are the sides on which somebody stands at one place, those of the whole
// organization included, and the place; of several places that with most.
func (p *Policy) most(c *vitrine.Constraint, all []stance) (sides []string, where vitrine.ID) {
	for i, at := range all {
		if slices.ContainsFunc(all[:i], func(s stance) bool { return s.place == at.place }) {
			continue
		}
		var here []string
		for side := range c.Sets {
			if slices.ContainsFunc(all, func(s stance) bool { return s.side == side && (s.place == at.place || s.place == p.orgScope) }) {
				here = append(here, sideName(&c.Sets[side]))
			}
		}
		if id := p.scopes.id(at.place); len(here) > len(sides) || len(here) == len(sides) && id < where {
			sides, where = here, id
		}
	}
	return sides, where
}

// sideName says what whoever stands on a side does.
func sideName(s *vitrine.RoleSet) string {
	if s.Name != "" {
		return s.Name
	}
	words := make([]string, 0, len(s.Roles)+len(s.Permissions))
	for _, id := range s.Roles {
		words = append(words, string(id))
	}
	for _, p := range s.Permissions {
		words = append(words, string(p))
	}
	return "has " + strings.Join(words, " or ")
}
