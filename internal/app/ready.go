package app

import (
	"context"
	"errors"
	"fmt"

	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/ops"
	"vitrine.dev/vitrine/internal/store"
)

// checks are what /readyz and the watcher ask. Everybody may read what fails, so
// only the process log learns why: that may name the database.
func (a *App) checks() []ops.Check {
	return []ops.Check{
		{Name: "policy", Fails: "the policy in use cannot be confirmed", Run: func(context.Context) error {
			_, err := a.source.Current()
			return err
		}},
		{Name: "store", Fails: "the database does not answer, or does not take what is to be recorded", Run: func(ctx context.Context) error {
			if err := errors.Join(a.Store.Ping(ctx), a.Store.Probe(ctx)); !errors.Is(err, store.ErrFull) {
				return err
			}
			return nil // said below
		}},
		{Name: "space", Fails: "the disk is full", Run: func(context.Context) error {
			if a.Store.Full() {
				return store.ErrFull
			}
			return nil
		}},
		{Name: "blobs", Fails: "sealed images cannot be written, read or removed", Run: a.bucket.healthy},
		{Name: "log", Fails: "the log cannot be signed or published, or does not continue what was signed", Run: a.Log.Healthy},
	}
}

// stopped answers why the guard refuses everything: what would be recorded could
// not stand, or would prove nothing.
func (a *App) stopped() error {
	if a.Store.Full() {
		return store.ErrFull
	}
	return a.Log.Broken()
}

// continues refuses to serve data that are older than what was published, or
// other than what was signed.
func (a *App) continues(ctx context.Context) error {
	err := a.Log.Continues(ctx)
	if !errors.Is(err, audit.ErrTampered) {
		return err
	}
	return fmt.Errorf(`%w
Nothing is served, and nothing was changed. Put back the newest data that you have, or, to go on with
these on purpose, move %s away whole and start again: the log will tell.
See "When the data are older than the checkpoints" in docs/operate.md`, err, a.config.Checkpoints)
}
