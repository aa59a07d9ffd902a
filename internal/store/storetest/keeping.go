package storetest

import (
	"errors"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

var inD = []store.ImageSet{{Datasets: []vitrine.ID{"d"}, Cells: allCells}}

func listDeleted(t *testing.T, s *store.Store, limit int, after store.Cursor) *store.ImagePage {
	t.Helper()
	page, err := s.Images(t.Context(), store.ImageQuery{Sets: inD, Deleted: true, Limit: limit, After: after})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func testRestoreImage(t *testing.T, s *store.Store) {
	m := image("img", 0)
	m.Detail = vitrine.ImageDetail{Name: "café.png"}
	putImages(t, s, m, image("other", 1))
	do(t, s, func(tx *store.Tx) error {
		return errors.Join(
			tx.PutBlob(&store.BlobRow{Name: "img/thumbnail", Image: "img", Rendition: "thumbnail", Inline: []byte("small")}),
			tx.PutLink(&store.Link{ID: "l", Hash: "h", Image: "img"}))
	})
	d := vitrine.Deletion{At: epoch.Add(time.Hour + 999).In(time.FixedZone("", 3600)), By: "ann", Until: epoch.Add(2 * time.Hour)}
	stale := *m
	stale.Version = 7
	isError(t, "delete another version", try(t, s, func(tx *store.Tx) error { return tx.DeleteImage(&stale, d) }), vitrine.ErrConflict, "version")
	do(t, s, func(tx *store.Tx) error { return tx.DeleteImage(m, d) })
	d.At = epoch.Add(time.Hour)
	want := store.ImageRow{Image: m.Image, Key: m.Key, Deleted: &d}
	want.Version = 2
	equal(t, "what DeleteImage sets", *m, want)

	_, err := s.Image(t.Context(), "img")
	isError(t, "image", err, vitrine.ErrNotFound, "not_found")
	_, err = s.LinkByHash(t.Context(), "h")
	isError(t, "link", err, vitrine.ErrNotFound, "not_found")
	equal(t, "list", list(t, s, inD, 10), []vitrine.ID{"other"})
	got, err := s.DeletedImage(t.Context(), "img")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "deleted image", *got, want)
	equal(t, "list of deleted", listDeleted(t, s, 10, store.Cursor{}).Rows, []store.ImageRow{want})
	isError(t, "a blob of it", try(t, s, func(tx *store.Tx) error {
		return tx.PutBlob(&store.BlobRow{Name: "img/new", Image: "img"})
	}), vitrine.ErrNotFound, "not_found")
	isError(t, "change it", try(t, s, func(tx *store.Tx) error { return tx.UpdateImage(&got.Image) }), vitrine.ErrNotFound, "not_found")
	isError(t, "delete twice", try(t, s, func(tx *store.Tx) error { return tx.DeleteImage(got, d) }), vitrine.ErrNotFound, "not_found")
	isError(t, "the id again", try(t, s, func(tx *store.Tx) error { return tx.PutImage(image("img", 0)) }), vitrine.ErrConflict, "id_used")

	do(t, s, func(tx *store.Tx) error { return tx.RestoreImage(m) })
	isError(t, "restore twice", try(t, s, func(tx *store.Tx) error { return tx.RestoreImage(got) }), vitrine.ErrNotFound, "not_found")
	want.Deleted, want.Version = nil, 3
	back, err := s.Image(t.Context(), "img")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "restored", *back, want)
	equal(t, "list of deleted", len(listDeleted(t, s, 10, store.Cursor{}).Rows), 0)

	do(t, s, func(tx *store.Tx) error { return tx.DeleteImage(m, d) })
	do(t, s, func(tx *store.Tx) error { _, err := tx.DestroyImage("img", m.Version); return err })
	_, err = s.DeletedImage(t.Context(), "img")
	isError(t, "destroyed", err, vitrine.ErrNotFound, "not_found")
	isError(t, "restore what was destroyed", try(t, s, func(tx *store.Tx) error { return tx.RestoreImage(m) }), vitrine.ErrNotFound, "not_found")
}

// What is due, and what is old, comes in order and by pages, without what a hold
// keeps.
func testDueImages(t *testing.T, s *store.Store) {
	var all []*store.ImageRow
	for i, id := range []vitrine.ID{"a", "b", "c", "d", "e"} {
		all = append(all, image(id, i))
	}
	putImages(t, s, all...)
	do(t, s, func(tx *store.Tx) error {
		return tx.PutHold(&vitrine.Hold{ID: "h", On: vitrine.Ref{Kind: vitrine.KindImage, ID: "b"}, Reason: "case", Placed: epoch, By: "sam"})
	})
	old := func(until int, after store.Cursor, n int) (ids []vitrine.ID) {
		t.Helper()
		page, err := s.OldImages(t.Context(), "d", epoch.Add(time.Duration(until)*time.Microsecond), after, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Rows {
			ids = append(ids, m.ID)
		}
		return ids
	}
	equal(t, "old until the third", old(2, store.Cursor{}, 10), []vitrine.ID{"a", "c"})
	equal(t, "the first of all", old(9, store.Cursor{}, 2), []vitrine.ID{"a", "c"})
	equal(t, "those after it", old(9, store.Cursor{Created: all[2].Created, ID: "c"}, 2), []vitrine.ID{"d", "e"})
	none, err := s.OldImages(t.Context(), "other", epoch.Add(time.Hour), store.Cursor{}, 10)
	if err != nil || len(none.Rows) != 0 {
		t.Errorf("of another dataset: %+v, %v", none, err)
	}

	do(t, s, func(tx *store.Tx) error {
		return errors.Join(
			tx.DeleteImage(all[4], vitrine.Deletion{At: epoch, Until: epoch.Add(1)}),
			tx.DeleteImage(all[0], vitrine.Deletion{At: epoch, Until: epoch.Add(2 * time.Second)}),
			tx.DeleteImage(all[3], vitrine.Deletion{At: epoch, Until: epoch.Add(2 * time.Second)}),
			tx.DeleteImage(all[2], vitrine.Deletion{At: epoch, Until: epoch.Add(3 * time.Second)}))
	})
	due := func(at time.Duration, after *store.ImageRow, n int) (ids []vitrine.ID, last *store.ImageRow) {
		t.Helper()
		rows, err := s.DueImages(t.Context(), epoch.Add(at), after, n)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			ids, last = append(ids, rows[i].ID), &rows[i]
		}
		return ids, last
	}
	first, last := due(2*time.Second, nil, 2)
	equal(t, "due, the first two", first, []vitrine.ID{"e", "a"})
	next, _ := due(2*time.Second, last, 2)
	equal(t, "due after them", next, []vitrine.ID{"d"})
	do(t, s, func(tx *store.Tx) error {
		return tx.PutHold(&vitrine.Hold{ID: "h2", On: vitrine.Ref{Kind: vitrine.KindImage, ID: "c"}, Placed: epoch, By: "sam"})
	})
	rest, _ := due(time.Hour, nil, 10)
	equal(t, "due, without what is held", rest, []vitrine.ID{"e", "a", "d"})
}

func testHolds(t *testing.T, s *store.Store) {
	m := image("img", 0)
	putImages(t, s, m)
	apply := func(from int64, changes ...vitrine.Change) error {
		return try(t, s, func(tx *store.Tx) error {
			_, err := tx.ApplyChanges(from, "alice", &vitrine.ChangeSet{Changes: changes})
			return err
		})
	}
	project, dataset := &vitrine.Project{ID: "p"}, &vitrine.Dataset{ID: "d", Project: "p"}
	if err := apply(0, vitrine.Put(project), vitrine.Put(dataset)); err != nil {
		t.Fatal(err)
	}
	destroy := func() error {
		return try(t, s, func(tx *store.Tx) error { _, err := tx.DestroyImage("img", m.Version); return err })
	}
	var all []vitrine.Hold
	for i, on := range []vitrine.Ref{{Kind: vitrine.KindImage, ID: "img"}, dataset.Ref(), project.Ref()} {
		h := vitrine.Hold{ID: vitrine.ID("hold-" + on.Kind), On: on, Reason: "café", Placed: epoch.Add(time.Duration(i) * time.Second), By: "sam"}
		do(t, s, func(tx *store.Tx) error { return tx.PutHold(&h) })
		isError(t, "the id again", try(t, s, func(tx *store.Tx) error { return tx.PutHold(&h) }), vitrine.ErrConflict, "id_used")
		isError(t, "destroy what is held", destroy(), vitrine.ErrConflict, "legal_hold")
		isError(t, "delete it", try(t, s, func(tx *store.Tx) error { return tx.DeleteImage(m, vitrine.Deletion{At: epoch, Until: epoch}) }), vitrine.ErrConflict, "legal_hold")
		if id, err := s.ImageHold(t.Context(), "img"); err != nil || id == "" {
			t.Errorf("held by %q, %v", id, err)
		}
		h.Lifted, h.LiftedBy, h.LiftReason = epoch.Add(time.Hour), "tess", "closed"
		do(t, s, func(tx *store.Tx) error { return tx.LiftHold(&h) })
		isError(t, "lift twice", try(t, s, func(tx *store.Tx) error { return tx.LiftHold(&h) }), vitrine.ErrConflict, "lifted")
		if id, err := s.ImageHold(t.Context(), "img"); err != nil || id != "" {
			t.Errorf("lifted, held by %q, %v", id, err)
		}
		got, err := s.Hold(t.Context(), h.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "hold", *got, h)
		all = append([]vitrine.Hold{h}, all...)
		do(t, s, func(tx *store.Tx) error {
			for who, want := range map[vitrine.ID]bool{"tess": true, "sam": false} {
				if by, err := tx.LiftedBy(who, "img", epoch); err != nil || (by != "") != want {
					t.Errorf("lifted by %s: %q, %v", who, by, err)
				}
			}
			if by, err := tx.LiftedBy("tess", "img", epoch.Add(2*time.Hour)); err != nil || by != "" {
				t.Errorf("lifted since: %q, %v", by, err)
			}
			return nil
		})
	}
	page := func(q store.HoldQuery) []vitrine.Hold {
		t.Helper()
		got, err := s.Holds(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	equal(t, "all holds", page(store.HoldQuery{Lifted: true}), all)
	equal(t, "the page after", page(store.HoldQuery{Lifted: true, Limit: 1, After: store.Cursor{Created: all[0].Placed, ID: all[0].ID}}), all[1:2])
	equal(t, "holds on one", page(store.HoldQuery{Lifted: true, On: dataset.Ref()}), all[1:2])
	equal(t, "in force", len(page(store.HoldQuery{})), 0)

	isError(t, "on what is absent", try(t, s, func(tx *store.Tx) error {
		return tx.PutHold(&vitrine.Hold{ID: "x", On: vitrine.Ref{Kind: vitrine.KindImage, ID: "none"}, Placed: epoch})
	}), vitrine.ErrNotFound, "not_found")
	_, err := s.Hold(t.Context(), "none")
	isError(t, "no hold", err, vitrine.ErrNotFound, "not_found")
	if err := destroy(); err != nil {
		t.Errorf("once all are lifted: %v", err)
	}
	for _, on := range []vitrine.Ref{project.Ref(), dataset.Ref()} {
		h := vitrine.Hold{ID: "late-" + vitrine.ID(on.Kind), On: on, Placed: epoch, By: "sam"}
		do(t, s, func(tx *store.Tx) error { return tx.PutHold(&h) })
		isError(t, "delete the dataset under a hold on its "+string(on.Kind), apply(1, vitrine.Delete(dataset.Ref())), vitrine.ErrConflict, "legal_hold")
		if on == project.Ref() {
			isError(t, "delete the project", apply(1, vitrine.Delete(project.Ref())), vitrine.ErrConflict, "legal_hold")
		}
		h.Lifted, h.LiftedBy = epoch, "sam"
		do(t, s, func(tx *store.Tx) error { return tx.LiftHold(&h) })
	}
	if err := apply(1, vitrine.Delete(dataset.Ref()), vitrine.Delete(project.Ref())); err != nil {
		t.Errorf("deleted once they are lifted: %v", err)
	}
}

func testLeases(t *testing.T, s *store.Store) {
	for i, step := range []struct {
		name, node string
		length     time.Duration
		want       bool
	}{
		{"sweep", "a", time.Hour, true},
		{"sweep", "b", time.Hour, false},
		{"sweep", "a", time.Hour, true},
		{"mail", "b", time.Hour, true},
		{"sweep", "a", -time.Second, true}, // gives it back
		{"sweep", "b", time.Hour, true},
		{"sweep", "a", time.Hour, false},
	} {
		got, err := s.Lease(t.Context(), step.name, step.node, step.length)
		if err != nil || got != step.want {
			t.Errorf("step %d, %s by %s: %t, %v; want %t", i, step.name, step.node, got, err, step.want)
		}
	}
}
