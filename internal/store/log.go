package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/merkle"
)

// LogRow is a leaf as it is stored.
type LogRow struct {
	Seq  int64
	Leaf []byte
	Hash merkle.Hash
}

const (
	qLogSize = `SELECT size, root, at FROM log_head WHERE id = 1`
	qLogRows = `SELECT seq, leaf, hash FROM log WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT 1000`
)

// LogSize is how many entries there are, the root over them, and when the last
// was appended.
func (s *Store) LogSize(ctx context.Context) (size int64, root merkle.Hash, at time.Time, err error) {
	var b []byte
	var us int64
	if err := s.read.row(ctx, qLogSize).Scan(&size, &b, &us); err != nil {
		return 0, root, at, fmt.Errorf("size of the log: %w", err)
	}
	if len(b) != len(root) {
		return 0, root, at, fmt.Errorf("size of the log: the root has %d bytes", len(b))
	}
	return size, merkle.Hash(b), fromMicros(us), nil
}

// LogRows calls fn for the leaves [from, to) in order. Rows that are missing
// are an error: the log is dense.
func (s *Store) LogRows(ctx context.Context, from, to int64, fn func(LogRow) error) error {
	for from < to {
		rows, err := s.read.rows(ctx, qLogRows, from, to)
		page, err := collect(rows, err, func(r row) (LogRow, error) {
			var l LogRow
			var hash []byte
			if err := r.Scan(&l.Seq, &l.Leaf, &hash); err != nil {
				return l, err
			}
			if len(hash) != len(l.Hash) {
				return l, fmt.Errorf("hash of entry %d has %d bytes", l.Seq, len(hash))
			}
			l.Hash = merkle.Hash(hash)
			return l, nil
		})
		if err != nil {
			return fmt.Errorf("read the log from %d: %w", from, err)
		}
		if len(page) == 0 {
			return fmt.Errorf("read the log: entry %d is missing", from)
		}
		for _, l := range page {
			if l.Seq != from {
				return fmt.Errorf("read the log: entry %d is missing", from)
			}
			if err := fn(l); err != nil {
				return err
			}
			from++
		}
	}
	return nil
}

// EntryQuery asks for entries. Zero fields do not narrow.
type EntryQuery struct {
	// After is the seq after which to list, -1 from the first entry; with Back
	// the seq before which to list, 0 from the newest.
	After int64
	Back  bool
	Limit int // 0 is 100; at most 1000

	Actor      vitrine.ID
	Act        string
	Outcome    vitrine.Outcome
	Resource   vitrine.ID
	Scopes     []vitrine.ID // nil is all; empty is none
	Request    string
	Credential vitrine.ID
	From, To   time.Time // from From until before To
}

// Entries lists entries as their leaves say, with personal fields opened where
// the person was not forgotten.
func (s *Store) Entries(ctx context.Context, q EntryQuery) ([]vitrine.Entry, error) {
	if q.Scopes != nil && len(q.Scopes) == 0 {
		return nil, nil
	}
	leaves, err := s.findLeaves(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("search the log: %w", err)
	}
	entries := make([]vitrine.Entry, len(leaves))
	parts := make([][]entry.Part, len(leaves))
	for i, leaf := range leaves {
		e, ps, err := entry.Parse(leaf)
		if err != nil {
			return nil, fmt.Errorf("search the log: %w", err)
		}
		entries[i], parts[i] = *e, ps
	}
	open, err := s.opener(ctx, parts)
	if err != nil {
		return nil, fmt.Errorf("search the log: %w", err)
	}
	for i := range entries {
		if err := entry.Open(&entries[i], parts[i], open); err != nil {
			return nil, fmt.Errorf("open entry %d: %w", entries[i].Seq, err)
		}
	}
	return entries, nil
}

func (s *Store) findLeaves(ctx context.Context, q EntryQuery) ([][]byte, error) {
	text, args := q.where(s.d)
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	args = append(args, min(limit, 1000))
	order := "seq"
	if q.Back {
		order = "seq DESC"
	}
	rows, err := s.read.once(ctx,
		`SELECT leaf FROM log WHERE `+text+` ORDER BY `+order+fmt.Sprintf(` LIMIT $%d`, len(args)), args...)
	return collect(rows, err, func(r row) (leaf []byte, err error) {
		return leaf, r.Scan(&leaf)
	})
}

func (q *EntryQuery) where(d *dialect) (string, []any) {
	var conds []string
	var args []any
	add := func(cond string, v any) {
		args = append(args, v)
		conds = append(conds, cond+fmt.Sprintf("$%d", len(args)))
	}
	switch {
	case !q.Back:
		add("seq > ", q.After)
	case q.After > 0:
		add("seq < ", q.After)
	default:
		conds = append(conds, "seq >= 0")
	}
	for _, f := range []struct{ column, value string }{
		{"actor", string(q.Actor)}, {"act", q.Act}, {"outcome", string(q.Outcome)}, {"resource", string(q.Resource)},
		{"request", q.Request}, {"credential", string(q.Credential)},
	} {
		if f.value != "" {
			add(f.column+" = ", f.value)
			conds = append(conds, f.column+" <> ''") // lets the partial index serve
		}
	}
	if !q.From.IsZero() {
		add("time >= ", micros(q.From))
	}
	if !q.To.IsZero() {
		add("time < ", micros(q.To))
	}
	if q.Scopes != nil {
		args = append(args, listOf(q.Scopes))
		conds = append(conds, "scope"+d.in(len(args)))
	}
	return strings.Join(conds, " AND "), args
}

const (
	qPutCheckpoint = `INSERT INTO checkpoints (size, note, at) VALUES ($1, $2, $3)
		ON CONFLICT (size) DO UPDATE SET note = excluded.note, at = excluded.at`
	qLatestCheckpoint = `SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1`
)

// PutCheckpoint keeps a signed head of the log.
func (t *Tx) PutCheckpoint(size int64, note string, at time.Time) error {
	if _, err := t.c.exec(qPutCheckpoint, size, note, micros(at)); err != nil {
		return fmt.Errorf("keep checkpoint %d: %w", size, err)
	}
	return nil
}

// LatestCheckpoint is the largest checkpoint kept; note is "" where there is
// none.
func (s *Store) LatestCheckpoint(ctx context.Context) (size int64, note string, err error) {
	err = s.read.row(ctx, qLatestCheckpoint).Scan(&size, &note)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("latest checkpoint: %w", err)
	}
	return size, note, nil
}
