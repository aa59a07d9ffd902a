package render

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

// A raster is the first frame of a picture as decoded, in the decoder's own
// kind of pixels.
type raster struct {
	image.Image
	at          image.Point // of the frame on the canvas
	width       int         // of the canvas
	height      int
	orientation int // EXIF, 1 to 8
}

// decode walks the container and hands its first frame to use.
func decode(r io.ReaderAt, size int64, b Bounds, use func(*raster) error) error {
	p, err := walk(r, size, b.orDefault())
	if err != nil {
		return err
	}
	o, err := orientation(r, p.exif)
	if err != nil {
		return err
	}
	img, err := p.decode(io.NewSectionReader(r, 0, size))
	if err != nil {
		return err
	}
	f := &raster{Image: img, width: p.Width, height: p.Height, orientation: o}
	want := image.Pt(p.Width, p.Height)
	switch p.Format {
	case "webp":
		f.at = image.Pt(int(p.frame.x), int(p.frame.y))
		want = image.Pt(int(p.frame.width), int(p.frame.height))
	case "gif": // the decoder places the frame
		f.at, want = img.Bounds().Min, img.Bounds().Size()
	}
	if got := img.Bounds().Size(); got != want {
		return mismatch("decoded %v where the header says %v", got, want)
	}
	return use(f)
}

func (p *picture) decode(r *io.SectionReader) (img image.Image, err error) {
	in := &faults{r: r}
	defer func() {
		// Decoders of other people have met such pictures with a panic before.
		if v := recover(); v != nil {
			img, err = nil, broken("decoder: %v", v)
		}
	}()
	switch p.Format {
	case "png":
		img, err = png.Decode(in)
	case "jpeg":
		img, err = jpeg.Decode(in)
	case "gif":
		img, err = gif.Decode(in)
	default:
		img, err = webp.Decode(p.frame.alone(in))
	}
	switch {
	case in.err != nil:
		return nil, reading(in.err)
	case err != nil:
		return nil, broken("decode %s: %w", p.Format, err)
	}
	return img, nil
}

// faults remembers an error of reading, to tell it from one of the picture.
type faults struct {
	r   *io.SectionReader
	err error
}

func (f *faults) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = fmt.Errorf("decode: %w", err)
	}
	return n, err
}

func (f *faults) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.r.ReadAt(p, off)
	if err != nil && err != io.EOF {
		f.err = fmt.Errorf("decode: %w", err)
	}
	return n, err
}

// alone is the frame as a WebP of its own: golang.org/x/image/webp reads no
// animations, and wants a VP8X before transparency.
func (f frame) alone(r io.ReaderAt) io.Reader {
	var parts []io.Reader
	size := int64(4)
	chunk := func(kind string, n int64, data io.Reader) {
		h := binary.LittleEndian.AppendUint32([]byte(kind), uint32(n))
		parts = append(parts, bytes.NewReader(h), data, bytes.NewReader(make([]byte, n&1)))
		size += 8 + n + n&1
	}
	if f.alpha.n > 0 {
		const hasAlpha = 1 << 4
		x := []byte{hasAlpha, 0, 0, 0}
		for _, v := range []int64{f.width - 1, f.height - 1} {
			x = append(x, byte(v), byte(v>>8), byte(v>>16))
		}
		chunk("VP8X", 10, bytes.NewReader(x))
		chunk("ALPH", f.alpha.n, io.NewSectionReader(r, f.alpha.off, f.alpha.n))
	}
	chunk(f.kind, f.data.n, io.NewSectionReader(r, f.data.off, f.data.n))
	head := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(size))
	return io.MultiReader(append([]io.Reader{bytes.NewReader(append(head, "WEBP"...))}, parts...)...)
}
