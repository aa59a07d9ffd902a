package providertest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
)

type (
	httpWriter  = http.ResponseWriter
	httpRequest = http.Request
)

// trap is a server that nobody may ask.
func trap(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was asked for although it is foreign", r.Host, r.URL.Path)
	}))
	t.Cleanup(s.Close)
	return s
}

// testFetched has the service answer with URLs of all sorts.
func (s *suite) testFetched(t *testing.T) {
	foreign := trap(t)
	tests := []struct {
		name string
		url  func(u *Upstream) string
		code string // "" is success
	}{
		{"own host", func(u *Upstream) string { return u.Host("/p", u.Picture(0, nil)) }, ""},
		{"inline", func(u *Upstream) string { return "data:image/png;base64," + encoded(u.Picture(0, nil)) }, ""},
		{"another port", func(*Upstream) string { return foreign.URL + "/p" }, provider.CodeForbiddenURL},
		{"another host", func(*Upstream) string { return "https://images.example/p" }, provider.CodeForbiddenURL},
		{"private address", func(*Upstream) string { return "http://10.0.0.1/p" }, provider.CodeForbiddenURL},
		{"metadata", func(*Upstream) string { return "http://169.254.169.254/latest/meta-data/" }, provider.CodeForbiddenURL},
		{"file", func(*Upstream) string { return "file:///etc/passwd" }, provider.CodeForbiddenURL},
		{"user in front", func(u *Upstream) string { return strings.Replace(u.URL, "http://", "http://a:b@", 1) + "/p" }, provider.CodeForbiddenURL},
		{"no URL", func(*Upstream) string { return "::not a url" }, provider.CodeForbiddenURL},
		{"redirect elsewhere", func(u *Upstream) string { return redirectFrom(t, u, foreign.URL+"/p") }, provider.CodeForbiddenURL},
		{"redirect at home", func(u *Upstream) string { return redirectFrom(t, u, u.Host("/p", u.Picture(0, nil))) }, ""},
		{"missing", func(u *Upstream) string { return u.URL + "/absent" }, provider.CodeNotFetched},
		{"web page", func(u *Upstream) string { return u.Host("/p", []byte("<html>sorry</html>")) }, provider.CodeNotFetched},
		{"empty", func(u *Upstream) string { return u.Host("/p", nil) }, provider.CodeNotFetched},
		{"too large", func(u *Upstream) string { return u.Host("/p", bytes.Repeat([]byte{1, 2}, 1<<20)) }, provider.CodeTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := s.setUp(t)
			g.Script(URL(tt.url(g.Upstream)))
			res, err := g.Generate(t.Context(), g.request(1))
			if tt.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				g.want(t, res, 1)
				return
			}
			if e := wantError(t, err); e.Code != tt.code || e.Charged != provider.ChargedUnknown {
				t.Errorf("got %q, charged %q (%v: %v), want %q", e.Code, e.Charged, e, e.Err, tt.code)
			}
		})
	}
}

// redirectFrom makes a page on the service itself that redirects.
func redirectFrom(t *testing.T, u *Upstream, to string) string {
	inner := u.Config.Handler
	u.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" && r.Method == http.MethodGet {
			t.Error("the credential went along with the fetching of a picture")
		}
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		inner.ServeHTTP(w, r)
	})
	return u.URL + "/moved"
}

// testNeverSent checks what is refused before the service hears of it.
func (s *suite) testNeverSent(t *testing.T) {
	source := provider.Source{ReaderAt: bytes.NewReader(make([]byte, 10)), Size: 10, Format: "png"}
	tests := []struct {
		name   string
		change func(r *provider.Request)
		param  string
	}{
		{"tag", func(r *provider.Request) { r.Prompt = `cat <sd_cpp_extra_args>{"n":9}</sd_cpp_extra_args>` }, "prompt"},
		{"tag in disguise", func(r *provider.Request) { r.Prompt = "cat < SD_CPP _extra\u200b_ARGS >{}" }, "prompt"},
		{"tag in a field", func(r *provider.Request) { r.Extra["negative_prompt"] = []byte(`"<sd_cpp_extra_args>"`) }, "negative_prompt"},
		{"unknown field", func(r *provider.Request) { r.Extra["stream"] = []byte("true") }, "stream"},
		{"field that was decided", func(r *provider.Request) { r.Extra["n"] = []byte("10") }, "n"},
		{"object in a field", func(r *provider.Request) { r.Extra["negative_prompt"] = []byte(`{"a":1}`) }, "negative_prompt"},
		{"eleven", func(r *provider.Request) { r.N = 11 }, "n"},
		{"format", func(r *provider.Request) { r.Format = "svg" }, "output_format"},
		{"mask alone", func(r *provider.Request) { r.Mask = &source }, "mask"},
		{"large source", func(r *provider.Request) {
			r.Sources = []provider.Source{{ReaderAt: bytes.NewReader(nil), Size: 50 << 20, Format: "png"}}
		}, "image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := s.setUp(t)
			r := g.request(1)
			tt.change(r)
			_, err := g.Generate(t.Context(), r)
			e := &vitrine.Error{}
			if !errors.As(err, &e) || !errors.Is(err, vitrine.ErrInvalid) || e.Param != tt.param {
				t.Errorf("got %v, want invalid %s", err, tt.param)
			}
			if g.Count() != 0 {
				t.Error("it was sent")
			}
		})
	}
}

// testPrivate calls through a name that resolves to loopback without leave.
func (s *suite) testPrivate(t *testing.T) {
	t.Run("by name", func(t *testing.T) {
		u := NewUpstream(t)
		u.URL = strings.Replace(u.URL, "http://127.0.0.1", "https://localhost", 1) // never gets as far as TLS
		p := s.make(t, u, provider.Config{Secret: Secret})
		_, err := p.Generate(t.Context(), &provider.Request{Model: s.Model, Prompt: "x", Sink: func(int) (io.Writer, error) { return io.Discard, nil }})
		if e := wantError(t, err); e.Code != provider.CodeUnreachable || e.Charged != provider.ChargedNo || u.Count() != 0 {
			t.Errorf("got %q, charged %q, asked %d times (%v)", e.Code, e.Charged, u.Count(), e.Err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		g := s.setUp(t)
		g.Close()
		_, err := g.Generate(t.Context(), g.request(1))
		if e := wantError(t, err); e.Code != provider.CodeUnreachable || e.Charged != provider.ChargedNo {
			t.Errorf("got %q, charged %q (%v)", e.Code, e.Charged, e.Err)
		}
	})
}
