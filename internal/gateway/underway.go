package gateway

import (
	"context"
	"sync"
)

// underway counts the requests whose money is set aside, until their images are
// kept or handed to Run.
type underway struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when there are none; nil while nobody waits
}

func (u *underway) begin() {
	u.mu.Lock()
	u.n++
	u.mu.Unlock()
}

func (u *underway) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n--; u.n == 0 && u.none != nil {
		close(u.none)
		u.none = nil
	}
}

// Wait returns when nothing is on its way that may have been paid for, or with
// ctx. It is for a process that is told to stop and takes no new requests: one
// that stopped before would lose images, also of clients that have gone. A
// call to a service takes as long as Config.Timeout allows.
func (g *Gateway) Wait(ctx context.Context) error {
	g.busy.mu.Lock()
	if g.busy.n == 0 {
		g.busy.mu.Unlock()
		return nil
	}
	if g.busy.none == nil {
		g.busy.none = make(chan struct{})
	}
	none := g.busy.none
	g.busy.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
