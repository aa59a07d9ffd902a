package api

import (
	"context"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
)

// newSession is identity.NewSession as the API takes it.
type newSession struct {
	Name      string           `json:"name,omitempty"`
	Roles     []vitrine.ID     `json:"roles,omitempty" doc:"Active from the start; none means none"`
	All       bool             `json:"all,omitempty" doc:"All roles that you hold and the key has"`
	ExpiresIn vitrine.Duration `json:"expires_in,omitempty" doc:"8h by default, 24h at most, never after the key"`
}

// sessions are the routes about sessions: keys with roles that are activated
// and dropped. They are listed and ended as keys are.
func (a *API) sessions() {
	add(a, Route{Method: "POST", Pattern: prefix + "/sessions", Permission: vitrine.KeyIssue, Summary: "Start a session with the key in use",
		tag: "people", op: "session start", status: 201, once: true, secret: true},
		func(ctx context.Context, by access.Caller, in *struct{ Body newSession }) (*issued, error) {
			n := in.Body
			return show(a.Directory.StartSession(ctx, by, identity.NewSession{Name: n.Name, Roles: n.Roles, All: n.All, Expires: time.Duration(n.ExpiresIn)}))
		})
	for _, way := range []struct {
		method, summary, op string
		active              bool
	}{{"PUT", "Activate a role in a session", "session activate", true}, {"DELETE", "Drop an active role of a session", "session drop", false}} {
		add(a, Route{Method: way.method, Pattern: prefix + "/sessions/{id}/roles/{role}", Permission: vitrine.KeyIssue, Summary: way.summary, tag: "people", op: way.op, versioned: true},
			func(ctx context.Context, by access.Caller, in *struct {
				ByID
				Role string `path:"role"`
			}) (*revised, error) {
				return at(a.Directory.SetActive(ctx, by, vitrine.ID(in.ID), vitrine.ID(in.Role), way.active))
			})
	}
}
