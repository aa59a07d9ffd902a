package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

// image is one of dataset "d" that was made some microseconds after epoch.
func image(id vitrine.ID, us int) *store.ImageRow {
	return &store.ImageRow{
		Image: vitrine.Image{
			ID: id, Dataset: "d", Project: "p", Category: vitrine.Generated, Tier: vitrine.Internal,
			TierBy: vitrine.TierByBirth, Owner: "ann", Created: epoch.Add(time.Duration(us) * time.Microsecond),
		},
		Key: []byte{1, 2, 3},
	}
}

func putImages(t testing.TB, s *store.Store, images ...*store.ImageRow) {
	t.Helper()
	do(t, s, func(tx *store.Tx) error {
		for _, m := range images {
			if err := tx.PutImage(m); err != nil {
				return err
			}
		}
		return nil
	})
}

func testImage(t *testing.T, s *store.Store) {
	m := image("Img-1", 0)
	m.Created = m.Created.Add(999 * time.Nanosecond).In(time.FixedZone("", 3600))
	m.Detail = vitrine.ImageDetail{
		Name: "café \x00\u2028.png", Labels: []string{"a", ""}, Format: "png", Width: 1, Height: 1 << 30, Size: 1 << 40,
		Lineage: vitrine.Lineage{Prompt: "a secret", Sources: []vitrine.ID{"Img-0"}, EndUser: "Zoë"},
	}
	putImages(t, s, m)
	want := *image("Img-1", 0)
	want.Version, want.Detail = 1, m.Detail
	equal(t, "what PutImage sets", *m, want)
	got, err := s.Image(t.Context(), "Img-1")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "image", *got, want)
	if _, err := s.Image(t.Context(), "img-1"); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("an id in another case: got %v; want not found", err)
	}

	// A creation time that was not given is the commit's, and all is kept.
	other := image("Img-2", 0)
	other.Created, other.Key, other.Category, other.Tier = time.Time{}, nil, vitrine.CategoryUnknown, 0
	putImages(t, s, other)
	if got, err = s.Image(t.Context(), "Img-2"); err != nil || got.Created.IsZero() || !got.Created.Equal(other.Created) || len(got.Key) != 0 {
		t.Errorf("got %+v, %v; want %+v", got, err, other)
	}
	isError(t, "put again", try(t, s, func(tx *store.Tx) error { return tx.PutImage(image("Img-1", 9)) }), vitrine.ErrConflict, "id_used")
}

// list pages through all that the sets hold.
func list(t testing.TB, s *store.Store, sets []store.ImageSet, limit int) []vitrine.ID {
	t.Helper()
	ids := []vitrine.ID{}
	q := store.ImageQuery{Sets: sets, Limit: limit}
	for {
		page, err := s.Images(t.Context(), q)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		if len(page.Rows) > limit || page.Full != (len(page.Rows) == limit) || len(page.Damaged) > 0 {
			t.Fatalf("a page of %d has %d images, full %v, damaged %v", limit, len(page.Rows), page.Full, page.Damaged)
		}
		for _, m := range page.Rows {
			ids = append(ids, m.ID)
		}
		if !page.Full {
			return ids
		}
		q.After = page.Last
	}
}

const allCells = ^uint32(0)

func testImageOrder(t *testing.T, s *store.Store) {
	// Newest first, and at the same instant the greatest id by bytes, which is
	// not how any language sorts.
	byBytes := []vitrine.ID{"z", "b_1", "b-1", "b", "a", "_", "Z", "B", "A.a", "A", "9", "10"}
	shuffled := slices.Clone(byBytes)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	var images []*store.ImageRow
	for _, id := range shuffled {
		images = append(images, image(id, 0), image("new"+id, 1))
	}
	putImages(t, s, images...)
	var want []vitrine.ID
	for _, id := range byBytes {
		want = append(want, "new"+id)
	}
	want = append(want, byBytes...)
	for _, limit := range []int{1, 5, 24, 100} {
		equal(t, fmt.Sprintf("in pages of %d", limit), list(t, s, []store.ImageSet{{Datasets: []vitrine.ID{"d"}, Cells: allCells}}, limit), want)
	}
	equal(t, "of a dataset in another case", list(t, s, []store.ImageSet{{Datasets: []vitrine.ID{"D"}, Cells: allCells}}, 10), []vitrine.ID{})
}

func testImageSwap(t *testing.T, s *store.Store) {
	putImages(t, s, image("img", 0))
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			m, err := s.Image(t.Context(), "img")
			if err != nil {
				t.Error(err)
				return
			}
			m.Image.Version, m.Image.Tier, m.Image.Dataset = 1, vitrine.Public, vitrine.ID(fmt.Sprintf("d-%d", i))
			switch err := try(t, s, func(tx *store.Tx) error { return tx.UpdateImage(&m.Image) }); {
			case err == nil:
				won.Add(1)
				if got, err := s.Image(t.Context(), "img"); err != nil || got.Version != 2 || m.Version != 2 || got.Dataset != m.Dataset {
					t.Errorf("the winner wrote %+v and reads %+v, %v", m, got, err)
				}
			default:
				isError(t, "the others", err, vitrine.ErrConflict, "version")
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 20 changes of one version won", won.Load())
	}
	absent := image("absent", 0).Image
	isError(t, "change an absent image", try(t, s, func(tx *store.Tx) error { return tx.UpdateImage(&absent) }), vitrine.ErrNotFound, "not_found")
}

func testDeleteImage(t *testing.T, s *store.Store) {
	putImages(t, s, image("img", 0))
	do(t, s, func(tx *store.Tx) error {
		return errors.Join(
			tx.PutBlob(&store.BlobRow{Name: "img/thumbnail", Image: "img", Rendition: "thumbnail", Inline: []byte("small")}),
			tx.PutBlob(&store.BlobRow{Name: "img/original", Image: "img", Rendition: "original", Size: 1 << 20}),
			tx.PutBlob(&store.BlobRow{Name: "img/masked", Image: "img", Rendition: "masked", Size: 1 << 20}),
			tx.PutLink(&store.Link{ID: "l", Hash: "h", Image: "img"}),
		)
	})
	remove := func(version int64) (names []string, err error) {
		err = try(t, s, func(tx *store.Tx) error {
			names, err = tx.DestroyImage("img", version)
			return err
		})
		return names, err
	}
	_, err := remove(2)
	isError(t, "delete another version", err, vitrine.ErrConflict, "version")
	names, err := remove(1)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "names in the bucket", names, []string{"img/masked", "img/original"})
	_, err = remove(1)
	isError(t, "delete twice", err, vitrine.ErrNotFound, "not_found")
	_, err = s.Image(t.Context(), "img")
	isError(t, "image", err, vitrine.ErrNotFound, "not_found")
	_, err = s.Blob(t.Context(), "img/thumbnail")
	isError(t, "blob", err, vitrine.ErrNotFound, "not_found")
	_, err = s.LinkByHash(t.Context(), "h")
	isError(t, "link", err, vitrine.ErrNotFound, "not_found")
	equal(t, "list", list(t, s, []store.ImageSet{{Datasets: []vitrine.ID{"d"}, Cells: allCells}}, 10), []vitrine.ID{})
	isError(t, "the id again", try(t, s, func(tx *store.Tx) error { return tx.PutImage(image("img", 0)) }), vitrine.ErrConflict, "id_used")
	isError(t, "a blob of it", try(t, s, func(tx *store.Tx) error {
		return tx.PutBlob(&store.BlobRow{Name: "img/new", Image: "img"})
	}), vitrine.ErrNotFound, "not_found")
}
