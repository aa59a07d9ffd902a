package provider_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/provider/providertest"
)

func discard(int) (io.Writer, error) { return io.Discard, nil }

type extra = map[string]json.RawMessage

// A checkpoint is found by any name that its operators know it by, and the
// service is told its full title. One that is not there is never asked for: the
// service would draw with another.
func TestAutomatic1111FindsCheckpoint(t *testing.T) {
	for _, tt := range []struct {
		name, model string
		prompt      string // "" is not sent
	}{
		{"by name", "sdxl", "a cat"},
		{"by file", "sdxl.safetensors", "a cat"},
		{"by title", "sdxl.safetensors [6ce0161689]", "a cat"},
		{"by hash", "6ce0161689", "a cat"},
		{"with an adapter", "sdxl <lora:brand:0.8>", "a cat <lora:brand:0.8>"},
		{"with two", "sdxl.safetensors <lora:brand:0.8><hypernet:x:1>", "a cat <lora:brand:0.8><hypernet:x:1>"},
		{"of nobody", "sdxl-turbo", ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := providertest.NewUpstream(t)
			u.Models = []string{"sdxl"}
			p := maker(vitrine.Automatic1111, (*providertest.Upstream).Root)(t, u, provider.Config{AllowPrivate: true})
			_, err := p.Generate(t.Context(), &provider.Request{Model: tt.model, Prompt: "a cat", Sink: discard})
			if tt.prompt == "" {
				var e *provider.Error
				if !errors.As(err, &e) || e.Code != provider.CodeNoModel || e.Charged != provider.ChargedNo || u.Count() != 0 {
					t.Errorf("got %v, asked %d times", err, u.Count())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c := u.Last(t)
			if c.Model != "sdxl" || c.Prompt != tt.prompt || string(c.Fields["save_images"]) != "false" {
				t.Errorf("asked for %q with %q: %s", c.Model, c.Prompt, c.Body)
			}
		})
	}
}

// What a caller may pass on is what the web UI's sliders allow, under either
// service's words, and nothing that changes how much is drawn.
func TestAutomatic1111Fields(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*provider.Request)
		param  string // refused
		field  string // else this is sent
		want   string
	}{
		{"steps", func(r *provider.Request) { r.Extra = extra{"steps": []byte("20")} }, "", "steps", "20"},
		{"steps by another word", func(r *provider.Request) { r.Extra = extra{"num_inference_steps": []byte(`"20"`)} }, "", "steps", "20"},
		{"both", func(r *provider.Request) { r.Extra = extra{"num_inference_steps": []byte("20"), "steps": []byte("20")} }, "", "", ""},
		{"too many steps", func(r *provider.Request) { r.Extra = extra{"steps": []byte("151")} }, "steps", "", ""},
		{"half a step", func(r *provider.Request) { r.Extra = extra{"steps": []byte("1.5")} }, "steps", "", ""},
		{"no number", func(r *provider.Request) { r.Extra = extra{"cfg_scale": []byte(`"high"`)} }, "cfg_scale", "", ""},
		{"infinity", func(r *provider.Request) { r.Extra = extra{"cfg_scale": []byte(`"Inf"`)} }, "cfg_scale", "", ""},
		{"guidance", func(r *provider.Request) { r.Extra = extra{"guidance_scale": []byte("7.5")} }, "", "cfg_scale", "7.5"},
		{"a random seed", func(r *provider.Request) { r.Extra = extra{"seed": []byte("-1")} }, "", "seed", "-1"},
		{"sampler", func(r *provider.Request) { r.Extra = extra{"sampler_name": []byte(`"Euler a"`)} }, "", "sampler_name", `"Euler a"`},
		{"scripts", func(r *provider.Request) { r.Extra = extra{"alwayson_scripts": []byte(`"x"`)} }, "alwayson_scripts", "", ""},
		{"settings", func(r *provider.Request) { r.Extra = extra{"override_settings": []byte(`"x"`)} }, "override_settings", "", ""},
		{"more at once", func(r *provider.Request) { r.Extra = extra{"n_iter": []byte("9")} }, "n_iter", "", ""},
		{"an adapter in the prompt", func(r *provider.Request) { r.Prompt = "a cat <LORA : secret-project:1>" }, "prompt", "", ""},
		{"an adapter beside it", func(r *provider.Request) { r.Extra = extra{"negative_prompt": []byte(`"<hypernet:x:1>"`)} }, "negative_prompt", "", ""},
		{"a size", func(r *provider.Request) { r.Size = "768x512" }, "", "width", "768"},
		{"no size", func(r *provider.Request) { r.Size = "auto" }, "", "width", ""},
		{"between steps", func(r *provider.Request) { r.Size = "500x500" }, "size", "", ""},
		{"too large", func(r *provider.Request) { r.Size = "4096x64" }, "size", "", ""},
		{"quality", func(r *provider.Request) { r.Quality = "high" }, "quality", "", ""},
		{"format", func(r *provider.Request) { r.Format = "jpeg" }, "output_format", "", ""},
		{"three", func(r *provider.Request) { r.N = 3 }, "", "n_iter", "3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := providertest.NewUpstream(t)
			p := maker(vitrine.Automatic1111, (*providertest.Upstream).Root)(t, u, provider.Config{AllowPrivate: true})
			r := &provider.Request{Model: "hidream", Prompt: "a cat", Sink: discard}
			tt.change(r)
			_, err := p.Generate(t.Context(), r)
			if tt.param != "" || tt.field == "" {
				var e *vitrine.Error
				if !errors.As(err, &e) || !errors.Is(err, vitrine.ErrInvalid) || tt.param != "" && e.Param != tt.param || u.Count() != 0 {
					t.Errorf("got %v, want %s refused", err, tt.param)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := string(u.Last(t).Fields[tt.field]); got != tt.want {
				t.Errorf("%s is %s, want %s", tt.field, got, tt.want)
			}
		})
	}
}

// maskPicture is 16 pixels wide: the left half of one kind, the right of another.
func maskPicture(t *testing.T, left, right color.NRGBA) provider.Source {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 16, 8))
	for y := range 8 {
		for x := range 16 {
			if m.Set(x, y, left); x >= 8 {
				m.Set(x, y, right)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return provider.Source{ReaderAt: bytes.NewReader(b.Bytes()), Size: int64(b.Len()), Format: "png"}
}

// A mask says where to change by being transparent there. Diffusion services
// want it white there, and would change the rest otherwise.
func TestMaskIsTurned(t *testing.T) {
	clear, solid, white := color.NRGBA{200, 0, 0, 0}, color.NRGBA{200, 0, 0, 255}, color.NRGBA{255, 255, 255, 255}
	black := color.NRGBA{0, 0, 0, 255}
	for _, tt := range []struct {
		name        string
		left, right color.NRGBA
		want        [2]uint8
	}{
		{"transparent at the left", clear, solid, [2]uint8{255, 0}},
		{"transparent at the right", solid, clear, [2]uint8{0, 255}},
		{"half", color.NRGBA{0, 0, 0, 100}, solid, [2]uint8{155, 0}},
		{"of the other kind already", white, black, [2]uint8{255, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := providertest.NewUpstream(t)
			p := maker(vitrine.Stability, (*providertest.Upstream).Root)(t, u, provider.Config{AllowPrivate: true})
			source, mask := maskPicture(t, solid, solid), maskPicture(t, tt.left, tt.right)
			if _, err := p.Generate(t.Context(), &provider.Request{Model: "inpaint", Prompt: "a cat", Sources: []provider.Source{source}, Mask: &mask, Sink: discard}); err != nil {
				t.Fatal(err)
			}
			c := u.Last(t)
			if len(c.Files) != 2 || c.Files[1].Field != "mask" || !strings.HasSuffix(c.Path, "/edit/inpaint") {
				t.Fatalf("%s with %d files", c.Path, len(c.Files))
			}
			got, err := png.Decode(bytes.NewReader(c.Files[1].Body))
			if err != nil {
				t.Fatal(err)
			}
			grey, ok := got.(*image.Gray)
			if !ok {
				t.Fatalf("the mask is a %T, want greys alone", got)
			}
			if at := [2]uint8{grey.GrayAt(0, 0).Y, grey.GrayAt(15, 7).Y}; at != tt.want {
				t.Errorf("mask %v, want %v", at, tt.want)
			}
		})
	}
}

// An edit without a size keeps its picture's, as near as the service can.
func TestAutomatic1111EditKeepsSize(t *testing.T) {
	for _, tt := range []struct {
		w, h int
		want string
	}{{200, 100, "200x96"}, {30, 30, "64x64"}, {4000, 1000, "2048x512"}} {
		u := providertest.NewUpstream(t)
		p := maker(vitrine.Automatic1111, (*providertest.Upstream).Root)(t, u, provider.Config{AllowPrivate: true})
		b := providertest.PNG(tt.w, tt.h, 1)
		if _, err := p.Generate(t.Context(), &provider.Request{Model: "hidream", Prompt: "a cat", Size: "auto", Sink: discard,
			Sources: []provider.Source{{ReaderAt: bytes.NewReader(b), Size: int64(len(b)), Format: "png"}}}); err != nil {
			t.Fatal(err)
		}
		if c := u.Last(t); c.Size != tt.want || c.Path != "/sdapi/v1/img2img" {
			t.Errorf("%dx%d: %s of %s, want %s", tt.w, tt.h, c.Path, c.Size, tt.want)
		}
	}
}

// The credential is a user and a password, and is said in no other way.
func TestAutomatic1111Credential(t *testing.T) {
	if _, err := provider.New(provider.Config{Kind: vitrine.Automatic1111, BaseURL: "https://images.example", Secret: "word"}); !errors.Is(err, vitrine.ErrInvalid) {
		t.Errorf("a word alone: %v, want invalid", err)
	}
	u := providertest.NewUpstream(t)
	u.Key = "ann:pa:ss"
	p := maker(vitrine.Automatic1111, (*providertest.Upstream).Root)(t, u, provider.Config{AllowPrivate: true, Secret: "ann:pa:ss"})
	if _, err := p.Models(t.Context()); err != nil {
		t.Error(err)
	}
}
