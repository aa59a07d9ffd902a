package render

import (
	"bufio"
	"encoding/binary"
	"io"
	"sync"
)

// window is how much of a container is in memory at once.
const window = 32 << 10

// maxSide is the longest edge that is taken, in pixels. JPEG and GIF cannot
// say more; for PNG it bounds what is done for each row and column.
const maxSide = 1<<16 - 1

// maxPadding is how many zeros may follow the end of a JPEG or GIF.
const maxPadding = 64 << 10

// A picture is what walking a container found.
type picture struct {
	Info
	pixels int64 // of all frames
	memory int64 // bytes that decoding the first frame takes, at most
	exif   span  // TIFF structure, maybe behind "Exif\0\0"
	frame  frame // first one; WebP only
}

// A span is a range of the file.
type span struct{ off, n int64 }

// A walker reads a container once, from start to end, in small pieces.
type walker struct {
	r     *bufio.Reader
	off   int64 // of the next byte
	size  int64
	parts int
	b     Bounds
	pic   picture
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, window) }}

func walk(r io.ReaderAt, size int64, b Bounds) (picture, error) {
	if size > b.Bytes {
		return picture{}, tooLarge(CodeBytes, "The picture has more than %d bytes. Send a smaller one.", b.Bytes)
	}
	in := readers.Get().(*bufio.Reader)
	in.Reset(io.NewSectionReader(r, 0, max(size, 0)))
	defer func() { in.Reset(nil); readers.Put(in) }()
	w := &walker{r: in, size: size, b: b}
	head, err := w.r.Peek(int(min(max(size, 0), 512)))
	if err != nil {
		return picture{}, reading(err)
	}
	var parse func() error
	switch w.pic.Format = sniff(head); w.pic.Format {
	case "png":
		parse = w.png
	case "jpeg":
		parse = w.jpeg
	case "webp":
		parse = w.webp
	case "gif":
		parse = w.gif
	default:
		return picture{}, unsupported(w.pic.Format)
	}
	if err := parse(); err != nil {
		return picture{}, err
	}
	if w.pic.memory > b.Memory {
		return picture{}, tooLarge(CodeMemory, "Decoding the picture would take more than %d MB. Send a smaller one, or one of a simpler kind.", b.Memory>>20)
	}
	return w.pic, nil
}

// next is the next n bytes, at most a window. They are valid until the next call.
func (w *walker) next(n int) ([]byte, error) {
	p, err := w.r.Peek(n)
	if err != nil {
		return nil, reading(err)
	}
	return p, w.skip(int64(n))
}

// peek is as much of the next n bytes as there are before the end.
func (w *walker) peek(n int64) ([]byte, error) {
	p, err := w.r.Peek(int(min(n, w.left(), window)))
	if err != nil {
		return nil, reading(err)
	}
	return p, nil
}

func (w *walker) skip(n int64) error {
	if n > w.left() {
		return truncated()
	}
	for n > 0 {
		m, err := w.r.Discard(int(min(n, 1<<30)))
		n, w.off = n-int64(m), w.off+int64(m)
		if err != nil {
			return reading(err)
		}
	}
	return nil
}

// Read lets decompressors read on from here.
func (w *walker) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.off += int64(n)
	return n, err
}

func (w *walker) left() int64 { return w.size - w.off }

func (w *walker) byte() (byte, error) {
	p, err := w.next(1)
	if err != nil {
		return 0, err
	}
	return p[0], nil
}

func (w *walker) uint16() (int, error) {
	p, err := w.next(2)
	if err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint16(p)), nil
}

// part counts the parts of a container: chunks, segments, blocks. Real ones
// hold a kilobyte or more, apart from a few.
func (w *walker) part() error {
	if w.parts++; int64(w.parts) > 1024+w.size/1024 {
		return tooLarge(CodeParts, "The picture is in an absurd number of pieces. Save it again and send that.")
	}
	return nil
}

// canvas is the size that the header claims.
func (w *walker) canvas(width, height int64) error {
	if width < 1 || height < 1 {
		return broken("a canvas of %d×%d", width, height)
	}
	if width > maxSide || height > maxSide || width*height > w.b.Pixels {
		return w.tooManyPixels()
	}
	w.pic.Width, w.pic.Height = int(width), int(height)
	return nil
}

// area counts the pixels of one more frame, shown or not.
func (w *walker) area(width, height int64) error {
	if w.pic.pixels += width * height; w.pic.pixels > w.b.Pixels {
		return w.tooManyPixels()
	}
	return nil
}

// nextFrame counts one more frame, which has to lie on the canvas.
func (w *walker) nextFrame(x, y, width, height int64) error {
	if w.pic.Frames++; w.pic.Frames > w.b.Frames {
		return tooLarge(CodeFrames, "The animation has more than %d frames. Send a shorter one.", w.b.Frames)
	}
	if width < 1 || height < 1 || x+width > int64(w.pic.Width) || y+height > int64(w.pic.Height) {
		return mismatch("frame %d is %d×%d at (%d,%d), outside the canvas of %d×%d", w.pic.Frames, width, height, x, y, w.pic.Width, w.pic.Height)
	}
	return w.area(width, height)
}

func (w *walker) tooManyPixels() error {
	return tooLarge(CodePixels, "The picture has more than %d million pixels. Send a smaller one.", w.b.Pixels/1_000_000)
}

// end is the end of the container; some zeros may follow.
func (w *walker) end(padding int64) error {
	if w.left() > padding {
		return trailing()
	}
	for w.left() > 0 {
		p, err := w.peek(window)
		if err != nil {
			return err
		}
		for _, c := range p {
			if c != 0 {
				return trailing()
			}
		}
		if err := w.skip(int64(len(p))); err != nil {
			return err
		}
	}
	return nil
}
