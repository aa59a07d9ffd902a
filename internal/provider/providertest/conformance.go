package providertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
)

// Secret is the credential that the suite gives; it must never come back.
const Secret = vitrine.Secret("sk-fake-0123456789abcdefghijklmnop")

// Maker makes the provider under test against u: it completes c with the kind
// and the base URL.
type Maker func(t *testing.T, u *Upstream, c provider.Config) provider.Provider

// Run is the conformance suite.
func Run(t *testing.T, mk Maker) {
	t.Run("success", func(t *testing.T) { testSuccess(t, mk) })
	t.Run("edit", func(t *testing.T) { testEdit(t, mk) })
	t.Run("failures", func(t *testing.T) { testFailures(t, mk) })
	t.Run("fetched answers", func(t *testing.T) { testFetched(t, mk) })
	t.Run("never sent", func(t *testing.T) { testNeverSent(t, mk) })
	t.Run("canceled", func(t *testing.T) { testCanceled(t, mk) })
	t.Run("late", func(t *testing.T) { testLate(t, mk) })
	t.Run("sink fails", func(t *testing.T) { testSink(t, mk) })
	t.Run("models", func(t *testing.T) { testModels(t, mk) })
	t.Run("private addresses", func(t *testing.T) { testPrivate(t, mk) })
}

// rig is a fake service, a provider against it, and sinks.
type rig struct {
	*Upstream
	provider.Provider
	got [provider.MaxImages]bytes.Buffer
}

func setUp(t *testing.T, mk Maker) *rig {
	u := NewUpstream(t)
	u.Key = Secret.Reveal()
	return &rig{Upstream: u, Provider: mk(t, u, provider.Config{Secret: Secret, AllowPrivate: true, MaxBytes: 1 << 20, Idle: 200 * time.Millisecond})}
}

func (g *rig) request(n int) *provider.Request {
	return &provider.Request{Model: "google:4@1/ü", Prompt: "a \"harbour\" at dusk\n& <fog>", N: n, Size: "1024x1024", EndUser: "u-7f3a",
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

func testSuccess(t *testing.T, mk Maker) {
	big := bytes.Repeat([]byte("\x89PNG\r\n\x1a\n and so on "), 45_000) // several windows
	for _, n := range []int{0, 1, 3, 10} {
		for name, act := range map[string]Behaviour{"base64": Success, "urls": URLs} {
			t.Run(fmt.Sprintf("%s/n=%d", name, n), func(t *testing.T) {
				g := setUp(t, mk)
				g.Picture = func(i int, _ *Call) []byte { return big[:len(big)-i] }
				g.Cost = "0.0123456"
				g.Script(act)
				res, err := g.Generate(t.Context(), g.request(n))
				if err != nil {
					t.Fatal(err)
				}
				g.want(t, res, max(n, 1))
				g.wantAsked(t, n)
				g.wantBeside(t, res, name == "base64")
			})
		}
	}
}

// wantAsked checks what the service was asked.
func (g *rig) wantAsked(t *testing.T, n int) {
	t.Helper()
	c := g.Last(t)
	ask := g.request(n)
	if c.Model != ask.Model || c.Prompt != ask.Prompt.Reveal() || c.N != max(n, 1) || c.Size != ask.Size {
		t.Errorf("asked for %d of model %q, prompt %q, size %q", c.N, c.Model, c.Prompt, c.Size)
	}
	if strings.Trim(string(c.Fields["seed"]), `"`) != "42" { // a form holds text
		t.Errorf("seed %s, want 42", c.Fields["seed"])
	}
	if c.Text("user") != ask.EndUser && c.Text("safety_identifier") != ask.EndUser {
		t.Errorf("the end user was not named: %s", c.Body)
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

func testEdit(t *testing.T, mk Maker) {
	for _, n := range []int{1, 3} {
		for _, masked := range []bool{false, true} {
			t.Run(fmt.Sprintf("sources=%d,mask=%t", n, masked), func(t *testing.T) {
				g := setUp(t, mk)
				r := g.request(1)
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
				if err != nil {
					t.Fatal(err)
				}
				g.want(t, res, 1)
				g.wantAsked(t, 1)
				wantUploads(t, g.Last(t), sent, masked)
			})
		}
	}
}

// wantUploads finds the pictures in the request, as files or as data URLs.
func wantUploads(t *testing.T, c Call, sent [][]byte, masked bool) {
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
	if masked && !strings.Contains(all, encoded(sent[len(sent)-1])) {
		t.Error("the mask was not sent")
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func testFailures(t *testing.T, mk Maker) {
	tests := []struct {
		name    string
		act     Behaviour
		n       int
		code    string
		charged string
		status  int
		retry   string
	}{
		{name: "rate limit", act: RateLimited("7"), code: "rate_limit_exceeded", charged: "no", status: 429, retry: "7"},
		{name: "rate limit by date", act: RateLimited("Wed, 21 Oct 2026 07:28:00 GMT"), code: "rate_limit_exceeded", charged: "no", status: 429, retry: "Wed, 21 Oct 2026 07:28:00 GMT"},
		{name: "moderation", act: Moderated, code: "moderation_blocked", charged: "no", status: 400},
		{name: "server error", act: ServerError, charged: "no", status: 500},
		{name: "unavailable with retry", act: Status(503, "application/json", `{"error":{"message":"busy"}}`, "Retry-After", "2"), charged: "no", status: 503, retry: "2"},
		{name: "milliseconds", act: Status(429, "application/json", `{"error":{"message":"slow"}}`, "Retry-After-Ms", "1500"), charged: "no", status: 429, retry: "2"},
		{name: "bad gateway page", act: BadGateway, charged: "unknown", status: 502},
		{name: "gateway timeout", act: Status(504, "application/json", `{"error":{"message":"late"}}`), charged: "unknown", status: 504},
		{name: "old error shape", act: Status(402, "application/json", `{"error":"Insufficient balance","requiredBalance":0.0035,"status":402}`), charged: "no", status: 402},
		{name: "error under 200", act: Status(200, "application/json", `{"error":{"message":"queue full","code":"busy"}}`), code: "busy", charged: "unknown", status: 200},
		{name: "credential repeated", act: Leaks, code: "invalid_api_key", charged: "no", status: 401},
		{name: "garbage", act: Garbage, code: provider.CodeBadAnswer, charged: "unknown"},
		{name: "no JSON", act: NotJSON, code: provider.CodeWrongService, charged: "no"},
		{name: "web page", act: HTML, code: provider.CodeWrongService, charged: "no", status: 200},
		{name: "event stream", act: Status(200, "text/event-stream", "event: x\n\n"), code: provider.CodeBadAnswer, charged: "unknown", status: 200},
		{name: "nothing", act: Status(200, "application/json", ""), code: provider.CodeBadAnswer, charged: "unknown"},
		{name: "no data", act: Status(200, "application/json", `{"created":1}`), code: provider.CodeNoImage, charged: "unknown"},
		{name: "empty data", act: Status(200, "application/json", `{"data":[]}`), code: provider.CodeNoImage, charged: "unknown"},
		{name: "empty element", act: Status(200, "application/json", `{"data":[{"b64_json":null,"url":null}]}`), code: provider.CodeNoImage, charged: "unknown"},
		{name: "broken base64", act: Status(200, "application/json", `{"data":[{"b64_json":"QUJD!UJD"}]}`), code: provider.CodeBadAnswer, charged: "unknown"},
		{name: "nested junk", act: Status(200, "application/json", `{"x":`+strings.Repeat("[", 100_000)), code: provider.CodeBadAnswer, charged: "unknown"},
		{name: "cut", act: Cut, code: provider.CodeCut, charged: "unknown"},
		{name: "endless picture", act: Endless, code: provider.CodeTooLarge, charged: "unknown"},
		{name: "endless space", act: EndlessSpace, code: provider.CodeTooLarge, charged: "unknown"},
		{name: "endless error", act: EndlessError, charged: "unknown", status: 500},
		{name: "silence", act: Silence, code: provider.CodeTimeout, charged: "unknown"},
		{name: "compressed", act: Zipped, code: provider.CodeBadAnswer, charged: "unknown", status: 200},
		{name: "too many", act: TooMany, code: provider.CodeTooMany, charged: "unknown"},
		{name: "too many of three", act: TooMany, n: 3, code: provider.CodeTooMany, charged: "unknown"},
		{name: "redirect", act: Redirect("http://192.0.2.1/v1/images/generations"), code: provider.CodeRedirect, charged: "no", status: 307},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := setUp(t, mk)
			g.Script(tt.act)
			_, err := g.Generate(t.Context(), g.request(max(tt.n, 1)))
			e := wantError(t, err)
			if e.Code != tt.code || e.Charged != tt.charged || e.Status != tt.status || e.RetryAfter != tt.retry {
				t.Errorf("got code %q, charged %q, status %d, retry %q (%v: %v); want %q, %q, %d, %q",
					e.Code, e.Charged, e.Status, e.RetryAfter, e, e.Err, tt.code, tt.charged, tt.status, tt.retry)
			}
			if g.Count() != 1 {
				t.Errorf("the service was asked %d times; a retry may pay twice", g.Count())
			}
			// It works again afterwards, over the same connections or new ones.
			g.got[0].Reset()
			if res, err := g.Generate(t.Context(), g.request(1)); err != nil {
				t.Errorf("afterwards: %v", err)
			} else {
				g.want(t, res, 1)
			}
		})
	}
}

// wantError checks what holds for every failure.
func wantError(t *testing.T, err error) *provider.Error {
	t.Helper()
	e := &provider.Error{}
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want a *provider.Error", err, err)
	}
	if !errors.Is(err, vitrine.ErrUpstream) {
		t.Errorf("%v is no ErrUpstream", err)
	}
	shown := e.Message + e.Code + e.Type + e.Param + e.RetryAfter
	if e.Message == "" || len([]rune(e.Message)) > 300 || strings.ContainsAny(shown, "\n\x00") {
		t.Errorf("message %q is empty, too long or not printable", e.Message)
	}
	if strings.Contains(shown, Secret.Reveal()[6:14]) {
		t.Errorf("the credential shows: %q", shown)
	}
	return e
}

func testCanceled(t *testing.T, mk Maker) {
	g := setUp(t, mk)
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

func testLate(t *testing.T, mk Maker) {
	for name, act := range map[string]Behaviour{"hang": Hang, "drip": Drip(10 * time.Millisecond)} {
		t.Run(name, func(t *testing.T) {
			g := setUp(t, mk)
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

func testSink(t *testing.T, mk Maker) {
	sinks := map[string]func(int) (io.Writer, error){
		"none":  func(int) (io.Writer, error) { return nil, errFull },
		"write": func(int) (io.Writer, error) { return fullWriter{}, nil },
	}
	for name, sink := range sinks {
		for how, act := range map[string]Behaviour{"base64": Success, "urls": URLs} {
			t.Run(name+"/"+how, func(t *testing.T) {
				g := setUp(t, mk)
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

func testModels(t *testing.T, mk Maker) {
	g := setUp(t, mk)
	g.Upstream.Models = []string{"hidream", "google:4@1", "pruna-ai/p-image/text-to-image"}
	got, err := g.Provider.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[1].ID != "google:4@1" || got[2].ID != "pruna-ai/p-image/text-to-image" {
		t.Errorf("models %v", got)
	}
}
