package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
)

// ErrUnrecorded says that nothing was recorded, so nothing may be done, shown
// or acknowledged. It is of kind vitrine.ErrUnavailable.
var ErrUnrecorded error = &vitrine.Error{
	Kind: vitrine.ErrUnavailable, Code: "unrecorded",
	Public: "This could not be recorded, so it was not done. Try again.", RetryAfter: 1,
}

// ErrDoubt says that an act was begun and nobody knows how it ended: it may be
// recorded and done. It is of kind vitrine.ErrUnavailable.
var ErrDoubt error = &vitrine.Error{
	Kind: vitrine.ErrUnavailable, Code: "outcome_unknown",
	Public: "The database does not say whether this was recorded and done. Look before you repeat it.", RetryAfter: 5,
}

var errClosed = errors.New("the committer has stopped")

func unrecorded(cause error) error { return fmt.Errorf("%w: %w", ErrUnrecorded, cause) }

// unanswered is what is told of a batch that failed.
func unanswered(err error) error {
	if doubt, ok := errors.AsType[*doubtError](err); ok {
		return fmt.Errorf("%w: %w", ErrDoubt, doubt)
	}
	return unrecorded(err)
}

// item is one act in the queue.
type item struct {
	entry *vitrine.Entry // nil: maintenance
	was   vitrine.Entry  // the entry before it was touched
	fn    func(*Tx) error
	tried bool // found the disk full, and is not tried again

	parts     []entry.Part // sealed ahead
	sealed    bool
	sealedFor sealedFor // what was sealed
	forgets   int64     // what the head said then

	state atomic.Int32
	done  chan struct{}

	receipt Receipt
	result  error // fn's, or why nothing was recorded
}

// An item waits until the committer starts it or its waiter leaves.
const (
	waiting int32 = iota
	started
	left
)

func (it *item) start() bool { return it.state.CompareAndSwap(waiting, started) }

// acts reports whether more follows from the item than that it is recorded.
func (it *item) acts() bool {
	return it.fn != nil || it.entry != nil && it.was.Outcome == vitrine.Allowed
}

func (it *item) leave() bool { return it.state.CompareAndSwap(waiting, left) }

// forget takes back what a batch that did not stand noted.
func (it *item) forget() {
	it.receipt = Receipt{}
	if it.entry != nil {
		*it.entry = it.was
	}
}

func (it *item) finish(err error) {
	it.result = err
	close(it.done)
}

// queue holds acts until the committer takes them. Before the first Run acts
// wait; after Run has ended they are refused.
type queue struct {
	mu      sync.Mutex
	changed sync.Cond
	items   []*item
	closed  bool
	running bool
	over    bool // never to be opened again
}

func (q *queue) init() { q.changed.L = &q.mu }

func (q *queue) push(it *item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.items = append(q.items, it)
	if len(q.items) == 1 {
		q.changed.Broadcast()
	}
	return true
}

// take answers up to n acts, waiting for the first; none once the queue is
// closed and empty.
func (q *queue) take(batch []*item, n int) []*item {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.changed.Wait()
	}
	n = min(n, len(q.items))
	batch = append(batch, q.items[:n]...)
	rest := copy(q.items, q.items[n:])
	clear(q.items[rest:])
	q.items = q.items[:rest]
	return batch
}

// gather lets those go first who were woken, as long as they bring more: what
// comes now shares the next sync.
func (q *queue) gather() {
	for last := -1; ; runtime.Gosched() {
		q.mu.Lock()
		n := len(q.items)
		q.mu.Unlock()
		if n <= last {
			return
		}
		last = n
	}
}

var errRunning = errors.New("store: the committer runs already")

// open begins a Run. Once the store is over there is nothing to take.
func (q *queue) open() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running {
		return errRunning
	}
	q.running, q.closed = true, q.over
	return nil
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// end closes the queue for good.
func (q *queue) end() {
	q.mu.Lock()
	q.over = true
	q.mu.Unlock()
	q.close()
}

func (q *queue) ended() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = false
	q.changed.Broadcast()
}

// wait returns when no Run is running.
func (q *queue) wait() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.running {
		q.changed.Wait()
	}
}

func (q *queue) leftover() []*item {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

// submit waits until it is done. A waiter who leaves while the act is queued, or
// was there for waitTime, takes it along; once it has started it is carried
// through, and who waited for endTime in vain is told that nobody knows.
func (s *Store) submit(ctx context.Context, it *item) (Receipt, error) {
	if err := ctx.Err(); err != nil {
		return Receipt{}, unrecorded(err)
	}
	it.done = make(chan struct{})
	if !s.queue.push(it) {
		return Receipt{}, unrecorded(errClosed)
	}
	wait := time.NewTimer(waitTime)
	defer wait.Stop()
	var why error
	select {
	case <-it.done:
		return it.receipt, it.result
	case <-ctx.Done():
		why = ctx.Err()
	case <-wait.C:
		why = errSilent
	}
	if it.leave() {
		return Receipt{}, unrecorded(why)
	}
	wait.Reset(endTime)
	select {
	case <-it.done:
		return it.receipt, it.result
	case <-wait.C:
		return Receipt{}, unanswered(&doubtError{errSilent})
	}
}
