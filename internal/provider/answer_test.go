package provider

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"vitrine.dev/vitrine"
)

// read reads an answer with sinks in memory.
func read(in io.Reader, n int, max int64) (*answer, [][]byte, error) {
	got := make([][]byte, n)
	a, _, err := readAnswer(vitrine.OpenAI, in, n, max, func(i int) (io.Writer, error) {
		return writer(func(p []byte) { got[i] = append(got[i], p...) }), nil
	})
	return a, got, err
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

func TestReadAnswer(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"plain", `{"data":[{"b64_json":"aGVsbG8="}]}`, []string{"hello"}},
		{"two", `{"data":[{"b64_json":"aGVsbG8="},{"b64_json":"d29ybGQ="}]}`, []string{"hello", "world"}},
		{"data last and twice nested", `{"a":{"data":[{"b64_json":"eA=="}]},"b":[[[{}]]],"data":[{"b64_json":"aGVsbG8="}]}`, []string{"hello"}},
		{"white space everywhere", " \r\n{ \"data\" :\t[ { \"b64_json\" : \"aGVsbG8=\" , \"x\" : [ ] } ] } ", []string{"hello"}},
		{"escaped slash", `{"data":[{"b64_json":"\/\/\/\/"}]}`, []string{"\xff\xff\xff"}},
		{"escaped letters", `{"data":[{"b64_json":"\u0061GVsbG8\u003d"}]}`, []string{"hello"}},
		{"escaped key", `{"d\u0061ta":[{"b64\u005fjson":"aGVsbG8="}]}`, []string{"hello"}},
		{"lines", `{"data":[{"b64_json":"\r\naGVs\r\nbG8=\n"}]}`, []string{"hello"}},
		{"no padding", `{"data":[{"b64_json":"aGVsbG8"}]}`, []string{"hello"}},
		{"data URL", `{"data":[{"b64_json":"data:image\/png;base64,aGVsbG8="}]}`, []string{"hello"}},
		{"data URL as url", `{"data":[{"url":"data:image/png;base64,aGVsbG8="}]}`, []string{"hello"}},
		{"null beside", `{"data":[{"url":null,"b64_json":"aGVsbG8=","revised_prompt":null}]}`, []string{"hello"}},
		{"empty beside", `{"data":[{"url":"","b64_json":"aGVsbG8="}]}`, []string{"hello"}},
		{"quotes in junk", `{"x":"\"data\":[{\"b64_json\":\"eA==\"}]","data":[{"y":"}]\\","b64_json":"aGVsbG8="}]}`, []string{"hello"}},
		{"something after", `{"data":[{"b64_json":"aGVsbG8="}]} trailing`, []string{"hello"}},
		{"error null", `{"error":null,"data":[{"b64_json":"aGVsbG8="}]}`, []string{"hello"}},
	}
	for _, tt := range tests {
		for how, in := range map[string]io.Reader{"whole": strings.NewReader(tt.in), "bytes": iotest.OneByteReader(strings.NewReader(tt.in)), "late end": iotest.DataErrReader(strings.NewReader(tt.in))} {
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				_, got, err := read(in, len(tt.want), 1000)
				if err != nil {
					t.Fatal(err)
				}
				for i, w := range tt.want {
					if string(got[i]) != w {
						t.Errorf("picture %d: got %q, want %q", i, got[i], w)
					}
				}
			})
		}
	}
}

func TestReadAnswerRefuses(t *testing.T) {
	tests := []struct{ name, in string }{
		{"second content", `{"data":[{"b64_json":"aGVsbG8=","b64_json":"eA=="}]}`},
		{"data twice", `{"data":[{"b64_json":"aGVsbG8="}],"data":[{"b64_json":"eA=="}]}`},
		{"data an object", `{"data":{"b64_json":"aGVsbG8="}}`},
		{"element a string", `{"data":["aGVsbG8="]}`},
		{"number for a picture", `{"data":[{"b64_json":1}]}`},
		{"padding inside", `{"data":[{"b64_json":"aGVsbG8=aGVsbG8="}]}`},
		{"padding inside a group", `{"data":[{"b64_json":"aG=s"}]}`},
		{"raw line break", "{\"data\":[{\"b64_json\":\"aGVs\nbG8=\"}]}"},
		{"one letter", `{"data":[{"b64_json":"a"}]}`},
		{"url alphabet", `{"data":[{"b64_json":"__-_"}]}`},
		{"foreign letter", `{"data":[{"b64_json":"aGVsbG8é"}]}`},
		{"cut in the text", `{"data":[{"b64_json":"aGVs`},
		{"cut after data", `{"data":[{"b64_json":"aGVsbG8="}]`},
		{"bad escape", `{"data":[{"b64_json":"\x41"}]}`},
		{"bad literal", `{"x":nul,"data":[]}`},
		{"bad number", `{"x":01,"data":[]}`},
		{"trailing comma", `{"data":[{"b64_json":"aGVsbG8="},]}`},
		{"no colon", `{"data" [{"b64_json":"aGVsbG8="}]}`},
		{"data URL without data", `{"data":[{"b64_json":"data:image/png;base64"}]}`},
		{"deep", `{"x":` + strings.Repeat(`{"x":`, 100) + `1` + strings.Repeat(`}`, 100) + `}`},
		{"long URL", `{"data":[{"url":"http://x/` + strings.Repeat("a", maxURL) + `"}]}`},
		{"an array", `[{"b64_json":"aGVsbG8="}]`},
		{"junk", `{"x":"` + strings.Repeat("j", 2*maxJunk) + `"}`},
		{"escaped nothing", `{"data":[{"b64_json":"` + strings.Repeat(`\n`, 2*maxJunk) + `"}]}`},
	}
	for _, tt := range tests {
		for how, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader} {
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				if _, got, err := read(wrap(strings.NewReader(tt.in)), 1, 1000); err == nil {
					t.Errorf("taken: %q", got)
				}
			})
		}
	}
}

// Every way of cutting an answer into reads gives the same bytes.
func TestReadAnswerAcrossWindows(t *testing.T) {
	want := make([]byte, 200_001)
	for i := range want {
		want[i] = byte(i * i >> 3)
	}
	in := `{"pad":"` + strings.Repeat("p", 65_500) + `","data":[{"b64_json":"` + strings.ReplaceAll(base64.StdEncoding.EncodeToString(want), "/", `\/`) + `"}],"usage":{"a":[1,2]}}`
	for _, step := range []int{1, 3, 7, 1000, 65_536, 1 << 20} {
		a, got, err := read(&stepReader{strings.NewReader(in), step}, 1, 1<<20)
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		if !bytes.Equal(got[0], want) || string(a.Usage) != `{"a":[1,2]}` || a.Images[0].Size != int64(len(want)) {
			t.Errorf("step %d: %d bytes, usage %s", step, len(got[0]), a.Usage)
		}
	}
}

type stepReader struct {
	r    io.Reader
	step int
}

func (s *stepReader) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), s.step)]) }

func TestReadAnswerBeside(t *testing.T) {
	in := `{"cost":"0.0351","size":"1024x1024","quality":7,"background":{"a":1},"usage":[],"output_format":"p\ng","data":[{"seed":18446744073709551615,"url":"http://x/a\u0026b"}]}`
	a, _, err := read(strings.NewReader(in), 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	if a.Cost == nil || *a.Cost != 35_100 || a.Echo["size"] != "1024x1024" || a.Usage != nil || a.Echo["output_format"] != "" || a.Echo["background"] != "" {
		t.Errorf("got %+v, cost %v", a, a.Cost)
	}
	if a.URLs[0] != "http://x/a&b" || a.Images[0].Seed != "18446744073709551615" {
		t.Errorf("got %+v", a)
	}
}

func TestMicros(t *testing.T) {
	none := vitrine.Micros(-1)
	for in, want := range map[string]vitrine.Micros{"0.02": 20_000, "1e-3": 1000, "0.0000001": 1, "123": 123_000_000, "$0.5": 500_000, "0": 0,
		"-1": none, "": none, "NaN": none, "Inf": none, "1e300": none, "x": none} {
		got := none
		if m := micros(in); m != nil {
			got = *m
		}
		if got != want {
			t.Errorf("%q: got %d, want %d", in, got, want)
		}
	}
}

// FuzzReadAnswer compares the tokenizer with encoding/json on small inputs.
// Whatever both read, they read alike; and what the general parser refuses
// before the end of its object, the tokenizer refuses too.
func FuzzReadAnswer(f *testing.F) {
	for _, s := range []string{
		`{"created":1,"data":[{"b64_json":"aGVsbG8="}],"cost":0.02}`,
		`{"data":[{"b64_json":"\/\/\/\/"},{"url":"https:\/\/x\/y","b64_json":null}],"usage":{"total_tokens":1}}`,
		`{"data":[{"b64_json":"\u0061GVsbG8\u003d","seed":12,"revised_prompt":"\ud83d\ude00\ud800x"}]}`,
		`{"x":[1,-0.5e+3,true,false,null,"\\\"",{"y":{}}],"data":[]}`,
		`{"error":{"message":"no"}}`, `{"data":null}`, "{\"data\":[{\"b64_json\":\"aGVs\nbG8=\"}]}", `{"data":[{"b64_json":"data:,QUJD"}]}`,
	} {
		f.Add([]byte(s), 1)
		f.Add([]byte(s), 5)
	}
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		if len(in) > 4096 {
			return
		}
		a, got, err := read(&stepReader{bytes.NewReader(in), max(step, 1)}, 4, 1000)
		var oracle struct {
			Data []map[string]json.RawMessage
		}
		var object map[string]json.RawMessage
		dec := json.NewDecoder(bytes.NewReader(in))
		jerr := dec.Decode(&object)
		if err == nil && jerr != nil {
			t.Fatalf("taken, but it is no JSON: %v", jerr)
		}
		if jerr != nil {
			return
		}
		if object["data"] != nil && json.Unmarshal(object["data"], &oracle.Data) != nil {
			if err == nil {
				t.Fatal("taken, but data is no list of objects")
			}
			return
		}
		if err != nil {
			mayRefuse(t, in, oracle.Data, err)
			return
		}
		if len(a.Images) != len(oracle.Data) {
			t.Fatalf("%d pictures, want %d", len(a.Images), len(oracle.Data))
		}
		for i, d := range oracle.Data {
			if want := plainContent(d); want != nil && !bytes.Equal(got[i], want) {
				t.Fatalf("picture %d: got %q, want %q", i, got[i], want)
			}
		}
	})
}

// mayRefuse fails on an answer that is good by every rule and was refused.
func mayRefuse(t *testing.T, in []byte, data []map[string]json.RawMessage, err error) {
	if len(data) == 0 || len(data) > 4 || bytes.Count(in, []byte("data")) != 1 || bytes.ContainsAny(in, "[{\\") && bytes.Count(in, []byte("[")) > 8 {
		return
	}
	for _, d := range data {
		if len(d) != 1 || len(plainContent(d)) == 0 || bytes.Count(in, []byte("b64_json")) != len(data) {
			return
		}
	}
	var known *Error
	if errors.As(err, &known) && known.Code == CodeTooLarge || bytes.ContainsAny(in, "\\") || bytes.Count(in, []byte("{")) > 16 || len(in) > 250 {
		return
	}
	t.Fatal(fmt.Errorf("refused: %w", err))
}

// plainContent is the picture of an element as encoding/json sees it, or nil
// when it has none or it is not plain base64.
func plainContent(d map[string]json.RawMessage) []byte {
	var text string
	if d["url"] != nil || d["b64_json"] == nil || string(d["b64_json"]) == "null" || json.Unmarshal(d["b64_json"], &text) != nil || strings.ContainsAny(text, "\r\n:") {
		return nil
	}
	want, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return want
}

func benchAnswer() []byte {
	b := make([]byte, 1<<20/4*3)
	for i := range b {
		b[i] = byte(i * i >> 5)
	}
	return []byte(`{"created":1713833628,"data":[{"b64_json":"` + base64.StdEncoding.EncodeToString(b) + `"}],"cost":0.02,"usage":{"total_tokens":100}}`)
}

// BenchmarkReadAnswer reads and decodes an answer with 1 MB of base64.
func BenchmarkReadAnswer(b *testing.B) {
	in := benchAnswer()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := readAnswer(vitrine.OpenAI, bytes.NewReader(in), 1, 1<<20, func(int) (io.Writer, error) { return io.Discard, nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnmarshal does the same with encoding/json, for comparison.
func BenchmarkUnmarshal(b *testing.B) {
	in := benchAnswer()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		var v struct {
			Data []struct {
				B64 []byte `json:"b64_json"`
			}
		}
		if err := json.Unmarshal(in, &v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecode is the floor: base64 alone.
func BenchmarkDecode(b *testing.B) {
	in := bytes.Repeat([]byte("QUJD"), 1<<18)
	out := make([]byte, len(in))
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := base64.StdEncoding.Decode(out, in); err != nil {
			b.Fatal(err)
		}
	}
}

// What a service charges for more pictures than were asked for stands behind
// them, so they are read; of them none is taken.
func TestTooManyTellsItsCost(t *testing.T) {
	const one = `{"b64_json":"aGVsbG8="}`
	for _, tt := range []struct {
		pictures int
		in       string
		want     string // cost; "" is not known
	}{
		{2, `{"data":[` + one + `,` + one + `],"cost":0.05}`, "0.05"},
		{2, `{"cost":0.05,"data":[` + one + `,` + one + `]}`, "0.05"},
		{2, `{"data":[` + one + `,{"url":"https://x/y"}]}`, ""},
		{30, `{"data":[` + one + strings.Repeat(`,`+one, 29) + `],"cost":0.05}`, ""}, // there is an end to it
	} {
		a, got, err := read(strings.NewReader(tt.in), 1, 1000)
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeTooMany || a != nil || string(got[0]) != "hello" {
			t.Errorf("%d pictures: %q, %v", tt.pictures, got, err)
			continue
		}
		cost := ""
		if e.Cost != nil {
			cost = e.Cost.String()
		}
		if cost != tt.want {
			t.Errorf("%d pictures cost %q, want %q", tt.pictures, cost, tt.want)
		}
	}
}
