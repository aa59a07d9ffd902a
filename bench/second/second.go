// Package second is a second opinion on decisions: the same policies, put into
// Cedar's language and asked of cedar-go, must give the same answers.
//
// Cedar knows nothing of tiers, scopes or bindings; it knows entities that lie
// in each other, and policies that permit and forbid. So the mapping is the
// access model written down once more, in another language, and evaluated by an
// engine that shares no code with package rbac. A policy here has no conditions,
// keys, sessions or constraints: what is compared is roles that include roles,
// groups in groups, scopes, categories, tiers, limits on models, denies with
// exceptions, times to the microsecond, and principals that are disabled.
//
// The mapping is text, so that a test can plant errors in a copy of it and see
// that each is found.
package second

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// Mapping is a policy in Cedar's terms.
type Mapping struct {
	Text     string
	Entities types.EntityMap

	objects  map[vitrine.Ref]vitrine.Object
	all      []vitrine.Object
	policies *cedar.PolicySet
}

// Map puts the objects of a policy into Cedar's terms.
func Map(objects []vitrine.Object) *Mapping {
	m := &Mapping{Entities: types.EntityMap{}, objects: map[vitrine.Ref]vitrine.Object{}, all: objects}
	for _, o := range objects {
		m.objects[o.Ref()] = o
	}
	m.entities()
	m.Text = m.text()
	return m
}

// Compile parses the policies.
func (m *Mapping) Compile() (err error) {
	if m.policies, err = cedar.NewPolicySetFromBytes("second.cedar", []byte(m.Text)); err != nil {
		return fmt.Errorf("%w in:\n%s", err, m.Text)
	}
	return nil
}

// Ask asks Cedar a question. An error of evaluation is one of the mapping.
func (m *Mapping) Ask(q *rbac.Question) (bool, error) {
	info, known := q.Permission.Info()
	if !known {
		return false, nil
	}
	r := &q.Resource
	environment := ""
	if s, ok := m.Entities.Get(uid("Scope", r.Scope)); ok {
		v, _ := s.Attributes.Get("environment")
		environment = string(v.(types.String))
	}
	model := r.Model
	if d, ok := m.objects[vitrine.Ref{Kind: vitrine.KindDeployment, ID: r.Scope}].(*vitrine.Deployment); ok {
		model = d.Model
	}
	thing := types.Entity{
		UID: uid("Thing", "asked about"), Parents: types.NewEntityUIDSet(uid("Scope", r.Scope)),
		Attributes: types.NewRecord(types.RecordMap{
			"category": types.String(r.Category.String()), "tier": types.Long(r.Tier), "environment": types.String(environment),
		}),
	}
	d, diagnostic := cedar.Authorize(m.policies, with{m.Entities, thing}, cedar.Request{
		Principal: uid("Principal", q.Subject.Principal), Action: uid("Action", vitrine.ID(q.Permission)), Resource: thing.UID,
		Context: types.NewRecord(types.RecordMap{
			"now": types.Long(q.At.UnixMicro()), "data": types.Boolean(info.Data), "people": types.Boolean(info.People),
			"deployment": types.Boolean(info.Kind == vitrine.KindDeployment), "model": types.String(model),
			"format": types.String(r.Format), "response": types.String(r.ResponseFormat),
			"width": types.Long(r.Width), "height": types.Long(r.Height), "n": types.Long(r.N),
		}),
	})
	if len(diagnostic.Errors) > 0 {
		return false, fmt.Errorf("%s: %s", diagnostic.Errors[0].PolicyID, diagnostic.Errors[0].Message)
	}
	return d == cedar.Allow, nil
}

// with is entities and one more.
type with struct {
	types.EntityMap
	one types.Entity
}

func (w with) Get(id types.EntityUID) (types.Entity, bool) {
	if id == w.one.UID {
		return w.one, true
	}
	return w.EntityMap.Get(id)
}

func uid(kind types.EntityType, id vitrine.ID) types.EntityUID {
	return types.NewEntityUID(kind, types.String(id))
}

// entities are the trees: of scopes; of principals, once with all their groups
// and once with those whose bindings count; and of permissions.
func (m *Mapping) entities() {
	put := func(e types.Entity) { m.Entities[e.UID] = e }
	for _, o := range m.all {
		switch o := o.(type) {
		case *vitrine.Organization:
			put(scope(o.ID, "", ""))
		case *vitrine.Project:
			put(scope(o.ID, m.organization(), o.Environment))
		case *vitrine.Dataset:
			put(scope(o.ID, o.Project, m.environment(o.Project)))
		case *vitrine.Deployment:
			put(scope(o.ID, o.Project, m.environment(o.Project)))
		case *vitrine.Principal:
			m.principal(o, put)
		}
	}
	for _, p := range vitrine.Catalogue {
		put(types.Entity{UID: uid("Action", vitrine.ID(p.Permission)), Parents: types.NewEntityUIDSet(around(p.Permission)...)})
	}
}

func scope(id, above vitrine.ID, e vitrine.Environment) types.Entity {
	s := types.Entity{UID: uid("Scope", id), Attributes: types.NewRecord(types.RecordMap{"environment": types.String(e)})}
	if above != "" {
		s.Parents = types.NewEntityUIDSet(uid("Scope", above))
	}
	return s
}

func (m *Mapping) organization() vitrine.ID {
	for _, o := range m.all {
		if o, ok := o.(*vitrine.Organization); ok {
			return o.ID
		}
	}
	return ""
}

func (m *Mapping) environment(project vitrine.ID) vitrine.Environment {
	p, _ := m.objects[vitrine.Ref{Kind: vitrine.KindProject, ID: project}].(*vitrine.Project)
	return p.Environment
}

// principal puts who somebody is, and in which groups. A group stands twice: as
// In, and, unless it is disabled, as Bears, through which bindings come.
func (m *Mapping) principal(p *vitrine.Principal, put func(types.Entity)) {
	var in, bears []types.EntityUID
	for _, o := range m.all {
		if g, ok := o.(*vitrine.Principal); ok && slices.Contains(g.Members, p.ID) {
			in = append(in, uid("In", g.ID))
			if !g.Disabled {
				bears = append(bears, uid("Bears", g.ID))
			}
		}
	}
	if p.Kind == vitrine.Group {
		put(types.Entity{UID: uid("In", p.ID), Parents: types.NewEntityUIDSet(in...)})
		put(types.Entity{UID: uid("Bears", p.ID), Parents: types.NewEntityUIDSet(bears...)})
	}
	environment := ""
	if p.Kind == vitrine.Service {
		environment = string(p.Environment)
	}
	put(types.Entity{UID: uid("Principal", p.ID), Parents: types.NewEntityUIDSet(append(in, bears...)...), Attributes: types.NewRecord(types.RecordMap{
		"active": types.Boolean(!p.Disabled && p.Kind != vitrine.Group), "human": types.Boolean(p.Kind == vitrine.User), "environment": types.String(environment),
	})})
}

// around are the sets that a permission is in: Holds of each that comes with it,
// Withheld of each that it contains.
func around(p vitrine.Permission) []types.EntityUID {
	var all []types.EntityUID
	for _, q := range vitrine.Catalogue {
		if q.Permission.Implies(p) {
			all = append(all, uid("Holds", vitrine.ID(q.Permission)))
		}
		if p.Implies(q.Permission) {
			all = append(all, uid("Withheld", vitrine.ID(q.Permission)))
		}
	}
	return all
}

// instant is a time as Cedar compares it: microseconds, which is how finely
// times are kept.
func instant(t time.Time) int64 { return t.UnixMicro() }

func quoted[T ~string](all []T) string {
	var b []string
	for _, s := range all {
		b = append(b, fmt.Sprintf("%q", string(s)))
	}
	return "[" + strings.Join(b, ", ") + "]"
}
