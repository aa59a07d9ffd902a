package render_test

import (
	"bytes"
	"image"
	"image/color"
	"image/color/palette"
	"image/png"
	"runtime"
	"testing"

	"vitrine.dev/vitrine/internal/render"
)

// What decoding is reckoned to take is not less than what it does take, of
// everything allocated on the way, and not wildly more.
func TestMemoryIsReckoned(t *testing.T) {
	rect := image.Rect(0, 0, 600, 500)
	grid := func(m image.Image) []byte { return pngOf(t, m) }
	tests := []struct {
		name string
		in   []byte
	}{
		{"grey PNG", grid(image.NewGray(rect))},
		{"deep grey PNG", grid(image.NewGray16(rect))},
		{"PNG with a palette", grid(image.NewPaletted(rect, palette.Plan9))},
		{"colour PNG", noise(600, 500)},
		{"PNG with transparency", grid(image.NewNRGBA(rect))},
		{"deep PNG with transparency", grid(image.NewNRGBA64(rect))},
		{"interlaced PNG", interlaced(600, 500)},
		{"grey JPEG", jpegOf(t, image.NewGray(rect))},
		{"JPEG", jpegOf(t, photo(t, 600, 500))},
		{"large JPEG", file(t, "c2pa.jpg")},
		{"progressive JPEG", file(t, "progressive.jpg")},
		{"GIF", bigGIF(1, 100, 100)},
		{"WebP, lossless", file(t, "large-lossless.webp")},
		{"WebP with a palette", file(t, "large-palette.webp")},
		{"WebP with transparency", file(t, "large-alpha.webp")},
	}
	const fixed = 384 << 10 // tables and buffers
	for _, tt := range tests {
		r, size := bytes.NewReader(tt.in), int64(len(tt.in))
		want, err := render.Memory(r, size)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err = render.Decode(r, size)
		runtime.ReadMemStats(&after)
		if err != nil && tt.name != "GIF" { // whose data is made up
			t.Errorf("%s: %v", tt.name, err)
		}
		got := int64(after.TotalAlloc - before.TotalAlloc)
		t.Logf("%-28s took %5d KB, reckoned %5d KB", tt.name, got>>10, want>>10)
		if got > want+fixed || want > 5*got+fixed {
			t.Errorf("%s: decoding allocated %d bytes, reckoned were %d", tt.name, got, want)
		}
	}
}

// interlaced is a grey PNG in seven passes.
func interlaced(width, height int) []byte {
	var raw []byte
	for _, p := range [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} {
		w, h := (width-p[0]+p[2]-1)/p[2], (height-p[1]+p[3]-1)/p[3]
		raw = append(raw, make([]byte, h*(1+w))...)
	}
	return cat(pngSignature, ihdr(uint32(width), uint32(height), 8, 0, 1), chunk("IDAT", deflate(raw)), chunk("IEND"))
}

// A rendition takes little beside the decoded picture: a row, and what comes out.
func TestRenditionsTakeLittleMore(t *testing.T) {
	m := image.NewPaletted(image.Rect(0, 0, 2000, 1500), color.Palette{color.Black, color.White})
	for i := range m.Pix {
		m.Pix[i] = byte(i >> 3 & 1)
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	r, size := bytes.NewReader(b.Bytes()), int64(b.Len())
	for name, f := range map[string]func() error{
		"pixelate":  func() error { _, _, err := render.Pixelate(r, size, render.DefaultBounds()); return err },
		"thumbnail": func() error { _, _, err := render.Thumbnail(r, size, render.DefaultBounds(), 256); return err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := f()
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		const decoded, more = 2000 * 1500, 6 << 20
		if got := after.TotalAlloc - before.TotalAlloc; got > decoded+more {
			t.Errorf("%s: allocated %d bytes for a picture of %d", name, got, decoded)
		}
	}
}
