package gateway

import (
	"context"
	"time"

	"vitrine.dev/vitrine"
)

// Sweep is one round of Run's sweep.
func (g *Gateway) Sweep(ctx context.Context) error { return g.sweep(ctx) }

// KeepLate is one round of Run's keeping of what Generate could not keep.
func (g *Gateway) KeepLate(ctx context.Context) error { return g.keepLate(ctx) }

// Late is how many generations are paid for and not kept yet.
func (g *Gateway) Late() int { return len(g.late) }

// Impatient makes the gateway give up at once what it would try again or wait
// for.
func (g *Gateway) Impatient() { g.pause, g.patience = nil, 0 }

// MaxPreview is the most bytes of a preview that is shown.
const MaxPreview = maxPreview

// Shown is how many bytes previews hold.
func (g *Gateway) Shown() int64 { return g.shown.used.Load() }

// FillPreviews leaves previews no room.
func (g *Gateway) FillPreviews() { g.shown.used.Store(allPreviews) }

// Upper is the most that one image may cost.
func Upper(p *vitrine.Price, size, quality string) vitrine.Micros { return upper(p, size, quality) }

// Bill is what n delivered images cost.
func Bill(p *vitrine.Price, n int, size, quality string, echo map[string]string) vitrine.Micros {
	return bill(p, n, size, quality, echo)
}

// WaitOf reads a service's Retry-After.
func WaitOf(header string, now time.Time) int { return waitOf(header, now) }

// Rate takes a token for a principal, out of buckets of so many a minute.
func Rate(perMinute int) func(at time.Time) time.Duration {
	var r rates
	return func(at time.Time) time.Duration { return r.take("renders/hidream", perMinute, at, "ann") }
}
