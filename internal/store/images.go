package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
)

// ImageRow is an image with its data key, wrapped.
type ImageRow struct {
	vitrine.Image
	Key     []byte            // the image's data key, wrapped
	Deleted *vitrine.Deletion // of one that may be restored; nil of one that is there
}

const imageColumns = `id, dataset, project, category, tier, tier_by, owner, created, version, data_key, sealed`

const (
	qImage    = `SELECT ` + imageColumns + `, cell FROM images WHERE id = $1 AND deleted = 0`
	qPutImage = `INSERT INTO images (` + imageColumns + `, cell, deleted)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0) ON CONFLICT (id) DO NOTHING`
	qUpdateImage = `UPDATE images SET dataset = $1, project = $2, category = $3, tier = $4, tier_by = $5, owner = $6,
		version = version + 1, sealed = $7, cell = $8 WHERE id = $9 AND version = $10 AND deleted = 0`
	qImageVersion = `SELECT version FROM images WHERE id = $1 AND deleted = 0`
	qImageIn      = `SELECT id FROM images WHERE dataset = $1 AND deleted = 0 LIMIT 1`
	qImagePlace   = `SELECT 1 FROM images WHERE id = $1 AND dataset = $2 AND project = $3`
)

// detailName is what the sealed detail is bound to: all of the row that stands
// in clear, because decisions are made on it. Whoever writes into the database
// and lowers a tier, or brings back what was deleted, gets an image that does
// not open.
func detailName(m *vitrine.Image, d *vitrine.Deletion) string {
	name := fmt.Sprintf("image %q %q %q %d %d %q %q %d", m.ID, m.Dataset, m.Project, m.Category, m.Tier, m.TierBy, m.Owner, m.Version)
	if d != nil {
		name += fmt.Sprintf(" deleted %d %q %d", micros(d.At), d.By, micros(d.Until))
	}
	return name
}

// Cell is an image's bit in ImageSet.Cells; unknown tiers count as restricted.
// Of an unknown category there is none: it is 31, which no set has.
func Cell(c vitrine.Category, t vitrine.Tier) int {
	if c == vitrine.CategoryUnknown || int(c) > len(vitrine.Categories) {
		return 31
	}
	return (int(c)-1)*len(vitrine.Tiers) + int(t.Effective()) - 1
}

// ErrDamaged marks an image that was changed outside: what its row says is not
// what was sealed, so nothing of it can be trusted.
var ErrDamaged = errors.New("changed outside")

// Image answers an image; ErrNotFound where there is none, or it was deleted.
// Where its row does not open it answers what that says, with ErrDamaged.
func (s *Store) Image(ctx context.Context, id vitrine.ID) (*ImageRow, error) {
	m, err := s.scanImage(s.read.row(ctx, qImage, string(id)))
	return oneImage(&m, id, err)
}

func oneImage(m *ImageRow, id vitrine.ID, err error) (*ImageRow, error) {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, notFound("image")
	case errors.Is(err, ErrDamaged):
		return m, fmt.Errorf("image %s: %w", id, err)
	case err != nil:
		return nil, fmt.Errorf("image %s: %w", id, err)
	}
	return m, nil
}

// scanImage reads the row of an image that is there. An error that is ErrDamaged
// is about this image alone; it comes with what the row says.
func (s *Store) scanImage(r row) (ImageRow, error) {
	var m ImageRow
	err := s.scan(r, &m)
	return m, err
}

// scan reads a row; where m.Deleted is given, with the columns of a deletion,
// and leaves it nil where there was none.
func (s *Store) scan(r row, m *ImageRow) error {
	var category, tier, created, at, due int64
	var sealed []byte
	var cell int
	to := []any{&m.ID, &m.Dataset, &m.Project, &category, &tier, &m.TierBy, &m.Owner, &created, &m.Version, &m.Key, &sealed, &cell}
	if m.Deleted != nil {
		to = append(to, &at, &m.Deleted.By, &due)
	}
	if err := r.Scan(to...); err != nil {
		return err
	}
	m.Category, m.Tier, m.Created = vitrine.Category(category), vitrine.Tier(tier), fromMicros(created)
	if m.Deleted != nil {
		m.Deleted.At, m.Deleted.Until = fromMicros(at), fromMicros(due)
		if at == 0 {
			m.Deleted = nil
		}
	}
	if err := s.openJSON(sealed, detailName(&m.Image, m.Deleted), &m.Detail); err != nil {
		return fmt.Errorf("image %s, or what stands beside it, was %w: %w", m.ID, ErrDamaged, err)
	}
	if int64(m.Category) != category || int64(m.Tier) != tier || cell != Cell(m.Category, m.Tier) {
		return fmt.Errorf("image %s is listed under another category or tier than it has: it was %w", m.ID, ErrDamaged)
	}
	return nil
}

// PutImage inserts an image at version 1. Created is cut to microseconds; both
// are set in m. ErrConflict where the id is or was in use.
func (t *Tx) PutImage(m *ImageRow) error {
	m.Version, m.Created = 1, m.Created.UTC().Truncate(time.Microsecond)
	if m.Created.IsZero() {
		m.Created = t.now
	}
	sealed, err := t.s.sealJSON(m.Detail, detailName(&m.Image, nil))
	if err != nil {
		return fmt.Errorf("put image %s: %w", m.ID, err)
	}
	key := m.Key
	if key == nil {
		key = []byte{}
	}
	n, err := t.c.exec(qPutImage, string(m.ID), string(m.Dataset), string(m.Project), int64(m.Category), int64(m.Tier),
		string(m.TierBy), string(m.Owner), micros(m.Created), m.Version, key, sealed, int64(Cell(m.Category, m.Tier)))
	if err != nil {
		return fmt.Errorf("put image %s: %w", m.ID, err)
	}
	if n == 0 {
		return conflict("id_used", "There is or was an image with this id.")
	}
	return nil
}

// UpdateImage writes everything but id, creation and key if m.Version is the
// stored one, and raises it, also in m. ErrConflict when another was faster, or
// a legal hold keeps the image where it is; ErrNotFound when it is gone.
func (t *Tx) UpdateImage(m *vitrine.Image) error {
	next := *m
	next.Version++
	sealed, err := t.s.sealJSON(m.Detail, detailName(&next, nil))
	if err == nil {
		err = t.stays(m)
	}
	if err != nil {
		return fmt.Errorf("update image %s: %w", m.ID, err)
	}
	n, err := t.c.exec(qUpdateImage, string(m.Dataset), string(m.Project), int64(m.Category), int64(m.Tier),
		string(m.TierBy), string(m.Owner), sealed, int64(Cell(m.Category, m.Tier)), string(m.ID), m.Version)
	if err != nil {
		return fmt.Errorf("update image %s: %w", m.ID, err)
	}
	if n == 0 {
		return t.whyNotImage(m.ID)
	}
	m.Version = next.Version
	return nil
}

// stays refuses to take an image out of the reach of a legal hold.
func (t *Tx) stays(m *vitrine.Image) error {
	var one int
	err := t.c.row(qImagePlace, string(m.ID), string(m.Dataset), string(m.Project)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return t.imageHeld(m.ID)
	}
	return err
}
