package access

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

// How long recording may take before the answer is that it failed. The time
// does not end with the request: who hangs up does not escape the log.
const (
	recordTimeout = 15 * time.Second
	staleTimeout  = time.Second
)

// Ticket is an allow, to be recorded, spent or refused exactly once. A second
// use is an error and does nothing.
type Ticket struct {
	guard    *Guard
	by       Caller
	act      Act
	decision vitrine.Decision
	entry    vitrine.Entry
	notes    []string // what the guard adds to the entry's Detail
	used     atomic.Bool
}

// Decision is what the guard decided.
func (t *Ticket) Decision() vitrine.Decision { return t.decision }

// Entry is the entry that will be recorded; until then callers may fill
// Resource, Scope, Category, Tier, Cost, Count, Detail and Alert.
func (t *Ticket) Entry() *vitrine.Entry { return &t.entry }

// Record makes the entry durable. When it cannot, the act is refused
// (ErrUnavailable).
func (t *Ticket) Record(ctx context.Context) (Receipt, error) {
	if err := t.use(); err != nil {
		return Receipt{}, err
	}
	t.finishDetail()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	r, err := t.guard.store.Commit(ctx, &t.entry, nil)
	if err != nil {
		return Receipt{}, unrecorded(err)
	}
	return t.receipt(r), nil
}

// Spend records the entry and runs fn in the same transaction: both stand or
// neither does. If fn fails nothing of it stands, the entry says so, and the
// error is fn's. A request that was given up before is not begun.
func (t *Ticket) Spend(ctx context.Context, fn func(*store.Tx) error) (Receipt, error) {
	if err := t.use(); err != nil {
		return Receipt{}, err
	}
	t.finishDetail()
	gone := ctx.Err()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	r, err := t.guard.act(ctx, &t.entry, func(tx *store.Tx) error {
		if gone != nil {
			return gone
		}
		return fn(tx)
	})
	if err != nil {
		return Receipt{}, err
	}
	return t.receipt(r), nil
}

// Refuse records that the act was refused after all, by a check that knows
// more than the policy, and answers cause. The code "failed" stands for what
// broke instead of being refused.
func (t *Ticket) Refuse(ctx context.Context, code string, cause error) error {
	if err := t.use(); err != nil {
		return errors.Join(err, cause)
	}
	t.entry.Outcome, t.entry.Code = outcomeOf(code), code
	if errors.Is(cause, vitrine.ErrDamaged) {
		t.entry.Outcome = vitrine.Broken
	}
	t.finishDetail()
	if err := t.guard.commit(ctx, &t.entry, recordTimeout); err != nil {
		return err
	}
	if cause == nil {
		cause = &vitrine.Error{Kind: vitrine.ErrDenied, Code: code}
	}
	return cause
}

func (t *Ticket) receipt(r store.Receipt) Receipt {
	return Receipt{Receipt: r, Decision: t.decision, By: t.by, Act: t.act}
}

func (t *Ticket) use() error {
	if t.used.Swap(true) {
		return fmt.Errorf("access: the ticket for %s was used before", t.entry.Act)
	}
	t.guard.open.drop(t)
	return nil
}

func (t *Ticket) note(s string) { t.notes = append(t.notes, s) }

// maxDetail bounds the Detail of an entry.
const maxDetail = 1024

// finishDetail joins what the caller and the guard have to say.
func (t *Ticket) finishDetail() {
	if len(t.notes) > 0 {
		if t.entry.Detail != "" {
			t.notes = slices.Insert(t.notes, 0, t.entry.Detail)
		}
		t.entry.Detail = strings.Join(t.notes, "; ")
		t.notes = nil
	}
	t.entry.Detail = clip(t.entry.Detail, maxDetail)
}

// Receipt lets the same act finish without a second decision.
type Receipt struct {
	store.Receipt
	Decision vitrine.Decision
	By       Caller
	Act      Act
}

// Finish records how an act ended that a ticket began, with fn (may be nil) in
// the same transaction. What e (may be nil) leaves empty is filled from the
// receipt; Op becomes the act's with " done", or " failed" where e's outcome is
// not Allowed. If fn fails, nothing of it stands and the outcome says so.
func (g *Guard) Finish(ctx context.Context, r Receipt, e *vitrine.Entry, fn func(*store.Tx) error) error {
	if e == nil {
		e = new(vitrine.Entry)
	}
	began := g.attempt(&r.By, r.Act).entry
	fill(e, &began, r)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	_, err := g.act(ctx, e, func(tx *store.Tx) error {
		if fn == nil {
			return nil
		}
		return fn(tx)
	})
	return err
}

// fill completes the entry of an ending from that of the beginning.
func fill(e, began *vitrine.Entry, r Receipt) {
	if e.Outcome == "" {
		e.Outcome = vitrine.Allowed
	}
	if e.Op == "" {
		e.Op = r.Act.Op + " done"
		if e.Outcome != vitrine.Allowed {
			e.Op = r.Act.Op + " failed"
		}
	}
	if e.Act == "" {
		e.Act = string(r.Decision.Permission)
	}
	if e.Act == "" {
		e.Act = began.Act
	}
	if e.Code == "" && e.Outcome == vitrine.Allowed {
		e.Code = string(vitrine.CodeAllowed)
	}
	if e.Kind == "" {
		e.Kind, e.Resource, e.Scope, e.Category, e.Tier = began.Kind, began.Resource, began.Scope, began.Category, began.Tier
	}
	if e.Model == "" {
		e.Model = began.Model
	}
	if e.PromptHash == "" {
		e.PromptHash = began.PromptHash
	}
	if e.Time.IsZero() {
		e.Time = began.Time
	}
	if e.Personal == (vitrine.Personal{}) {
		e.Personal = began.Personal
	}
	e.Actor, e.ActorKind, e.For, e.Credential, e.Request = began.Actor, began.ActorKind, began.For, began.Credential, began.Request
	e.Binding, e.Revision = r.Decision.Binding, r.Decision.Revision
}

// act commits an entry with fn. The store lets the entry tell why fn failed.
func (g *Guard) act(ctx context.Context, e *vitrine.Entry, fn func(*store.Tx) error) (store.Receipt, error) {
	var failed error
	r, err := g.store.Commit(ctx, e, func(tx *store.Tx) error {
		failed = fn(tx)
		return failed
	})
	if err != nil && (failed == nil || errors.Is(err, store.ErrUnrecorded)) {
		return r, unrecorded(err)
	}
	return r, err
}

// commit records an entry alone.
func (g *Guard) commit(ctx context.Context, e *vitrine.Entry, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	if _, err := g.store.Commit(ctx, e, nil); err != nil {
		return unrecorded(err)
	}
	return nil
}

func unrecorded(err error) *vitrine.Error {
	// Whether it may stand all the same, or the disk is full, the store says best.
	var e *vitrine.Error
	if errors.As(err, &e) && errors.Is(e.Kind, vitrine.ErrUnavailable) && e.Code != "unrecorded" {
		told := *e
		told.Err = err
		return &told
	}
	return &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "unrecorded", RetryAfter: 1,
		Public: "The log cannot be written right now, so nothing is done.", Err: err}
}

const codeFailed = "failed"

func outcomeOf(code string) vitrine.Outcome {
	if code == codeFailed {
		return vitrine.Broken
	}
	return vitrine.Refused
}

// codeOf is the code of an error that carries one.
func codeOf(err error, otherwise string) string {
	var e *vitrine.Error
	if errors.As(err, &e) && e.Code != "" {
		return e.Code
	}
	for _, k := range kindCodes {
		if errors.Is(err, k.kind) {
			return k.code
		}
	}
	return otherwise
}

var kindCodes = []struct {
	kind error
	code string
}{
	{vitrine.ErrConflict, "conflict"}, {vitrine.ErrInvalid, "invalid"}, {vitrine.ErrNotFound, "not_found"},
	{vitrine.ErrDenied, "denied"}, {vitrine.ErrExhausted, "exhausted"}, {vitrine.ErrTooLarge, "too_large"},
	{vitrine.ErrUnavailable, "unavailable"}, {vitrine.ErrUpstream, "upstream"}, {context.Canceled, "canceled"},
}

// openTickets remembers where each ticket was made until it is used. What was
// dropped stays, so the number is bounded: more than that is no longer a
// question of which one.
type openTickets struct {
	mu   sync.Mutex
	made map[*Ticket][4]uintptr
}

const maxOpen = 10_000

func (o *openTickets) add(t *Ticket) {
	var pcs [4]uintptr
	runtime.Callers(3, pcs[:])
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.made == nil {
		o.made = make(map[*Ticket][4]uintptr)
	}
	if len(o.made) < maxOpen {
		o.made[t] = pcs
	}
}

func (o *openTickets) drop(t *Ticket) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.made, t)
}

// Open lists tickets neither recorded, spent nor refused, with the places
// where they were asked for. While nothing is under way there must be none;
// tests end by looking.
func (g *Guard) Open() []string {
	g.open.mu.Lock()
	defer g.open.mu.Unlock()
	var all []string
	for t, pcs := range g.open.made {
		where := make([]string, 0, len(pcs))
		frames := runtime.CallersFrames(pcs[:])
		for {
			f, more := frames.Next()
			if f.File != "" && !strings.HasSuffix(f.File, "/internal/access/check.go") && !strings.HasSuffix(f.File, "/internal/access/list.go") {
				where = append(where, fmt.Sprintf("%s:%d", f.File, f.Line))
			}
			if !more {
				break
			}
		}
		all = append(all, fmt.Sprintf("%s %s %s: %s", t.entry.Act, t.entry.Op, t.act.Resource.ID, strings.Join(where, " < ")))
	}
	slices.Sort(all)
	return all
}
