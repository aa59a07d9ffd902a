package identity_test

import (
	"hash/crc32"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/identity"
)

// A key from the days of format 1; it must parse for ever.
const sample = "vtr_user_abc123def456ghi7_0123456789ABCDEFGHIJabcdefghij"

func withSum(t testing.TB, body string) string {
	t.Helper()
	sum := identity.KeySum(body)
	return body + string(sum[:])
}

func TestParseKey(t *testing.T) {
	good := withSum(t, sample)
	tests := []struct {
		name, text string
		kind, id   string
		ok         bool
	}{
		{"a person's", good, "user", "abc123def456ghi7", true},
		{"a service's", withSum(t, strings.Replace(sample, "user", "svc", 1)), "svc", "abc123def456ghi7", true},
		{"a first key", withSum(t, strings.Replace(sample, "user", "first", 1)), "first", "abc123def456ghi7", true},
		{"empty", "", "", "", false},
		{"another product's", "sk-" + good, "", "", false},
		{"of an unknown kind", withSum(t, strings.Replace(sample, "user", "root", 1)), "", "", false},
		{"without an id", withSum(t, strings.Replace(sample, "abc123def456ghi7", "", 1)), "", "", false},
		{"with a path in its id", withSum(t, strings.Replace(sample, "abc123", "../123", 1)), "", "", false},
		{"with an upper-case id", withSum(t, strings.Replace(sample, "abc", "ABC", 1)), "", "", false},
		{"with a short secret", withSum(t, sample[:len(sample)-1]), "", "", false},
		{"with a longer secret", withSum(t, sample+"x"), "", "", false},
		{"mistyped", strings.Replace(good, "ABCD", "ABDC", 1), "", "", false},
		{"with another kind's sum", strings.Replace(good, "user", "svc", 1), "", "", false},
		{"cut", good[:len(good)-1], "", "", false},
		{"with a space", good + " ", "", "", false},
		{"endless", good + strings.Repeat("a", 1<<20), "", "", false},
	}
	for _, tt := range tests {
		kind, id, ok := identity.ParseKey(tt.text)
		if kind != tt.kind || string(id) != tt.id || ok != tt.ok {
			t.Errorf("a key %s: got %q %q %v, want %q %q %v", tt.name, kind, id, ok, tt.kind, tt.id, tt.ok)
		}
	}
}

func TestNewKeysParseAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		text := identity.NewKeyText("user", identity.NewID("")).Reveal()
		if _, _, ok := identity.ParseKey(text); !ok {
			t.Fatalf("a new key does not parse: %q", text)
		}
		if seen[text] {
			t.Fatal("the same key twice")
		}
		seen[text] = true
	}
}

// The sum is CRC-32 as everybody knows it, so that scanners can check it.
func TestKeySumIsCRC32(t *testing.T) {
	sum := crc32.ChecksumIEEE([]byte(sample))
	want := ""
	for range 6 {
		want = string("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[sum%62]) + want
		sum /= 62
	}
	if got := identity.KeySum(sample); string(got[:]) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("")
	f.Add(withSum(f, sample))
	f.Add("vtr_svc_a_")
	f.Add("vtr_first___")
	f.Fuzz(func(t *testing.T, text string) {
		kind, id, ok := identity.ParseKey(text)
		if !ok {
			return
		}
		if !id.Valid() || strings.Contains(string(id), "_") {
			t.Errorf("%q has the id %q", text, id)
		}
		if !strings.HasPrefix(text, "vtr_"+kind+"_"+string(id)+"_") {
			t.Errorf("%q is not %q and %q", text, kind, id)
		}
		// A key with any one character changed is no key.
		for i := range len(text) {
			c := byte('a')
			if text[i] == c {
				c = 'b'
			}
			if _, _, ok := identity.ParseKey(text[:i] + string(c) + text[i+1:]); ok {
				t.Errorf("%q still parses with character %d changed", text, i)
			}
		}
	})
}

func BenchmarkParseKey(b *testing.B) {
	text := withSum(b, sample)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := identity.ParseKey(text); !ok {
			b.Fatal("does not parse")
		}
	}
}
