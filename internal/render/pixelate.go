package render

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
)

const (
	cells     = 8    // along the long edge, at most
	cellSide  = 16   // pixels of the original, at least
	levels    = 16   // of each channel
	pixelated = 1024 // long edge of what comes out, at most
)

// Pixelate is the masked view of a picture that nobody has looked at: the
// whole of it in coarse squares beyond recovery, metadata gone, same shape
// (turned as EXIF says), encoded as PNG. Info describes the bytes answered.
//
// The long edge has at most 8 squares, none smaller than 16 pixels of the
// original; a picture under 32 pixels becomes one. A square is the plain mean
// of its pixels (of the stored values, not of light, which would add nothing
// here), laid on white and rounded to 16 levels a channel, so that exact means,
// from which text of a known font can be worked out, do not leak either. What
// remains of any picture is at most 8×8 squares of 12 bits: 96 bytes. Of an
// animation it is the first frame.
//
// The output's long edge is at most 1024 pixels. Errors are as for Inspect;
// the same picture always gives the same bytes.
func Pixelate(r io.ReaderAt, size int64, b Bounds) ([]byte, Info, error) {
	var small *image.RGBA
	var width, height int
	err := decode(r, size, b, func(f *raster) error {
		nx, ny := grid(f.width, f.height)
		small = turn(f.average(nx, ny), f.orientation)
		width, height = fit(f.width, f.height, pixelated)
		if f.orientation >= 5 {
			width, height = height, width
		}
		return nil
	})
	if err != nil {
		return nil, Info{}, err
	}
	return encodePNG(squares(small, width, height))
}

// grid is how many cells there are across and down.
func grid(width, height int) (nx, ny int) {
	long := max(width, height)
	n := min(cells, max(1, long/cellSide))
	along := func(side int) int {
		return max(1, min((side*n+long/2)/long, side/cellSide))
	}
	return along(width), along(height)
}

// squares draws every pixel of small as a square of flat, rounded colour.
func squares(small *image.RGBA, width, height int) *image.Paletted {
	n := small.Rect.Size()
	out := image.NewPaletted(image.Rect(0, 0, width, height), nil)
	index := map[color.RGBA]byte{}
	for cy := range n.Y {
		top, bottom := cy*height/n.Y, (cy+1)*height/n.Y
		for cx := range n.X {
			c := round(small.RGBAAt(cx, cy))
			i, ok := index[c]
			if !ok {
				i = byte(len(index))
				index[c] = i
				out.Palette = append(out.Palette, c)
			}
			for x := cx * width / n.X; x < (cx+1)*width/n.X; x++ {
				out.Pix[top*out.Stride+x] = i
			}
		}
		row := out.Pix[top*out.Stride:][:width]
		for y := top + 1; y < bottom; y++ {
			copy(out.Pix[y*out.Stride:], row)
		}
	}
	return out
}

// round lays a colour on white and rounds it.
func round(c color.RGBA) color.RGBA {
	on := func(v uint8) uint8 {
		const step = 255 / (levels - 1)
		return uint8((int(v) + 255 - int(c.A) + step/2) / step * step)
	}
	return color.RGBA{on(c.R), on(c.G), on(c.B), 255}
}

func encodePNG(img image.Image) ([]byte, Info, error) {
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		return nil, Info{}, fmt.Errorf("encode PNG: %w", err)
	}
	s := img.Bounds().Size()
	return out.Bytes(), Info{Format: "png", Width: s.X, Height: s.Y, Frames: 1}, nil
}
