package provider

import (
	"bufio"
	"bytes"
	"io"
)

// events takes a stream of server-sent events apart as the WHATWG's HTML
// standard describes it in 9.2: lines end with LF, CR or both, an empty line ends
// an event. One line may hold a picture, so no line is ever held whole; what
// stands beside the data has a bound.
type events struct {
	in   *bufio.Reader
	name string // of the event that next answered, as far as it was told before its data
	cr   bool   // a CR was read; a LF after it is the same line's end
	open bool   // within the data of an event
	junk int    // bytes beside data so far
}

func newEvents(in io.Reader) *events {
	e := &events{in: bufio.NewReaderSize(in, 32<<10)}
	if b, err := e.in.Peek(3); err == nil && string(b) == "\ufeff" {
		_, _ = e.in.Discard(3) // what was peeked is there
	}
	return e
}

// next answers the data of the next event; io.EOF where the stream ends. What
// was not read of the event before is stepped over.
func (e *events) next() (io.Reader, error) {
	if err := e.drain(); err != nil {
		return nil, err
	}
	e.name = ""
	for {
		field, whole, err := e.field()
		switch {
		case err != nil:
			return nil, err
		case field == "data" && !whole: // alone it is an empty line, which JSON can do without
			e.open = true
			return eventData{e}, nil
		case field == "event" && !whole:
			e.name, err = e.rest(maxToken)
		case !whole: // a comment, an id, a time to wait
			_, err = e.rest(0)
		case field == "":
			e.name = ""
		}
		if err != nil {
			return nil, err
		}
	}
}

// drain steps over what is left of the event at hand.
func (e *events) drain() error {
	if !e.open {
		return nil
	}
	_, err := io.Copy(beside{e}, eventData{e})
	return err
}

// beside counts what is stepped over.
type beside struct{ *events }

func (b beside) Write(p []byte) (int, error) { return len(p), b.count(len(p)) }

// count bounds what is not data.
func (e *events) count(n int) error {
	if e.junk += n; e.junk > maxJunk {
		return fail(CodeTooLarge, ChargedUnknown, "The service's stream holds far more than pictures.", nil)
	}
	return nil
}

// byte reads one, with every line's end as LF.
func (e *events) byte() (byte, error) {
	c, err := e.in.ReadByte()
	if err == nil && e.cr && c == '\n' {
		c, err = e.in.ReadByte()
	}
	if e.cr = err == nil && c == '\r'; e.cr {
		c = '\n'
	}
	return c, err
}

// field reads a line up to its colon and the space behind; whole is that there
// was none, and the line is read to its end.
func (e *events) field() (name string, whole bool, err error) {
	var b []byte
	for {
		c, err := e.byte()
		if err != nil {
			return "", false, err
		}
		if err := e.count(1); err != nil {
			return "", false, err
		}
		switch c {
		case '\n':
			return string(b), true, nil
		case ':':
			if next, err := e.in.Peek(1); err == nil && next[0] == ' ' {
				_, err = e.in.Discard(1)
				return string(b), false, err
			}
			return string(b), false, nil
		}
		if len(b) < maxToken {
			b = append(b, c)
		}
	}
}

// rest is the rest of a line, cut at limit bytes.
func (e *events) rest(limit int) (string, error) {
	var b []byte
	for {
		c, err := e.byte()
		if err != nil || c == '\n' {
			return string(b), err
		}
		if err := e.count(1); err != nil {
			return "", err
		}
		if len(b) < limit {
			b = append(b, c)
		}
	}
}

// eventData reads the data of the event at hand: its lines, joined by LF.
type eventData struct{ *events }

// Read implements io.Reader.
func (d eventData) Read(p []byte) (int, error) {
	if !d.open {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if _, err := d.in.Peek(1); err != nil {
		return 0, d.ended(err)
	}
	run, err := d.in.Peek(min(d.in.Buffered(), len(p)))
	if err != nil {
		return 0, err
	}
	if i := bytes.IndexAny(run, "\r\n"); i >= 0 {
		run = run[:i]
	}
	if len(run) > 0 {
		n := copy(p, run)
		_, err := d.in.Discard(n)
		return n, err
	}
	return d.line(p)
}

// line is at the end of a line: another line of data goes on, an empty one ends
// the event.
func (d eventData) line(p []byte) (int, error) {
	if _, err := d.byte(); err != nil {
		return 0, d.ended(err)
	}
	for {
		field, whole, err := d.field()
		switch {
		case err != nil:
			return 0, d.ended(err)
		case field == "data":
			if whole {
				continue // an empty line of data, which JSON can do without
			}
			p[0] = '\n'
			return 1, nil
		case field == "" && whole:
			d.open = false
			return 0, io.EOF
		case !whole:
			if _, err := d.rest(0); err != nil {
				return 0, d.ended(err)
			}
		}
	}
}

// ended closes the event where the stream ended, or broke.
func (d eventData) ended(err error) error {
	d.open = false
	return err
}
