package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
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

// Commit records e and runs fn, which may be nil, in the same transaction; both
// are durable at return. It fills in e.Seq and, where it is zero, e.Time; fn
// may still change e (a revision, an alert). If fn fails, what it did is undone
// and e is committed as Refused, or as Broken where the error is of no kind
// that refuses, and fn's error is returned with the receipt.
//
// An error that wraps ErrUnrecorded means that nothing was recorded and nothing
// done, and e is as it was: refuse. ErrDoubt means that nobody knows: the
// database failed at COMMIT and does not answer whether it stands, or it hangs;
// then e and what fn notes may still change. A ctx that ends while the act is
// queued, or a database that does not begin it within waitTime, takes it back;
// once it has begun it is carried through, and the answer tells what happened.
// Where the disk is full, see Full.
func (s *Store) Commit(ctx context.Context, e *vitrine.Entry, fn func(*Tx) error) (Receipt, error) {
	entry.Clean(e)
	it := &item{entry: e, was: *e, fn: fn}
	s.people.sealAhead(it)
	return s.submit(ctx, it)
}

// Maintain runs fn in the committer without an entry: last use, leases,
// sweeps, checkpoints; never for what an entry must tell.
func (s *Store) Maintain(ctx context.Context, fn func(*Tx) error) error {
	_, err := s.submit(ctx, &item{fn: fn})
	return err
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
	beside, end := context.WithCancel(ctx)
	var loops sync.WaitGroup
	loops.Go(func() { s.follow(beside) })
	loops.Go(func() { s.filterLog(beside) })
	var batch []*item
	var c *conn
	for {
		batch = s.queue.take(batch[:0], maxBatch)
		if len(batch) == 0 {
			break
		}
		c = s.commit(c, batch)
		clear(batch)
		s.queue.gather()
	}
	end()
	loops.Wait()
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
// go on with, or nil. An act begins when the database has given the turn: until
// then whoever waits for it may still leave, so one that hangs holds nobody.
func (s *Store) commit(c *conn, items []*item) *conn {
	b := &batch{s: s, items: items[:0:len(items)]}
	c, end, err := s.takeTurn(c, b)
	for _, it := range items {
		if it.start() {
			b.items = append(b.items, it)
		}
	}
	if err == nil {
		used := c
		c, err = s.carry(c, b)
		end()
		s.wiping.note(used)
	}
	if s.space.ran(s.d.full(err)) && len(b.items) > 0 {
		c, b, err = s.tell(c, b)
	}
	s.written(b, err)
	if err == nil {
		s.people.publish(b.head.forgets, b.fresh)
		if len(b.rows) > 0 {
			s.appended.signal()
			if first := b.rows[0].e.Seq; first/blockSize != (first+int64(len(b.rows)))/blockSize {
				s.filled.signal()
			}
		}
	}
	for _, it := range b.items {
		if err != nil {
			it.forget()
			it.finish(unanswered(err))
			continue
		}
		it.finish(it.result)
	}
	if c != nil {
		s.wipe(c)
	}
	return c
}

// takeTurn begins the transaction of a batch. A connection that went away between
// two batches is replaced: nothing was tried on it. end frees what bounds it.
func (s *Store) takeTurn(c *conn, b *batch) (_ *conn, end func(), err error) {
	if c != nil {
		end = c.bound(turnTime)
		if err := s.begin(c, b); err == nil {
			return c, end, nil
		}
		c.discard()
		end()
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), turnTime, errSilent)
	defer cancel()
	sc, err := s.write.Conn(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	c = newConn(ctx, sc, s.d)
	end = c.bound(turnTime)
	if s.Full() {
		err = c.control(s.d.spare)
	}
	if err = errors.Join(err, s.begin(c, b)); err != nil {
		c.discard()
		end()
		return nil, nil, err
	}
	return c, end, nil
}

// carry carries a batch that has begun through. It answers the connection to go
// on with, or nil.
func (s *Store) carry(c *conn, b *batch) (*conn, error) {
	err := s.attempt(c, b)
	if err == nil {
		return c, nil
	}
	if doubt, ok := errors.AsType[*doubtError](err); ok {
		c.discard()
		stands, known := s.stands(b)
		switch {
		case stands:
			return nil, nil
		case known:
			return nil, doubt.err
		}
		return nil, doubt
	}
	if c.control("ROLLBACK") != nil {
		c.discard()
		return nil, err
	}
	return c, err
}

// tell records of a batch that found the disk full no more than that. Nothing of
// it stands, and what its functions did is not tried a second time.
func (s *Store) tell(c *conn, failed *batch) (*conn, *batch, error) {
	for _, it := range failed.items {
		it.forget()
		it.tried = it.acts()
	}
	if c != nil {
		c.discard() // the next one minds the space, see takeTurn
	}
	b := &batch{s: s, items: failed.items}
	c, end, err := s.takeTurn(nil, b)
	if err != nil {
		return c, b, err
	}
	defer end()
	c, err = s.carry(c, b)
	return c, b, err
}
