package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

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

const (
	qPutCheckpoint = `INSERT INTO checkpoints (size, note, at) VALUES ($1, $2, $3)
		ON CONFLICT (size) DO UPDATE SET note = excluded.note, at = excluded.at`
	qLatestCheckpoint = `SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1`
	qCheckpointOf     = `SELECT note FROM checkpoints WHERE size = $1`
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

// CheckpointOf is the checkpoint of a size that was kept; "" where there is
// none.
func (s *Store) CheckpointOf(ctx context.Context, size int64) (note string, err error) {
	err = s.read.row(ctx, qCheckpointOf, size).Scan(&note)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("checkpoint of %d: %w", size, err)
	}
	return note, nil
}
