package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// SetFault makes commits call f before and after their COMMIT; an error fails
// them there. Set it while nothing is committed.
func SetFault(s *Store, f func(stage string) error) { s.fault = f }

// Exec runs any statement on the writer's connection.
func Exec(t *Tx, text string) error {
	_, err := t.c.ExecContext(t.c.ctx, text)
	return err
}

// Pragma is a setting of the writer's SQLite connection.
func Pragma(t *Tx, name string) (value string, err error) {
	err = t.c.QueryRowContext(t.c.ctx, "PRAGMA "+name).Scan(&value)
	return value, err
}

// Prepared is how many statements the readers keep.
func Prepared(s *Store) int {
	s.read.mu.Lock()
	defer s.read.mu.Unlock()
	return len(s.read.m)
}

// Hurry waits a tenth as long for a database that hangs.
func Hurry(t testing.TB) {
	all := []*time.Duration{&waitTime, &turnTime, &answerTime, &endTime, &doubtTime}
	for _, d := range all {
		was := *d
		*d = was / 10
		t.Cleanup(func() { *d = was })
	}
}

// Filtered is how many blocks of the log have their filters.
func Filtered(ctx context.Context, s *Store) (n int64, err error) {
	err = s.read.db.QueryRowContext(ctx, qFiltered).Scan(&n)
	return n + 1, err
}

// Sifted are the blocks of the log that a search would read.
func Sifted(t testing.TB, s *Store, q EntryQuery) []int64 {
	f, err := s.newSearch(&q)
	if err != nil {
		t.Fatal(err)
	}
	size, _, _, err := s.LogSize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := f.sift(t.Context(), 0, (size-1)/blockSize)
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// Bare answers a function that makes one small row durable on a connection like
// the committer's: what a commit costs at least.
func Bare(b testing.TB, s *Store) (commit func()) {
	s.write.SetMaxOpenConns(2) // the committer keeps the one
	sc, err := s.write.Conn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	c := newConn(context.Background(), sc, s.d)
	b.Cleanup(c.discard)
	if err := c.control(`CREATE TABLE IF NOT EXISTS bare (line TEXT)`); err != nil {
		b.Fatal(err)
	}
	line := strings.Repeat("x", 256)
	return func() {
		if _, err := c.exec(`INSERT INTO bare (line) VALUES ($1)`, line); err != nil {
			b.Fatal(err)
		}
	}
}

// Classified lists the tables that are there, and those of which is said what
// becomes of them in a backup.
func Classified(ctx context.Context, s *Store) (there, said []string, err error) {
	err = s.snapshot(ctx, func(q queryer) error {
		columns, err := catalogue(ctx, q, s.d)
		for name := range columns {
			there = append(there, name)
		}
		return err
	})
	for _, t := range tables {
		said = append(said, t.name)
	}
	return there, said, err
}

// DumpAsItIs dumps a database without bringing it to this version.
func DumpAsItIs(ctx context.Context, url string, row func(t *Table, values []any) error) ([]Table, error) {
	d, write, read, err := connect(url)
	if err != nil {
		return nil, err
	}
	tx, err := read.BeginTx(ctx, d.snapshot)
	if err != nil {
		return nil, err
	}
	q := snapshotTx{tx, d}
	columns, err := catalogue(ctx, q, d)
	if err != nil {
		return nil, err
	}
	all, err := classified(columns)
	for i := range all {
		if err == nil {
			err = q.each(ctx, &all[i], row)
		}
	}
	return all, errors.Join(err, tx.Rollback(), read.Close(), write.Close())
}
