package vault

import (
	"context"

	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// Sweep is one round of Run.
func (v *Vault) Sweep(ctx context.Context) (int, error) { return v.sweep(ctx) }

// KeepAll does rounds of what nobody asks for until there is no more to do.
func (v *Vault) KeepAll(ctx context.Context) error {
	for {
		done, err := v.keep(ctx)
		if done || err != nil {
			return err
		}
	}
}

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

// FillMemory takes all the room for plain bytes of drafts, until release. It
// answers false where a draft holds some.
func (v *Vault) FillMemory() (release func(), ok bool) {
	return func() { v.memory.Release(maxHeld) }, v.memory.TryAcquire(maxHeld)
}

// ForgetSmall forgets the small blobs that are remembered.
func (v *Vault) ForgetSmall() {
	v.small.mu.Lock()
	defer v.small.mu.Unlock()
	v.small.blobs, v.small.size = nil, 0
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
	FormOriginal  = formOriginal
	FormMasked    = formMasked
	FormThumbnail = formThumbnail
	Inline        = inline
	SweepAge      = sweepAge
	MaxScan       = maxScan
)
