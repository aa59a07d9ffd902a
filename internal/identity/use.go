package identity

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

// uses remembers when each key was last used, to the minute, so that a busy
// key costs the store nothing.
type uses struct {
	mu   sync.Mutex
	last map[vitrine.ID]*use
}

type use struct {
	at      time.Time
	from    netip.Addr
	agent   string
	unsaved bool
}

const maxAgent = 256

func (u *uses) touch(key vitrine.ID, at time.Time, from netip.Addr, agent string) {
	if len(agent) > maxAgent {
		agent = agent[:maxAgent]
	}
	at = at.UTC().Truncate(time.Minute)
	u.mu.Lock()
	defer u.mu.Unlock()
	l := u.last[key]
	if l == nil {
		if u.last == nil {
			u.last = make(map[vitrine.ID]*use)
		}
		l = new(use)
		u.last[key] = l
	}
	if l.at.Equal(at) && l.from == from && l.agent == agent {
		return
	}
	*l = use{at: at, from: from, agent: strings.Clone(agent), unsaved: true}
}

// of answers the last use of a key that this process saw.
func (u *uses) of(key vitrine.ID) (use, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if l := u.last[key]; l != nil {
		return *l, true
	}
	return use{}, false
}

// take answers what has not been saved and counts it as saved.
func (u *uses) take() []store.KeyUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	var all []store.KeyUse
	for id, l := range u.last {
		if l.unsaved {
			l.unsaved = false
			all = append(all, store.KeyUse{Key: id, Last: l.at, Address: address(l.from), UserAgent: l.agent})
		}
	}
	return all
}

func (u *uses) putBack(all []store.KeyUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, k := range all {
		if l := u.last[k.Key]; l != nil {
			l.unsaved = true
		}
	}
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().String()
}

const (
	saveEvery  = 30 * time.Second
	saveTime   = 10 * time.Second
	sweepEvery = time.Hour
)

// Run saves when keys were last used, at intervals and once more when ctx is
// done, and clears away sessions that ended long ago.
func (d *Directory) Run(ctx context.Context) error {
	tick, sweep := time.NewTicker(saveEvery), time.NewTicker(sweepEvery)
	defer tick.Stop()
	defer sweep.Stop()
	for {
		// What could not be done now is kept and tried again.
		select {
		case <-ctx.Done():
			return d.save(ctx)
		case <-tick.C:
			_ = d.save(ctx)
		case <-sweep.C:
			_ = d.sweep(ctx)
		}
	}
}

func (d *Directory) save(ctx context.Context) error {
	all := d.uses.take()
	if len(all) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	err := d.store.Maintain(ctx, func(tx *store.Tx) error { return tx.TouchKeys(all) })
	if err != nil {
		d.uses.putBack(all)
	}
	return err
}
