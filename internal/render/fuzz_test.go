package render_test

import (
	"bytes"
	"errors"
	"image"
	"os"
	"path/filepath"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/render"
)

// seed adds all pictures that the other tests know, good and bad.
func seed(f *testing.F) {
	names, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 40<<10 {
			f.Add(b)
		}
	}
	for _, r := range refusals(f) {
		if len(r.in) < 4<<10 {
			f.Add(r.in)
		}
	}
	f.Add(grey(chunk("acTL", uint32(1), uint32(0)), fcTL(8, 8)))
	f.Add(grey(chunk("iTXt", "a\x00\x01\x00\x00\x00", deflate(make([]byte, 100)))))
	f.Add(gifOf(f, 2))
	f.Add(after(jpegOf(f, corners()), segment(0xe1, "Exif\x00\x00", exif(6)), segment(0xe2, "MPF\x00")))
}

var fuzzBounds = render.Bounds{Bytes: 1 << 20, Pixels: 1 << 16, Frames: 8, Memory: 4 << 20}

// known fails on an error that is not one of the picture's.
func known(t *testing.T, err error) {
	t.Helper()
	var e *vitrine.Error
	if !errors.As(err, &e) || e.Param != "image" || e.Code == "" || e.Public == "" {
		t.Fatalf("error %v, want a *vitrine.Error that says what to do", err)
	}
	if !errors.Is(err, vitrine.ErrInvalid) && !errors.Is(err, vitrine.ErrTooLarge) {
		t.Fatalf("error %v is of kind %v", err, e.Kind)
	}
}

// Whatever comes in, it is within bounds or refused with a reason.
func FuzzInspect(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := render.Inspect(bytes.NewReader(in), int64(len(in)), fuzzBounds)
		if err != nil {
			known(t, err)
			return
		}
		if got.Width < 1 || got.Height < 1 || got.Frames < 1 || got.Frames > fuzzBounds.Frames || int64(got.Width)*int64(got.Height) > fuzzBounds.Pixels {
			t.Fatalf("accepted %+v", got)
		}
		again, err := render.Inspect(bytes.NewReader(in), int64(len(in)), fuzzBounds)
		if err != nil || again != got {
			t.Fatalf("the second time %+v, %v; the first %+v", again, err, got)
		}
	})
}

// Whatever was accepted decodes to a small picture or is refused with a reason.
func FuzzThumbnail(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		const edge = 24
		out, info, err := render.Thumbnail(bytes.NewReader(in), int64(len(in)), fuzzBounds, edge)
		if err != nil {
			known(t, err)
			return
		}
		if info.Width < 1 || info.Height < 1 || info.Width > edge || info.Height > edge {
			t.Fatalf("thumbnail %+v", info)
		}
		c, format, err := image.DecodeConfig(bytes.NewReader(out))
		if err != nil || format != info.Format || c.Width != info.Width || c.Height != info.Height {
			t.Fatalf("thumbnail is a %s of %d×%d (%v), want %+v", format, c.Width, c.Height, err, info)
		}
		if _, _, err := render.Pixelate(bytes.NewReader(in), int64(len(in)), fuzzBounds); err != nil {
			t.Fatalf("pixelate: %v, though there is a thumbnail", err)
		}
	})
}
