package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

// place is where checkpoints are published to, beside the directory.
type place interface {
	// name is what the log and operators call it.
	name() string
	// last is the checkpoint that is there; "" where there is none, or where the
	// place tells nothing.
	last(ctx context.Context) (string, error)
	// publish puts a checkpoint there, and what belongs to it. before is what was
	// published there last. An error that is errGone says that this is not there
	// any more; what is new was published all the same, from the start. One that is
	// errMore asks to be called again.
	publish(ctx context.Context, h, before head) error
}

var (
	// errGone says that what was published is not there any more.
	errGone = errors.New("what was published is not there any more")
	// errMore says that an attempt brought part of what belongs to a checkpoint.
	errMore = errors.New("there is more to bring")
)

// How long a courier waits.
const (
	carryTime  = 30 * time.Second // for one attempt, and its lease beyond that
	anchorTime = 5 * time.Second  // for what is there, before a log is begun
	firstPause = time.Second      // after a failure; each further one is twice as long
	longest    = 5 * time.Minute  // of those
	idlePause  = time.Minute      // before looking whether another node left something
)

// courier carries checkpoints to a place, the newest first: each covers all
// before. An outage of the place holds nobody up; once it has lasted for patience
// the log tells, and again when it is over.
type courier struct {
	log      *Log
	to       place
	node     string
	patience time.Duration
	call     chan struct{} // has room for one
	was      carried
}

// carried is how far a courier is, as the store remembers it.
type carried struct {
	Note  string    `json:"note,omitempty"` // published last
	At    time.Time `json:"at,omitzero"`
	Since time.Time `json:"since,omitzero"` // of an outage
	Told  bool      `json:"told,omitempty"` // the log of the outage
	Error string    `json:"error,omitempty"`
}

func (c *courier) wake() {
	select {
	case c.call <- struct{}{}:
	default:
	}
}

// run carries until ctx is done, and then once more.
func (c *courier) run(ctx context.Context) {
	pause, retry := firstPause, time.NewTimer(idlePause)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), anchorTime)
			defer cancel()
			if err := c.carry(last); err != nil {
				c.log.logger.Warn("the last checkpoint was not published", "place", c.to.name(), "err", err)
			}
			return
		case <-c.call:
			if !c.was.Since.IsZero() {
				continue // there is an outage: the timer tells when to try again
			}
		case <-retry.C:
		}
		switch err := c.carry(ctx); {
		case errors.Is(err, errMore):
			c.wake()
		case err != nil && ctx.Err() == nil:
			retry.Reset(pause + rand.N(pause/4))
			pause = min(2*pause, longest)
			continue
		}
		pause = firstPause
		retry.Reset(idlePause)
	}
}

// memory is where a courier's progress stands in the store.
func (c *courier) memory() string { return "log_published_" + c.to.name() }

// recall reads how far this courier, or that of another node, is.
func (c *courier) recall(ctx context.Context) error {
	text, ok, err := c.log.store.Meta(ctx, c.memory())
	if err != nil || !ok {
		return err
	}
	var was carried
	if err := json.Unmarshal([]byte(text), &was); err != nil {
		return fmt.Errorf("what was published to %s: %w", c.to.name(), err)
	}
	c.was = was
	return nil
}

// remember keeps how far the courier is.
func (c *courier) remember(ctx context.Context) error {
	text, err := json.Marshal(c.was)
	if err != nil {
		return err
	}
	return c.log.store.Maintain(ctx, func(tx *store.Tx) error { return tx.SetMeta(c.memory(), string(text)) })
}

// before is what was published there last, as far as is remembered.
func (c *courier) before() head {
	h, err := c.log.own(c.was.Note)
	if err != nil { // none, or of a log that this one continues under another name
		return head{}
	}
	return h
}

// anchor is the checkpoint that is at the place, or was brought there.
func (c *courier) anchor(ctx context.Context) (head, error) {
	ctx, cancel := context.WithTimeout(ctx, anchorTime)
	defer cancel()
	text, err := c.to.last(ctx)
	if err != nil || text == "" {
		return head{}, err
	}
	return c.log.own(text)
}

// carry brings the newest checkpoint there. Of several nodes one carries at a
// time.
func (c *courier) carry(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, carryTime)
	defer cancel()
	h := c.log.last.Load()
	if h == nil || c.log.Broken() != nil {
		return nil
	}
	mine, err := c.log.store.Lease(ctx, c.memory(), c.node, carryTime+anchorTime)
	if err != nil || !mine {
		return err
	}
	defer func() { err = errors.Join(err, c.release(ctx)) }()
	if err := c.recall(ctx); err != nil {
		return err
	}
	before := c.before()
	if c.was.Since.IsZero() && before.Size >= h.Size {
		return nil
	}
	err = c.to.publish(ctx, *h, before)
	if errors.Is(err, errMore) {
		return err
	}
	if errors.Is(err, errGone) {
		c.log.absent(ctx, c.to.name(), err.Error(), "it is published again")
		err = nil
	}
	return c.settle(ctx, *h, err)
}

// release lets the next node carry, or this one after a restart.
func (c *courier) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), anchorTime)
	defer cancel()
	_, err := c.log.store.Lease(ctx, c.memory(), c.node, 0)
	return err
}

// settle remembers how an attempt ended, and tells the log of an outage that
// lasts, and of its end.
func (c *courier) settle(ctx context.Context, h head, err error) error {
	now := c.log.now()
	if err == nil {
		told, since := c.was.Told, c.was.Since
		c.was = carried{Note: h.text, At: now}
		if !since.IsZero() {
			c.log.logger.Info("published again", "place", c.to.name(), "since", since)
		}
		if told {
			c.log.alert(ctx, &vitrine.Entry{Outcome: vitrine.Allowed, Code: "published_again", Detail: c.to.name() + ", which failed since " + since.UTC().Format(time.RFC3339)})
		}
		return c.remember(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), anchorTime) // which may be over
	defer cancel()
	c.was.Error = short(err)
	if c.was.Since.IsZero() {
		c.was.Since = now
		c.log.logger.Warn("a checkpoint cannot be published; the log goes on", "place", c.to.name(), "err", err)
	}
	if !c.was.Told && now.Sub(c.was.Since) >= c.patience {
		c.was.Told = true
		c.log.logger.Error("checkpoints cannot be published", "place", c.to.name(), "since", c.was.Since, "err", err)
		c.log.alert(ctx, &vitrine.Entry{Outcome: vitrine.Broken, Code: codeUnpublished, Alert: codeUnpublished,
			Detail: c.to.name() + " takes no checkpoint since " + c.was.Since.UTC().Format(time.RFC3339)})
	}
	return errors.Join(err, c.remember(ctx))
}

const codeUnpublished = "checkpoints_unpublished"

// maxError bounds what is remembered of an error.
const maxError = 300

func short(err error) string {
	if text := err.Error(); len(text) <= maxError {
		return text
	}
	return err.Error()[:maxError] + "…"
}

// Published is how far publishing to a place is.
type Published struct {
	Place string    `json:"place"`
	Size  int64     `json:"size"` // of the newest checkpoint there
	At    time.Time `json:"at,omitzero"`
	// Since is when an outage began that lasts; Error is why.
	Since time.Time `json:"since,omitzero"`
	Error string    `json:"error,omitempty"`
}

// Published tells, for operators, how far publishing is at each place beside the
// directory, as the store remembers it.
func (l *Log) Published(ctx context.Context) ([]Published, error) {
	var all []Published
	for _, c := range l.couriers {
		other := courier{log: l, to: c.to}
		if err := other.recall(ctx); err != nil {
			return nil, err
		}
		was := other.was
		all = append(all, Published{c.to.name(), other.before().Size, was.At, was.Since, was.Error})
	}
	return all, nil
}
