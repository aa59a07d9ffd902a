package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/rbac"
)

// object is an object of the policy as it is written in answers.
type object struct{ vitrine.Object }

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) { return json.Marshal(o.Object) }

// Schema implements huma.SchemaProvider: one of the kinds.
func (object) Schema(r huma.Registry) *huma.Schema {
	s := &huma.Schema{Description: "An object of the policy; its kind says which"}
	for _, k := range vitrine.PolicyKinds {
		s.AnyOf = append(s.AnyOf, r.Schema(typeOf(k), true, string(k)))
	}
	return s
}

// named is an object with its kind.
type named struct {
	Kind   vitrine.Kind `json:"kind"`
	Object object       `json:"object"`
}

// declared is an object as a caller declares it.
type declared struct {
	Kind   vitrine.Kind    `json:"kind"`
	Object json.RawMessage `json:"object"`
}

// changeSet is vitrine.ChangeSet as callers send it.
type changeSet struct {
	Reason     string   `json:"reason,omitempty"`
	Changes    []change `json:"changes"`
	IfRevision int64    `json:"if_revision,omitempty" doc:"The policy revision that it was made on; otherwise it is a conflict"`
}

type change struct {
	Kind       vitrine.Kind    `json:"kind"`
	ID         vitrine.ID      `json:"id"`
	Put        json.RawMessage `json:"put,omitempty" doc:"The object; without it the one named is deleted"`
	IfRevision int64           `json:"if_revision,omitempty"`
}

// set is the change set, its objects read strictly.
func (c *changeSet) set() (*vitrine.ChangeSet, error) {
	set := &vitrine.ChangeSet{Reason: c.Reason, IfRevision: c.IfRevision}
	for i, one := range c.Changes {
		v := vitrine.Change{Ref: vitrine.Ref{Kind: one.Kind, ID: one.ID}, IfRevision: one.IfRevision}
		if len(one.Put) > 0 && string(one.Put) != "null" {
			o, err := decode(one.Kind, one.Put, fmt.Sprintf("changes[%d].put", i))
			if err != nil {
				return nil, err
			}
			if v.Object = o; o.Ref() != v.Ref {
				return nil, vitrine.Invalid(fmt.Sprintf("changes[%d].put.id", i), "id", "The object is not the one that the change names.")
			}
		}
		set.Changes = append(set.Changes, v)
	}
	return set, nil
}

// decode reads an object of a kind, refusing fields that it does not have.
func decode(k vitrine.Kind, raw []byte, param string) (vitrine.Object, error) {
	o := vitrine.NewObject(k)
	if o == nil {
		return nil, vitrine.Invalid("kind", "unknown_kind", "This kind does not stand in the policy.")
	}
	if err := strict(raw, o); err != nil {
		return nil, vitrine.Invalid(param, "invalid_object", sentence(strings.TrimPrefix(err.Error(), "json: ")))
	}
	return o, nil
}

// applied is policy.Applied as it is written: what was done, under which
// revision.
type applied struct {
	Revision int64 `header:"X-Vitrine-Revision"`
	Body     struct {
		Revision int64     `json:"revision"`
		Changes  []changed `json:"changes"`
	}
}

func appliedOf(done policy.Applied, err error) (*applied, error) {
	out := &applied{Revision: done.Revision}
	out.Body.Revision, out.Body.Changes = done.Revision, changes(done.Changes)
	return out, err
}

type changed struct {
	Kind vitrine.Kind `json:"kind"`
	ID   vitrine.ID   `json:"id"`
	Put  *object      `json:"put,omitempty"`
}

func changes(all []vitrine.Change) []changed {
	out := make([]changed, len(all))
	for i, c := range all {
		out[i] = changed{Kind: c.Ref.Kind, ID: c.Ref.ID}
		if c.Object != nil {
			out[i].Put = &object{c.Object}
		}
	}
	return out
}

// planned is a change set that was not applied.
type planned struct {
	Reason     string    `json:"reason,omitempty"`
	Changes    []changed `json:"changes"`
	IfRevision int64     `json:"if_revision,omitempty"`
}

// malformed records a request that cannot be right, and answers why.
func (a *API) malformed(ctx context.Context, by access.Caller, cause error) error {
	q := requestOf(ctx)
	return a.Door.Reject(q.r, by, q.act, cause)
}

func (a *API) policy() {
	a.whole()
	a.objects()
	type historyPage struct {
		Sets []past `json:"sets"`
		Next int64  `json:"next,omitempty" doc:"Ask for what comes after this"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/policy/history", Permission: vitrine.RoleView, Summary: "Change sets, oldest first", tag: "policy", op: "history"},
		func(ctx context.Context, by access.Caller, in *struct {
			After int64 `query:"after" minimum:"0"`
			Limit int   `query:"limit" minimum:"0" maximum:"200"`
		}) (*struct{ Body historyPage }, error) {
			sets, err := a.Policies.History(ctx, by, in.After, in.Limit)
			out := historyPage{Sets: []past{}}
			for _, s := range sets {
				out.Sets = append(out.Sets, past{s.Revision, s.Time, s.Actor, s.Reason, changes(s.Changes)})
				out.Next = s.Revision
			}
			return &struct{ Body historyPage }{out}, err
		})
	add(a, Route{Method: "POST", Pattern: prefix + "/policy/undo", Permission: vitrine.RoleView, Summary: "Undo a revision", tag: "policy", op: "undo"},
		func(ctx context.Context, by access.Caller, in *struct {
			Body struct {
				Revision int64 `json:"revision" minimum:"1"`
			}
		}) (*applied, error) {
			return appliedOf(a.Policies.Undo(ctx, by, in.Body.Revision))
		})
	add(a, Route{Method: "POST", Pattern: prefix + "/policy/undo/plan", Permission: vitrine.RoleView, Summary: "What undoing a revision would change", tag: "policy", op: "plan undo"},
		func(ctx context.Context, by access.Caller, in *struct {
			Body struct {
				Revision int64 `json:"revision" minimum:"1"`
			}
		}) (*struct{ Body planned }, error) {
			set, err := a.Policies.PlanUndo(ctx, by, in.Body.Revision)
			if err != nil {
				return nil, err
			}
			return &struct{ Body planned }{planned{set.Reason, changes(set.Changes), set.IfRevision}}, nil
		})
}

// past is a change set that was applied.
type past struct {
	Revision int64      `json:"revision"`
	Time     time.Time  `json:"time"`
	Actor    vitrine.ID `json:"actor"`
	Reason   string     `json:"reason,omitempty"`
	Changes  []changed  `json:"changes"`
}

func (a *API) whole() {
	type snapshot struct {
		Revision int64   `json:"revision"`
		Objects  []named `json:"objects"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/policy", Summary: "All objects of the policy that you may see", tag: "policy", op: "export"},
		func(ctx context.Context, by access.Caller, _ *none) (*struct{ Body snapshot }, error) {
			revision, all, err := a.Policies.Export(ctx, by)
			out := snapshot{revision, make([]named, len(all))}
			for i, o := range all {
				out.Objects[i] = named{o.Ref().Kind, object{o}}
			}
			return &struct{ Body snapshot }{out}, err
		})
	add(a, Route{Method: "POST", Pattern: prefix + "/policy/plan", Summary: "What would change if the policy were as declared", tag: "policy", op: "plan"},
		func(ctx context.Context, by access.Caller, in *struct {
			Body struct {
				Objects []declared `json:"objects"`
				Prune   bool       `json:"prune,omitempty" doc:"Also delete what you may see and did not declare"`
			}
		}) (*struct{ Body planned }, error) {
			var desired []vitrine.Object
			for i, d := range in.Body.Objects {
				o, err := decode(d.Kind, d.Object, fmt.Sprintf("objects[%d].object", i))
				if err != nil {
					return nil, a.malformed(ctx, by, err)
				}
				desired = append(desired, o)
			}
			set, err := a.Policies.Plan(ctx, by, desired, in.Body.Prune)
			if err != nil {
				return nil, err
			}
			return &struct{ Body planned }{planned{set.Reason, changes(set.Changes), set.IfRevision}}, nil
		})
	add(a, Route{Method: "POST", Pattern: prefix + "/policy/apply", Summary: "Apply a change set, whole or not at all", tag: "policy", op: "apply"},
		func(ctx context.Context, by access.Caller, in *struct{ Body changeSet }) (*applied, error) {
			set, err := in.Body.set()
			if err != nil {
				return nil, a.malformed(ctx, by, err)
			}
			return appliedOf(a.Policies.Apply(ctx, by, set))
		})
	type matrix struct {
		Rows []rbac.MatrixRow `json:"rows"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/matrix", Permission: vitrine.RoleView, Summary: "The access control matrix", tag: "policy", op: "matrix"},
		func(ctx context.Context, by access.Caller, _ *none) (*struct{ Body matrix }, error) {
			rows, err := a.Policies.Matrix(ctx, by)
			return &struct{ Body matrix }{matrix{list(rows)}}, err
		})
}
