package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/gateway"
)

// Bounds on a request, whatever the model.
const (
	maxSources  = 16
	maxText     = 64 << 10 // bytes of a field that is no prompt
	maxPrompt   = 256 << 10
	maxEndUser  = 256
	maxPreviews = 3
	maxN        = 100 // beyond what any service makes at once; the role and the model bound it further
)

// defaultModel is what a request without a model asks for: NanoGPT's default,
// whose clients leave it out.
const defaultModel = "hidream"

// parser collects the parameters of one request.
type parser struct {
	gateway.Request
	public string                   // the address of this system, to know its own URLs by
	lend   func([]byte) io.ReaderAt // of the body's memory

	user, safety string
	follow       bool // it wants to be answered as a stream
	previews     *int
	images       []member // pictures, taken last: their text is decoded where it stands
}

// set takes one parameter of a JSON body.
func (p *parser) set(m member) error {
	if bytes.Equal(m.value, []byte("null")) {
		return nil // clients write null for what they leave out
	}
	switch m.name {
	case "imageDataUrl", "imageDataUrls", "maskDataUrl", "image", "image[]", "images", "mask":
		p.images = append(p.images, m)
		return nil
	case "n":
		n, err := strconv.Atoi(string(m.value))
		if err != nil {
			return wrongType("n", "an integer")
		}
		return p.count(n)
	case "stream":
		return p.stream(string(m.value))
	case "partial_images":
		n, err := strconv.Atoi(string(m.value))
		if err != nil {
			return wrongType("partial_images", "an integer")
		}
		if n < 0 || n > maxPreviews {
			return vitrine.Invalid("partial_images", "invalid_parameter_value", fmt.Sprintf("partial_images has to be 0 to %d.", maxPreviews))
		}
		p.previews = &n
		return nil
	}
	field := p.field(m.name)
	if field == nil {
		if len(m.value) > maxText {
			return tooLong(m.name, maxText)
		}
		if !json.Valid(m.value) {
			return vitrine.Invalid(m.name, "invalid_json", "Its value is not JSON.")
		}
		if p.Extra == nil {
			p.Extra = make(map[string]json.RawMessage)
		}
		p.Extra[m.name] = bytes.Clone(m.value)
		return nil
	}
	if len(m.value) == 0 || m.value[0] != '"' {
		return wrongType(m.name, "a string")
	}
	if len(m.value) > 6*maxPrompt { // escaped at the worst
		return tooLong(m.name, maxPrompt)
	}
	var text string
	if err := json.Unmarshal(m.value, &text); err != nil {
		return wrongType(m.name, "a string")
	}
	return p.text(m.name, field, text)
}

// field is where a parameter that is text goes; nil where it is none that the
// door itself knows.
func (p *parser) field(name string) *string {
	switch name {
	case "prompt":
		return (*string)(&p.Prompt)
	case "model":
		return &p.Model
	case "size":
		return &p.Size
	case "quality":
		return &p.Quality
	case "output_format":
		return &p.OutputFormat
	case "response_format":
		return &p.ResponseFormat
	case "user":
		return &p.user
	case "safety_identifier":
		return &p.safety
	}
	return nil
}

func (p *parser) text(name string, field *string, text string) error {
	most := maxText
	if name == "prompt" {
		most = maxPrompt
	}
	if len(text) > most {
		return tooLong(name, most)
	}
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return vitrine.Invalid(name, "invalid_parameter_value", "It must be text.")
	}
	*field = text
	return nil
}

func (p *parser) count(n int) error {
	if n < 1 || n > maxN {
		return vitrine.Invalid("n", "invalid_parameter_value", "n must be at least 1 and not more than the model makes at once.")
	}
	p.N = n
	return nil
}

func (p *parser) stream(value string) error {
	switch value {
	case "false", "true":
		p.follow = value == "true"
		return nil
	}
	return wrongType("stream", "a boolean")
}

// finish checks what the parameters are together.
func (p *parser) finish() (*gateway.Request, error) {
	for _, m := range p.images {
		if err := p.pictures(m); err != nil {
			return nil, err
		}
	}
	if strings.TrimSpace(p.Prompt.Reveal()) == "" {
		return nil, vitrine.Invalid("prompt", "missing_required_parameter", "Say in prompt what to make.")
	}
	if p.Model == "" {
		p.Model = defaultModel
	}
	switch p.ResponseFormat {
	case "", "b64_json", "url":
	default:
		return nil, vitrine.Invalid("response_format", "invalid_parameter_value", "response_format is b64_json or url.")
	}
	if err := p.following(); err != nil {
		return nil, err
	}
	param := "user"
	if p.EndUser = p.user; p.safety != "" {
		p.EndUser, param = p.safety, "safety_identifier"
	}
	if len(p.EndUser) > maxEndUser || strings.ContainsFunc(p.EndUser, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, vitrine.Invalid(param, "invalid_parameter_value", fmt.Sprintf("An end user's name has at most %d bytes of text.", maxEndUser))
	}
	if p.Edit && len(p.Sources) == 0 {
		return nil, vitrine.Invalid("image", "missing_image_input", "An edit needs an image.")
	}
	if len(p.Sources) > maxSources {
		return nil, vitrine.Invalid("image", "too_many_images", fmt.Sprintf("An edit takes at most %d images.", maxSources))
	}
	if p.Mask != nil && len(p.Sources) == 0 {
		return nil, vitrine.Invalid(p.Mask.Param, "missing_image_input", "A mask needs an image.")
	}
	p.Edit = p.Edit || len(p.Sources) > 0
	return &p.Request, nil
}

// following is what a stream is to bring.
func (p *parser) following() error {
	switch {
	case !p.follow && p.previews != nil && *p.previews > 0:
		return vitrine.Invalid("partial_images", "invalid_parameter_value", "partial_images are parts of a stream: send stream: true too.")
	case !p.follow:
		return nil
	case p.ResponseFormat == "url":
		return vitrine.Invalid("response_format", "invalid_parameter_value", "A stream carries the pictures themselves: ask for b64_json, or leave stream out.")
	}
	p.Stream = new(gateway.Stream)
	if p.previews != nil {
		p.Stream.Previews = *p.previews
	}
	return nil
}

// pictures takes a parameter that holds one picture or several.
func (p *parser) pictures(m member) error {
	param := strings.TrimSuffix(m.name, "[]")
	if m.name == "mask" || m.name == "maskDataUrl" {
		if p.Mask != nil {
			return vitrine.Invalid(param, "conflicting_image_inputs", "There can be one mask.")
		}
		src, err := p.picture(param, m.value)
		p.Mask = &src
		return err
	}
	values, ok := elements(m.value)
	if !ok {
		values = [][]byte{m.value}
	}
	for _, value := range values {
		if len(p.Sources) > maxSources {
			return nil // refused for that by finish
		}
		src, err := p.picture(param, value)
		if err != nil {
			return err
		}
		p.Sources = append(p.Sources, src)
	}
	return nil
}

// picture is one picture: a data URL, an image of the vault, or an object that
// holds one of them as image_url or file_id.
func (p *parser) picture(param string, value []byte) (gateway.Source, error) {
	if len(value) > 0 && value[0] == '{' {
		all, err := members(value)
		if err != nil {
			return gateway.Source{}, wrongType(param, "an image")
		}
		for _, m := range all {
			switch text, ok := unquote(m.value); {
			case bytes.Equal(m.value, []byte("null")):
			case m.name == "image_url" && ok:
				return p.reference(param+".image_url", text)
			case m.name == "file_id" && ok:
				return stored(param+".file_id", string(text))
			default:
				return gateway.Source{}, vitrine.Invalid(param, "invalid_input_references", "An image is an object with image_url or file_id.")
			}
		}
		return gateway.Source{}, vitrine.Invalid(param, "missing_image_input", "An image is an object with image_url or file_id.")
	}
	text, ok := unquote(value)
	if !ok {
		return gateway.Source{}, wrongType(param, "a data URL")
	}
	return p.reference(param, text)
}

// reference is a picture by URL. Nothing is fetched: it is a data URL, or names
// an image of this vault.
func (p *parser) reference(param string, text []byte) (gateway.Source, error) {
	head, _, isData := bytes.Cut(text[:min(len(text), 256)], []byte(","))
	if isData && bytes.HasPrefix(head, []byte("data:")) {
		if !bytes.HasPrefix(head, []byte("data:image/")) || !bytes.HasSuffix(head, []byte(";base64")) {
			return gateway.Source{}, vitrine.Invalid(param, "invalid_image_url", "A data URL of a picture begins with data:image/png;base64, or its like.")
		}
		body, err := decodeInPlace(text[len(head)+1:])
		if err != nil || len(body) == 0 {
			return gateway.Source{}, vitrine.Invalid(param, "invalid_base64", "The picture is not base64.")
		}
		return gateway.Source{Body: p.lend(body), Size: int64(len(body)), Param: param}, nil
	}
	if len(text) > 2048 {
		return gateway.Source{}, vitrine.Invalid(param, "invalid_image_url", notHere)
	}
	if id, ok := p.own(string(text)); ok {
		return stored(param, id)
	}
	return gateway.Source{}, vitrine.Invalid(param, "invalid_image_url", notHere)
}

const notHere = "Nothing is fetched from elsewhere: send the picture as a data URL, or name an image of this vault as vitrine:IMAGE-ID."

// own is the id in a URL of an image of this vault.
func (p *parser) own(text string) (id string, ok bool) {
	if id, ok = strings.CutPrefix(text, "vitrine:"); ok {
		return strings.TrimPrefix(id, "//images/"), true
	}
	u, err := url.Parse(text)
	if err != nil || p.public == "" || u.Scheme+"://"+u.Host != p.public {
		return "", false
	}
	id, ok = strings.CutPrefix(u.Path, "/api/v1/images/")
	id, _, _ = strings.Cut(id, "/")
	return id, ok
}

func stored(param, id string) (gateway.Source, error) {
	if !vitrine.ID(id).Valid() {
		return gateway.Source{}, vitrine.Invalid(param, "invalid_image_id", "This cannot be the id of an image.")
	}
	return gateway.Source{Image: vitrine.ID(id), Param: param}, nil
}

func wrongType(param, want string) error {
	return vitrine.Invalid(param, "invalid_type", "Invalid type for '"+param+"': want "+want+".")
}

func tooLong(param string, most int) error {
	return vitrine.Invalid(param, "string_above_max_length", fmt.Sprintf("It may have at most %d bytes.", most))
}
