package gateway_test

import (
	"io"
	"testing"

	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/provider/providertest"
)

// BenchmarkGenerate is what a generation costs beside the drawing, with a
// service that answers at once; compare with BenchmarkServiceAlone.
func BenchmarkGenerate(b *testing.B) {
	h := newHouse(b, "", budgetOfAll)
	picture := providertest.PNG(256, 256, 1)
	h.up.Picture = func(int, *providertest.Call) []byte { return picture }
	r := asks()
	free := deployment("free", "fake", flat(0))
	h.put(free)
	r.Model = "free"
	draw := func(b *testing.B) {
		a, err := h.Generate(b.Context(), anew(h.ann), r)
		if err != nil {
			b.Error(err)
			return
		}
		if err := a.Close(); err != nil {
			b.Error(err)
		}
	}
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			draw(b)
		}
	})
	b.Run("many", func(b *testing.B) {
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				draw(b)
			}
		})
	})
}

// BenchmarkServiceAlone is the same request without the gateway.
func BenchmarkServiceAlone(b *testing.B) {
	up := providertest.NewUpstream(b)
	picture := providertest.PNG(256, 256, 1)
	up.Picture = func(int, *providertest.Call) []byte { return picture }
	p, err := provider.New(provider.Config{Kind: "openai", BaseURL: up.OpenAIBase(), AllowPrivate: true})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_, err := p.Generate(b.Context(), &provider.Request{Model: "hidream", Prompt: "a lighthouse in fog", Size: "1024x1024",
			Sink: func(int) (io.Writer, error) { return io.Discard, nil }})
		if err != nil {
			b.Fatal(err)
		}
	}
}
