package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"vitrine.dev/vitrine"
)

// member is one member of a JSON object, its value as it stands in the body.
type member struct {
	name  string
	value []byte
}

// maxMembers bounds how many members a request may have.
const maxMembers = 64

// maxName bounds the name of one, as it is written.
const maxName = 256

// errJSON says that a body is no JSON object, in the words of the dialect.
func errJSON(at int) error {
	return vitrine.Invalid("", "invalid_json", fmt.Sprintf("The body must be one JSON object; it is malformed near byte %d.", at))
}

// members takes the outermost object of a JSON text apart without copying or
// looking into its values: pictures in it are megabytes long. Whoever uses a
// value checks it. A name that stands twice is refused, because the two could
// be read differently here and at the provider.
func members(body []byte) ([]member, error) {
	s := scanner{b: body}
	s.space()
	if !s.take('{') {
		return nil, errJSON(s.at)
	}
	var all []member
	for s.space(); !s.take('}'); s.space() {
		if len(all) > 0 && !s.take(',') {
			return nil, errJSON(s.at)
		}
		m, err := s.member()
		if err != nil {
			return nil, err
		}
		for _, other := range all {
			if other.name == m.name {
				return nil, vitrine.Invalid(m.name, "duplicate_parameter", "It stands in the body twice.")
			}
		}
		if all = append(all, m); len(all) > maxMembers {
			return nil, vitrine.Invalid("", "too_many_parameters", fmt.Sprintf("A request has at most %d parameters.", maxMembers))
		}
	}
	if s.space(); s.at < len(body) {
		return nil, errJSON(s.at)
	}
	return all, nil
}

func (s *scanner) member() (m member, err error) {
	s.space()
	name := s.value()
	if len(name) > maxName || json.Unmarshal(name, &m.name) != nil {
		return m, errJSON(s.at)
	}
	s.space()
	if !s.take(':') {
		return m, errJSON(s.at)
	}
	s.space()
	if m.value = s.value(); len(m.value) == 0 {
		return m, errJSON(s.at)
	}
	return m, nil
}

// scanner walks over a text that should be JSON. It finds where values end and
// no more.
type scanner struct {
	b  []byte
	at int
}

func (s *scanner) space() {
	for s.at < len(s.b) && strings.IndexByte(" \t\r\n", s.b[s.at]) >= 0 {
		s.at++
	}
}

func (s *scanner) take(c byte) bool {
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

// value is the value that begins here, whatever it is.
func (s *scanner) value() []byte {
	from, depth := s.at, 0
	for s.at < len(s.b) {
		switch c := s.b[s.at]; c {
		case '"':
			s.text()
		case '{', '[':
			depth++
			s.at++
		case '}', ']':
			if depth == 0 {
				return s.b[from:s.at]
			}
			depth--
			s.at++
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return s.b[from:s.at]
			}
			s.at++
			continue
		default: // of a number or a literal
			s.at++
			continue
		}
		if depth == 0 {
			break
		}
	}
	return s.b[from:s.at]
}

// text steps over a string, whose quotes are escaped inside.
func (s *scanner) text() {
	s.at++
	for s.at < len(s.b) {
		i := bytes.IndexByte(s.b[s.at:], '"')
		if i < 0 {
			s.at = len(s.b)
			return
		}
		end := s.at + i
		slashes := 0
		for end-slashes > s.at && s.b[end-slashes-1] == '\\' {
			slashes++
		}
		s.at = end + 1
		if slashes%2 == 0 {
			return
		}
	}
}

// elements takes the values of an array apart; ok is false where it is none.
func elements(value []byte) (all [][]byte, ok bool) {
	s := scanner{b: value}
	if !s.take('[') {
		return nil, false
	}
	for s.space(); !s.take(']'); s.space() {
		if len(all) > 0 && !s.take(',') {
			return nil, false
		}
		s.space()
		v := s.value()
		if len(v) == 0 {
			return nil, false
		}
		all = append(all, v)
	}
	return all, s.at == len(value)
}

// unquote is the text of a JSON string, where it stands if nothing in it is
// escaped.
func unquote(value []byte) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return nil, false
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], true
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return nil, false
	}
	return []byte(text), true
}

// decodeInPlace decodes base64 over itself: a picture in a body needs no
// second room.
func decodeInPlace(text []byte) ([]byte, error) {
	const run = 4096 // of base64, a multiple of 4
	var part [run / 4 * 3]byte
	n := 0
	for at := 0; at < len(text); at += run {
		end := min(at+run, len(text))
		k, err := base64.StdEncoding.Decode(part[:], text[at:end])
		if err != nil {
			return nil, err
		}
		if k < len(part) && end < len(text) { // padding before the end
			return nil, base64.CorruptInputError(at + k)
		}
		n += copy(text[n:], part[:k])
	}
	return text[:n], nil
}
