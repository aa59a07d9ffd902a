package store_test

import (
	"errors"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// apply applies one change to a policy at revision from.
func apply(t *testing.T, s *store.Store, from int64, c vitrine.Change) error {
	t.Helper()
	_, err := s.Commit(t.Context(), opened(from), func(tx *store.Tx) error {
		_, err := tx.ApplyChanges(from, "alice", &vitrine.ChangeSet{Changes: []vitrine.Change{c}})
		return err
	})
	return err
}

// A dataset goes only when no image is in it, damaged ones counted, and whoever
// writes afterwards can find out that it went.
func TestDeleteDataset(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Start(t, url)
		d := &vitrine.Dataset{ID: "dataset-1", Project: "project-1", Category: vitrine.Generated}
		deleted := func() (gone bool) {
			t.Helper()
			err := s.Maintain(t.Context(), func(tx *store.Tx) (err error) { gone, err = tx.Deleted(d.Ref()); return err })
			if err != nil {
				t.Fatal(err)
			}
			return gone
		}
		if deleted() {
			t.Error("what never was is deleted")
		}
		_, err := s.Commit(t.Context(), opened(0), putImage(0))
		if err := errors.Join(err, apply(t, s, 0, vitrine.Put(d))); err != nil {
			t.Fatal(err)
		}
		execute(t, url, `UPDATE images SET sealed = data_key`)
		var e *vitrine.Error
		if err := apply(t, s, 1, vitrine.Delete(d.Ref())); !errors.As(err, &e) || e.Code != "dataset_not_empty" || !errors.Is(err, vitrine.ErrConflict) || deleted() {
			t.Errorf("with an image: %v, deleted %v; want dataset_not_empty", err, deleted())
		}
		if _, err := s.Commit(t.Context(), opened(1), func(tx *store.Tx) error { _, err := tx.DestroyImage(imageRow(0, "").ID, 1); return err }); err != nil {
			t.Fatal(err)
		}
		if err := apply(t, s, 1, vitrine.Delete(d.Ref())); err != nil || !deleted() {
			t.Errorf("empty: %v, deleted %v", err, deleted())
		}
	})
}

func TestPurgeLinks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Start(t, url)
		var gone []int64
		err := s.Maintain(t.Context(), func(tx *store.Tx) error {
			for i, id := range []vitrine.ID{"a", "b", "c", "d"} {
				l := store.Link{ID: id, Hash: string(id), Image: "img", Created: time.UnixMicro(1), Expires: time.UnixMicro(int64(i) + 1)}
				if err := tx.PutLink(&l); err != nil {
					return err
				}
			}
			for range 3 {
				n, err := tx.PurgeLinks(time.UnixMicro(4), 2)
				if err != nil {
					return err
				}
				gone = append(gone, n)
			}
			return nil
		})
		left, err2 := s.Links(t.Context(), "img")
		if errors.Join(err, err2) != nil || len(gone) != 3 || gone[0] != 2 || gone[1] != 1 || gone[2] != 0 || len(left) != 1 || left[0].ID != "d" {
			t.Errorf("purged %v, left %+v, %v; want 2, 1, none, and the last one left", gone, left, errors.Join(err, err2))
		}
	})
}
