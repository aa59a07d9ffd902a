package provider

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"vitrine.dev/vitrine"
)

// nanoGPT speaks NanoGPT's OpenAI-compatible routes with its own fields.
// Pictures to edit go along as data URLs in JSON, which the route for
// generations takes on every base URL that the service has.
type nanoGPT struct {
	*service
	root string // before /api and /v1
}

// newNanoGPT takes the base URL as the service documents it in its three
// forms: https://nano-gpt.com, .../v1 and .../api/v1.
func newNanoGPT(s *service) *nanoGPT {
	base := *s.base
	versioned := strings.HasSuffix(base.Path, "/v1")
	base.Path = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/v1"), "/api")
	root := base.String()
	if !versioned {
		s.base.Path = base.Path + "/api/v1"
	}
	return &nanoGPT{s, root}
}

// maxUploads is NanoGPT's bound on pictures after encoding.
const maxUploads = 4 << 20

func checkUploads(r *Request) error {
	var total int64
	for _, s := range r.Sources {
		total += (s.Size + 2) / 3 * 4
	}
	if r.Mask != nil {
		total += (r.Mask.Size + 2) / 3 * 4
	}
	if total > maxUploads {
		return vitrine.Invalid("image", "image_input_too_large", "The service takes pictures of at most 3 MB together.")
	}
	return checkMask(r)
}

// Generate asks for pictures, or for an edit when there are sources.
func (p *nanoGPT) Generate(ctx context.Context, r *Request) (*Result, error) {
	if err := Check(p.kind, r); err != nil {
		return nil, err
	}
	f := common(r)
	f["response_format"] = text("b64_json") // it may answer url all the same
	if r.EndUser != "" {
		f["user"] = text(r.EndUser)
	}
	b, err := jsonBody(f)
	if err != nil {
		return nil, err
	}
	return p.ask(ctx, "/images/generations", withUploads(b, r), r)
}

// withUploads puts the pictures to edit into a JSON body, as data URLs that are
// encoded while they are sent: many edits at the same time hold none of them in
// memory.
func withUploads(fields *body, r *Request) *body {
	j := &uploads{}
	if len(r.Sources) == 1 {
		j.text(`,"imageDataUrl":`)
		j.dataURL(r.Sources[0])
	} else if len(r.Sources) > 1 {
		separator := `,"imageDataUrls":[`
		for _, s := range r.Sources {
			j.text(separator)
			j.dataURL(s)
			separator = ","
		}
		j.text("]")
	}
	if r.Mask != nil {
		j.text(`,"maskDataUrl":`)
		j.dataURL(*r.Mask)
	}
	return j.within(fields)
}

// uploads are further members of a JSON body.
type uploads struct {
	parts []io.Reader
	size  int64
}

func (j *uploads) text(s string) {
	j.parts = append(j.parts, strings.NewReader(s))
	j.size += int64(len(s))
}

func (j *uploads) dataURL(s Source) {
	kind, _ := mediaType(s.Format)
	j.text(`"data:` + kind + `;base64,`)
	j.base64(s)
	j.text(`"`)
}

func (j *uploads) base64(s Source) {
	j.parts = append(j.parts, &encoder{from: io.NewSectionReader(s, 0, s.Size)})
	j.size += int64(base64.StdEncoding.EncodedLen(int(s.Size)))
}

// within puts the members at the end of a JSON body.
func (j *uploads) within(fields *body) *body {
	if len(j.parts) == 0 {
		return fields
	}
	open := fields.size - int64(len("}\n")) // an encoder's object ends so, and has a prompt at least
	j.text("}")
	return &body{io.MultiReader(append([]io.Reader{io.LimitReader(fields, open)}, j.parts...)...), fields.kind, open + j.size}
}

// encoder reads what it reads from as base64.
type encoder struct {
	from  io.Reader
	plain [3 << 10]byte
	out   [4 << 10]byte
	rest  []byte // of out
	err   error
}

// Read implements io.Reader.
func (e *encoder) Read(p []byte) (int, error) {
	for len(e.rest) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		var n int
		if n, e.err = io.ReadFull(e.from, e.plain[:]); errors.Is(e.err, io.ErrUnexpectedEOF) {
			e.err = io.EOF
		}
		base64.StdEncoding.Encode(e.out[:], e.plain[:n])
		e.rest = e.out[:base64.StdEncoding.EncodedLen(n)]
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// Models lists what the service offers, with prices where it tells them. It
// asks the two routes that do and then OpenAI's, so that a part of NanoGPT
// behind another name is understood too.
func (p *nanoGPT) Models(ctx context.Context) ([]Model, error) {
	var err error
	for _, u := range []string{p.root + "/api/v1/image-models?detailed=true", p.root + "/api/v1/images/models", p.base.String() + "/models"} {
		var list modelList
		if err = p.get(ctx, http.MethodGet, u, &list); err == nil {
			return list.models(), nil
		}
		if e := (&Error{}); !errors.As(err, &e) || e.Status != http.StatusNotFound {
			return nil, err
		}
	}
	return nil, err
}

// Balance is what is left on the account, in dollars.
func (p *nanoGPT) Balance(ctx context.Context) (vitrine.Micros, error) {
	var v struct {
		USD json.RawMessage `json:"usd_balance"`
	}
	if err := p.get(ctx, http.MethodPost, p.root+"/api/check-balance", &v); err != nil {
		return 0, err
	}
	text, ok := scalarText(v.USD)
	left, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil || !(left > -1e9 && left < 1e9) {
		return 0, fail(CodeBadAnswer, ChargedNo, "The service's balance cannot be read.", nil)
	}
	return vitrine.Micros(math.Floor(left * 1e6)), nil
}

var _ Balancer = (*nanoGPT)(nil)
