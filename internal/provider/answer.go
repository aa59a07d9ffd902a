package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"

	"vitrine.dev/vitrine"
)

// answer is what was read of a service's answer.
type answer struct {
	Result
	URLs map[int]string // pictures that have to be fetched, by index
}

// windows are reused: an answer needs one for the text and one for the bytes.
var windows = sync.Pool{New: func() any { return &window{make([]byte, 64<<10), make([]byte, 48<<10)} }}

type window struct{ text, bytes []byte }

const (
	maxURL     = 8 << 10
	maxRevised = 32 << 10
	maxUsage   = 16 << 10
)

// reader reads one answer into the sinks of a request.
type reader struct {
	*scanner
	answer
	out    []byte
	sink   func(int) (io.Writer, error)
	n      int   // pictures asked for
	max    int64 // bytes of one
	failed json.RawMessage
	seen   bool // data
	webui  bool // speaks as AUTOMATIC1111 does
	seeds  []string
}

// readAnswer reads an answer of at most n pictures of max bytes and writes
// them into the sinks as they come. It stops at the end of the object: what a
// service sends after it costs nobody a picture that was paid for.
func readAnswer(kind vitrine.ProviderKind, in io.Reader, n int, max int64, sink func(int) (io.Writer, error)) (*answer, json.RawMessage, error) {
	w := windows.Get().(*window)
	defer windows.Put(w)
	r := &reader{scanner: newScanner(in, w.text), out: w.bytes, sink: sink, n: n, max: max}
	r.URLs, r.Echo = map[int]string{}, map[string]string{}
	if kind == vitrine.Automatic1111 {
		r.webui, r.junk = true, maxEcho
	}
	c, err := r.peek()
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, nil, fail(CodeBadAnswer, ChargedUnknown, "The service answered nothing at all.", err)
	case err != nil:
		return nil, nil, err
	case c != '{':
		// Not even the beginning of an answer. It may be another service, or the
		// picture itself in a form that the dialect does not have.
		return nil, nil, fail(CodeWrongService, ChargedUnknown, "The service's answer is not JSON; is its base URL right?", nil)
	}
	member := r.member
	if r.webui {
		member = r.webuiMember
	}
	if err := r.members(member); err != nil {
		return nil, nil, err
	}
	if len(r.Images) > r.n {
		return nil, nil, r.tooMany()
	}
	for i := range min(len(r.seeds), len(r.Images)) {
		r.Images[i].Seed = r.seeds[i]
	}
	return &r.answer, r.failed, nil
}

func (r *reader) member(key string) (err error) {
	switch key {
	case "data":
		return r.data()
	case "usage":
		if r.Usage, err = r.raw(maxUsage); err == nil && (len(r.Usage) == 0 || r.Usage[0] != '{') {
			r.Usage = nil
		}
		return err
	case "error":
		r.failed, err = r.raw(maxErrorBody)
		if string(r.failed) == "null" {
			r.failed = nil
		}
		return err
	case "cost":
		text, _, err := r.scalar(maxToken)
		r.Cost = micros(text)
		return err
	case "size", "quality", "background", "output_format":
		text, ok, err := r.scalar(maxToken)
		if ok && text != "" && word(text) != "" {
			r.Echo[key] = text
		}
		return err
	}
	return r.skip(1)
}

func (r *reader) data() error { return r.pictures(r.picture) }

// pictures reads the list of pictures, each with one.
func (r *reader) pictures(one func(i int) error) error {
	if r.seen {
		return syntax("the pictures twice")
	}
	r.seen = true
	if c, err := r.peek(); err != nil || c != '[' {
		if err == nil && c == 'n' {
			return r.skip(1)
		}
		return errors.Join(err, syntax("the pictures are no list"))
	}
	return r.elements(func(i int) error {
		// What is too many goes nowhere, but the cost may stand behind it.
		if i >= 2*r.n+MaxImages {
			return r.tooMany()
		}
		r.Images = append(r.Images, Image{})
		return one(i)
	})
}

func (r *reader) tooMany() *Error {
	e := fail(CodeTooMany, ChargedUnknown, fmt.Sprintf("The service answered more than the %d pictures asked for.", r.n), nil)
	e.Cost = r.Cost
	return e
}

// sinkOf is where the i-th picture goes.
func (r *reader) sinkOf(i int) (io.Writer, error) {
	if i >= r.n {
		return io.Discard, nil
	}
	return r.sink(i)
}

// picture reads one element of data.
func (r *reader) picture(i int) error {
	m := &r.Images[i]
	return r.members(func(key string) (err error) {
		switch key {
		case "b64_json", "url":
			return r.content(i, key == "url")
		case "revised_prompt":
			m.RevisedPrompt, _, err = r.scalar(maxRevised)
			return err
		case "seed":
			m.Seed, _, err = r.scalar(maxToken)
			return err
		}
		return r.skip(3)
	})
}

// scalar is a string, or a number as text. Anything else is stepped over and
// is not ok.
func (r *reader) scalar(limit int) (text string, ok bool, err error) {
	c, err := r.peek()
	switch {
	case err != nil:
		return "", false, err
	case c == '"':
		r.pos++
		text, err = r.text(limit)
		return text, true, err
	case c == '-' || '0' <= c && c <= '9':
		text, err = r.token()
		return text, true, err
	}
	return "", false, r.skip(1)
}

// content reads b64_json or url. Either may hold a data URL, and b64_json may
// be null or "" beside a url, as several services answer.
func (r *reader) content(i int, url bool) error {
	c, err := r.peek()
	if err != nil {
		return err
	}
	if c != '"' {
		if c != 'n' {
			return syntax("a picture that is no string")
		}
		return r.skip(3)
	}
	r.pos++
	p := &content{d: decoder{out: r.out, max: r.max, sink: func() (io.Writer, error) {
		if r.Images[i].Size > 0 {
			return nil, errTwice
		}
		return r.sinkOf(i)
	}}, url: url}
	err = r.chunks(func(piece []byte, escaped bool) error {
		before := p.taken
		err := p.write(piece, escaped)
		r.free += p.taken - before
		return err
	})
	if err == nil {
		err = p.close()
	}
	if errors.Is(err, errTwice) {
		return syntax("two contents for one picture")
	}
	if p.d.size > 0 {
		r.Images[i].Size = p.d.size
	}
	if len(p.text) > 0 {
		r.URLs[i] = string(p.text)
	}
	return err
}

var errTwice = errors.New("a second content")

// content tells base64, a data URL and a URL apart while they come in.
type content struct {
	d     decoder
	url   bool
	taken int64 // bytes that went to the decoder
	head  []byte
	state int
	text  []byte // of a URL
}

const (
	atHead = iota
	inDataURL
	inBase64
	inURL
)

const dataURL = "data:"

func (p *content) write(piece []byte, escaped bool) error {
	if !escaped && p.state != inBase64 && control(piece[:min(len(piece), maxURL)]) {
		return syntax("a control character in a string")
	}
	switch p.state {
	case atHead:
		if escaped && (piece[0] == '\n' || piece[0] == '\r') {
			return nil
		}
		n := min(len(piece), len(dataURL)-len(p.head))
		p.head = append(p.head, piece[:n]...)
		if len(p.head) < len(dataURL) {
			return nil
		}
		p.settle()
		if err := p.write(p.head, false); err != nil || n == len(piece) {
			return err
		}
		return p.write(piece[n:], escaped)
	case inDataURL:
		for i, c := range piece {
			if c == ',' {
				p.state = inBase64
				return p.write(piece[i+1:], false)
			}
		}
	case inBase64:
		p.taken += int64(len(piece))
		return p.d.write(piece, escaped)
	case inURL:
		if p.text = append(p.text, piece...); len(p.text) > maxURL {
			return fail(CodeBadAnswer, ChargedUnknown, "The service answered a URL of more than 8 KB.", nil)
		}
	}
	return nil
}

// settle decides from the head what the string is.
func (p *content) settle() {
	switch {
	case strings.HasPrefix(string(p.head), dataURL):
		p.state = inDataURL
	case p.url:
		p.state = inURL
	default:
		p.state = inBase64
	}
}

func (p *content) close() error {
	if p.state == atHead {
		p.settle()
		if err := p.write(p.head, false); err != nil {
			return err
		}
	}
	if p.state == inDataURL {
		return syntax("a data URL without data")
	}
	return p.d.close()
}

// micros reads an amount in dollars as services write it, rounded up. What is
// no amount is nil: then nothing is known of the cost.
func micros(text string) *vitrine.Micros {
	v, err := strconv.ParseFloat(strings.TrimPrefix(text, "$"), 64)
	if err != nil || !(v >= 0 && v <= 1e9) {
		return nil
	}
	m := vitrine.Micros(math.Ceil(v*1e6 - 1e-4))
	return &m
}
