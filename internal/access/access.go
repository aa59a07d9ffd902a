// Package access is the one door. Every attempt to read or change what is
// protected comes through a Guard as a Caller and an Act, and leaves as a
// refusal that is already in the log, or as a Ticket that must get there.
//
// Life of an attempt: Check asks package rbac on the snapshot of the policy in
// use. A refusal is recorded before it is answered. An allow is a Ticket, and
// nothing may leave or change before the ticket was recorded (Record), spent
// together with the change that it allows (Spend), or refused after all by a
// check that knows more (Refuse) - exactly one of them, once. Record and Spend
// answer a Receipt; with it the same act may finish later without a second
// decision (Finish).
//
// The invariant: unrecorded means refused. When the log cannot be written, or
// the policy in use cannot be confirmed, the answer is ErrUnavailable.
//
// Whether a refused caller may know that the thing exists is decided here and
// nowhere else: where it may not, the error is the one for what is absent, word
// for word.
//
// What is recorded outlives the request: a client that hangs up does not
// escape its entry. Only the failed attempts of unknown callers are counted in
// memory between two entries (see Unknown), because a log that anybody can
// fill is no log.
package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// SystemActor is the actor of what the system does by itself: set-up, recovery.
const SystemActor vitrine.ID = "system"

// Caller is an authenticated principal and how. The zero Caller may do nothing.
// Only package identity makes callers.
type Caller struct {
	rbac.Subject
	Kind      vitrine.PrincipalKind
	Request   string // request id
	UserAgent string
	// Project and Dataset are the key's defaults, or what the request chose.
	Project, Dataset vitrine.ID
	// AtLeast is the policy revision that the request demands.
	AtLeast int64
	// IfVersion is what the request demands of the one thing that it changes:
	// an image's version, or the revision at which an object of the policy last
	// changed; 0 is any. What has another is a conflict.
	IfVersion int64
}

// Actor is who stands in the log for the caller; "" is unknown.
func (c *Caller) Actor() vitrine.ID {
	if c.Principal == "" && c.System {
		return SystemActor
	}
	return c.Principal
}

// known reports whether somebody asks at all.
func (c *Caller) known() bool { return c.Principal != "" }

// Config is what a Guard needs.
type Config struct {
	// Policy is the snapshot in use; it errs when its lease is stale.
	Policy func() (*rbac.Policy, error)
	Store  *store.Store
	Now    func() time.Time // nil is time.Now

	// Refresh, may be nil, makes Policy as new as the store before a request
	// that demands a newer revision is turned away.
	Refresh func(context.Context) error
	// Stop, may be nil, answers why nothing may be done at all, as an error of
	// kind ErrUnavailable: every attempt is refused with it.
	Stop func() error
	// FlushEvery is how often the counts of unknown callers are recorded; 0 is
	// a minute.
	FlushEvery time.Duration
}

// Guard decides and records. It is safe for concurrent use.
type Guard struct {
	policy     func() (*rbac.Policy, error)
	refresh    func(context.Context) error
	stop       func() error
	store      *store.Store
	now        func() time.Time
	flushEvery time.Duration
	strangers  strangers
	open       openTickets
}

// NewGuard makes a guard; it starts nothing.
func NewGuard(c Config) (*Guard, error) {
	if c.Policy == nil || c.Store == nil {
		return nil, errors.New("access: Policy and Store are needed")
	}
	g := &Guard{policy: c.Policy, refresh: c.Refresh, stop: c.Stop, store: c.Store, now: c.Now, flushEvery: c.FlushEvery}
	if g.now == nil {
		g.now = time.Now
	}
	if g.flushEvery <= 0 {
		g.flushEvery = time.Minute
	}
	g.strangers.most = maxStrangers
	return g, nil
}

// Policy is the snapshot that Check would use for by now: the one in use, if
// it is as new as by demands. Otherwise ErrUnavailable.
func (g *Guard) Policy(by Caller) (*rbac.Policy, error) {
	p, err := g.policy()
	if err != nil {
		return nil, &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "policy_stale", RetryAfter: 1,
			Public: "The policy in use cannot be confirmed right now.", Err: err}
	}
	if p.Revision() < by.AtLeast {
		return nil, &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "revision_not_here", RetryAfter: 1,
			Public: fmt.Sprintf("Revision %d has not arrived here yet.", by.AtLeast)}
	}
	return p, nil
}

// Snapshot is Policy after the source had a chance to catch up.
func (g *Guard) Snapshot(ctx context.Context, by Caller) (*rbac.Policy, error) {
	p, err := g.Policy(by)
	if err == nil || g.refresh == nil {
		return p, err
	}
	if rerr := g.refresh(ctx); rerr != nil {
		return nil, err // the first reason is the one to tell
	}
	return g.Policy(by)
}

// Unauthenticated is the one error for whoever is not known, whatever is wrong
// with what they showed.
func Unauthenticated() *vitrine.Error {
	return &vitrine.Error{Kind: vitrine.ErrUnauthenticated, Code: "invalid_key",
		Public: "No valid key was given. Send one as Authorization: Bearer vtr_…"}
}

// NotFound is the one error for what is absent and for what nothing may be
// known of.
func NotFound() *vitrine.Error {
	return &vitrine.Error{Kind: vitrine.ErrNotFound, Code: "not_found",
		Public: "There is no such thing, or you may not know of it."}
}

// refusal is the error for a refusing decision, telling no more than the
// caller may know.
func refusal(d vitrine.Decision) *vitrine.Error {
	switch {
	case d.Code == vitrine.CodeNoCaller || d.Code == vitrine.CodeInactive:
		return Unauthenticated()
	case d.Hidden:
		return NotFound()
	}
	return &vitrine.Error{Kind: vitrine.ErrDenied, Code: string(d.Code), Public: d.Reason(), Param: params[d.Code], Decision: &d}
}

// params names the field of a request that a refusal is about.
var params = map[vitrine.Code]string{
	vitrine.CodeModel:      "model",
	vitrine.CodeFormat:     "output_format",
	vitrine.CodeRespFormat: "response_format",
	vitrine.CodeSize:       "size",
	vitrine.CodeN:          "n",
}
