// Package policy holds the policy in use and is the only way to change it.
//
// Source keeps the snapshot that every decision is made on. It follows the
// store's revision: at once after a change by this node, within a poll after a
// change by another. On a shared database it also keeps a lease: a node that
// could not confirm its revision for a second, counted from the start of the
// query that confirmed it last, has no policy and refuses. So a revocation
// holds everywhere within that second, also under partition.
//
// Policies is the service. Whatever changes access - a role, a binding, a key,
// a person who leaves - is a change set that goes through one function:
// package rbac admits it (may the caller, and does the state that it ends in
// hold), then the store compares and raises the revision and writes changes and
// entry in one transaction, then the new snapshot is in use, and only then is
// it acknowledged. So any past state can be rebuilt, compared and returned to.
//
// The package decides nothing about access; that is rbac's, asked through the
// guard. What it adds are the rules that do not depend on who asks: revisions,
// fields that only the system writes, datasets that still hold images.
package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// Policies is the service. It is safe for concurrent use.
type Policies struct {
	source *Source
	guard  *access.Guard
	store  *store.Store

	// applying lets the changes of one node wait for each other instead of
	// colliding; other nodes are met by the comparison of revisions.
	applying sync.Mutex
}

// New makes the service on a source that the guard decides by too.
func New(s *Source, g *access.Guard, st *store.Store) (*Policies, error) {
	if s == nil || g == nil || st == nil {
		return nil, errors.New("policy: source, guard and store are needed")
	}
	return &Policies{source: s, guard: g, store: st}, nil
}

// Applied is what a change set became.
type Applied struct {
	Revision int64            `json:"revision"`
	Changes  []vitrine.Change `json:"changes"`
}

// Options are what the parts of the system that build change sets set beside
// them.
type Options struct {
	Op    string // for the log; "" is "apply"
	Act   string // for the log, where it is not the permission: "recover"
	Alert string // raised with the entry
	// Detail says in the entry, by opaque ids, what a change does inside an
	// object, so that a restore can do it again.
	Detail string

	// Issuing lets the set put keys. Keys are made by package identity alone;
	// nobody types a hash.
	Issuing bool
	// With, may be nil, runs in the same transaction.
	With func(*store.Tx) error
	// Check, may be nil, is asked on the snapshot that the set would change.
	Check func(*rbac.Policy) error
}

// Limits of a change set.
const (
	maxChanges = 10_000
	maxReason  = 1000
)

// Apply changes the policy: the whole set or nothing. It answers when the set
// and its entry are durable and this node decides by it. Errors: ErrDenied or
// ErrNotFound when by may not, ErrInvalid when the set cannot be right for
// anybody, ErrConflict when somebody else was faster or a revision that it
// names is not the current one. A set without revisions is tried again on what
// the faster one left.
func (p *Policies) Apply(ctx context.Context, by access.Caller, set *vitrine.ChangeSet) (Applied, error) {
	return p.ApplyAs(ctx, by, set, Options{})
}

// ApplyWith is Apply with fn, may be nil, in the same transaction.
func (p *Policies) ApplyWith(ctx context.Context, by access.Caller, set *vitrine.ChangeSet, fn func(*store.Tx) error) (Applied, error) {
	return p.ApplyAs(ctx, by, set, Options{With: fn})
}

// tries is how often a set is tried against faster ones of other nodes.
const tries = 8

// ApplyAs is Apply with options.
func (p *Policies) ApplyAs(ctx context.Context, by access.Caller, set *vitrine.ChangeSet, o Options) (Applied, error) {
	if o.Op == "" {
		o.Op = "apply"
	}
	set, err := clone(set)
	if err != nil {
		return Applied{}, p.guard.Reject(ctx, by, access.Act{Permission: vitrine.SystemEdit, Op: o.Op}, err)
	}
	if len(set.Changes) == 0 {
		return p.nothing(ctx, by, o)
	}
	p.applying.Lock()
	defer p.applying.Unlock()
	for try := 1; ; try++ {
		a, err := p.try(ctx, by, set, o)
		if err == nil || try == tries || !errors.Is(err, errOvertaken) || set.IfRevision != 0 {
			return a, err
		}
	}
}

// errOvertaken marks a conflict with a faster change of another node.
var errOvertaken = errors.New("another change was faster")

func (p *Policies) try(ctx context.Context, by access.Caller, asked *vitrine.ChangeSet, o Options) (Applied, error) {
	gone := forgetting{set: asked}
	if now, err := p.guard.Snapshot(ctx, by); err == nil { // otherwise Admit says so
		gone = forget(now, asked)
	}
	set := gone.set
	ad, err := p.guard.Admit(ctx, by, set, o.Op, func(before *rbac.Policy) error {
		if again := forget(before, asked); !slices.Equal(again.secrets, gone.secrets) {
			return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "revision", Err: errOvertaken, Public: "Somebody else was faster. Look at it and try again."}
		}
		return p.sound(ctx, by, before, set, o)
	})
	if err != nil {
		return Applied{}, err
	}
	e := ad.Ticket.Entry()
	e.Alert, e.Detail = o.Alert, o.Detail
	if o.Act != "" {
		e.Act = o.Act
	}
	began := p.source.now()
	var revision int64
	var lost error
	_, err = ad.Ticket.Spend(ctx, func(tx *store.Tx) error {
		if revision, lost = tx.ApplyChanges(ad.Before.Revision(), by.Actor(), set); lost != nil {
			return lost
		}
		if err := gone.secretsGo(tx); err != nil || o.With == nil {
			return err
		}
		return o.With(tx)
	})
	if err != nil {
		return Applied{}, p.overtaken(ctx, ad.Before.Revision(), lost, err)
	}
	p.source.publish(ad, revision, set, began)
	return Applied{Revision: revision, Changes: redactAll(set.Changes)}, nil
}

// overtaken tells a conflict with another node, which a second try may
// overcome, from one that stays: then the revision has not moved.
func (p *Policies) overtaken(ctx context.Context, from int64, lost, err error) error {
	if errors.Is(err, vitrine.ErrUnavailable) {
		p.source.doubt() // the answer got lost, maybe not the change
	}
	if lost == nil || !errors.Is(lost, vitrine.ErrConflict) {
		return err
	}
	if rerr := p.source.Refresh(ctx); rerr != nil {
		return errors.Join(err, rerr)
	}
	now, cerr := p.source.Current()
	if cerr != nil || now.Revision() == from {
		return err
	}
	return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "revision", Err: errors.Join(errOvertaken, err),
		Public: fmt.Sprintf("The policy is at revision %d by now. Look at it and try again.", now.Revision())}
}

// nothing answers an empty change set, which is recorded like any attempt.
func (p *Policies) nothing(ctx context.Context, by access.Caller, o Options) (Applied, error) {
	t, err := p.guard.Self(ctx, by, access.Act{Permission: vitrine.SystemView, Op: o.Op + " nothing"})
	if err != nil {
		return Applied{}, err
	}
	if _, err := t.Record(ctx); err != nil {
		return Applied{}, err
	}
	return Applied{Revision: t.Decision().Revision}, nil
}

// sound holds what a change set needs whoever asks.
func (p *Policies) sound(ctx context.Context, by access.Caller, now *rbac.Policy, set *vitrine.ChangeSet, o Options) error {
	if set.IfRevision != 0 && set.IfRevision != now.Revision() {
		return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "revision",
			Public: fmt.Sprintf("The policy is at revision %d, not %d. Look at it and try again.", now.Revision(), set.IfRevision)}
	}
	if o.Check != nil {
		if err := o.Check(now); err != nil {
			return err
		}
	}
	seen := make(map[vitrine.Ref]bool, len(set.Changes))
	for _, c := range set.Changes {
		if seen[c.Ref] {
			return vitrine.Invalid("changes", "duplicate", fmt.Sprintf("%s is changed twice.", c.Ref))
		}
		seen[c.Ref] = true
		if err := p.soundChange(ctx, by, now, c, o); err != nil {
			return err
		}
	}
	return nil
}

func (p *Policies) soundChange(ctx context.Context, by access.Caller, now *rbac.Policy, c vitrine.Change, o Options) error {
	if c.IfRevision != 0 && now.ChangedAt(c.Ref) != c.IfRevision {
		return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "revision", Param: string(c.Ref.ID),
			Public: fmt.Sprintf("%s was changed by somebody else. Look at it and try again.", c.Ref)}
	}
	if c.Object == nil {
		if c.Ref.Kind == vitrine.KindDataset {
			return p.empty(ctx, c.Ref)
		}
		return nil
	}
	if by.System {
		return nil
	}
	return systemFields(now, c.Object, o)
}

// systemFields refuses to let callers write what only the system may: whoever
// lowers an epoch revives dead keys, whoever writes a hash knows a secret.
func systemFields(now *rbac.Policy, o vitrine.Object, opt Options) error {
	switch o := o.(type) {
	case *vitrine.Key:
		if !opt.Issuing {
			return vitrine.Invalid(o.Ref().String(), "keys_are_issued", "Keys are issued, rotated and revoked, not put.")
		}
	case *vitrine.Principal:
		if err := soundEpoch(now, o); err != nil {
			return err
		}
		if o.ID == access.SystemActor || o.ID == vitrine.Everyone {
			return vitrine.Invalid(o.Ref().String(), "reserved", "This id is taken by the system itself.")
		}
	case *vitrine.Organization:
		if org := now.Organization(); org != nil && (org.ID != o.ID || org.Solo != o.Solo) {
			return vitrine.Invalid(o.Ref().String(), "system_field", "The organization's id and solo are settled at init.")
		}
	}
	return nil
}

// maxEpoch bounds the epoch that a principal comes with, so that there is always
// a higher one.
const maxEpoch = 1 << 32

// soundEpoch lets an epoch rise by one and no further: one that cannot rise any
// more is a principal that nobody can disable. Disabling without it would leave
// keys that come alive again.
func soundEpoch(now *rbac.Policy, o *vitrine.Principal) error {
	was, there := now.Principal(o.ID)
	if !there {
		was = &vitrine.Principal{Disabled: o.Disabled, Epoch: min(max(o.Epoch, 0), maxEpoch)}
	}
	switch rise := o.Epoch - was.Epoch; {
	case rise < 0, rise > 1, !o.Enrolled.Equal(was.Enrolled):
		return vitrine.Invalid(o.Ref().String(), "system_field", "epoch and enrolled are written by the system alone.")
	case rise == 0 && o.Disabled && !was.Disabled:
		return vitrine.Invalid(o.Ref().String(), "system_field", "Disabling ends keys too, so it is an act of its own: disable the principal, do not put it disabled.")
	}
	return nil
}

// empty refuses to delete a dataset that holds images: their keys would stay
// where nobody can reach them any more.
func (p *Policies) empty(ctx context.Context, ref vitrine.Ref) error {
	page, err := p.store.Images(ctx, store.ImageQuery{
		Sets: []store.ImageSet{{Datasets: []vitrine.ID{ref.ID}, Cells: ^uint32(0)}}, Limit: 1,
	})
	if err != nil {
		return fmt.Errorf("look for images in %s: %w", ref, err)
	}
	if page.Full {
		return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "dataset_not_empty", Param: string(ref.ID),
			Public: fmt.Sprintf("%s still holds images. Delete or move them first.", ref)}
	}
	return nil
}

// clone makes a set that nobody else can change, and refuses one that is out
// of bounds.
func clone(set *vitrine.ChangeSet) (*vitrine.ChangeSet, error) {
	if len(set.Changes) > maxChanges {
		return nil, vitrine.Invalid("changes", "too_many", fmt.Sprintf("At most %d changes at once.", maxChanges))
	}
	if len(set.Reason) > maxReason {
		return nil, vitrine.Invalid("reason", "too_long", fmt.Sprintf("At most %d bytes.", maxReason))
	}
	b, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("copy change set: %w", err)
	}
	c := new(vitrine.ChangeSet)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, &vitrine.Error{Kind: vitrine.ErrInvalid, Code: "invalid", Param: "changes", Public: "This is no change set.", Err: err}
	}
	return c, nil
}
