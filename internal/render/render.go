// Package render works on pixels: it says what a picture is, and makes the
// forms in which those see it who may not see the original.
//
// It opens no file, reads no configuration and decides nothing: who gets which
// form is asked elsewhere. It never changes an original and never writes one
// again; what it makes is new, from pixels alone, so that nothing that stood
// beside the pixels - EXIF with a place, a thumbnail that still shows what was
// blacked out, a prompt - can come along. A colour profile is lost with the
// rest: pictures in wider spaces than sRGB come out paler.
//
// The one invariant: nothing is allocated in proportion to what a header
// claims before the whole container was walked and found within Bounds.
// Inspect walks in one pass with a window of 32 KB and decodes no pixel, so
// refusing a bomb costs nothing; what it accepts, the decoders can afford.
//
// The surprising choice: memory is reckoned in advance. A header of a hundred
// bytes may honestly claim fifty million pixels, for which the decoders of the
// standard library need one byte a pixel (GIF, PNG with a palette), one and a
// half (JPEG, lossy WebP), four (PNG; eight if deep or interlaced), eight
// (lossless WebP) or, for a progressive JPEG without subsampling, fifteen.
// Inspect works the sum out and refuses what is beyond Bounds.Memory, so that
// what is kept can be shown. How many pictures are decoded at the same time is
// for callers to bound.
package render

import "io"

// Bounds bound what is accepted before anything is decoded. A field that is
// zero stands for its default.
type Bounds struct {
	Bytes  int64 // of the file; 64 MiB
	Pixels int64 // of all frames together, and of the canvas; 50 million
	Frames int   // of an animation; 100
	Memory int64 // bytes that decoding the first frame may take; 512 MiB
}

// DefaultBounds are the bounds that an installation starts with.
func DefaultBounds() Bounds {
	return Bounds{Bytes: 64 << 20, Pixels: 50_000_000, Frames: 100, Memory: 512 << 20}
}

func (b Bounds) orDefault() Bounds {
	d := DefaultBounds()
	for _, f := range []struct{ field, def *int64 }{{&b.Bytes, &d.Bytes}, {&b.Pixels, &d.Pixels}, {&b.Memory, &d.Memory}} {
		if *f.field <= 0 {
			*f.field = *f.def
		}
	}
	if b.Frames <= 0 {
		b.Frames = d.Frames
	}
	return b
}

// Info is what a header says, checked against the whole container.
type Info struct {
	Format        string // png, jpeg, webp, gif
	Width, Height int    // of the canvas, before EXIF turns it
	Frames        int    // 1, or more for an animated PNG, WebP or GIF
}

// Inspect walks a container of size bytes from start to end without decoding
// pixels, and says what it holds.
//
// It refuses with a *vitrine.Error whose Param is "image": ErrTooLarge for
// what is beyond a bound, ErrInvalid for everything else - other types (named,
// as far as they can be told), a container that ends too early, parts that
// contradict each other, a header that claims more than its data can unfold
// to, and bytes after the end. After the end, files may have what cameras and
// converters write: for JPEG the further pictures that a multi-picture index
// (MPF) announces, for JPEG and GIF up to 64 KB of zeros.
//
// What it accepts may still fail to decode. An error of another type is one of
// reading r.
func Inspect(r io.ReaderAt, size int64, b Bounds) (Info, error) {
	p, err := walk(r, size, b.orDefault())
	return p.Info, err
}
