package studio_test

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"vitrine.dev/vitrine/internal/provider/studio"
)

var seed = flag.Uint64("seed", 7, "seed of the pictures to look at")

var out = flag.String("out", "", "directory to write pictures to, to look at them")

var prompts = []string{
	"sunset over the sea with a sailing boat", "misty mountains at dawn with a lake", "a city skyline at night by the river", "a pine forest in morning fog, sun rays",
	"a bouquet of flowers", "abstract flowing ribbons in teal and gold", "portrait of a woman in a red coat, golden hour", "a tabby cat on the windowsill at dusk",
	"spiral galaxy and a ringed planet", "desert dunes at golden hour with cactus", "lavender field with a cottage, summer day", "an espresso in a red cup on a wooden table",
	"snowy alps under northern lights", "bauhaus geometric poster", "marble ink swirl in blue and gold", "lighthouse on a stormy coast at dusk",
	"cyberpunk neon city in the rain", "autumn birch forest", "still life with apples and a vase", "tropical beach with palms", "portrait of an old man with glasses, black and white",
	"an owl under the moon", "a drawn girl in a green field, summer light", "a glass bottle holding a small galaxy, on wet rocks at sunset, calm sea", "hot air balloons over meadow at sunrise", "red tulips", "a dog, golden light", "zxqv",
}

func TestLook(t *testing.T) {
	if *out == "" {
		t.Skip("no directory given")
	}
	const size, across = 560, 3
	for first := 0; first < len(prompts); first += across * across {
		sheet := image.NewRGBA(image.Rect(0, 0, size*across, size*across))
		for i := first; i < min(first+across*across, len(prompts)); i++ {
			m := studio.Draw(studio.Spec{Prompt: prompts[i], Seed: *seed, Width: size, Height: size})
			at := image.Pt((i-first)%across*size, (i-first)/across*size)
			draw.Draw(sheet, m.Bounds().Add(at), m, image.Point{}, draw.Src)
		}
		f, err := os.Create(filepath.Join(*out, fmt.Sprintf("sheet-%d.png", first)))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, sheet); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, p := range prompts {
		b.Run(p, func(b *testing.B) {
			for b.Loop() {
				studio.Draw(studio.Spec{Prompt: p, Seed: 7, Width: 1024, Height: 1024})
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	m := studio.Draw(studio.Spec{Prompt: prompts[0], Seed: 7, Width: 1024, Height: 1024})
	for b.Loop() {
		var out bytes.Buffer
		enc := png.Encoder{CompressionLevel: png.BestSpeed}
		if err := enc.Encode(&out, m); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(out.Len()), "bytes")
	}
}

// Every scene stands up at every shape, and is a picture: neither blank nor
// two colours.
func TestDraw(t *testing.T) {
	for _, size := range [][2]int{{64, 64}, {67, 131}, {64, 512}, {512, 64}, {200, 150}} {
		for _, p := range append(prompts, "", "volcano with a cabin in the snow", "harbor with boats in a storm", "firefly forest at night", "windmill in a wheat field", "saturn", "a bear", "tea", "wine bottle", "sunflowers", "roses at night", "aurora over a lake") {
			m := studio.Draw(studio.Spec{Prompt: p, Seed: *seed, Width: size[0], Height: size[1]})
			if m.Bounds().Dx() != size[0] || m.Bounds().Dy() != size[1] || !m.Opaque() {
				t.Errorf("%q at %v: bounds %v", p, size, m.Bounds())
			}
			colours := map[[3]byte]bool{}
			for i := 0; i < len(m.Pix); i += 4 {
				colours[[3]byte(m.Pix[i:])] = true
			}
			if len(colours) < 200 {
				t.Errorf("%q at %v has only %d colours", p, size, len(colours))
			}
		}
	}
}

func FuzzDraw(f *testing.F) {
	for i, p := range prompts {
		f.Add(p, uint64(i), uint8(i*9), uint8(200-i*5))
	}
	f.Fuzz(func(t *testing.T, prompt string, seed uint64, w, h uint8) {
		spec := studio.Spec{Prompt: prompt, Seed: seed, Width: 64 + int(w), Height: 64 + int(h)}
		if !bytes.Equal(studio.Draw(spec).Pix, studio.Draw(spec).Pix) {
			t.Error("drawn twice, it differs")
		}
	})
}
