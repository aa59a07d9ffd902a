// Package gateway makes images: it checks a request, sets money aside, asks an
// image service, and has the vault keep what came back. It is also where
// services, their credentials, budgets and usage are looked after.
//
// Life of a generation:
//
//	resolve   project, deployment, dataset, sources: from the policy in use
//	check     one act for the guard: the model with all that is asked of it,
//	          creating and opening what will be born, opening each source
//	valid     what cannot be right for anybody, now that the caller may know
//	T1        the ticket is spent: entry, idempotency key and reservation
//	call      the service, with a credential that the caller never sees; the
//	          bytes go straight into the vault's drafts
//	T2        the vault keeps the drafts: rows, settlement, usage, reply, entry
//	answer    the drafts are read back
//
// The invariant is about money: whatever may be charged was reserved before
// anything was sent, in every budget that counts, and each reservation ends
// exactly once - settled with what was made, given back where the service
// certainly charged nothing, or counted as spent where nobody knows. A process
// that dies in between leaves its reservation to the sweep, which counts it as
// spent and records that. Nothing is ever retried with a service: a retry may
// pay twice.
//
// From T1 on the client no longer matters. One that hangs up has paid, so the
// image is kept all the same; and where the store cannot keep it, the gateway
// holds on to it and tries again, and meanwhile takes less new work.
//
// The package decides nothing about access; it builds the question. What a
// request leaves open is settled before the question is asked and then sent as
// settled, because a role that bounds the size bounds the default too.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/render"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

// Config is what a Gateway needs. Guard, Policies, Store, Vault and Seal have
// to be there.
type Config struct {
	Guard    *access.Guard
	Policies *policy.Policies
	Store    *store.Store
	Vault    *vault.Vault
	Seal     seal.Key // installation key; end users are hashed for services under a key derived from it

	Bounds       render.Bounds    // of a picture, as the vault's; zero is the default
	AllowPrivate bool             // services on loopback and private addresses
	Timeout      time.Duration    // of a call to a service; 0 is 5 minutes
	Calls        int              // calls under way at the same time; 0 is 64
	Now          func() time.Time // nil is time.Now
}

// Gateway is the service. It is safe for concurrent use.
type Gateway struct {
	guard    *access.Guard
	policies *policy.Policies
	store    *store.Store
	vault    *vault.Vault
	users    seal.Key
	bounds   render.Bounds
	private  bool
	timeout  time.Duration
	now      func() time.Time

	calls chan struct{}    // a place for each call until its images are kept
	late  chan *generation // paid for, and not kept yet
	rates rates
	busy  underway
	shown room // of previews

	secrets secrets

	patience time.Duration   // how long a request waits for a place
	pause    []time.Duration // between attempts to keep
}

const (
	defaultTimeout = 5 * time.Minute
	defaultCalls   = 64
)

// New makes the service; it starts nothing.
func New(c Config) (*Gateway, error) {
	if c.Guard == nil || c.Policies == nil || c.Store == nil || c.Vault == nil || c.Seal.IsZero() {
		return nil, errors.New("gateway: Guard, Policies, Store, Vault and Seal are needed")
	}
	g := &Gateway{
		guard: c.Guard, policies: c.Policies, store: c.Store, vault: c.Vault, users: c.Seal.Derive("end users of services"),
		bounds: c.Bounds, private: c.AllowPrivate, timeout: cmp.Or(c.Timeout, defaultTimeout), now: c.Now,
		patience: 10 * time.Second, pause: []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 5 * time.Second},
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.bounds == (render.Bounds{}) {
		g.bounds = render.DefaultBounds()
	}
	n := cmp.Or(c.Calls, defaultCalls)
	g.calls, g.late = make(chan struct{}, n), make(chan *generation, n)
	return g, nil
}

// snapshot is the policy to build a question from. That there is none is
// recorded, as far as that is possible.
func (g *Gateway) snapshot(ctx context.Context, by access.Caller, a access.Act) (*rbac.Policy, error) {
	now, err := g.guard.Snapshot(ctx, by)
	if err != nil {
		return nil, g.guard.Reject(ctx, by, a, err)
	}
	return now, nil
}

// refuse ends a ticket with an error that was found after the decision.
func refuse(ctx context.Context, t *access.Ticket, err error) error {
	return t.Refuse(ctx, codeOf(err), err)
}

// codeOf is what the log says of an error; "failed" where something broke
// rather than being refused.
func codeOf(err error) string {
	var e *vitrine.Error
	switch {
	case errors.As(err, &e) && e.Code != "":
		return e.Code
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "failed"
}
