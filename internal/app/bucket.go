package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync/atomic"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/blob"
	"vitrine.dev/vitrine/internal/blob/fsblob"
	"vitrine.dev/vitrine/internal/blob/s3blob"
	"vitrine.dev/vitrine/internal/config"
)

// errBlobs marks what is wrong with the bucket.
var errBlobs = errors.New("blobs")

// noBlobs is what to do where the bucket does not answer.
const noBlobs = "does the object store answer from here, is there such a bucket, and may these credentials write, read, list and delete in it? the setting blobs, or VITRINE_BLOBS, says where it is"

// openBucket opens what holds the larger sealed blobs.
func openBucket(ctx context.Context, c *config.Config) (blob.Bucket, error) {
	if c.Blobs == "" {
		return fsblob.Open(filepath.Join(c.Data, "blobs"))
	}
	b, err := s3blob.Open(ctx, c.Blobs, c.BlobsCredentials)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBlobs, err)
	}
	return b, nil
}

const (
	probeEvery = 30 * time.Second // an object store takes money for requests
	probeAgain = 2 * time.Second  // where it failed
	probeTime  = 20 * time.Second
)

// watched is a bucket of which it is known whether it works, so that nothing is
// paid for that could not be kept.
type watched struct {
	blob.Bucket
	failing atomic.Pointer[error]
}

// run probes the bucket until ctx is done.
func (w *watched) run(ctx context.Context) error {
	next := time.NewTimer(probeEvery) // opening it was the first probe
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
			next.Reset(w.probe(ctx))
		}
	}
}

// probe probes once and answers when to do it again.
func (w *watched) probe(ctx context.Context) time.Duration {
	limited, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	err := blob.Probe(limited, w.Bucket)
	switch {
	case ctx.Err() != nil: // which says nothing of the bucket
	case err == nil:
		w.failing.Store(nil)
	default:
		w.failing.Store(&err)
		return probeAgain
	}
	return probeEvery
}

// healthy answers why the bucket does not work.
func (w *watched) healthy(context.Context) error {
	if err := w.failing.Load(); err != nil {
		return *err
	}
	return nil
}

// Free implements blob.Roomy. Of an object store the room does not end.
func (w *watched) Free() (int64, error) {
	if err := w.healthy(context.Background()); err != nil {
		return 0, &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "blobs_unavailable", RetryAfter: 5, Err: err,
			Public: "Pictures cannot be stored right now, so none is taken. Try again in a moment."}
	}
	if r, ok := w.Bucket.(blob.Roomy); ok {
		return r.Free()
	}
	return math.MaxInt64, nil
}

// Tidy implements blob.Tidier.
func (w *watched) Tidy(ctx context.Context, before time.Time) error {
	if t, ok := w.Bucket.(blob.Tidier); ok {
		return t.Tidy(ctx, before)
	}
	return nil
}
