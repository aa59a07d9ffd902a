package client

import (
	"context"

	"vitrine.dev/vitrine"
)

// NewSession is what a session is started from.
type NewSession struct {
	Name      string           `json:"name,omitempty"`
	Roles     []vitrine.ID     `json:"roles,omitempty"` // active from the start; none means none
	All       bool             `json:"all,omitempty"`   // all roles that the caller holds and the key has
	ExpiresIn vitrine.Duration `json:"expires_in,omitempty"`
}

// StartSession starts a session with the key in use. It is ended as a key is,
// with RevokeKey.
func (c *Client) StartSession(ctx context.Context, n NewSession) (*IssuedKey, error) {
	out := new(IssuedKey)
	_, err := c.change(ctx, call{method: "POST", path: "/sessions", in: n}, out)
	return out, err
}

// ActivateRole makes a role active in a session.
func (c *Client) ActivateRole(ctx context.Context, session, role vitrine.ID) (int64, error) {
	return c.change(ctx, call{method: "PUT", path: to("sessions", string(session), "roles", string(role))}, nil)
}

// DropRole ends that a role is active in a session.
func (c *Client) DropRole(ctx context.Context, session, role vitrine.ID) (int64, error) {
	return c.change(ctx, call{method: "DELETE", path: to("sessions", string(session), "roles", string(role))}, nil)
}
