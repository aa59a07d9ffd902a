package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

// generation is one request on its way.
type generation struct {
	*Request
	by     access.Caller
	at     time.Time // when it came, by which windows of budgets count
	policy *rbac.Policy
	act    access.Act

	deployment *vitrine.Deployment
	dataset    *vitrine.Dataset
	tier       vitrine.Tier // of what will be born
	tierBy     vitrine.TierSource
	lineage    []vitrine.ID // images of the vault that it is made from
	counted    bool         // each of them was counted for the tier

	n                      int
	size, format, response string // as settled

	service line
	ask     provider.Request
	views   []*vault.View // of sources, to be closed

	allowances  []allowance
	reservation string
	reserved    vitrine.Micros
	expires     time.Time // of the reservation
	receipt     access.Receipt

	drafts []*vault.Draft // by the number of the picture; nil where none came
	result provider.Result
	made   []picture // what came whole
	bill   settlement
	// balances are those of the settlement, once it stands.
	balances []vitrine.Balance
	answer   *Answer
	held     bool // handed to Run, which keeps it later
}

// grace is how long after the longest call a reservation still waits to be
// settled.
const grace = 10 * time.Minute

// Generate makes or edits images. It answers when they are in the vault, paid
// for and recorded. From the moment that money is set aside it does not end
// with ctx.
//
// Errors: ErrDenied, ErrNotFound and ErrUnauthenticated as the guard decides;
// ErrInvalid with the field that is wrong; ErrExhausted where a budget does not
// cover it (code budget_exhausted, budget_in_debt) or it comes too fast
// (rate_limited); ErrConflict for an idempotency key in use; ErrUpstream where
// the service failed; ErrUnavailable where the log, the policy or a place for
// the call cannot be had. Every one of them is recorded.
func (g *Gateway) Generate(ctx context.Context, by access.Caller, r *Request) (*Answer, error) {
	m, t, err := g.resolve(ctx, by, r)
	if err != nil {
		return nil, err
	}
	if a, done, err := g.replay(ctx, m, t); done {
		return a, err
	}
	defer m.close()
	if err := g.prepare(ctx, m, t.Decision()); err != nil {
		return nil, refuse(ctx, t, err)
	}
	leave, err := g.enter(ctx)
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	defer func() {
		if !m.held {
			leave()
		}
	}()
	vacate, err := g.vault.Room(m.n)
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	defer vacate()
	g.busy.begin()
	defer g.busy.end()
	if err := g.begin(ctx, m, t); err != nil {
		return nil, err
	}
	// Paid for is paid for: the client may go, the image is kept.
	ctx = context.WithoutCancel(ctx)
	if m.Stream != nil && m.Stream.Begun != nil {
		m.Stream.Begun()
	}
	result, err := g.call(ctx, m)
	if err := g.inspect(m, result, err); err != nil {
		return nil, g.fail(ctx, m, err)
	}
	return g.keep(ctx, m)
}

// prepare is all that can be found wrong before money is touched. What knows
// more about a prompt than its length is to be asked here, after valid: until
// begin the ticket can be refused, and nothing was set aside or sent.
func (g *Gateway) prepare(ctx context.Context, m *generation, d vitrine.Decision) error {
	if err := m.valid(); err != nil {
		return err
	}
	if err := g.open(ctx, m, d); err != nil {
		return err
	}
	p, err := g.providerOf(m.policy, m.deployment.Provider)
	if err != nil {
		return err
	}
	if err := provider.Check(p.Kind, &m.ask); err != nil {
		return err
	}
	if m.service, err = g.serviceFor(ctx, m, p); err != nil {
		return err
	}
	perMinute := m.deployment.Limits.PerMinute
	if wait := g.rates.take(m.deployment.ID, perMinute, m.at, m.by.Principal, m.by.For); wait > 0 {
		return &vitrine.Error{Kind: vitrine.ErrExhausted, Code: "rate_limited", RetryAfter: seconds(wait),
			Public: fmt.Sprintf("This model takes %d requests a minute from each caller.", perMinute)}
	}
	return nil
}

// enter waits for one of the places that bound how much is under way.
func (g *Gateway) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-g.calls }
	select {
	case g.calls <- struct{}{}:
		return leave, nil
	default:
	}
	wait := time.NewTimer(g.patience)
	defer wait.Stop()
	select {
	case g.calls <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wait.C:
		return nil, &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "busy", RetryAfter: 5,
			Public: "Too much is being made right now."}
	}
}

// begin is T1: the entry, the idempotency key and the reservation, or none.
func (g *Gateway) begin(ctx context.Context, m *generation, t *access.Ticket) error {
	m.allowances = allowances(m.policy, m.by, m.deployment.Project)
	m.reserved = upper(m.deployment.Price, m.size, m.Quality) * vitrine.Micros(m.n)
	m.reservation = reservationOf(m.by.Request)
	m.expires = m.at.Add(g.timeout + grace)
	e := t.Entry()
	e.Cost, e.Category, e.Tier = m.reserved, vitrine.Generated, m.tier
	note(e, fmt.Sprintf("%d for dataset %s", m.n, m.dataset.ID))
	receipt, err := t.Spend(ctx, func(tx *store.Tx) error {
		if err := m.claim(tx); err != nil {
			return err
		}
		return m.reserve(tx)
	})
	m.receipt = receipt
	return g.inDebt(ctx, m, err)
}

// reservationOf is an id that leads back to the request, for the sweep.
func reservationOf(request string) string { return reservationPrefix(request) + rand.Text() }

func reservationPrefix(request string) string { return request + "/" }

// close lets go of the sources. Drafts are not its business: inspect ended what
// cannot be kept, and the others live until the answer is closed.
func (m *generation) close() {
	for _, v := range m.views {
		_ = v.Close() // only read
	}
}

// seconds is a wait in whole seconds, rounded up.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
