package api

import (
	"context"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/vault"
)

// deletions are the routes by which images go and come back. image makes a route
// about one image.
func (a *API) deletions(image func(method, pattern string, p vitrine.Permission, summary, op string) Route) {
	add(a, image("DELETE", "", vitrine.ImageDelete, "Delete an image: its key is destroyed when its time to be restored has passed", "delete"),
		func(ctx context.Context, by access.Caller, in *struct {
			ByID
			Now    bool   `query:"now" doc:"Destroy the key at once; needs dataset.edit too, and a reason"`
			Reason string `query:"reason" maxLength:"500" doc:"Stands in the log"`
		}) (*struct{ Body vault.Deleted }, error) {
			out, err := a.Vault.Delete(ctx, by, vitrine.ID(in.ID), vault.Deleting{Now: in.Now, Reason: in.Reason})
			if err != nil {
				return nil, err
			}
			return &struct{ Body vault.Deleted }{*out}, nil
		})
	add(a, image("POST", "/restore", vitrine.ImageDelete, "Restore a deleted image while it may be", "restore"),
		func(ctx context.Context, by access.Caller, in *ByID) (*tagged[vitrine.Image], error) {
			return taggedImage(a.Vault.Restore(ctx, by, vitrine.ID(in.ID)))
		})
	a.holds()
}

// holds are the routes about legal holds.
func (a *API) holds() {
	const pattern = prefix + "/holds"
	add(a, Route{Method: "GET", Pattern: pattern, Permission: vitrine.ImageHold, Summary: "The legal holds that you could place and lift, newest first", tag: "holds", op: "list holds"},
		func(ctx context.Context, by access.Caller, in *struct {
			Kind   vitrine.Kind `query:"kind" enum:"image,dataset,project" doc:"With id: only those on this"`
			ID     string       `query:"id"`
			Lifted bool         `query:"lifted" doc:"Lifted ones too"`
			After  string       `query:"after" maxLength:"512"`
			Limit  int          `query:"limit" minimum:"0" maximum:"1000"`
		}) (*struct{ Body vault.HoldPage }, error) {
			if (in.Kind == "") != (in.ID == "") {
				return nil, a.malformed(ctx, by, vitrine.Invalid("kind", "kind", "Give both kind and id, or neither."))
			}
			p, err := a.Vault.Holds(ctx, by, vault.HoldQuery{On: vitrine.Ref{Kind: in.Kind, ID: vitrine.ID(in.ID)}, Lifted: in.Lifted, After: in.After, Limit: in.Limit})
			if err != nil {
				return nil, err
			}
			return &struct{ Body vault.HoldPage }{*p}, nil
		})
	type held struct{ Body vitrine.Hold }
	answer := func(h *vitrine.Hold, err error) (*held, error) {
		if err != nil {
			return nil, err
		}
		return &held{*h}, nil
	}
	add(a, Route{Method: "POST", Pattern: pattern, Permission: vitrine.ImageHold, Summary: "Place a legal hold on an image, a dataset or a project", tag: "holds", op: "hold", status: 201, once: true},
		func(ctx context.Context, by access.Caller, in *struct {
			Body struct {
				On     vitrine.Ref `json:"on"`
				Reason string      `json:"reason" doc:"The case, or who asked for it; stands in the log"`
			}
		}) (*held, error) {
			return answer(a.Vault.Hold(ctx, by, in.Body.On, in.Body.Reason))
		})
	add(a, Route{Method: "POST", Pattern: pattern + "/{id}/lift", Permission: vitrine.ImageHold, Summary: "Lift a legal hold", tag: "holds", op: "lift hold"},
		func(ctx context.Context, by access.Caller, in *struct {
			ByID
			Body struct {
				Reason string `json:"reason"`
			}
		}) (*held, error) {
			return answer(a.Vault.Lift(ctx, by, vitrine.ID(in.ID), in.Body.Reason))
		})
}
