package api

import (
	"context"
	"encoding/json"
	"reflect"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
)

// typeOf is the Go type of a kind, for its schema.
func typeOf(k vitrine.Kind) reflect.Type { return reflect.TypeOf(vitrine.NewObject(k)).Elem() }

// ByRef is the input of a route about one object of the policy.
type ByRef struct {
	Kind string `path:"kind" doc:"project, dataset, role, …"`
	ID   string `path:"id" doc:"Percent-encoded: the id of a deployment holds a slash"`
}

func (o *ByRef) ref() vitrine.Ref {
	return vitrine.Ref{Kind: vitrine.Kind(o.Kind), ID: vitrine.ID(o.ID)}
}

// objects are the routes about single objects of the policy.
func (a *API) objects() {
	type objectList struct {
		Objects []object `json:"objects"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/objects/{kind}", Summary: "The objects of a kind that you may see", tag: "policy", op: "list"},
		func(ctx context.Context, by access.Caller, in *struct {
			Kind string `path:"kind"`
		}) (*struct{ Body objectList }, error) {
			all, err := a.Policies.Objects(ctx, by, vitrine.Kind(in.Kind))
			out := objectList{make([]object, len(all))}
			for i, o := range all {
				out.Objects[i] = object{o}
			}
			return &struct{ Body objectList }{out}, err
		})
	const pattern = prefix + "/objects/{kind}/{id...}"
	add(a, Route{Method: "GET", Pattern: pattern, Summary: "One object of the policy", tag: "policy", op: "read", versioned: true},
		func(ctx context.Context, by access.Caller, in *ByRef) (*tagged[object], error) {
			o, revision, err := a.Policies.Object(ctx, by, in.ref())
			return &tagged[object]{versionTag(revision), object{o}}, err
		})
	add(a, Route{Method: "PUT", Pattern: pattern, Summary: "Put an object of the policy", tag: "policy", op: "put", versioned: true, makes: anyKind},
		func(ctx context.Context, by access.Caller, in *struct {
			ByRef
			Body json.RawMessage
		}) (*revised, error) {
			o, err := decode(vitrine.Kind(in.Kind), in.Body, "body")
			if err == nil && o.Ref() != in.ref() {
				err = vitrine.Invalid("id", "id", "The object is not the one that the path names.")
			}
			if err != nil {
				return nil, a.malformed(ctx, by, err)
			}
			out, err := a.change(ctx, by, vitrine.Put(o))
			if err == nil {
				out.ETag = versionTag(out.Revision)
			}
			return out, err
		})
	add(a, Route{Method: "DELETE", Pattern: pattern, Summary: "Delete an object of the policy", tag: "policy", op: "delete", versioned: true},
		func(ctx context.Context, by access.Caller, in *ByRef) (*revised, error) {
			return a.change(ctx, by, vitrine.Delete(in.ref()))
		})
}

// change applies one change.
func (a *API) change(ctx context.Context, by access.Caller, c vitrine.Change) (*revised, error) {
	c.IfRevision = by.IfVersion
	done, err := a.Policies.Apply(ctx, by, &vitrine.ChangeSet{Changes: []vitrine.Change{c}})
	return at(done.Revision, err)
}
