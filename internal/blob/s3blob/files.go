package s3blob

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/minio/minio-go/v7"
)

// Files are small files below the prefix of a bucket, under their own names and
// replaced in one step, for whoever serves them from there. They are no blobs:
// what is in them is public.
type Files struct {
	b *Bucket
}

// OpenFiles is Open for files. It asks the store nothing: that may be out of
// reach, and come back.
func OpenFiles(url, credentialsFile string) (*Files, error) {
	b, err := connect(url, credentialsFile)
	return &Files{b}, err
}

// maxFile bounds what Get reads.
const maxFile = 1 << 20

// Put writes a file whole, durably when it returns nil.
func (f *Files) Put(ctx context.Context, name string, data []byte) error {
	ctx, cancel := asking(ctx)
	defer cancel()
	opts := minio.PutObjectOptions{ContentType: "application/octet-stream"}
	if !strings.Contains(name, "/") {
		opts.ContentType, opts.CacheControl = "text/plain; charset=utf-8", "no-cache"
	}
	hash := sum(data)
	_, err := send(ctx, data, func(body *bytes.Reader) error {
		_, err := f.b.sender.PutObject(ctx, f.b.name, f.b.prefix+name, body, body.Size(), "", hash, opts)
		return err
	})
	if err != nil {
		return fmt.Errorf("put %s: %w", name, why(ctx, err))
	}
	return nil
}

// Get answers a file; fs.ErrNotExist where there is none.
func (f *Files) Get(ctx context.Context, name string) ([]byte, error) {
	ctx, cancel := asking(ctx)
	defer cancel()
	r, _, _, err := f.b.core.GetObject(ctx, f.b.name, f.b.prefix+name, minio.GetObjectOptions{})
	if absent(err) {
		return nil, fmt.Errorf("get %s: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", name, why(ctx, err))
	}
	defer r.Close() // only read
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", name, why(ctx, err))
	}
	return data, nil
}

// Remove removes all files below a name; none is no error.
func (f *Files) Remove(ctx context.Context, under string) error {
	ctx, cancel := asking(ctx)
	defer cancel()
	opts := minio.ListObjectsOptions{Prefix: f.b.prefix + under + "/", Recursive: true}
	for o := range f.b.core.ListObjectsIter(ctx, f.b.name, opts) {
		if o.Err != nil {
			return fmt.Errorf("list what is below %s: %w", under, why(ctx, o.Err))
		}
		if err := f.b.core.RemoveObject(ctx, f.b.name, o.Key, minio.RemoveObjectOptions{}); err != nil && !absent(err) {
			return fmt.Errorf("remove %s: %w", o.Key, why(ctx, err))
		}
	}
	return why(ctx, ctx.Err())
}
