package store

import (
	"context"
	"fmt"
	"time"

	"vitrine.dev/vitrine/internal/entry"
)

// Job is work that an act left behind. It is done at least once: whoever works
// it may die after doing it and before saying so.
type Job struct {
	ID        int64
	Kind      string
	Args      []byte
	RunAt     time.Time
	Attempts  int // this one included
	LastError string
}

const (
	qEnqueue = `INSERT INTO jobs (kind, sealed, run_at, leased_until, leased_by, attempts, last_error)
		VALUES ($1, $2, $3, 0, '', 0, '')`
	qDue   = `SELECT 1 FROM jobs WHERE kind = $1 AND run_at <= $2 AND leased_until <= $2 LIMIT 1`
	qLease = `SELECT id, sealed, run_at, attempts, last_error FROM jobs
		WHERE kind = $1 AND run_at <= $2 AND leased_until <= $2 ORDER BY run_at, id LIMIT $3`
	qLeased    = `UPDATE jobs SET leased_until = $1, leased_by = $2, attempts = attempts + 1 WHERE id = $3`
	qFinishJob = `DELETE FROM jobs WHERE id = $1`
	qRetryJob  = `UPDATE jobs SET run_at = $1, leased_until = 0, leased_by = '', last_error = $2 WHERE id = $3`
)

// damagedAgain is when a job whose arguments do not open is looked at again.
const damagedAgain = 24 * time.Hour

func jobName(kind string) string { return "job " + kind }

// Enqueue adds a job in the same act; its arguments are sealed.
func (t *Tx) Enqueue(kind string, args []byte, runAt time.Time) error {
	if runAt.IsZero() {
		runAt = t.now
	}
	if _, err := t.c.exec(qEnqueue, kind, t.s.seal.Seal(args, jobName(kind)), micros(runAt)); err != nil {
		return fmt.Errorf("enqueue %s: %w", kind, err)
	}
	return nil
}

// LeaseJobs takes up to n due jobs for the length of the lease; when it passes
// without FinishJob or RetryJob, others may take them.
func (s *Store) LeaseJobs(ctx context.Context, kind string, n int, lease time.Duration) ([]Job, error) {
	now := s.now()
	rows, err := s.read.rows(ctx, qDue, kind, micros(now))
	due, err := collect(rows, err, func(r row) (one int, err error) { return one, r.Scan(&one) })
	if err != nil {
		return nil, fmt.Errorf("due jobs %s: %w", kind, err)
	}
	if len(due) == 0 {
		return nil, nil
	}
	var jobs []Job
	err = s.Maintain(ctx, func(t *Tx) error {
		jobs, err = t.lease(kind, n, now, lease)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lease jobs %s: %w", kind, err)
	}
	return jobs, nil
}

func (t *Tx) lease(kind string, n int, now time.Time, lease time.Duration) ([]Job, error) {
	rows, err := t.c.rows(t.c.ctx, qLease+t.s.d.skip, kind, micros(now), n)
	due, err := collect(rows, err, func(r row) (Job, error) {
		j := Job{Kind: kind}
		var runAt int64
		err := r.Scan(&j.ID, &j.Args, &runAt, &j.Attempts, &j.LastError)
		j.RunAt = fromMicros(runAt)
		j.Attempts++
		return j, err
	})
	if err != nil {
		return nil, err
	}
	jobs := due[:0]
	for _, j := range due {
		if j.Args, err = t.s.seal.Open(j.Args, jobName(kind)); err != nil {
			// One damaged row must not stop the others of its kind.
			if err := t.retryJob(j.ID, now.Add(damagedAgain), "the arguments do not open: "+err.Error()); err != nil {
				return nil, err
			}
			continue
		}
		if _, err := t.c.exec(qLeased, micros(now.Add(lease)), t.s.node, j.ID); err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// FinishJob ends a job; one that is gone is no error.
func (s *Store) FinishJob(ctx context.Context, id int64) error {
	err := s.Maintain(ctx, func(t *Tx) error {
		_, err := t.c.exec(qFinishJob, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("finish job %d: %w", id, err)
	}
	return nil
}

// RetryJob lets a job run again at a time; cause says why, without anything
// that must be sealed.
func (s *Store) RetryJob(ctx context.Context, id int64, at time.Time, cause string) error {
	err := s.Maintain(ctx, func(t *Tx) error { return t.retryJob(id, at, cause) })
	if err != nil {
		return fmt.Errorf("retry job %d: %w", id, err)
	}
	return nil
}

func (t *Tx) retryJob(id int64, at time.Time, cause string) error {
	_, err := t.c.exec(qRetryJob, micros(at), entry.Text(cause), id)
	return err
}
