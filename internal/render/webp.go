package render

import (
	"bytes"
	"encoding/binary"
)

// A frame is where the first frame of a WebP is: what it takes to give it to
// a decoder that knows still pictures only.
type frame struct {
	x, y          int64 // on the canvas
	width, height int64
	kind          string // "VP8 " or "VP8L"
	data          span
	alpha         span // of the ALPH chunk, if any
}

const (
	webpAnimated = 1 << 1 // flags of VP8X
	maxNesting   = 2      // ANMF holds chunks, they hold none
)

// A webpWalk is what has to be known between chunks.
type webpWalk struct {
	*walker
	extended bool
	animated bool
	frame    frame // being read
}

func (w *walker) webp() error {
	h, err := w.next(12)
	if err != nil {
		return err
	}
	// The RIFF header counts from after itself; an odd size has a byte of padding.
	end := 8 + int64(binary.LittleEndian.Uint32(h[4:]))
	end += end & 1
	if end > w.size {
		return truncated()
	}
	p := &webpWalk{walker: w}
	if err := p.chunks(end, 1, p.top); err != nil {
		return err
	}
	if w.pic.Frames == 0 {
		return broken("no picture")
	}
	return w.end(0)
}

// chunks calls each for every chunk up to end. It may read on in the chunk's
// data, which it is told the range of.
func (p *webpWalk) chunks(end int64, depth int, each func(kind string, data span) error) error {
	if depth > maxNesting {
		return broken("chunks nested too deep")
	}
	for p.off < end {
		if err := p.part(); err != nil {
			return err
		}
		h, err := p.next(8)
		if err != nil {
			return err
		}
		data := span{p.off, int64(binary.LittleEndian.Uint32(h[4:]))}
		next := data.off + data.n + data.n&1
		if next > end {
			return truncated()
		}
		if err := each(string(h[:4]), data); err != nil {
			return err
		}
		if p.off > next {
			return broken("a chunk of %d bytes is too short", data.n)
		}
		if err := p.skip(next - p.off); err != nil {
			return err
		}
	}
	return nil
}

func (p *webpWalk) top(kind string, data span) error {
	switch {
	case kind == "VP8X":
		return p.header(data)
	case kind == "ANMF":
		return p.animationFrame(data)
	case kind == "EXIF":
		p.pic.exif = data
	case p.animated:
	case kind == "ALPH":
		return p.alpha(data)
	case kind == "VP8 " || kind == "VP8L":
		if err := p.bitstream(kind, data); err != nil {
			return err
		}
		return p.still()
	}
	return nil
}

// header reads VP8X: flags, three reserved bytes, width - 1, height - 1.
func (p *webpWalk) header(data span) error {
	if data.n != 10 || p.extended || p.pic.Frames > 0 {
		return broken("VP8X out of order")
	}
	h, err := p.next(10)
	if err != nil {
		return err
	}
	p.extended, p.animated = true, h[0]&webpAnimated != 0
	return p.canvas(1+uint24(h[4:]), 1+uint24(h[7:]))
}

func uint24(b []byte) int64 { return int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16 }

// still takes the frame just read for the whole picture.
func (p *webpWalk) still() error {
	f := &p.frame
	if !p.extended {
		if err := p.canvas(f.width, f.height); err != nil {
			return err
		}
	}
	if p.pic.Frames > 0 || f.width != int64(p.pic.Width) || f.height != int64(p.pic.Height) {
		return mismatch("a picture of %d×%d on a canvas of %d×%d", f.width, f.height, p.pic.Width, p.pic.Height)
	}
	return p.keep()
}

// animationFrame reads ANMF: x/2, y/2, width - 1, height - 1, duration, flags, chunks.
func (p *webpWalk) animationFrame(data span) error {
	if !p.animated || data.n < 16 {
		return broken("a frame out of order")
	}
	h, err := p.next(16)
	if err != nil {
		return err
	}
	x, y, width, height := 2*uint24(h), 2*uint24(h[3:]), 1+uint24(h[6:]), 1+uint24(h[9:])
	p.frame = frame{x: x, y: y}
	err = p.chunks(data.off+data.n, 2, func(kind string, data span) error {
		switch kind {
		case "ALPH":
			return p.alpha(data)
		case "VP8 ", "VP8L":
			return p.bitstream(kind, data)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if p.frame.width != width || p.frame.height != height {
		return mismatch("a frame of %d×%d that holds %d×%d", width, height, p.frame.width, p.frame.height)
	}
	return p.keep()
}

// keep counts the frame just read.
func (p *webpWalk) keep() error {
	f := p.frame
	if err := p.nextFrame(f.x, f.y, f.width, f.height); err != nil {
		return err
	}
	if p.pic.Frames > 1 {
		return nil
	}
	p.pic.frame = f
	// A lossless picture is unpacked twice where it has a palette, and its
	// code tables grow with its data; transparency is such a picture again.
	whole := (f.width + 15) * (f.height + 15)
	switch {
	case f.kind == "VP8L":
		p.pic.memory = 8*whole + 10*f.data.n
	case f.alpha.n > 0:
		p.pic.memory = 11*whole + 10*f.alpha.n
	default:
		p.pic.memory = 2 * whole
	}
	return nil
}

func (p *webpWalk) alpha(data span) error {
	if p.frame.kind != "" || p.frame.alpha.n != 0 || data.n == 0 {
		return broken("ALPH out of order")
	}
	p.frame.alpha = data
	return nil
}

// bitstream reads the head of the compressed picture, for its size.
func (p *webpWalk) bitstream(kind string, data span) error {
	if p.frame.kind != "" {
		return broken("two pictures in one frame")
	}
	f := &p.frame
	f.kind, f.data = kind, data
	h, err := p.next(int(min(data.n, 10)))
	if err != nil {
		return err
	}
	switch {
	case kind == "VP8L" && len(h) > 5 && h[0] == 0x2f && f.alpha.n == 0:
		bits := binary.LittleEndian.Uint32(h[1:])
		f.width, f.height = 1+int64(bits&0x3fff), 1+int64(bits>>14&0x3fff)
		if bits>>29 != 0 {
			return variant("a WebP of a later version")
		}
	case kind == "VP8 " && len(h) == 10 && h[0]&1 == 0 && bytes.Equal(h[3:6], []byte{0x9d, 0x01, 0x2a}):
		f.width = int64(binary.LittleEndian.Uint16(h[6:]) & 0x3fff)
		f.height = int64(binary.LittleEndian.Uint16(h[8:]) & 0x3fff)
	default:
		return broken("the head of %s", kind)
	}
	return nil
}
