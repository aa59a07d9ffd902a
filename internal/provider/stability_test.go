package provider_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/provider/providertest"
)

// Each model is a route with a price of its own; what a route does not take is
// refused before it is asked.
func TestStabilityRoutes(t *testing.T) {
	b := providertest.PNG(64, 64, 1)
	picture := provider.Source{ReaderAt: bytes.NewReader(b), Size: int64(len(b)), Format: "png"}
	edit := func(r *provider.Request) { r.Sources = []provider.Source{picture} }
	masked := func(r *provider.Request) { edit(r); r.Mask = &picture }
	for _, tt := range []struct {
		name, model string
		change      func(*provider.Request)
		param       string // refused
		path        string // else asked here
		fields      map[string]string
	}{
		{"core", "core", nil, "", "/generate/core", map[string]string{"model": ""}},
		{"by its long name", "stable-image-ultra", nil, "", "/generate/ultra", nil},
		{"sd3", "sd3.5-large-turbo", nil, "", "/generate/sd3", map[string]string{"model": "sd3.5-large-turbo", "mode": "text-to-image"}},
		{"an edit", "sd3.5-large", edit, "", "/generate/sd3", map[string]string{"mode": "image-to-image", "strength": "0.75", "aspect_ratio": ""}},
		{"an edit of ultra", "ultra", edit, "", "/generate/ultra", map[string]string{"strength": "0.75"}},
		{"an edit of core", "core", edit, "image", "", nil},
		{"inpaint", "inpaint", masked, "", "/edit/inpaint", map[string]string{"strength": ""}},
		{"inpaint by transparency", "inpaint", edit, "", "/edit/inpaint", nil},
		{"inpaint nothing", "inpaint", nil, "image", "", nil},
		{"a mask for a model without", "sd3.5-large", masked, "mask", "", nil},
		{"another", "dall-e-3", nil, "model", "", nil},
		{"none", "", nil, "model", "", nil},
		{"wide", "core", func(r *provider.Request) { r.Size = "1344x768" }, "", "/generate/core", map[string]string{"aspect_ratio": "16:9"}},
		{"upright", "core", func(r *provider.Request) { r.Size = "1024x1536" }, "", "/generate/core", map[string]string{"aspect_ratio": "2:3"}},
		{"any shape", "core", func(r *provider.Request) { r.Size = "auto" }, "", "/generate/core", map[string]string{"aspect_ratio": ""}},
		{"no shape of its", "core", func(r *provider.Request) { r.Size = "1000x100" }, "size", "", nil},
		{"quality", "core", func(r *provider.Request) { r.Quality = "hd" }, "quality", "", nil},
		{"webp", "core", func(r *provider.Request) { r.Format = "webp" }, "", "/generate/core", map[string]string{"output_format": "webp"}},
		{"webp of sd3", "sd3.5-medium", func(r *provider.Request) { r.Format = "webp" }, "output_format", "", nil},
		{"style", "core", func(r *provider.Request) { r.Extra = extra{"style_preset": []byte(`"anime"`)} }, "", "/generate/core", map[string]string{"style_preset": "anime"}},
		{"seed", "core", func(r *provider.Request) { r.Extra = extra{"seed": []byte("4294967295")} }, "seed", "", nil},
		{"long prompt", "core", func(r *provider.Request) { r.Prompt = vitrine.Prompt(strings.Repeat("é", 10_001)) }, "prompt", "", nil},
		{"large upload", "ultra", func(r *provider.Request) {
			r.Sources = []provider.Source{{ReaderAt: bytes.NewReader(b), Size: 11 << 20, Format: "png"}}
		}, "image", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := providertest.NewUpstream(t)
			p := maker(vitrine.Stability, (*providertest.Upstream).Root)(t, u, provider.Config{AllowPrivate: true})
			r := &provider.Request{Model: tt.model, Prompt: "a cat", Sink: discard}
			if tt.change != nil {
				tt.change(r)
			}
			_, err := p.Generate(t.Context(), r)
			if tt.param != "" {
				var e *vitrine.Error
				if !errors.As(err, &e) || !errors.Is(err, vitrine.ErrInvalid) || e.Param != tt.param || u.Count() != 0 {
					t.Errorf("got %v, want %s refused", err, tt.param)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c := u.Last(t)
			if c.Path != "/v2beta/stable-image"+tt.path {
				t.Errorf("asked %s, want %s", c.Path, tt.path)
			}
			for name, want := range tt.fields {
				if got := c.Text(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

// Several pictures are several calls, each with a seed of its own; the first
// that fails ends them, and what came before it came whole.
func TestStabilitySeveral(t *testing.T) {
	u := providertest.NewUpstream(t)
	p := maker(vitrine.Stability, (*providertest.Upstream).Root)(t, u, provider.Config{AllowPrivate: true})
	u.Script(providertest.Success, providertest.Success, providertest.RateLimited("9"))
	var got [5]bytes.Buffer
	_, err := p.Generate(t.Context(), &provider.Request{Model: "core", Prompt: "a cat", N: 5, Extra: extra{"seed": []byte("4294967294")},
		Sink: func(i int) (io.Writer, error) { return &got[i], nil }})
	var e *provider.Error
	if !errors.As(err, &e) || e.Status != 429 || e.RetryAfter != "9" || u.Count() != 3 {
		t.Errorf("got %v after %d calls, want 429 after 3", err, u.Count())
	}
	var seeds []string
	for _, c := range u.Calls() {
		seeds = append(seeds, c.Text("seed"))
	}
	if want := []string{"4294967294", "1", "2"}; !slices.Equal(seeds, want) {
		t.Errorf("seeds %v, want %v", seeds, want)
	}
	for i := range got {
		if whole := bytes.Equal(got[i].Bytes(), providertest.PNG(32, 32, i)); whole != (i < 2) {
			t.Errorf("picture %d: whole is %t", i, whole)
		}
	}
}

func TestStabilityBalance(t *testing.T) {
	u := providertest.NewUpstream(t)
	p := maker(vitrine.Stability, (*providertest.Upstream).Root)(t, u, provider.Config{AllowPrivate: true})
	left, err := p.(provider.Balancer).Balance(t.Context())
	if err != nil || left != 20_481_250 {
		t.Errorf("got %d (%v), want 20481250: a credit is a cent", left, err)
	}
}
