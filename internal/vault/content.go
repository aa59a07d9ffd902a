package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// content is one form of an image, unsealed as it is read.
type content struct {
	io.ReaderAt
	store.BlobRow
	done func() error
}

func (c *content) Close() error { return c.done() }

func nothing() error { return nil }

// errNone says that a form was not made yet.
var errNone = errors.New("no such form")

// stored opens a form that is kept; errNone where it is not. What does not
// prove to be the form is an error that wraps seal.ErrSealed.
func (v *Vault) stored(ctx context.Context, id vitrine.ID, data seal.Key, form string) (*content, error) {
	b, err := v.blob(ctx, blobName(id, form))
	if errors.Is(err, vitrine.ErrNotFound) {
		return nil, errNone
	}
	if err != nil {
		return nil, err
	}
	if !v.keys.proves(b, id, form) {
		return nil, fmt.Errorf("%s of image %s: %w", form, id, seal.ErrSealed)
	}
	c, err := v.unseal(ctx, b, formKey(data, id, form))
	if err != nil {
		return nil, fmt.Errorf("%s of image %s: %w", form, id, err)
	}
	return c, nil
}

// unseal opens the bytes that a row names. Inline ones are opened at once.
func (v *Vault) unseal(ctx context.Context, b *store.BlobRow, k seal.Key) (*content, error) {
	if b.Inline != nil {
		return unsealInline(b, k)
	}
	f, err := v.bucket.Open(ctx, b.Name)
	if err != nil {
		return nil, fmt.Errorf("open the sealed bytes: %w", err)
	}
	r, plain, err := seal.NewReaderAt(f, f.Size(), k)
	if err == nil && plain != b.PlainSize {
		err = seal.ErrSealed
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	w := &window{src: r, size: plain}
	return &content{w, *b, func() error { w.free(); return f.Close() }}, nil
}

// unsealInline opens a small sealed stream whole, into a buffer that is used
// again.
func unsealInline(b *store.BlobRow, k seal.Key) (*content, error) {
	buf := windows.Get().(*[windowSize]byte)
	plain, err := seal.AppendOpen(buf[:0], b.Inline, k)
	if err == nil && int64(len(plain)) != b.PlainSize {
		err = seal.ErrSealed
	}
	wipe := func() error {
		clear(buf[:len(plain)])
		windows.Put(buf)
		return nil
	}
	if err != nil {
		return nil, errors.Join(err, wipe())
	}
	return &content{bytes.NewReader(plain), *b, wipe}, nil
}

// window reads a sealed stream in large steps and answers small reads from the
// last one: each read of a stream opens whole packages of 64 KB, and whoever
// walks a container reads less at a time. Who reads whole packages has them from
// the stream.
type window struct {
	src  io.ReaderAt
	size int64

	mu  sync.Mutex
	buf *[windowSize]byte
	at  int64 // where in the stream buf begins
	n   int   // how much of buf holds
}

const (
	windowSize = 128 << 10
	windowStep = 64 << 10 // a package of a sealed stream
)

var windows = sync.Pool{New: func() any { return new([windowSize]byte) }}

// ReadAt implements io.ReaderAt.
func (w *window) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("vault: negative offset")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for n < len(p) {
		at := off + int64(n)
		if at >= w.size {
			return n, io.EOF
		}
		if many := int64(len(p)-n) / windowStep * windowStep; many > 0 && at%windowStep == 0 && at+many <= w.size {
			m, err := w.src.ReadAt(p[n:n+int(many)], at)
			if n += m; int64(m) < many {
				return n, errors.Join(err, io.ErrUnexpectedEOF)
			}
			continue
		}
		if at < w.at || at >= w.at+int64(w.n) {
			if err := w.fill(at / windowStep * windowStep); err != nil {
				return n, err
			}
		}
		n += copy(p[n:], w.buf[at-w.at:w.n])
	}
	return n, nil
}

func (w *window) fill(from int64) error {
	if w.buf == nil {
		w.buf = windows.Get().(*[windowSize]byte)
	}
	w.at, w.n = from, 0
	want := int(min(windowSize, w.size-from))
	n, err := w.src.ReadAt(w.buf[:want], from)
	if n < want {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	w.n = n
	return nil
}

// free gives the buffer back; the next read takes another.
func (w *window) free() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.buf != nil {
		clear(w.buf[:])
		windows.Put(w.buf)
		w.buf, w.n = nil, 0
	}
}
