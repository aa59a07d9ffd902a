package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Tx is what a function may do inside a commit. It does no other I/O, keeps no
// Tx beyond its return, and takes no longer than it must: everybody waits.
type Tx struct {
	s     *Store
	c     *conn
	now   time.Time // of the batch
	depth int       // of savepoints
	lost  error     // the transaction itself is gone

	forgets int64 // how often Forget ran
}

// queryer is what reads, inside a commit or outside.
type queryer interface {
	rows(ctx context.Context, query string, args ...any) (*results, error)
}

// conn is the writer's connection with its prepared statements.
type conn struct {
	*sql.Conn
	d     *dialect
	ctx   context.Context
	quiet *time.Timer // ends ctx, unless another statement begins before
	stmts map[string]*sql.Stmt

	last      *head  // as the last transaction left it
	version   uint32 // of the data then
	destroyed bool   // a statement of destroying ran
}

func newConn(ctx context.Context, c *sql.Conn, d *dialect) *conn {
	return &conn{Conn: c, d: d, ctx: ctx, stmts: map[string]*sql.Stmt{}}
}

// bound gives the connection to one transaction, whose first statement may take
// first and each later one answerTime. What it answers ends that. In an embedded
// database nothing can be given up but the wait for its lock, see connectSQLite:
// whoever waits for the transaction leaves by himself.
func (c *conn) bound(first time.Duration) (end func()) {
	if c.d.embedded {
		c.ctx = context.Background()
		return func() {}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	c.ctx = ctx
	c.quiet = time.AfterFunc(first, func() { cancel(errSilent) })
	return func() { c.quiet.Stop(); cancel(nil) }
}

// asked begins to wait for an answer.
func (c *conn) asked() {
	if c.quiet != nil {
		c.quiet.Reset(answerTime)
	}
}

func (c *conn) stmt(query string) (*sql.Stmt, error) {
	c.asked()
	if st, ok := c.stmts[query]; ok {
		return st, nil
	}
	st, err := c.PrepareContext(c.ctx, query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = st
	return st, nil
}

// exec runs a constant statement and answers how many rows it touched.
func (c *conn) exec(query string, args ...any) (int64, error) {
	if err := c.d.ready(args); err != nil {
		return 0, err
	}
	st, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(c.ctx, args...)
	if err != nil {
		return 0, err
	}
	c.destroyed = c.destroyed || destroying[query]
	return res.RowsAffected()
}

// control runs BEGIN, COMMIT and their like.
func (c *conn) control(query string) error {
	st, err := c.stmt(query)
	if err == nil {
		_, err = st.ExecContext(c.ctx)
	}
	return err
}

func (c *conn) row(query string, args ...any) row {
	if err := c.d.ready(args); err != nil {
		return failedRow{err}
	}
	st, err := c.stmt(query)
	if err != nil {
		return failedRow{err}
	}
	return st.QueryRowContext(c.ctx, args...)
}

func (c *conn) rows(_ context.Context, query string, args ...any) (*results, error) {
	if err := c.d.ready(args); err != nil {
		return nil, err
	}
	st, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryContext(c.ctx, args...)
	return &results{Rows: rows, limit: unlimited}, err
}

// discard gives the connection up for good, and with it the transaction.
func (c *conn) discard() {
	// The connection is lost either way; the errors say nothing more.
	if c.d.embedded {
		for _, st := range c.stmts {
			_ = st.Close()
		}
	}
	_ = c.Raw(func(any) error { return driver.ErrBadConn })
	_ = c.Close()
}

type row interface{ Scan(dest ...any) error }

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// statements are a pool of readers with their prepared statements, one for each
// constant text in this package.
type statements struct {
	db *sql.DB
	d  *dialect
	mu sync.Mutex
	m  map[string]*sql.Stmt
}

func newStatements(db *sql.DB, d *dialect) *statements {
	return &statements{db: db, d: d, m: map[string]*sql.Stmt{}}
}

func (r *statements) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.Lock()
	st, ok := r.m[query]
	r.mu.Unlock()
	if ok {
		return st, nil
	}
	st, err := r.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.m[query]; ok {
		return other, st.Close()
	}
	r.m[query] = st
	return st, nil
}

// row reads one row. From an embedded database that takes no time to speak of, and
// nothing but the disk, which nobody can interrupt, could keep it waiting; to
// watch over it would take longer.
func (r *statements) row(ctx context.Context, query string, args ...any) row {
	if err := r.d.ready(args); err != nil {
		return failedRow{err}
	}
	if err := ctx.Err(); err != nil {
		return failedRow{err}
	}
	l := unlimited
	if !r.d.embedded {
		l = limited(ctx, readTime)
	}
	st, err := r.stmt(l.ctx, query)
	if err != nil {
		return failedRow{l.end(err)}
	}
	return limitedRow{st.QueryRowContext(l.ctx, args...), l}
}

func (r *statements) rows(ctx context.Context, query string, args ...any) (*results, error) {
	if err := r.d.ready(args); err != nil {
		return nil, err
	}
	l := limited(ctx, readTime)
	st, err := r.stmt(l.ctx, query)
	if err != nil {
		return nil, l.end(err)
	}
	return l.results(st.QueryContext(l.ctx, args...))
}

// once runs a query that was put together for this one question, and may take
// longer than others. It is not prepared: there is no end of them.
func (r *statements) once(ctx context.Context, query string, args ...any) (*results, error) {
	if err := r.d.ready(args); err != nil {
		return nil, err
	}
	l := limited(ctx, searchTime)
	return l.results(r.db.QueryContext(l.ctx, query, args...))
}

func (r *statements) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, st := range r.m {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, r.db.Close())...)
}

type snapshotTx struct {
	*sql.Tx
	d *dialect
}

func (r snapshotTx) rows(ctx context.Context, query string, args ...any) (*results, error) {
	if err := r.d.ready(args); err != nil {
		return nil, err
	}
	rows, err := r.QueryContext(ctx, query, args...)
	return &results{Rows: rows, limit: unlimited}, err
}

// snapshot reads one state of the database with several queries.
func (s *Store) snapshot(ctx context.Context, fn func(q queryer) error) (err error) {
	l := limited(ctx, searchTime)
	tx, err := s.read.db.BeginTx(l.ctx, s.d.snapshot)
	if err != nil {
		return l.end(err)
	}
	if err := fn(snapshotTx{tx, s.d}); err != nil {
		return l.end(errors.Join(err, tx.Rollback()))
	}
	return l.end(tx.Commit())
}

// collect scans all rows.
func collect[T any](rows *results, err error, scan func(row) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.end(rows.Err())
}

var savepoints = [...]string{"a", "b", "c", "d"}

// savepoint undoes what fn did if fn fails or panics, and nothing else. Where
// fn went on after a statement that failed, PostgreSQL refuses to keep the rest;
// then all of it is undone too, and neighbours keep theirs.
func (t *Tx) savepoint(fn func(*Tx) error) error {
	if t.depth == len(savepoints) {
		return errors.New("store: savepoints nest too deep")
	}
	name := savepoints[t.depth]
	if err := t.c.control("SAVEPOINT " + name); err != nil {
		t.lost = err
		return err
	}
	forgets := t.forgets
	t.depth++
	err := protect(t, fn)
	t.depth--
	if t.lost != nil {
		return err
	}
	if err == nil {
		if err = t.c.control("RELEASE SAVEPOINT " + name); err == nil {
			return nil
		}
	}
	t.forgets = forgets
	for _, undo := range []string{"ROLLBACK TO SAVEPOINT ", "RELEASE SAVEPOINT "} {
		if e := t.c.control(undo + name); e != nil {
			t.lost = errors.Join(err, e) // some failures undo the whole transaction
			break
		}
	}
	return err
}

// protect turns a panic into an error: one act's bug must not stop the log.
func protect(t *Tx, fn func(*Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a commit: %v", p)
		}
	}()
	return fn(t)
}

func hexBytes(b []byte) string { return hex.EncodeToString(b) }

func unhex(s string) ([]byte, error) { return hex.DecodeString(s) }
