package render

import (
	"bytes"
	"encoding/binary"
)

// maxScans is how often a JPEG may go over its picture. Encoders use up to a
// dozen; each costs a pass over all blocks, however few bytes it has.
const maxScans = 64

// A jpegWalk is what has to be known between the segments of one picture.
type jpegWalk struct {
	*walker
	width, height int64
	entropy       int64 // bytes of compressed data
	scans         int
	multi         bool // has an index of further pictures
}

func (w *walker) jpeg() error {
	first := &jpegWalk{walker: w}
	if err := first.picture(); err != nil {
		return err
	}
	w.pic.Frames = 1
	for n := 1; first.multi && n < w.b.Frames; n++ {
		more, err := w.another()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		// Only the first picture is shown and decoded.
		shown := w.pic
		next := &jpegWalk{walker: w}
		if err := next.picture(); err != nil {
			return err
		}
		shown.pixels = w.pic.pixels
		w.pic = shown
	}
	return w.end(maxPadding)
}

// another reports whether a further picture begins here, after a few zeros.
func (w *walker) another() (bool, error) {
	p, err := w.peek(window)
	if err != nil {
		return false, err
	}
	rest := bytes.TrimLeft(p, "\x00")
	if !bytes.HasPrefix(rest, []byte("\xff\xd8\xff")) {
		return false, nil
	}
	return true, w.skip(int64(len(p) - len(rest)))
}

// picture reads from the start to the end marker of one picture.
func (j *jpegWalk) picture() error {
	if err := j.skip(2); err != nil {
		return err
	}
	for {
		m, err := j.marker()
		if err != nil {
			return err
		}
		if m == 0xd9 {
			return j.finish()
		}
		if 0xd0 <= m && m <= 0xd7 {
			continue // a restart too many, as some encoders write
		}
		if err := j.segment(m); err != nil {
			return err
		}
	}
}

func (j *jpegWalk) marker() (byte, error) {
	c, err := j.byte()
	if err != nil {
		return 0, err
	}
	if c != 0xff {
		return 0, broken("byte %#02x where a marker should be", c)
	}
	for c == 0xff {
		if c, err = j.byte(); err != nil {
			return 0, err
		}
	}
	return c, nil
}

func (j *jpegWalk) segment(m byte) error {
	if err := j.part(); err != nil {
		return err
	}
	n, err := j.uint16()
	if err != nil {
		return err
	}
	if n -= 2; n < 0 {
		return broken("a segment %#02x of less than nothing", m)
	}
	end := j.off + int64(n)
	if end > j.size {
		return truncated()
	}
	switch {
	case m == 0xc0 || m == 0xc1 || m == 0xc2:
		err = j.frameHeader(n, m == 0xc2)
	case m == 0xda:
		return j.scan(end)
	case m == 0xe1 || m == 0xe2:
		err = j.application(m, n)
	case m == 0xc4 || m == 0xdb || m == 0xdd || m == 0xfe || 0xe0 <= m && m <= 0xef:
	default:
		return variant("a JPEG of a rare kind (arithmetic, lossless or hierarchical)")
	}
	if err != nil {
		return err
	}
	return j.skip(end - j.off)
}

// frameHeader reads SOF: precision, height, width, components.
func (j *jpegWalk) frameHeader(n int, progressive bool) error {
	if n < 6 || n > 6+3*255 || j.width != 0 {
		return broken("a frame header out of order")
	}
	p, err := j.next(n)
	if err != nil {
		return err
	}
	count := int(p[5])
	if p[0] != 8 || count != 1 && count != 3 && count != 4 || n != 6+3*count {
		return variant("a JPEG with other samples than 8 bits of grey, colour or CMYK")
	}
	j.height, j.width = int64(binary.BigEndian.Uint16(p[1:])), int64(binary.BigEndian.Uint16(p[3:]))
	each, err := sampleBytes(p[6:], progressive)
	if err != nil {
		return err
	}
	if err := j.canvas(j.width, j.height); err != nil {
		return err
	}
	// Whole blocks are decoded, also where the picture ends within one.
	j.pic.memory = (j.width + 31) * (j.height + 31) * each / 16
	return j.area(j.width, j.height)
}

// sampleBytes is the memory that image/jpeg takes a pixel, in sixteenths of a
// byte: a byte a sample, four more for the coefficient if they are collected
// over several passes, and four a pixel where components are turned to RGBA
// or CMYK at the end.
func sampleBytes(components []byte, progressive bool) (int64, error) {
	var sum, largest int64
	for i := 1; i < len(components); i += 3 {
		h, v := int64(components[i]>>4), int64(components[i]&15)
		if h < 1 || h > 4 || v < 1 || v > 4 {
			return 0, broken("sampling of %d by %d", h, v)
		}
		sum += h * v
		largest = max(largest, h*v)
	}
	each := 16 * sum / largest
	if progressive {
		each *= 5
	}
	if sum == largest*int64(len(components)/3) && len(components) > 3 || len(components) > 9 {
		each += 64
	}
	return each, nil
}

// application looks for EXIF and for the index of further pictures.
func (j *jpegWalk) application(m byte, n int) error {
	p, err := j.peek(int64(min(n, 6)))
	if err != nil {
		return err
	}
	if m == 0xe1 && bytes.HasPrefix(p, []byte("Exif\x00\x00")) && j.pic.exif.n == 0 {
		j.pic.exif = span{j.off, int64(n)}
	}
	j.multi = j.multi || m == 0xe2 && bytes.HasPrefix(p, []byte("MPF\x00"))
	return nil
}

// scan steps over the header of a scan, which ends at end, and its compressed
// data, up to the next marker.
func (j *jpegWalk) scan(end int64) error {
	if j.width == 0 {
		return broken("a scan before the frame header")
	}
	if j.scans++; j.scans > maxScans {
		return tooLarge(CodeMemory, "The picture comes in more than %d passes. Save it again and send that.", maxScans)
	}
	if err := j.skip(end - j.off); err != nil {
		return err
	}
	for {
		p, err := j.peek(window)
		if err != nil {
			return err
		}
		i := entropy(p)
		// The last byte may be half of a marker.
		if i == len(p) && len(p) > 1 && p[i-1] == 0xff {
			i--
		}
		if len(p) == 0 {
			return truncated()
		}
		j.entropy += int64(i)
		if err := j.skip(int64(i)); err != nil {
			return err
		}
		if i < len(p)-1 {
			return nil
		}
	}
}

// entropy is how many bytes of p come before a marker; stuffed bytes, restarts
// and fill bytes are not one.
func entropy(p []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(p[i:], 0xff)
		if n < 0 || i+n+1 >= len(p) {
			return len(p)
		}
		i += n
		switch c := p[i+1]; {
		case c == 0 || 0xd0 <= c && c <= 0xd7:
			i += 2
		case c == 0xff:
			i++
		default:
			return i
		}
	}
}

func (j *jpegWalk) finish() error {
	if j.scans == 0 {
		return broken("no scan")
	}
	// Every block of the first component has a code of at least one bit.
	if blocks := (j.width + 7) / 8 * ((j.height + 7) / 8); blocks > 8*j.entropy {
		return mismatch("%d bytes of compressed data cannot hold %d blocks", j.entropy, blocks)
	}
	return nil
}
