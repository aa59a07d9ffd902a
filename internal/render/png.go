package render

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
)

const (
	// deflateRatio is the most that deflate unfolds one byte to.
	deflateRatio = 1032
	// maxText is how much all compressed text and profiles of a PNG may unfold
	// to. Whoever looks for secrets in a picture unfolds them.
	maxText = 16 << 20
)

// A pngWalk is what has to be known between chunks.
type pngWalk struct {
	*walker
	crc       hash.Hash32
	rest      int64 // of the chunk's data
	bits      int64 // a pixel
	mode      byte  // colour type
	palette   bool
	idat      int64 // bytes of all IDAT
	idatEnded bool
	animated  int64 // frames announced by acTL, -1 if none
	text      int64 // that compressed text may still unfold to
	packed    *bufio.Reader
	unpack    io.ReadCloser
}

func (w *walker) png() error {
	if err := w.skip(8); err != nil {
		return err
	}
	p := &pngWalk{walker: w, crc: crc32.NewIEEE(), animated: -1, text: maxText}
	for first := true; ; first = false {
		kind, err := p.head()
		if err != nil {
			return err
		}
		if first != (kind == "IHDR") {
			return broken("chunk %s where IHDR should be or may not be", kind)
		}
		if err := p.chunk(kind); err != nil {
			return err
		}
		if err := p.tail(kind); err != nil {
			return err
		}
		if kind == "IEND" {
			return p.finish()
		}
	}
}

// head reads length and type of a chunk.
func (p *pngWalk) head() (string, error) {
	if err := p.part(); err != nil {
		return "", err
	}
	h, err := p.next(8)
	if err != nil {
		return "", err
	}
	p.rest = int64(binary.BigEndian.Uint32(h))
	p.crc.Reset()
	p.crc.Write(h[4:])
	kind := string(h[4:])
	for _, c := range h[4:] {
		if c |= 0x20; c < 'a' || c > 'z' {
			return "", broken("chunk type %q", kind)
		}
	}
	if p.rest > p.walker.left() {
		return "", truncated()
	}
	return kind, nil
}

// Read reads on in the chunk's data and counts it into its checksum.
func (p *pngWalk) Read(b []byte) (int, error) {
	if p.rest == 0 {
		return 0, io.EOF
	}
	n, err := p.walker.Read(b[:min(int64(len(b)), p.rest)])
	p.crc.Write(b[:n])
	p.rest -= int64(n)
	return n, err
}

// tail steps over the rest of the chunk and checks its checksum.
func (p *pngWalk) tail(kind string) error {
	for p.rest > 0 {
		b, err := p.peek(p.rest)
		if err != nil {
			return err
		}
		p.crc.Write(b)
		p.rest -= int64(len(b))
		if err := p.skip(int64(len(b))); err != nil {
			return err
		}
	}
	sum, err := p.next(4)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint32(sum) != p.crc.Sum32() {
		return broken("checksum of chunk %s", kind)
	}
	return nil
}

func (p *pngWalk) chunk(kind string) error {
	if kind != "IDAT" && p.idat > 0 {
		p.idatEnded = true
	}
	switch kind {
	case "IHDR":
		return p.header()
	case "PLTE":
		p.palette = true
	case "IDAT":
		if p.idatEnded || p.mode == 3 && !p.palette {
			return broken("IDAT out of order")
		}
		p.idat += p.rest
	case "IEND":
		if p.rest != 0 {
			return broken("IEND with %d bytes", p.rest)
		}
	case "eXIf":
		p.pic.exif = span{p.off, p.rest}
	case "acTL":
		return p.animation()
	case "fcTL":
		return p.frameControl()
	case "zTXt", "iCCP":
		return p.keyed(kind)
	case "iTXt":
		return p.international()
	default:
		if kind[0]&0x20 == 0 && kind != "fdAT" {
			return variant("a PNG with a part of its own kind")
		}
	}
	return nil
}

// samples is how many samples a pixel has, and at which depths, by colour type.
var samples = map[byte]struct {
	n      int64
	depths []byte
}{
	0: {1, []byte{1, 2, 4, 8, 16}},
	2: {3, []byte{8, 16}},
	3: {1, []byte{1, 2, 4, 8}},
	4: {2, []byte{8, 16}},
	6: {4, []byte{8, 16}},
}

func (p *pngWalk) header() error {
	if p.rest != 13 {
		return broken("IHDR with %d bytes", p.rest)
	}
	var h [13]byte
	if _, err := io.ReadFull(p, h[:]); err != nil {
		return reading(err)
	}
	depth, mode, interlace := h[8], h[9], h[12]
	s, ok := samples[mode]
	if !ok || !bytes.Contains(s.depths, []byte{depth}) || h[10] != 0 || h[11] != 0 || interlace > 1 {
		return broken("IHDR with depth %d, colour type %d, compression %d, filter %d, interlace %d", depth, mode, h[10], h[11], interlace)
	}
	p.bits, p.mode = s.n*int64(depth), mode
	width, height := int64(binary.BigEndian.Uint32(h[:])), int64(binary.BigEndian.Uint32(h[4:]))
	if err := p.canvas(width, height); err != nil {
		return err
	}
	// What image/png makes of a pixel: grey and palette stay, with
	// transparency (tRNS) they and all colours are four samples.
	each := int64(4)
	if depth == 16 {
		each = 8
	}
	if mode == 3 {
		each = 1
	}
	p.pic.memory = width * height * each
	if interlace == 1 {
		p.pic.memory *= 2 // passes stand beside the whole
	}
	return p.area(width, height)
}

// finish compares what the chunks said once all are known.
func (p *pngWalk) finish() error {
	if p.idat == 0 {
		return broken("no IDAT")
	}
	if raw := int64(p.pic.Width) * int64(p.pic.Height) / 8 * p.bits; raw > p.idat*deflateRatio+1024 {
		return mismatch("%d bytes of IDAT cannot unfold to %d", p.idat, raw)
	}
	if p.animated >= 0 && p.animated != int64(p.pic.Frames) {
		return mismatch("%d frames are announced, %d are there", p.animated, p.pic.Frames)
	}
	p.pic.Frames = max(p.pic.Frames, 1)
	return p.end(0)
}

func (p *pngWalk) animation() error {
	var h [8]byte
	if p.rest != 8 || p.animated >= 0 || p.idat > 0 {
		return broken("acTL out of order")
	}
	if _, err := io.ReadFull(p, h[:]); err != nil {
		return reading(err)
	}
	p.animated = int64(binary.BigEndian.Uint32(h[:]))
	p.pic.pixels = 0 // frames count from here; the canvas is within bounds
	if p.animated == 0 {
		return mismatch("an animation of no frames")
	}
	return nil
}

func (p *pngWalk) frameControl() error {
	if p.animated < 0 {
		return nil // nobody plays it
	}
	var h [26]byte
	if p.rest != 26 {
		return broken("fcTL with %d bytes", p.rest)
	}
	if _, err := io.ReadFull(p, h[:]); err != nil {
		return reading(err)
	}
	at := func(i int) int64 { return int64(binary.BigEndian.Uint32(h[i:])) }
	return p.nextFrame(at(12), at(16), at(4), at(8))
}

// keyed is a chunk of keyword, 0, method, compressed data.
func (p *pngWalk) keyed(kind string) error {
	if err := p.through(80); err != nil {
		return err
	}
	if p.rest == 0 {
		return broken("%s without a text", kind)
	}
	if _, err := io.CopyN(io.Discard, p, 1); err != nil {
		return reading(err)
	}
	return p.unfold(kind)
}

// international is keyword, 0, compressed, method, language, 0, keyword, 0, text.
func (p *pngWalk) international() error {
	if err := p.through(80); err != nil {
		return err
	}
	if p.rest < 2 {
		return broken("iTXt without a text")
	}
	var flags [2]byte
	if _, err := io.ReadFull(p, flags[:]); err != nil {
		return reading(err)
	}
	if flags[0] == 0 {
		return nil
	}
	for range 2 {
		if err := p.through(1 << 10); err != nil {
			return err
		}
	}
	return p.unfold("iTXt")
}

// through reads to the next zero byte, which has to come within limit.
func (p *pngWalk) through(limit int) error {
	var b [1]byte
	for range limit {
		if _, err := p.Read(b[:]); err == io.EOF && p.rest == 0 {
			break
		} else if err != nil {
			return reading(err)
		}
		if b[0] == 0 {
			return nil
		}
	}
	return broken("a keyword without an end")
}

// unfold counts what compressed text comes to. Text that does not unfold at
// all harms nobody.
func (p *pngWalk) unfold(kind string) error {
	if p.unpack == nil {
		p.packed = bufio.NewReader(p)
		z, err := zlib.NewReader(p.packed)
		if err != nil {
			return nil
		}
		p.unpack = z
	} else {
		p.packed.Reset(p)
		if err := p.unpack.(zlib.Resetter).Reset(p.packed, nil); err != nil {
			return nil
		}
	}
	n, _ := io.CopyN(io.Discard, p.unpack, p.text+1) // an error ends the text, and reading errors come again in tail
	if p.text -= n; p.text < 0 {
		return tooLarge(CodeMemory, "The text in the picture (%s) unfolds to more than %d MB. Save the picture without it.", kind, maxText>>20)
	}
	return nil
}
