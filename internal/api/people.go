package api

import (
	"context"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
)

// none is an input or output without anything in it.
type none struct{}

// ByID is the input of a route about one thing. It is exported for huma, which
// sees exported fields only.
type ByID struct {
	ID string `path:"id"`
}

// revised is the answer to a change.
type revised struct {
	ETag     string `header:"ETag"`
	Revision int64  `header:"X-Vitrine-Revision"`
	Body     struct {
		ID       vitrine.ID `json:"id,omitempty"`
		Revision int64      `json:"revision" doc:"The policy revision that holds the change"`
	}
}

func at(revision int64, err error) (*revised, error) {
	if err != nil {
		return nil, err
	}
	out := new(revised)
	out.Revision, out.Body.Revision = revision, revision
	return out, nil
}

// people are the routes about oneself, principals, groups and keys.
func (a *API) people() {
	add(a, Route{Method: "GET", Pattern: prefix + "/whoami", Summary: "Who the key belongs to", tag: "people", op: "whoami"},
		func(ctx context.Context, by access.Caller, _ *none) (*struct{ Body identity.Self }, error) {
			self, err := a.Directory.Whoami(ctx, by)
			return &struct{ Body identity.Self }{self}, err
		})
	a.principals()
	a.keys()
	a.sessions()
}

func (a *API) principals() {
	route := func(method, pattern, summary, op string) Route {
		return Route{Method: method, Pattern: prefix + pattern, Permission: vitrine.PrincipalEdit, Summary: summary, tag: "people", op: op, versioned: true}
	}
	put := func(ctx context.Context, by access.Caller, p *vitrine.Principal) (*revised, error) {
		n, err := a.Directory.PutPrincipal(ctx, by, p, by.IfVersion)
		out, err := at(n, err)
		if out != nil {
			out.ETag, out.Body.ID = versionTag(n), p.ID
		}
		return out, err
	}
	made := route("POST", "/principals", "Make a principal", "put")
	made.versioned, made.once = false, true
	add(a, made, func(ctx context.Context, by access.Caller, in *struct{ Body newPrincipal }) (*revised, error) {
		return put(ctx, by, in.Body.principal(""))
	})
	changed := route("PUT", "/principals/{id}", "Make or change a principal", "put")
	changed.makes = vitrine.KindPrincipal
	add(a, changed, func(ctx context.Context, by access.Caller, in *struct {
		ByID
		Body newPrincipal
	}) (*revised, error) {
		return put(ctx, by, in.Body.principal(vitrine.ID(in.ID)))
	})
	add(a, route("DELETE", "/principals/{id}", "Delete a principal with its keys and bindings", "delete"),
		func(ctx context.Context, by access.Caller, in *ByID) (*revised, error) {
			return at(a.Directory.DeletePrincipal(ctx, by, vitrine.ID(in.ID)))
		})
	for _, way := range []struct {
		verb     string
		disabled bool
	}{{"disable", true}, {"enable", false}} {
		add(a, route("POST", "/principals/{id}/"+way.verb, sentence(way.verb+" a principal"), way.verb),
			func(ctx context.Context, by access.Caller, in *ByID) (*revised, error) {
				return at(a.Directory.SetDisabled(ctx, by, vitrine.ID(in.ID), way.disabled))
			})
	}
	for _, way := range []struct {
		method, summary string
		in              bool
	}{{"PUT", "Put a principal into a group", true}, {"DELETE", "Take a principal out of a group", false}} {
		add(a, route(way.method, "/groups/{id}/members/{member}", way.summary, "member"),
			func(ctx context.Context, by access.Caller, in *struct {
				ByID
				Member string `path:"member"`
			}) (*revised, error) {
				return at(a.Directory.SetMember(ctx, by, vitrine.ID(in.ID), vitrine.ID(in.Member), way.in))
			})
	}
}

// newPrincipal is what a caller may say of a principal.
type newPrincipal struct {
	ID          vitrine.ID            `json:"id,omitempty" doc:"In a PUT the one in the path, or left out"`
	Kind        vitrine.PrincipalKind `json:"kind" enum:"user,service,group"`
	Name        string                `json:"name,omitempty"`
	Email       string                `json:"email,omitempty"`
	Service     vitrine.ServiceKind   `json:"service,omitempty"`
	Owner       vitrine.ID            `json:"owner,omitempty"`
	Purpose     string                `json:"purpose,omitempty"`
	Environment vitrine.Environment   `json:"environment,omitempty"`
	Members     []vitrine.ID          `json:"members,omitempty"`
}

func (n *newPrincipal) principal(id vitrine.ID) *vitrine.Principal {
	if id == "" {
		id = n.ID
	}
	return &vitrine.Principal{ID: id, Kind: n.Kind, Name: n.Name, Email: n.Email, Service: n.Service, Owner: n.Owner,
		Purpose: n.Purpose, Environment: n.Environment, Members: n.Members}
}

// issued shows a secret, once.
type issued struct {
	Revision int64 `header:"X-Vitrine-Revision"`
	Body     struct {
		ID        vitrine.ID `json:"id"`
		Key       string     `json:"key" doc:"The secret; it is shown this once"`
		Principal vitrine.ID `json:"principal"`
		Expires   time.Time  `json:"expires,omitzero"`
		Revision  int64      `json:"revision"`

		PreviousUntil time.Time `json:"previous_until,omitzero" doc:"After a rotation: until when the old secret works"`
	}
}

func show(i identity.Issued, err error) (*issued, error) {
	if err != nil {
		return nil, err
	}
	out := new(issued)
	out.Body.ID, out.Body.Principal, out.Body.Expires = i.Key.ID, i.Key.Principal, i.Key.Expires
	out.Body.PreviousUntil = i.Key.PreviousUntil
	out.Body.Key, out.Body.Revision, out.Revision = i.Secret.Reveal(), i.Revision, i.Revision
	return out, nil
}

func (a *API) keys() {
	type keyList struct {
		Keys []identity.KeyInfo `json:"keys"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/keys", Summary: "Keys that you may see, never their secrets", tag: "people", op: "list keys"},
		func(ctx context.Context, by access.Caller, in *struct {
			Principal string `query:"principal" doc:"Whose; yours by default, * for all"`
		}) (*struct{ Body keyList }, error) {
			keys, err := a.Directory.Keys(ctx, by, vitrine.ID(in.Principal))
			return &struct{ Body keyList }{keyList{list(keys)}}, err
		})
	add(a, Route{Method: "POST", Pattern: prefix + "/keys", Permission: vitrine.KeyIssue, Summary: "Issue a key", tag: "people", op: "issue", status: 201, once: true, secret: true},
		func(ctx context.Context, by access.Caller, in *struct{ Body newKey }) (*issued, error) {
			return show(a.Directory.IssueKey(ctx, by, identity.NewKey(in.Body)))
		})
	add(a, Route{Method: "POST", Pattern: prefix + "/keys/{id}/rotate", Permission: vitrine.KeyIssue, Summary: "Give a key a new secret", tag: "people", op: "rotate", versioned: true, once: true, secret: true},
		func(ctx context.Context, by access.Caller, in *struct {
			ByID
			Body struct {
				Overlap vitrine.Duration `json:"overlap,omitempty" doc:"How long the old secret still works: 24h"`
			}
		}) (*issued, error) {
			return show(a.Directory.RotateKey(ctx, by, vitrine.ID(in.ID), time.Duration(in.Body.Overlap)))
		})
	add(a, Route{Method: "DELETE", Pattern: prefix + "/keys/{id}", Permission: vitrine.KeyRevoke, Summary: "Revoke a key at once", tag: "people", op: "revoke", versioned: true},
		func(ctx context.Context, by access.Caller, in *ByID) (*revised, error) {
			return at(a.Directory.RevokeKey(ctx, by, vitrine.ID(in.ID)))
		})
}

// newKey is identity.NewKey as the API takes it.
type newKey struct {
	Principal vitrine.ID   `json:"principal,omitempty" doc:"Whose; yours by default"`
	Name      string       `json:"name,omitempty"`
	Roles     []vitrine.ID `json:"roles,omitempty" doc:"Only these roles are active; none means all"`
	Scope     vitrine.ID   `json:"scope,omitempty" doc:"Only here and below"`
	Project   vitrine.ID   `json:"project,omitempty" doc:"Default project"`
	Dataset   vitrine.ID   `json:"dataset,omitempty" doc:"Default dataset"`
	CIDRs     []string     `json:"cidrs,omitempty" doc:"Only from these networks"`
	For       bool         `json:"for_me,omitempty" doc:"An agent's key that acts for you"`
	Expires   time.Time    `json:"expires,omitzero" doc:"90 days by default"`
	NoExpiry  bool         `json:"no_expiry,omitempty"`
}

// list is s, never nil: a list without anything is [] and not null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
