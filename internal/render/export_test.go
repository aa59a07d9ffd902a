package render

import "io"

// Memory is what decoding a picture is reckoned to take.
func Memory(r io.ReaderAt, size int64) (int64, error) {
	p, err := walk(r, size, DefaultBounds())
	return p.memory, err
}

// Decode decodes it and does nothing with it.
func Decode(r io.ReaderAt, size int64) error {
	return decode(r, size, DefaultBounds(), func(*raster) error { return nil })
}
