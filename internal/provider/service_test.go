package provider

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"vitrine.dev/vitrine"
)

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name, param string
		c           Config
	}{
		{"no URL", "base_url", Config{Kind: vitrine.OpenAI}},
		{"scheme", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "ftp://images.example/v1"}},
		{"user", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "https://a:b@images.example/v1"}},
		{"fragment", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "https://images.example/v1#x"}},
		{"query", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "https://images.example/v1?key=x"}},
		{"no host", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "https:///v1"}},
		{"opaque", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "https:images.example"}},
		{"loopback", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "http://127.0.0.1:8080/v1"}},
		{"mapped loopback", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "http://[::ffff:127.0.0.1]/v1"}},
		{"metadata, even with leave", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "http://169.254.169.254/v1", AllowPrivate: true}},
		{"a credential in clear", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "http://images.example/v1", Secret: "a", AllowPrivate: true}},
		{"a credential in clear to an address", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "http://8.8.8.8/v1", Secret: "a", AllowPrivate: true}},
		{"a credential in clear, without leave", "base_url", Config{Kind: vitrine.OpenAI, BaseURL: "http://sd.local/v1", Secret: "a"}},
		{"header in the credential", "secret", Config{Kind: vitrine.OpenAI, BaseURL: "https://images.example/v1", Secret: "a\r\nX-Other: b"}},
		{"kind", "kind", Config{Kind: "comfy", BaseURL: "https://images.example/v1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.c)
			e := &vitrine.Error{}
			if !errors.As(err, &e) || !errors.Is(err, vitrine.ErrInvalid) || e.Param != tt.param {
				t.Errorf("got %v, want invalid %s", err, tt.param)
			}
		})
	}
	for _, base := range []string{"http://127.0.0.1:8080/v1", "http://10.1.2.3/v1", "http://localhost:1234", "http://sd", "http://sd.local", "https://images.example/v1"} {
		if _, err := New(Config{Kind: vitrine.OpenAI, BaseURL: base, Secret: "a", AllowPrivate: true}); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

func TestOrigin(t *testing.T) {
	for in, want := range map[string]string{
		"https://Nano-GPT.com/api/v1/": "https://nano-gpt.com:443", "http://10.0.0.1:8080": "http://10.0.0.1:8080", "http://[::1]/v1": "http://[::1]:80",
		"https://images.example.:443/x": "https://images.example:443", "": "", "https://u@images.example": "", "javascript:alert(1)": "",
	} {
		if got, _ := Origin(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestRefusedAddresses(t *testing.T) {
	tests := []struct{ addr, want string }{ // no: dialled; private: only with leave; never
		{"93.184.216.34", "no"}, {"2606:4700::1111", "no"}, {"127.0.0.1", "private"}, {"127.9.9.9", "private"}, {"::1", "private"}, {"10.1.2.3", "private"},
		{"172.16.0.1", "private"}, {"172.32.0.1", "no"}, {"192.168.1.1", "private"}, {"100.64.0.1", "private"}, {"100.100.100.200", "private"},
		{"fc00::1", "private"}, {"fd12::1", "private"}, {"198.18.0.1", "private"}, {"::ffff:10.0.0.1", "private"}, {"64:ff9b::7f00:1", "private"},
		{"64:ff9b::a9fe:a9fe", "never"}, {"2002:7f00:1::", "private"}, {"2002:5db8:d822::", "no"}, {"169.254.169.254", "never"}, {"169.254.0.1", "never"},
		{"fe80::1", "never"}, {"fe80::1%eth0", "never"}, {"fd00:ec2::254", "never"}, {"0.0.0.0", "never"}, {"::", "never"}, {"0.1.2.3", "never"}, {"224.0.0.1", "never"},
		{"255.255.255.255", "never"}, {"ff02::1", "never"}, {"168.63.129.16", "never"}, {"::127.0.0.1", "never"}, {"2001::1", "never"}, {"::ffff:169.254.169.254", "never"},
	}
	for _, tt := range tests {
		a := netip.MustParseAddr(tt.addr)
		got := map[[2]bool]string{{false, false}: "no", {true, false}: "private", {true, true}: "never"}[[2]bool{refused(a, false), refused(a, true)}]
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.addr, got, tt.want)
		}
	}
}

func TestMatchHost(t *testing.T) {
	tests := []struct {
		pattern, at string
		want        bool
	}{
		{"cdn.example", "cdn.example:443", true}, {"cdn.example", "cdn.example:8443", false}, {"cdn.example:8443", "cdn.example:8443", true},
		{"*.cdn.example", "a.b.cdn.example:443", true}, {"*.cdn.example", "cdn.example:443", false}, {"*.cdn.example", "evilcdn.example:443", false},
		{"cdn.example", "cdn.example.evil:443", false}, {"*.", "x.example:443", false}, {"", "x.example:443", false},
	}
	for _, tt := range tests {
		if got := matchHost(tt.pattern, tt.at); got != tt.want {
			t.Errorf("%q for %q: got %t", tt.pattern, tt.at, got)
		}
	}
}

func TestClean(t *testing.T) {
	s := &service{secret: "nano/key+with=signs-0123456789abcdef"}
	tests := []struct{ name, in, want string }{
		{"whole", "bad key nano/key+with=signs-0123456789abcdef here", "bad key [credential] here"},
		{"as in a URL", "at ?k=nano%2Fkey%2Bwith%3Dsigns-0123456789abcdef", "at ?k=[credential]"},
		{"shortened", "key ...3456789abcdef", "key ...[credential]"},
		{"foreign", "Incorrect API key provided: sk-proj-abc***wxyz. Bearer eyJhbGciOi", "Incorrect API key provided: [credential] [credential]"},
		{"lines and controls", "a\x00b\r\n\tc\u202ed", "a b c d"},
		{"not text", "a\xff\xfe", "a\uFFFD"},
		{"long", strings.Repeat("é", 1000), strings.Repeat("é", 299) + "…"},
		{"plain", "Your prompt was refused.", "Your prompt was refused."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.clean(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	f.Add("the key sk-0123456789abcdef is bad", "sk-0123456789abcdef")
	f.Fuzz(func(t *testing.T, text, secret string) {
		if len(secret) < 8 || strings.Contains(scrubbed, secret) {
			return
		}
		got := (&service{secret: vitrine.Secret(secret)}).clean(text)
		if len([]rune(got)) > maxMessage || strings.Contains(got, secret) {
			t.Errorf("got %q", got)
		}
	})
}

func TestFields(t *testing.T) {
	tests := []struct {
		name  string
		r     Request
		field string
		want  string // JSON, or "" for absent
	}{
		{"base64 asked for", Request{Model: "dreamshaper"}, "response_format", `"b64_json"`},
		{"refused by GPT image models", Request{Model: "gpt-image-2"}, "response_format", ""},
		{"behind a router", Request{Model: "openai/gpt-image-1.5"}, "response_format", ""},
		{"chatgpt", Request{Model: "chatgpt-image-latest"}, "response_format", ""},
		{"not one of them", Request{Model: "gpt-4o-image"}, "response_format", `"b64_json"`},
		{"end user", Request{Model: "m", EndUser: "u1"}, "user", `"u1"`},
		{"end user of GPT image models", Request{Model: "gpt-image-2", EndUser: "u1"}, "safety_identifier", `"u1"`},
		{"not both", Request{Model: "gpt-image-2", EndUser: "u1"}, "user", ""},
		{"one is not said", Request{N: 1}, "n", ""},
		{"three", Request{N: 3}, "n", "3"},
		{"no size", Request{}, "size", ""},
		{"what was decided wins", Request{Size: "512x512", Extra: map[string]json.RawMessage{"size": json.RawMessage(`"4096x4096"`)}}, "size", `"512x512"`},
		{"even when it is nothing", Request{Extra: map[string]json.RawMessage{"quality": json.RawMessage(`"max"`)}}, "quality", ""},
		{"passed on", Request{Extra: map[string]json.RawMessage{"background": json.RawMessage(`"transparent"`)}}, "background", `"transparent"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string((&openAI{}).fields(&tt.r)[tt.field]); got != tt.want {
				t.Errorf("%s is %s, want %s", tt.field, got, tt.want)
			}
		})
	}
}

func TestNanoGPTBase(t *testing.T) {
	for in, want := range map[string][2]string{
		"https://nano-gpt.com":          {"https://nano-gpt.com/api/v1", "https://nano-gpt.com"},
		"https://nano-gpt.com/":         {"https://nano-gpt.com/api/v1", "https://nano-gpt.com"},
		"https://nano-gpt.com/api":      {"https://nano-gpt.com/api/v1", "https://nano-gpt.com"},
		"https://nano-gpt.com/v1":       {"https://nano-gpt.com/v1", "https://nano-gpt.com"},
		"https://nano-gpt.com/api/v1/":  {"https://nano-gpt.com/api/v1", "https://nano-gpt.com"},
		"https://proxy.example/nano/v1": {"https://proxy.example/nano/v1", "https://proxy.example/nano"},
	} {
		p, err := New(Config{Kind: vitrine.NanoGPT, BaseURL: in})
		if err != nil {
			t.Fatal(err)
		}
		if n := p.(*nanoGPT); n.base.String() != want[0] || n.root != want[1] {
			t.Errorf("%s: base %s, root %s", in, n.base, n.root)
		}
	}
}

func TestReadPrice(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"one for all", `{"per_image":0.04}`, `{"Image":40000}`},
		{"alike for all sizes", `{"per_image":{"1024*1024":0.005,"1376*768":0.005},"currency":"USD"}`, `{"Image":5000}`},
		{"by size", `{"per_image":{"1024*1024":0.005,"2048x2048":0.02,"auto":"0.01"}}`, `{"Image":20000,"Rules":[1024x1024 5000][auto 10000]}`},
		{"lines", `[{"billable":"output_image","unit":"image","cost_usd":0.06551,"resolution":"1024x1024"},{"billable":"input_text","unit":"token","cost_usd":9}]`, `{"Image":65510}`},
		{"other money", `{"per_image":0.04,"currency":"XNO"}`, "nil"},
		{"other unit", `{"per_second":0.04}`, "nil"},
		{"negative", `{"per_image":-1}`, "nil"},
		{"nothing", ``, "nil"},
		{"nonsense", `"free"`, "nil"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := showPrice(readPrice(json.RawMessage(tt.in))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func showPrice(p *vitrine.Price) string {
	if p == nil {
		return "nil"
	}
	show := func(m vitrine.Micros) string { b, _ := json.Marshal(int64(m)); return string(b) }
	s := `{"Image":` + show(p.Image)
	if len(p.Rules) > 0 {
		s += `,"Rules":`
	}
	for _, r := range p.Rules {
		s += "[" + r.Size + " " + show(r.Image) + "]"
	}
	return s + "}"
}

func TestCheckPrompt(t *testing.T) {
	for text, ok := range map[string]bool{
		"a quiet harbour | blurry, dark":                         true, // LocalAI's negative prompt: harmless
		"extra arguments for an SD card in C++":                  true,
		"<lora:style:0.8> cat":                                   true,
		`x <sd_cpp_extra_args>{"steps":999}</sd_cpp_extra_args>`: false,
		"< SD_CPP_EXTRA_ARGS >":                                  false,
		"<sd_cpp_\u200bextra_args>":                              false,
		"<sd\n_cpp\n_extra\n_args>":                              false,
	} {
		if err := CheckPrompt(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestBalance(t *testing.T) {
	var _ Balancer = (*nanoGPT)(nil)
	p, err := New(Config{Kind: vitrine.NanoGPT, BaseURL: "http://127.0.0.1:1", AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.(Balancer).Balance(ctx); !errors.Is(err, vitrine.ErrUpstream) {
		t.Errorf("got %v, want an upstream error", err)
	}
}

// What is encoded while it is sent is as long as was said, and is JSON.
func TestWithUploads(t *testing.T) {
	for _, size := range []int{0, 1, 2, 3, 4, 3071, 3072, 3073, 100_000} {
		b := bytes.Repeat([]byte{0xfb, 7, 99}, size/3+1)[:size]
		src := Source{ReaderAt: bytes.NewReader(b), Size: int64(size), Format: "jpeg"}
		want := "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(b)
		fields, err := jsonBody(map[string]json.RawMessage{"prompt": text("x")})
		if err != nil {
			t.Fatal(err)
		}
		got := withUploads(fields, &Request{Sources: []Source{src, src}, Mask: &src})
		all, err := io.ReadAll(iotest.OneByteReader(got))
		var v struct {
			Prompt, MaskDataURL string
			ImageDataURLs       []string
		}
		if err := errors.Join(err, json.Unmarshal(all, &v)); err != nil || int64(len(all)) != got.size {
			t.Errorf("%d bytes of picture: %d bytes, said %d, %v", size, len(all), got.size, err)
		}
		if v.Prompt != "x" || v.MaskDataURL != want || len(v.ImageDataURLs) != 2 || v.ImageDataURLs[1] != want {
			t.Errorf("%d bytes of picture: other ones arrive", size)
		}
	}
}
