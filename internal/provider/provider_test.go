package provider_test

import (
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/provider/providertest"
)

func maker(kind vitrine.ProviderKind, base func(*providertest.Upstream) string) providertest.Maker {
	return func(t *testing.T, u *providertest.Upstream, c provider.Config) provider.Provider {
		c.Kind, c.BaseURL = kind, base(u)
		p, err := provider.New(c)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func TestOpenAI(t *testing.T) {
	providertest.Run(t, maker(vitrine.OpenAI, (*providertest.Upstream).OpenAIBase), providertest.Dialect{})
}

func TestNanoGPT(t *testing.T) {
	providertest.Run(t, maker(vitrine.NanoGPT, (*providertest.Upstream).NanoGPTBase), providertest.Dialect{})
}

func TestAutomatic1111(t *testing.T) {
	providertest.Run(t, maker(vitrine.Automatic1111, (*providertest.Upstream).Root),
		providertest.Dialect{OneSource: true, NoURLs: true, NoCodes: true, NoUser: true, Silent: true})
}

func TestStability(t *testing.T) {
	providertest.Run(t, maker(vitrine.Stability, (*providertest.Upstream).Root),
		providertest.Dialect{Model: "sd3.5-large", Masker: "inpaint", Size: "1:1", OneSource: true, OneEach: true, Bytes: true, NoURLs: true, Silent: true})
}

func TestNanoGPTBalanceAndPrices(t *testing.T) {
	u := providertest.NewUpstream(t)
	u.Key, u.Models = "k-123456789", []string{"hidream"}
	p := maker(vitrine.NanoGPT, func(u *providertest.Upstream) string { return u.URL })(t, u, provider.Config{Secret: "k-123456789", AllowPrivate: true})
	left, err := p.(provider.Balancer).Balance(t.Context())
	if err != nil || left != 129_469_561 {
		t.Errorf("got %d (%v), want 129469561: rounded down", left, err)
	}
	models, err := p.Models(t.Context())
	if err != nil || len(models) != 1 || models[0].Price == nil {
		t.Fatalf("got %+v (%v)", models, err)
	}
	if got := models[0].Price.Of("1024x1024", ""); got != 5000 {
		t.Errorf("1024x1024 costs %d, want 5000", got)
	}
	if got := models[0].Price.Of("4096x4096", ""); got != 7500 {
		t.Errorf("an unknown size costs %d, want the dearest, 7500", got)
	}
}
