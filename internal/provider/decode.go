package provider

import (
	"bytes"
	"encoding/base64"
	"io"
)

// decoder writes what base64 stands for, piece by piece.
type decoder struct {
	sink  func() (io.Writer, error) // asked once, when the first byte is there
	w     io.Writer
	out   []byte // scratch; a multiple of 3 long
	carry [4]byte
	n     int   // of carry
	size  int64 // bytes written
	max   int64
	ended bool // padding was seen
}

// write takes the next piece. Line breaks written as escapes are left out, as
// services that wrap their base64 need; anything else foreign is an error.
func (d *decoder) write(p []byte, escaped bool) error {
	if escaped && len(p) == 1 && (p[0] == '\n' || p[0] == '\r') {
		return nil
	}
	for d.n > 0 && len(p) > 0 {
		d.carry[d.n] = p[0]
		p = p[1:]
		if d.n++; d.n == 4 {
			d.n = 0
			if err := d.decode(d.carry[:]); err != nil {
				return err
			}
		}
	}
	for len(p) >= 4 {
		n := min(len(p)&^3, len(d.out)/3*4)
		if err := d.decode(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	d.n += copy(d.carry[d.n:], p)
	return nil
}

// decode writes whole groups of four.
func (d *decoder) decode(p []byte) error {
	if d.ended {
		return syntax("base64 after its padding")
	}
	n, err := base64.StdEncoding.Decode(d.out, p)
	pad := len(p) - len(bytes.TrimRight(p, "="))
	// The package leaves out raw line breaks; they are not JSON, and would
	// show as bytes that are missing.
	if err != nil || n != len(p)/4*3-pad {
		return syntax("base64 is broken")
	}
	d.ended = pad > 0
	return d.emit(n)
}

// close ends the text. Padding may have been left out.
func (d *decoder) close() error {
	if d.n == 0 {
		return nil
	}
	if d.ended {
		return syntax("base64 after its padding")
	}
	n, err := base64.RawStdEncoding.Decode(d.out, d.carry[:d.n])
	if err != nil || n != d.n-1 {
		return syntax("base64 is broken")
	}
	return d.emit(n)
}

func (d *decoder) emit(n int) error {
	if n == 0 {
		return nil
	}
	if d.size += int64(n); d.size > d.max {
		return fail(CodeTooLarge, ChargedUnknown, "The service's picture is larger than is taken.", nil)
	}
	if d.w == nil {
		w, err := d.sink()
		if err != nil {
			return notKept(err)
		}
		d.w = w
	}
	if _, err := d.w.Write(d.out[:n]); err != nil {
		return notKept(err)
	}
	return nil
}

// notKept is a failure on our side while a picture that was paid for came in.
func notKept(err error) error {
	return fail(CodeNotKept, ChargedYes, "The picture could not be kept.", err)
}
