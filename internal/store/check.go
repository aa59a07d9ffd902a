package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// What a check reads at a time: rows of images are small, those of blobs may
// hold MaxInline bytes each.
const (
	checkImages = 1000
	checkBlobs  = 100
)

const (
	qCheckImages = `SELECT ` + deletedColumns + ` FROM images WHERE id > $1 AND deleted <> 1 ORDER BY id LIMIT $2`
	qCheckBlobs  = `SELECT b.name, b.image, b.rendition, b.size, b.inline, b.inline IS NOT NULL, b.format, b.width, b.height,
		b.plain_size, b.etag, i.data_key FROM blobs b JOIN images i ON i.id = b.image
		WHERE b.name > $1 AND i.deleted <> 1 ORDER BY b.name LIMIT $2`
)

// Check asks the database whether its own structure is whole, which nobody else
// notices until the damaged part is needed. SQLite reads every page of its
// file. PostgreSQL is not asked: its pages have checksums of their own, and
// those who run it their own tools.
func (s *Store) Check(ctx context.Context) error {
	if !s.d.embedded {
		return nil
	}
	// However long it takes: nobody is served meanwhile.
	rows, err := s.read.db.QueryContext(ctx, `PRAGMA quick_check(5)`)
	if err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	defer rows.Close() // only read
	var found []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return fmt.Errorf("check the database: %w", err)
		}
		found = append(found, text)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	if len(found) == 1 && found[0] == "ok" {
		return nil
	}
	return fmt.Errorf("the database is damaged: %s", strings.ReplaceAll(strings.Join(found, "; "), "\n", " "))
}

// EachImage calls fn with every image that is there or may be restored, in the
// order of ids, and with why it does not open where that is so. It ends with fn's error,
// or where the database cannot be read on.
func (s *Store) EachImage(ctx context.Context, fn func(m *ImageRow, damage error) error) error {
	type one struct {
		ImageRow
		damage error
	}
	for after := ""; ; {
		rows, err := s.read.rows(ctx, qCheckImages, after, checkImages)
		page, err := collect(rows, err, func(r row) (one, error) {
			m, err := s.scanDeleted(r)
			if errors.Is(err, ErrDamaged) {
				return one{m, err}, nil
			}
			return one{m, nil}, err
		})
		if err != nil {
			return fmt.Errorf("read images after %q: %w", after, err)
		}
		for i := range page {
			if err := fn(&page[i].ImageRow, page[i].damage); err != nil {
				return err
			}
			after = string(page[i].ID)
		}
		if len(page) < checkImages {
			return nil
		}
	}
}

// EachBlob calls fn with every blob of such an image, in the order of names, and with the image's data key, wrapped. It ends as EachImage.
func (s *Store) EachBlob(ctx context.Context, fn func(b *BlobRow, key []byte) error) error {
	type one struct {
		BlobRow
		key []byte
	}
	for after := ""; ; {
		rows, err := s.read.rows(ctx, qCheckBlobs, after, checkBlobs)
		page, err := collect(rows, err, func(r row) (one, error) {
			var b one
			var inline bool
			err := r.Scan(&b.Name, &b.Image, &b.Rendition, &b.Size, &b.Inline, &inline, &b.Format, &b.Width, &b.Height, &b.PlainSize, &b.ETag, &b.key)
			if inline && b.Inline == nil { // one driver's empty blob
				b.Inline = []byte{}
			}
			return b, err
		})
		if err != nil {
			return fmt.Errorf("read blobs after %q: %w", after, err)
		}
		for i := range page {
			if err := fn(&page[i].BlobRow, page[i].key); err != nil {
				return err
			}
			after = page[i].Name
		}
		if len(page) < checkBlobs {
			return nil
		}
	}
}
