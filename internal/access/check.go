package access

import (
	"context"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// Act is what is tried.
type Act struct {
	Permission        vitrine.Permission
	Op                string // how: "list", "open", "apply"
	Resource          vitrine.Resource
	Model, PromptHash string
	// More are further questions that must all be allowed (birth tier,
	// sources); the first refusal decides.
	More []Question
	// OrElse are permissions tried when Permission is refused (open, then
	// view), as one recorded attempt.
	OrElse []vitrine.Permission
}

// Question is a further question of an act.
type Question struct {
	Permission vitrine.Permission
	Resource   vitrine.Resource
}

// Check decides. A Resource without a kind stands for what is absent and is
// never allowed. A refusal is recorded before it comes back as *vitrine.Error:
// ErrDenied with the Decision, or ErrNotFound, whichever the caller may know;
// ErrUnauthenticated for the zero caller and for one that is no longer active;
// ErrUnavailable when it could not be decided or recorded. An allow is a
// ticket.
func (g *Guard) Check(ctx context.Context, by Caller, a Act) (*Ticket, error) {
	t := g.attempt(&by, a)
	p, err := g.ready(ctx, t)
	if err != nil {
		return nil, err
	}
	d := t.decide(p)
	if !d.Allow {
		return nil, g.refused(ctx, t, d, refusal(d))
	}
	g.allowed(t, d)
	return t, nil
}

// Self is Check for what everybody may do about themselves: it asks for no
// permission, only for a caller that is still active, and is recorded alike.
// The system itself may be the caller.
func (g *Guard) Self(ctx context.Context, by Caller, a Act) (*Ticket, error) {
	t := g.attempt(&by, a)
	begin := g.ready
	if by.System {
		begin = g.fresh
	}
	p, err := begin(ctx, t)
	if err != nil {
		return nil, err
	}
	d := vitrine.Decision{Code: codeSelf, Permission: a.Permission, Revision: p.Revision(), At: t.entry.Time}
	if code, live := p.Live(&by.Subject, t.entry.Time); !live && !by.System {
		d.Code = code
		return nil, g.refused(ctx, t, d, Unauthenticated())
	}
	d.Allow = true
	g.allowed(t, d)
	return t, nil
}

// Reject records an attempt that cannot be right for anybody, whoever asks -
// malformed, or about something that cannot be - and answers cause. A caller
// who is not known gets that answer instead.
func (g *Guard) Reject(ctx context.Context, by Caller, a Act, cause error) error {
	t, err := g.Self(ctx, by, a)
	if err != nil {
		return err
	}
	return t.Refuse(ctx, codeOf(cause, codeFailed), cause)
}

// codeSelf stands in the log where no role was needed.
const codeSelf vitrine.Code = "self"

// attempt starts the entry of an act.
func (g *Guard) attempt(by *Caller, a Act) *Ticket {
	t := &Ticket{guard: g, by: *by, act: a}
	e := &t.entry
	*e = vitrine.Entry{
		Time: g.now(), Act: string(a.Permission), Op: a.Op,
		Actor: by.Actor(), ActorKind: by.Kind, For: by.For, Credential: by.Credential, Request: by.Request,
		Kind: a.Resource.Kind, Resource: a.Resource.ID, Scope: a.Resource.Scope,
		Category: a.Resource.Category, Tier: a.Resource.Tier,
		Model: a.Model, PromptHash: a.PromptHash,
		Personal: vitrine.Personal{UserAgent: clip(by.UserAgent, maxText), EndUser: clip(by.EndUser, maxText)},
	}
	if e.Model == "" {
		e.Model = a.Resource.Model
	}
	if by.Address.IsValid() {
		e.Personal.Address = by.Address.Unmap().String()
	}
	if a.Resource.Kind == "" && !a.Resource.ID.Valid() {
		e.Resource = "" // whatever a stranger typed where an id belongs stays out of the log
	}
	return t
}

// maxText bounds what callers can put into an entry.
const maxText = 256

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most]
}

// ready is what every attempt needs first: somebody who tries, and a policy
// new enough to decide by.
func (g *Guard) ready(ctx context.Context, t *Ticket) (*rbac.Policy, error) {
	if !t.by.known() {
		t.entry.Code = string(vitrine.CodeNoCaller)
		if err := g.stranger(ctx, t); err != nil {
			return nil, err
		}
		return nil, Unauthenticated()
	}
	return g.fresh(ctx, t)
}

// fresh is the snapshot to decide by. Without one, or where something stops the
// system, nothing is decided, which too is an attempt that the log should know
// of; but what keeps the policy from being confirmed mostly is a database that
// cannot be reached, so this entry has little time to get there.
func (g *Guard) fresh(ctx context.Context, t *Ticket) (*rbac.Policy, error) {
	p, err := g.Snapshot(ctx, t.by)
	if err == nil {
		t.entry.Revision = p.Revision()
		if g.stop == nil {
			return p, nil
		}
		if err = g.stop(); err == nil {
			return p, nil
		}
	}
	t.entry.Outcome, t.entry.Code = vitrine.Refused, codeOf(err, "policy_stale")
	if rerr := g.commit(ctx, &t.entry, staleTimeout); rerr != nil {
		return nil, rerr
	}
	return nil, err
}

// decide asks for the act: its permission or what may stand for it, then all
// further questions. It answers the decision on the act itself, or the first
// refusal.
func (t *Ticket) decide(p *rbac.Policy) vitrine.Decision {
	q := rbac.Question{Subject: t.by.Subject, Permission: t.act.Permission, Resource: t.act.Resource, At: t.entry.Time}
	d := ask(p, &q)
	for i := 0; i < len(t.act.OrElse) && !d.Allow; i++ {
		q.Permission = t.act.OrElse[i]
		if other := ask(p, &q); other.Allow {
			d = other
		}
	}
	if !d.Allow {
		return d
	}
	for _, more := range t.act.More {
		q.Permission, q.Resource = more.Permission, more.Resource
		other := ask(p, &q)
		if !other.Allow || more.Resource.ID != "" {
			t.note(string(more.Permission) + " on " + describe(more.Resource))
		}
		if !other.Allow {
			return other
		}
		if other.Erred != "" {
			d.Erred = other.Erred
		}
	}
	return d
}

// ask decides one question. What is absent is never allowed and never known
// of; it is asked about all the same, so that it takes as long.
func ask(p *rbac.Policy, q *rbac.Question) vitrine.Decision {
	d := p.Decide(q)
	if q.Resource.Kind == "" && d.Code != vitrine.CodeInactive {
		d = vitrine.Decision{Code: vitrine.CodeAbsent, Hidden: true, Failed: vitrine.FailedAssigned}
	}
	d.Permission, d.Revision, d.At = q.Permission, p.Revision(), q.At
	return d
}

func describe(r vitrine.Resource) string {
	if r.Kind == "" {
		return "something absent"
	}
	s := string(r.Kind) + "/" + string(r.ID)
	if r.Category != vitrine.CategoryUnknown || r.Tier != vitrine.TierUnknown {
		s += " (" + r.Category.String() + ", " + r.Tier.Effective().String() + ")"
	}
	return s
}

// allowed completes the entry of an allow and makes its ticket count as open.
func (g *Guard) allowed(t *Ticket, d vitrine.Decision) {
	t.decision = d
	e := &t.entry
	e.Outcome, e.Code, e.Binding = vitrine.Allowed, string(d.Code), d.Binding
	if e.Code == "" {
		e.Code = string(vitrine.CodeAllowed)
	}
	if d.Permission != "" {
		e.Act = string(d.Permission)
	}
	if d.Erred != "" {
		t.note("the condition of binding " + string(d.Erred) + " erred")
	}
	g.open.add(t)
}

// refused records a refusal and answers cause, or that it could not be
// recorded.
func (g *Guard) refused(ctx context.Context, t *Ticket, d vitrine.Decision, cause error) error {
	e := &t.entry
	e.Outcome, e.Code, e.Binding = outcomeOf(string(d.Code)), string(d.Code), d.Binding
	if d.Deny != "" {
		t.note("deny " + string(d.Deny))
	}
	if d.Erred != "" {
		t.note("the condition of binding " + string(d.Erred) + " erred")
	}
	if d.Hidden {
		t.note("answered as absent")
	}
	t.finishDetail()
	if err := g.commit(ctx, e, recordTimeout); err != nil {
		return err
	}
	return cause
}
