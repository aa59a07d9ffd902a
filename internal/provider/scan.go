package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// A scanner reads JSON as bytes come in, with one window of fixed size. It
// knows just enough to walk to the strings that hold pictures, hand those on
// piece by piece, and step over everything else within bounds.
type scanner struct {
	r        io.Reader
	buf      []byte // the window
	pos, end int    // what of it is unread
	quote    int    // position of the next '"' in the window at or after pos; -1: not known
	read     int64  // bytes read in all
	free     int64  // bytes of pictures, which other bounds hold
	junk     int64  // the most bytes beside them
	record   []byte // what raw has kept of windows gone by
	from     int    // where in the window raw began; -1: nothing is kept
}

const (
	maxJunk  = 1 << 20 // bytes of an answer that are not pictures
	maxEcho  = 8 << 20 // of one that repeats the prompt for every picture, twice
	maxDepth = 32
	maxToken = 256 // of numbers and keys
)

// errSyntax is wrapped by every complaint about the JSON itself.
var errSyntax = errors.New("not the JSON that was expected")

func syntax(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errSyntax, fmt.Sprintf(format, args...))
}

func newScanner(r io.Reader, buf []byte) *scanner {
	return &scanner{r: r, buf: buf, quote: -1, from: -1, junk: maxJunk}
}

// fill reads the next window; the last one must be used up.
func (s *scanner) fill() error {
	if s.from >= 0 {
		s.record = append(s.record, s.buf[s.from:s.end]...)
		s.from = 0
	}
	s.pos, s.end, s.quote = 0, 0, -1
	if s.read-s.free > s.junk+s.free/16 { // escapes are a part of the pictures
		return fail(CodeTooLarge, ChargedUnknown, "The service's answer holds far more than pictures.", nil)
	}
	for range 100 {
		n, err := s.r.Read(s.buf)
		s.end, s.read = n, s.read+int64(n)
		if n > 0 {
			return nil // an error comes again
		}
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

func (s *scanner) next() (byte, error) {
	if s.pos == s.end {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	c := s.buf[s.pos]
	s.pos++
	return c, nil
}

// peek is the first byte of the next token, which stays unread.
func (s *scanner) peek() (byte, error) {
	for {
		c, err := s.next()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			s.pos--
			return c, nil
		}
	}
}

func (s *scanner) expect(want byte) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c != want {
		return syntax("%q where %q should be", c, want)
	}
	s.pos++
	return nil
}

// more reports, after an element, whether another follows before the end.
func (s *scanner) more(end byte) (bool, error) {
	c, err := s.peek()
	if err != nil {
		return false, err
	}
	if c != ',' && c != end {
		return false, syntax("%q after an element", c)
	}
	s.pos++
	return c == ',', nil
}

// empty reports whether a list that has just begun ends at once.
func (s *scanner) empty(end byte) (bool, error) {
	c, err := s.peek()
	if err == nil && c == end {
		s.pos++
	}
	return c == end, err
}

// members calls each for every member of an object; each reads the value.
func (s *scanner) members(each func(key string) error) error {
	if err := s.expect('{'); err != nil {
		return err
	}
	if end, err := s.empty('}'); end || err != nil {
		return err
	}
	for {
		if err := s.expect('"'); err != nil {
			return err
		}
		key, err := s.text(maxToken)
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := each(key); err != nil {
			return err
		}
		if more, err := s.more('}'); !more || err != nil {
			return err
		}
	}
}

// elements calls each for every element of an array; each reads the value.
func (s *scanner) elements(each func(i int) error) error {
	if err := s.expect('['); err != nil {
		return err
	}
	if end, err := s.empty(']'); end || err != nil {
		return err
	}
	for i := 0; ; i++ {
		if err := each(i); err != nil {
			return err
		}
		if more, err := s.more(']'); !more || err != nil {
			return err
		}
	}
}

// chunks hands on the content of a string whose opening quote was read, as
// long runs of the window where there is no escape, and one character at a
// time where there is. A piece is valid during the call.
func (s *scanner) chunks(yield func(piece []byte, escaped bool) error) error {
	for {
		if s.pos == s.end {
			if err := s.fill(); err != nil {
				return err
			}
		}
		// The quote is looked for once for each window, not once for each
		// escape, so that a string of nothing but escapes stays linear.
		if s.quote < s.pos {
			s.quote = s.end
			if i := bytes.IndexByte(s.buf[s.pos:s.end], '"'); i >= 0 {
				s.quote = s.pos + i
			}
		}
		run := s.buf[s.pos:s.quote]
		if i := bytes.IndexByte(run, '\\'); i >= 0 {
			run = run[:i]
		}
		s.pos += len(run)
		if len(run) > 0 {
			if err := yield(run, false); err != nil {
				return err
			}
		}
		if s.pos == s.end {
			continue
		}
		c := s.buf[s.pos]
		s.pos++
		if c == '"' {
			return nil
		}
		r, err := s.escape()
		if err != nil {
			return err
		}
		var b [2 * utf8.UTFMax]byte
		if err := yield(appendRunes(b[:0], r), true); err != nil {
			return err
		}
	}
}

func appendRunes(b []byte, runes [2]rune) []byte {
	for _, r := range runes {
		if r >= 0 {
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads what follows a backslash. A surrogate without its partner is
// U+FFFD, as everywhere; what came in the partner's place is the second rune.
func (s *scanner) escape() ([2]rune, error) {
	none := [2]rune{-1, -1}
	c, err := s.next()
	if err != nil {
		return none, err
	}
	if c != 'u' {
		if escapes[c] == 0 {
			return none, syntax("escape \\%c", c)
		}
		return [2]rune{rune(escapes[c]), -1}, nil
	}
	r, err := s.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return [2]rune{r, -1}, err
	}
	// The partner has to follow directly as another \u escape.
	if s.pos == s.end {
		if err := s.fill(); err != nil {
			return none, err
		}
	}
	if s.buf[s.pos] != '\\' {
		return [2]rune{utf8.RuneError, -1}, nil
	}
	s.pos++
	second, err := s.escapeAfterSurrogate(r)
	return second, err
}

func (s *scanner) escapeAfterSurrogate(high rune) ([2]rune, error) {
	c, err := s.next()
	if err != nil {
		return [2]rune{-1, -1}, err
	}
	if c != 'u' {
		if escapes[c] == 0 {
			return [2]rune{-1, -1}, syntax("escape \\%c", c)
		}
		return [2]rune{utf8.RuneError, rune(escapes[c])}, nil
	}
	low, err := s.hex()
	if err != nil {
		return [2]rune{-1, -1}, err
	}
	if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
		return [2]rune{r, -1}, nil
	}
	if utf16.IsSurrogate(low) {
		low = utf8.RuneError
	}
	return [2]rune{utf8.RuneError, low}, nil
}

func (s *scanner) hex() (rune, error) {
	var r rune
	for range 4 {
		c, err := s.next()
		if err != nil {
			return 0, err
		}
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, syntax("%q in a \\u escape", c)
		}
	}
	return r, nil
}

// text is a string whose opening quote was read, cut at limit bytes.
func (s *scanner) text(limit int) (string, error) {
	var b []byte
	err := s.chunks(func(piece []byte, escaped bool) error {
		if !escaped && control(piece) {
			return syntax("a control character in a string")
		}
		if room := limit - len(b); len(piece) > room {
			piece = piece[:max(room, 0)]
		}
		b = append(b, piece...)
		return nil
	})
	return string(bytes.ToValidUTF8(b, []byte("\uFFFD"))), err
}

func control(b []byte) bool {
	for _, c := range b {
		if c < ' ' {
			return true
		}
	}
	return false
}

// skip steps over one value.
func (s *scanner) skip(depth int) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if depth >= maxDepth {
		return syntax("nested deeper than %d", maxDepth)
	}
	switch c {
	case '{':
		return s.members(func(string) error { return s.skip(depth + 1) })
	case '[':
		return s.elements(func(int) error { return s.skip(depth + 1) })
	case '"':
		s.pos++
		_, err := s.text(0)
		return err
	}
	_, err = s.token()
	return err
}

// token is a number, true, false or null.
func (s *scanner) token() (string, error) {
	if _, err := s.peek(); err != nil {
		return "", err
	}
	var b []byte
	for {
		c, err := s.next()
		if err != nil {
			return "", err
		}
		if c != '+' && c != '-' && c != '.' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			s.pos--
			break
		}
		if b = append(b, c); len(b) > maxToken {
			return "", syntax("a token of more than %d bytes", maxToken)
		}
	}
	if !json.Valid(b) {
		return "", syntax("token %q", b)
	}
	return string(b), nil
}

// raw is one value as it stands, at most limit bytes of it; a longer one is
// stepped over and answers nil.
func (s *scanner) raw(limit int) (json.RawMessage, error) {
	if _, err := s.peek(); err != nil {
		return nil, err
	}
	s.record, s.from = nil, s.pos
	err := s.skip(0)
	kept := append(s.record, s.buf[s.from:s.pos]...)
	s.record, s.from = nil, -1
	if err != nil || len(kept) > limit {
		return nil, err
	}
	return kept, nil
}
