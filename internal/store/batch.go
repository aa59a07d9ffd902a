package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/merkle"
)

// batch is what one transaction commits.
type batch struct {
	s     *Store
	items []*item
	head  head
	rows  []logLine
	fresh map[string]personKey // to be remembered once they are durable
}

// head is the row that says how far the log is.
type head struct {
	size    int64
	tree    merkle.Range
	forgets int64
}

// logLine is a row of the log to be.
type logLine struct {
	e    *vitrine.Entry
	leaf []byte
	hash merkle.Hash
}

// doubtError is a COMMIT that failed: it may have happened all the same.
type doubtError struct{ err error }

func (e *doubtError) Error() string { return "commit: " + e.err.Error() }
func (e *doubtError) Unwrap() error { return e.err }

const qTouchHead = `UPDATE log_head SET forgets = forgets WHERE id = 1` // locks it

// headRow is that row as it is stored.
type headRow struct {
	size    int64
	state   []byte
	forgets int64
}

func (r headRow) parse() (head, error) {
	h := head{size: r.size, forgets: r.forgets}
	if err := h.tree.UnmarshalBinary(r.state); err != nil {
		return h, fmt.Errorf("read the log's head: %w", err)
	}
	if h.tree.Size() != h.size {
		return h, fmt.Errorf("the log's head says %d and %d entries", h.size, h.tree.Size())
	}
	return h, nil
}

const qStartLog = `INSERT INTO log_head (id, size, root, state, at, forgets) VALUES (1, 0, $1, $2, 0, 0) ON CONFLICT (id) DO NOTHING`

// startLog makes the head of the empty log where there is none.
func (c *conn) startLog() error {
	var empty merkle.Range
	root := empty.Root()
	state, err := empty.MarshalBinary()
	if err != nil {
		return err
	}
	_, err = c.exec(qStartLog, root[:], state)
	return err
}

// begin starts the transaction and takes its turn among the nodes.
func (s *Store) begin(c *conn, b *batch) (err error) {
	if b.head, err = s.d.engine.begin(c); err != nil {
		return fmt.Errorf("lock the log: %w", err)
	}
	return nil
}

// attempt is the transaction after begin, up to and including its COMMIT.
func (s *Store) attempt(c *conn, b *batch) (err error) {
	t := &Tx{s: s, c: c, now: s.now().UTC().Truncate(time.Microsecond)}
	for _, it := range b.items {
		it.run(t)
		if s.d.full(it.result) {
			t.lost = it.result // what follows would not fit either
		}
		if t.lost != nil {
			return fmt.Errorf("the transaction is lost: %w", t.lost)
		}
	}
	b.head.forgets += t.forgets
	from := b.head.size
	if err := b.encode(t); err != nil {
		return err
	}
	if err := s.faulty("before"); err != nil {
		return err
	}
	if err := b.commit(t, from); err != nil {
		return err
	}
	if err := s.faulty("after"); err != nil {
		return &doubtError{err}
	}
	c.last = &b.head
	return nil
}

func (s *Store) faulty(stage string) error {
	if s.fault == nil {
		return nil
	}
	return s.fault(stage)
}

// run runs the item's function and lets the entry say how it ended. Where the
// disk is full nothing is done, and no more is recorded than what was refused.
func (it *item) run(t *Tx) {
	switch {
	case it.tried, t.s.Full() && it.acts():
		it.result = ErrFull
	case it.fn != nil:
		it.result = t.savepoint(it.fn)
	default:
		return
	}
	if it.entry == nil {
		return
	}
	if it.result != nil {
		*it.entry = it.was
		it.entry.Outcome, it.entry.Code, it.entry.Detail = failure(it.result)
	}
	entry.Clean(it.entry)
}

// refusals are the kinds of error that are a refusal rather than a failure.
var refusals = []struct {
	kind error
	code string
}{
	{vitrine.ErrDenied, "denied"}, {vitrine.ErrExhausted, "exhausted"}, {vitrine.ErrConflict, "conflict"},
	{vitrine.ErrInvalid, "invalid"}, {vitrine.ErrNotFound, "not_found"},
}

// failure is what the entry of a failed act says. Only the text that is safe
// to show goes in: an error's cause may hold a prompt or a secret.
func failure(err error) (o vitrine.Outcome, code, detail string) {
	o, code = vitrine.Broken, "failed"
	for _, r := range refusals {
		if errors.Is(err, r.kind) {
			o, code = vitrine.Refused, r.code
			break
		}
	}
	var e *vitrine.Error
	if errors.As(err, &e) {
		if e.Code != "" {
			code = e.Code
		}
		detail = e.Public
	}
	return o, code, detail
}

// encode makes the lines that the batch puts at the end of the log.
func (b *batch) encode(t *Tx) error {
	var entries []*item
	for _, it := range b.items {
		if it.entry != nil {
			entries = append(entries, it)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	if err := b.sealParts(t, entries); err != nil {
		return err
	}
	buf := make([]byte, 0, 512*len(entries))
	for _, it := range entries {
		e := it.entry
		e.Seq = b.head.size
		if e.Time.IsZero() {
			e.Time = t.now
		}
		start := len(buf)
		buf = entry.Append(buf, e, it.parts)
		leaf := buf[start:len(buf):len(buf)]
		line := logLine{e, leaf, merkle.Leaf(leaf)}
		b.rows = append(b.rows, line)
		b.head.tree.Append(line.hash)
		b.head.size++
		it.receipt = Receipt{Seq: e.Seq, Time: e.Time}
	}
	return nil
}

// commit inserts the lines, moves the head, comparing where it was, and commits.
func (b *batch) commit(t *Tx, from int64) error {
	root := b.head.tree.Root()
	state, err := b.head.tree.MarshalBinary()
	if err != nil {
		return err
	}
	if err := t.c.d.engine.commit(t.c, b.rows, []any{b.head.size, root[:], state, micros(t.now), from, b.head.forgets}); err != nil {
		return fmt.Errorf("append to the log: %w", err)
	}
	return nil
}

// sealParts seals what was not sealed ahead, or under keys of before a person
// was forgotten, or says something else since.
func (b *batch) sealParts(t *Tx, entries []*item) error {
	for _, it := range entries {
		if it.sealed && it.forgets == b.head.forgets && it.sealedFor == personal(it.entry) {
			continue
		}
		if b.fresh == nil {
			b.fresh = map[string]personKey{}
		}
		parts, err := entry.Seal(it.entry, &sealer{p: t.s.people, key: func(person string) (personKey, error) {
			if k, ok := b.fresh[person]; ok {
				return k, nil
			}
			k, err := t.personKey(person)
			if err == nil {
				b.fresh[person] = k
			}
			return k, err
		}})
		if err != nil {
			return err
		}
		it.parts = parts
	}
	return nil
}

// stands finds out whether a batch whose COMMIT failed is there all the same;
// known is false where the database does not answer for doubtTime. Taking the
// lock waits for the lost transaction to end.
func (s *Store) stands(b *batch) (stands, known bool) {
	if len(b.rows) == 0 {
		return false, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), doubtTime)
	defer cancel()
	last := b.rows[len(b.rows)-1]
	for {
		var hash []byte
		err := s.inTransaction(ctx, func(c *conn) error {
			if _, err := c.exec(qTouchHead); err != nil {
				return err
			}
			err := c.row(qLogHash, last.e.Seq).Scan(&hash)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			return err
		})
		if err == nil {
			return bytes.Equal(hash, last.hash[:]), true
		}
		select {
		case <-ctx.Done():
			return false, false
		case <-time.After(100 * time.Millisecond):
		}
	}
}

const qLogHash = `SELECT hash FROM log WHERE seq = $1`

// inTransaction is for what happens outside batches: opening, and finding out
// after a failure.
func (s *Store) inTransaction(ctx context.Context, fn func(*conn) error) error {
	sc, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	c := newConn(ctx, sc, s.d)
	defer c.discard()
	if err := c.control(s.d.begin); err != nil {
		return err
	}
	if err := fn(c); err != nil {
		return errors.Join(err, c.control("ROLLBACK"))
	}
	return c.control("COMMIT")
}
