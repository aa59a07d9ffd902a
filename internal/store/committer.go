package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
)

// Receipt is what recording answers.
type Receipt struct {
	Seq  int64
	Time time.Time
}

// maxBatch bounds how many acts share a commit, and so how long one waits.
const maxBatch = 1024

// batchTime bounds a batch; a database that hangs must not hang everybody.
const batchTime = 60 * time.Second

// doubtTime bounds how long a database that failed at COMMIT is asked whether the
// batch stands.
const doubtTime = 10 * time.Second

// Commit records e and runs fn, which may be nil, in the same transaction; both
// are durable at return. It fills in e.Seq and, where it is zero, e.Time; fn
// may still change e (a revision, an alert). If fn fails, what it did is undone
// and e is committed as Refused, or as Broken where the error is of no kind
// that refuses, and fn's error is returned with the receipt.
//
// An error that wraps ErrUnrecorded means that nothing was recorded and nothing
// done, and e is as it was: refuse. A database that fails at COMMIT is asked
// again whether it stands; only where it does not answer for doubtTime, what is
// answered as unrecorded may be found recorded later. A ctx that ends while the
// act is queued takes it back; once it has started it is carried through, and
// the answer tells what happened.
func (s *Store) Commit(ctx context.Context, e *vitrine.Entry, fn func(*Tx) error) (Receipt, error) {
	entry.Clean(e)
	it := &item{entry: e, was: *e, fn: fn}
	s.people.sealAhead(it)
	err := s.submit(ctx, it)
	return it.receipt, err
}

// Maintain runs fn in the committer without an entry: last use, leases,
// sweeps, checkpoints; never for what an entry must tell.
func (s *Store) Maintain(ctx context.Context, fn func(*Tx) error) error {
	return s.submit(ctx, &item{fn: fn})
}

// Run commits what is queued until ctx or the store ends, then what is left. Of
// a store that was closed before, it returns at once.
func (s *Store) Run(ctx context.Context) error {
	if err := s.queue.open(); err != nil {
		return err
	}
	defer s.queue.ended()
	stop := context.AfterFunc(ctx, s.queue.close)
	defer stop()
	following, unfollow := context.WithCancel(ctx)
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		s.follow(following)
	}()
	var batch []*item
	var c *conn
	for {
		batch = s.queue.take(batch[:0], maxBatch)
		if len(batch) == 0 {
			break
		}
		c = s.commit(c, batch)
		clear(batch)
	}
	unfollow()
	<-followed
	if c != nil {
		return c.Close()
	}
	return nil
}

// follow hears of changes by other nodes. Losing the connection is no error:
// whoever relies on the policy polls the revision behind it.
func (s *Store) follow(ctx context.Context) {
	for s.d.notify != "" && ctx.Err() == nil {
		_ = listen(ctx, s.read.db, s.signalPolicy) // retried; ctx says when to stop
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// commit commits a batch and wakes its waiters. It answers the connection to
// go on with, or nil.
func (s *Store) commit(c *conn, items []*item) *conn {
	b := &batch{s: s, items: items[:0:len(items)]}
	for _, it := range items {
		if it.start() {
			b.items = append(b.items, it)
		}
	}
	if len(b.items) == 0 {
		return c
	}
	c, err := s.transact(c, b)
	if err == nil {
		s.people.publish(b.head.forgets, b.fresh)
		if len(b.rows) > 0 {
			s.appended.signal()
		}
	}
	for _, it := range b.items {
		if err != nil {
			it.forget()
			it.finish(unrecorded(err))
			continue
		}
		it.finish(it.result)
	}
	return c
}

// transact runs the batch in one transaction. A connection that went away
// between two batches is replaced: nothing was tried on it.
func (s *Store) transact(c *conn, b *batch) (*conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTime)
	defer cancel()
	if c != nil {
		c.ctx = ctx
		if err := s.begin(c, b); err != nil {
			c.discard()
			c = nil
		}
	}
	if c == nil {
		sc, err := s.write.Conn(ctx)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		c = newConn(ctx, sc, s.d)
		if err := s.begin(c, b); err != nil {
			c.discard()
			return nil, err
		}
	}
	err := s.attempt(c, b)
	if err == nil {
		return c, nil
	}
	if doubt, ok := errors.AsType[*doubtError](err); ok {
		c.discard()
		if s.stands(b) {
			return nil, nil
		}
		return nil, doubt
	}
	if c.control("ROLLBACK") != nil {
		c.discard()
		return nil, err
	}
	return c, err
}
