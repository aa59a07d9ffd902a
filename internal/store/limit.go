package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
)

// How long a database that hangs, and does not refuse, is waited for. A request
// that it cannot be known of is refused in about three seconds.
const (
	readTime   = 2 * time.Second  // for what one request needs to know
	searchTime = 30 * time.Second // for what looks through much: searches, sums, the whole policy
)

var (
	waitTime   = 2500 * time.Millisecond // until an act is begun
	turnTime   = 5 * time.Second         // for the lock on the log, for which nodes take turns
	answerTime = 2 * time.Second         // for each statement of a transaction, its COMMIT too
	endTime    = 10 * time.Second        // until an act that was begun has ended
	doubtTime  = time.Second             // for whether what failed at COMMIT stands
)

// errSilent is a database that does not answer in time.
var errSilent error = &vitrine.Error{
	Kind: vitrine.ErrUnavailable, Code: "database_silent",
	Public: "The database does not answer. Try again.", RetryAfter: 1,
}

// limit bounds a read in time.
type limit struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// unlimited is the limit of what another context ends already.
var unlimited = limit{context.Background(), func() {}}

func limited(ctx context.Context, within time.Duration) limit {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errSilent)
	return limit{ctx, cancel}
}

// end ends the read. Where err came of the limit, it says so.
func (l limit) end(err error) error {
	if err != nil && context.Cause(l.ctx) == errSilent {
		err = fmt.Errorf("%w: %w", errSilent, err)
	}
	l.cancel()
	return err
}

func (l limit) results(rows *sql.Rows, err error) (*results, error) {
	if err != nil {
		return nil, l.end(err)
	}
	return &results{rows, l}, nil
}

// results are rows that are read within a limit.
type results struct {
	*sql.Rows
	limit
}

// Close ends the read.
func (r *results) Close() error {
	defer r.cancel()
	return r.Rows.Close()
}

type limitedRow struct {
	row *sql.Row
	limit
}

// Scan reads the row and ends the read.
func (r limitedRow) Scan(dest ...any) error { return r.end(r.row.Scan(dest...)) }
