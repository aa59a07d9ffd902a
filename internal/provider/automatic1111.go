package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"vitrine.dev/vitrine"
)

// automatic1111 speaks the API of stable-diffusion-webui, started with --api:
// one machine with one picture at a time, whose model is a setting that each
// request overrides. Its credential is the user:password of --api-auth.
type automatic1111 struct{ *service }

// Bounds of what the web UI's own sliders let anybody ask for.
const (
	webuiLeast, webuiMost, webuiStep = 64, 2048, 8
	webuiSteps                       = 150
	webuiScale                       = 30
)

// webuiFields are the fields that a caller may pass on, with what the service
// calls them. Who knows other services finds their words too.
var webuiFields = map[string]string{
	"seed": "seed", "negative_prompt": "negative_prompt", "sampler_name": "sampler_name", "scheduler": "scheduler",
	"steps": "steps", "num_inference_steps": "steps", "cfg_scale": "cfg_scale", "guidance_scale": "cfg_scale",
	"denoising_strength": "denoising_strength", "strength": "denoising_strength",
}

// webuiRanges are what the numbers among them may be.
var webuiRanges = map[string][2]float64{"steps": {1, webuiSteps}, "cfg_scale": {1, webuiScale}, "denoising_strength": {0, 1}, "seed": {-1, 1<<32 - 1}}

// adapters finds tags that load further weights from the service's disk: a
// LoRA, a hypernetwork. They are models too, so it is the deployment that names
// them, behind its checkpoint, where roles decide who may use it, and no prompt.
var adapters = regexp.MustCompile(`(?i)<\s*(lora|lyco|hypernet)\s*:[^<>]*>`)

func checkWebUI(r *Request) error {
	texts := map[string]string{"prompt": r.Prompt.Reveal()}
	if text, ok := scalarText(r.Extra["negative_prompt"]); ok {
		texts["negative_prompt"] = text
	}
	for param, text := range texts {
		if adapters.MatchString(text) {
			return vitrine.Invalid(param, "forbidden_tag", "The text loads a further model with a <lora:...> tag; ask for a deployment that has it.")
		}
	}
	switch {
	case r.Format != "" && r.Format != "png":
		return vitrine.Invalid("output_format", "unsupported_format", "This service makes png.")
	case !slices.Contains([]string{"", "auto", "standard"}, r.Quality):
		return vitrine.Invalid("quality", "invalid_parameter_value", "This service knows no quality; leave it out.")
	case len(r.Sources) > 1:
		return vitrine.Invalid("image", "too_many_images", "This service edits one picture at a time.")
	}
	if _, _, err := webuiSize(r.Size); err != nil {
		return err
	}
	if _, err := webuiExtra(r); err != nil {
		return err
	}
	return checkForm(r)
}

// webuiSize reads a size; 0 is left to the service.
func webuiSize(size string) (w, h int, err error) {
	if size == "" || size == "auto" {
		return 0, 0, nil
	}
	a, b, ok := strings.Cut(size, "x")
	w, errW := strconv.Atoi(a)
	h, errH := strconv.Atoi(b)
	fits := func(n int) bool { return n >= webuiLeast && n <= webuiMost && n%webuiStep == 0 }
	if !ok || errW != nil || errH != nil || !fits(w) || !fits(h) {
		return 0, 0, vitrine.Invalid("size", "invalid_size", fmt.Sprintf("Each edge of the size has to be %d to %d, in steps of %d.", webuiLeast, webuiMost, webuiStep))
	}
	return w, h, nil
}

// webuiExtra are the further fields in the service's words.
func webuiExtra(r *Request) (map[string]json.RawMessage, error) {
	f := map[string]json.RawMessage{}
	for name, raw := range r.Extra {
		to := webuiFields[name]
		if f[to] != nil {
			return nil, vitrine.Invalid(name, "conflicting_parameters", "Two fields of the request say "+to+".")
		}
		text, _ := scalarText(raw)
		if span, ok := webuiRanges[to]; ok {
			v, err := strconv.ParseFloat(text, 64)
			whole := to == "denoising_strength" || to == "cfg_scale" || v == float64(int64(v))
			if err != nil || !(v >= span[0] && v <= span[1]) || !whole {
				return nil, vitrine.Invalid(name, "invalid_parameter_value", fmt.Sprintf("%s has to be %g to %g.", name, span[0], span[1]))
			}
			raw = json.RawMessage(strconv.FormatFloat(v, 'f', -1, 64))
		}
		f[to] = raw
	}
	return f, nil
}

// Generate asks for pictures, or for an edit when there is a source. It looks
// the checkpoint up first: asked for one that it does not have, the service
// silently draws with whichever is loaded.
func (p *automatic1111) Generate(ctx context.Context, r *Request) (*Result, error) {
	if err := Check(p.kind, r); err != nil {
		return nil, err
	}
	checkpoint, err := p.checkpoint(ctx, r.Model)
	if err != nil {
		return nil, err
	}
	f, err := p.fields(r, checkpoint)
	if err != nil {
		return nil, err
	}
	b, err := jsonBody(f)
	if err != nil {
		return nil, err
	}
	if len(r.Sources) == 0 {
		return p.ask(ctx, "/sdapi/v1/txt2img", b, r)
	}
	u := &uploads{}
	u.text(`,"init_images":["`)
	u.base64(r.Sources[0])
	u.text(`"]`)
	if r.Mask != nil {
		mask, err := greyMask(*r.Mask)
		if err != nil {
			return nil, err
		}
		u.text(`,"mask":"`)
		u.base64(mask)
		u.text(`"`)
	}
	return p.ask(ctx, "/sdapi/v1/img2img", u.within(b), r)
}

func (p *automatic1111) fields(r *Request, checkpoint string) (map[string]json.RawMessage, error) {
	f, err := webuiExtra(r)
	if err != nil {
		return nil, err
	}
	w, h, err := webuiSize(r.Size)
	if err != nil {
		return nil, err
	}
	if len(r.Sources) > 0 && w == 0 {
		if w, h, err = webuiNear(r.Sources[0]); err != nil {
			return nil, err
		}
	}
	prompt := r.Prompt.Reveal()
	if _, tags := splitAdapters(r.Model); tags != "" {
		prompt += " " + tags
	}
	f["prompt"] = text(prompt)
	f["n_iter"], f["batch_size"] = json.RawMessage(strconv.Itoa(max(r.N, 1))), json.RawMessage("1")
	if w > 0 {
		f["width"], f["height"] = json.RawMessage(strconv.Itoa(w)), json.RawMessage(strconv.Itoa(h))
	}
	// The checkpoint stays loaded: to swap it back would take longer than to
	// draw, and the next request names its own.
	f["override_settings"] = json.RawMessage(`{"sd_model_checkpoint":` + string(text(checkpoint)) + `}`)
	f["override_settings_restore_afterwards"] = json.RawMessage("false")
	f["send_images"], f["save_images"] = json.RawMessage("true"), json.RawMessage("false") // nothing stays on its disk
	if len(r.Sources) > 0 {
		f["resize_mode"] = json.RawMessage("1") // crop rather than distort
		f["include_init_images"] = json.RawMessage("false")
	}
	if r.Mask != nil {
		f["inpainting_fill"], f["inpainting_mask_invert"] = json.RawMessage("1"), json.RawMessage("0")
	}
	return f, nil
}

// webuiNear is a size that the service can draw, near a picture's own.
func webuiNear(s Source) (w, h int, err error) {
	c, err := dimensions(s, "image")
	if err != nil {
		return 0, 0, err
	}
	w, h = c.Width, c.Height
	if most := max(w, h); most > webuiMost {
		w, h = w*webuiMost/most, h*webuiMost/most
	}
	fit := func(n int) int { return max(webuiLeast, n/webuiStep*webuiStep) }
	return fit(w), fit(h), nil
}

// splitAdapters takes the tags off that an upstream name may end with:
// "sdxl.safetensors <lora:brand:0.8>".
func splitAdapters(model string) (checkpoint, tags string) {
	at := adapters.FindStringIndex(model)
	if at == nil {
		return model, ""
	}
	return strings.TrimSpace(model[:at[0]]), model[at[0]:]
}

// webuiModel is a checkpoint as the service lists it.
type webuiModel struct {
	Title    string `json:"title"`      // "dir/v1-5.safetensors [6ce0161689]"
	Name     string `json:"model_name"` // "dir_v1-5"
	Hash     string `json:"hash"`
	SHA256   string `json:"sha256"`
	Filename string `json:"filename"`
}

// is reports whether somebody who writes name means this checkpoint.
func (m *webuiModel) is(name string) bool {
	file, _, _ := strings.Cut(m.Title, " [")
	return slices.Contains([]string{m.Title, m.Name, file}, name) || name != "" && (name == m.Hash || name == m.SHA256)
}

func (p *automatic1111) list(ctx context.Context) ([]webuiModel, error) {
	var all []webuiModel
	err := p.get(ctx, http.MethodGet, p.base.String()+"/sdapi/v1/sd-models", &all)
	return all, err
}

// checkpoint is the title under which the service has a model.
func (p *automatic1111) checkpoint(ctx context.Context, model string) (string, error) {
	name, _ := splitAdapters(model)
	all, err := p.list(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(all, func(m webuiModel) bool { return m.is(name) })
	if i < 0 {
		return "", fail(CodeNoModel, ChargedNo, "The service has no checkpoint of that name.", nil)
	}
	return all[i].Title, nil
}

// Models lists the checkpoints. What is drawn on the own machine has no price
// that the service would know of.
func (p *automatic1111) Models(ctx context.Context) ([]Model, error) {
	all, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	models := make([]Model, 0, len(all))
	for _, m := range all {
		if id := cmp.Or(m.Name, m.Title); id != "" && len(id) <= 200 {
			models = append(models, Model{ID: id})
		}
	}
	return models, nil
}

// webuiMember reads a member of an answer.
func (r *reader) webuiMember(key string) (err error) {
	switch key {
	case "images":
		return r.pictures(func(i int) error { return r.content(i, false) })
	case "info":
		return r.info()
	case "error", "detail": // errors come with a status, but who knows which proxy
		if r.failed, err = r.raw(maxErrorBody); string(r.failed) == "null" || string(r.failed) == `""` {
			r.failed = nil
		}
		return err
	}
	return r.skip(1)
}

const maxInfo = 512 << 10

// info reads what the service says of what it drew: JSON in a text.
func (r *reader) info() error {
	c, err := r.peek()
	if err != nil || c != '"' {
		return r.skip(1)
	}
	r.pos++
	said, err := r.text(maxInfo)
	if err != nil {
		return err
	}
	var in struct {
		Seeds []json.Number `json:"all_seeds"`
	}
	if json.Unmarshal([]byte(said), &in) != nil {
		return nil // too long, or a fork's own: nothing depends on it
	}
	for i, seed := range in.Seeds {
		r.seeds = append(r.seeds, word(seed.String()))
		if i == r.n {
			break
		}
	}
	return nil
}
