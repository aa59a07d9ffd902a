package client

import (
	"context"
	"net/url"
	"time"

	"vitrine.dev/vitrine"
)

// Self is what a caller is told about itself.
type Self struct {
	Principal vitrine.ID            `json:"principal"`
	Kind      vitrine.PrincipalKind `json:"kind"`
	Name      string                `json:"name,omitempty"`
	Key       vitrine.ID            `json:"key,omitempty"`
	Session   bool                  `json:"session,omitempty"`
	Roles     []vitrine.ID          `json:"roles,omitempty"` // active in the session, or all that the key is narrowed to
	For       vitrine.ID            `json:"for,omitempty"`
	Expires   time.Time             `json:"expires,omitzero"`
	Revision  int64                 `json:"revision"`
}

// Whoami answers whose key this is.
func (c *Client) Whoami(ctx context.Context) (*Self, error) {
	out := new(Self)
	return out, c.do(ctx, call{method: "GET", path: "/whoami"}, out)
}

// newPrincipal is what a caller may say of a principal.
type newPrincipal struct {
	Kind        vitrine.PrincipalKind `json:"kind"`
	Name        string                `json:"name,omitempty"`
	Email       string                `json:"email,omitempty"`
	Service     vitrine.ServiceKind   `json:"service,omitempty"`
	Owner       vitrine.ID            `json:"owner,omitempty"`
	Purpose     string                `json:"purpose,omitempty"`
	Environment vitrine.Environment   `json:"environment,omitempty"`
	Members     []vitrine.ID          `json:"members,omitempty"`
}

// PutPrincipal makes or changes a principal; without an id one is made. It
// answers the id and the revision.
func (c *Client) PutPrincipal(ctx context.Context, p *vitrine.Principal) (vitrine.ID, int64, error) {
	q := call{method: "POST", path: "/principals", in: newPrincipal{p.Kind, p.Name, p.Email, p.Service, p.Owner, p.Purpose, p.Environment, p.Members}}
	if p.ID != "" {
		q.method, q.path = "PUT", to("principals", string(p.ID))
	}
	var out struct {
		ID vitrine.ID `json:"id"`
	}
	revision, err := c.change(ctx, q, &out)
	if out.ID == "" {
		out.ID = p.ID
	}
	return out.ID, revision, err
}

// DeletePrincipal deletes a principal with its keys and bindings.
func (c *Client) DeletePrincipal(ctx context.Context, id vitrine.ID) (int64, error) {
	return c.change(ctx, call{method: "DELETE", path: to("principals", string(id))}, nil)
}

// SetDisabled disables or enables a principal.
func (c *Client) SetDisabled(ctx context.Context, id vitrine.ID, disabled bool) (int64, error) {
	verb := "enable"
	if disabled {
		verb = "disable"
	}
	return c.change(ctx, call{method: "POST", path: to("principals", string(id), verb)}, nil)
}

// SetMember puts a principal into a group or takes it out.
func (c *Client) SetMember(ctx context.Context, group, member vitrine.ID, in bool) (int64, error) {
	method := "DELETE"
	if in {
		method = "PUT"
	}
	return c.change(ctx, call{method: method, path: to("groups", string(group), "members", string(member))}, nil)
}

// KeyInfo is a key as it is shown: without its secret, with its last use.
type KeyInfo struct {
	vitrine.Key
	LastUsed    time.Time `json:"last_used,omitzero"`
	LastAddress string    `json:"last_address,omitempty"`
}

// Keys lists the keys of a principal; "" is the caller, vitrine.Everyone all.
func (c *Client) Keys(ctx context.Context, principal vitrine.ID) ([]KeyInfo, error) {
	var out struct {
		Keys []KeyInfo `json:"keys"`
	}
	q := url.Values{}
	if principal != "" {
		q.Set("principal", string(principal))
	}
	err := c.do(ctx, call{method: "GET", path: "/keys", query: q}, &out)
	return out.Keys, err
}

// NewKey is what a key is issued from.
type NewKey struct {
	Principal vitrine.ID   `json:"principal,omitempty"` // "" is oneself
	Name      string       `json:"name,omitempty"`
	Roles     []vitrine.ID `json:"roles,omitempty"` // only these are active; none means all
	Scope     vitrine.ID   `json:"scope,omitempty"` // only here and below
	Project   vitrine.ID   `json:"project,omitempty"`
	Dataset   vitrine.ID   `json:"dataset,omitempty"`
	CIDRs     []string     `json:"cidrs,omitempty"`
	For       bool         `json:"for_me,omitempty"` // an agent's key that acts for the issuer
	Expires   time.Time    `json:"expires,omitzero"`
	NoExpiry  bool         `json:"no_expiry,omitempty"`
}

// IssuedKey is a key with its secret, which is shown this once.
type IssuedKey struct {
	ID        vitrine.ID `json:"id"`
	Key       string     `json:"key"`
	Principal vitrine.ID `json:"principal"`
	Expires   time.Time  `json:"expires,omitzero"`
	Revision  int64      `json:"revision"`

	PreviousUntil time.Time `json:"previous_until,omitzero"` // after a rotation: until when the old secret works
}

// IssueKey issues a key.
func (c *Client) IssueKey(ctx context.Context, n NewKey) (*IssuedKey, error) {
	out := new(IssuedKey)
	_, err := c.change(ctx, call{method: "POST", path: "/keys", in: n}, out)
	return out, err
}

// RotateKey gives a key a new secret; the old one works for the overlap.
func (c *Client) RotateKey(ctx context.Context, id vitrine.ID, overlap time.Duration) (*IssuedKey, error) {
	in := struct {
		Overlap vitrine.Duration `json:"overlap,omitempty"`
	}{vitrine.Duration(overlap)}
	out := new(IssuedKey)
	_, err := c.change(ctx, call{method: "POST", path: to("keys", string(id), "rotate"), in: in}, out)
	return out, err
}

// RevokeKey ends a key at once.
func (c *Client) RevokeKey(ctx context.Context, id vitrine.ID) (int64, error) {
	return c.change(ctx, call{method: "DELETE", path: to("keys", string(id))}, nil)
}
