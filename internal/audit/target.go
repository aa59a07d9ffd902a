package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"vitrine.dev/vitrine/internal/blob"
)

// Directory is a target that any web server can serve. All paths are resolved
// inside it, whatever links somebody puts there.
type Directory struct {
	path string
}

// NewDirectory is the target in a directory, which is made when the first file
// is put there.
func NewDirectory(path string) *Directory { return &Directory{path} }

var _ Target = (*Directory)(nil)

// Put implements Target.
func (d *Directory) Put(_ context.Context, name string, data []byte) (err error) {
	if err := os.MkdirAll(d.path, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	name = filepath.FromSlash(name)
	dir := filepath.Dir(name)
	if err := root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp := filepath.Join(dir, "."+rand.Text())
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	at, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(at.Sync(), at.Close())
}

// Get implements Target.
func (d *Directory) Get(_ context.Context, name string) ([]byte, error) {
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return nil, err
	}
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = errTooLong
	}
	return b, errors.Join(err, f.Close(), root.Close())
}

// Remove implements Target.
func (d *Directory) Remove(_ context.Context, under string) error {
	root, err := os.OpenRoot(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(root.RemoveAll(filepath.FromSlash(under)), root.Close())
}

// maxFile is more than any file of a mirror has.
const maxFile = 1 << 16

var errTooLong = fmt.Errorf("it is longer than %d bytes, which no file of a mirror is", maxFile)

// bucketTarget is a target in a bucket of blobs.
type bucketTarget struct {
	blob.Bucket
	prefix string
}

// replacer is a bucket that writes over what is there, in one step.
type replacer interface {
	Put(ctx context.Context, name string, data []byte) error
}

// NewBucket is the target in a bucket of blobs, below a prefix; "" is none. A
// bucket that cannot write over what is there has no checkpoint for a moment
// while it is replaced; readers ask again.
func NewBucket(b blob.Bucket, prefix string) Target { return &bucketTarget{b, prefix} }

// Put implements Target.
func (b *bucketTarget) Put(ctx context.Context, name string, data []byte) error {
	name = path.Join(b.prefix, name)
	if r, ok := b.Bucket.(replacer); ok {
		return r.Put(ctx, name, data)
	}
	err := b.write(ctx, name, data)
	if errors.Is(err, fs.ErrExist) {
		if err := b.Delete(ctx, name); err != nil {
			return err
		}
		err = b.write(ctx, name, data)
	}
	return err
}

func (b *bucketTarget) write(ctx context.Context, name string, data []byte) error {
	w, err := b.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}

// Get implements Target.
func (b *bucketTarget) Get(ctx context.Context, name string) ([]byte, error) {
	r, err := b.Open(ctx, path.Join(b.prefix, name))
	if err != nil {
		return nil, err
	}
	if r.Size() > maxFile {
		return nil, errors.Join(errTooLong, r.Close())
	}
	data := make([]byte, r.Size())
	n, err := r.ReadAt(data, 0)
	if n == len(data) {
		err = nil
	}
	return data, errors.Join(err, r.Close())
}

// Remove implements Target.
func (b *bucketTarget) Remove(ctx context.Context, under string) error {
	under = path.Join(b.prefix, under) + "/"
	for after := under; ; {
		page, err := b.List(ctx, after, 1000)
		if err != nil {
			return err
		}
		for _, info := range page {
			if !strings.HasPrefix(info.Name, under) {
				return nil
			}
			if err := b.Delete(ctx, info.Name); err != nil {
				return err
			}
			after = info.Name
		}
		if len(page) < 1000 {
			return nil
		}
	}
}
