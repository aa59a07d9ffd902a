package openai

import (
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"unicode/utf8"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/gateway"
)

const maxParts = 100

// part is a part of a multipart body.
type part struct {
	name string
	file bool
	body []byte
}

// readParts reads a multipart body. All parts share the memory, which the body
// fits by itself.
func readParts(r *http.Request, boundary string, memory []byte) ([]part, error) {
	reader := multipart.NewReader(r.Body, boundary)
	arena := memory[:0]
	var all []part
	for {
		p, err := reader.NextRawPart()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, multipartError(err)
		}
		if len(all) == maxParts {
			return nil, vitrine.Invalid("", "invalid_multipart_body", "The body has too many parts.")
		}
		name := p.FormName()
		if name == "" || p.Header.Get("Content-Transfer-Encoding") != "" {
			return nil, vitrine.Invalid("", "invalid_multipart_body", "A part of the body has no name, or an encoding.")
		}
		from := len(arena)
		for err == nil {
			if len(arena) == cap(arena) {
				// Full: only the end of this part can follow.
				var one [1]byte
				if _, err = io.ReadFull(p, one[:]); err == nil {
					return nil, vitrine.Invalid("", "invalid_multipart_body", "The body is longer than it said.")
				}
				break
			}
			var n int
			n, err = p.Read(arena[len(arena):cap(arena)])
			arena = arena[:len(arena)+n]
		}
		if err != io.EOF {
			return nil, multipartError(err)
		}
		all = append(all, part{name, p.FileName() != "", arena[from:len(arena):len(arena)]})
	}
}

// multipartError keeps an error of a kind, such as a body that is too large.
func multipartError(err error) error {
	var known *vitrine.Error
	if errors.As(err, &known) {
		return known
	}
	return &vitrine.Error{Kind: vitrine.ErrInvalid, Code: "invalid_multipart_body", Public: "The body is not a whole multipart form.", Err: err}
}

// form takes the parts of a multipart body.
func (p *parser) form(parts []part) error {
	seen := make(map[string]bool)
	for _, m := range parts {
		switch m.name {
		case "image", "image[]", "images", "images[]", "mask":
			if err := p.file(m); err != nil {
				return err
			}
			continue
		}
		if seen[m.name] {
			return vitrine.Invalid(m.name, "duplicate_parameter", "It stands in the form twice.")
		}
		seen[m.name] = true
		switch {
		case m.file:
			return wrongType(m.name, "text, not a file")
		case len(m.body) > maxPrompt:
			return tooLong(m.name, maxPrompt)
		case !utf8.Valid(m.body):
			return vitrine.Invalid(m.name, "invalid_parameter_value", "It must be text.")
		}
		if err := p.set(member{m.name, p.formValue(m)}); err != nil {
			return err
		}
	}
	return nil
}

// formValue is the text of a form's field as the value that it would be in
// JSON.
func (p *parser) formValue(m part) []byte {
	number := m.name == "n" || m.name == "stream" || m.name == "partial_images" || p.field(m.name) == nil
	if number && json.Valid(m.body) && (m.body[0] == '-' || '0' <= m.body[0] && m.body[0] <= '9' || string(m.body) == "true" || string(m.body) == "false") {
		return m.body
	}
	quoted, err := json.Marshal(string(m.body))
	if err != nil { // a string always marshals
		panic(err)
	}
	return quoted
}

// file is a picture in a form: the bytes themselves, or, as text, a reference
// as in JSON.
func (p *parser) file(m part) error {
	param := m.name
	if param == "image[]" || param == "images[]" {
		param = param[:len(param)-2]
	}
	src := gateway.Source{Body: p.lend(m.body), Size: int64(len(m.body)), Param: param}
	if !m.file {
		var err error
		if src, err = p.reference(param, m.body); err != nil {
			return err
		}
	} else if len(m.body) == 0 {
		return vitrine.Invalid(param, "missing_image_input", "The picture is empty.")
	}
	switch {
	case m.name != "mask":
		p.Sources = append(p.Sources, src)
	case p.Mask != nil:
		return vitrine.Invalid(param, "conflicting_image_inputs", "There can be one mask.")
	default:
		p.Mask = &src
	}
	return nil
}
