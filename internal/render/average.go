package render

import (
	"image"
	"image/draw"
)

// average is the canvas in nx by ny cells of (nearly) equal size, each the
// plain mean of its pixels with their alpha. It holds one row of pixels beside
// the decoded picture. Where the frame does not reach, the canvas is
// transparent.
func (f *raster) average(nx, ny int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, nx, ny))
	line := image.NewRGBA(image.Rect(0, 0, f.width, 1))
	sums := make([][4]uint64, nx)
	origin := f.Bounds().Min.Sub(f.at)
	whole := f.Bounds().Dx() == f.width
	for cy := range ny {
		clear(sums)
		top, bottom := cy*f.height/ny, (cy+1)*f.height/ny
		for y := top; y < bottom; y++ {
			if !whole || y < f.at.Y || y >= f.at.Y+f.Bounds().Dy() {
				clear(line.Pix)
			}
			draw.Draw(line, line.Rect, f.Image, origin.Add(image.Pt(0, y)), draw.Src)
			gather(sums, line.Pix, f.width)
		}
		mean(out.Pix[cy*out.Stride:], sums, f.width, bottom-top)
	}
	return out
}

// gather adds a row of pixels to the cells that they belong to.
func gather(sums [][4]uint64, pix []byte, width int) {
	for i := range sums {
		from, to := i*width/len(sums), (i+1)*width/len(sums)
		var r, g, b, a uint32 // of at most a row of 65535 pixels
		for row := pix[4*from : 4*to]; len(row) >= 4; row = row[4:] {
			r += uint32(row[0])
			g += uint32(row[1])
			b += uint32(row[2])
			a += uint32(row[3])
		}
		s := &sums[i]
		s[0] += uint64(r)
		s[1] += uint64(g)
		s[2] += uint64(b)
		s[3] += uint64(a)
	}
}

func mean(pix []byte, sums [][4]uint64, width, rows int) {
	for i := range sums {
		n := uint64((i+1)*width/len(sums)-i*width/len(sums)) * uint64(rows)
		for c, s := range sums[i] {
			pix[4*i+c] = byte((s + n/2) / n)
		}
	}
}

// turn is img as EXIF orientation o says that it is to be seen.
func turn(img *image.RGBA, o int) *image.RGBA {
	if o <= 1 {
		return img
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	tw, th := w, h
	if o >= 5 {
		tw, th = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, tw, th))
	for y := range th {
		for x := range tw {
			sx, sy := x, y
			switch o {
			case 2:
				sx = w - 1 - x
			case 3:
				sx, sy = w-1-x, h-1-y
			case 4:
				sy = h - 1 - y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, h-1-x
			case 7:
				sx, sy = w-1-y, h-1-x
			case 8:
				sx, sy = w-1-y, x
			}
			copy(out.Pix[out.PixOffset(x, y):][:4], img.Pix[img.PixOffset(sx, sy):])
		}
	}
	return out
}

// fit is the largest size of the same shape whose long edge is at most edge,
// and which is not larger than the picture.
func fit(width, height, edge int) (int, int) {
	long := max(width, height)
	if long <= edge {
		return width, height
	}
	scale := func(n int) int { return max(1, (n*edge+long/2)/long) }
	return scale(width), scale(height)
}
