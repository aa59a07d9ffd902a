package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
)

const (
	qRetired     = `SELECT origin, sealed, until FROM retired_secrets WHERE id = $1`
	qPutRetired  = `INSERT INTO retired_secrets (id, origin, sealed, until) VALUES ($1, $2, $3, $4)`
	qDropRetired = `DELETE FROM retired_secrets WHERE id = $1`
	qEndRetired  = `DELETE FROM retired_secrets WHERE id = $1 AND until <= $2`
	qAllRetired  = `SELECT id FROM retired_secrets WHERE until <= $1 ORDER BY until, id LIMIT $2`
)

// retiredName binds a retired secret to its credential, to where it may go and
// to its end, so that none of them can be changed in the database.
func retiredName(id vitrine.ID, origin string, until int64) string {
	return fmt.Sprintf("retired credential %s %d %s", id, until, origin)
}

// Retired is what a credential's secret was before it was rotated.
type Retired struct {
	Secret vitrine.Secret
	Origin string    // that it may be sent to
	Until  time.Time // when it ends
}

// RetiredSecret answers a credential's retired secret, as long as it helps out at
// the instant; ErrNotFound otherwise.
func (s *Store) RetiredSecret(ctx context.Context, id vitrine.ID, at time.Time) (Retired, error) {
	var r Retired
	var sealed []byte
	var until int64
	err := s.read.row(ctx, qRetired, string(id)).Scan(&r.Origin, &sealed, &until)
	if errors.Is(err, sql.ErrNoRows) || err == nil && micros(at) >= until {
		return Retired{}, notFound("credential")
	}
	if err != nil {
		return Retired{}, fmt.Errorf("retired secret of credential %s: %w", id, err)
	}
	plain, err := s.seal.Open(sealed, retiredName(id, r.Origin, until))
	if err != nil {
		return Retired{}, fmt.Errorf("retired secret of credential %s: %w", id, err)
	}
	r.Secret, r.Until = vitrine.Secret(plain), fromMicros(until)
	return r, nil
}

// RetiredSecrets are the credentials whose retired secret has had its time.
func (s *Store) RetiredSecrets(ctx context.Context, at time.Time, limit int) ([]vitrine.ID, error) {
	rows, err := s.read.rows(ctx, qAllRetired, micros(at), limit)
	ids, err := collect(rows, err, func(r row) (id vitrine.ID, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("retired secrets: %w", err)
	}
	return ids, nil
}

// RotateCredentialSecret puts a secret in place of one that goes to the same
// origin, which is retired until then and takes the place of one retired before.
// ErrConflict where there is none that goes there.
func (t *Tx) RotateCredentialSecret(id vitrine.ID, origin string, secret vitrine.Secret, until time.Time) error {
	var was string
	var sealed []byte
	err := t.c.row(qSecret, string(id)).Scan(&was, &sealed)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && was != origin:
		return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "no_secret", Public: "The credential has no secret that could be rotated. Give it one."}
	case err != nil:
		return fmt.Errorf("rotate the secret of credential %s: %w", id, err)
	}
	plain, err := t.s.seal.Open(sealed, secretName(id, origin))
	if err != nil {
		return fmt.Errorf("rotate the secret of credential %s: %w", id, err)
	}
	if err := t.PutCredentialSecret(id, origin, secret); err != nil { // ends one retired before
		return err
	}
	end := micros(until)
	if _, err := t.c.exec(qPutRetired, string(id), origin, t.s.seal.Seal(plain, retiredName(id, origin, end)), end); err != nil {
		return fmt.Errorf("retire the secret of credential %s: %w", id, err)
	}
	return nil
}

// DeleteRetiredSecret deletes a retired secret that has had its time at the
// instant; ErrNotFound where there is none.
func (t *Tx) DeleteRetiredSecret(id vitrine.ID, at time.Time) error {
	n, err := t.c.exec(qEndRetired, string(id), micros(at))
	if err != nil {
		return fmt.Errorf("delete the retired secret of credential %s: %w", id, err)
	}
	if n == 0 {
		return notFound("credential")
	}
	return nil
}
