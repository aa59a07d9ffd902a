package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/render"
	"vitrine.dev/vitrine/internal/vault"
)

// picture is one image that came whole.
type picture struct {
	draft *vault.Draft
	info  render.Info
	seed  string
	words string // revised prompt
}

// settlement is how a reservation ends.
type settlement struct {
	release bool           // nothing was charged
	cost    vitrine.Micros // what the budgets are charged
	broken  error          // what went wrong, also where some images came whole; or nil
}

// call asks the service. Its bytes go into drafts of the vault as they come.
func (g *Gateway) call(ctx context.Context, m *generation) (*provider.Result, error) {
	m.drafts = make([]*vault.Draft, m.n)
	m.ask.Sink = func(i int) (io.Writer, error) {
		if i < 0 || i >= m.n || m.drafts[i] != nil {
			return nil, fmt.Errorf("a picture number %d that nobody asked for", i)
		}
		d, err := g.vault.Draft(ctx) // outlives the call
		if err != nil {
			return nil, err
		}
		m.drafts[i] = d
		return d, nil
	}
	defer g.previews(m)()
	timed, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	r, err := m.service.Generate(timed, &m.ask)
	if !refused(err) {
		return r, err
	}
	if earlier := g.fallBack(ctx, m); earlier != nil {
		return earlier.Generate(timed, &m.ask)
	}
	return r, err
}

// inspect finds out what came whole and what it cost. Images that came whole
// are kept even if the service failed after them: they may have been paid for.
// Where there is none it answers why.
func (g *Gateway) inspect(m *generation, r *provider.Result, failed error) error {
	if failed == nil {
		m.result = *r
	}
	broken := failed
	for i, d := range m.drafts {
		if d == nil {
			continue
		}
		info, err := d.Finish()
		if err != nil {
			d.Abort()
			m.drafts[i] = nil
			if broken == nil {
				broken = notImage(err)
			}
			continue
		}
		p := picture{draft: d, info: info}
		if i < len(m.result.Images) {
			p.seed, p.words = m.result.Images[i].Seed, m.result.Images[i].RevisedPrompt
		}
		m.made = append(m.made, p)
	}
	if len(m.made) == 0 && broken == nil {
		broken = &provider.Error{Code: provider.CodeNoImage, Charged: provider.ChargedUnknown, Message: "The service answered without a picture."}
	}
	m.bill = m.settle(failed, broken)
	m.bill.broken = broken
	if len(m.made) == 0 {
		return broken
	}
	return nil
}

// notImage is the error for a draft that cannot be finished: mostly because the
// service gave out something else as a picture, else by our own fault.
func notImage(err error) error {
	if !errors.Is(err, vitrine.ErrInvalid) && !errors.Is(err, vitrine.ErrTooLarge) {
		return &provider.Error{Code: provider.CodeNotKept, Charged: provider.ChargedYes, Err: err, Message: "The picture could not be kept."}
	}
	return &provider.Error{Code: provider.CodeBadAnswer, Charged: provider.ChargedUnknown, Err: err,
		Message: "The service answered something that is not a picture or is out of bounds."}
}

// settle is what a call costs. What the service says it charged counts, even
// beyond what was reserved; otherwise the price of what can be kept of its
// answer, or all that was reserved where nobody can tell. failed is how the call
// ended, broken why not all of it can be kept.
func (m *generation) settle(failed, broken error) settlement {
	var up *provider.Error
	switch {
	case errors.As(failed, &up) && up.Cost != nil:
		return settlement{cost: *up.Cost}
	case failed == nil && m.result.Cost != nil:
		return settlement{cost: *m.result.Cost}
	case failed != nil && owed(failed):
		return settlement{cost: m.reserved}
	case len(m.made) == 0 && !owed(broken):
		return settlement{release: true}
	case len(m.made) == 0:
		return settlement{cost: m.reserved}
	}
	return settlement{cost: bill(m.deployment.Price, len(m.made), m.size, m.Quality, m.result.Echo)}
}
