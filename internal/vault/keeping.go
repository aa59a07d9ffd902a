package vault

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

const (
	keepEvery = time.Minute
	keepLook  = time.Second // looks whether a round is due, which costs nothing
	keepPage  = 200
	keepMost  = 5000 // images a round
	keepers   = 16   // at a time: they share their commits
	keepLease = 5 * time.Minute
)

// rules is how long a dataset keeps images.
type rules struct{ retention, keep, window time.Duration }

func (v *Vault) rulesOf(p *rbac.Policy, dataset vitrine.ID) rules {
	r := rules{window: v.window}
	if p == nil {
		return r
	}
	if d, ok := p.Dataset(dataset); ok {
		r.retention, r.keep = time.Duration(d.Retention), time.Duration(d.KeepAtLeast)
		if d.RestoreWindow != nil {
			r.window = time.Duration(*d.RestoreWindow)
		}
	}
	return r
}

// end is when retention deletes an image; zero is never.
func (r rules) end(m *vitrine.Image) time.Time {
	if r.retention == 0 {
		return time.Time{}
	}
	return m.Created.Add(r.retention)
}

// keeps refuses to delete an image before its time.
func (r rules) keeps(m *store.ImageRow, now time.Time) error {
	if until := m.Created.Add(r.keep); now.Before(until) {
		return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "kept_longer", Public: fmt.Sprintf(
			"Dataset %s keeps its images %s at least: nobody deletes this one before %s.", m.Dataset, vitrine.Duration(r.keep), until.UTC().Format(time.RFC3339))}
	}
	return nil
}

// keeper is one round of what nobody asks for: keys are destroyed whose time to
// be restored has passed, and images deleted that are older than their dataset
// keeps them.
type keeper struct {
	vault *Vault
	p     *rbac.Policy
	now   time.Time
	left  int // images that this round still may take

	destroyed, deleted atomic.Int64
}

// keep does a round; done is false where there was more than it may do. Of
// several nodes one does it at a time; where two do, each image is still taken
// once, as its version is compared.
func (v *Vault) keep(ctx context.Context) (done bool, err error) {
	p, err := v.guard.Snapshot(ctx, system)
	if err != nil {
		return true, err
	}
	k := &keeper{vault: v, p: p, now: v.now(), left: keepMost}
	if idle, err := k.idle(ctx); idle || err != nil {
		return true, err
	}
	if mine, err := k.lease(ctx); !mine || err != nil {
		return true, err
	}
	err = k.destroyDue(ctx)
	if err == nil {
		err = k.deleteOld(ctx)
	}
	if n, m := k.destroyed.Load(), k.deleted.Load(); n+m > 0 {
		v.logger.Info("images went", "destroyed", n, "by_retention", m)
	}
	return k.left > 0 || err != nil, err
}

// system is the vault itself as a caller.
var system = access.Caller{Subject: rbac.Subject{System: true}}

// lease makes sure that no other node does a round.
func (k *keeper) lease(ctx context.Context) (bool, error) {
	return k.vault.store.Lease(ctx, "vault.keep", k.vault.node, keepLease)
}

// idle reports whether there is nothing to do, which reads only.
func (k *keeper) idle(ctx context.Context) (bool, error) {
	due, err := k.vault.store.DueImages(ctx, k.now, nil, 1)
	if err != nil || len(due) > 0 {
		return false, err
	}
	idle := true
	err = k.expiring(ctx, func(d *vitrine.Dataset) error {
		page, err := k.vault.store.OldImages(ctx, d.ID, k.now.Add(-time.Duration(d.Retention)), store.Cursor{}, 1)
		idle = idle && err == nil && len(page.Rows) == 0 && !page.Full
		return err
	})
	return idle, err
}

// expiring calls fn with each dataset that keeps its images for some time only
// and is not held.
func (k *keeper) expiring(ctx context.Context, fn func(*vitrine.Dataset) error) error {
	held, err := k.vault.store.HeldScopes(ctx)
	if err != nil {
		return err
	}
	for _, o := range k.p.Objects(vitrine.KindDataset) {
		d, ok := o.(*vitrine.Dataset)
		if !ok || d.Retention == 0 || held[d.Ref()] || held[vitrine.Ref{Kind: vitrine.KindProject, ID: d.Project}] {
			continue
		}
		if err := fn(d); err != nil {
			return err
		}
	}
	return nil
}

// destroyDue destroys what may not be restored any more.
func (k *keeper) destroyDue(ctx context.Context) error {
	var after *store.ImageRow
	for k.left > 0 {
		due, err := k.vault.store.DueImages(ctx, k.now, after, min(keepPage, k.left))
		if err != nil || len(due) == 0 {
			return err
		}
		if err := k.each(ctx, due, k.destroy); err != nil {
			return err
		}
		if after = &due[len(due)-1]; after.Deleted == nil { // damaged: it says no time to go on from
			return nil
		}
	}
	return nil
}

// deleteOld deletes what is older than its dataset keeps it.
func (k *keeper) deleteOld(ctx context.Context) error {
	return k.expiring(ctx, func(d *vitrine.Dataset) error {
		var after store.Cursor
		for full := true; full && k.left > 0; {
			page, err := k.vault.store.OldImages(ctx, d.ID, k.now.Add(-time.Duration(d.Retention)), after, min(keepPage, k.left))
			if err != nil {
				return err
			}
			for _, id := range page.Damaged { // which a person destroys
				k.vault.damaged(ctx, id, rowChanged)
			}
			if err := k.each(ctx, page.Rows, k.delete); err != nil {
				return err
			}
			after, full = page.Last, page.Full
		}
		return nil
	})
}

// each does what is to be done with a page of images, and keeps the lease.
func (k *keeper) each(ctx context.Context, page []store.ImageRow, do func(context.Context, *store.ImageRow) error) error {
	k.left -= len(page)
	if mine, err := k.lease(ctx); err != nil || !mine {
		return errors.Join(err, errLeaseLost(mine))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(keepers)
	for i := range page {
		g.Go(func() error {
			err := do(ctx, &page[i])
			if errors.Is(err, vitrine.ErrConflict) || errors.Is(err, vitrine.ErrNotFound) {
				return nil // changed, held, restored or taken meanwhile
			}
			return err
		})
	}
	return g.Wait()
}

func errLeaseLost(mine bool) error {
	if mine {
		return nil
	}
	return errors.New("another node goes on with it")
}

func (k *keeper) destroy(ctx context.Context, m *store.ImageRow) error {
	t, err := k.vault.guard.Self(ctx, system, access.Act{Permission: vitrine.ImageDelete, Op: "destroy", Resource: m.Resource()})
	if err != nil {
		return err
	}
	_, err = k.vault.gone(ctx, t, m, nil, vitrine.Deletion{At: k.now, Until: k.now}, "its time to be restored has passed")
	if err == nil {
		k.destroyed.Add(1)
	}
	return err
}

// delete deletes an image, unless its dataset keeps it longer by now: a round may
// take a while.
func (k *keeper) delete(ctx context.Context, m *store.ImageRow) error {
	p, err := k.vault.guard.Policy(system)
	if err != nil {
		return err
	}
	r := k.vault.rulesOf(p, m.Dataset)
	if end := r.end(&m.Image); end.IsZero() || k.now.Before(end) {
		return nil
	}
	t, err := k.vault.guard.Self(ctx, system, access.Act{Permission: vitrine.ImageDelete, Op: "retention", Resource: m.Resource()})
	if err != nil {
		return err
	}
	_, err = k.vault.gone(ctx, t, m, nil, vitrine.Deletion{At: k.now, By: access.SystemActor, Until: k.now.Add(r.window)},
		fmt.Sprintf("its dataset keeps images %s", vitrine.Duration(r.retention)))
	if err == nil {
		k.deleted.Add(1)
	}
	return err
}
