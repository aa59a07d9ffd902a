package vault

import (
	"context"

	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// Sweep is one round of Run.
func (v *Vault) Sweep(ctx context.Context) (int, error) { return v.sweep(ctx) }

// SweepAll is one round of Run, which tells the process log what fails.
func (v *Vault) SweepAll(ctx context.Context) { v.sweepAll(ctx) }

// OpenViews is how many views are open.
func (v *Vault) OpenViews() int {
	v.views.mu.Lock()
	defer v.views.mu.Unlock()
	n := 0
	for _, open := range v.views.open {
		n += len(open)
	}
	return n
}

// Busy takes all the room that there is to decode in, until release.
func (v *Vault) Busy(ctx context.Context) (release func(), err error) {
	return func() { v.decoding.Release(v.bounds.Pixels) }, v.decoding.Acquire(ctx, v.bounds.Pixels)
}

// Cursors seals and opens cursors under an installation key.
func Cursors(k seal.Key) (seal func(store.Cursor, string) string, open func(s, context string) (store.Cursor, error)) {
	v := &Vault{keys: newKeys(k)}
	return v.sealCursor, v.openCursor
}

// Given is the rendition that a decision gives.
var Given = given

// What tests look at from outside.
const (
	FormOriginal = formOriginal
	FormMasked   = formMasked
	Inline       = inline
	SweepAge     = sweepAge
	MaxScan      = maxScan
)
