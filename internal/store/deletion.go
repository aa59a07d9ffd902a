package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
)

// The column deleted is 0 of an image that is there, 2 of one that was deleted
// and may be restored, and 1 of one that was destroyed: its key and detail are
// empty.
const (
	deletedColumns = imageColumns + `, cell, deleted_at, deleted_by, due`

	qDeletedImage = `SELECT ` + deletedColumns + ` FROM images WHERE id = $1 AND deleted = 2`
	qDeleteImage  = `UPDATE images SET deleted = 2, deleted_at = $1, deleted_by = $2, due = $3, sealed = $4, version = version + 1
		WHERE id = $5 AND version = $6 AND deleted = 0`
	qRestoreImage = `UPDATE images SET deleted = 0, deleted_at = 0, deleted_by = '', due = 0, sealed = $1, version = version + 1
		WHERE id = $2 AND version = $3 AND deleted = 2`
	qDestroyImage = `UPDATE images SET deleted = 1, data_key = $1, sealed = $1, version = version + 1
		WHERE id = $2 AND version = $3 AND deleted <> 1`
	qAnyVersion  = `SELECT version FROM images WHERE id = $1 AND deleted <> 1`
	qImageBlobs  = `SELECT name FROM blobs WHERE image = $1 AND inline IS NULL ORDER BY name`
	qDeleteBlobs = `DELETE FROM blobs WHERE image = $1`
	qDeleteLinks = `DELETE FROM links WHERE image = $1`

	qDueImages = `SELECT ` + deletedColumns + ` FROM images i WHERE deleted = 2 AND due <= $1 AND (due, id) > ($2, $3)
		AND NOT EXISTS (SELECT 1 FROM holds h WHERE ` + holdsImage + `) ORDER BY due, id LIMIT $4`
	qOldImages = `SELECT ` + imageColumns + `, cell FROM images i WHERE dataset = $1 AND deleted = 0 AND created <= $2
		AND (created, id) > ($3, $4) AND NOT EXISTS (SELECT 1 FROM holds h WHERE ` + holdsImage + `) ORDER BY created, id LIMIT $5`
)

// DeletedImage answers an image that was deleted and may be restored, as Image
// does one that is there.
func (s *Store) DeletedImage(ctx context.Context, id vitrine.ID) (*ImageRow, error) {
	m, err := s.scanDeleted(s.read.row(ctx, qDeletedImage, string(id)))
	return oneImage(&m, id, err)
}

func (s *Store) scanDeleted(r row) (ImageRow, error) {
	m := ImageRow{Deleted: new(vitrine.Deletion)}
	err := s.scan(r, &m)
	return m, err
}

// DeleteImage takes an image that is there, as it was read, out of the sight of
// everybody until it is restored or destroyed, and ends its links for good. It
// raises m.Version and sets m.Deleted, its times cut to microseconds.
// ErrConflict and ErrNotFound as UpdateImage; ErrConflict where it is held.
func (t *Tx) DeleteImage(m *ImageRow, d vitrine.Deletion) error {
	if err := t.imageHeld(m.ID); err != nil {
		return err
	}
	d.At, d.Until = d.At.UTC().Truncate(time.Microsecond), d.Until.UTC().Truncate(time.Microsecond)
	next := m.Image
	next.Version++
	sealed, err := t.s.sealJSON(m.Detail, detailName(&next, &d))
	if err != nil {
		return fmt.Errorf("delete image %s: %w", m.ID, err)
	}
	n, err := t.c.exec(qDeleteImage, micros(d.At), string(d.By), micros(d.Until), sealed, string(m.ID), m.Version)
	if err != nil {
		return fmt.Errorf("delete image %s: %w", m.ID, err)
	}
	if n == 0 {
		return t.whyNotImage(m.ID)
	}
	if _, err := t.c.exec(qDeleteLinks, string(m.ID)); err != nil {
		return fmt.Errorf("delete image %s: %w", m.ID, err)
	}
	m.Image, m.Deleted = next, &d
	return nil
}

// RestoreImage brings back what DeleteImage took, as it was read. ErrNotFound
// where it is not there to be restored any more.
func (t *Tx) RestoreImage(m *ImageRow) error {
	next := m.Image
	next.Version++
	sealed, err := t.s.sealJSON(m.Detail, detailName(&next, nil))
	if err != nil {
		return fmt.Errorf("restore image %s: %w", m.ID, err)
	}
	n, err := t.c.exec(qRestoreImage, sealed, string(m.ID), m.Version)
	if err != nil {
		return fmt.Errorf("restore image %s: %w", m.ID, err)
	}
	if n == 0 {
		return notFound("image")
	}
	m.Image, m.Deleted = next, nil
	return nil
}

// DestroyImage destroys the key and the detail of an image that is there or may
// be restored, its small blobs and its links, and answers the names of those in
// the bucket, to be removed there. The id stays used. ErrConflict where it is
// held or has another version, ErrNotFound where it is gone.
func (t *Tx) DestroyImage(id vitrine.ID, version int64) (blobs []string, err error) {
	if err := t.imageHeld(id); err != nil {
		return nil, err
	}
	n, err := t.c.exec(qDestroyImage, []byte{}, string(id), version)
	if err != nil {
		return nil, fmt.Errorf("destroy image %s: %w", id, err)
	}
	if n == 0 {
		return nil, t.whyNot(qAnyVersion, id)
	}
	rows, err := t.c.rows(t.c.ctx, qImageBlobs, string(id))
	blobs, err = collect(rows, err, func(r row) (name string, err error) { return name, r.Scan(&name) })
	if err != nil {
		return nil, fmt.Errorf("blobs of image %s: %w", id, err)
	}
	for _, q := range []string{qDeleteBlobs, qDeleteLinks} {
		if _, err := t.c.exec(q, string(id)); err != nil {
			return nil, fmt.Errorf("destroy image %s: %w", id, err)
		}
	}
	return blobs, nil
}

// whyNotImage tells an image that is gone from one that has changed.
func (t *Tx) whyNotImage(id vitrine.ID) error { return t.whyNot(qImageVersion, id) }

func (t *Tx) whyNot(query string, id vitrine.ID) error {
	var version int64
	err := t.c.row(query, string(id)).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return notFound("image")
	}
	if err != nil {
		return fmt.Errorf("image %s: %w", id, err)
	}
	return conflict("version", "The image has changed since it was read. Look at it again and repeat.")
}

// DueImages answers up to n deleted images whose time to be restored ended until
// now and that nothing holds, in the order of that, after one of a page before.
// Damaged ones are among them: they can be destroyed all the same.
func (s *Store) DueImages(ctx context.Context, now time.Time, after *ImageRow, n int) ([]ImageRow, error) {
	var due int64
	id := ""
	if after != nil {
		due, id = micros(after.Deleted.Until), string(after.ID)
	}
	rows, err := s.read.rows(ctx, qDueImages, micros(now), due, id, n)
	all, err := collect(rows, err, func(r row) (ImageRow, error) {
		m, err := s.scanDeleted(r)
		if errors.Is(err, ErrDamaged) {
			err = nil
		}
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("images to be destroyed: %w", err)
	}
	return all, nil
}

// OldImages answers up to n images of a dataset that were made until a time and
// that nothing holds, the oldest first, after one of a page before.
func (s *Store) OldImages(ctx context.Context, dataset vitrine.ID, until time.Time, after Cursor, n int) (*ImagePage, error) {
	rows, err := s.read.rows(ctx, qOldImages, string(dataset), micros(until), micros(after.Created), string(after.ID), n)
	page, err := pageOf(rows, err, s.scanImage, after, n)
	if err != nil {
		return nil, fmt.Errorf("images of %s to be deleted: %w", dataset, err)
	}
	return page, nil
}
