package render

import "encoding/binary"

// lzwRatio is the most pixels that GIF's LZW unfolds one byte to: strings of
// up to 4096 pixels for codes of twelve bits.
const lzwRatio = 4096 * 8 / 12

func (w *walker) gif() error {
	h, err := w.next(13)
	if err != nil {
		return err
	}
	if err := w.canvas(int64(binary.LittleEndian.Uint16(h[6:])), int64(binary.LittleEndian.Uint16(h[8:]))); err != nil {
		return err
	}
	if err := w.colourTable(h[10]); err != nil {
		return err
	}
	for {
		c, err := w.byte()
		if err != nil {
			return err
		}
		if err := w.part(); err != nil {
			return err
		}
		switch c {
		case 0x21: // an extension: label, blocks
			if err := w.skip(1); err != nil {
				return err
			}
			if _, err := w.blocks(); err != nil {
				return err
			}
		case 0x2c:
			if err := w.gifFrame(); err != nil {
				return err
			}
		case 0x3b:
			if w.pic.Frames == 0 {
				return broken("no frame")
			}
			return w.end(maxPadding)
		default:
			return broken("block type %#02x", c)
		}
	}
}

// colourTable steps over the table that flags announce.
func (w *walker) colourTable(flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	return w.skip(3 << (flags&7 + 1))
}

func (w *walker) gifFrame() error {
	h, err := w.next(9)
	if err != nil {
		return err
	}
	at := func(i int) int64 { return int64(binary.LittleEndian.Uint16(h[i:])) }
	width, height, flags := at(4), at(6), h[8]
	if err := w.nextFrame(at(0), at(2), width, height); err != nil {
		return err
	}
	if w.pic.Frames == 1 {
		w.pic.memory = 2 * width * height // rows of interlaced frames are moved to a copy
	}
	if err := w.colourTable(flags); err != nil {
		return err
	}
	if err := w.skip(1); err != nil { // size of the first code
		return err
	}
	n, err := w.blocks()
	if err != nil {
		return err
	}
	if n*lzwRatio+4096 < width*height {
		return mismatch("%d bytes cannot unfold to a frame of %d×%d", n, width, height)
	}
	return nil
}

// blocks steps over data in blocks of up to 255 bytes and answers how much it is.
func (w *walker) blocks() (int64, error) {
	for total := int64(0); ; {
		n, err := w.byte()
		if err != nil || n == 0 {
			return total, err
		}
		total += int64(n)
		if err := w.skip(int64(n)); err != nil {
			return 0, err
		}
	}
}
