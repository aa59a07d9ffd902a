package providertest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
)

// Secret is the credential that the suite gives; it must never come back.
const Secret = vitrine.Secret("sk-fake:0123456789abcdefghijklmnop")

// Dialect says what a dialect can do beyond the least, so that the suite asks
// for no more of it. The zero Dialect is OpenAI's.
type Dialect struct {
	Model          string // that is asked for; "" is one with a difficult name
	Editor, Masker string // for edits without and with a mask; "" is Model
	Size           string // what 1024x1024 is to the service; "" is that
	OneSource      bool   // edits one picture at a time
	OneEach        bool   // a call makes one picture, so n pictures are n calls
	Bytes          bool   // answers are the picture itself, not JSON
	NoURLs         bool   // answers are never URLs
	NoCodes        bool   // errors have no codes
	NoUser         bool   // nobody is told for whom a picture is
	Silent         bool   // no cost, usage or echo beside the pictures
}

// Maker makes the provider under test against u: it completes c with the kind
// and the base URL.
type Maker func(t *testing.T, u *Upstream, c provider.Config) provider.Provider

// suite is the suite for one kind of provider.
type suite struct {
	make Maker
	Dialect
}

// Run is the conformance suite.
func Run(t *testing.T, mk Maker, d Dialect) {
	d.Model, d.Size = cmp.Or(d.Model, "google:4@1/ü"), cmp.Or(d.Size, "1024x1024")
	d.Editor = cmp.Or(d.Editor, d.Model)
	d.Masker = cmp.Or(d.Masker, d.Editor)
	s := &suite{mk, d}
	t.Run("success", s.testSuccess)
	t.Run("edit", s.testEdit)
	t.Run("failures", s.testFailures)
	if !d.NoURLs {
		t.Run("fetched answers", s.testFetched)
	}
	t.Run("never sent", s.testNeverSent)
	t.Run("canceled", s.testCanceled)
	t.Run("late", s.testLate)
	t.Run("sink fails", s.testSink)
	t.Run("models", s.testModels)
	t.Run("private addresses", s.testPrivate)
}

// rig is a fake service, a provider against it, and sinks.
type rig struct {
	*Upstream
	provider.Provider
	Dialect
	got [provider.MaxImages]bytes.Buffer
}

func (s *suite) setUp(t *testing.T) *rig {
	u := NewUpstream(t)
	u.Key, u.Models = Secret.Reveal(), append(u.Models, s.Model)
	return &rig{Upstream: u, Dialect: s.Dialect, Provider: s.make(t, u, provider.Config{Secret: Secret, AllowPrivate: true, MaxBytes: 1 << 20, Idle: 200 * time.Millisecond})}
}

func (g *rig) request(n int) *provider.Request {
	return &provider.Request{Model: g.Dialect.Model, Prompt: "a \"harbour\" at dusk\n& <fog>", N: n, Size: "1024x1024", EndUser: "u-7f3a",
		Extra: map[string]json.RawMessage{"seed": json.RawMessage("42")},
		Sink:  func(i int) (io.Writer, error) { return &g.got[i], nil }}
}

func (g *rig) want(t *testing.T, r *provider.Result, n int) {
	t.Helper()
	if len(r.Images) != n {
		t.Fatalf("%d pictures, want %d", len(r.Images), n)
	}
	for i := range n {
		want := g.Picture(i, nil)
		if !bytes.Equal(g.got[i].Bytes(), want) {
			t.Errorf("picture %d: got %d bytes, not the %d that the service sent", i, g.got[i].Len(), len(want))
		}
		if r.Images[i].Size != int64(len(want)) {
			t.Errorf("picture %d: size %d, want %d", i, r.Images[i].Size, len(want))
		}
	}
}

func (s *suite) testSuccess(t *testing.T) {
	big := bytes.Repeat([]byte("\x89PNG\r\n\x1a\n and so on "), 45_000) // several windows
	for _, n := range []int{0, 1, 3, 10} {
		for name, act := range map[string]Behaviour{"base64": Success, "urls": URLs} {
			t.Run(fmt.Sprintf("%s/n=%d", name, n), func(t *testing.T) {
				if s.NoURLs && name == "urls" {
					t.Skip("the dialect has no URLs")
				}
				g := s.setUp(t)
				g.Picture = func(i int, _ *Call) []byte { return big[:len(big)-i] }
				g.Cost = "0.0123456"
				g.Script(act)
				res, err := g.Generate(t.Context(), g.request(n))
				if err != nil {
					t.Fatal(err)
				}
				g.want(t, res, max(n, 1))
				g.wantAsked(t, n)
				g.wantDrawn(t, s.Model, s.Size)
				if !s.Silent {
					g.wantBeside(t, res, name == "base64")
				} else if res.Images[0].Seed != "42" {
					t.Errorf("seed %q, want 42", res.Images[0].Seed)
				}
			})
		}
	}
}

// wantAsked checks what the service was asked.
func (g *rig) wantAsked(t *testing.T, n int) {
	t.Helper()
	c, ask, each := g.Calls()[0], g.request(n), max(n, 1)
	if g.OneEach {
		each = 1
	}
	if c.Prompt != ask.Prompt.Reveal() || c.N != each || c.N*g.Count() != max(n, 1) {
		t.Errorf("asked %d times for %d, prompt %q", g.Count(), c.N, c.Prompt)
	}
	if strings.Trim(string(c.Fields["seed"]), `"`) != "42" { // a form holds text
		t.Errorf("seed %s, want 42", c.Fields["seed"])
	}
	if c.EndUser != ask.EndUser && !g.NoUser {
		t.Errorf("the end user was not named: %s", c.Body)
	}
}

// wantDrawn checks what kind of picture was asked for.
func (g *rig) wantDrawn(t *testing.T, model, size string) {
	t.Helper()
	if c := g.Last(t); c.Model != model || c.Size != size {
		t.Errorf("asked for model %q, size %q, want %q, %q", c.Model, c.Size, model, size)
	}
}

func (g *rig) wantBeside(t *testing.T, res *provider.Result, revised bool) {
	t.Helper()
	if res.Cost == nil || *res.Cost != 12_346 {
		t.Errorf("cost %v, want 0.012346, rounded up", res.Cost)
	}
	if !bytes.Contains(res.Usage, []byte(`"image_tokens":40`)) {
		t.Errorf("usage %s", res.Usage)
	}
	if res.Echo["quality"] != "high" || res.Echo["output_format"] != "png" || res.Echo["background"] != "opaque" || res.Echo["size"] != "32x32" {
		t.Errorf("echo %v", res.Echo)
	}
	if revised && res.Images[0].RevisedPrompt != "revised 0" {
		t.Errorf("revised prompt %q", res.Images[0].RevisedPrompt)
	}
}

func (s *suite) testEdit(t *testing.T) {
	for _, n := range []int{1, 3} {
		for _, masked := range []bool{false, true} {
			t.Run(fmt.Sprintf("sources=%d,mask=%t", n, masked), func(t *testing.T) {
				g := s.setUp(t)
				r := g.request(1)
				if r.Model = s.Editor; masked {
					r.Model = s.Masker
				}
				var sent [][]byte
				for i := range n {
					b := PNG(40, 30, i)
					sent = append(sent, b)
					r.Sources = append(r.Sources, provider.Source{ReaderAt: bytes.NewReader(b), Size: int64(len(b)), Format: "png"})
				}
				if masked {
					b := PNG(40, 30, 3)
					sent = append(sent, b)
					r.Mask = &provider.Source{ReaderAt: bytes.NewReader(b), Size: int64(len(b)), Format: "png"}
				}
				res, err := g.Generate(t.Context(), r)
				if n > 1 && s.OneSource {
					if e := (&vitrine.Error{}); !errors.As(err, &e) || e.Param != "image" || g.Count() != 0 {
						t.Errorf("got %v, want the field image refused before anything is sent", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				g.want(t, res, 1)
				g.wantAsked(t, 1)
				// Who takes one picture does not take OpenAI's kind of mask.
				wantUploads(t, g.Last(t), sent, masked, s.OneSource)
			})
		}
	}
}

// wantUploads finds the pictures in the request, as files or as data URLs.
func wantUploads(t *testing.T, c Call, sent [][]byte, masked, turned bool) {
	t.Helper()
	all := string(c.Body)
	for _, f := range c.Files {
		all += " " + encoded(f.Body)
		if f.ContentType != "image/png" {
			t.Errorf("file %s is of type %s", f.Field, f.ContentType)
		}
	}
	at := 0
	for i, b := range sent[:len(sent)-b2i(masked)] {
		j := strings.Index(all[at:], encoded(b))
		if j < 0 {
			t.Fatalf("source %d was not sent, or not in order", i)
		}
		at += j
	}
	if masked && strings.Contains(all, encoded(sent[len(sent)-1])) == turned {
		t.Error("the mask was not sent, or not in the service's own way")
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *suite) testCanceled(t *testing.T) {
	g := s.setUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	g.Script(func(u *Upstream, w httpWriter, r *httpRequest, c *Call) {
		cancel()
		Hang(u, w, r, c)
	})
	_, err := g.Generate(ctx, g.request(1))
	if e := wantError(t, err); e.Code != provider.CodeCanceled || e.Charged != provider.ChargedUnknown {
		t.Errorf("got %q, charged %q (%v)", e.Code, e.Charged, e.Err)
	}
	_, err = g.Generate(ctx, g.request(1))
	if e := wantError(t, err); e.Charged != provider.ChargedNo || g.Count() != 1 {
		t.Errorf("canceled before it was sent: charged %q, asked %d times", e.Charged, g.Count())
	}
}

func (s *suite) testLate(t *testing.T) {
	for name, act := range map[string]Behaviour{"hang": Hang, "drip": Drip(10 * time.Millisecond)} {
		t.Run(name, func(t *testing.T) {
			g := s.setUp(t)
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			defer cancel()
			g.Script(act)
			_, err := g.Generate(ctx, g.request(1))
			if e := wantError(t, err); e.Code != provider.CodeTimeout || e.Charged != provider.ChargedUnknown {
				t.Errorf("got %q, charged %q (%v)", e.Code, e.Charged, e.Err)
			}
		})
	}
}

var errFull = errors.New("full")

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }

func (s *suite) testSink(t *testing.T) {
	sinks := map[string]func(int) (io.Writer, error){
		"none":  func(int) (io.Writer, error) { return nil, errFull },
		"write": func(int) (io.Writer, error) { return fullWriter{}, nil },
	}
	for name, sink := range sinks {
		for how, act := range map[string]Behaviour{"base64": Success, "urls": URLs} {
			t.Run(name+"/"+how, func(t *testing.T) {
				if s.NoURLs && how == "urls" {
					t.Skip("the dialect has no URLs")
				}
				g := s.setUp(t)
				g.Script(act)
				r := g.request(1)
				r.Sink = sink
				_, err := g.Generate(t.Context(), r)
				if e := wantError(t, err); e.Code != provider.CodeNotKept || e.Charged != provider.ChargedYes || !errors.Is(err, errFull) {
					t.Errorf("got %q, charged %q (%v)", e.Code, e.Charged, e.Err)
				}
			})
		}
	}
}

func (s *suite) testModels(t *testing.T) {
	g := s.setUp(t)
	g.Upstream.Models = []string{"hidream", "google:4@1", "pruna-ai/p-image/text-to-image"}
	got, err := g.Provider.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.OneEach { // a list of its own, once the credential is known
		if len(got) == 0 || !slices.ContainsFunc(got, func(m provider.Model) bool { return m.ID == s.Model }) {
			t.Errorf("models %v, want %s among them", got, s.Model)
		}
		g.Accept("another")
		if _, err := g.Provider.Models(t.Context()); wantError(t, err).Status != 401 {
			t.Errorf("with a wrong credential: %v", err)
		}
		return
	}
	if len(got) != 3 || got[1].ID != "google:4@1" || got[2].ID != "pruna-ai/p-image/text-to-image" {
		t.Errorf("models %v", got)
	}
}
