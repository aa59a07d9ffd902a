package vault

import (
	"context"
	"fmt"
	"sync"
	"time"

	"vitrine.dev/vitrine/internal/blob"
	"vitrine.dev/vitrine/internal/store"
)

const (
	sweepEvery = time.Hour
	// sweepAge spares what is on its way: the bytes of an upload or a generation
	// are there before the row that names them, by minutes at most.
	sweepAge  = 24 * time.Hour
	sweepPage = 1000
)

// Run sweeps the bucket and the links, now and every hour, and lets images go
// whose time has come, now and every minute, until ctx is done.
func (v *Vault) Run(ctx context.Context) error {
	var both sync.WaitGroup
	for _, round := range []func(context.Context) time.Duration{v.sweepAll, v.keepAll} {
		both.Go(func() { rounds(ctx, round) })
	}
	both.Wait()
	return nil
}

// rounds calls round until ctx is done, now and each time after the pause that
// it answers.
func rounds(ctx context.Context, round func(context.Context) time.Duration) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			next.Reset(round(ctx))
		}
	}
}

// lastKept is by which policy and when the last round got through. It is for Run
// alone.
type lastKept struct {
	revision int64
	at       time.Time
}

// keepAll does a round of keep where one is due: every minute, and when the
// policy, which says how long images stay, has changed.
func (v *Vault) keepAll(ctx context.Context) time.Duration {
	p, err := v.guard.Policy(system)
	if err != nil || p.Revision() == v.lastKept.revision && v.now().Sub(v.lastKept.at) < keepEvery {
		return keepLook
	}
	done, err := v.keep(ctx)
	if err != nil && ctx.Err() == nil {
		v.logger.Warn("images whose time has come could not go", "err", err)
	}
	if done {
		v.lastKept = lastKept{p.Revision(), v.now()}
	}
	return keepLook
}

// sweepAll sweeps what it can. What cannot be swept now is swept an hour later;
// it harms nobody, but whoever runs the system should know.
func (v *Vault) sweepAll(ctx context.Context) time.Duration {
	_, err := v.sweep(ctx)
	if err != nil && ctx.Err() == nil {
		v.logger.Warn("what deleted images left could not be swept", "err", err)
	}
	if t, ok := v.bucket.(blob.Tidier); ok {
		if err := t.Tidy(ctx, v.now().Add(-sweepAge)); err != nil && ctx.Err() == nil {
			v.logger.Warn("unfinished uploads could not be swept", "err", err)
		}
	}
	if err := v.purgeLinks(ctx); err != nil && ctx.Err() == nil {
		v.logger.Warn("expired links could not be swept", "err", err)
	}
	return sweepEvery
}

// purgeLinks forgets links that expired more than sweepAge ago. Until then a use
// of one is refused by name: the log says whose it was.
func (v *Vault) purgeLinks(ctx context.Context) error {
	for {
		var n int64
		err := v.store.Maintain(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.PurgeLinks(v.now().Add(-sweepAge), sweepPage)
			return err
		})
		if err != nil || n < sweepPage {
			return err
		}
	}
}

// sweep removes old blobs that no row names: what uploads left that a crash cut
// short, and files of deleted images. It answers how many it removed.
func (v *Vault) sweep(ctx context.Context) (removed int, err error) {
	old := v.now().Add(-sweepAge)
	for after := ""; ; {
		page, err := v.bucket.List(ctx, after, sweepPage)
		if err != nil {
			return removed, fmt.Errorf("list the bucket: %w", err)
		}
		var names []string
		for _, b := range page {
			if after = b.Name; b.Changed.Before(old) {
				names = append(names, b.Name)
			}
		}
		named, err := v.store.BlobNamed(ctx, names)
		if err != nil {
			return removed, err
		}
		for _, name := range names {
			if named[name] {
				continue
			}
			if err := v.bucket.Delete(ctx, name); err != nil {
				return removed, fmt.Errorf("sweep %s: %w", name, err)
			}
			removed++
		}
		if len(page) < sweepPage {
			return removed, nil
		}
	}
}
