package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"

	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

// The official clients drive a running Vitrine, unchanged but for base URL and
// key: whatever they need, the door says in their own words.

const clientPolicy = `
projects:
  renders:
    environment: staging
    datasets:
      drafts: {category: generated, birth_tier: internal}
    deployments:
      hidream: {provider: studio, price: 0.01, edits: true}
      "black-forest/flux.2@dev": {provider: studio, price: 0.03}
      secret-model: {provider: studio, price: 0.05}
providers:
  studio: {kind: studio}
people:
  ann: {email: ann@example.com}
roles:
  drawer:
    grants:
      - permissions: [model.generate]
        models: [hidream, "black-forest/flux.2@dev"]
        max_size: 1024x1024
        max_n: 2
        response_formats: [b64_json, url]
      - permissions: [image.create, image.open, image.export]
        categories: [generated]
        tiers: <= internal
bindings:
  - {role: drawer, principal: ann, scope: renders}
budgets:
  ann-total: {kind: principal, subject: ann, window: total, limit: 0.10}
`

// forClient is a system with a key of ann's, whose place is the project.
func forClient(t *testing.T, opts ...vitrinetest.Option) (s *vitrinetest.System, key string) {
	t.Helper()
	s = vitrinetest.New(t, append(opts, vitrinetest.Policy(clientPolicy))...)
	return s, s.Key(identity.NewKey{Principal: "ann", Project: "renders", Dataset: "drafts"}).Reveal()
}

func TestOfficialGoClient(t *testing.T) {
	vitrinetest.Each(t, func(t *testing.T, database vitrinetest.Option) {
		s, key := forClient(t, database)
		c := openai.NewClient(option.WithBaseURL(s.URL+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))

		var models []string
		for pager := c.Models.ListAutoPaging(t.Context()); pager.Next(); {
			models = append(models, pager.Current().ID)
		}
		slices.Sort(models)
		if want := []string{"black-forest/flux.2@dev", "hidream"}; !slices.Equal(models, want) {
			t.Errorf("models %q, want %q: those that ann may use", models, want)
		}

		made := generate(t, c, openai.ImageGenerateParams{Model: "hidream", Prompt: "a lighthouse at dusk", Size: "512x512"}, option.WithJSONSet("user", "customer-7"))
		picture := decode(t, made)
		if b := decodePNG(t, picture); b.Dx() != 512 || b.Dy() != 512 {
			t.Errorf("picture of %v, want 512 by 512", b)
		}
		if cost := extra(t, made.RawJSON(), "cost"); cost != 0.01 {
			t.Errorf("cost %v, want 0.01", cost)
		}
		if left := extra(t, made.RawJSON(), "remainingBalance"); left != 0.09 {
			t.Errorf("remaining %v, want 0.09", left)
		}

		edited, err := c.Images.Edit(t.Context(), openai.ImageEditParams{
			Model: "hidream", Prompt: "the same, at night", Size: "512x512",
			Image: openai.ImageEditParamsImageUnion{OfFile: openai.File(bytes.NewReader(picture), "in.png", "image/png")},
		})
		if err != nil {
			t.Fatalf("edit: %v", err)
		}
		if night := decode(t, edited); bytes.Equal(night, picture) {
			t.Error("the edit changed nothing")
		}

		linked := generate(t, c, openai.ImageGenerateParams{Model: "hidream", Prompt: "a lighthouse at dawn", Size: "512x512",
			ResponseFormat: openai.ImageGenerateParamsResponseFormatURL})
		if !strings.HasPrefix(linked.Data[0].URL, s.URL+"/") {
			t.Errorf("the link is %q, want one of this system", linked.Data[0].URL)
		}
		fetchPNG(t, linked.Data[0].URL)
	})
}

// The client follows a request as it follows OpenAI's, and raises what fails in
// the middle.
func TestOfficialGoClientStreams(t *testing.T) {
	vitrinetest.Each(t, func(t *testing.T, database vitrinetest.Option) {
		s, key := forClient(t, database)
		c := openai.NewClient(option.WithBaseURL(s.URL+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
		stream := c.Images.GenerateStreaming(t.Context(), openai.ImageGenerateParams{Model: "hidream", Prompt: "a lighthouse at dusk", Size: "512x512", PartialImages: openai.Int(2)})
		var picture []byte
		previews := 0
		for stream.Next() {
			switch e := stream.Current().AsAny().(type) {
			case openai.ImageGenPartialImageEvent:
				previews++
				if b := decodePNG(t, unbase64(t, e.B64JSON)); b.Dx() >= 512 || e.OutputFormat != "png" {
					t.Errorf("preview %d: %d pixels wide, %s", e.PartialImageIndex, b.Dx(), e.OutputFormat)
				}
			case openai.ImageGenCompletedEvent:
				picture = unbase64(t, e.B64JSON)
				if e.Size != "512x512" || e.OutputFormat != "png" || e.CreatedAt == 0 || extra(t, e.RawJSON(), "cost") != 0.01 || extra(t, e.RawJSON(), "remainingBalance") != 0.09 {
					t.Errorf("the last event is %.300s", e.RawJSON())
				}
			default:
				t.Errorf("event %T", e)
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if b := decodePNG(t, picture); b.Dx() != 512 || previews > 2 {
			t.Errorf("%d previews and a picture of %v", previews, b)
		}

		edit := c.Images.EditStreaming(t.Context(), openai.ImageEditParams{Model: "hidream", Prompt: "the same, at night", Size: "512x512", PartialImages: openai.Int(1),
			Image: openai.ImageEditParamsImageUnion{OfFile: openai.File(bytes.NewReader(picture), "in.png", "image/png")}})
		var night []byte
		for edit.Next() {
			if e, ok := edit.Current().AsAny().(openai.ImageEditCompletedEvent); ok {
				night = unbase64(t, e.B64JSON)
			}
		}
		if err := edit.Err(); err != nil || len(night) == 0 || bytes.Equal(night, picture) {
			t.Errorf("the edit has %d bytes, %v", len(night), err)
		}

		refused := c.Images.GenerateStreaming(t.Context(), openai.ImageGenerateParams{Model: "secret-model", Prompt: "x"})
		var e *openai.Error
		if refused.Next() || !errors.As(refused.Err(), &e) || e.StatusCode != 403 || e.Code != "model_not_allowed" {
			t.Errorf("another role's model: %v", refused.Err())
		}
	})
}

func TestOfficialGoClientHearsStreamFail(t *testing.T) {
	up := providertest.NewUpstream(t)
	s, key := forClient(t)
	s.Apply(`
providers:
  fake: {kind: openai, base_url: "` + up.OpenAIBase() + `"}
projects:
  renders:
    environment: staging
    deployments:
      gpt-image-2: {provider: fake, price: 0.01}
roles:
  streamer:
    grants: [{permissions: [model.generate], models: [gpt-image-2]}]
bindings:
  - {role: streamer, principal: ann, scope: renders}
`)
	seen := make(chan struct{})
	up.Script(providertest.Streamed(func(e *providertest.Events) { e.Preview(0); e.Wait(seen); e.Cut() }))
	c := openai.NewClient(option.WithBaseURL(s.URL+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
	stream := c.Images.GenerateStreaming(t.Context(), openai.ImageGenerateParams{Model: "gpt-image-2", Prompt: "a lighthouse", PartialImages: openai.Int(1)})
	if !stream.Next() {
		t.Fatalf("no preview: %v", stream.Err())
	}
	close(seen)
	var failed *ssestream.StreamError
	if stream.Next() || !errors.As(stream.Err(), &failed) || !strings.Contains(failed.Message, "cut_answer") {
		t.Errorf("after the preview: %v", stream.Err())
	}
}

// Each refusal comes as the error type, status, code and field that the client
// knows.
func TestOfficialGoClientHearsRefusals(t *testing.T) {
	s, key := forClient(t)
	client := func(key string) openai.Client {
		return openai.NewClient(option.WithBaseURL(s.URL+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
	}
	small := func(p openai.ImageGenerateParams) openai.ImageGenerateParams {
		p.Prompt, p.Size = "a lighthouse", "256x256"
		return p
	}
	tests := []struct {
		name, key string
		ask       openai.ImageGenerateParams
		status    int
		code      string
		param     string
	}{
		{"allowed", key, small(openai.ImageGenerateParams{Model: "hidream"}), 0, "", ""},
		{"a model of another role", key, small(openai.ImageGenerateParams{Model: "secret-model"}), 403, "model_not_allowed", "model"},
		{"a model that is not there", key, small(openai.ImageGenerateParams{Model: "gpt-9"}), 400, "model_not_found", "model"},
		{"too many", key, small(openai.ImageGenerateParams{Model: "hidream", N: openai.Int(3)}), 400, "invalid_parameter_value", "n"},
		{"too large", key, openai.ImageGenerateParams{Model: "hidream", Prompt: "x", Size: "1536x1024"}, 400, "invalid_parameter_value", "size"},
		{"not a size", key, openai.ImageGenerateParams{Model: "hidream", Prompt: "x", Size: "huge"}, 400, "invalid_parameter_value", "size"},
		{"no prompt", key, openai.ImageGenerateParams{Model: "hidream"}, 400, "missing_required_parameter", "prompt"},
		{"no key", "vtr_nobody", small(openai.ImageGenerateParams{Model: "hidream"}), 401, "invalid_api_key", ""},
		{"over budget", key, openai.ImageGenerateParams{Model: "black-forest/flux.2@dev", Prompt: "x", Size: "256x256", N: openai.Int(2)}, 0, "", ""},
		{"over budget, again", key, openai.ImageGenerateParams{Model: "black-forest/flux.2@dev", Prompt: "x", Size: "256x256", N: openai.Int(2)}, 429, "insufficient_quota", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := client(tt.key)
			_, err := c.Images.Generate(t.Context(), tt.ask)
			if tt.status == 0 {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			var e *openai.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v (%T), want the client's own", err, err)
			}
			if e.StatusCode != tt.status || e.Code != tt.code || e.Param != tt.param {
				t.Errorf("%d %q param %q (%s), want %d %q param %q", e.StatusCode, e.Code, e.Param, e.Message, tt.status, tt.code, tt.param)
			}
		})
	}
}

// What the client for Node saw.
type nodeSaw struct {
	Models                 []string
	Bytes, Edited          int
	PNG                    string
	Cost, RemainingBalance float64
	Link                   struct {
		URL, Type, Cache string
		Status           int
	}
	Stream struct {
		Previews, Bytes int
		PNG             string
		Cost            float64
	}
	RefusedModel, BadSize, BadKey, RefusedStream *nodeError
}

type nodeError struct {
	Name, Code, Param, Message string
	Status                     int
}

func TestOfficialNodeClient(t *testing.T) {
	dir := filepath.Join("testdata", "node")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "openai")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("script/node-client has not run: %v", err)
		}
		t.Skip("run script/node-client first")
	}
	s, key := forClient(t)
	cmd := exec.CommandContext(t.Context(), "node", "client.mjs")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), "BASE_URL="+s.URL+"/v1", "API_KEY="+key, "MODEL=hidream", "FORBIDDEN_MODEL=secret-model")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	var saw nodeSaw
	if err := json.Unmarshal(out, &saw); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if slices.Sort(saw.Models); !slices.Equal(saw.Models, []string{"black-forest/flux.2@dev", "hidream"}) {
		t.Errorf("models %q", saw.Models)
	}
	if saw.PNG != "PNG" || saw.Bytes < 1000 || saw.Edited < 1000 || saw.Cost != 0.01 || saw.RemainingBalance != 0.09 {
		t.Errorf("generation and edit: %+v", saw)
	}
	if saw.Stream.PNG != "PNG" || saw.Stream.Bytes < 1000 || saw.Stream.Previews > 2 || saw.Stream.Cost != 0.01 {
		t.Errorf("stream: %+v", saw.Stream)
	}
	if saw.Link.Status != http.StatusOK || saw.Link.Type != "image/png" || !strings.Contains(saw.Link.Cache, "no-store") || !strings.HasPrefix(saw.Link.URL, s.URL) {
		t.Errorf("link: %+v", saw.Link)
	}
	for _, tt := range []struct {
		what string
		got  *nodeError
		want nodeError
	}{
		{"another role's model", saw.RefusedModel, nodeError{Name: "PermissionDeniedError", Status: 403, Code: "model_not_allowed", Param: "model"}},
		{"another role's model, as a stream", saw.RefusedStream, nodeError{Name: "PermissionDeniedError", Status: 403, Code: "model_not_allowed", Param: "model"}},
		{"a size that is none", saw.BadSize, nodeError{Name: "BadRequestError", Status: 400, Code: "invalid_size", Param: "size"}},
		{"no key", saw.BadKey, nodeError{Name: "AuthenticationError", Status: 401, Code: "invalid_api_key"}},
	} {
		if tt.got == nil {
			t.Errorf("%s: was allowed", tt.what)
			continue
		}
		got := *tt.got
		if got.Message = ""; got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.what, got, tt.want)
		}
	}
}

func generate(t *testing.T, c openai.Client, p openai.ImageGenerateParams, opts ...option.RequestOption) *openai.ImagesResponse {
	t.Helper()
	r, err := c.Images.Generate(t.Context(), p, opts...)
	if err != nil {
		t.Fatalf("generate: %v", err)
	}
	if len(r.Data) != 1 {
		t.Fatalf("%d pictures, want 1", len(r.Data))
	}
	return r
}

func decode(t *testing.T, r *openai.ImagesResponse) []byte {
	t.Helper()
	return unbase64(t, r.Data[0].B64JSON)
}

func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		t.Fatalf("b64_json of %d bytes: %v", len(b), err)
	}
	return b
}

type bounds interface {
	Dx() int
	Dy() int
}

func decodePNG(t *testing.T, b []byte) bounds {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m.Bounds()
}

// extra is a number that the dialect does not know and clients keep.
func extra(t *testing.T, raw, name string) float64 {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(raw), &all); err != nil {
		t.Fatal(err)
	}
	n, ok := all[name].(float64)
	if !ok {
		t.Fatalf("%s is %v, want a number", name, all[name])
	}
	return n
}

// fetchPNG follows a response link as a browser would: without a key.
func fetchPNG(t *testing.T, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := png.Decode(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s, %v", url, resp.Status, err)
	}
	if cache := resp.Header.Get("Cache-Control"); cache != "private, no-store" {
		t.Errorf("Cache-Control %q, want private, no-store", cache)
	}
}
