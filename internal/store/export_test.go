package store

import (
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
	was := []time.Duration{waitTime, turnTime, answerTime, doubtTime}
	waitTime, turnTime, answerTime, doubtTime = was[0]/10, was[1]/10, was[2]/10, was[3]/10
	t.Cleanup(func() { waitTime, turnTime, answerTime, doubtTime = was[0], was[1], was[2], was[3] })
}
