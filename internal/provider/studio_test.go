package provider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
)

// drawn asks studio for pictures.
func drawn(t *testing.T, r *provider.Request) ([]*bytes.Buffer, *provider.Result) {
	t.Helper()
	got, res, err := tryDraw(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return got, res
}

func tryDraw(ctx context.Context, r *provider.Request) ([]*bytes.Buffer, *provider.Result, error) {
	p, err := provider.New(provider.Config{Kind: vitrine.Studio})
	if err != nil {
		return nil, nil, err
	}
	var got []*bytes.Buffer
	r.Sink = func(int) (io.Writer, error) {
		got = append(got, &bytes.Buffer{})
		return got[len(got)-1], nil
	}
	res, err := p.Generate(ctx, r)
	return got, res, err
}

func TestStudioDrawsTheSameAgain(t *testing.T) {
	ask := func(seed string) *provider.Request {
		return &provider.Request{Model: "flux-kontext", Prompt: "a harbour at dusk", N: 2, Size: "96x64", Extra: map[string]json.RawMessage{"seed": json.RawMessage(seed)}}
	}
	first, res := drawn(t, ask("7"))
	again, _ := drawn(t, ask("7"))
	other, _ := drawn(t, ask("8"))
	if !bytes.Equal(first[0].Bytes(), again[0].Bytes()) || !bytes.Equal(first[1].Bytes(), again[1].Bytes()) {
		t.Error("the same prompt, seed and size gave other bytes")
	}
	if bytes.Equal(first[0].Bytes(), first[1].Bytes()) || bytes.Equal(first[0].Bytes(), other[0].Bytes()) {
		t.Error("other pictures of one request, or other seeds, look alike")
	}
	samePixels(t, first[1], other[0]) // the second picture has the next seed
	if res.Images[1].Seed != "8" || res.Images[0].Size != int64(first[0].Len()) || res.Cost != nil || res.Echo["size"] != "96x64" {
		t.Errorf("result %+v", res)
	}
}

func samePixels(t *testing.T, a, b io.Reader) {
	t.Helper()
	x, err := png.Decode(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := png.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x.(*image.RGBA).Pix, y.(*image.RGBA).Pix) {
		t.Error("the pixels differ")
	}
}

func TestStudioSaysWhatItIs(t *testing.T) {
	tests := []struct {
		name, prompt, chunk string
	}{
		{"plain", "red tulips", "tEXtparameters\x00red tulips\nSteps: 1, Sampler: rules, Seed: 0, Size: 128x128, Model: studio"},
		{"beyond Latin", "rote Tulpen für Zoë", "iTXtparameters\x00\x00\x00\x00\x00rote Tulpen für Zoë\nSteps: 1,"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := drawn(t, &provider.Request{Prompt: vitrine.Prompt(tt.prompt), Size: "128x128"})
			if !bytes.Contains(got[0].Bytes(), []byte(tt.chunk)) {
				t.Errorf("no chunk %q", tt.chunk)
			}
			if _, err := png.Decode(got[0]); err != nil {
				t.Errorf("the chunk breaks the file: %v", err)
			}
		})
	}
}

func TestStudioSizesAndFormats(t *testing.T) {
	tests := []struct {
		name, size, format, param string
		w, h                      int
	}{
		{"usual", "", "", "", 1024, 1024},
		{"auto", "auto", "png", "", 1024, 1024},
		{"wide", "1536x1024", "jpeg", "", 1536, 1024},
		{"small", "64x64", "jpeg", "", 64, 64},
		{"too small", "63x64", "", "size", 0, 0},
		{"too large", "1537x64", "", "size", 0, 0},
		{"negative", "-64x64", "", "size", 0, 0},
		{"no size", "large", "", "size", 0, 0},
		{"no encoder", "64x64", "webp", "output_format", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := tryDraw(t.Context(), &provider.Request{Prompt: "bauhaus poster", Size: tt.size, Format: tt.format})
			if tt.param != "" {
				e := &vitrine.Error{}
				if !errors.As(err, &e) || e.Param != tt.param || !errors.Is(err, vitrine.ErrInvalid) {
					t.Errorf("got %v, want invalid %s", err, tt.param)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c, kind, err := image.DecodeConfig(got[0])
			if err != nil || c.Width != tt.w || c.Height != tt.h || kind != map[string]string{"": "png", "png": "png", "jpeg": "jpeg"}[tt.format] {
				t.Errorf("got %s %dx%d (%v)", kind, c.Width, c.Height, err)
			}
		})
	}
}

// source is a plain picture as an upload.
func source(t *testing.T, m image.Image, format string) provider.Source {
	t.Helper()
	var b bytes.Buffer
	var err error
	if format == "jpeg" {
		err = jpeg.Encode(&b, m, nil)
	} else {
		err = png.Encode(&b, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return provider.Source{ReaderAt: bytes.NewReader(b.Bytes()), Size: int64(b.Len()), Format: format}
}

func TestStudioEdits(t *testing.T) {
	grey := image.NewNRGBA(image.Rect(0, 0, 200, 200))
	for i := range grey.Pix {
		grey.Pix[i] = 128
		if i%4 == 3 {
			grey.Pix[i] = 255
		}
	}
	mask := image.NewNRGBA(grey.Rect) // opaque on the left: keep that
	for y := range 200 {
		for x := range 100 {
			mask.SetNRGBA(x, y, color.NRGBA{255, 255, 255, 255})
		}
	}
	for _, format := range []string{"png", "jpeg"} {
		m := source(t, mask, "png")
		got, _ := drawn(t, &provider.Request{Prompt: "fiery sunset", Size: "128x128", Sources: []provider.Source{source(t, grey, format)}, Mask: &m})
		p, err := png.Decode(got[0])
		if err != nil {
			t.Fatal(err)
		}
		kept, changed := p.At(20, 64).(color.RGBA), p.At(110, 64).(color.RGBA)
		if spread(kept) > 4 {
			t.Errorf("%s: the kept half is %v, no longer grey", format, kept)
		}
		if spread(changed) < 12 {
			t.Errorf("%s: the other half is %v, as good as unchanged", format, changed)
		}
	}
}

func spread(c color.RGBA) int {
	return int(max(c.R, c.G, c.B)) - int(min(c.R, c.G, c.B))
}

func TestStudioRefusesHostileSources(t *testing.T) {
	bomb := source(t, image.NewGray(image.Rect(0, 0, 9000, 9000)), "png")
	text := strings.NewReader("<svg xmlns='http://www.w3.org/2000/svg'/>")
	cut := source(t, image.NewGray(image.Rect(0, 0, 300, 300)), "png")
	cut.Size /= 2
	for name, s := range map[string]provider.Source{"bomb": bomb, "no picture": {ReaderAt: text, Size: text.Size(), Format: "png"}, "cut": cut, "lies of its kind": {ReaderAt: text, Size: text.Size(), Format: "webp"}} {
		t.Run(name, func(t *testing.T) {
			_, _, err := tryDraw(t.Context(), &provider.Request{Prompt: "sea", Size: "64x64", Sources: []provider.Source{s}})
			if !errors.Is(err, vitrine.ErrInvalid) {
				t.Errorf("got %v, want invalid", err)
			}
		})
	}
}

func TestStudioStopsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := tryDraw(ctx, &provider.Request{Prompt: "sea", Size: "64x64"})
	e := &provider.Error{}
	if !errors.As(err, &e) || e.Code != provider.CodeCanceled || e.Charged != provider.ChargedNo {
		t.Errorf("got %v", err)
	}
}

// BenchmarkStudio draws and encodes one picture of 1024 × 1024.
func BenchmarkStudio(b *testing.B) {
	p, err := provider.New(provider.Config{Kind: vitrine.Studio})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.Generate(b.Context(), &provider.Request{Prompt: "misty mountains at dawn with a lake", Sink: func(int) (io.Writer, error) { return io.Discard, nil }}); err != nil {
			b.Fatal(err)
		}
	}
}
