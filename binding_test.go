package vitrine_test

import (
	"testing"
	"time"

	"vitrine.dev/vitrine"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"15m": 15 * time.Minute, "90d": 90 * 24 * time.Hour, "1d12h": 36 * time.Hour, "0": 0, "0d": 0, "-1h": -time.Hour, "65535d": 65535 * 24 * time.Hour,
		"d": -1, "": -1, "soon": -1, "1d-1h": -1, "-1d": -1, "1h1d": -1, "1d1d": -1, "1.5d": -1, "65536d": -1, " 1d": -1, "65535d1500000h": -1,
	} {
		got, err := vitrine.ParseDuration(text)
		if (err != nil) != (want == -1) || err == nil && time.Duration(got) != want {
			t.Errorf("%q: got %s, %v; want %s", text, got, err, want)
		}
		if err != nil {
			continue
		}
		if again, err := vitrine.ParseDuration(got.String()); err != nil || again != got {
			t.Errorf("%q prints as %q, which is %s, %v", text, got.String(), again, err)
		}
		b, err := got.MarshalText()
		var back vitrine.Duration
		if err != nil || back.UnmarshalText(b) != nil || back != got {
			t.Errorf("%q is stored as %q, which is %s", text, b, back)
		}
	}
}
