package entry

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"vitrine.dev/vitrine"
)

// Append appends the leaf of e, which is clean, with its sealed parts.
func Append(b []byte, e *vitrine.Entry, parts []Part) []byte {
	b = append(b, Version)
	b = appendInt(b, e.Seq)
	b = appendInt(b, e.Time.UnixMicro())
	for _, s := range [...]string{
		e.Act, e.Op, string(e.Outcome), e.Code, e.Detail, string(e.Actor), string(e.ActorKind),
		string(e.For), string(e.Credential), string(e.Kind), string(e.Resource), string(e.Scope),
	} {
		b = appendText(b, s)
	}
	b = append(b, byte(e.Category), byte(e.Tier))
	b = appendText(b, string(e.Binding))
	b = appendInt(b, e.Revision)
	b = appendText(b, e.Request)
	b = appendText(b, e.Model)
	b = appendText(b, e.PromptHash)
	b = appendInt(b, int64(e.Cost))
	b = appendInt(b, e.Count)
	b = appendText(b, e.Alert)
	b = append(b, byte(len(parts)))
	for _, p := range parts {
		b = append(b, p.Kind)
		b = appendText(b, p.Person)
		b = appendText(b, string(p.Sealed))
	}
	return b
}

// Parse takes a leaf apart; Personal stays empty, its parts sealed. An error
// wraps ErrMalformed.
func Parse(leaf []byte) (*vitrine.Entry, []Part, error) {
	r := reader{s: string(leaf)}
	if v := r.byte(); v != Version {
		return nil, nil, fmt.Errorf("%w: version %d", ErrMalformed, v)
	}
	e := &vitrine.Entry{Seq: r.int(), Time: time.UnixMicro(r.int()).UTC()}
	e.Act, e.Op, e.Outcome = r.text(), r.text(), vitrine.Outcome(r.text())
	e.Code, e.Detail = r.text(), r.text()
	e.Actor, e.ActorKind, e.For = r.id(), vitrine.PrincipalKind(r.text()), r.id()
	e.Credential = r.id()
	e.Kind, e.Resource, e.Scope = vitrine.Kind(r.text()), r.id(), r.id()
	e.Category, e.Tier = vitrine.Category(r.byte()), vitrine.Tier(r.byte())
	e.Binding, e.Revision = r.id(), r.int()
	e.Request, e.Model, e.PromptHash = r.text(), r.text(), r.text()
	e.Cost, e.Count = vitrine.Micros(r.int()), r.int()
	e.Alert = r.text()
	parts := make([]Part, 0, 2)
	for n := r.byte(); n > 0 && !r.bad; n-- {
		parts = append(parts, Part{r.byte(), r.text(), []byte(r.bytes())})
	}
	if r.bad {
		return nil, nil, fmt.Errorf("%w: it ends early or holds what is no text", ErrMalformed)
	}
	if len(r.s) > 0 {
		return nil, nil, fmt.Errorf("%w: %d bytes after its end", ErrMalformed, len(r.s))
	}
	return e, parts, nil
}

func appendInt(b []byte, n int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(n)) }

// appendText appends a text. Only what Clean and Seal made comes here, and
// that fits the length.
func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// reader takes fields off the front; after the first that is not there, bad is
// set and all others are empty. Texts are parts of one string: a leaf has so
// many that each of its own would cost more than all the rest.
type reader struct {
	s   string
	bad bool
}

func (r *reader) take(n int) string {
	if r.bad || len(r.s) < n {
		r.bad, r.s = true, ""
		return ""
	}
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

func (r *reader) byte() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (r *reader) int() int64 {
	s := r.take(8)
	if s == "" {
		return 0
	}
	return int64(s[0])<<56 | int64(s[1])<<48 | int64(s[2])<<40 | int64(s[3])<<32 |
		int64(s[4])<<24 | int64(s[5])<<16 | int64(s[6])<<8 | int64(s[7])
}

func (r *reader) bytes() string {
	s := r.take(2)
	if s == "" {
		return ""
	}
	return r.take(int(s[0])<<8 | int(s[1]))
}

func (r *reader) text() string {
	s := r.bytes()
	if s == "" {
		return ""
	}
	if len(s) > MaxText || strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		r.bad, r.s = true, ""
		return ""
	}
	return s
}

func (r *reader) id() vitrine.ID { return vitrine.ID(r.text()) }
