package s3blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/minio/minio-go/v7"

	"vitrine.dev/vitrine/internal/blob"
)

// mark is the name, in an object's metadata, of who wrote it.
const mark = "Vitrine-Writer"

// writer gathers a part in memory and sends it when it is full. What fits into
// one part goes up whole when it is committed.
type writer struct {
	ctx    context.Context
	bucket *Bucket
	name   string
	mark   string
	ended  bool
	failed error // why nothing can be sent any more

	part   []byte
	upload string // id of the multipart upload, once there is one
	sent   []minio.CompletePart
}

// Create implements blob.Bucket.
func (b *Bucket) Create(ctx context.Context, name string) (blob.Writer, error) {
	if err := check(ctx, name); err != nil {
		return nil, err
	}
	return &writer{ctx: ctx, bucket: b, name: name, mark: rand.Text()}, nil
}

// Write implements blob.Writer.
func (w *writer) Write(p []byte) (n int, err error) {
	if w.ended {
		return 0, fs.ErrClosed
	}
	for len(p) > 0 && err == nil {
		if w.ctx.Err() != nil {
			w.failed = context.Cause(w.ctx)
		}
		if w.failed != nil {
			return n, w.failed
		}
		if len(w.part) == partSize { // there is more than one part
			if err = w.send(); err != nil {
				w.failed = err
				return n, err
			}
		}
		take := min(len(p), partSize-len(w.part))
		w.grow(take)
		w.part = append(w.part, p[:take]...)
		p, n = p[take:], n+take
	}
	return n, err
}

// grow makes room by doubling, never for more than a part.
func (w *writer) grow(n int) {
	if need := len(w.part) + n; need > cap(w.part) {
		part := make([]byte, len(w.part), min(partSize, max(64<<10, 2*cap(w.part), need)))
		copy(part, w.part)
		w.part = part
	}
}

// send sends the part as one of several.
func (w *writer) send() error {
	ctx, cancel := asking(w.ctx)
	defer cancel()
	b := w.bucket
	if w.upload == "" {
		id, err := b.core.NewMultipartUpload(ctx, b.name, b.key(w.name), w.options())
		if err != nil {
			return fmt.Errorf("begin blob %s: %w", w.name, why(ctx, err))
		}
		w.upload = id
	}
	number := len(w.sent) + 1
	opts := minio.PutObjectPartOptions{Sha256Hex: sum(w.part), DisableContentSha256: true}
	var p minio.ObjectPart
	once, err := send(ctx, w.part, func(body *bytes.Reader) (err error) {
		p, err = b.sender.PutObjectPart(ctx, b.name, b.key(w.name), w.upload, number, body, body.Size(), opts)
		return err
	})
	if err != nil {
		return fmt.Errorf("write blob %s: %w", w.name, why(ctx, err))
	}
	w.sent = append(w.sent, minio.CompletePart{PartNumber: number, ETag: p.ETag})
	if w.part = w.part[:0]; !once {
		w.part = nil
	}
	return nil
}

// sum is what the store checks a body by.
func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func (w *writer) options() minio.PutObjectOptions {
	return minio.PutObjectOptions{
		ContentType: "application/octet-stream", UserMetadata: map[string]string{mark: w.mark},
		DisableContentSha256: true, // of its own making: sum is sent
	}
}

// Commit implements blob.Writer.
func (w *writer) Commit() (err error) {
	if w.ended {
		return fs.ErrClosed
	}
	w.ended = true
	if w.ctx.Err() != nil {
		w.failed = context.Cause(w.ctx)
	}
	if err = w.failed; err == nil {
		err = w.put()
	}
	w.part = nil
	if err != nil && w.upload != "" {
		err = errors.Join(err, w.giveUp())
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("commit blob %s: %w", w.name, err)
	}
	return err
}

// put makes the blob be there.
func (w *writer) put() (err error) {
	ctx, cancel := asking(w.ctx)
	defer cancel()
	if w.upload != "" {
		if err := w.send(); err != nil {
			return err
		}
	}
	b, opts, hash := w.bucket, w.options(), sum(w.part)
	opts.SetMatchETagExcept("*")
	_, err = send(ctx, w.part, func(body *bytes.Reader) (err error) {
		if w.upload == "" {
			_, err = b.sender.PutObject(ctx, b.name, b.key(w.name), body, body.Size(), "", hash, opts)
		} else {
			_, err = b.sender.CompleteMultipartUpload(ctx, b.name, b.key(w.name), w.upload, w.sent, opts)
		}
		return err
	})
	if taken(err) || w.upload != "" && minio.ToErrorResponse(err).Code == minio.NoSuchUpload {
		return w.whose(ctx) // the answer to an attempt before may have been lost
	}
	return why(ctx, err)
}

// whose tells an object of another from this writer's own, whose making was
// asked again because the answer was lost.
func (w *writer) whose(ctx context.Context) error {
	b := w.bucket
	o, err := b.core.StatObject(ctx, b.name, b.key(w.name), minio.StatObjectOptions{})
	switch {
	case err != nil:
		return fmt.Errorf("whose it is: %w", why(ctx, err))
	case o.UserMetadata[mark] == w.mark:
		w.upload = "" // it is complete
		return nil
	}
	return fmt.Errorf("blob %s: %w", w.name, fs.ErrExist)
}

// giveUp lets the store forget the parts. What it cannot do now Tidy does.
func (w *writer) giveUp() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), abortTime)
	defer cancel()
	err := w.bucket.core.AbortMultipartUpload(ctx, w.bucket.name, w.bucket.key(w.name), w.upload)
	if err != nil && minio.ToErrorResponse(err).Code == minio.NoSuchUpload {
		return nil
	}
	return err
}

// Abort implements blob.Writer.
func (w *writer) Abort() error {
	if w.ended {
		return nil
	}
	w.ended, w.part = true, nil
	if w.upload == "" {
		return nil
	}
	if err := w.giveUp(); err != nil {
		return fmt.Errorf("abort blob %s: %w", w.name, err)
	}
	return nil
}
