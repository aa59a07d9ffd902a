package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"vitrine.dev/vitrine"
)

// maxStrangers bounds how many origins of failed attempts are told apart
// between two flushes. The log then grows by at most two entries for each and
// interval, some 300 KB a minute, however many addresses a flood comes from.
const maxStrangers = 512

// origin is where failed attempts come from, and with what. The credential is
// known only where its secret was right: an expired or revoked key.
type origin struct {
	from       netip.Prefix // invalid: the many that found no place of their own
	credential vitrine.ID
	act, code  string
}

// tally counts what came from an origin since its last entry.
type tally struct {
	count int64
	last  vitrine.Entry // the latest, to tell who and with what program
}

type strangers struct {
	mu   sync.Mutex
	seen map[origin]*tally
	most int
}

// Unknown records that somebody could not be authenticated; code says why. The
// first attempt from an address (for IPv6 from its /64) is recorded before the
// answer; further ones are counted, and the counts recorded at intervals and
// when Run ends. by may name a credential only where its secret was right.
func (g *Guard) Unknown(ctx context.Context, by Caller, code string) error {
	t := g.attempt(&by, Act{Op: "key"})
	t.entry.Act, t.entry.Code = "authenticate", code
	return g.stranger(ctx, t)
}

// Alarm records a successful authentication that somebody should hear of.
func (g *Guard) Alarm(ctx context.Context, by Caller, alert string) error {
	t := g.attempt(&by, Act{Op: "key"})
	e := &t.entry
	e.Act, e.Outcome, e.Code, e.Alert = "authenticate", vitrine.Allowed, string(vitrine.CodeAllowed), alert
	return g.commit(ctx, e, recordTimeout)
}

// alerts are codes of failed attempts that somebody should hear of: they show
// that a secret is where it should not be.
var alerts = map[string]string{
	"old_secret":      "old_secret_used",
	"revoked_key":     "revoked_key_used",
	"foreign_address": "key_from_foreign_address",
}

// stranger records or counts the refusal of somebody unknown.
func (g *Guard) stranger(ctx context.Context, t *Ticket) error {
	e := &t.entry
	e.Outcome, e.Count, e.Alert = vitrine.Refused, 1, alerts[e.Code]
	if !t.by.Address.IsValid() {
		// No address, so not from the network: nothing to aggregate by.
		return g.commit(ctx, e, recordTimeout)
	}
	o := origin{from: network(t.by.Address), credential: e.Credential, act: e.Act, code: e.Code}
	o, first := g.strangers.first(o, e)
	if !first {
		return nil
	}
	if err := g.commit(ctx, e, recordTimeout); err != nil {
		g.strangers.forget(o)
		return err
	}
	return nil
}

// network is the address itself, or for IPv6 the /64, which one machine may
// use up at will.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// first reports whether an attempt is its origin's first and so has to be
// recorded by itself; others are counted. It answers the origin under which it
// is kept, which is that of the many once there are too many.
func (s *strangers) first(o origin, e *vitrine.Entry) (origin, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[origin]*tally)
	}
	t, ok := s.seen[o]
	if !ok && len(s.seen) >= s.most {
		o = origin{act: "authenticate", code: "many_addresses"}
		t, ok = s.seen[o]
	}
	if !ok {
		s.seen[o] = &tally{last: *e}
		return o, true
	}
	t.count++
	t.last = *e
	return o, false
}

func (s *strangers) forget(o origin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.seen[o]; ok && t.count == 0 {
		delete(s.seen, o)
	}
}

// take answers what was counted since it was last asked, and forgets origins
// that have been quiet.
func (s *strangers) take() map[origin]tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	counted := make(map[origin]tally)
	for o, t := range s.seen {
		if t.count == 0 {
			delete(s.seen, o)
			continue
		}
		counted[o] = *t
		t.count = 0
	}
	return counted
}

// putBack counts again what could not be recorded.
func (s *strangers) putBack(o origin, t tally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.seen[o]; ok {
		have.count += t.count
		return
	}
	s.seen[o] = &t
}

// Run records the counts at intervals, and once more when ctx is done.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(g.flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return g.flush(ctx)
		case <-tick.C:
			// What could not be recorded now is kept and tried again.
			_ = g.flush(ctx)
		}
	}
}

// flush records what was counted, one entry for each origin.
func (g *Guard) flush(ctx context.Context) error {
	var failed error
	for o, t := range g.strangers.take() {
		e := t.last
		e.Time, e.Op, e.Count = g.now(), "repeated", t.count
		e.Act, e.Code, e.Alert = o.act, o.code, alerts[o.code]
		e.Detail = fmt.Sprintf("%d further attempts", t.count) // the address is personal: it stands there
		if !o.from.IsValid() {
			e.Detail = fmt.Sprintf("%d attempts from more addresses than are told apart", t.count)
			e.Credential, e.Actor, e.Personal = "", "", vitrine.Personal{}
		}
		e.Request = ""
		if err := g.commit(ctx, &e, recordTimeout); err != nil {
			g.strangers.putBack(o, t)
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
