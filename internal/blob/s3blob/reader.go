package s3blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"vitrine.dev/vitrine/internal/blob"
)

// How much one request asks for: little at first, since many readers want only
// the head of a blob, and more while it is read on.
const (
	firstRange = 256 << 10
	maxRange   = 8 << 20
	skip       = 64 << 10 // is read over rather than asked for anew
	rereads    = 3        // of a range that breaks off
)

// reader reads ranges of one object. Whoever reads in order reads from the body
// of one answer after the other; whoever comes while that is busy has a request
// of its own.
type reader struct {
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	bucket *Bucket
	name   string
	etag   string
	size   int64

	mu   sync.Mutex
	body *body
	next int64 // how much the next request asks for
}

// body is an answer that is being read.
type body struct {
	io.ReadCloser
	at, end int64
	stall   *time.Timer // gives the request up
	cancel  context.CancelFunc
}

var errStalled = errors.New("the object store stopped in the middle of an answer")

func (b *body) close() {
	b.stall.Stop()
	b.cancel()
	_ = b.Close() // of what was only read
}

// read reads on, as much as there is of p.
func (b *body) read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		b.stall.Reset(readTime)
		var m int
		m, err = b.Read(p[n:])
		n += m
	}
	b.stall.Stop()
	b.at += int64(n)
	if n == len(p) {
		err = nil
	}
	return n, err
}

// Open implements blob.Bucket. It has the head of the blob when it answers.
func (b *Bucket) Open(ctx context.Context, name string) (blob.Reader, error) {
	if err := check(ctx, name); err != nil {
		return nil, err
	}
	// The reader may outlive ctx; but opening does not.
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &reader{ctx: own, cancel: cancel, bucket: b, name: name, next: firstRange, size: -1}
	stop := context.AfterFunc(ctx, cancel)
	first, err := r.get(0, firstRange)
	if minio.ToErrorResponse(err).StatusCode == http.StatusRequestedRangeNotSatisfiable {
		first, err = r.get(0, 0) // it is empty
	}
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		if first != nil {
			first.close()
		}
		cancel()
		if absent(err) {
			return nil, fmt.Errorf("open blob %s: %w: %w", name, fs.ErrNotExist, err)
		}
		return nil, fmt.Errorf("open blob %s: %w", name, err)
	}
	r.body = first
	return r, nil
}

// get asks for n bytes from off on; for all where n is 0.
func (r *reader) get(off, n int64) (*body, error) {
	ctx, cancel := context.WithCancelCause(r.ctx)
	stall := time.AfterFunc(askTime, func() { cancel(errStalled) })
	opts := minio.GetObjectOptions{}
	var err error
	if n > 0 {
		err = opts.SetRange(off, off+n-1)
	}
	if err == nil && r.etag != "" {
		err = opts.SetMatchETag(r.etag)
	}
	var o minio.ObjectInfo
	var h http.Header
	var rc io.ReadCloser
	if err == nil {
		rc, o, h, err = r.bucket.core.GetObject(ctx, r.bucket.name, r.bucket.key(r.name), opts)
	}
	if err != nil {
		err = why(ctx, err)
		stall.Stop()
		cancel(nil)
		return nil, err
	}
	stall.Reset(readTime)
	b := &body{ReadCloser: rc, at: off, end: off + o.Size, stall: stall, cancel: func() { cancel(nil) }}
	size := o.Size
	if of := h.Get("Content-Range"); of != "" {
		size = total(of, b.at, b.end)
	}
	if r.size < 0 && o.ETag != "" {
		r.size, r.etag = size, o.ETag
	}
	if size != r.size || b.end > r.size || off > 0 && h.Get("Content-Range") == "" {
		b.close()
		return nil, errors.New("the object store answered other bytes than were asked for")
	}
	return b, nil
}

// total is the size of an object of which a range is "bytes AT-LAST/TOTAL", or
// -2 where it says another range.
func total(contentRange string, at, end int64) int64 {
	span, of, _ := strings.Cut(strings.TrimPrefix(contentRange, "bytes "), "/")
	size, err := strconv.ParseInt(of, 10, 64)
	if err != nil || span != fmt.Sprintf("%d-%d", at, end-1) {
		return -2
	}
	return size
}

// Size implements blob.Reader.
func (r *reader) Size() int64 { return r.size }

// ReadAt implements blob.Reader.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case off < 0:
		return 0, fmt.Errorf("read blob %s: negative offset: %w", r.name, fs.ErrInvalid)
	case off >= r.size:
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.size-off)]
	var n int
	var err error
	if r.mu.TryLock() {
		n, err = r.inOrder(want, off)
		r.mu.Unlock()
	} else {
		n, err = r.aside(want, off)
	}
	if err != nil {
		return n, fmt.Errorf("read blob %s: %w", r.name, err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// inOrder reads from the answer that is open, or from the next one.
func (r *reader) inOrder(p []byte, off int64) (n int, err error) {
	for breaks := 0; n < len(p); {
		at := off + int64(n)
		if err = r.reach(at); err == nil {
			var m int
			m, err = r.body.read(p[n:min(int64(len(p)), int64(n)+r.body.end-at)])
			n += m
		}
		if err == nil {
			continue
		}
		r.drop()
		if breaks++; breaks > rereads || r.ctx.Err() != nil || minio.ToErrorResponse(err).StatusCode != 0 {
			return n, err
		}
	}
	return n, nil
}

// reach makes the open answer go on at a place.
func (r *reader) reach(at int64) error {
	if b := r.body; b != nil {
		if at == b.at && at < b.end {
			return nil
		}
		if at > b.at && at-b.at <= skip && at < b.end {
			_, err := b.read(make([]byte, at-b.at))
			return err
		}
		if at == b.end {
			r.next = min(4*r.next, maxRange)
		} else {
			r.next = firstRange
		}
		r.drop()
	}
	b, err := r.get(at, min(r.next, r.size-at))
	if err == nil {
		r.body = b
	}
	return err
}

func (r *reader) drop() {
	if r.body != nil {
		r.body.close()
		r.body = nil
	}
}

// aside reads by a request of its own.
func (r *reader) aside(p []byte, off int64) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := r.get(off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer b.close()
	return b.read(p)
}

// Close implements blob.Reader. What is being read meanwhile fails.
func (r *reader) Close() error {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
	return nil
}
