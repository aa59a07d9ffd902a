package ops

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Check is one thing that must hold for the system to be ready.
type Check struct {
	Name  string
	Fails string // what anybody is told where it does not hold: one fixed sentence
	// Run answers why it does not hold, for the process log. It is run once at a
	// time, and not waited for longer than a second.
	Run func(context.Context) error
}

const (
	checkTime  = time.Second // for one check
	watchEvery = time.Second
)

var errSlow = errors.New("the check does not end")

// check is a Check with how it went.
type check struct {
	Check

	mu      sync.Mutex
	running chan struct{} // closed when the run under way ends; nil where there is none
	err     error         // of the last run that ended
	bad     bool          // as the process log was told
}

// ask answers why the check does not hold. Those who ask at the same time share
// a run; one that hangs is not begun again.
func (c *check) ask(ctx context.Context) error {
	done := c.begin(ctx)
	wait := time.NewTimer(checkTime)
	defer wait.Stop()
	select {
	case <-done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err
	case <-wait.C:
		return errSlow
	}
}

func (c *check) begin(ctx context.Context) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil {
		return c.running
	}
	done := make(chan struct{})
	c.running = done
	go func() {
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		defer cancel()
		err := c.Run(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.err, c.running = err, nil
		close(done)
	}()
	return done
}

// turned remembers how the check went, and reports whether that is news.
func (c *check) turned(bad bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.bad
	c.bad = bad
	return was != bad
}

// look asks all checks at once and tells the process log what has changed.
func (o *Ops) look(ctx context.Context) []error {
	errs := make([]error, len(o.checks))
	var all sync.WaitGroup
	for i, c := range o.checks {
		all.Go(func() { errs[i] = c.ask(ctx) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return errs // which says nothing of the checks
	}
	for i, c := range o.checks {
		switch {
		case !c.turned(errs[i] != nil):
		case errs[i] != nil:
			o.logger.Error("not ready: "+c.Fails, "check", c.Name, "err", errs[i])
		default:
			o.logger.Info("ready again", "check", c.Name)
		}
	}
	return errs
}

// Run watches the checks until ctx is done.
func (o *Ops) Run(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		o.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
