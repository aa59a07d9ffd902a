package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// A walk over everything passes the ends of its pages, leaves out what was
// deleted, and is not ended by what is damaged.
func TestWalks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Start(t, url)
		const images = 1003
		err := s.Maintain(t.Context(), func(tx *store.Tx) error {
			for i := range int64(images) {
				m := imageRow(i, "d")
				m.Key = fmt.Appendf(nil, "key %d", i)
				b := store.BlobRow{Name: string(m.ID) + "/original", Image: m.ID, Rendition: "original", Size: 3, Format: "png"}
				if i%2 == 0 {
					b.Inline = []byte("abc")
				}
				if err := errors.Join(tx.PutImage(m), tx.PutBlob(&b)); err != nil {
					return err
				}
			}
			_, err := tx.DestroyImage(imageRow(0, "").ID, 1)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		broken := imageRow(500, "").ID
		execute(t, url, `UPDATE images SET owner = 'eve' WHERE id = '`+string(broken)+`'`)

		var ids, damaged []string
		err = s.EachImage(t.Context(), func(m *store.ImageRow, damage error) error {
			ids = append(ids, string(m.ID))
			if damage != nil {
				damaged = append(damaged, string(m.ID))
			}
			return nil
		})
		if err != nil || len(ids) != images-1 || !slices.IsSorted(ids) || !slices.Equal(damaged, []string{string(broken)}) {
			t.Errorf("%d images, sorted %t, damaged %q, %v", len(ids), slices.IsSorted(ids), damaged, err)
		}
		n, inline := 0, 0
		err = s.EachBlob(t.Context(), func(b *store.BlobRow, key []byte) error {
			n++
			if b.Inline != nil {
				inline++
			}
			if want := fmt.Sprintf("key %d", n); string(key) != want || b.Name != ids[n-1]+"/original" {
				t.Errorf("blob %s comes with %q, want %q", b.Name, key, want)
			}
			return nil
		})
		if err != nil || n != images-1 || inline != images/2 {
			t.Errorf("%d blobs, %d inline, %v", n, inline, err)
		}
		stop := errors.New("stop")
		if err := s.EachImage(t.Context(), func(*store.ImageRow, error) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("a walk that was ended answers %v", err)
		}
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("check: %v", err)
		}
	})
}
