package openai_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/openai"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

// studioAndFake is a system whose model gpt-image-2 a fake service draws.
func studioAndFake(t *testing.T) (s *vitrinetest.System, up *providertest.Upstream, key string) {
	t.Helper()
	up = providertest.NewUpstream(t)
	s = vitrinetest.New(t, vitrinetest.Policy(`
projects:
  renders:
    environment: staging
    datasets: {drafts: {category: generated, birth_tier: internal}}
    deployments:
      gpt-image-2: {provider: fake, price: 0.04, edits: true}
      other: {provider: fake, price: 0.04}
providers: {fake: {kind: openai, base_url: "`+up.OpenAIBase()+`"}}
people: {ann: {email: ann@example.com}}
roles:
  drawer:
    grants:
      - {permissions: [model.generate], models: [gpt-image-2]}
      - {permissions: [image.create, image.open], categories: [generated], tiers: <= internal}
bindings: [{role: drawer, principal: ann, scope: renders}]
`))
	return s, up, s.Key(identity.NewKey{Principal: "ann", Project: "renders", Dataset: "drafts"}).Reveal()
}

// ask sends a request and answers once there is an answer's head.
func ask(t *testing.T, ctx context.Context, s *vitrinetest.System, key, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/images/generations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

const followed = `{"model":"gpt-image-2","prompt":"a lighthouse","stream":true,"partial_images":2}`

// event is one of a stream.
type event struct {
	name string
	data map[string]any
}

// next reads the next event; nil at the end.
func next(t *testing.T, in *bufio.Reader) *event {
	t.Helper()
	var e event
	for {
		line, err := in.ReadString('\n')
		switch text := strings.TrimSuffix(line, "\n"); {
		case err != nil && e.name == "":
			return nil
		case err != nil:
			t.Fatalf("the stream ends in an event: %v", err)
		case strings.HasPrefix(text, "event: "):
			e.name = text[len("event: "):]
		case strings.HasPrefix(text, "data: "):
			if err := json.Unmarshal([]byte(text[len("data: "):]), &e.data); err != nil {
				t.Fatalf("%.200s: %v", text, err)
			}
		case text == "" && e.name != "":
			return &e
		}
	}
}

func all(t *testing.T, resp *http.Response) (list []*event) {
	t.Helper()
	in := bufio.NewReader(resp.Body)
	for e := next(t, in); e != nil; e = next(t, in) {
		list = append(list, e)
	}
	return list
}

// A stream has OpenAI's shape, and money beside it in the last event.
func TestStream(t *testing.T) {
	s, up, key := studioAndFake(t)
	resp := ask(t, t.Context(), s, key, strings.Replace(followed, "}", `,"n":2}`, 1))
	if h := resp.Header; resp.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream; charset=utf-8" || !strings.Contains(h.Get("Cache-Control"), "no-store") {
		t.Fatalf("%s %v", resp.Status, h)
	}
	got := all(t, resp)
	var names []string
	for _, e := range got {
		names = append(names, e.name)
		if e.data["type"] != e.name {
			t.Errorf("event %s says that it is %v", e.name, e.data["type"])
		}
		if made, ok := e.data["created_at"].(float64); !ok || made == 0 {
			t.Errorf("event %s was made at %v", e.name, e.data["created_at"])
		}
		delete(e.data, "created_at")
	}
	const partial, completed = "image_generation.partial_image", "image_generation.completed"
	// A preview may be passed over by the next, never a picture.
	if n := len(names); n < 2 || names[n-1] != completed || names[n-2] != completed || n > 4 {
		t.Fatalf("events %q", names)
	}
	last := got[len(got)-1].data
	id, ok := last["image_id"].(string)
	if !ok || id == "" {
		t.Errorf("the image's id is %v", last["image_id"])
	}
	want := map[string]any{"type": completed, "b64_json": base64.StdEncoding.EncodeToString(providertest.PNG(32, 32, 1)), "image_id": id,
		"background": "opaque", "output_format": "png", "quality": "high", "size": "32x32", "cost": 0.08, "paymentSource": "USD",
		"usage": map[string]any{"total_tokens": 100.0, "input_tokens": 50.0, "output_tokens": 50.0}}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("the last event (-want +got):\n%s", diff)
	}
	if _, err := s.Vault.Info(t.Context(), s.As("ann"), vitrine.ID(id)); err != nil {
		t.Errorf("the image of the event is not in the vault: %v", err)
	}
	for _, e := range got[:len(got)-2] {
		k, ok := e.data["partial_image_index"].(float64)
		if !ok || e.name != partial || e.data["b64_json"] != base64.StdEncoding.EncodeToString(providertest.Preview(int(k))) || e.data["output_format"] != "png" {
			t.Errorf("preview %v", e.data)
		}
	}
	if c := up.Last(t); string(c.Fields["partial_images"]) != "2" || c.N != 2 {
		t.Errorf("the service was asked %s", c.Body)
	}
}

// What is refused before anything is sent has a status, as without a stream.
func TestStreamRefusals(t *testing.T) {
	s, up, key := studioAndFake(t)
	for _, tt := range []struct {
		name, key, body string
		act             providertest.Behaviour
		status          int
		code            string
	}{
		{"nobody", "vtr_x", followed, nil, 401, "invalid_api_key"},
		{"another role's model", key, strings.Replace(followed, "gpt-image-2", "other", 1), nil, 403, "model_not_allowed"},
		{"too many previews", key, strings.Replace(followed, ":2}", ":9}", 1), nil, 400, "invalid_parameter_value"},
		{"the service refuses", key, followed, providertest.RateLimited("3"), 429, "rate_limit_exceeded"},
		{"the service's rules", key, followed, providertest.Moderated, 400, "moderation_blocked"},
		{"cut before a preview", key, followed, providertest.Streamed(func(e *providertest.Events) { e.Cut() }), 502, "cut_answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.act != nil {
				up.Script(tt.act)
			}
			resp := ask(t, t.Context(), s, tt.key, tt.body)
			var body struct{ Error struct{ Code string } }
			if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || resp.StatusCode != tt.status || body.Error.Code != tt.code {
				t.Errorf("%s %q, %v; want %d %q", resp.Status, body.Error.Code, err, tt.status, tt.code)
			}
		})
	}
}

// What fails after the first event is an event, in the shape that clients raise.
func TestStreamFails(t *testing.T) {
	s, up, key := studioAndFake(t)
	more := make(chan struct{})
	up.Script(providertest.Streamed(func(e *providertest.Events) { e.Preview(0); e.Wait(more); e.Cut() }))
	resp := ask(t, t.Context(), s, key, followed)
	in := bufio.NewReader(resp.Body)
	if e := next(t, in); e == nil || e.name != "image_generation.partial_image" {
		t.Fatalf("the first event is %+v", e)
	}
	close(more)
	e := next(t, in)
	if e == nil || e.name != "error" {
		t.Fatalf("then %+v", e)
	}
	failure, ok := e.data["error"].(map[string]any)
	if !ok || e.data["type"] != "error" || failure["code"] != "cut_answer" || failure["type"] != "server_error" || failure["message"] == "" {
		t.Errorf("then %+v", e.data)
	}
	if e := next(t, in); e != nil {
		t.Errorf("after an error came %+v", e)
	}
}

// noisy is a picture that no encoder makes small.
func noisy(t *testing.T, edge int) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, edge, edge))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		m.Pix[i] = uint8(rng.Uint32())
	}
	var b strings.Builder
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}

// A client that reads nothing holds up neither the service nor the keeping of its
// image, loses previews, and gets the image once it reads.
func TestStreamSlowReader(t *testing.T) {
	s, up, key := studioAndFake(t)
	large := base64.StdEncoding.EncodeToString(noisy(t, 1200)) // some 8 MB of text
	first := make(chan struct{})
	up.Script(providertest.Streamed(func(e *providertest.Events) {
		for k := range 12 {
			e.Send("image_generation.partial_image", map[string]any{"b64_json": large}, "partial_image_index", k)
			if k == 0 {
				close(first)
			}
		}
		e.Completed(0)
	}))
	resp := ask(t, t.Context(), s, key, followed)
	<-first
	if err := s.Gateway.Wait(t.Context()); err != nil { // without having read anything
		t.Fatal(err)
	}
	kept, err := s.Vault.List(t.Context(), s.As("ann"), vault.Query{})
	if err != nil || len(kept.Images) != 1 {
		t.Fatalf("kept %+v, %v", kept, err)
	}
	got := all(t, resp)
	if n := len(got); n < 2 || n > 6 || got[n-1].name != "image_generation.completed" || got[n-1].data["image_id"] != string(kept.Images[0].ID) {
		t.Errorf("%d events, want a few previews and the image", n)
	}
}

// A client that goes in the middle loses nothing: the image is in the vault.
func TestStreamHangUp(t *testing.T) {
	s, up, key := studioAndFake(t)
	gone := make(chan struct{})
	up.Script(providertest.Streamed(func(e *providertest.Events) { e.Preview(0); e.Wait(gone); e.Preview(1); e.Completed(0) }))
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	resp := ask(t, ctx, s, key, followed)
	if e := next(t, bufio.NewReader(resp.Body)); e == nil {
		t.Fatal("no preview came")
	}
	hangUp()
	close(gone)
	if err := s.Gateway.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, err := s.Vault.List(t.Context(), s.As("ann"), vault.Query{})
	if err != nil || len(kept.Images) != 1 {
		t.Errorf("kept %+v, %v", kept, err)
	}
}

// While nothing else can be said a client hears that its request goes on, in
// lines that clients pass over.
func TestStreamKeepAlive(t *testing.T) {
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		openai.KeepAlive(w, r, time.Millisecond, over)
	}))
	t.Cleanup(s.Close)
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	for range 3 {
		line, err := in.ReadString('\n')
		if err != nil || line != ": keep-alive\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if line, err = in.ReadString('\n'); err != nil || line != "\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	close(over)
	if _, err := io.ReadAll(in); err != nil {
		t.Error(err)
	}
}
