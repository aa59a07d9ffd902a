// Package s3blob keeps blobs in a bucket of an object store that speaks S3:
//
//	PREFIX/img-7f3k.../original!
//	                    the blob img-7f3k.../original
//
// A key is the blob's name with '!' behind it. '!' comes before every character
// of a name, so keys stand in the order of names, and a store that keeps keys as
// paths can hold "a" beside "a/b".
//
// A blob goes up in one request, or where it is larger than a part in several
// (a multipart upload), each with its SHA-256, which the store checks. The
// request that makes it be there says If-None-Match: * - a name that is taken is
// refused, whichever node asks. Since a request whose answer was lost is asked
// again, each writer leaves a mark in the object's metadata and knows its own.
// Reading asks for ranges of the very object that Open found, by its ETag.
//
// Memory: a part for each writer, a buffer of the connection for each reader.
// Every request has a time in which something must come; what fails in passing
// (5xx, a broken connection) is asked again a few times.
//
// The invariant: only an answer of the store that there is no such key is
// fs.ErrNotExist. No connection, no bucket, no right to it, a page of some proxy
// are other errors: whoever sweeps or opens must not take them for absence.
//
// What the store must do: answer If-None-Match on PUT and on completing a
// multipart upload (AWS, MinIO, Ceph since 19, Cloudflare R2, versitygw do),
// read after write, list in the order of bytes. Open finds out the first by
// trying. The bucket needs no versioning; with it, and with object lock, deleted
// blobs stay there, worthless without their keys, until the store's own rules
// let them go.
package s3blob

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"vitrine.dev/vitrine/internal/blob"
)

const (
	partSize = 5 << 20 // the least that S3 takes for a part that is not the last
	retries  = 4       // of a request, the first included

	dialTime   = 5 * time.Second
	headerTime = 30 * time.Second // until an answer begins
	askTime    = 2 * time.Minute  // for a request with all its retries
	readTime   = 30 * time.Second // until more of a body comes
	abortTime  = 15 * time.Second
)

// Bucket is a bucket, or what lies below a prefix in one.
type Bucket struct {
	core   minio.Core // asks again by itself
	sender minio.Core // does not: see send
	name   string
	prefix string // "" or with '/' behind it
}

var (
	_ blob.Bucket = (*Bucket)(nil)
	_ blob.Tidier = (*Bucket)(nil)
)

// Open opens the bucket that a URL names (see Parse) with the credentials in a
// file, or where there is none in the environment. It makes no bucket. What is
// wrong - no connection, no such bucket, no right, a store that replaces what is
// there - it finds out by writing and removing a blob.
func Open(ctx context.Context, url, credentialsFile string) (*Bucket, error) {
	b, err := connect(url, credentialsFile)
	if err != nil {
		return nil, err
	}
	if err := b.try(ctx); err != nil {
		return nil, fmt.Errorf("open bucket %s at %s: %w", b.name, b.core.EndpointURL().Host, err)
	}
	return b, nil
}

// connect is the bucket, of which nothing was asked yet.
func connect(url, credentialsFile string) (*Bucket, error) {
	at, err := Parse(url)
	if err != nil {
		return nil, err
	}
	creds, err := credentialsOf(at, credentialsFile)
	if err != nil {
		return nil, err
	}
	lookup := minio.BucketLookupPath
	if at.Endpoint == amazon {
		lookup = minio.BucketLookupAuto
	}
	options := minio.Options{Creds: creds, Secure: at.TLS, Region: at.Region, BucketLookup: lookup, Transport: transport(), MaxRetries: retries}
	core, err := minio.NewCore(at.Endpoint, &options)
	options.MaxRetries = 1
	sender, err2 := minio.NewCore(at.Endpoint, &options)
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", at.Bucket, err)
	}
	return &Bucket{core: *core, sender: *sender, name: at.Bucket, prefix: at.Prefix}, nil
}

func transport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTime, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   dialTime,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		ResponseHeaderTimeout: headerTime,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   128,
		IdleConnTimeout:       time.Minute,
		DisableCompression:    true,
	}
}

// try finds out whether the bucket can be used, and whether the store refuses to
// replace what is there: one that does not would let two nodes break a blob.
func (b *Bucket) try(ctx context.Context) error {
	name := "probe-" + strings.ToLower(rand.Text())
	if err := b.put(ctx, name, []byte("first")); err != nil {
		return err
	}
	err := b.put(ctx, name, []byte("second"))
	derr := b.Delete(ctx, name)
	if errors.Is(err, fs.ErrExist) {
		return derr
	}
	if err == nil {
		err = errors.New("the store replaces what is there: it does not know If-None-Match")
	}
	return errors.Join(err, derr)
}

func (b *Bucket) put(ctx context.Context, name string, content []byte) error {
	w, err := b.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}

// terminal ends every key.
const terminal = "!"

func (b *Bucket) key(name string) string { return b.prefix + name + terminal }

// blobName is the name of a key; ok is false for what is not ours.
func (b *Bucket) blobName(key string) (name string, ok bool) {
	name, ok = strings.CutPrefix(key, b.prefix)
	if ok {
		name, ok = strings.CutSuffix(name, terminal)
	}
	return name, ok && blob.CheckName(name) == nil
}

func check(ctx context.Context, name string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return blob.CheckName(name)
}

// asking bounds one request with its retries.
func asking(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, askTime, errors.New("the object store did not answer in time"))
}

// why is what went wrong: the reason for which a request was given up, or what
// the store said.
func why(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		return errors.Join(cause, err)
	}
	return err
}

// absent reports whether the store itself says that there is no such key. A 404
// of something between does not name the request.
func absent(err error) bool {
	e := minio.ToErrorResponse(err)
	return e.StatusCode == http.StatusNotFound && e.Code == minio.NoSuchKey && e.RequestID != ""
}

// taken reports whether the store refused because the key is there.
func taken(err error) bool {
	return minio.ToErrorResponse(err).StatusCode == http.StatusPreconditionFailed
}

// Delete implements blob.Bucket.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := check(ctx, name); err != nil {
		return err
	}
	ctx, cancel := asking(ctx)
	defer cancel()
	err := b.core.RemoveObject(ctx, b.name, b.key(name), minio.RemoveObjectOptions{})
	if err != nil && !absent(err) {
		return fmt.Errorf("delete blob %s: %w", name, why(ctx, err))
	}
	return nil
}

// List implements blob.Bucket.
func (b *Bucket) List(ctx context.Context, after string, limit int) ([]blob.Info, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if limit <= 0 {
		return nil, nil
	}
	ctx, cancel := asking(ctx)
	defer cancel()
	opts := minio.ListObjectsOptions{Prefix: b.prefix, Recursive: true, MaxKeys: min(limit+1, 1000)}
	if after != "" {
		opts.StartAfter = b.prefix + after
	}
	var all []blob.Info
	for o := range b.core.ListObjectsIter(ctx, b.name, opts) {
		if o.Err != nil {
			return nil, fmt.Errorf("list blobs: %w", why(ctx, o.Err))
		}
		if name, ok := b.blobName(o.Key); ok && name > after {
			all = append(all, blob.Info{Name: name, Size: o.Size, Changed: o.LastModified})
		}
		if len(all) == limit {
			break
		}
	}
	if ctx.Err() != nil && len(all) < limit { // the iterator may end in silence
		return nil, fmt.Errorf("list blobs: %w", context.Cause(ctx))
	}
	return all, nil
}

// Tidy implements blob.Tidier: it gives up multipart uploads that nobody ended.
func (b *Bucket) Tidy(ctx context.Context, before time.Time) error {
	ctx, cancel := asking(ctx)
	defer cancel()
	for u := range b.core.ListIncompleteUploads(ctx, b.name, b.prefix, true) {
		if u.Err != nil {
			return fmt.Errorf("list unfinished uploads: %w", why(ctx, u.Err))
		}
		if _, ours := b.blobName(u.Key); !ours || !u.Initiated.Before(before) {
			continue
		}
		err := b.core.AbortMultipartUpload(ctx, b.name, u.Key, u.UploadID)
		if err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchUpload {
			return fmt.Errorf("give up an unfinished upload of %s: %w", u.Key, why(ctx, err))
		}
	}
	return why(ctx, ctx.Err())
}
