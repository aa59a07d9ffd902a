package provider

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"vitrine.dev/vitrine"
)

// MaxPreviews is the most earlier states of a picture that can be asked for.
const MaxPreviews = 3

// streams reports whether a request is asked as a stream: where previews are
// wanted of a model that is known to have them. Of others many refuse the field
// itself.
func (r *Request) streams() bool { return r.Previews > 0 && r.Preview != nil && isGPTImage(r.Model) }

// Bounds on what a stream may hold beside the pictures that were asked for.
const (
	sparePreviews = 16
	maxEvents     = 1000
)

// stream reads a streamed answer.
type stream struct {
	reader
	ask      *Request
	previews int
}

// readStream reads a stream of events: previews go to where the request says,
// finished pictures into its sinks. It stops with the last picture that was
// asked for. A stream that ends before, also in good order, broke off: what was
// made of it nobody knows.
func readStream(in *watched, r *Request, max int64) (*answer, json.RawMessage, error) {
	w := windows.Get().(*window)
	defer windows.Put(w)
	s := &stream{ask: r}
	s.out, s.sink, s.n, s.max = w.bytes, r.Sink, r.N, max
	if s.n < 1 {
		s.n = 1
	}
	s.URLs, s.Echo = map[int]string{}, map[string]string{}
	in.patient = true // a service may think for minutes before an event
	all := newEvents(in)
	for range maxEvents {
		in.patient = true
		data, err := all.next()
		in.patient = false
		if errors.Is(err, io.EOF) {
			return &s.answer, nil, fail(CodeCut, ChargedUnknown, "The service's stream ended before the picture came.", err)
		}
		if err != nil {
			return &s.answer, nil, err
		}
		s.scanner = newScanner(data, w.text)
		if err := s.event(all.name); err != nil || s.failed != nil {
			return &s.answer, s.failed, err
		}
		if len(s.Images) == s.n {
			return &s.answer, nil, nil
		}
	}
	return &s.answer, nil, fail(CodeTooLarge, ChargedUnknown, "The service's stream holds far more than pictures.", nil)
}

// event reads one event. What it is stands in its name or in its type, whichever
// comes first, but before the picture.
func (s *stream) event(kind string) error {
	if c, err := s.peek(); err != nil || c != '{' {
		if errors.Is(err, io.ErrUnexpectedEOF) || c == '[' { // nothing, or [DONE]
			return nil
		}
		return errors.Join(err, syntax("an event is no object"))
	}
	index, had, made, before := s.previews, s.previews, len(s.Images), s.Cost
	s.Cost = nil
	whole := func(int) {}
	err := s.members(func(key string) (err error) {
		switch key {
		case "type":
			said, _, err := s.scalar(maxToken)
			kind = said
			return err
		case "partial_image_index":
			text, _, err := s.scalar(maxToken)
			index = int(number(json.RawMessage(text)))
			return err
		case "b64_json", "url":
			switch {
			case strings.HasSuffix(kind, ".completed"):
				if len(s.Images) > made {
					return syntax("two contents for one picture")
				}
				s.Images = append(s.Images, Image{})
				return s.content(made, key == "url")
			case strings.HasSuffix(kind, ".partial_image"):
				whole, err = s.preview()
				return err
			case kind == "":
				return syntax("a picture that does not say whether it is finished")
			}
			return s.skip(1)
		case "revised_prompt":
			text, _, err := s.scalar(maxRevised)
			if len(s.Images) > made {
				s.Images[made].RevisedPrompt = text
			}
			return err
		}
		if key == "data" {
			return s.skip(1)
		}
		return s.member(key)
	})
	s.Cost = sum(before, s.Cost)
	if err != nil || s.failed != nil {
		return err
	}
	if kind == "error" {
		s.failed = json.RawMessage(`{"message":"The service's stream ended with an error."}`)
	}
	if s.previews > had {
		whole(index)
	}
	if strings.HasSuffix(kind, ".completed") && len(s.Images) == made {
		return fail(CodeNoImage, ChargedUnknown, "The service answered without a picture.", nil)
	}
	return nil
}

// sum is of two amounts either of which may be unknown.
func sum(a, b *vitrine.Micros) *vitrine.Micros {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	both := *a + *b
	return &both
}

// preview reads a preview into where the request wants it.
func (s *stream) preview() (whole func(int), err error) {
	c, err := s.peek()
	if err != nil || c != '"' {
		return func(int) {}, errors.Join(err, s.skip(3))
	}
	if s.previews++; s.previews > s.n*MaxPreviews+sparePreviews {
		return nil, fail(CodeTooLarge, ChargedUnknown, "The service's stream does not come to an end.", nil)
	}
	w, whole := s.ask.Preview()
	if w == nil {
		w, whole = io.Discard, func(int) {}
	}
	s.pos++
	p := &content{d: decoder{out: s.out, max: s.max, sink: func() (io.Writer, error) { return w, nil }}}
	err = s.chunks(func(piece []byte, escaped bool) error {
		before := p.taken
		err := p.write(piece, escaped)
		s.free += p.taken - before
		return err
	})
	if err == nil {
		err = p.close()
	}
	return whole, err
}
