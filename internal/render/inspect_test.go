package render_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/render"
)

func inspect(b []byte) (render.Info, error) {
	return render.Inspect(bytes.NewReader(b), int64(len(b)), render.DefaultBounds())
}

func TestInspect(t *testing.T) {
	small := jpegOf(t, corners())
	tests := []struct {
		name string
		in   []byte
		want render.Info
	}{
		{"baseline JPEG", file(t, "baseline.jpg"), render.Info{Format: "jpeg", Width: 299, Height: 213, Frames: 1}},
		{"progressive JPEG", file(t, "progressive.jpg"), render.Info{Format: "jpeg", Width: 1000, Height: 664, Frames: 1}},
		{"JPEG with a C2PA manifest", file(t, "c2pa.jpg"), render.Info{Format: "jpeg", Width: 2048, Height: 1365, Frames: 1}},
		{"JPEG with EXIF, ICC and Photoshop data", file(t, "face.jpg"), render.Info{Format: "jpeg", Width: 162, Height: 228, Frames: 1}},
		{"JPEG with a leaking thumbnail", file(t, "exif-thumbnail.jpg"), render.Info{Format: "jpeg", Width: 320, Height: 400, Frames: 1}},
		{"JPEG padded by a camera", cat(small, make([]byte, 4096)), render.Info{Format: "jpeg", Width: 40, Height: 20, Frames: 1}},
		{"JPEG with a second picture that its index announces", cat(after(small, segment(0xe2, "MPF\x00")), make([]byte, 100), file(t, "baseline.jpg")),
			render.Info{Format: "jpeg", Width: 40, Height: 20, Frames: 1}},
		{"JPEG with fill bytes and a restart too many", cat(small[:2], 0xff, 0xff, small[2:len(small)-2], "\xff\xd0\xff\xd9"), render.Info{Format: "jpeg", Width: 40, Height: 20, Frames: 1}},
		{"PNG", file(t, "screenshot.png"), render.Info{Format: "png", Width: 800, Height: 600, Frames: 1}},
		{"PNG with a C2PA manifest, text and EXIF", grey(chunk("caBX", "jumb"), chunk("tEXt", "parameters\x00a cat"), chunk("zTXt", "prompt\x00\x00", deflate([]byte("a cat"))),
			chunk("iTXt", "note\x00\x01\x00en\x00\x00", deflate([]byte("a cat"))), chunk("eXIf", exif(1))), render.Info{Format: "png", Width: 8, Height: 8, Frames: 1}},
		{"animated PNG", grey(chunk("acTL", uint32(1), uint32(0)), fcTL(8, 8)), render.Info{Format: "png", Width: 8, Height: 8, Frames: 1}},
		{"GIF of three frames", gifOf(t, 3), render.Info{Format: "gif", Width: 40, Height: 20, Frames: 3}},
		{"GIF padded with a zero", cat(gifOf(t, 1), 0), render.Info{Format: "gif", Width: 40, Height: 20, Frames: 1}},
		{"lossy WebP", file(t, "lossy.webp"), render.Info{Format: "webp", Width: 96, Height: 64, Frames: 1}},
		{"lossless WebP", file(t, "lossless.webp"), render.Info{Format: "webp", Width: 96, Height: 64, Frames: 1}},
		{"WebP with transparency", file(t, "alpha.webp"), render.Info{Format: "webp", Width: 96, Height: 64, Frames: 1}},
		{"animated WebP", file(t, "animated.webp"), render.Info{Format: "webp", Width: 96, Height: 64, Frames: 3}},
		{"animated WebP with frames beside each other", file(t, "offset.webp"), render.Info{Format: "webp", Width: 60, Height: 50, Frames: 2}},
		{"WebP with EXIF", file(t, "turned.webp"), render.Info{Format: "webp", Width: 96, Height: 64, Frames: 1}},
	}
	for _, tt := range tests {
		got, err := inspect(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func fcTL(width, height uint32) []byte {
	return chunk("fcTL", uint32(0), width, height, uint32(0), uint32(0), uint16(1), uint16(10), 0, 0)
}

// refusals are hostile or wrong pictures, none larger than a few hundred KB.
func refusals(t testing.TB) []refusal {
	jpg, webp, lossless := jpegOf(t, corners()), file(t, "lossy.webp"), file(t, "lossless.webp")
	gif1 := gifOf(t, 1)
	at := func(b []byte, i int, p ...byte) []byte {
		c := bytes.Clone(b)
		copy(c[i:], p)
		return c
	}
	sof := bytes.Index(jpg, []byte{0xff, 0xc0}) + 5 // height, width
	const invalid, large = "invalid", "too large"
	return []refusal{
		{"nothing", nil, invalid, render.CodeUnsupported, "an empty file"},
		{"SVG with a script", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), invalid, render.CodeUnsupported, "an SVG drawing"},
		{"SVG behind a prolog", []byte("\ufeff\n<?xml version='1.0'?><!-- x --><svg/>"), invalid, render.CodeUnsupported, "an SVG drawing"},
		{"HTML called .jpg", []byte("<!doctype html><script>alert(1)</script>"), invalid, render.CodeUnsupported, "an HTML page"},
		{"PDF", []byte("%PDF-1.7"), invalid, render.CodeUnsupported, "a PDF document"},
		{"BMP", []byte("BM\x00\x00\x00\x00"), invalid, render.CodeUnsupported, "a BMP picture"},
		{"TIFF", []byte("II*\x00\x08\x00\x00\x00"), invalid, render.CodeUnsupported, "a TIFF picture"},
		{"AVIF", []byte("\x00\x00\x00\x1cftypavif"), invalid, render.CodeUnsupported, "an AVIF picture"},
		{"ZIP", []byte("PK\x03\x04"), invalid, render.CodeUnsupported, "a ZIP archive"},
		{"text", []byte("a cat"), invalid, render.CodeUnsupported, "something else"},

		{"PNG bomb of 30000×30000", cat(pngSignature, ihdr(30000, 30000, 1, 0, 0), chunk("IDAT", make([]byte, 100<<10)), chunk("IEND")), large, render.CodePixels, "50 million pixels"},
		{"PNG that claims 3.2 GB", cat(pngSignature, ihdr(20000, 20000, 16, 6, 0), chunk("IDAT", "x"), chunk("IEND")), large, render.CodePixels, ""},
		{"PNG of one endless row", cat(pngSignature, ihdr(1<<17, 1, 1, 0, 0), chunk("IDAT", make([]byte, 1000)), chunk("IEND")), large, render.CodePixels, ""},
		{"PNG that claims 200 MB in 40 bytes", cat(pngSignature, ihdr(7000, 7000, 8, 6, 0), chunk("IDAT", make([]byte, 40)), chunk("IEND")), invalid, render.CodeMismatch, "cannot unfold"},
		{"PNG of no width", cat(pngSignature, ihdr(0, 8, 8, 0, 0), chunk("IDAT", "x"), chunk("IEND")), invalid, render.CodeBroken, "canvas"},
		{"PNG of impossible depth", cat(pngSignature, ihdr(8, 8, 3, 0, 0), chunk("IDAT", "x"), chunk("IEND")), invalid, render.CodeBroken, "depth 3"},
		{"PNG without pixels", cat(pngSignature, ihdr(8, 8, 8, 0, 0), chunk("IEND")), invalid, render.CodeBroken, "no IDAT"},
		{"PNG with pixels in two places", grey(chunk("IDAT", deflate(make([]byte, 72))), chunk("tEXt", "a\x00b")), invalid, render.CodeBroken, "out of order"},
		{"PNG with two heads", grey(ihdr(8, 8, 8, 0, 0)), invalid, render.CodeBroken, "IHDR"},
		{"PNG with a palette missing", cat(pngSignature, ihdr(8, 8, 8, 3, 0), chunk("IDAT", deflate(make([]byte, 72))), chunk("IEND")), invalid, render.CodeBroken, "out of order"},
		{"PNG with an unknown critical chunk", grey(chunk("EVIL")), invalid, render.CodeUnsupported, "of its own kind"},
		{"PNG with a wrong checksum", at(grey(), 30, 0xff), invalid, render.CodeBroken, "checksum of chunk IHDR"},
		{"PNG with a chunk of 4 GB", at(grey(), 33, 0xff, 0xff, 0xff, 0xff), invalid, render.CodeTruncated, ""},
		{"PNG in twenty thousand pieces", grey(bytes.Repeat(chunk("tIME"), 20_000)), large, render.CodeParts, ""},
		{"PNG whose text unfolds to 20 MB", grey(chunk("zTXt", "prompt\x00\x00", deflate(make([]byte, 20<<20)))), large, render.CodeMemory, "zTXt"},
		{"PNG whose texts unfold to 18 MB together", grey(bytes.Repeat(chunk("iTXt", "a\x00\x01\x00\x00\x00", deflate(make([]byte, 3<<20))), 6)), large, render.CodeMemory, "iTXt"},
		{"PNG with a page behind it", cat(grey(), "<script>alert(1)</script>"), invalid, render.CodeTrailing, ""},
		{"PNG with a ZIP behind it", cat(grey(), "PK\x03\x04"), invalid, render.CodeTrailing, ""},
		{"PNG cropped in place, the old end still there", cat(grey(), grey()[40:]), invalid, render.CodeTrailing, ""},
		{"animated PNG that promises more frames", grey(chunk("acTL", uint32(9), uint32(0)), fcTL(8, 8)), invalid, render.CodeMismatch, "9 frames"},
		{"animated PNG with a frame beyond the canvas", grey(chunk("acTL", uint32(1), uint32(0)), fcTL(9, 8)), invalid, render.CodeMismatch, "outside the canvas"},
		{"animated PNG of 5000 frames", grey(chunk("acTL", uint32(5000), uint32(0)), bytes.Repeat(fcTL(8, 8), 5000)), large, render.CodeFrames, "100 frames"},

		{"JPEG cut short", jpg[:len(jpg)-30], invalid, render.CodeTruncated, ""},
		{"JPEG that claims 65535×65535", at(jpg, sof, 0xff, 0xff, 0xff, 0xff), large, render.CodePixels, ""},
		{"JPEG that claims 7000×7000 in 100 bytes", at(jpg, sof, 7000>>8, 7000&255, 7000>>8, 7000&255), invalid, render.CodeMismatch, "blocks"},
		{"JPEG of no height", at(jpg, sof, 0, 0), invalid, render.CodeBroken, "canvas"},
		{"JPEG of 12 bits", at(jpg, sof-1, 12), invalid, render.CodeUnsupported, ""},
		{"lossless JPEG", at(jpg, sof-4, 0xc3), invalid, render.CodeUnsupported, "rare kind"},
		{"JPEG with two frame headers", after(jpg, jpg[sof-5:sof+14]), invalid, render.CodeBroken, "frame header"},
		{"JPEG with a scan before its header", after(jpg, segment(0xda, make([]byte, 6))), invalid, render.CodeBroken, "before the frame header"},
		{"JPEG without a scan", cat(jpg[:sof+14], "\xff\xd9"), invalid, render.CodeBroken, "no scan"},
		{"JPEG with stray bytes", after(jpg, segment(0xfe, "comment"), []byte("stray")), invalid, render.CodeBroken, "marker"},
		{"JPEG with an endless chain of APPn", after(jpg, bytes.Repeat(segment(0xe5), 20_000)), large, render.CodeParts, ""},
		{"JPEG in 1000 passes", cat(jpg[:len(jpg)-2], bytes.Repeat(cat(segment(0xda, make([]byte, 6)), "x"), 1000), "\xff\xd9"), large, render.CodeMemory, "64 passes"},
		{"JPEG with a page behind it", cat(jpg, "<html>"), invalid, render.CodeTrailing, ""},
		{"JPEG with another that no index announces", cat(jpg, jpg), invalid, render.CodeTrailing, ""},
		{"JPEG whose second picture is cut", cat(after(jpg, segment(0xe2, "MPF\x00")), jpg[:len(jpg)-30]), invalid, render.CodeTruncated, ""},
		{"JPEG with a megabyte of zeros behind it", cat(jpg, make([]byte, 1<<20)), invalid, render.CodeTrailing, ""},

		{"GIF of 5000 frames on 5000×5000", at(gifOf(t, 5000), 6, 0x88, 0x13, 0x88, 0x13), large, render.CodeFrames, "100 frames"},
		{"GIF of 100 frames that are 80 million pixels", bigGIF(100, 1000, 800), large, render.CodePixels, ""},
		{"GIF that claims a frame of 36 million pixels in 5 bytes", bigGIF(1, 6000, 6000), invalid, render.CodeMismatch, "cannot unfold"},
		{"GIF with a frame beyond the canvas", at(gif1, 6, 39, 0), invalid, render.CodeMismatch, "outside the canvas"},
		{"GIF without a frame", []byte("GIF89a\x08\x00\x08\x00\x00\x00\x00;"), invalid, render.CodeBroken, "no frame"},
		{"GIF with a strange block", []byte("GIF89a\x08\x00\x08\x00\x00\x00\x00?"), invalid, render.CodeBroken, "block type"},
		{"GIF cut short", gif1[:len(gif1)-2], invalid, render.CodeTruncated, ""},
		{"GIF with a page behind it", cat(gif1, "<html>"), invalid, render.CodeTrailing, ""},
		{"GIF of nothing but comments", cat("GIF89a\x08\x00\x08\x00\x00\x00\x00", strings.Repeat("!\xfe\x00", 50_000)), large, render.CodeParts, ""},

		{"WebP cut short", webp[:len(webp)-10], invalid, render.CodeTruncated, ""},
		{"WebP with a page behind it", cat(webp, "<html>"), invalid, render.CodeTrailing, ""},
		{"WebP whose canvas lies", riff(vp8x(0, 97, 64), webp[12:]), invalid, render.CodeMismatch, "canvas of 97×64"},
		{"WebP whose canvas is a bomb", riff(vp8x(0, 1<<24, 1<<24), webp[12:]), large, render.CodePixels, ""},
		{"WebP that claims 16383×16383", riff(webpChunk("VP8L", 0x2f, 0xfe, 0xff, 0xff, 0x0f, 0)), large, render.CodePixels, ""},
		{"WebP of a later version", riff(webpChunk("VP8L", 0x2f, 0, 0, 0, 0xe0, 0)), invalid, render.CodeUnsupported, "later version"},
		{"WebP without a picture", riff(vp8x(0, 8, 8)), invalid, render.CodeBroken, "no picture"},
		{"WebP with two pictures", riff(webp[12:], lossless[12:]), invalid, render.CodeBroken, "two pictures"},
		{"WebP that is no key frame", at(webp, 20, webp[20]|1), invalid, render.CodeBroken, "VP8 "},
		{"WebP frame that lies about its height", riff(vp8x(2, 96, 64), anmf(96, 63, webp[12:])), invalid, render.CodeMismatch, "holds 96×64"},
		{"WebP frame that lies about its width", riff(vp8x(2, 96, 64), anmf(95, 64, webp[12:])), invalid, render.CodeMismatch, "holds 96×64"},
		{"WebP of 5000 frames", riff(vp8x(2, 96, 64), bytes.Repeat(anmf(96, 64, webp[12:]), 300)), large, render.CodeFrames, "100 frames"},
		{"WebP of too many chunks", riff(webp[12:], bytes.Repeat(webpChunk("junk"), 20_000)), large, render.CodeParts, ""},
		{"RIFF that is sound", []byte("RIFF\x04\x00\x00\x00WAVE"), invalid, render.CodeUnsupported, "something else"},
	}
}

type refusal struct {
	name string
	in   []byte
	kind string
	code string
	says string
}

// bigGIF has n frames of almost no data.
func bigGIF(n int, width, height uint16) []byte {
	le := func(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }
	frame := cat(0x2c, le(0), le(0), le(width), le(height), 0, 2, 255, make([]byte, 255), 255, make([]byte, 255), 0)
	if n == 1 {
		frame = cat(0x2c, le(0), le(0), le(width), le(height), 0, 2, 5, make([]byte, 5), 0)
	}
	return cat("GIF89a", le(width), le(height), 0x80, 0, 0, "\x00\x00\x00\xff\xff\xff", bytes.Repeat(frame, n), 0x3b)
}

func anmf(width, height int, still []byte) []byte {
	w, h := width-1, height-1
	return webpChunk("ANMF", make([]byte, 6), w&255, w>>8, 0, h&255, h>>8, 0, make([]byte, 4), still)
}

// What is refused is refused at the price of a window and a decompressor,
// whatever it claims to be.
func TestInspectRefuses(t *testing.T) {
	const most = 256 << 10
	for _, tt := range refusals(t) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		info, err := inspect(tt.in)
		runtime.ReadMemStats(&after)

		var e *vitrine.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: error %v, want a *vitrine.Error", tt.name, err)
			continue
		}
		if e.Kind.Error() != tt.kind || e.Code != tt.code || e.Param != "image" || e.Public == "" {
			t.Errorf("%s: %v, code %q, param %q: %v; want %s, %s", tt.name, e.Kind, e.Code, e.Param, e, tt.kind, tt.code)
		}
		if !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: error %q does not say %q", tt.name, err, tt.says)
		}
		if info != (render.Info{}) {
			t.Errorf("%s: info %+v beside an error", tt.name, info)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > most {
			t.Errorf("%s: refusing allocated %d bytes, want at most %d", tt.name, n, most)
		}
	}
}

// The same refusals, by the doors that decode.
func TestRenditionsRefuseAsInspect(t *testing.T) {
	for _, tt := range refusals(t) {
		_, _, pix := render.Pixelate(bytes.NewReader(tt.in), int64(len(tt.in)), render.DefaultBounds())
		_, _, thumb := render.Thumbnail(bytes.NewReader(tt.in), int64(len(tt.in)), render.DefaultBounds(), 64)
		for _, err := range []error{pix, thumb} {
			var e *vitrine.Error
			if !errors.As(err, &e) || e.Code != tt.code {
				t.Errorf("%s: error %v, want code %s", tt.name, err, tt.code)
			}
		}
	}
}

func TestInspectRefusesEveryCut(t *testing.T) {
	for name, b := range map[string][]byte{
		"png": grey(chunk("tEXt", "a\x00b")), "jpeg": jpegOf(t, corners()), "gif": gifOf(t, 2),
		"webp": file(t, "alpha.webp"), "animated webp": file(t, "animated.webp"),
	} {
		if _, err := inspect(b); err != nil {
			t.Errorf("%s: whole: %v", name, err)
		}
		for n := range b {
			if _, err := inspect(b[:n]); !errors.Is(err, vitrine.ErrInvalid) {
				t.Errorf("%s: first %d of %d bytes: error %v, want invalid", name, n, len(b), err)
			}
		}
	}
}

func TestInspectFindsEveryFlippedBitOfPNG(t *testing.T) {
	b := grey(chunk("tEXt", "a\x00b"))
	for i := range 8 * len(b) {
		b[i/8] ^= 1 << (i % 8)
		if _, err := inspect(b); err == nil {
			t.Errorf("bit %d of byte %d flipped: accepted", i%8, i/8)
		}
		b[i/8] ^= 1 << (i % 8)
	}
}

func TestBounds(t *testing.T) {
	png, animated, progressive := file(t, "screenshot.png"), file(t, "animated.webp"), file(t, "progressive.jpg")
	tests := []struct {
		name string
		in   []byte
		b    render.Bounds
		want string // code
	}{
		{"zero bounds are the defaults", png, render.Bounds{}, ""},
		{"just enough bytes", png, render.Bounds{Bytes: int64(len(png))}, ""},
		{"a byte too many", png, render.Bounds{Bytes: int64(len(png)) - 1}, render.CodeBytes},
		{"just enough pixels", png, render.Bounds{Pixels: 800 * 600}, ""},
		{"a pixel too many", png, render.Bounds{Pixels: 800*600 - 1}, render.CodePixels},
		{"just enough pixels for all frames", animated, render.Bounds{Pixels: 96*64 + 2*40*30}, ""},
		{"a pixel too many in all frames", animated, render.Bounds{Pixels: 96*64 + 2*40*30 - 1}, render.CodePixels},
		{"just enough frames", animated, render.Bounds{Frames: 3}, ""},
		{"a frame too many", animated, render.Bounds{Frames: 2}, render.CodeFrames},
		{"enough memory for many passes", progressive, render.Bounds{Memory: 12 << 20}, ""},
		{"too little memory for many passes", progressive, render.Bounds{Memory: 2 << 20}, render.CodeMemory},
	}
	for _, tt := range tests {
		_, err := render.Inspect(bytes.NewReader(tt.in), int64(len(tt.in)), tt.b)
		var e *vitrine.Error
		if errors.As(err, &e); tt.want == "" && err != nil || tt.want != "" && (e == nil || e.Code != tt.want || e.Kind != vitrine.ErrTooLarge) {
			t.Errorf("%s: error %v, want code %q", tt.name, err, tt.want)
		}
	}
}

// A gigabyte is refused without a byte of it being read.
func TestInspectReadsNothingBeyondBounds(t *testing.T) {
	r := &watched{size: 1 << 30}
	if _, err := render.Inspect(r, r.size, render.DefaultBounds()); !errors.Is(err, vitrine.ErrTooLarge) {
		t.Errorf("error %v, want too large", err)
	}
	if r.reads != 0 {
		t.Errorf("read %d times, want not at all", r.reads)
	}
}

func TestInspectReadsInPieces(t *testing.T) {
	b := file(t, "c2pa.jpg")
	r := &watched{b: b, size: int64(len(b))}
	if _, err := render.Inspect(r, r.size, render.DefaultBounds()); err != nil {
		t.Fatal(err)
	}
	if r.largest > 64<<10 || r.total > 2*len(b) {
		t.Errorf("largest read is %d bytes, all are %d of %d; want at most 64 KB, and each byte once", r.largest, r.total, len(b))
	}
}

// Trouble with the disk is no fault of the picture.
func TestErrorsOfReadingAreNotThePictures(t *testing.T) {
	b := file(t, "c2pa.jpg")
	broken := errors.New("disk broken")
	for _, at := range []int{0, 20_000, len(b) - 1} {
		r := &watched{b: b, size: int64(len(b)), failAt: at, err: broken}
		_, one := render.Inspect(r, r.size, render.DefaultBounds())
		_, _, two := render.Pixelate(r, r.size, render.DefaultBounds())
		for _, err := range []error{one, two} {
			if !errors.Is(err, broken) || errors.Is(err, vitrine.ErrInvalid) {
				t.Errorf("reading fails at %d: error %v, want that of the disk", at, err)
			}
		}
	}
	// The disk may also break after the walk, while decoding.
	for _, b := range [][]byte{b, file(t, "screenshot.png"), gifOf(t, 1), file(t, "alpha.webp")} {
		whole := &watched{b: b, size: int64(len(b))}
		if _, err := render.Inspect(whole, whole.size, render.DefaultBounds()); err != nil {
			t.Fatal(err)
		}
		r := &watched{b: b, size: int64(len(b)), failAfter: whole.reads + 1, err: broken}
		if _, _, err := render.Pixelate(r, r.size, render.DefaultBounds()); !errors.Is(err, broken) || errors.Is(err, vitrine.ErrInvalid) {
			t.Errorf("reading fails while decoding: error %v, want that of the disk", err)
		}
	}
}

// watched is a file that counts how it is read, and may break.
type watched struct {
	b              []byte
	size           int64
	failAt         int // offset from which reading fails, or 0
	failAfter      int // reads after which it fails, or 0
	err            error
	reads, largest int
	total          int
}

func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	w.reads, w.largest, w.total = w.reads+1, max(w.largest, len(p)), w.total+len(p)
	if w.err != nil && (w.failAfter == 0 && off+int64(len(p)) > int64(w.failAt) || w.failAfter > 0 && w.reads > w.failAfter) {
		return 0, w.err
	}
	if off >= int64(len(w.b)) {
		return 0, io.EOF
	}
	n := copy(p, w.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
