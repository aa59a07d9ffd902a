package rbac

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine"
)

// checker gathers what is wrong with one object after another.
type checker struct {
	p        *Policy
	ref      vitrine.Ref
	problems Problems
	own      bool                 // p.programs is p's own and may be added to
	changed  map[vitrine.ID]entry // bindings that change
}

// all checks every object. Bindings are those given and, of those that are held
// already, what they refer to.
func (c *checker) all(bound []entry) {
	for i := range vitrine.PolicyKinds {
		if i != bindings {
			c.p.each(i, c.check)
		}
	}
	for _, e := range bound {
		c.check(e.object)
	}
	c.held()
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(kindNumber(a.Ref.Kind), kindNumber(b.Ref.Kind)), cmp.Compare(a.Ref.ID, b.Ref.ID))
	})
}

// held checks that what bindings refer to is still there.
func (c *checker) held() {
	p := c.p
	for i := range p.who.n {
		w := p.who.at(i)
		for j := range w.held.bounds() {
			b := &w.held.list[j]
			if w.there() && p.roles[b.role] != nil && p.scopes.at(b.scope).depth > 0 {
				continue
			}
			if _, changes := c.changed[b.id]; !changes {
				c.check(p.unbound(i, b))
			}
		}
	}
}

func (c *checker) bad(field, format string, args ...any) {
	c.problems = append(c.problems, Problem{c.ref, field, fmt.Sprintf(format, args...)})
}

// check checks an object by itself and that what it refers to is there.
func (c *checker) check(o vitrine.Object) {
	c.ref = o.Ref()
	if c.ref.Kind != vitrine.KindDeployment && !c.ref.ID.Valid() {
		c.bad("", "%q is no id", string(c.ref.ID))
	}
	switch o := o.(type) {
	case *vitrine.Project:
		c.project(o)
	case *vitrine.Dataset:
		c.dataset(o)
	case *vitrine.Deployment:
		c.deployment(o)
	case *vitrine.Provider:
		word(c, "kind", o.Kind, vitrine.OpenAI, vitrine.NanoGPT, vitrine.Automatic1111, vitrine.Stability, vitrine.Studio)
	case *vitrine.Credential:
		c.exists("provider", vitrine.KindProvider, o.Provider)
		c.each("projects", vitrine.KindProject, o.Projects)
		c.each("roles", vitrine.KindRole, o.Roles)
	case *vitrine.Role:
		c.role(o)
	case *vitrine.Principal:
		c.principal(o)
	case *vitrine.Key:
		c.key(o)
	case *vitrine.Binding:
		c.binding(o)
	case *vitrine.Deny:
		c.deny(o)
	case *vitrine.Constraint:
		c.constraint(o)
	case *vitrine.Budget:
		c.budget(o)
	}
}

// exists reports an id that dangles.
func (c *checker) exists(field string, k vitrine.Kind, id vitrine.ID) bool {
	if _, ok := c.p.Object(vitrine.Ref{Kind: k, ID: id}); ok {
		return true
	}
	if id == "" {
		c.bad(field, "%s is missing", field)
	} else {
		c.bad(field, "there is no %s %q", k, string(id))
	}
	return false
}

func (c *checker) maybe(field string, k vitrine.Kind, id vitrine.ID) {
	if id != "" {
		c.exists(field, k, id)
	}
}

func (c *checker) each(field string, k vitrine.Kind, ids []vitrine.ID) {
	for i, id := range ids {
		c.exists(item(field, i), k, id)
	}
}

func (c *checker) scope(field string, id vitrine.ID) {
	if _, ok := c.p.scope(id); ok {
		return
	}
	if id == "" {
		c.bad(field, "%s is missing", field)
	} else {
		c.bad(field, "there is no scope %q", string(id))
	}
}

// someone is a principal that is no group.
func (c *checker) someone(field string, id vitrine.ID) {
	if c.exists(field, vitrine.KindPrincipal, id) && c.p.principal(id).object.Kind == vitrine.Group {
		c.bad(field, "%q is a group", string(id))
	}
}

func (c *checker) person(field string, id vitrine.ID) {
	if c.exists(field, vitrine.KindPrincipal, id) && !c.p.principal(id).object.Human() {
		c.bad(field, "%q is no person", string(id))
	}
}

func item(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

func word[T ~string](c *checker, field string, w T, known ...T) {
	for _, k := range known {
		if w == k {
			return
		}
	}
	c.bad(field, "unknown word %q", string(w))
}

func (c *checker) permissions(field string, ps []vitrine.Permission) {
	for i, p := range ps {
		if number(p) == noPermission {
			c.bad(item(field, i), "unknown permission %q", string(p))
		}
	}
}

func (c *checker) categories(field string, all []vitrine.Category) {
	for i, x := range all {
		if x.String() == "" {
			c.bad(item(field, i), "unknown category")
		}
	}
}

func (c *checker) tiers(field string, all []vitrine.Tier) {
	for i, x := range all {
		if x.String() == "" {
			c.bad(item(field, i), "unknown tier")
		}
	}
}

// oneTree reports scopes that share an id, and more than one organization.
func (c *checker) oneTree(ids []vitrine.ID) {
	for n, o := range c.p.Objects(vitrine.KindOrganization) {
		if c.ref = o.Ref(); n > 0 {
			c.bad("", "there is one organization at most")
		}
	}
	first := map[vitrine.ID]vitrine.Kind{}
	for _, k := range scopeKinds {
		for _, id := range ids {
			c.ref = vitrine.Ref{Kind: k, ID: id}
			if _, there := c.p.Object(c.ref); !there {
				continue
			}
			if other, twice := first[id]; twice {
				c.bad("", "there is a %s with this id; scopes share one space of ids", other)
			}
			first[id] = k
		}
	}
}

// scopeIDs are the ids that scopes might share: none where there are as many
// places in the tree as scopes.
func (p *Policy) scopeIDs() []vitrine.ID {
	var ids []vitrine.ID
	places := 0
	for i := range p.scopes.n {
		if p.scopes.at(i).depth > 0 {
			places++
		}
	}
	for _, k := range scopeKinds {
		places -= len(p.Objects(k))
	}
	if places == 0 {
		return nil
	}
	for i := range p.scopes.n {
		ids = append(ids, p.scopes.id(i))
	}
	slices.Sort(ids)
	return ids
}

// fewSides reports more dynamic separations of duty than fit into a word.
func (c *checker) fewSides() {
	sides := 0
	for _, o := range c.p.Objects(vitrine.KindConstraint) {
		if x, ok := o.(*vitrine.Constraint); ok && x.Kind == vitrine.DynamicSoD {
			if sides += len(x.Sets); sides > maxSides {
				c.ref = x.Ref()
				c.bad("sets", "all dynamic separations of duty together have at most %d sets", maxSides)
				return
			}
		}
	}
}

func (c *checker) environment(e vitrine.Environment) {
	word(c, "environment", e, vitrine.Experimental, vitrine.Staging, vitrine.Production)
}

func (c *checker) project(o *vitrine.Project) {
	c.environment(o.Environment)
	if c.p.org == nil {
		c.bad("", "there is no organization that it could lie in")
	}
}

func (c *checker) dataset(o *vitrine.Dataset) {
	c.exists("project", vitrine.KindProject, o.Project)
	if o.Category.String() == "" {
		c.bad("category", "category is missing")
	}
	if o.BirthTier > vitrine.Restricted {
		c.bad("birth_tier", "unknown tier")
	}
	c.maybe("owner", vitrine.KindPrincipal, o.Owner)
	c.keeping(o)
}

func (c *checker) deployment(o *vitrine.Deployment) {
	if project, model, ok := vitrine.SplitDeployment(o.ID); !ok || project != o.Project || model != o.Model {
		c.bad("", "%q is not the id of model %q in project %q", string(o.ID), o.Model, string(o.Project))
	}
	c.exists("project", vitrine.KindProject, o.Project)
	c.exists("provider", vitrine.KindProvider, o.Provider)
	if p := o.Price; p != nil {
		if p.Image < 0 {
			c.bad("price", "a price is not below zero")
		}
		for i, r := range p.Rules {
			if r.Image < 0 {
				c.bad(item("price.rules", i), "a price is not below zero")
			}
		}
	}
	if l := o.Limits; l.MaxN < 0 || l.Prompt < 0 || l.PerMinute < 0 {
		c.bad("limits", "a limit is not below zero")
	}
}

func (c *checker) role(o *vitrine.Role) {
	c.each("includes", vitrine.KindRole, o.Includes)
	for i := range o.Grants {
		g, at := &o.Grants[i], item("grants", i)
		if len(g.Permissions) == 0 {
			c.bad(at, "a grant without permissions grants nothing")
		}
		c.permissions(at+".permissions", g.Permissions)
		c.categories(at+".categories", g.Categories)
		c.tiers(at+".tiers", g.Tiers)
		if g.MaxWidth < 0 || g.MaxHeight < 0 || g.MaxN < 0 {
			c.bad(at, "a limit is not below zero")
		}
	}
}

func (c *checker) principal(o *vitrine.Principal) {
	word(c, "kind", o.Kind, vitrine.User, vitrine.Service, vitrine.Group)
	switch o.Kind {
	case vitrine.Service:
		word(c, "kind", o.Service, "", vitrine.Pipeline, vitrine.Agent, vitrine.ModelRunner, vitrine.Application)
		if o.Environment != "" {
			c.environment(o.Environment)
		}
		if o.Owner != "" {
			c.person("owner", o.Owner)
		}
	case vitrine.Group:
		if c.p.principal(o.ID).gaps {
			c.each("members", vitrine.KindPrincipal, o.Members)
		}
	}
	if o.Kind != vitrine.Group && len(o.Members) > 0 {
		c.bad("members", "only groups have members")
	}
}

func (c *checker) key(o *vitrine.Key) {
	c.someone("principal", o.Principal)
	c.each("roles", vitrine.KindRole, o.Roles)
	if o.Scope != "" {
		c.scope("scope", o.Scope)
	}
	c.maybe("project", vitrine.KindProject, o.Project)
	c.maybe("dataset", vitrine.KindDataset, o.Dataset)
	if o.For != "" {
		c.person("for", o.For)
	}
	for i, text := range o.CIDRs {
		if _, err := netip.ParsePrefix(text); err != nil {
			c.bad(item("cidrs", i), "%q is no network", text)
		}
	}
}

func (c *checker) binding(o *vitrine.Binding) {
	c.exists("role", vitrine.KindRole, o.Role)
	c.exists("principal", vitrine.KindPrincipal, o.Principal)
	c.scope("scope", o.Scope)
	if !o.From.IsZero() && !o.Until.IsZero() && !o.From.Before(o.Until) {
		c.bad("until", "this binding ends before it begins")
	}
	if err := c.learn(o.Condition); err != nil {
		c.bad("condition", "this condition cannot be used: %s", strings.ReplaceAll(err.Error(), "\n", " "))
	}
}

func (c *checker) deny(o *vitrine.Deny) {
	if len(o.Permissions) == 0 {
		c.bad("permissions", "permissions is missing")
	}
	if len(o.Principals) == 0 {
		c.bad("principals", "principals is missing")
	}
	c.permissions("permissions", o.Permissions)
	for i, id := range o.Principals {
		if id != vitrine.Everyone {
			c.exists(item("principals", i), vitrine.KindPrincipal, id)
		}
	}
	c.each("except", vitrine.KindPrincipal, o.Except)
	c.scope("scope", o.Scope)
}

func (c *checker) constraint(o *vitrine.Constraint) {
	word(c, "kind", o.Kind, vitrine.StaticSoD, vitrine.DynamicSoD, vitrine.Holders, vitrine.MFA, vitrine.Keys, vitrine.Formats)
	if o.Scope != "" {
		c.scope("scope", o.Scope)
	} else if c.p.org == nil {
		c.bad("scope", "there is no organization that it could hold in")
	}
	c.maybe("role", vitrine.KindRole, o.Role)
	c.permissions("permissions", o.Permissions)
	c.tiers("tiers", o.Tiers)
	switch o.Kind {
	case vitrine.StaticSoD, vitrine.DynamicSoD:
		c.sides(o)
	case vitrine.Holders:
		if o.Role == "" {
			c.bad("role", "role is missing")
		}
		if o.Min < 0 || o.Max < 0 || o.Max > 0 && o.Min > o.Max {
			c.bad("max", "min is above max")
		}
	case vitrine.MFA:
		if time.Duration(o.MaxAge) <= 0 {
			c.bad("max_age", "max_age is missing")
		}
	case vitrine.Formats:
		if len(o.ResponseFormats) == 0 {
			c.bad("response_formats", "response_formats is missing")
		}
	}
	if (o.Kind == vitrine.MFA || o.Kind == vitrine.Keys) && len(o.Permissions) == 0 && o.Role == "" {
		c.bad("permissions", "permissions or role is missing: what this holds for")
	}
}

func (c *checker) sides(o *vitrine.Constraint) {
	if o.Max < 2 || o.Max > len(o.Sets) {
		c.bad("max", "max is how many of the %d sets are too many: from 2 to %d", len(o.Sets), len(o.Sets))
	}
	for i := range o.Sets {
		s, at := &o.Sets[i], item("sets", i)
		if len(s.Roles) == 0 && len(s.Permissions) == 0 {
			c.bad(at, "a set needs roles or permissions")
		}
		c.each(at+".roles", vitrine.KindRole, s.Roles)
		c.permissions(at+".permissions", s.Permissions)
		c.categories(at+".categories", s.Categories)
	}
}

func (c *checker) budget(o *vitrine.Budget) {
	word(c, "window", o.Window, vitrine.Daily, vitrine.Monthly, vitrine.Total)
	if o.Limit < 0 {
		c.bad("limit", "a limit is not below zero")
	}
	kinds := map[vitrine.BudgetKind]vitrine.Kind{
		vitrine.BudgetProject: vitrine.KindProject, vitrine.BudgetGroup: vitrine.KindPrincipal,
		vitrine.BudgetPrincipal: vitrine.KindPrincipal, vitrine.BudgetKey: vitrine.KindKey,
	}
	id := vitrine.ID(o.Subject)
	switch k, ok := kinds[o.Kind]; {
	case ok && id != vitrine.Everyone:
		if c.exists("subject", k, id) && o.Kind == vitrine.BudgetGroup && c.p.principal(id).object.Kind != vitrine.Group {
			c.bad("subject", "%q is no group", o.Subject)
		}
	case ok || o.Kind == vitrine.BudgetOrganization:
	case o.Kind == vitrine.BudgetEndUser:
		if o.Subject == "" {
			c.bad("subject", "subject is missing")
		}
	default:
		c.bad("kind", "unknown word %q", string(o.Kind))
	}
}
