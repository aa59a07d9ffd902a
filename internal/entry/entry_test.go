package entry_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
)

var update = flag.Bool("update", false, "write testdata/leaf-v1.hex; only for a new version of the format")

// plainSealer seals by turning bits, so that the golden leaf has no chance in
// it. Forgotten persons cannot be opened.
type plainSealer struct{ forgotten map[string]bool }

func (plainSealer) EndUser(name string) string { return "end-user:" + hex.EncodeToString([]byte(name)) }

func (plainSealer) SealPersonal(person string, plain []byte) ([]byte, error) {
	if person == "broken" {
		return nil, errors.New("no key")
	}
	return turn(plain), nil
}

func (s plainSealer) OpenPersonal(person string, sealed []byte) ([]byte, error) {
	if s.forgotten[person] {
		return nil, entry.ErrForgotten
	}
	return turn(sealed), nil
}

func turn(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

func full() *vitrine.Entry {
	return &vitrine.Entry{
		Seq: 41, Time: time.Date(2026, 3, 4, 5, 6, 7, 891011000, time.UTC),
		Act: "image.open", Op: "rendition masked", Outcome: vitrine.Refused, Code: "tier", Detail: "No role held here reaches this tier.",
		Actor: "u-ann", ActorKind: vitrine.User, For: "u-bob", Credential: "k-1",
		Kind: vitrine.KindImage, Resource: "img-1", Scope: "renders/a%2Fb", Category: vitrine.Generated, Tier: vitrine.Confidential,
		Binding: "b-1", Revision: 7, Request: "req-1", Model: "hidream", PromptHash: "ph", Cost: -5, Count: 3, Alert: "budget_90",
		Personal: vitrine.Personal{Address: "192.0.2.1", UserAgent: "curl/8 ✓", EndUser: "Zoë"},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		name  string
		entry *vitrine.Entry
	}{
		{"full", full()},
		{"least", &vitrine.Entry{Time: time.UnixMicro(0).UTC()}},
		{"before 1970", &vitrine.Entry{Time: time.Date(1960, 1, 1, 0, 0, 0, 1000, time.UTC), Outcome: vitrine.Allowed}},
		{"nobody known", &vitrine.Entry{Time: time.UnixMicro(1).UTC(), Personal: vitrine.Personal{Address: "::1"}}},
		{"only an end user", &vitrine.Entry{Time: time.UnixMicro(1).UTC(), Personal: vitrine.Personal{EndUser: "x"}}},
	} {
		leaf, err := entry.Encode(tt.entry, plainSealer{})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got, err := entry.Decode(leaf, plainSealer{})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.entry, got); diff != "" {
			t.Errorf("%s came back otherwise (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestGoldenLeaf(t *testing.T) {
	leaf, err := entry.Encode(full(), plainSealer{})
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/leaf-v1.hex"
	if *update {
		if err := os.WriteFile(file, []byte(hex.EncodeToString(leaf)+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hex.EncodeToString(leaf), strings.TrimSpace(string(b)); got != want {
		t.Errorf("the format of version 1 is final, but the leaf is\n%s, want\n%s", got, want)
	}
}

func TestLeafHoldsNothingPersonal(t *testing.T) {
	e := full()
	leaf, err := entry.Encode(e, plainSealer{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{e.Personal.Address, e.Personal.UserAgent, e.Personal.EndUser} {
		if bytes.Contains(leaf, []byte(s)) {
			t.Errorf("the leaf holds %q in clear", s)
		}
	}
	got, err := entry.Decode(leaf, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Personal != (vitrine.Personal{}) {
		t.Errorf("without a sealer Personal = %+v, want empty", got.Personal)
	}
}

func TestForgotten(t *testing.T) {
	leaf, err := entry.Encode(full(), plainSealer{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := entry.Decode(leaf, plainSealer{forgotten: map[string]bool{"u-ann": true}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (vitrine.Personal{EndUser: "Zoë"}); got.Personal != want {
		t.Errorf("Personal = %+v, want %+v: one person's key is not another's", got.Personal, want)
	}
}

func TestSealingFails(t *testing.T) {
	e := full()
	e.Actor = "broken"
	if _, err := entry.Encode(e, plainSealer{}); err == nil {
		t.Error("an entry whose part could not be sealed was encoded")
	}
}

func TestText(t *testing.T) {
	long := strings.Repeat("é", entry.MaxText)
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "a b", "a b"},
		{"nul", "a\x00b", "a\uFFFDb"},
		{"invalid", "a\xffb", "a\uFFFDb"},
		{"as long as may be", strings.Repeat("x", entry.MaxText), strings.Repeat("x", entry.MaxText)},
		{"too long", long, long[:entry.MaxText-4] + "…"},
	} {
		got := entry.Text(tt.in)
		if got != tt.want {
			t.Errorf("%s: Text = %q (%d bytes), want %d bytes", tt.name, got, len(got), len(tt.want))
		}
		if len(got) > entry.MaxText {
			t.Errorf("%s: %d bytes, limit %d", tt.name, len(got), entry.MaxText)
		}
	}
}

func TestMalformed(t *testing.T) {
	leaf, err := entry.Encode(full(), plainSealer{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range leaf {
		if _, err := entry.Decode(leaf[:n], nil); !errors.Is(err, entry.ErrMalformed) {
			t.Errorf("first %d bytes: %v, want ErrMalformed", n, err)
		}
	}
	if _, err := entry.Decode(append(leaf, 0), nil); !errors.Is(err, entry.ErrMalformed) {
		t.Errorf("a byte after the end: %v, want ErrMalformed", err)
	}
	other := bytes.Clone(leaf)
	other[0] = 2
	if _, err := entry.Decode(other, nil); !errors.Is(err, entry.ErrMalformed) {
		t.Errorf("version 2: %v, want ErrMalformed", err)
	}
}

func FuzzDecode(f *testing.F) {
	leaf, err := entry.Encode(full(), plainSealer{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(leaf)
	f.Add([]byte{entry.Version})
	f.Fuzz(func(t *testing.T, leaf []byte) {
		e, parts, err := entry.Parse(leaf)
		if err != nil {
			return
		}
		if again := entry.Append(nil, e, parts); !bytes.Equal(again, leaf) {
			t.Errorf("leaf %x encodes to %x", leaf, again)
		}
		// Opened parts may hold anything; it must not crash.
		_, err = entry.Decode(leaf, plainSealer{})
		if err != nil && !errors.Is(err, entry.ErrMalformed) {
			t.Error(err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	e := full()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := entry.Encode(e, plainSealer{}); err != nil {
			b.Fatal(err)
		}
	}
}
