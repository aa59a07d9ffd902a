package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
)

const (
	qSecret    = `SELECT origin, sealed FROM credential_secrets WHERE id = $1`
	qPutSecret = `INSERT INTO credential_secrets (id, origin, sealed) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET origin = excluded.origin, sealed = excluded.sealed`
	qDeleteSecret = `DELETE FROM credential_secrets WHERE id = $1`

	qKeyUse   = `SELECT last, sealed FROM key_uses WHERE key_id = $1`
	qTouchKey = `INSERT INTO key_uses (key_id, last, sealed) VALUES ($1, $2, $3)
		ON CONFLICT (key_id) DO UPDATE SET last = excluded.last, sealed = excluded.sealed WHERE key_uses.last < excluded.last`
	qDeleteKeyUse = `DELETE FROM key_uses WHERE key_id = $1`
)

// secretName binds a sealed secret to its credential and to where it may go, so
// that changing the origin in the database makes it useless.
func secretName(id vitrine.ID, origin string) string {
	return "credential " + string(id) + " " + origin
}

// CredentialSecret answers a provider's secret and the origin it may be sent
// to. ErrNotFound where none is stored.
func (s *Store) CredentialSecret(ctx context.Context, id vitrine.ID) (secret vitrine.Secret, origin string, err error) {
	var sealed []byte
	err = s.read.row(ctx, qSecret, string(id)).Scan(&origin, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", notFound("credential")
	}
	if err != nil {
		return "", "", fmt.Errorf("secret of credential %s: %w", id, err)
	}
	plain, err := s.seal.Open(sealed, secretName(id, origin))
	if err != nil {
		return "", "", fmt.Errorf("secret of credential %s: %w", id, err)
	}
	return vitrine.Secret(plain), origin, nil
}

// PutCredentialSecret seals a secret bound to its origin. One that was retired
// before goes.
func (t *Tx) PutCredentialSecret(id vitrine.ID, origin string, secret vitrine.Secret) error {
	if _, err := t.c.exec(qDropRetired, string(id)); err != nil {
		return fmt.Errorf("put the secret of credential %s: %w", id, err)
	}
	sealed := t.s.seal.Seal([]byte(secret.Reveal()), secretName(id, origin))
	if _, err := t.c.exec(qPutSecret, string(id), origin, sealed); err != nil {
		return fmt.Errorf("put the secret of credential %s: %w", id, err)
	}
	return nil
}

// DeleteCredentialSecret deletes it, and what it was before a rotation; one that
// is not there is no error.
func (t *Tx) DeleteCredentialSecret(id vitrine.ID) error {
	for _, q := range []string{qDeleteSecret, qDropRetired} {
		if _, err := t.c.exec(q, string(id)); err != nil {
			return fmt.Errorf("delete the secret of credential %s: %w", id, err)
		}
	}
	return nil
}

// KeyUse is when and from where a key was last used.
type KeyUse struct {
	Key                vitrine.ID
	Last               time.Time // zero is never
	Address, UserAgent string
}

type keyUseDetail struct {
	Address   string `json:"address,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

func keyUseName(key vitrine.ID) string { return "key use " + string(key) }

// KeyUse answers the last use; of a key that was never used, Last is zero.
func (s *Store) KeyUse(ctx context.Context, key vitrine.ID) (KeyUse, error) {
	u := KeyUse{Key: key}
	var last int64
	var sealed []byte
	err := s.read.row(ctx, qKeyUse, string(key)).Scan(&last, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return u, nil
	}
	if err != nil {
		return u, fmt.Errorf("use of key %s: %w", key, err)
	}
	var d keyUseDetail
	if err := s.openJSON(sealed, keyUseName(key), &d); err != nil {
		return u, fmt.Errorf("use of key %s: %w", key, err)
	}
	u.Last, u.Address, u.UserAgent = fromMicros(last), d.Address, d.UserAgent
	return u, nil
}

// TouchKeys notes uses; an older one than is known changes nothing.
func (t *Tx) TouchKeys(uses []KeyUse) error {
	for _, u := range uses {
		sealed, err := t.s.sealJSON(keyUseDetail{u.Address, u.UserAgent}, keyUseName(u.Key))
		if err != nil {
			return fmt.Errorf("use of key %s: %w", u.Key, err)
		}
		if _, err := t.c.exec(qTouchKey, string(u.Key), micros(u.Last), sealed); err != nil {
			return fmt.Errorf("use of key %s: %w", u.Key, err)
		}
	}
	return nil
}

func (s *Store) sealJSON(v any, name string) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return s.seal.Seal(b, name), nil
}

func (s *Store) openJSON(sealed []byte, name string, v any) error {
	b, err := s.seal.Open(sealed, name)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
