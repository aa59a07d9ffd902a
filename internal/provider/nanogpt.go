package provider

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
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
	if err := addUploads(f, r); err != nil {
		return nil, err
	}
	b, err := jsonBody(f)
	if err != nil {
		return nil, err
	}
	return p.ask(ctx, "/images/generations", b, r)
}

func addUploads(f map[string]json.RawMessage, r *Request) error {
	var urls []json.RawMessage
	for _, s := range r.Sources {
		u, err := asDataURL(s)
		if err != nil {
			return fmt.Errorf("read a source: %w", err)
		}
		urls = append(urls, u)
	}
	switch {
	case len(urls) == 1:
		f["imageDataUrl"] = urls[0]
	case len(urls) > 1:
		f["imageDataUrls"] = slices.Concat([]byte("["), bytes.Join(rawBytes(urls), []byte(",")), []byte("]"))
	}
	if r.Mask == nil {
		return nil
	}
	u, err := asDataURL(*r.Mask)
	f["maskDataUrl"] = u
	return err
}

func rawBytes(all []json.RawMessage) [][]byte {
	out := make([][]byte, len(all))
	for i := range all {
		out[i] = all[i]
	}
	return out
}

// asDataURL is a picture as a JSON string; checkUploads has bounded it.
func asDataURL(s Source) (json.RawMessage, error) {
	kind, _ := mediaType(s.Format)
	var b bytes.Buffer
	b.WriteString(`"data:` + kind + `;base64,`)
	enc := base64.NewEncoder(base64.StdEncoding, &b)
	if _, err := io.Copy(enc, io.NewSectionReader(s, 0, s.Size)); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	b.WriteByte('"')
	return b.Bytes(), nil
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
