package gateway

import (
	"context"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
)

// Model is a deployment that a caller may use.
type Model struct {
	ID       string // what to ask for
	Project  vitrine.ID
	Provider vitrine.ID
	Price    *vitrine.Price // nil cannot be used yet, and is in no list
	Limits   vitrine.Limits
	Edits    bool
	Created  time.Time // zero where it is not known
}

func modelOf(d *vitrine.Deployment) Model {
	return Model{ID: d.Model, Project: d.Project, Provider: d.Provider, Price: d.Price, Limits: d.Limits, Edits: d.Edits}
}

// Models lists what the caller may use in its project, or anywhere where it has
// none, ordered by id. A caller who may use nothing gets an empty list.
func (g *Gateway) Models(ctx context.Context, by access.Caller) ([]Model, error) {
	now, err := g.snapshot(ctx, by, access.Act{Permission: vitrine.ModelView, Op: "list models"})
	if err != nil {
		return nil, err
	}
	ids, t, err := g.guard.Visible(ctx, by, vitrine.ModelGenerate, vitrine.KindDeployment, "list models")
	if err != nil {
		return nil, err
	}
	project := place(now, by)
	all := []Model{}
	for _, id := range ids {
		d, ok := now.Deployment(id)
		if ok && !d.Disabled && d.Price != nil && (project == "" || d.Project == project) {
			all = append(all, modelOf(d))
		}
	}
	slices.SortFunc(all, func(a, b Model) int {
		return strings.Compare(a.ID+"\x00"+string(a.Project), b.ID+"\x00"+string(b.Project))
	})
	e := t.Entry()
	e.Act, e.Scope, e.Count = string(vitrine.ModelView), project, int64(len(all))
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return all, nil
}

// Model is one model of the caller's project. One that the caller may not use
// is denied to whoever may generate with another there, and not found for
// everybody else.
func (g *Gateway) Model(ctx context.Context, by access.Caller, id string) (*Model, error) {
	a := access.Act{Permission: vitrine.ModelGenerate, Op: "read model"}
	now, err := g.snapshot(ctx, by, a)
	if err != nil {
		return nil, err
	}
	project := place(now, by)
	d, ok := now.Deployment(vitrine.DeploymentID(project, id))
	missing := &vitrine.Error{Kind: vitrine.ErrNotFound, Code: "unknown_model", Param: "model", Public: "There is no such model here."}
	if !ok || project == "" {
		return nil, g.unknown(ctx, by, project, a.Op, missing)
	}
	a.Model, a.Resource = d.Model, vitrine.Resource{Kind: vitrine.KindDeployment, ID: d.ID, Scope: d.ID, Model: d.Model}
	t, err := g.guard.Check(ctx, by, a)
	if err != nil {
		return nil, err
	}
	if d.Disabled {
		return nil, refuse(ctx, t, missing)
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	m := modelOf(d)
	return &m, nil
}
