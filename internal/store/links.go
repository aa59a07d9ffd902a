package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
)

// Link is a link to an image; only the hash of its token is kept.
type Link struct {
	ID                        vitrine.ID
	Hash                      string
	Image                     vitrine.ID
	Rendition                 vitrine.Rendition
	Principal, Credential     vitrine.ID
	Created, Expires, Revoked time.Time
	Uses                      int64
}

const linkColumns = `id, hash, image, rendition, principal, credential, created, expires, revoked, uses`

const (
	qPutLink    = `INSERT INTO links (` + linkColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`
	qLink       = `SELECT ` + linkColumns + ` FROM links WHERE hash = $1`
	qLinks      = `SELECT ` + linkColumns + ` FROM links WHERE image = $1 ORDER BY created DESC, id DESC LIMIT 1000`
	qRevokeLink = `UPDATE links SET revoked = $1 WHERE id = $2 AND revoked = 0`
	qPurgeLinks = `DELETE FROM links WHERE id IN (SELECT id FROM links WHERE expires < $1 ORDER BY expires LIMIT $2)`
	qUseLink    = `UPDATE links SET uses = uses + 1 WHERE id = $1 AND revoked = 0`
)

// PutLink keeps a link; ErrConflict where its id or hash is in use.
func (t *Tx) PutLink(l *Link) error {
	created := l.Created
	if created.IsZero() {
		created = t.now
	}
	n, err := t.c.exec(qPutLink, string(l.ID), l.Hash, string(l.Image), string(l.Rendition), string(l.Principal),
		string(l.Credential), micros(created), micros(l.Expires), micros(l.Revoked), l.Uses)
	if err != nil {
		return fmt.Errorf("put link %s: %w", l.ID, err)
	}
	if n == 0 {
		return conflict("id_used", "There is such a link.")
	}
	return nil
}

func scanLink(r row) (Link, error) {
	var l Link
	var created, expires, revoked int64
	err := r.Scan(&l.ID, &l.Hash, &l.Image, &l.Rendition, &l.Principal, &l.Credential, &created, &expires, &revoked, &l.Uses)
	l.Created, l.Expires, l.Revoked = fromMicros(created), fromMicros(expires), fromMicros(revoked)
	return l, err
}

// LinkByHash answers a link, also an expired or a revoked one; ErrNotFound
// where there is none.
func (s *Store) LinkByHash(ctx context.Context, hash string) (*Link, error) {
	l, err := scanLink(s.read.row(ctx, qLink, hash))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("link")
	}
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	return &l, nil
}

// Links lists an image's links, the newest first.
func (s *Store) Links(ctx context.Context, image vitrine.ID) ([]Link, error) {
	rows, err := s.read.rows(ctx, qLinks, string(image))
	links, err := collect(rows, err, scanLink)
	if err != nil {
		return nil, fmt.Errorf("links of image %s: %w", image, err)
	}
	return links, nil
}

// RevokeLink ends a link; ErrNotFound where there is none that is alive.
func (t *Tx) RevokeLink(id vitrine.ID, at time.Time) error {
	return t.touchLink(id, qRevokeLink, micros(at), string(id))
}

// UseLink counts a use; ErrNotFound where the link is gone or revoked.
func (t *Tx) UseLink(id vitrine.ID) error { return t.touchLink(id, qUseLink, string(id)) }

func (t *Tx) touchLink(id vitrine.ID, query string, args ...any) error {
	n, err := t.c.exec(query, args...)
	if err != nil {
		return fmt.Errorf("link %s: %w", id, err)
	}
	if n == 0 {
		return notFound("link")
	}
	return nil
}

// PurgeLinks forgets up to n links that expired before a time, and answers how
// many.
func (t *Tx) PurgeLinks(before time.Time, n int) (int64, error) {
	gone, err := t.c.exec(qPurgeLinks, micros(before), n)
	if err != nil {
		return 0, fmt.Errorf("purge links: %w", err)
	}
	return gone, nil
}
