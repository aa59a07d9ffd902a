package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/seal"
)

func TestSmallValueOpensOnlyWhereItWasSealed(t *testing.T) {
	k := seal.NewKey()
	sealed := k.Seal([]byte("a prompt"), "image/1/detail")
	if got, err := k.Open(sealed, "image/1/detail"); err != nil || string(got) != "a prompt" {
		t.Fatalf("open: %q, %v", got, err)
	}
	if bytes.Contains(sealed, []byte("prompt")) {
		t.Error("the sealed value holds clear bytes")
	}
	if bytes.Equal(sealed, k.Seal([]byte("a prompt"), "image/1/detail")) {
		t.Error("sealing twice gives the same bytes: the nonce repeats")
	}
	refused := map[string]func() ([]byte, error){
		"another place": func() ([]byte, error) { return k.Open(sealed, "image/2/detail") },
		"another key":   func() ([]byte, error) { return seal.NewKey().Open(sealed, "image/1/detail") },
		"empty":         func() ([]byte, error) { return k.Open(nil, "image/1/detail") },
	}
	for i := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1
		refused[fmt.Sprintf("byte %d flipped", i)] = func() ([]byte, error) { return k.Open(flipped, "image/1/detail") }
		refused[fmt.Sprintf("cut at %d", i)] = func() ([]byte, error) { return k.Open(sealed[:i], "image/1/detail") }
	}
	for name, open := range refused {
		if got, err := open(); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("%s: %q, %v, want ErrSealed", name, got, err)
		}
	}
}

func TestWrappedKeyIsNoSmallValue(t *testing.T) {
	k, inner := seal.NewKey(), seal.NewKey()
	w := k.Wrap(inner, "image/1")
	if got, err := k.Unwrap(w, "image/1"); err != nil || got != inner {
		t.Errorf("unwrap: %v", err)
	}
	if _, err := k.Unwrap(w, "image/2"); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("unwrap for another image: %v, want ErrSealed", err)
	}
	if _, err := k.Open(w, "image/1"); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("open a wrapped key as a value: %v, want ErrSealed", err)
	}
}

func TestDerivedKeysDiffer(t *testing.T) {
	k := seal.NewKey()
	seen := map[seal.Key]string{k: "the key itself"}
	for _, parts := range [][]string{{"a"}, {"a", ""}, {"", "a"}, {"ab", "c"}, {"a", "bc"}, {}} {
		for _, purpose := range []string{"rendition", "link"} {
			name := fmt.Sprintf("%s %q", purpose, parts)
			d := k.Derive(purpose, parts...)
			if other, ok := seen[d]; ok {
				t.Errorf("%s and %s derive the same key", name, other)
			}
			if d != k.Derive(purpose, parts...) {
				t.Errorf("%s: not stable", name)
			}
			seen[d] = name
		}
	}
}

func TestKeyNeverPrints(t *testing.T) {
	k := seal.Key([]byte("0123456789abcdef0123456789abcdef"))
	j, err := json.Marshal(struct{ K seal.Key }{k})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(verb, k); got != "[key]" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
	if strings.Contains(string(j), "48") || k.LogValue().String() != "[key]" {
		t.Errorf("marshals as %s, logs as %s", j, k.LogValue())
	}
}

func sealed(t testing.TB, k seal.Key, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := seal.NewWriter(&b, k)
	if err != nil {
		t.Fatal(err)
	}
	for p := plain; len(p) > 0; { // in uneven pieces, as a network brings them
		n := min(len(p), 10_007)
		if _, err := w.Write(p[:n]); err != nil {
			t.Fatal(err)
		}
		p = p[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != seal.SealedSize(int64(len(plain))) {
		t.Fatalf("%d bytes sealed are %d, SealedSize says %d", len(plain), b.Len(), seal.SealedSize(int64(len(plain))))
	}
	return b.Bytes()
}

func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

func TestStreamReadsAnyRange(t *testing.T) {
	k := seal.NewKey()
	for _, size := range []int{1, 15, 65535, 65536, 65537, 131072, 200_000} {
		plain := noise(size)
		s := sealed(t, k, plain)
		r, n, err := seal.NewReaderAt(bytes.NewReader(s), int64(len(s)), k)
		if err != nil || n != int64(size) {
			t.Fatalf("%d bytes: size %d, %v", size, n, err)
		}
		whole, err := io.ReadAll(io.NewSectionReader(r, 0, n))
		if err != nil || !bytes.Equal(whole, plain) {
			t.Fatalf("%d bytes: read whole: %v", size, err)
		}
		for _, at := range []int{0, 1, size / 2, 65535, 65536, size - 1} {
			if at < 0 || at >= size {
				continue
			}
			want := plain[at:min(size, at+70_000)]
			got := make([]byte, len(want))
			if _, err := r.ReadAt(got, int64(at)); err != nil && err != io.EOF || !bytes.Equal(got, want) {
				t.Errorf("%d bytes from %d: %v, equal %t", size, at, err, bytes.Equal(got, want))
			}
		}
		if _, err := r.ReadAt(make([]byte, 1), n); err != io.EOF {
			t.Errorf("%d bytes: read at the end: %v, want io.EOF", size, err)
		}
	}
}

// readAll opens and reads a whole stream, both ways.
func readAll(s []byte, k seal.Key) ([]byte, error) {
	whole, werr := seal.AppendOpen([]byte("before"), s, k)
	r, n, err := seal.NewReaderAt(bytes.NewReader(s), int64(len(s)), k)
	if err != nil {
		return nil, same(werr, err)
	}
	got, err := io.ReadAll(io.NewSectionReader(r, 0, n))
	if err == nil && string(whole) != "before"+string(got) {
		return nil, fmt.Errorf("a stream read in parts holds %d bytes, as a whole %d", len(got), len(whole))
	}
	return got, same(werr, err)
}

// same is err, unless one way has failed and the other has not.
func same(whole, parts error) error {
	if (whole == nil) != (parts == nil) {
		panic(fmt.Sprintf("as a whole: %v; in parts: %v", whole, parts))
	}
	return parts
}

func TestStreamFindsEveryChange(t *testing.T) {
	k := seal.NewKey()
	plain := noise(150_000)
	s := sealed(t, k, plain)
	const pkg = 65536 + 32
	swapped := append(append(bytes.Clone(s[pkg:2*pkg]), s[:pkg]...), s[2*pkg:]...)
	other := sealed(t, seal.NewKey(), plain)
	tampered := map[string][]byte{
		"cut by a package":      s[:2*pkg],
		"cut to one package":    s[:pkg],
		"cut in a package":      s[:len(s)-1],
		"cut to nothing":        {},
		"packages swapped":      swapped,
		"first package dropped": s[pkg:],
		"last package repeated": append(bytes.Clone(s), s[2*pkg:]...),
		"another stream's head": append(bytes.Clone(other[:pkg]), s[pkg:]...),
		"a byte more":           append(bytes.Clone(s), 0),
	}
	for i := 0; i < len(s); i += 997 {
		b := bytes.Clone(s)
		b[i] ^= 0x40
		tampered[fmt.Sprintf("byte %d flipped", i)] = b
	}
	for i := range 16 { // every byte of the last header, the final mark among them
		b := bytes.Clone(s)
		b[2*pkg+i] ^= 0x80
		tampered[fmt.Sprintf("last header byte %d flipped", i)] = b
	}
	for name, b := range tampered {
		if got, err := readAll(b, k); err == nil {
			t.Errorf("%s: read %d bytes without an error", name, len(got))
		}
	}
	if _, err := readAll(s, seal.NewKey()); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("another key: %v, want ErrSealed", err)
	}
}

func TestEmptyStreamIsRefused(t *testing.T) {
	w, err := seal.NewWriter(io.Discard, seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil {
		t.Error("an empty stream was sealed; it could not be told from one cut to nothing")
	}
}

func FuzzOpen(f *testing.F) {
	k := seal.Key{1}
	f.Add(k.Seal([]byte("value"), "ad"))
	f.Add(sealed(f, k, []byte("stream")))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := k.Open(b, "other"); err == nil {
			t.Errorf("%x opens to %x for a context it was not sealed for", b, plain)
		}
		if got, err := readAll(b, k); err == nil && string(got) != "stream" {
			t.Errorf("%x opens to %x", b, got)
		}
	})
}

func BenchmarkStream(b *testing.B) {
	k, plain := seal.NewKey(), noise(1<<20)
	s := sealed(b, k, plain)
	b.Run("seal 1 MB", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			w, err := seal.NewWriter(io.Discard, k)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := w.Write(plain); err != nil {
				b.Fatal(err)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open 1 MB", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		buf := make([]byte, len(plain))
		for b.Loop() {
			r, _, err := seal.NewReaderAt(bytes.NewReader(s), int64(len(s)), k)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := r.ReadAt(buf, 0); err != nil && err != io.EOF {
				b.Fatal(err)
			}
		}
	})
}
