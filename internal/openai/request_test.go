package openai_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/openai"
)

func post(body string) *http.Request {
	r := httptest.NewRequest("POST", "/v1/images/generations", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	return r
}

func parse(t *testing.T, r *http.Request, edit bool) (*gateway.Request, error) {
	t.Helper()
	req, release, err := openai.Parse(r, edit)
	t.Cleanup(release)
	return req, err
}

func dataURL(b []byte) string { return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b) }

func source(t *testing.T, s gateway.Source) string {
	t.Helper()
	if s.Body == nil {
		return "vault " + string(s.Image)
	}
	b, err := io.ReadAll(io.NewSectionReader(s.Body, 0, s.Size))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseStream(t *testing.T) {
	for _, tt := range []struct {
		body string
		want int // previews; -1 is no stream
	}{
		{`{"prompt":"x"}`, -1}, {`{"prompt":"x","stream":false,"partial_images":0}`, -1}, {`{"prompt":"x","stream":null,"partial_images":null}`, -1},
		{`{"prompt":"x","stream":true}`, 0}, {`{"prompt":"x","partial_images":3,"stream":true,"n":2}`, 3},
	} {
		req, err := parse(t, post(tt.body), false)
		if err != nil {
			t.Fatal(err)
		}
		got := -1
		if req.Stream != nil {
			got = req.Stream.Previews
		}
		if got != tt.want {
			t.Errorf("%s: %d previews, want %d", tt.body, got, tt.want)
		}
	}
}

func TestParseGeneration(t *testing.T) {
	req, err := parse(t, post(`{ "model":"google:4@1","prompt":"a \"cat\" \u00e9","n":3,"size":"1024x1024","quality":"high",
		"response_format":"url","output_format":"webp","user":"u-1","seed":7,"stream":false,"background":null,"svg":{"a":["}",2]}}`), false)
	if err != nil {
		t.Fatal(err)
	}
	if req.Model != "google:4@1" || req.Prompt.Reveal() != `a "cat" é` || req.N != 3 || req.Size != "1024x1024" || req.Quality != "high" ||
		req.ResponseFormat != "url" || req.OutputFormat != "webp" || req.EndUser != "u-1" || req.Edit {
		t.Errorf("parsed %+v", req)
	}
	if got, _ := json.Marshal(req.Extra); string(got) != `{"seed":7,"svg":{"a":["}",2]}}` {
		t.Errorf("extra %s", got)
	}
}

// NanoGPT's clients leave the model out, and send pictures as data URLs.
func TestParseNanoGPT(t *testing.T) {
	big := bytes.Repeat([]byte("picture "), 40_000)
	escaped := strings.ReplaceAll(dataURL([]byte("???")), "/", `\/`) // as PHP writes it
	req, err := parse(t, post(fmt.Sprintf(`{"prompt":"x","imageDataUrls":[%q, %q],"maskDataUrl":%q,"imageDataUrl":"%s","safety_identifier":"s","user":"u"}`,
		dataURL([]byte("one")), dataURL(big), dataURL([]byte("mask")), escaped)), false)
	if err != nil {
		t.Fatal(err)
	}
	if req.Model != "hidream" || req.EndUser != "s" || !req.Edit || len(req.Sources) != 3 || req.Mask == nil {
		t.Fatalf("parsed %+v", req)
	}
	for i, want := range []string{"one", string(big), "???"} {
		if got := source(t, req.Sources[i]); got != want {
			t.Errorf("picture %d is %.20q… of %d bytes, want %d", i, got, len(got), len(want))
		}
	}
	if source(t, *req.Mask) != "mask" || req.Sources[0].Param != "imageDataUrls" {
		t.Errorf("mask or param: %+v", req)
	}
}

func TestParseEditJSON(t *testing.T) {
	req, err := parse(t, post(fmt.Sprintf(`{"prompt":"x","model":"m","images":[{"image_url":%q},{"file_id":"img-1"},{"image_url":"vitrine:img-2"},
		{"image_url":"https://vitrine.example/api/v1/images/img-3/content?x=1"}],"mask":{"image_url":%q}}`, dataURL([]byte("one")), dataURL([]byte("mask")))), true)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range req.Sources {
		got = append(got, source(t, s))
	}
	if want := "one,vault img-1,vault img-2,vault img-3"; strings.Join(got, ",") != want || source(t, *req.Mask) != "mask" {
		t.Errorf("pictures %q, want %s", got, want)
	}
}

// form is a multipart request; fields in pairs of name and value, files as
// name@ and bytes.
func form(t *testing.T, fields ...string) *http.Request {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		var part io.Writer
		var err error
		if name, file := strings.CutSuffix(fields[i], "@"); file {
			part, err = w.CreateFormFile(name, "x.png")
		} else {
			part, err = w.CreateFormField(name)
		}
		if err == nil {
			_, err = io.WriteString(part, fields[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/v1/images/edits", &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Idempotency-Key", "k")
	return r
}

func TestParseEditForm(t *testing.T) {
	fields := []string{"image[]@", "first", "image[]@", "second", "mask@", "mask", "prompt", "make 7", "model", "flux-kontext/dev", "n", "2",
		"size", "auto", "seed", "42", "style", "7up", "user", "12"}
	r := form(t, fields...)
	req, err := parse(t, r, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(req.Sources) != 2 || source(t, req.Sources[0]) != "first" || source(t, req.Sources[1]) != "second" || source(t, *req.Mask) != "mask" {
		t.Errorf("pictures %+v", req.Sources)
	}
	if req.Model != "flux-kontext/dev" || req.Prompt != "make 7" || req.N != 2 || req.EndUser != "12" || req.Sources[0].Param != "image" {
		t.Errorf("parsed %+v", req)
	}
	if got, _ := json.Marshal(req.Extra); string(got) != `{"seed":42,"style":"7up"}` {
		t.Errorf("extra %s", got)
	}
	again, err := parse(t, form(t, fields...), true)
	if err != nil || again.BodyHash != req.BodyHash || req.BodyHash == "" {
		t.Errorf("the same form with another boundary hashes to %q, then %q (%v)", req.BodyHash, again.BodyHash, err)
	}
	chunked := form(t, fields...)
	chunked.ContentLength = -1
	if again, err = parse(t, chunked, true); err != nil || source(t, again.Sources[1]) != "second" {
		t.Errorf("without a length: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("x", 300_000)
	edit := func(body string) *http.Request { r := post(body); r.URL.Path = "/v1/images/edits"; return r }
	plain := post(`{"prompt":"x"}`)
	plain.Header.Set("Content-Type", "text/plain")
	huge := post(`{"prompt":"x"}`)
	huge.ContentLength = openai.MaxBody + 1
	endless := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(`{"prompt":"`), endlessly{}))
	endless.Header.Set("Content-Type", "application/json")
	endless.ContentLength = -1
	lying := form(t, "image@", strings.Repeat("x", 5000), "prompt", "x")
	lying.ContentLength = 500
	tests := []struct {
		name  string
		r     *http.Request
		edit  bool
		param string
		code  string
		kind  error
	}{
		{"no JSON", post(`hello`), false, "", "invalid_json", nil},
		{"an array", post(`[]`), false, "", "invalid_json", nil},
		{"nothing", post(``), false, "", "invalid_json", nil},
		{"cut off", post(`{"prompt":"x"`), false, "", "invalid_json", nil},
		{"something after it", post(`{"prompt":"x"} {}`), false, "", "invalid_json", nil},
		{"no comma", post(`{"prompt":"x" "n":1}`), false, "", "invalid_json", nil},
		{"no colon", post(`{"prompt" "x"}`), false, "", "invalid_json", nil},
		{"an unclosed string", post(`{"prompt":"x}`), false, "", "invalid_json", nil},
		{"garbage in a value", post(`{"prompt":"x","seed":true1}`), false, "seed", "invalid_json", nil},
		{"a name twice", post(`{"prompt":"x","n":1,"n":5}`), false, "n", "duplicate_parameter", nil},
		{"no prompt", post(`{"model":"m"}`), false, "prompt", "missing_required_parameter", nil},
		{"an empty prompt", post(`{"prompt":" "}`), false, "prompt", "missing_required_parameter", nil},
		{"a prompt that is a number", post(`{"prompt":7}`), false, "prompt", "invalid_type", nil},
		{"a prompt too long", post(`{"prompt":"` + long + `"}`), false, "prompt", "string_above_max_length", nil},
		{"n that is text", post(`{"prompt":"x","n":"2"}`), false, "n", "invalid_type", nil},
		{"n that is no whole number", post(`{"prompt":"x","n":1.5}`), false, "n", "invalid_type", nil},
		{"n 0", post(`{"prompt":"x","n":0}`), false, "n", "invalid_parameter_value", nil},
		{"n enormous", post(`{"prompt":"x","n":1000000}`), false, "n", "invalid_parameter_value", nil},
		{"stream of another type", post(`{"prompt":"x","stream":"yes"}`), false, "stream", "invalid_type", nil},
		{"stream of links", post(`{"prompt":"x","stream":true,"response_format":"url"}`), false, "response_format", "invalid_parameter_value", nil},
		{"previews without a stream", post(`{"prompt":"x","partial_images":1}`), false, "partial_images", "invalid_parameter_value", nil},
		{"four previews", post(`{"prompt":"x","stream":true,"partial_images":4}`), false, "partial_images", "invalid_parameter_value", nil},
		{"previews of another type", post(`{"prompt":"x","stream":true,"partial_images":"some"}`), false, "partial_images", "invalid_type", nil},
		{"a response format unknown", post(`{"prompt":"x","response_format":"gif"}`), false, "response_format", "invalid_parameter_value", nil},
		{"an extra too long", post(`{"prompt":"x","extra":"` + long + `"}`), false, "extra", "string_above_max_length", nil},
		{"an end user with a line break", post(`{"prompt":"x","user":"a\nb"}`), false, "user", "invalid_parameter_value", nil},
		{"a mask alone", post(`{"prompt":"x","maskDataUrl":"` + dataURL([]byte("m")) + `"}`), false, "maskDataUrl", "missing_image_input", nil},
		{"wrong content type", plain, false, "Content-Type", "invalid_content_type", nil},
		{"a form to generations", form(t, "prompt", "x"), false, "Content-Type", "invalid_content_type", nil},
		{"an edit without an image", edit(`{"prompt":"x"}`), true, "image", "missing_image_input", nil},
		{"an image elsewhere", edit(`{"prompt":"x","images":[{"image_url":"http://169.254.169.254/latest"}]}`), true, "images.image_url", "invalid_image_url", nil},
		{"a file", edit(`{"prompt":"x","image":"file:///etc/passwd"}`), true, "image", "invalid_image_url", nil},
		{"another host", edit(`{"prompt":"x","image":"https://vitrine.example.evil/api/v1/images/a"}`), true, "image", "invalid_image_url", nil},
		{"an SVG", edit(`{"prompt":"x","image":"data:text/html;base64,AAAA"}`), true, "image", "invalid_image_url", nil},
		{"no base64", edit(`{"prompt":"x","image":"data:image/png;base64,A*AA"}`), true, "image", "invalid_base64", nil},
		{"padding in the middle", edit(`{"prompt":"x","image":"data:image/png;base64,` + strings.Repeat("A", 4094) + `==AAAA"}`), true, "image", "invalid_base64", nil},
		{"an id that is none", edit(`{"prompt":"x","images":[{"file_id":"../x"}]}`), true, "images.file_id", "invalid_image_id", nil},
		{"too many images", edit(`{"prompt":"x","images":[` + strings.Repeat(`{"file_id":"a"},`, 30) + `{"file_id":"a"}]}`), true, "image", "too_many_images", nil},
		{"a field of a form twice", form(t, "image@", "x", "prompt", "a", "prompt", "b"), true, "prompt", "duplicate_parameter", nil},
		{"a file where text belongs", form(t, "image@", "x", "prompt@", "a"), true, "prompt", "invalid_type", nil},
		{"an empty picture", form(t, "image@", "", "prompt", "a"), true, "image", "missing_image_input", nil},
		{"two masks", form(t, "image@", "x", "mask@", "x", "mask@", "x", "prompt", "a"), true, "mask", "conflicting_image_inputs", nil},
		{"n in a form that is text", form(t, "image@", "x", "prompt", "a", "n", "two"), true, "n", "invalid_type", nil},
		{"a form longer than it said", lying, true, "", "invalid_multipart_body", nil},
		{"a body too large", huge, false, "", "body_too_large", vitrine.ErrTooLarge},
		{"a body without end", endless, false, "", "body_too_large", vitrine.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := parse(t, tt.r, tt.edit)
			var e *vitrine.Error
			if !errors.As(err, &e) {
				t.Fatalf("parsed %+v, error %v", req, err)
			}
			kind := tt.kind
			if kind == nil {
				kind = vitrine.ErrInvalid
			}
			if e.Param != tt.param || e.Code != tt.code || !errors.Is(err, kind) || e.Public == "" {
				t.Errorf("got %s %s %v, want %s %s %v", e.Param, e.Code, err, tt.param, tt.code, kind)
			}
		})
	}
}

type endlessly struct{}

func (endlessly) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func FuzzParse(f *testing.F) {
	f.Add(`{"prompt":"x","n":3,"images":[{"image_url":"data:image/png;base64,AAAA"}],"seed":[1,{"a":null}]}`)
	f.Add(`{"prompt":"\"}","a":{"b":"]"}}`)
	f.Add(`{"":}`)
	f.Fuzz(func(t *testing.T, body string) {
		req, release, err := openai.Parse(post(body), true)
		defer release()
		if err != nil {
			return
		}
		var v map[string]json.RawMessage
		if !strings.Contains(body, "data:") && json.Unmarshal([]byte(body), &v) != nil {
			t.Errorf("parsed what is no JSON: %q into %+v", body, req)
		}
	})
}
