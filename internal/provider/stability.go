package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"vitrine.dev/vitrine"
)

// stability speaks Stability AI's v2beta. It makes one picture a call, so n
// pictures are n calls, one after the other, and the first that fails ends them:
// what came before it came whole. Its answers are the picture itself, which goes
// straight to the sink; that it was withheld stands in a header before it.
type stability struct{ *service }

// Routes of the service, by what they draw. Each is a model of its own, because
// each has a price of its own: also inpaint, which is the one that takes a mask.
const (
	stabilityCore    = "core"
	stabilityUltra   = "ultra"
	stabilitySD3     = "sd3"
	stabilityInpaint = "inpaint"
)

// stabilityModels are the models that the service documents; it lists none.
var stabilityModels = []string{stabilityCore, stabilityUltra, "sd3.5-flash", "sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", stabilityInpaint}

const (
	stabilityPrompt = 10_000 // characters
	stabilityUpload = 10 << 20
	stabilitySeed   = 1<<32 - 2
)

// stabilityRoute is where a model is asked for; "" is no model of the service.
func stabilityRoute(model string) string {
	name := strings.TrimPrefix(path.Base(strings.ToLower(model)), "stable-image-")
	switch {
	case strings.HasPrefix(name, stabilitySD3):
		return stabilitySD3
	case slices.Contains([]string{stabilityCore, stabilityUltra, stabilityInpaint}, name):
		return name
	}
	return ""
}

// ratios are the shapes that the service draws.
var ratios = map[string]float64{"21:9": 21. / 9, "16:9": 16. / 9, "3:2": 3. / 2, "5:4": 5. / 4, "1:1": 1, "4:5": 4. / 5, "2:3": 2. / 3, "9:16": 9. / 16, "9:21": 9. / 21}

// ratioOf is the shape of a size; "" is the service's choice. The service
// decides on the pixels, so sizes that it answers itself, such as 1344x768 for
// 16:9, count as the nearest.
func ratioOf(size string) (string, error) {
	if size == "" || size == "auto" {
		return "", nil
	}
	a, b, ok := strings.Cut(size, "x")
	w, errW := strconv.Atoi(a)
	h, errH := strconv.Atoi(b)
	if ok && errW == nil && errH == nil && w > 0 && h > 0 {
		const near = 0.04
		for _, name := range slices.Sorted(maps.Keys(ratios)) {
			if off := float64(w) / float64(h) / ratios[name]; off > 1-near && off < 1+near {
				return name, nil
			}
		}
	}
	return "", vitrine.Invalid("size", "invalid_size", "This service draws in the shapes 21:9, 16:9, 3:2, 5:4, 1:1, 4:5, 2:3, 9:16 and 9:21: ask for 1024x1024, 1536x1024, 1024x1536 or the like.")
}

func checkStability(r *Request) error {
	route := stabilityRoute(r.Model)
	edit := len(r.Sources) > 0
	switch {
	case route == "":
		return vitrine.Invalid("model", CodeNoModel, "The service has the models "+strings.Join(stabilityModels, ", ")+".")
	case len([]rune(r.Prompt.Reveal())) > stabilityPrompt:
		return vitrine.Invalid("prompt", "string_above_max_length", fmt.Sprintf("This service takes prompts of at most %d characters.", stabilityPrompt))
	case r.Quality != "" && r.Quality != "auto" && r.Quality != "standard":
		return vitrine.Invalid("quality", "invalid_parameter_value", "This service knows no quality; leave it out.")
	case r.Format == "webp" && route == stabilitySD3:
		return vitrine.Invalid("output_format", "unsupported_format", "This model makes png and jpeg.")
	case len(r.Sources) > 1:
		return vitrine.Invalid("image", "too_many_images", "This service edits one picture at a time.")
	case edit && route == stabilityCore:
		return vitrine.Invalid("image", "edits_unsupported", "This model does not edit images; sd3.5-large, ultra and inpaint do.")
	case !edit && route == stabilityInpaint:
		return vitrine.Invalid("image", "missing_image_input", "This model changes a picture; it draws none anew.")
	case edit && r.Mask != nil && route != stabilityInpaint:
		return vitrine.Invalid("mask", "mask_unsupported", "This model takes no mask; inpaint does.")
	}
	for _, s := range r.Sources {
		if s.Size > stabilityUpload {
			return vitrine.Invalid("image", "image_too_large", "This service takes pictures of at most 10 MB.")
		}
	}
	if seed, ok := r.Extra["seed"]; ok {
		if v, err := strconv.ParseUint(strings.Trim(string(seed), `"`), 10, 64); err != nil || v > stabilitySeed {
			return vitrine.Invalid("seed", "invalid_parameter_value", fmt.Sprintf("seed has to be 0 to %d.", uint64(stabilitySeed)))
		}
	}
	if _, err := ratioOf(r.Size); err != nil && !edit { // an edit keeps its picture's shape
		return err
	}
	return checkForm(r)
}

// Generate asks for pictures, or for an edit when there is a source.
func (p *stability) Generate(ctx context.Context, r *Request) (*Result, error) {
	if err := Check(p.kind, r); err != nil {
		return nil, err
	}
	mask := r.Mask
	if mask != nil {
		grey, err := greyMask(*mask)
		if err != nil {
			return nil, err
		}
		mask = &grey
	}
	all := &Result{Echo: map[string]string{}}
	for i := range max(r.N, 1) {
		f, err := p.fields(r, i)
		if err != nil {
			return nil, err
		}
		b, err := formBody(f, r.Sources, mask)
		if err != nil {
			return nil, err
		}
		m, err := p.one(ctx, r, b, func() (io.Writer, error) { return r.Sink(i) })
		if err != nil {
			return nil, err
		}
		all.Images = append(all.Images, *m)
	}
	return all, nil
}

// fields are the request's i-th picture in the service's words.
func (p *stability) fields(r *Request, i int) (map[string]json.RawMessage, error) {
	f := maps.Clone(r.Extra)
	if f == nil {
		f = map[string]json.RawMessage{}
	}
	f["prompt"] = text(r.Prompt.Reveal())
	if r.Format != "" {
		f["output_format"] = text(r.Format)
	}
	if seed, err := strconv.ParseUint(strings.Trim(string(f["seed"]), `"`), 10, 64); err == nil && seed > 0 {
		f["seed"] = text(strconv.FormatUint((seed+uint64(i)-1)%stabilitySeed+1, 10)) // or all would be alike
	}
	edit := len(r.Sources) > 0
	route := stabilityRoute(r.Model)
	if route == stabilitySD3 {
		f["model"], f["mode"] = text(path.Base(strings.ToLower(r.Model))), text("text-to-image")
		if edit {
			f["mode"] = text("image-to-image")
		}
	}
	if edit && route != stabilityInpaint && f["strength"] == nil {
		f["strength"] = text("0.75")
	}
	ratio, err := ratioOf(r.Size)
	if err == nil && ratio != "" && !edit {
		f["aspect_ratio"] = text(ratio)
	}
	return f, nil
}

// one is one call: one picture into its sink.
func (p *stability) one(ctx context.Context, r *Request, b *body, sink func() (io.Writer, error)) (*Image, error) {
	route := stabilityRoute(r.Model)
	at := p.base.String() + "/v2beta/stable-image/generate/" + route
	if route == stabilityInpaint {
		at = p.base.String() + "/v2beta/stable-image/edit/inpaint"
	}
	req, err := p.request(ctx, http.MethodPost, at, b)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "image/*")
	req.Header.Set("Stability-Client-Id", agent)
	if r.EndUser != "" {
		req.Header.Set("Stability-Client-User-Id", r.EndUser)
	}
	resp, err := p.do(ctx, p.client, req)
	if err != nil {
		return nil, err
	}
	defer resp.close()
	if err := p.acceptPicture(resp); err != nil {
		return nil, err
	}
	n, err := p.copy(resp, sink)
	if err != nil {
		return nil, err
	}
	return &Image{Size: n, Seed: word(resp.Header.Get("Seed"))}, nil
}

// acceptPicture answers an error for an answer that is no picture, or one that
// the service blurred: it says so under a status of success, and took its credits.
func (p *stability) acceptPicture(resp *exchange) error {
	kind := resp.Header.Get("Content-Type")
	if resp.StatusCode == http.StatusOK && strings.HasPrefix(kind, "image/") && resp.Header.Get("Content-Encoding") == "" {
		switch reason := resp.Header.Get("Finish-Reason"); {
		case reason == "CONTENT_FILTERED":
			return &Error{Status: resp.StatusCode, Code: CodeFiltered, Charged: ChargedUnknown, Message: "The service made the picture and withheld it: its content is against the service's rules."}
		case reason != "" && reason != "SUCCESS":
			return &Error{Status: resp.StatusCode, Code: word(strings.ToLower(reason)), Charged: ChargedUnknown, Message: "The service did not finish the picture."}
		case resp.ContentLength > p.max:
			return tooLarge()
		}
		return nil
	}
	if err := p.accept(resp, false); err != nil {
		if e := (*Error)(nil); errors.As(err, &e) && e.Code == "content_moderation" {
			e.Code = CodeFiltered
		}
		return err
	}
	// Something else under a status of success: an error, or not this service.
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return broken(resp.ctx, true, err)
	}
	if e := p.refusal(resp.Response, b); json.Valid(b) && e.Code != "" {
		return e
	}
	if len(b) > 0 && !strings.Contains("{[", string(b[:1])) {
		return fail(CodeWrongService, ChargedUnknown, "The service's answer is no picture; is its base URL right?", nil)
	}
	return fail(CodeBadAnswer, ChargedUnknown, "The service answered something that is no picture.", nil)
}

// Models are those that the service documents, once it has said that it knows
// the credential. It tells no prices: they are credits, and stand on its site.
func (p *stability) Models(ctx context.Context) ([]Model, error) {
	if _, err := p.Balance(ctx); err != nil {
		return nil, err
	}
	var all []Model
	for _, id := range stabilityModels {
		all = append(all, Model{ID: id})
	}
	return all, nil
}

// credit is what the service sells a credit for.
const credit = vitrine.Dollar / 100

// Balance is what is left on the account, in dollars.
func (p *stability) Balance(ctx context.Context) (vitrine.Micros, error) {
	var v struct {
		Credits *float64 `json:"credits"`
	}
	if err := p.get(ctx, http.MethodGet, p.base.String()+"/v1/user/balance", &v); err != nil {
		return 0, err
	}
	if v.Credits == nil || !(*v.Credits > -1e9 && *v.Credits < 1e9) {
		return 0, fail(CodeBadAnswer, ChargedNo, "The service's balance cannot be read.", nil)
	}
	return vitrine.Micros(math.Floor(*v.Credits * float64(credit))), nil
}

var _ Balancer = (*stability)(nil)
