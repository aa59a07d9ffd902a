// Package entry is the leaf of the log: how an entry becomes bytes and back.
//
// The format is final. A leaf of version 1 is, in this order, with integers
// big-endian and nothing between or after:
//
//	1 byte   version, 1
//	8 bytes  seq, the place in the log, from 0
//	8 bytes  time, microseconds since 1970-01-01 UTC, signed
//	text     act
//	text     op
//	text     outcome
//	text     code
//	text     detail
//	text     actor: the principal's id
//	text     actor kind
//	text     for: the id of the person acted for
//	text     credential: the id of the key or session
//	text     kind of the resource
//	text     resource: its id
//	text     scope: the id of where it lies
//	1 byte   category: 0 unknown, 1 training, 2 reference, 3 generated,
//	         4 evaluation, 5 model-file, 6 configuration
//	1 byte   tier: 0 unknown, 1 public, 2 internal, 3 confidential, 4 restricted
//	text     binding: the id of what allowed it
//	8 bytes  revision of the policy, signed
//	text     request: its id
//	text     model
//	text     prompt hash, keyed
//	8 bytes  cost in micro-dollars, signed
//	8 bytes  count, signed
//	text     alert
//	1 byte   number of personal parts, 0 to 255
//	         for each part:
//	1 byte   kind: 1 the actor's part, 2 the asserted end user's part
//	text     person whose key it is sealed under
//	text     the sealed bytes
//
// A text is its length in bytes as 2 bytes, and the bytes. All but sealed bytes
// are UTF-8 without NUL and at most MaxText bytes long.
//
// What says something about a person beyond an opaque id stands in a personal
// part, sealed under that person's own key, so destroying the key forgets the
// person and leaves every hash and proof as it was. The person of the actor's
// part is the actor's id, or "" where nobody is known; an asserted end user has
// no id, so there it is "end-user:" and a keyed hash of the name. Opened, the
// actor's part is the text of the address and the text of the user agent; the
// end user's part is the text of the name. Readers skip kinds of part that they
// do not know.
//
// Every entry has one encoding and every leaf that parses encodes to itself, so
// whoever holds the entry can check the leaf. The package seals nothing itself
// and knows no keys: a Sealer does.
package entry

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"vitrine.dev/vitrine"
)

// Version is the first byte of a leaf.
const Version = 1

// MaxText is the longest text in a leaf, in bytes. Longer ones are cut at a
// rune and end in an ellipsis: an attempt is recorded whatever it brings.
const MaxText = 2048

// ErrForgotten says that a person's key was destroyed.
var ErrForgotten = errors.New("this person was forgotten")

// ErrMalformed says that bytes are no leaf of a known version.
var ErrMalformed = errors.New("malformed leaf")

// Sealer seals a person's part under the person's own key.
type Sealer interface {
	// EndUser is the person that stands for an asserted end user: "end-user:"
	// and a keyed hash of the name.
	EndUser(name string) (person string)
	SealPersonal(person string, plain []byte) (sealed []byte, err error)
	// OpenPersonal answers an error that wraps ErrForgotten when the key that
	// sealed is gone.
	OpenPersonal(person string, sealed []byte) (plain []byte, err error)
}

// The kinds of personal part.
const (
	ActorPart   = 1
	EndUserPart = 2
)

// Part is a sealed part of an entry.
type Part struct {
	Kind   byte
	Person string
	Sealed []byte
}

// Encode is the leaf of e.
func Encode(e *vitrine.Entry, s Sealer) ([]byte, error) {
	c := *e
	Clean(&c)
	parts, err := Seal(&c, s)
	if err != nil {
		return nil, err
	}
	return Append(nil, &c, parts), nil
}

// Decode parses a leaf. With a nil Sealer, and for a person who was forgotten,
// Personal stays empty.
func Decode(leaf []byte, s Sealer) (*vitrine.Entry, error) {
	e, parts, err := Parse(leaf)
	if err != nil || s == nil {
		return e, err
	}
	if err := Open(e, parts, s); err != nil {
		return nil, err
	}
	return e, nil
}

// Clean makes e what its leaf will say: texts valid, free of NUL and bounded,
// the time in UTC microseconds.
func Clean(e *vitrine.Entry) {
	e.Time = e.Time.UTC().Truncate(time.Microsecond)
	for _, s := range []*string{
		&e.Act, &e.Op, (*string)(&e.Outcome), &e.Code, &e.Detail, (*string)(&e.Actor), (*string)(&e.ActorKind),
		(*string)(&e.For), (*string)(&e.Credential), (*string)(&e.Kind), (*string)(&e.Resource), (*string)(&e.Scope),
		(*string)(&e.Binding), &e.Request, &e.Model, &e.PromptHash, &e.Alert,
		&e.Personal.Address, &e.Personal.UserAgent, &e.Personal.EndUser,
	} {
		*s = Text(*s)
	}
}

// Text is s as a leaf can hold it.
func Text(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	if len(s) <= MaxText {
		return s
	}
	const end = "…"
	n := MaxText - len(end)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + end
}

// Seal seals the personal parts of e, which is clean.
func Seal(e *vitrine.Entry, s Sealer) ([]Part, error) {
	var parts []Part
	p := e.Personal
	if p.Address != "" || p.UserAgent != "" {
		plain := appendText(appendText(nil, p.Address), p.UserAgent)
		sealed, err := s.SealPersonal(string(e.Actor), plain)
		if err != nil {
			return nil, fmt.Errorf("seal the actor's part: %w", err)
		}
		parts = append(parts, Part{ActorPart, string(e.Actor), sealed})
	}
	if p.EndUser != "" {
		person := s.EndUser(p.EndUser)
		sealed, err := s.SealPersonal(person, appendText(nil, p.EndUser))
		if err != nil {
			return nil, fmt.Errorf("seal the end user's part: %w", err)
		}
		parts = append(parts, Part{EndUserPart, person, sealed})
	}
	return parts, nil
}

// Open fills in e.Personal from the parts that can be opened. A part that was
// forgotten stays empty; one that was tampered with is an error.
func Open(e *vitrine.Entry, parts []Part, s Sealer) error {
	for _, part := range parts {
		if part.Kind != ActorPart && part.Kind != EndUserPart {
			continue
		}
		plain, err := s.OpenPersonal(part.Person, part.Sealed)
		if errors.Is(err, ErrForgotten) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open a personal part of entry %d: %w", e.Seq, err)
		}
		r := reader{s: string(plain)}
		switch part.Kind {
		case ActorPart:
			e.Personal.Address, e.Personal.UserAgent = r.text(), r.text()
		case EndUserPart:
			e.Personal.EndUser = r.text()
		}
		if r.bad || len(r.s) > 0 {
			return fmt.Errorf("%w: personal part of entry %d", ErrMalformed, e.Seq)
		}
	}
	return nil
}
