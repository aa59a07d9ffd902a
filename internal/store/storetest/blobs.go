package storetest

import (
	"bytes"
	"fmt"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

func testBlobs(t *testing.T, s *store.Store) {
	putImages(t, s, image("img", 0))
	largest := bytes.Repeat([]byte{0, 0xff, '\'', '\n'}, store.MaxInline/4)
	for _, b := range []store.BlobRow{
		{Name: "img/original", Image: "img", Rendition: "original", Size: 1 << 40, Format: "png", Width: 1 << 30, Height: 1, PlainSize: 1<<40 - 1, ETag: `"e"`},
		{Name: "img/Original", Image: "img", Rendition: "original", Size: 5, Inline: []byte("large")},
		{Name: "img/thumbnail", Image: "img", Rendition: "thumbnail", Size: int64(len(largest)), Inline: largest},
		{Name: "img/empty", Image: "img", Rendition: "empty", Inline: []byte{}},
	} {
		put := func(tx *store.Tx) error { return tx.PutBlob(&b) }
		do(t, s, put)
		got, err := s.Blob(t.Context(), b.Name)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, b.Name, *got, b)
		isError(t, "put again", try(t, s, put), vitrine.ErrConflict, "blob_there")
	}
	for _, test := range []struct {
		name string
		blob store.BlobRow
		kind error
		code string
	}{
		{"too large", store.BlobRow{Name: "img/x", Image: "img", Inline: make([]byte, store.MaxInline+1)}, vitrine.ErrInvalid, "too_large"},
		{"of no image", store.BlobRow{Name: "img-2/original", Image: "img-2"}, vitrine.ErrNotFound, "not_found"},
	} {
		isError(t, test.name, try(t, s, func(tx *store.Tx) error { return tx.PutBlob(&test.blob) }), test.kind, test.code)
	}

	names := []string{"img/original", "img/absent", "img/thumbnail", "IMG/original"}
	for i := range 2500 {
		names = append(names, fmt.Sprintf("img/absent-%d", i))
	}
	named, err := s.BlobNamed(t.Context(), append(names, "img/empty"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "named", named, map[string]bool{"img/original": true, "img/thumbnail": true, "img/empty": true})

	remove := func(tx *store.Tx) error { return tx.DeleteBlob("img/original") }
	do(t, s, remove)
	isError(t, "delete twice", try(t, s, remove), vitrine.ErrNotFound, "not_found")
	_, err = s.Blob(t.Context(), "img/original")
	isError(t, "a deleted blob", err, vitrine.ErrNotFound, "not_found")
}
