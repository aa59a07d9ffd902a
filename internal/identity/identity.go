// Package identity knows who asks: principals, the keys that they show, and
// how a request becomes an access.Caller.
//
// Authenticate is the only maker of callers. It parses the key, finds it in the
// policy in use, compares one SHA-256 in constant time, and then looks whether
// key, principal and the person acted for are still active and the address is
// one of the key's. Everything that it needs is in memory, so a request costs
// microseconds and no query. Whatever is wrong, the answer is the same error
// after the same work; what was wrong stands in the log.
//
// Keys and principals are part of the policy: issuing, rotating and revoking a
// key, disabling a person, changing a group are change sets, applied by package
// policy like every other. What may be done to whom is therefore decided by
// package rbac alone; here are the forms: how a key is written (see ParseKey),
// how long it lives, what Init starts with.
//
// An owner enrols at the first request with her first key. Each use of a first
// key raises an alert, because for its 72 hours it is the most powerful thing
// in the house and was seen on a screen.
package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// Config is what a Directory needs.
type Config struct {
	Policies *policy.Policies
	Guard    *access.Guard
	Store    *store.Store
	Now      func() time.Time // nil is time.Now
}

// Directory is the service. It is safe for concurrent use.
type Directory struct {
	policies *policy.Policies
	guard    *access.Guard
	store    *store.Store
	now      func() time.Time

	enrolling sync.Mutex
	uses      uses
}

// New makes the service; it starts nothing.
func New(c Config) (*Directory, error) {
	if c.Policies == nil || c.Guard == nil || c.Store == nil {
		return nil, errors.New("identity: Policies, Guard and Store are needed")
	}
	d := &Directory{policies: c.Policies, guard: c.Guard, store: c.Store, now: c.Now}
	if d.now == nil {
		d.now = time.Now
	}
	return d, nil
}

// tries is how often a change is built anew on what a faster one left.
const tries = 8

// change builds a change set on the policy in use and applies it. What it
// replaces must be what it was built on; if somebody was faster it is built
// again, unless the change names a revision. Where the caller demands a version,
// what a is about must have it.
func (d *Directory) change(ctx context.Context, by access.Caller, a access.Act, o policy.Options, build func(*rbac.Policy) (*vitrine.ChangeSet, error)) (policy.Applied, error) {
	o.Op = a.Op
	for try := 1; ; try++ {
		now, err := d.guard.Snapshot(ctx, by)
		if err != nil {
			return policy.Applied{}, d.guard.Reject(ctx, by, a, err)
		}
		set, err := build(now)
		if errors.Is(err, vitrine.ErrNotFound) {
			return policy.Applied{}, d.absent(ctx, by, a)
		}
		if err == nil && by.IfVersion != 0 && by.IfVersion != now.ChangedAt(refOf(a)) {
			err = &vitrine.Error{Kind: vitrine.ErrConflict, Code: "revision", Param: string(refOf(a).ID),
				Public: fmt.Sprintf("%s was changed by somebody else. Look at it and try again.", refOf(a))}
		}
		if err != nil {
			return policy.Applied{}, d.refuse(ctx, by, now, a, err)
		}
		if len(set.Changes) == 0 {
			return d.unchanged(ctx, by, now, a)
		}
		named := false
		for i := range set.Changes {
			c := &set.Changes[i]
			named = named || c.IfRevision != 0
			if c.IfRevision == 0 {
				c.IfRevision = now.ChangedAt(c.Ref)
			}
		}
		applied, err := d.policies.ApplyAs(ctx, by, set, o)
		if err == nil || named || try == tries || !overtaken(err) {
			return applied, err
		}
	}
}

func overtaken(err error) bool {
	var e *vitrine.Error
	return errors.As(err, &e) && errors.Is(e.Kind, vitrine.ErrConflict) && e.Code == "revision"
}

// unchanged answers a change that would change nothing. It takes what the
// change would have taken: that a key is revoked already, or somebody in a
// group already, is for nobody else to find out.
func (d *Directory) unchanged(ctx context.Context, by access.Caller, now *rbac.Policy, a access.Act) (policy.Applied, error) {
	if _, ok := now.Object(refOf(a)); !ok {
		return policy.Applied{}, d.absent(ctx, by, a)
	}
	t, err := d.ask(ctx, by, now, a)
	if err != nil {
		return policy.Applied{}, err
	}
	if _, err := t.Record(ctx); err != nil {
		return policy.Applied{}, err
	}
	return policy.Applied{Revision: t.Decision().Revision}, nil
}

// refuse answers with what is wrong with a change, if by may be told: what is
// wrong tells what there is, and of that only those may hear who may change it.
func (d *Directory) refuse(ctx context.Context, by access.Caller, now *rbac.Policy, a access.Act, cause error) error {
	t, err := d.ask(ctx, by, now, a)
	if err != nil {
		return err
	}
	code := "failed"
	var e *vitrine.Error
	if errors.As(cause, &e) && e.Code != "" {
		code = e.Code
	}
	return t.Refuse(ctx, code, cause)
}

// ask asks for a change where it would be made. One's own keys take no
// permission.
func (d *Directory) ask(ctx context.Context, by access.Caller, now *rbac.Policy, a access.Act) (*access.Ticket, error) {
	k := &vitrine.Key{Principal: a.Resource.Owner} // one that is to be issued
	if o, ok := now.Object(refOf(a)); ok {
		a.Resource = now.Resource(o)
		k, _ = o.(*vitrine.Key)
	} else if org := now.Organization(); org != nil {
		a.Resource.Scope = org.ID
	}
	if by.System || a.Resource.Kind == vitrine.KindKey && k != nil && answers(now, &by, k) {
		return d.guard.Self(ctx, by, a)
	}
	return d.guard.Check(ctx, by, a)
}

// absent answers for what is not there, as the guard does.
func (d *Directory) absent(ctx context.Context, by access.Caller, a access.Act) error {
	a.Resource = vitrine.Resource{ID: a.Resource.ID}
	t, err := d.guard.Check(ctx, by, a)
	if err != nil {
		return err
	}
	return t.Refuse(ctx, string(vitrine.CodeAbsent), access.NotFound())
}

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

// Whoami describes the caller to itself.
func (d *Directory) Whoami(ctx context.Context, by access.Caller) (Self, error) {
	t, err := d.guard.Self(ctx, by, access.Act{Permission: vitrine.PrincipalView, Op: "whoami",
		Resource: vitrine.Resource{Kind: vitrine.KindPrincipal, ID: by.Principal}})
	if err != nil {
		return Self{}, err
	}
	now, err := d.guard.Policy(by)
	if err != nil {
		return Self{}, t.Refuse(ctx, "policy_stale", err)
	}
	if _, err := t.Record(ctx); err != nil {
		return Self{}, err
	}
	s := Self{Principal: by.Principal, Kind: by.Kind, Key: by.Credential, For: by.For, Revision: now.Revision()}
	if p, ok := now.Principal(by.Principal); ok {
		s.Name = p.Name
	}
	if k, ok := now.Key(by.Credential); ok {
		s.Expires, s.Session, s.Roles = k.Expires, k.Session(), k.Roles
	}
	return s, nil
}

// missing is an error that change answers as the guard does for what is absent.
func missing(ref vitrine.Ref) error { return fmt.Errorf("%s: %w", ref, vitrine.ErrNotFound) }

func refOf(a access.Act) vitrine.Ref { return vitrine.Ref{Kind: a.Resource.Kind, ID: a.Resource.ID} }
