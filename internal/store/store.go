// Package store holds all SQL, one text for SQLite and PostgreSQL, and the
// committer through which everything is written.
//
// Reading goes to a pool of connections and sees what was committed. Writing
// goes through Commit, which records an entry in the log and runs a function
// in the same transaction: the entry and what the function did become durable
// together or not at all, and neighbours that wait at the same time share one
// sync. A function that fails is undone by itself; its entry then says so.
// Nothing is written in any other way, except through Maintain for what no
// entry must tell. Both work while Run runs.
//
// The package decides nothing: whoever calls it has asked the guard. It knows
// the nouns, opens what it sealed itself (details, secrets, arguments, names),
// and leaves images' keys and bytes alone.
//
// The one invariant: the log is dense. Every committed entry has the next
// number, its leaf is in the compact range of the head row, and the head row is
// locked from the start of a batch to its end, so several nodes on one
// PostgreSQL interleave whole batches and never entries. That lock also makes
// functions serial across nodes, so what they check still holds when they
// write.
//
// Methods answer vitrine.ErrNotFound, ErrConflict and ErrInvalid where they
// say so; other errors are failures of the database.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/seal"
)

// Config says where the database is and what seals in it.
type Config struct {
	URL  string           // "sqlite:/path/vitrine.db" or "postgres://..."
	Seal seal.Key         // installation key: seals details, person keys, secrets, arguments
	Now  func() time.Time // nil is time.Now
	Node string           // name of this node in leases; "" is "node"
	// Reserve is how many bytes are kept free beside an embedded database for
	// what a full disk must still record, see Store.Full; 0 keeps none.
	Reserve int64
}

// Store is the database. It is safe for concurrent use.
type Store struct {
	d     *dialect
	seal  seal.Key
	now   func() time.Time
	node  string
	write *sql.DB // one connection, the committer's
	read  *statements

	queue    queue
	people   *people
	aside    aside
	wiping   wiping
	appended broadcast
	filled   broadcast     // a block of the log
	policy   chan struct{} // nil where there are no other nodes
	space    space
	failing  atomic.Bool // the last that was to be written was not

	// fault, in tests, fails a commit before or after it became durable.
	fault func(stage string) error
}

// Open connects and brings the tables to this version, in the schema that the
// search_path of a PostgreSQL URL names; it makes that where there is none. It
// starts nothing: Run runs the committer. A database is refused that was sealed
// under another key, is of a newer program, or acknowledges what is not durable.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Seal == (seal.Key{}) {
		return nil, errors.New("store: the installation key is missing")
	}
	d, write, read, err := connect(c.URL)
	if err != nil {
		return nil, err
	}
	s := &Store{d: d, seal: c.Seal, now: c.Now, node: c.Node, write: write, read: newStatements(read, d)}
	if s.now == nil {
		s.now = time.Now
	}
	if s.node == "" {
		s.node = "node"
	}
	if path, ok := strings.CutPrefix(c.URL, "sqlite:"); ok && c.Reserve > 0 {
		s.space.path, s.space.size = filepath.Join(filepath.Dir(path), "reserve"), c.Reserve
	}
	if d.notify != "" {
		s.policy = make(chan struct{}, 1)
	}
	s.queue.init()
	s.people, s.aside = newPeople(c.Seal), aside{}
	s.appended.init()
	s.filled.init()
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context) error {
	if err := s.space.keep(); err != nil && !errors.Is(err, ErrFull) {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return fmt.Errorf("bring the database to this version: %w", err)
	}
	return s.inTransaction(ctx, func(c *conn) error {
		if err := c.checkDurable(); err != nil {
			return err
		}
		if err := c.startLog(); err != nil {
			return err
		}
		// Nodes that start together must not each note a key of their own. Whether
		// the head fits the log is for those to find who append or audit.
		if _, err := c.exec(qTouchHead); err != nil {
			return fmt.Errorf("lock the log: %w", err)
		}
		return s.checkKey(&Tx{s: s, c: c})
	})
}

// checkDurable refuses a database whose COMMIT promises nothing.
func (c *conn) checkDurable() error {
	var why string
	if err := c.row(c.d.unsafe).Scan(&why); err != nil {
		return fmt.Errorf("is a commit durable: %w", err)
	}
	if why != "" {
		return fmt.Errorf("this database cannot promise that a commit is durable: %s", why)
	}
	return nil
}

const sealCheck = "seal_check"

// checkKey finds out at start, not at the first image, that the key is wrong.
func (s *Store) checkKey(t *Tx) error {
	value, ok, err := meta(t.c, sealCheck)
	if err != nil {
		return err
	}
	if !ok {
		return t.SetMeta(sealCheck, string(hexBytes(s.seal.Seal([]byte(sealCheck), sealCheck))))
	}
	sealed, err := unhex(value)
	if err != nil {
		return fmt.Errorf("%s: %w", sealCheck, err)
	}
	if _, err := s.seal.Open(sealed, sealCheck); err != nil {
		return fmt.Errorf("this database was sealed under another installation key: %w", err)
	}
	return nil
}

// Close commits what is queued, ends Run and closes the database.
func (s *Store) Close() error {
	s.queue.end()
	s.queue.wait()
	for _, it := range s.queue.leftover() {
		it.finish(unrecorded(errClosed))
	}
	return errors.Join(s.read.close(), s.write.Close())
}

// Notified answers a channel that is signalled when another node may have
// changed the policy; nil on SQLite, where there are no other nodes.
func (s *Store) Notified() <-chan struct{} { return s.policy }

func (s *Store) signalPolicy() {
	select {
	case s.policy <- struct{}{}:
	default:
	}
}

// Appended answers a channel that is closed when this node next appends to the
// log. Ask for it before reading what is there, then wait; ask again after.
func (s *Store) Appended() <-chan struct{} { return s.appended.next() }

// broadcast wakes everybody who waits, without knowing them.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *broadcast) init() { b.ch = make(chan struct{}) }

func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) signal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}

// micros is a time as it is stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func notFound(what string) error {
	return &vitrine.Error{Kind: vitrine.ErrNotFound, Code: "not_found", Public: "There is no such " + what + "."}
}

func conflict(code, public string) error {
	return &vitrine.Error{Kind: vitrine.ErrConflict, Code: code, Public: public}
}
