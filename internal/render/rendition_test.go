package render_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/render"
)

func pixelate(t testing.TB, b []byte) (image.Image, render.Info) {
	t.Helper()
	out, info, err := render.Pixelate(bytes.NewReader(b), int64(len(b)), render.DefaultBounds())
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if want := (render.Info{Format: "png", Width: m.Bounds().Dx(), Height: m.Bounds().Dy(), Frames: 1}); info != want {
		t.Errorf("info %+v, want %+v", info, want)
	}
	return m, info
}

func thumbnail(t testing.TB, b []byte, edge int) (image.Image, render.Info) {
	t.Helper()
	out, info, err := render.Thumbnail(bytes.NewReader(b), int64(len(b)), render.DefaultBounds(), edge)
	if err != nil {
		t.Fatal(err)
	}
	m, format, err := image.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if want := (render.Info{Format: format, Width: m.Bounds().Dx(), Height: m.Bounds().Dy(), Frames: 1}); info != want {
		t.Errorf("info %+v, want %+v", info, want)
	}
	return m, info
}

// noise is a picture that holds as much as it can.
func noise(width, height int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		m.Pix[i] = byte(rnd.Uint32())
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// squares counts the flat rectangles of a picture across and down, and fails
// on a pixel that differs from the rest of its rectangle.
func squares(t *testing.T, m image.Image) (nx, ny int) {
	t.Helper()
	b := m.Bounds()
	colEdge, rowEdge := make([]bool, b.Dx()+1), make([]bool, b.Dy()+1)
	for y := range b.Dy() {
		for x := range b.Dx() {
			colEdge[x] = colEdge[x] || x > 0 && m.At(x, y) != m.At(x-1, y)
			rowEdge[y] = rowEdge[y] || y > 0 && m.At(x, y) != m.At(x, y-1)
		}
	}
	nx, ny = 1, 1
	for _, e := range colEdge {
		if e {
			nx++
		}
	}
	for _, e := range rowEdge {
		if e {
			ny++
		}
	}
	return nx, ny
}

// However much a picture holds, at most 8×8 squares of 16 levels a channel are
// left, and a square is never smaller than 16 pixels of the original.
func TestPixelateLeavesAlmostNothing(t *testing.T) {
	tests := []struct {
		width, height int
		nx, ny        int // at most
		wantW, wantH  int
	}{
		{1, 1, 1, 1, 1, 1},
		{31, 31, 1, 1, 31, 31},
		{33, 17, 2, 1, 33, 17},
		{64, 64, 4, 4, 64, 64},
		{128, 128, 8, 8, 128, 128},
		{800, 600, 8, 6, 800, 600},
		{2048, 1024, 8, 4, 1024, 512},
		{1500, 20, 8, 1, 1024, 14},
	}
	for _, tt := range tests {
		m, info := pixelate(t, noise(tt.width, tt.height))
		if info.Width != tt.wantW || info.Height != tt.wantH {
			t.Errorf("%d×%d: is %d×%d, want %d×%d", tt.width, tt.height, info.Width, info.Height, tt.wantW, tt.wantH)
		}
		if nx, ny := squares(t, m); nx > tt.nx || ny > tt.ny {
			t.Errorf("%d×%d: %d×%d squares, want at most %d×%d", tt.width, tt.height, nx, ny, tt.nx, tt.ny)
		}
	}
}

func TestPixelateRoundsColours(t *testing.T) {
	for _, name := range []string{"face.jpg", "progressive.jpg", "screenshot.png", "alpha.webp"} {
		m, _ := pixelate(t, file(t, name))
		colours := map[color.Color]bool{}
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				colours[m.At(x, y)] = true
			}
		}
		for c := range colours {
			if r, g, b, a := c.RGBA(); r>>8%17 != 0 || g>>8%17 != 0 || b>>8%17 != 0 || a != 0xffff {
				t.Errorf("%s: colour %v is none of 16 levels", name, c)
			}
		}
		if len(colours) > 64 || len(colours) < 2 {
			t.Errorf("%s: %d colours, want 2 to 64", name, len(colours))
		}
	}
}

// Two pictures that differ in a text only look the same: what is under a
// square's colour cannot be read from it.
func TestPixelateHidesText(t *testing.T) {
	page := func(secret byte) []byte {
		m := image.NewGray(image.Rect(0, 0, 512, 256))
		for i := range m.Pix {
			m.Pix[i] = 250
		}
		for bit := range 8 { // a line of strokes that says the secret
			for y := range 10 {
				x := 60 + 12*bit + int(secret>>bit&1)*4
				m.SetGray(x, 40+y, color.Gray{30})
			}
		}
		return pngOf(t, m)
	}
	one, _ := pixelate(t, page(0b10110010))
	two, _ := pixelate(t, page(0b01001101))
	if diff := cmp.Diff(one, two); diff != "" {
		t.Error("two secrets give two pixelated pages")
	}
}

// What is transparent becomes white: the shape of a hole is a part of the picture.
func TestPixelateLaysOnWhite(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := 3; i < len(m.Pix)/2; i += 4 {
		m.Pix[i] = 255 // black above, nothing below
	}
	got, _ := pixelate(t, pngOf(t, m))
	for y, want := range map[int]uint32{0: 0, 63: 0xffff} {
		if r, _, _, a := got.At(0, y).RGBA(); r != want || a != 0xffff {
			t.Errorf("row %d is %#x with alpha %#x, want %#x", y, r, a, want)
		}
	}
}

func TestPixelateIsDeterministic(t *testing.T) {
	b := file(t, "face.jpg")
	one, _, err := render.Pixelate(bytes.NewReader(b), int64(len(b)), render.DefaultBounds())
	two, _, err2 := render.Pixelate(bytes.NewReader(b), int64(len(b)), render.DefaultBounds())
	if err != nil || err2 != nil || !bytes.Equal(one, two) {
		t.Errorf("%d and %d bytes, errors %v, %v; want the same twice", len(one), len(two), err, err2)
	}
}

// Nothing that stood beside the pixels comes along, in whatever format.
func TestMetadataIsGone(t *testing.T) {
	const secret = "ann@example.com"
	jpg := after(jpegOf(t, corners()), segment(0xe1, "Exif\x00\x00", exif(6), secret), segment(0xfe, secret), segment(0xe2, "ICC_PROFILE\x00", secret))
	tests := map[string][]byte{
		"jpeg":                 jpg,
		"png":                  grey(chunk("tEXt", "parameters\x00", secret), chunk("eXIf", exif(6), secret), chunk("caBX", secret)),
		"gif":                  cat(gifOf(t, 1)[:13+3*2], "!\xfe\x0f", secret, 0, gifOf(t, 1)[13+3*2:]),
		"webp":                 riff(vp8x(8, 96, 64), file(t, "lossy.webp")[12:], webpChunk("EXIF", exif(6), secret), webpChunk("XMP ", secret)),
		"leaking thumbnail":    file(t, "exif-thumbnail.jpg"),
		"camera and Photoshop": file(t, "face.jpg"),
	}
	for name, b := range tests {
		pix, _, err := render.Pixelate(bytes.NewReader(b), int64(len(b)), render.DefaultBounds())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		thumb, info, err := render.Thumbnail(bytes.NewReader(b), int64(len(b)), render.DefaultBounds(), 128)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, out := range [][]byte{pix, thumb} {
			for _, mark := range []string{secret, "Exif", "EXIF", "ICC", "Photoshop", "http://", "GPS", "JFIF"} {
				if bytes.Contains(out, []byte(mark)) {
					t.Errorf("%s: %q came along", name, mark)
				}
			}
		}
		if got, want := parts(pix, "png"), "IHDR PLTE IDAT IEND"; got != want {
			t.Errorf("%s: pixelated is %s, want %s", name, got, want)
		}
		want := map[string]string{"png": "IHDR IDAT IEND", "jpeg": "ffdb ffc0 ffc4 ffda"}[info.Format]
		if got := parts(thumb, info.Format); got != want {
			t.Errorf("%s: thumbnail is %s, want %s", name, got, want)
		}
	}
}

// parts lists the chunks or segments of a picture that was made here.
func parts(b []byte, format string) string {
	var out []byte
	if format == "png" {
		for i := 8; i+12 <= len(b); {
			out = fmt.Appendf(out, "%s ", b[i+4:i+8])
			i += 12 + int(b[i])<<24 + int(b[i+1])<<16 + int(b[i+2])<<8 + int(b[i+3])
		}
	} else {
		for i := 2; i+4 <= len(b) && b[i] == 0xff; i += 2 + int(b[i+2])<<8 + int(b[i+3]) {
			out = fmt.Appendf(out, "%x ", b[i:i+2])
		}
	}
	return string(bytes.TrimSpace(out))
}

func TestThumbnailSize(t *testing.T) {
	tests := []struct {
		width, height, edge int
		wantW, wantH        int
	}{
		{400, 200, 100, 100, 50},
		{200, 400, 100, 50, 100},
		{300, 200, 299, 299, 199},
		{80, 60, 256, 80, 60}, // never larger
		{900, 1, 90, 90, 1},
		{1, 1, 1, 1, 1},
		{640, 480, 1, 1, 1},
		{1100, 1100, 5000, 1024, 1024}, // never above 1024
	}
	for _, tt := range tests {
		m := image.NewGray(image.Rect(0, 0, tt.width, tt.height))
		_, info := thumbnail(t, pngOf(t, m), tt.edge)
		if info.Width != tt.wantW || info.Height != tt.wantH {
			t.Errorf("%d×%d into %d: %d×%d, want %d×%d", tt.width, tt.height, tt.edge, info.Width, info.Height, tt.wantW, tt.wantH)
		}
	}
	b := grey()
	_, _, err := render.Thumbnail(bytes.NewReader(b), int64(len(b)), render.DefaultBounds(), 0)
	var e *vitrine.Error
	if !errors.As(err, &e) || e.Param != "edge" {
		t.Errorf("edge 0: error %v, want one about the edge", err)
	}
}

// quarters names the colours of the four quarters, row by row.
func quarters(m image.Image) string {
	b := m.Bounds()
	var s []byte
	for _, y := range []int{b.Dy() / 4, b.Dy() * 3 / 4} {
		for _, x := range []int{b.Dx() / 4, b.Dx() * 3 / 4} {
			r, g, b, a := m.At(x, y).RGBA()
			name := byte('?')
			for c, is := range map[byte]bool{
				'r': r > 0xb000 && g < 0x5000 && b < 0x5000, 'g': g > 0xb000 && r < 0x5000, 'b': b > 0xb000 && r < 0x5000,
				'w': r > 0xb000 && g > 0xb000 && b > 0xb000, '-': a == 0,
			} {
				if is {
					name = c
				}
			}
			s = append(s, name)
		}
	}
	return string(s)
}

func TestThumbnailIsTurned(t *testing.T) {
	tests := []struct {
		orientation int
		want        string
	}{
		{0, "rgbw"}, {1, "rgbw"}, {2, "grwb"}, {3, "wbgr"}, {4, "bwrg"},
		{5, "rbgw"}, {6, "brwg"}, {7, "wgbr"}, {8, "gwrb"}, {9, "rgbw"},
	}
	for _, tt := range tests {
		e := exif(tt.orientation)
		plain := pngOf(t, corners())
		for format, b := range map[string][]byte{
			"jpeg": after(jpegOf(t, corners()), segment(0xe1, "Exif\x00\x00", e)),
			"png":  cat(plain[:33], chunk("eXIf", e), plain[33:]),
		} {
			m, info := thumbnail(t, b, 32)
			if got := quarters(m); got != tt.want {
				t.Errorf("%s, orientation %d: %s, want %s", format, tt.orientation, got, tt.want)
			}
			if tall := info.Height > info.Width; tall != (5 <= tt.orientation && tt.orientation <= 8) {
				t.Errorf("%s, orientation %d: %d×%d", format, tt.orientation, info.Width, info.Height)
			}
			if _, p := pixelate(t, b); (p.Height > p.Width) != (info.Height > info.Width) {
				t.Errorf("%s, orientation %d: pixelated is %d×%d", format, tt.orientation, p.Width, p.Height)
			}
		}
	}
	if _, info := thumbnail(t, file(t, "turned.webp"), 48); info.Width != 32 || info.Height != 48 {
		t.Errorf("turned WebP is %d×%d, want 32×48", info.Width, info.Height)
	}
}

// EXIF that makes no sense turns nothing and breaks nothing.
func TestBrokenEXIFIsIgnored(t *testing.T) {
	whole := exif(6)
	for n := range len(whole) - 6 {
		b := after(jpegOf(t, corners()), segment(0xe1, "Exif\x00\x00", whole[:n]))
		if m, _ := thumbnail(t, b, 32); n < 20 && quarters(m) != "rgbw" {
			t.Errorf("first %d bytes of EXIF: %s", n, quarters(m))
		}
	}
	far := cat("II*\x00\xff\xff\xff\xff", uint16(1))
	if m, _ := thumbnail(t, after(jpegOf(t, corners()), segment(0xe1, "Exif\x00\x00", far)), 32); quarters(m) != "rgbw" {
		t.Errorf("directory at the end of the world: %s", quarters(m))
	}
}

func TestThumbnailOfTransparentIsPNG(t *testing.T) {
	hole := corners()
	for y := range 10 {
		for x := range 20 {
			hole.Set(x, y, color.RGBA{})
		}
	}
	tests := []struct {
		name   string
		in     []byte
		format string
		want   string // quarters, or ""
	}{
		{"opaque PNG", pngOf(t, corners()), "jpeg", "rgbw"},
		{"PNG with a hole", pngOf(t, hole), "png", "-gbw"},
		{"GIF whose frame leaves three quarters free", gifOf(t, 2), "png", "---r"},
		{"WebP whose first frame leaves the edges free", file(t, "offset.webp"), "png", ""},
		{"lossless WebP cut out", file(t, "lossless.webp"), "png", ""},
		{"lossy WebP cut out", file(t, "alpha.webp"), "png", ""},
		{"opaque WebP", file(t, "lossy.webp"), "jpeg", ""},
	}
	for _, tt := range tests {
		m, info := thumbnail(t, tt.in, 40)
		if info.Format != tt.format {
			t.Errorf("%s: %s, want %s", tt.name, info.Format, tt.format)
		}
		if got := quarters(m); tt.want != "" && got != tt.want {
			t.Errorf("%s: quarters %s, want %s", tt.name, got, tt.want)
		}
		if _, _, _, a := m.At(0, 0).RGBA(); tt.want == "" && (a == 0) != (tt.format == "png") {
			t.Errorf("%s: corner has alpha %#x", tt.name, a)
		}
	}
}

// A scaled picture looks like the original: flat stays flat, and the mean stays.
func TestThumbnailKeepsColours(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
	}{
		{"noise", noise(700, 500)},
		{"photograph", file(t, "face.jpg")},
		{"lossy WebP", file(t, "lossy.webp")},
	}
	for _, tt := range tests {
		whole, _, err := image.Decode(bytes.NewReader(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		small, _ := thumbnail(t, tt.in, 40)
		for c, want := range meanOf(whole) {
			if got := meanOf(small)[c]; got < want-4 || got > want+4 {
				t.Errorf("%s: mean of channel %d is %.1f, want %.1f", tt.name, c, got, want)
			}
		}
	}
}

func meanOf(m image.Image) (mean [3]float64) {
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := m.At(x, y).RGBA()
			for i, v := range []uint32{r, g, bl} {
				mean[i] += float64(v) / 257 / float64(b.Dx()*b.Dy())
			}
		}
	}
	return mean
}

// What Inspect cannot see without decoding is found when decoding.
func TestBrokenPixels(t *testing.T) {
	head := func(data []byte) []byte {
		return cat(pngSignature, ihdr(8, 8, 8, 0, 0), chunk("IDAT", data), chunk("IEND"))
	}
	tests := []struct {
		name string
		in   []byte
	}{
		{"PNG with too few pixels", head(deflate(make([]byte, 71)))},
		{"PNG with too many pixels", head(deflate(make([]byte, 4000)))},
		{"PNG that does not unfold", head([]byte("nonsense that is no zlib"))},
		{"PNG with an impossible filter", head(deflate(bytes.Repeat([]byte{9}, 72)))},
		{"JPEG without tables", cat(jpegOf(t, corners())[:2], segment(0xc0, 8, uint16(8), uint16(8), 1, 1, 0x11, 0), segment(0xda, 1, 1, 0, 0, 63, 0), "xyz", "\xff\xd9")},
		{"WebP of nonsense", riff(webpChunk("VP8L", 0x2f, 7, 0xc0, 1, 0, bytes.Repeat([]byte{0xa5}, 40)))},
	}
	for _, tt := range tests {
		if _, err := inspect(tt.in); err != nil {
			t.Errorf("%s: inspect: %v", tt.name, err)
		}
		_, _, err := render.Thumbnail(bytes.NewReader(tt.in), int64(len(tt.in)), render.DefaultBounds(), 8)
		var e *vitrine.Error
		if !errors.As(err, &e) || e.Code != render.CodeBroken || !errors.Is(err, vitrine.ErrInvalid) {
			t.Errorf("%s: error %v, want code %s", tt.name, err, render.CodeBroken)
		}
	}
}

// Every kind of pixels that the decoders make is understood.
func TestKindsOfPixels(t *testing.T) {
	rect := image.Rect(0, 0, 48, 48)
	draw := func(m interface {
		image.Image
		Set(x, y int, c color.Color)
	}) image.Image {
		for y := range 48 {
			for x := range 48 {
				m.Set(x, y, color.RGBA{200, 200, 200, 255})
			}
		}
		return m
	}
	for name, m := range map[string]image.Image{
		"grey": draw(image.NewGray(rect)), "deep grey": draw(image.NewGray16(rect)), "colour": draw(image.NewRGBA(rect)),
		"deep colour": draw(image.NewRGBA64(rect)), "palette": draw(image.NewPaletted(rect, color.Palette{color.RGBA{200, 200, 200, 255}})),
		"straight alpha": draw(image.NewNRGBA(rect)), "deep straight alpha": draw(image.NewNRGBA64(rect)),
	} {
		pix, _ := pixelate(t, pngOf(t, m))
		if r, _, _, _ := pix.At(9, 9).RGBA(); r>>8 != 204 { // 200 rounded to a level
			t.Errorf("%s: pixelated to %d, want 204", name, r>>8)
		}
		thumb, _ := thumbnail(t, pngOf(t, m), 20)
		if r, _, _, _ := thumb.At(9, 9).RGBA(); r>>8 < 199 || r>>8 > 201 {
			t.Errorf("%s: thumbnail has %d, want 200", name, r>>8)
		}
	}
}

func photo(b testing.TB, width, height int) image.Image {
	src, err := jpeg.Decode(bytes.NewReader(file(b, "c2pa.jpg")))
	if err != nil {
		b.Fatal(err)
	}
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	rnd := rand.New(rand.NewPCG(3, 4))
	for y := range height {
		for x := range width {
			r, g, bl, _ := src.At(x*src.Bounds().Dx()/width, y*src.Bounds().Dy()/height).RGBA()
			n := byte(rnd.Uint32() & 7)
			m.SetRGBA(x, y, color.RGBA{byte(r>>8)&^7 | n, byte(g>>8)&^7 | n, byte(bl>>8)&^7 | n, 255})
		}
	}
	return m
}

func BenchmarkRender(b *testing.B) {
	pictures := map[string][]byte{
		"png_1MP":   pngOf(b, photo(b, 1024, 1024)),
		"jpeg_12MP": jpegOf(b, photo(b, 4000, 3000)),
	}
	bounds := render.DefaultBounds()
	for name, p := range pictures {
		r, size := bytes.NewReader(p), int64(len(p))
		run := func(verb string, f func() error) {
			b.Run(verb+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(size)
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("Inspect", func() error { _, err := render.Inspect(r, size, bounds); return err })
		run("Pixelate", func() error { _, _, err := render.Pixelate(r, size, bounds); return err })
		run("Thumbnail", func() error { _, _, err := render.Thumbnail(r, size, bounds, 256); return err })
	}
}
