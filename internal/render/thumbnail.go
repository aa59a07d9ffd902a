package render

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"io"

	"golang.org/x/image/draw"

	"vitrine.dev/vitrine"
)

const (
	maxEdge = 1024 // of a thumbnail
	quality = 82   // of its JPEG
)

// Thumbnail is the picture with its long edge at most edge pixels, turned as
// EXIF says, metadata gone: a JPEG, or a PNG where it is transparent. It is
// never larger than the picture. Info describes the bytes answered. Of an
// animation it is the first frame.
//
// An edge below 1 is ErrInvalid with Param "edge"; one above 1024 is taken
// for 1024. Other errors are as for Inspect.
func Thumbnail(r io.ReaderAt, size int64, b Bounds, edge int) ([]byte, Info, error) {
	if edge < 1 {
		return nil, Info{}, vitrine.Invalid("edge", "invalid_edge", "Ask for an edge of at least one pixel.")
	}
	var small *image.RGBA
	err := decode(r, size, b, func(f *raster) error {
		small = turn(f.shrink(fit(f.width, f.height, min(edge, maxEdge))), f.orientation)
		return nil
	})
	switch {
	case err != nil:
		return nil, Info{}, err
	case !small.Opaque():
		return encodePNG(small)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: quality}); err != nil {
		return nil, Info{}, fmt.Errorf("encode JPEG: %w", err)
	}
	s := small.Rect.Size()
	return out.Bytes(), Info{Format: "jpeg", Width: s.X, Height: s.Y, Frames: 1}, nil
}

// shrink scales down in two steps: means of whole pixels to less than twice
// the size, which is fast and needs no memory, then Catmull-Rom, which is sharp.
func (f *raster) shrink(width, height int) *image.RGBA {
	mid := f.average(f.width/(f.width/width), f.height/(f.height/height))
	if mid.Rect.Dx() == width && mid.Rect.Dy() == height {
		return mid
	}
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.CatmullRom.Scale(out, out.Rect, mid, mid.Rect, draw.Src, nil)
	return out
}
