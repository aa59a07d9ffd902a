// Package blob says how larger sealed blobs are kept: under a name, written
// once, durable when acknowledged, read by range.
//
// It holds the interface and the rule for names. fsblob keeps blobs as files,
// s3blob in an object store, memblob in memory for tests, and blobtest is the suite that each passes. What
// the bytes are is not its business: they come sealed, and nothing here keeps,
// knows or needs a key. Which blobs should be there is not its business either:
// rows name them, and a sweep (List, Delete) removes those that no row names.
//
// The invariant: a name holds either nothing or all the bytes that one writer
// committed. A blob never changes and is never replaced, so a reader needs no
// lock and a half-written blob cannot be seen, whenever the power fails. The
// price is that a name cannot be used again until its blob was deleted.
//
// The surprising choice is that a failed Commit does not say whether the blob
// is there. No store can promise that: the answer of a server, or of a disk
// asked to sync, may be lost after the deed. Only fs.ErrExist is certain.
package blob

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"vitrine.dev/vitrine"
)

// Bucket keeps blobs. It is safe for concurrent use. A name that CheckName
// refuses is an error that is fs.ErrInvalid, in every method.
type Bucket interface {
	// Create begins a blob. It takes no name and reserves nothing: of several
	// writers for one name the first to commit wins. Creating what exists may
	// fail with fs.ErrExist here already; Commit does at the latest. The writer
	// lives as long as ctx: when ctx is done Write and Commit fail with its cause.
	Create(ctx context.Context, name string) (Writer, error)

	// Open answers a reader of a committed blob; fs.ErrNotExist where there is
	// none. Any other error says nothing about whether it exists.
	Open(ctx context.Context, name string) (Reader, error)

	// Delete removes a blob, durably when it returns nil. Deleting what is not
	// there is no error. A reader that is open goes on reading, or fails; it never
	// reads other bytes.
	Delete(ctx context.Context, name string) error

	// List answers the blobs whose names come after a name ("" is the first), in
	// the order of their bytes, at most limit. Fewer than limit means that there
	// are no more. A blob that is created or deleted meanwhile may be missing;
	// one that is there all the time never is.
	List(ctx context.Context, after string, limit int) ([]Info, error)
}

// Roomy is a bucket whose room ends. Free is how many bytes it can still take;
// whoever asked first has no claim to them.
type Roomy interface {
	Free() (int64, error)
}

// Tidier is a bucket in which writers that never ended leave something that no
// list shows. Tidy removes what was begun before a time.
type Tidier interface {
	Tidy(ctx context.Context, before time.Time) error
}

// Writer writes one blob. It is not safe for concurrent use. Exactly one of
// Commit and Abort ends it; then Write and Commit answer fs.ErrClosed.
type Writer interface {
	io.Writer

	// Commit makes the blob be there, durably when it returns nil. fs.ErrExist
	// where the name is taken: what is there is another's and was not touched.
	// After any other error the blob may be there or not.
	Commit() error

	// Abort forgets what was written. After Commit, whatever that answered, and
	// after Abort it does nothing, so that it can be deferred.
	Abort() error
}

// Reader reads one blob; ReadAt is safe for concurrent use.
type Reader interface {
	io.ReaderAt
	io.Closer

	// Size is the number of bytes.
	Size() int64
}

// Info is one blob of a list.
type Info struct {
	Name    string
	Size    int64     // bytes
	Changed time.Time // when it was written, by the bucket's clock, to a second or better
}

// MaxName is the longest name, in bytes. It fits into one file name on every
// file system and into a key of every object store.
const MaxName = 240

// CheckName refuses what is no name: fs.ErrInvalid. A name is ids joined by
// '/' (vitrine.ID: letters, digits, '.', '_', '-', none starting with a sign),
// so it is never empty, absolute, or a way out of where it is put.
func CheckName(name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("blob name of %d bytes: %w", len(name), fs.ErrInvalid)
	}
	for part := range strings.SplitSeq(name, "/") {
		if !vitrine.ID(part).Valid() {
			return fmt.Errorf("blob name %q: %w", name, fs.ErrInvalid)
		}
	}
	return nil
}
