package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"vitrine.dev/vitrine"
)

// MaxImages is the most pictures that one request may ask of any service.
const MaxImages = 10

// The fields of a caller's request that a dialect passes on as they are. Size,
// n, model, format and user are not among them, nor is anything that would
// change how much is drawn or how the answer comes: those are decided. NanoGPT's
// kontext_max_mode is no field of ours either: it picks a dearer model than the
// one that was decided and priced.
var passes = map[vitrine.ProviderKind][]string{
	vitrine.OpenAI: {"background", "complexity", "input_fidelity", "mode", "moderation", "negative_prompt", "output_compression", "seed", "step", "style"},
	vitrine.NanoGPT: {"background", "guidance_scale", "moderation", "negative_prompt", "num_inference_steps",
		"output_compression", "seed", "strength", "style"},
	vitrine.Automatic1111: slices.Sorted(maps.Keys(webuiFields)),
	vitrine.Stability:     {"cfg_scale", "grow_mask", "negative_prompt", "seed", "strength", "style_preset"},
}

// Check says what a service of the kind would refuse, or what must never reach
// it, before anything is reserved or sent. Generate checks it again.
func Check(kind vitrine.ProviderKind, r *Request) error {
	if err := CheckPrompt(r.Prompt.Reveal()); err != nil {
		return err
	}
	if r.N < 0 || r.N > MaxImages {
		return vitrine.Invalid("n", "invalid_n", fmt.Sprintf("n has to be 1 to %d.", MaxImages))
	}
	if r.Previews < 0 || r.Previews > MaxPreviews {
		return vitrine.Invalid("partial_images", "invalid_parameter_value", fmt.Sprintf("partial_images has to be 0 to %d.", MaxPreviews))
	}
	if err := checkExtra(kind, r.Extra); err != nil {
		return err
	}
	switch kind {
	case vitrine.Studio:
		return checkStudio(r)
	case vitrine.Automatic1111:
		return checkWebUI(r)
	}
	if !slices.Contains([]string{"", "png", "jpeg", "webp"}, r.Format) {
		return vitrine.Invalid("output_format", "unsupported_format", "output_format has to be png, jpeg or webp.")
	}
	switch kind {
	case vitrine.NanoGPT:
		return checkUploads(r)
	case vitrine.Stability:
		return checkStability(r)
	}
	return checkForm(r)
}

// CheckPrompt refuses a prompt that carries commands for a service behind ours
// rather than a description. stable-diffusion.cpp takes JSON between
// <sd_cpp_extra_args> tags out of a prompt and lets it override size, number,
// steps and adapters: with it, every limit that was decided would be void.
//
// (LocalAI splits a prompt at "|" into a wish and what to avoid. That changes
// the picture only, so it may stay.)
func CheckPrompt(prompt string) error { return checkTag("prompt", prompt) }

func checkTag(param, text string) error {
	bare := strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, text)
	if strings.Contains(bare, "sdcppextraargs") {
		return vitrine.Invalid(param, "forbidden_tag", "The text holds <sd_cpp_extra_args>, which would override the limits of this request; take it out.")
	}
	return nil
}

func checkExtra(kind vitrine.ProviderKind, extra map[string]json.RawMessage) error {
	for name, value := range extra {
		known := slices.Contains(passes[kind], name)
		if kind == vitrine.Studio { // it stands in for any service
			known = slices.Contains(passes[vitrine.OpenAI], name) || slices.Contains(passes[vitrine.NanoGPT], name)
		}
		if !known {
			return vitrine.Invalid(name, "unknown_parameter", "Unknown parameter: "+strconv.Quote(name)+".")
		}
		text, ok := scalarText(value)
		if !ok {
			return vitrine.Invalid(name, "invalid_parameter", name+" has to be a text, a number, true or false.")
		}
		if err := checkTag(name, text); err != nil {
			return err
		}
	}
	return nil
}

// scalarText is a JSON string, number, true or false as text.
func scalarText(raw json.RawMessage) (string, bool) {
	var v any
	if len(raw) > 32<<10 || json.Unmarshal(raw, &v) != nil {
		return "", false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case float64, bool:
		return strings.TrimSpace(string(raw)), true
	}
	return "", false
}
