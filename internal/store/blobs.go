package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"vitrine.dev/vitrine"
)

// MaxInline is the largest sealed blob that may stand in its row, in bytes: 64
// KB of plain bytes and what sealing adds. Larger ones lie in the bucket.
const MaxInline = 64<<10 + 4<<10

// BlobRow says where sealed bytes are and what is in them.
type BlobRow struct {
	Name          string // image id + "/" + rendition [+ "/" + variant]
	Image         vitrine.ID
	Rendition     string // rendition + variant
	Size          int64  // of the sealed bytes
	Inline        []byte // nil when in the bucket
	Format        string
	Width, Height int
	PlainSize     int64
	ETag          string
}

const (
	qBlob = `SELECT name, image, rendition, size, inline, inline IS NOT NULL, format, width, height, plain_size, etag
		FROM blobs WHERE name = $1`
	qPutBlob = `INSERT INTO blobs (name, image, rendition, size, inline, format, width, height, plain_size, etag)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (name) DO NOTHING`
	qDeleteBlob = `DELETE FROM blobs WHERE name = $1`
)

// PutBlob names a blob of an image that is there. ErrConflict where the name is
// taken, ErrNotFound where the image is absent or was deleted, ErrInvalid for
// inline bytes beyond MaxInline.
func (t *Tx) PutBlob(b *BlobRow) error {
	if len(b.Inline) > MaxInline {
		return vitrine.Invalid("inline", "too_large", "These bytes belong in the bucket.")
	}
	var version int64
	err := t.c.row(qImageVersion, string(b.Image)).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return notFound("image")
	}
	if err != nil {
		return fmt.Errorf("put blob %s: %w", b.Name, err)
	}
	var inline any // a nil []byte would be an empty blob to one driver
	if b.Inline != nil {
		inline = b.Inline
	}
	n, err := t.c.exec(qPutBlob, b.Name, string(b.Image), b.Rendition, b.Size, inline, b.Format,
		int64(b.Width), int64(b.Height), b.PlainSize, b.ETag)
	if err != nil {
		return fmt.Errorf("put blob %s: %w", b.Name, err)
	}
	if n == 0 {
		return conflict("blob_there", "There is a blob with this name.")
	}
	return nil
}

// Blob answers a blob's row; ErrNotFound where there is none.
func (s *Store) Blob(ctx context.Context, name string) (*BlobRow, error) {
	var b BlobRow
	var inline bool
	err := s.read.row(ctx, qBlob, name).Scan(&b.Name, &b.Image, &b.Rendition, &b.Size, &b.Inline, &inline, &b.Format,
		&b.Width, &b.Height, &b.PlainSize, &b.ETag)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("blob")
	}
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", name, err)
	}
	if inline && b.Inline == nil { // one driver's empty blob
		b.Inline = []byte{}
	}
	return &b, nil
}

// BlobNamed tells which of names a row names; the sweep removes the others from
// the bucket.
func (s *Store) BlobNamed(ctx context.Context, names []string) (map[string]bool, error) {
	rows, err := s.read.rows(ctx, `SELECT name FROM blobs WHERE name`+s.d.in(1), listOf(names))
	found, err := collect(rows, err, func(r row) (name string, err error) { return name, r.Scan(&name) })
	if err != nil {
		return nil, fmt.Errorf("which blobs are named: %w", err)
	}
	named := make(map[string]bool, len(names))
	for _, name := range found {
		named[name] = true
	}
	return named, nil
}

// DeleteBlob takes a blob's name away; ErrNotFound where there is none.
func (t *Tx) DeleteBlob(name string) error {
	n, err := t.c.exec(qDeleteBlob, name)
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", name, err)
	}
	if n == 0 {
		return notFound("blob")
	}
	return nil
}
