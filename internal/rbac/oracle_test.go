package rbac_test

import (
	"math/bits"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/cond"
	"vitrine.dev/vitrine/internal/rbac"
)

// oracle decides by reading the objects one after the other, as slowly and as
// plainly as the access model is written. Tests hold the engine against it.
type oracle struct {
	objects  []vitrine.Object
	enrolled bool // set-up is finished
}

func all[T vitrine.Object](o *oracle) []T {
	var found []T
	for _, x := range o.objects {
		if t, ok := x.(T); ok {
			found = append(found, t)
		}
	}
	return found
}

func one[T vitrine.Object](o *oracle, id vitrine.ID) (T, bool) {
	for _, t := range all[T](o) {
		if t.Ref().ID == id {
			return t, true
		}
	}
	var none T
	return none, false
}

// allows is whether the access model allows it.
func (o *oracle) allows(q *rbac.Question) bool {
	s := q.Subject
	if s.Principal == "" || q.Resource.Kind == "" || !o.active(s.Principal) {
		return false
	}
	person := s.For
	k, found := one[*vitrine.Key](o, s.Credential)
	if s.Key && !found {
		return false
	}
	if found {
		who, _ := one[*vitrine.Principal](o, s.Principal)
		if k.Principal != s.Principal || !k.Revoked.IsZero() || k.Epoch < who.Epoch || !k.Expires.IsZero() && !q.At.Before(k.Expires) {
			return false
		}
		if person = k.For; person == "" {
			person = s.For
		} else if s.For != "" && s.For != person {
			return false
		}
	} else {
		k = nil
	}
	if !o.allowsOne(q, s.Principal, k, s.Roles) {
		return false
	}
	return person == "" || o.active(person) && o.allowsOne(q, person, nil, nil)
}

func (o *oracle) active(id vitrine.ID) bool {
	p, ok := one[*vitrine.Principal](o, id)
	return ok && !p.Disabled && p.Kind != vitrine.Group
}

// above lists a scope and those above it; none where it is unknown.
func (o *oracle) above(id vitrine.ID) []vitrine.ID {
	org := all[*vitrine.Organization](o)[0].ID
	if id == org {
		return []vitrine.ID{org}
	}
	if _, ok := one[*vitrine.Project](o, id); ok {
		return []vitrine.ID{id, org}
	}
	if d, ok := one[*vitrine.Dataset](o, id); ok {
		return []vitrine.ID{id, d.Project, org}
	}
	if d, ok := one[*vitrine.Deployment](o, id); ok {
		return []vitrine.ID{id, d.Project, org}
	}
	return nil
}

func (o *oracle) in(id, top vitrine.ID) bool {
	return top == "" || slices.Contains(o.above(id), top)
}

// reach lists a principal and all its groups.
func (o *oracle) reach(id vitrine.ID) []vitrine.ID {
	return o.climb(id, func(*vitrine.Principal) bool { return true })
}

// bears lists a principal and those of its groups whose bindings count.
func (o *oracle) bears(id vitrine.ID) []vitrine.ID {
	return o.climb(id, func(g *vitrine.Principal) bool { return !g.Disabled })
}

func (o *oracle) climb(id vitrine.ID, through func(*vitrine.Principal) bool) []vitrine.ID {
	reach := []vitrine.ID{id}
	for again := true; again; {
		again = false
		for _, g := range all[*vitrine.Principal](o) {
			in := through(g) && slices.ContainsFunc(g.Members, func(m vitrine.ID) bool { return slices.Contains(reach, m) })
			if in && !slices.Contains(reach, g.ID) {
				reach, again = append(reach, g.ID), true
			}
		}
	}
	return reach
}

// with lists a role and all that it includes.
func (o *oracle) with(id vitrine.ID) []vitrine.ID {
	roles := []vitrine.ID{id}
	for i := 0; i < len(roles); i++ {
		r, _ := one[*vitrine.Role](o, roles[i])
		roles = append(roles, r.Includes...)
	}
	return roles
}

func (o *oracle) enabled(id vitrine.ID) bool {
	r, ok := one[*vitrine.Role](o, id)
	return ok && !r.Disabled
}

// activeRoles are the roles that count under a binding.
func (o *oracle) activeRoles(b *vitrine.Binding, k *vitrine.Key, session []vitrine.ID) []vitrine.ID {
	if !o.enabled(b.Role) {
		return nil
	}
	narrowed := k != nil && len(k.Roles) > 0 || session != nil
	if !narrowed {
		return []vitrine.ID{b.Role}
	}
	return slices.DeleteFunc(o.with(b.Role), func(r vitrine.ID) bool {
		return !o.enabled(r) || k != nil && len(k.Roles) > 0 && !slices.Contains(k.Roles, r) || session != nil && !slices.Contains(session, r)
	})
}

func inTime(b *vitrine.Binding, at time.Time) bool {
	return (b.From.IsZero() || !at.Before(b.From)) && (b.Until.IsZero() || at.Before(b.Until))
}

func (o *oracle) allowsOne(q *rbac.Question, who vitrine.ID, k *vitrine.Key, session []vitrine.ID) bool {
	info, ok := q.Permission.Info()
	p, _ := one[*vitrine.Principal](o, who)
	if !ok || !o.enrolled && !info.Setup || info.People && p.Kind != vitrine.User || o.denied(q, who) || o.forbidden(q) {
		return false
	}
	if k != nil && !o.in(q.Resource.Scope, k.Scope) {
		return false
	}
	if e := o.environment(q.Resource.Scope); p.Kind == vitrine.Service && p.Environment != "" && e != "" && e != p.Environment {
		return false
	}
	reach, above := o.bears(who), o.above(q.Resource.Scope)
	for _, b := range all[*vitrine.Binding](o) {
		if !slices.Contains(reach, b.Principal) || !slices.Contains(above, b.Scope) || !inTime(b, q.At) || !o.holds(b, q, who) {
			continue
		}
		for _, r := range o.activeRoles(b, k, session) {
			if o.grants(r, q) && !o.gated(r, q) && !o.broken(r, q, who, k, session) {
				return true
			}
		}
	}
	return false
}

func (o *oracle) environment(scope vitrine.ID) vitrine.Environment {
	for _, id := range o.above(scope) {
		if p, ok := one[*vitrine.Project](o, id); ok {
			return p.Environment
		}
	}
	return ""
}

func (o *oracle) holds(b *vitrine.Binding, q *rbac.Question, who vitrine.ID) bool {
	if b.Condition == "" {
		return true
	}
	c, ok := compiled[b.Condition]
	if !ok {
		c, _ = cond.Compile(b.Condition)
		compiled[b.Condition] = c
	}
	if c == nil {
		return false
	}
	f := cond.Facts{Now: q.At, MFA: q.Subject.MFA, Address: q.Subject.Address, EndUser: q.Subject.EndUser, Principal: who,
		Scope: q.Resource.Scope, Category: q.Resource.Category, Tier: q.Resource.Tier, Environment: o.environment(q.Resource.Scope), Owner: q.Resource.Owner}
	if q.Subject.Key {
		f.Key = q.Subject.Credential
	}
	ok, err := c.Eval(&f)
	return ok && err == nil
}

// compiled are the conditions that tests have met.
var compiled = map[string]*cond.Program{}

// grants is whether one grant of a role, or of those that it includes, holds all
// that is asked.
func (o *oracle) grants(role vitrine.ID, q *rbac.Question) bool {
	for _, id := range o.with(role) {
		if id != role && !o.enabled(id) {
			continue
		}
		r, _ := one[*vitrine.Role](o, id)
		if slices.ContainsFunc(r.Grants, func(g vitrine.Grant) bool { return covers(o, &g, q) }) {
			return true
		}
	}
	return false
}

func covers(o *oracle, g *vitrine.Grant, q *rbac.Question) bool {
	info, _ := q.Permission.Info()
	r := &q.Resource
	holds := slices.ContainsFunc(g.Permissions, func(p vitrine.Permission) bool { return p.Implies(q.Permission) })
	if g.NoUse || !holds {
		return false
	}
	if info.Data && (!slices.Contains(g.Categories, r.Category) || !slices.Contains(g.Tiers, r.Tier.Effective())) {
		return false
	}
	if info.Kind != vitrine.KindDeployment {
		return true
	}
	model := r.Model
	if d, ok := one[*vitrine.Deployment](o, r.Scope); ok {
		model = d.Model
	}
	within := func(list []string, x string) bool { return len(list) == 0 || slices.Contains(list, x) }
	return within(g.Models, model) && (r.Format == "" || within(g.Formats, r.Format)) &&
		(r.ResponseFormat == "" || within(g.ResponseFormats, r.ResponseFormat)) &&
		(g.MaxWidth == 0 || r.Width <= g.MaxWidth) && (g.MaxHeight == 0 || r.Height <= g.MaxHeight) && (g.MaxN == 0 || r.N <= g.MaxN)
}

// named is whether a permission is one of some, or includes one of them.
func named(some []vitrine.Permission, p vitrine.Permission) bool {
	return slices.ContainsFunc(some, p.Implies)
}

func (o *oracle) denied(q *rbac.Question, who vitrine.ID) bool {
	reach := o.reach(who)
	in := func(id vitrine.ID) bool { return slices.Contains(reach, id) }
	spared := func(id vitrine.ID) bool { return slices.Contains(o.bears(who), id) }
	return slices.ContainsFunc(all[*vitrine.Deny](o), func(d *vitrine.Deny) bool {
		return named(d.Permissions, q.Permission) && o.in(q.Resource.Scope, d.Scope) && !slices.ContainsFunc(d.Except, spared) &&
			(slices.Contains(d.Principals, vitrine.Everyone) || slices.ContainsFunc(d.Principals, in))
	})
}

func tiered(c *vitrine.Constraint, q *rbac.Question) bool {
	return len(c.Tiers) == 0 || slices.Contains(c.Tiers, q.Resource.Tier.Effective())
}

func (o *oracle) forbidden(q *rbac.Question) bool {
	return slices.ContainsFunc(all[*vitrine.Constraint](o), func(c *vitrine.Constraint) bool {
		return c.Kind == vitrine.Formats && o.in(q.Resource.Scope, c.Scope) && tiered(c, q) && slices.Contains(c.ResponseFormats, q.Resource.ResponseFormat)
	})
}

func (o *oracle) gated(role vitrine.ID, q *rbac.Question) bool {
	fresh := func(most time.Duration) bool {
		age := q.At.Sub(q.Subject.MFA)
		return !q.Subject.MFA.IsZero() && age <= most && age >= -most
	}
	return slices.ContainsFunc(all[*vitrine.Constraint](o), func(c *vitrine.Constraint) bool {
		if c.Kind != vitrine.MFA && c.Kind != vitrine.Keys || !o.in(q.Resource.Scope, c.Scope) || !tiered(c, q) ||
			len(c.Permissions) > 0 && !named(c.Permissions, q.Permission) || c.Role != "" && !slices.Contains(o.with(role), c.Role) {
			return false
		}
		if c.Kind == vitrine.Keys {
			return q.Subject.Key
		}
		return !fresh(time.Duration(c.MaxAge))
	})
}

// stands is whether a role stands on a side of a separation of duty.
func (o *oracle) stands(role vitrine.ID, s *vitrine.RoleSet) bool {
	return slices.ContainsFunc(o.with(role), func(id vitrine.ID) bool {
		if slices.Contains(s.Roles, id) {
			return true
		}
		r, _ := one[*vitrine.Role](o, id)
		if r.Disabled && id != role {
			return false
		}
		return slices.ContainsFunc(r.Grants, func(g vitrine.Grant) bool {
			return !g.NoUse && slices.ContainsFunc(s.Permissions, func(p vitrine.Permission) bool {
				info, _ := p.Info()
				held := slices.ContainsFunc(g.Permissions, func(q vitrine.Permission) bool { return q.Implies(p) })
				return held && (!info.Data || len(g.Tiers) > 0 && slices.ContainsFunc(g.Categories, func(c vitrine.Category) bool {
					return len(s.Categories) == 0 || slices.Contains(s.Categories, c)
				}))
			})
		})
	})
}

// broken is whether a role takes part in a dynamic separation of duty that is
// broken in this session.
func (o *oracle) broken(role vitrine.ID, q *rbac.Question, who vitrine.ID, k *vitrine.Key, session []vitrine.ID) bool {
	overlap := func(a, b vitrine.ID) bool { return o.in(a, b) || o.in(b, a) }
	reach := o.bears(who)
	for _, c := range all[*vitrine.Constraint](o) {
		if c.Kind != vitrine.DynamicSoD || !o.in(q.Resource.Scope, c.Scope) {
			continue
		}
		var active, mine uint
		for i := range c.Sets {
			for _, b := range all[*vitrine.Binding](o) {
				if !slices.Contains(reach, b.Principal) || !inTime(b, q.At) || c.Scope != "" && !overlap(b.Scope, c.Scope) || k != nil && k.Scope != "" && !overlap(b.Scope, k.Scope) {
					continue
				}
				for _, r := range o.activeRoles(b, k, session) {
					if o.stands(r, &c.Sets[i]) {
						active |= 1 << i
					}
				}
			}
			if o.stands(role, &c.Sets[i]) {
				mine |= 1 << i
			}
		}
		if bits.OnesCount(active) >= c.Max && active&mine != 0 {
			return true
		}
	}
	return false
}
