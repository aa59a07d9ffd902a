package memblob_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"vitrine.dev/vitrine/internal/blob"
	"vitrine.dev/vitrine/internal/blob/blobtest"
	"vitrine.dev/vitrine/internal/blob/memblob"
)

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(*testing.T) blob.Bucket { return new(memblob.Bucket) })
}

// A fault before leaves things as they were; one after is reported for a deed
// that was done.
func TestFaults(t *testing.T) {
	broken := errors.New("broken")
	on := func(op memblob.Op) memblob.Fault {
		return func(got memblob.Op, _ string) error {
			if got == op {
				return broken
			}
			return nil
		}
	}
	for _, c := range []struct {
		name   string
		bucket *memblob.Bucket
		op     memblob.Op
		there  bool // afterwards
	}{
		{"commit fails before", &memblob.Bucket{Before: on(memblob.Commit)}, memblob.Commit, false},
		{"commit fails after", &memblob.Bucket{After: on(memblob.Commit)}, memblob.Commit, true},
		{"delete fails before", &memblob.Bucket{Before: on(memblob.Delete)}, memblob.Delete, true},
		{"delete fails after", &memblob.Bucket{After: on(memblob.Delete)}, memblob.Delete, false},
		{"write fails", &memblob.Bucket{Before: on(memblob.Write)}, memblob.Write, false},
		{"create fails", &memblob.Bucket{Before: on(memblob.Create)}, memblob.Create, false},
		{"open fails", &memblob.Bucket{Before: on(memblob.Open)}, memblob.Open, true},
		{"list fails", &memblob.Bucket{Before: on(memblob.List)}, memblob.List, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.bucket
			failed := map[memblob.Op]error{}
			w, err := b.Create(t.Context(), "a/b")
			failed[memblob.Create] = err
			if err == nil {
				_, err = w.Write([]byte("x"))
				failed[memblob.Write] = err
			}
			if err == nil {
				failed[memblob.Commit] = w.Commit()
			}
			r, err := b.Open(t.Context(), "a/b")
			if err == nil {
				err = r.Close()
			}
			failed[memblob.Open] = err
			_, failed[memblob.List] = b.List(t.Context(), "", 1)
			if c.op == memblob.Delete {
				failed[memblob.Delete] = b.Delete(t.Context(), "a/b")
			}
			for op, err := range failed {
				if errors.Is(err, broken) != (op == c.op) {
					t.Errorf("%s: got %v", op, err)
				}
			}
			b.Before, b.After = nil, nil
			if _, err := b.Open(t.Context(), "a/b"); (err == nil) != c.there || err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("afterwards: got %v; want there %v", err, c.there)
			}
		})
	}
}

func TestClock(t *testing.T) {
	then := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b := &memblob.Bucket{Now: func() time.Time { return then }}
	blobtest.Put(t, b, "a/b", nil)
	if all, err := b.List(t.Context(), "", 1); err != nil || len(all) != 1 || !all[0].Changed.Equal(then) {
		t.Errorf("got %v, %v; want %v", all, err, then)
	}
}
