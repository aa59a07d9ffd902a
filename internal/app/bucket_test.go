package app

import (
	"context"
	"errors"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/blob/memblob"
)

// A bucket that stops working is found by the next probe, and nothing is taken
// until it works again; a probe that was cut short says nothing.
func TestWatchedBucket(t *testing.T) {
	broken := errors.New("the store is gone")
	for _, at := range []memblob.Op{memblob.Create, memblob.Write, memblob.Commit, memblob.Open, memblob.Delete} {
		var fail error
		b := &memblob.Bucket{Before: func(op memblob.Op, _ string) error {
			if op == at {
				return fail
			}
			return nil
		}}
		w := &watched{Bucket: b}
		if again := w.probe(t.Context()); again != probeEvery || w.healthy(t.Context()) != nil {
			t.Errorf("a whole bucket: again in %s, %v", again, w.healthy(t.Context()))
		}
		if free, err := w.Free(); err != nil || free < 1<<50 {
			t.Errorf("a whole bucket has room for %d, %v", free, err)
		}
		fail = broken
		ended, end := context.WithCancel(t.Context())
		end()
		w.probe(ended)
		if err := w.healthy(t.Context()); err != nil {
			t.Errorf("%s: a probe that was cut short says %v", at, err)
		}
		if again := w.probe(t.Context()); again != probeAgain || !errors.Is(w.healthy(t.Context()), broken) {
			t.Errorf("%s: again in %s, %v", at, again, w.healthy(t.Context()))
		}
		var e *vitrine.Error
		if _, err := w.Free(); !errors.Is(err, vitrine.ErrUnavailable) || !errors.As(err, &e) || e.Code != "blobs_unavailable" || e.RetryAfter == 0 {
			t.Errorf("%s: room: %v", at, err)
		}
		fail = nil
		w.probe(t.Context())
		if _, err := w.Free(); err != nil {
			t.Errorf("%s, mended: %v", at, err)
		}
		if left, err := b.List(t.Context(), "", 10); at != memblob.Delete && (err != nil || len(left) > 0) {
			t.Errorf("%s: probes left %v, %v", at, left, err)
		}
	}
}
