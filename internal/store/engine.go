package store

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
)

// engine is how a batch begins and ends, as its engine likes it best.
type engine interface {
	// begin starts a transaction, locks the head row and answers it.
	begin(c *conn) (head, error)
	// commit inserts lines into the log, moves its head, for which the arguments
	// of qRaise are given, and commits. A doubtError says that it may stand. No
	// lines leave the log as it is.
	commit(c *conn, lines []logLine, raise []any) error
}

const (
	qHead  = `SELECT size, state, forgets FROM log_head WHERE id = 1`
	qRaise = `UPDATE log_head SET size = $1, root = $2, state = $3, at = $4 WHERE id = 1 AND size = $5 AND forgets = $6`
)

var errHeadMoved = errors.New("the log's head moved while it was locked")

// near is an engine in this process: many statements cost little.
type near struct{}

// begin reads the head where another connection has written anything since this
// one moved it.
func (near) begin(c *conn) (head, error) {
	if err := c.control(c.d.begin); err != nil {
		return head{}, err
	}
	last, version := c.last, c.version
	if c.last = nil; last != nil && version != 0 && c.dataVersion() == version {
		return *last, nil
	}
	var h headRow
	if err := c.row(qHead).Scan(&h.size, &h.state, &h.forgets); err != nil {
		return head{}, err
	}
	return h.parse()
}

// rowsAtOnce are how many rows one statement inserts, falling. Its arguments have
// no numbers: the driver would look up a name for each.
var rowsAtOnce = []int{64, 16, 4, 1}

var qInsertLines = func() map[int]string {
	m := map[int]string{}
	for _, n := range rowsAtOnce {
		m[n] = `INSERT INTO log (seq, leaf, hash) VALUES ` + strings.Join(slices.Repeat([]string{`(?,?,?)`}, n), ",")
	}
	return m
}()

func (near) commit(c *conn, lines []logLine, raise []any) error {
	some := len(lines) > 0
	args := make([]any, 0, 3*min(len(lines), rowsAtOnce[0]))
	for _, n := range rowsAtOnce {
		for ; len(lines) >= n; lines = lines[n:] {
			args = args[:0]
			for i := range lines[:n] {
				args = append(args, lines[i].e.Seq, lines[i].leaf, lines[i].hash[:])
			}
			if _, err := c.exec(qInsertLines[n], args...); err != nil {
				return err
			}
		}
	}
	if some {
		n, err := c.exec(qRaise, raise...)
		if err != nil {
			return err
		}
		if n != 1 {
			return errHeadMoved
		}
	}
	if err := c.control("COMMIT"); err != nil {
		return &doubtError{err}
	}
	c.version = c.dataVersion()
	return nil
}

// dataVersion changes whenever an embedded database was written; 0 is none.
func (c *conn) dataVersion() (v uint32) {
	err := c.Raw(func(dc any) (err error) {
		v, err = dc.(sqlite.FileControl).FileControlDataVersion("main")
		return err
	})
	if err != nil {
		return 0
	}
	return v
}

// far is an engine behind a network: statements that need not wait for each
// other's answers travel together.
type far struct{}

func (far) begin(c *conn) (head, error) {
	var h headRow
	err := c.together(func(b *pgx.Batch) {
		b.Queue(c.d.begin)
		b.Queue(qHead + c.d.lock).QueryRow(func(r pgx.Row) error { return r.Scan(&h.size, &h.state, &h.forgets) })
	})
	if err != nil {
		return head{}, err
	}
	return h.parse()
}

// qAppend divides by zero where the head has moved, so that the COMMIT which
// travels with it cannot succeed.
const qAppend = `WITH raised AS (` + qRaise + ` RETURNING 1)
	INSERT INTO log (seq, leaf, hash) SELECT seq, leaf, hash FROM unnest($7::bigint[], $8::bytea[], $9::bytea[]) AS l (seq, leaf, hash)
	WHERE 1 / (SELECT count(*) FROM raised) = 1`

func (far) commit(c *conn, lines []logLine, raise []any) error {
	seqs, leaves, hashes := make([]int64, len(lines)), make([][]byte, len(lines)), make([][]byte, len(lines))
	for i := range lines {
		seqs[i], leaves[i], hashes[i] = lines[i].e.Seq, lines[i].leaf, lines[i].hash[:]
	}
	appended := len(lines) == 0
	err := c.together(func(b *pgx.Batch) {
		if !appended {
			b.Queue(qAppend, append(raise, seqs, leaves, hashes)...).Exec(func(pgconn.CommandTag) error { appended = true; return nil })
		}
		b.Queue("COMMIT")
	})
	if refused := (*pgconn.PgError)(nil); err == nil || !appended && errors.As(err, &refused) {
		return err
	}
	return &doubtError{err}
}

// together sends what fn queues at once.
func (c *conn) together(fn func(*pgx.Batch)) error {
	c.asked()
	return c.Raw(func(dc any) error {
		var b pgx.Batch
		fn(&b)
		return dc.(*stdlib.Conn).Conn().SendBatch(c.ctx, &b).Close()
	})
}
