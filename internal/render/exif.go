package render

import (
	"bytes"
	"encoding/binary"
	"io"
)

// maxEXIF is how far into EXIF the orientation is looked for.
const maxEXIF = 64 << 10

// orientation is the EXIF orientation, 1 to 8, or 1 where none can be found:
// what is wrong with EXIF is no reason not to show the pixels.
func orientation(r io.ReaderAt, at span) (int, error) {
	b := make([]byte, min(at.n, maxEXIF))
	if _, err := r.ReadAt(b, at.off); err != nil && err != io.EOF {
		return 0, reading(err)
	}
	b = bytes.TrimPrefix(b, []byte("Exif\x00\x00"))
	if len(b) < 8 {
		return 1, nil
	}
	var order binary.ByteOrder = binary.BigEndian
	switch {
	case bytes.HasPrefix(b, []byte("II*\x00")):
		order = binary.LittleEndian
	case !bytes.HasPrefix(b, []byte("MM\x00*")):
		return 1, nil
	}
	return tag(b, order), nil
}

// tag finds tag 0x0112 in the first directory of a TIFF structure.
func tag(b []byte, order binary.ByteOrder) int {
	dir := int64(order.Uint32(b[4:]))
	if dir+2 > int64(len(b)) {
		return 1
	}
	n := int64(order.Uint16(b[dir:]))
	for i := range n {
		e := dir + 2 + 12*i
		if e+12 > int64(len(b)) {
			break
		}
		if order.Uint16(b[e:]) != 0x0112 {
			continue
		}
		if o := int(order.Uint16(b[e+8:])); 1 <= o && o <= 8 {
			return o
		}
	}
	return 1
}
