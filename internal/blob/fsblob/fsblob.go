// Package fsblob keeps blobs as files below one directory:
//
//	.writing/RANDOM     what is being written, or was when the process died
//	img-7f/img-7f3k...,original
//	                    the blob img-7f3k.../original
//
// A blob is one file. Its name is the blob's with ',' for '/', which no id
// holds; it stands in a directory named after the first six characters of that,
// so that a million images spread over a thousand directories and a list in
// order of names reads only the directories that it needs.
//
// A commit syncs the file, links it to its name - a link never replaces - and
// syncs the directory, and the directory's own directory where it is new. What
// Commit acknowledged survives the loss of power, as far as the disk does what
// it says. The file system must know hard links and be able to sync a directory.
//
// All paths are resolved inside an os.Root: a symbolic link that somebody puts
// into the directory does not lead out of it. Files are readable by their owner
// alone.
//
// The invariant is that a file at a blob's name is complete. The one thing to
// know: a directory belongs to one process. Open removes what an earlier one
// left half-written; a writer of another process would find its file gone, and
// fail.
package fsblob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"vitrine.dev/vitrine/internal/blob"
)

// writing holds the files that are being written. No shard starts with a dot.
const writing = ".writing"

// Bucket is a directory of blobs.
type Bucket struct {
	root *os.Root
	// durable holds the shards whose entry in the root this process has synced.
	durable sync.Map // string to struct{}
}

var _ blob.Bucket = (*Bucket)(nil)

// Open opens the bucket in a directory and makes the directory where it is
// absent. It removes what was left half-written.
func Open(path string) (*Bucket, error) {
	if err := makeDir(path); err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	b := &Bucket{root: root}
	if err := b.sweep(); err != nil {
		return nil, errors.Join(fmt.Errorf("open bucket %s: %w", path, err), root.Close())
	}
	return b, nil
}

// Close ends the use of the directory. Readers that are open stay so.
func (b *Bucket) Close() error { return b.root.Close() }

// makeDir makes a directory and those above it, each durable in its own.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil // OpenRoot tells if it is no directory
	case errors.Is(err, fs.ErrNotExist) && filepath.Dir(path) != path:
		if err := makeDir(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// sweep empties the directory of half-written files, making it where absent.
func (b *Bucket) sweep() error {
	if err := b.root.Mkdir(writing, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := b.root.Open(writing)
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	for _, name := range names {
		if err := b.root.Remove(writing + "/" + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Create implements blob.Bucket.
func (b *Bucket) Create(ctx context.Context, name string) (blob.Writer, error) {
	if err := check(ctx, name); err != nil {
		return nil, err
	}
	temp := writing + "/" + rand.Text()
	f, err := b.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create blob %s: %w", name, hide(err))
	}
	return &writer{ctx: ctx, bucket: b, name: name, temp: temp, file: f}, nil
}

// Open implements blob.Bucket.
func (b *Bucket) Open(ctx context.Context, name string) (blob.Reader, error) {
	if err := check(ctx, name); err != nil {
		return nil, err
	}
	f, err := b.root.Open(pathOf(name))
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", name, err)
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("this is no file")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open blob %s: %w", name, err), f.Close())
	}
	return &reader{f, st.Size()}, nil
}

// Delete implements blob.Bucket.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := check(ctx, name); err != nil {
		return err
	}
	if err := b.root.Remove(pathOf(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete blob %s: %w", name, err)
	}
	// Where it is gone already, the process that removed it may have died before
	// it synced.
	if err := b.syncDir(shardOf(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete blob %s: %w", name, err)
	}
	return nil
}

type reader struct {
	*os.File
	size int64
}

// Size implements blob.Reader.
func (r *reader) Size() int64 { return r.size }

func check(ctx context.Context, name string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return blob.CheckName(name)
}

// hide takes the meaning of "not there" from an error about our own directory:
// it must not read as an absent blob.
func hide(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return errors.New(err.Error())
	}
	return err
}

func (b *Bucket) syncDir(path string) error {
	d, err := b.root.Open(path)
	if err != nil {
		return err
	}
	return syncAndClose(d)
}

func syncPath(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return syncAndClose(d)
}

func syncAndClose(d *os.File) error { return errors.Join(d.Sync(), d.Close()) }
