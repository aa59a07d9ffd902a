// Package memblob keeps blobs in memory, for tests: the same contract as a real
// bucket, without its durability, and with faults on demand. A fault before the
// deed leaves everything as it was; one after it is the harder case, a deed that
// was done and reported as failed.
package memblob

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"vitrine.dev/vitrine/internal/blob"
)

// Op is what a fault may strike.
type Op string

// What faults may strike.
const (
	Create Op = "create"
	Write  Op = "write"
	Commit Op = "commit"
	Open   Op = "open"
	Delete Op = "delete"
	List   Op = "list"
)

// Fault answers the error with which an operation on a name fails, or nil. It
// may be called concurrently. For List the name is where it begins.
type Fault func(op Op, name string) error

// Bucket is a map of blobs. The zero Bucket is empty and ready. Set the fields
// before it is used.
type Bucket struct {
	// Before strikes before anything is done, After when it is done.
	Before, After Fault
	// Now is the clock of Info.Changed; nil is time.Now.
	Now func() time.Time
	// Room says how many bytes are free; nil is very many.
	Room func() (int64, error)

	mu    sync.Mutex
	blobs map[string]kept
}

type kept struct {
	bytes   []byte // never changed
	changed time.Time
}

var (
	_ blob.Bucket = (*Bucket)(nil)
	_ blob.Roomy  = (*Bucket)(nil)
)

// Free implements blob.Roomy.
func (b *Bucket) Free() (int64, error) {
	if b.Room == nil {
		return 1 << 50, nil
	}
	return b.Room()
}

// do does one operation between its faults.
func (b *Bucket) do(ctx context.Context, op Op, name string, deed func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, step := range []func() error{
		func() error { return strike(b.Before, op, name) }, deed, func() error { return strike(b.After, op, name) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("%s blob %s: %w", op, name, err)
		}
	}
	return nil
}

func strike(f Fault, op Op, name string) error {
	if f == nil {
		return nil
	}
	return f(op, name)
}

// Create implements blob.Bucket.
func (b *Bucket) Create(ctx context.Context, name string) (blob.Writer, error) {
	if err := b.do(ctx, Create, name, func() error { return blob.CheckName(name) }); err != nil {
		return nil, err
	}
	return &writer{ctx: ctx, bucket: b, name: name}, nil
}

// Open implements blob.Bucket.
func (b *Bucket) Open(ctx context.Context, name string) (blob.Reader, error) {
	var r reader
	err := b.do(ctx, Open, name, func() error {
		if err := blob.CheckName(name); err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		k, ok := b.blobs[name]
		if !ok {
			return fs.ErrNotExist
		}
		r.Reader = bytes.NewReader(k.bytes)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// Delete implements blob.Bucket.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	return b.do(ctx, Delete, name, func() error {
		if err := blob.CheckName(name); err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.blobs, name)
		return nil
	})
}

// List implements blob.Bucket.
func (b *Bucket) List(ctx context.Context, after string, limit int) (all []blob.Info, err error) {
	err = b.do(ctx, List, after, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		for name, k := range b.blobs {
			if name > after {
				all = append(all, blob.Info{Name: name, Size: int64(len(k.bytes)), Changed: k.changed})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b blob.Info) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return all[:max(0, min(len(all), limit))], nil
}

type reader struct{ *bytes.Reader }

// Close implements io.Closer.
func (*reader) Close() error { return nil }

type writer struct {
	ctx    context.Context
	bucket *Bucket
	name   string
	buf    bytes.Buffer
	ended  bool
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (n int, err error) {
	if w.ended {
		return 0, fs.ErrClosed
	}
	err = w.bucket.do(w.ctx, Write, w.name, func() error {
		n, err = w.buf.Write(p)
		return err
	})
	return n, err
}

// Commit implements blob.Writer.
func (w *writer) Commit() error {
	if w.ended {
		return fs.ErrClosed
	}
	w.ended = true
	b := w.bucket
	return b.do(w.ctx, Commit, w.name, func() error {
		now := time.Now
		if b.Now != nil {
			now = b.Now
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if _, taken := b.blobs[w.name]; taken {
			return fs.ErrExist
		}
		if b.blobs == nil {
			b.blobs = map[string]kept{}
		}
		b.blobs[w.name] = kept{w.buf.Bytes(), now()}
		return nil
	})
}

// Abort implements blob.Writer.
func (w *writer) Abort() error {
	w.ended = true
	return nil
}
