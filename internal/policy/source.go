package policy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

const (
	lease     = time.Second            // how long a confirmed revision may be used
	poll      = 200 * time.Millisecond // how often it is confirmed
	pause     = 100 * time.Millisecond // between attempts while the store fails
	queryTime = 700 * time.Millisecond // for one confirmation; less than the lease
	loadTime  = time.Minute            // for reading the whole policy
	smallGap  = 64                     // revisions behind up to which change sets are replayed,
	bigShare  = 16                     // or up to this part of the number of objects
)

// Source holds the snapshot in use and follows the store's revision.
type Source struct {
	store *store.Store
	now   func() time.Time
	// embedded: this process is the only one that writes to the store, so
	// nothing can change behind its back and the lease never ends. SQLite is
	// embedded; it has no notifications.
	embedded bool

	current   atomic.Pointer[rbac.Policy]
	confirmed atomic.Pointer[time.Time] // start of the query that last confirmed it
	doubted   atomic.Bool               // a change of this node may stand and not be in current
	loading   atomic.Bool               // the whole policy is being read

	// refreshing serializes what replaces current.
	refreshing sync.Mutex
	queried    time.Time // start of the last query
	failed     time.Time // when confirming last failed
	failure    error
}

// Open reads the policy from the store. now may be nil.
func Open(ctx context.Context, st *store.Store, now func() time.Time) (*Source, error) {
	if now == nil {
		now = time.Now
	}
	s := &Source{store: st, now: now, embedded: st.Notified() == nil}
	began := now()
	p, err := s.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("open policy: %w", err)
	}
	s.current.Store(p)
	s.confirmed.Store(&began)
	return s, nil
}

// Current is the snapshot in use. It errs when the revision was last confirmed
// too long ago and cannot be confirmed now.
func (s *Source) Current() (*rbac.Policy, error) {
	if s.fresh() {
		return s.current.Load(), nil
	}
	return s.confirm()
}

func (s *Source) fresh() bool {
	if s.doubted.Load() {
		return false
	}
	if s.embedded {
		return true
	}
	age := s.now().Sub(*s.confirmed.Load())
	return age >= 0 && age < lease
}

// confirm is the slow way: Run is late or not running. All who wait share one
// query, and while the store fails nobody waits for long.
func (s *Source) confirm() (*rbac.Policy, error) {
	if s.loading.Load() {
		return nil, errors.New("this node was away for long and is reading the policy")
	}
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	if s.fresh() {
		return s.current.Load(), nil
	}
	if s.failure != nil && s.now().Sub(s.failed) < pause {
		return nil, s.failure
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTime)
	defer cancel()
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	if !s.fresh() {
		return nil, errors.New("confirming the policy's revision took too long")
	}
	return s.current.Load(), nil
}

// Refresh makes the snapshot as new as the store was when it was called. Those
// who ask at the same time share a query, so it goes on when one of them hangs
// up.
func (s *Source) Refresh(ctx context.Context) error {
	asked := s.now()
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	if s.queried.After(asked) {
		return s.failure
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryTime)
	defer cancel()
	return s.refresh(ctx)
}

func (s *Source) refresh(ctx context.Context) error {
	began := s.now()
	s.queried = began
	doubted := s.doubted.Swap(false)
	p, err := s.next(ctx)
	if err != nil {
		if doubted {
			s.doubted.Store(true)
		}
		s.failed, s.failure = s.now(), fmt.Errorf("confirm the policy's revision: %w", err)
		return s.failure
	}
	s.failure = nil
	s.current.Store(p)
	s.confirmed.Store(&began)
	return nil
}

// next is the snapshot at the store's revision.
func (s *Source) next(ctx context.Context) (*rbac.Policy, error) {
	p := s.current.Load()
	revision, err := s.store.Revision(ctx)
	switch gap := revision - p.Revision(); {
	case err != nil:
		return nil, err
	case gap == 0:
		return p, nil
	case gap < 0:
		// Somebody put an older database in place under a running node. What it
		// revoked since is alive again there; only people can judge that.
		return nil, fmt.Errorf("the store is at revision %d, behind %d", revision, p.Revision())
	case gap <= max(smallGap, int64(p.Size()/bigShare)):
		if p, err = s.replay(ctx, p, revision); err == nil || ctx.Err() != nil {
			return p, err
		}
	}
	return s.catchUp(ctx)
}

// replay applies the change sets between a snapshot and a revision. How far it
// has come is kept when it runs out of time: the next one goes on from there.
func (s *Source) replay(ctx context.Context, p *rbac.Policy, to int64) (*rbac.Policy, error) {
	for p.Revision() < to {
		from := p.Revision()
		sets, err := s.store.ChangeSets(ctx, from, int(min(to-from, smallGap)))
		if err != nil {
			return nil, err
		}
		for _, set := range sets {
			if set.Revision != p.Revision()+1 {
				return nil, fmt.Errorf("revision %d follows %d", set.Revision, p.Revision())
			}
			if p, err = p.Apply(set.Revision, set.Changes); err != nil {
				return nil, err
			}
		}
		if p.Revision() == from {
			return nil, fmt.Errorf("there is no revision after %d, up to %d", from, to)
		}
		s.current.Store(p)
	}
	return p, nil
}

// catchUp reads the whole policy, however long it is. Meanwhile nobody waits
// for it.
func (s *Source) catchUp(ctx context.Context) (*rbac.Policy, error) {
	s.loading.Store(true)
	defer s.loading.Store(false)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTime)
	defer cancel()
	return s.load(ctx)
}

func (s *Source) load(ctx context.Context) (*rbac.Policy, error) {
	revision, objects, changedAt, err := s.store.Policy(ctx)
	if err != nil {
		return nil, err
	}
	return rbac.CompileAt(revision, objects, changedAt)
}

// publish puts the snapshot of a change in use that this node has just
// committed.
func (s *Source) publish(ad *access.Admitted, revision int64, set *vitrine.ChangeSet, began time.Time) {
	p := ad.After
	if p == nil || p.Revision() != revision {
		var err error
		if p, err = ad.Before.Apply(revision, set.Changes); err != nil {
			s.doubt()
			return
		}
	}
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	if s.current.Load().Revision() < revision {
		s.current.Store(p)
		s.confirmed.Store(&began)
	}
}

// doubt ends the use of the snapshot until the store has been asked: a change
// may stand that it does not hold.
func (s *Source) doubt() { s.doubted.Store(true) }

// Run follows the store until ctx is done. A failing store ends the lease, not
// the loop.
func (s *Source) Run(ctx context.Context) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	notified := s.store.Notified()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-notified:
		}
		// The error stands in s.failure and reaches whoever asks for Current.
		_ = s.Refresh(ctx)
	}
}
