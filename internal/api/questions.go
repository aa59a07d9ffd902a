package api

import (
	"context"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
)

// asked is a question about access.
type asked struct {
	Subject    vitrine.ID         `json:"subject,omitempty" doc:"Who; you by default"`
	Permission vitrine.Permission `json:"permission" example:"image.open"`
	Resource   askedAbout         `json:"resource" doc:"kind and id are enough for what is there; otherwise say where it would lie"`
}

type askedAbout struct {
	Kind           vitrine.Kind     `json:"kind,omitempty"`
	ID             vitrine.ID       `json:"id,omitempty"`
	Scope          vitrine.ID       `json:"scope,omitempty"`
	Category       vitrine.Category `json:"category,omitempty"`
	Tier           vitrine.Tier     `json:"tier,omitempty"`
	Owner          vitrine.ID       `json:"owner,omitempty"`
	Model          string           `json:"model,omitempty"`
	Format         string           `json:"format,omitempty"`
	ResponseFormat string           `json:"response_format,omitempty"`
	Width          int              `json:"width,omitempty"`
	Height         int              `json:"height,omitempty"`
	N              int              `json:"n,omitempty"`
}

// resource completes what a question is about, where kind and id are all that
// was said. It tells nobody anything: the guard is asked about the result.
func (a *API) resource(ctx context.Context, by access.Caller, r vitrine.Resource) (vitrine.Resource, error) {
	if r.ID == "" || r.Scope != "" {
		return r, nil
	}
	if r.Kind == vitrine.KindImage {
		found, err := a.Vault.Find(ctx, r.ID)
		if found.ID == "" {
			found.ID = r.ID
		}
		return found, err
	}
	now, err := a.Guard.Snapshot(ctx, by)
	if err != nil {
		return r, err
	}
	o, ok := now.Object(vitrine.Ref{Kind: r.Kind, ID: r.ID})
	if !ok {
		return vitrine.Resource{ID: r.ID}, nil
	}
	found := now.Resource(o)
	found.Category, found.Tier = r.Category, r.Tier
	found.Format, found.ResponseFormat, found.Width, found.Height, found.N = r.Format, r.ResponseFormat, r.Width, r.Height, r.N
	return found, nil
}

func (a *API) questions() {
	explain := func(ctx context.Context, by access.Caller, q *asked) (rbac.Explanation, error) {
		r, err := a.resource(ctx, by, vitrine.Resource(q.Resource))
		if err != nil {
			return rbac.Explanation{}, err
		}
		return a.Policies.Explain(ctx, by, q.Subject, q.Permission, r)
	}
	type answer struct {
		vitrine.Decision
		Reason string `json:"reason"`
	}
	type in struct{ Body asked }
	add(a, Route{Method: "POST", Pattern: prefix + "/check", Summary: "May somebody do something", tag: "access", op: "check"},
		func(ctx context.Context, by access.Caller, q *in) (*struct{ Body answer }, error) {
			x, err := explain(ctx, by, &q.Body)
			return &struct{ Body answer }{answer{x.Decision, x.Decision.Reason()}}, err
		})
	add(a, Route{Method: "POST", Pattern: prefix + "/explain", Summary: "Why somebody may or may not do something", tag: "access", op: "explain"},
		func(ctx context.Context, by access.Caller, q *in) (*struct{ Body rbac.Explanation }, error) {
			x, err := explain(ctx, by, &q.Body)
			x.Bindings = list(x.Bindings)
			return &struct{ Body rbac.Explanation }{x}, err
		})
	type holders struct {
		Holders []rbac.Holder `json:"holders"`
	}
	add(a, Route{Method: "POST", Pattern: prefix + "/who", Permission: vitrine.AccessExplain, Summary: "Who may do something", tag: "access", op: "who"},
		func(ctx context.Context, by access.Caller, q *in) (*struct{ Body holders }, error) {
			r, err := a.resource(ctx, by, vitrine.Resource(q.Body.Resource))
			if err != nil {
				return nil, err
			}
			all, err := a.Policies.Who(ctx, by, q.Body.Permission, r)
			return &struct{ Body holders }{holders{list(all)}}, err
		})
}
