package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
)

// Reply is an answer kept under a client's idempotency key. Status 0 is one
// whose request is still running.
type Reply struct {
	Key       string
	Principal vitrine.ID
	Request   string // hash of the request
	Status    int
	Body      []byte
	Created   time.Time
}

const (
	qReply      = `SELECT request, status, sealed, created FROM replies WHERE principal = $1 AND name = $2`
	qClaimReply = `INSERT INTO replies (principal, name, request, status, sealed, created) VALUES ($1, $2, $3, 0, $4, $5)
		ON CONFLICT (principal, name) DO NOTHING`
	qFinishReply  = `UPDATE replies SET status = $1, sealed = $2 WHERE principal = $3 AND name = $4 AND request = $5`
	qDropReply    = `DELETE FROM replies WHERE principal = $1 AND name = $2`
	qSweepReplies = `DELETE FROM replies WHERE created < $1`
)

func replyName(r *Reply) string {
	return "reply " + string(r.Principal) + " " + r.Request + " " + r.Key
}

// Reply answers what is kept; ErrNotFound where nothing is.
func (s *Store) Reply(ctx context.Context, principal vitrine.ID, key string) (*Reply, error) {
	r := &Reply{Key: key, Principal: principal}
	var sealed []byte
	var created int64
	err := s.read.row(ctx, qReply, string(principal), key).Scan(&r.Request, &r.Status, &sealed, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("reply")
	}
	if err != nil {
		return nil, fmt.Errorf("reply: %w", err)
	}
	r.Created = fromMicros(created)
	if len(sealed) == 0 {
		return r, nil
	}
	if r.Body, err = s.seal.Open(sealed, replyName(r)); err != nil {
		return nil, fmt.Errorf("reply: %w", err)
	}
	return r, nil
}

// ClaimReply inserts an unfinished reply; ErrConflict when one is there.
func (t *Tx) ClaimReply(r *Reply) error {
	at := r.Created
	if at.IsZero() {
		at = t.now
	}
	n, err := t.c.exec(qClaimReply, string(r.Principal), r.Key, r.Request, []byte{}, micros(at))
	if err != nil {
		return fmt.Errorf("claim reply: %w", err)
	}
	if n == 0 {
		return conflict("idempotency_key_in_use", "This idempotency key was used before.")
	}
	return nil
}

// FinishReply keeps the answer, sealed, where the same request was claimed;
// ErrNotFound where it was not.
func (t *Tx) FinishReply(r *Reply) error {
	sealed := t.s.seal.Seal(r.Body, replyName(r))
	n, err := t.c.exec(qFinishReply, int64(r.Status), sealed, string(r.Principal), r.Key, r.Request)
	if err != nil {
		return fmt.Errorf("finish reply: %w", err)
	}
	if n == 0 {
		return notFound("reply")
	}
	return nil
}

// DropReply gives an idempotency key free; one that is not there is no error.
func (t *Tx) DropReply(principal vitrine.ID, key string) error {
	if _, err := t.c.exec(qDropReply, string(principal), key); err != nil {
		return fmt.Errorf("drop reply: %w", err)
	}
	return nil
}

// SweepReplies forgets what was claimed before.
func (t *Tx) SweepReplies(before time.Time) error {
	if _, err := t.c.exec(qSweepReplies, micros(before)); err != nil {
		return fmt.Errorf("sweep replies: %w", err)
	}
	return nil
}
