// Package providertest is a fake image service and the suite that every kind
// of provider passes against it.
//
// Upstream speaks the shapes of OpenAI, NanoGPT, AUTOMATIC1111 and Stability
// over real HTTP on loopback, records what it was asked, and can be told to
// misbehave in each of the ways that services do: rate limits, errors, garbage,
// web pages, answers without end, slow drips, cut bodies and streams, URLs to
// where they should not point. It draws nothing and is no model; it answers a
// small real PNG.
//
// Run is the conformance suite. It says for every misbehaviour what a caller
// of the provider must see: which error, how much was written to the sink,
// what is known about the charge, and that no credential is in the text.
package providertest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Call is what the fake service was asked.
type Call struct {
	Method, Path  string
	Header        http.Header
	Authorization string // the bearer token, x-api-key or user:password
	Model, Prompt string
	N             int
	Size          string // as it was said: of Stability the shape
	EndUser       string
	// Fields are all fields of the request, of JSON and multipart alike, as
	// JSON. Files are the uploads of a multipart request, in order.
	Fields map[string]json.RawMessage
	Files  []File
	Body   []byte // of a JSON request

	tongue *tongue
}

// File is one upload.
type File struct {
	Field, Name, ContentType string
	Body                     []byte
}

// Text is a field that is a string, or "".
func (c *Call) Text(field string) string {
	var s string
	if json.Unmarshal(c.Fields[field], &s) != nil {
		return ""
	}
	return s
}

// Upstream is a fake image service. Its fields may be set before the first
// request.
type Upstream struct {
	*httptest.Server
	Key     string   // when set, asked for as bearer token, x-api-key or user:password
	Models  []string // what it offers
	Cost    string   // JSON number; answered beside the pictures when not ""
	Balance string   // of /api/check-balance, in dollars
	Credits string   // of /v1/user/balance, a JSON number
	Picture func(i int, c *Call) []byte

	mu     sync.Mutex
	calls  []Call
	script []Behaviour
	always Behaviour
	pages  map[string][]byte
}

// Behaviour answers one image call in place of the usual success.
type Behaviour func(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call)

// NewUpstream starts a fake service that ends with the test.
func NewUpstream(t testing.TB) *Upstream {
	t.Helper()
	u := &Upstream{
		Models:  []string{"hidream", "flux-kontext", "gpt-4o-image"},
		Balance: "129.46956147", Credits: "2048.125",
		Picture: func(i int, _ *Call) []byte { return PNG(32, 32, i) },
		pages:   map[string][]byte{},
	}
	u.Server = httptest.NewServer(http.HandlerFunc(u.serve))
	t.Cleanup(u.Close)
	return u
}

// OpenAIBase is the base URL for a provider of kind openai.
func (u *Upstream) OpenAIBase() string { return u.URL + "/v1" }

// NanoGPTBase is the base URL for a provider of kind nanogpt.
func (u *Upstream) NanoGPTBase() string { return u.URL + "/api/v1" }

// Root is the base URL for providers of the kinds automatic1111 and stability.
func (u *Upstream) Root() string { return u.URL }

// Script queues behaviours: one for each of the next image calls. After them
// it succeeds again.
func (u *Upstream) Script(b ...Behaviour) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.script = append(u.script, b...)
}

// Always sets the behaviour for every image call that has no scripted one;
// nil is success.
func (u *Upstream) Always(b Behaviour) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.always = b
}

// Calls are the image calls so far: generations and edits, failed ones too.
func (u *Upstream) Calls() []Call {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]Call(nil), u.calls...)
}

// forget makes the calls so far as if they had not been.
func (u *Upstream) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.calls = nil
}

// Count is how many image calls there were.
func (u *Upstream) Count() int { return len(u.Calls()) }

// Last is the latest image call. It fails the test when there was none.
func (u *Upstream) Last(t testing.TB) Call {
	t.Helper()
	calls := u.Calls()
	if len(calls) == 0 {
		t.Fatal("the fake service was not asked for a picture")
	}
	return calls[len(calls)-1]
}

// Host publishes bytes at a path and answers the URL.
func (u *Upstream) Host(path string, body []byte) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pages[path] = body
	return u.URL + path
}

func (u *Upstream) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/api")
	switch {
	case path == "/v1/images/generations" || path == "/v1/images/edits" || path == "/v1/images/edit":
		u.image(w, r, &openAITongue)
	case path == "/sdapi/v1/txt2img" || path == "/sdapi/v1/img2img":
		u.image(w, r, &webuiTongue)
	case strings.HasPrefix(path, "/v2beta/stable-image/"):
		u.image(w, r, &stabilityTongue)
	case path == "/sdapi/v1/sd-models":
		if u.admit(w, r, &webuiTongue) {
			u.json(w, http.StatusOK, u.checkpoints())
		}
	case path == "/v1/user/balance":
		if u.admit(w, r, &stabilityTongue) {
			u.json(w, http.StatusOK, map[string]any{"credits": rawNumber(u.Credits)})
		}
	case path == "/v1/models":
		u.json(w, http.StatusOK, u.list(false))
	case path == "/v1/image-models":
		u.json(w, http.StatusOK, u.list(r.FormValue("detailed") != "false"))
	case path == "/check-balance":
		if u.admit(w, r, &openAITongue) {
			u.json(w, http.StatusOK, map[string]string{"usd_balance": u.Balance, "nano_balance": "0"})
		}
	default:
		u.page(w, r)
	}
}

func (u *Upstream) page(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	body, ok := u.pages[r.URL.Path]
	u.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", http.DetectContentType(body))
	if _, err := w.Write(body); err != nil {
		return // the client has gone
	}
}

func (u *Upstream) admit(w http.ResponseWriter, r *http.Request, t *tongue) bool {
	u.mu.Lock()
	known := u.Key == "" || slices.Contains(strings.Split(u.Key, "\n"), credential(r))
	u.mu.Unlock()
	if known {
		return true
	}
	u.json(w, http.StatusUnauthorized, t.failure("Incorrect API key provided: "+credential(r)+".", "invalid_request_error", "invalid_api_key"))
	return false
}

// Accept changes which credentials are taken, while calls may be under way.
func (u *Upstream) Accept(keys ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.Key = strings.Join(keys, "\n")
}

func credential(r *http.Request) string {
	if user, password, ok := r.BasicAuth(); ok {
		return user + ":" + password
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return token
	}
	return r.Header.Get("X-Api-Key")
}

func (u *Upstream) image(w http.ResponseWriter, r *http.Request, t *tongue) {
	if !u.admit(w, r, t) {
		return
	}
	c, err := read(r, t)
	if err != nil {
		u.json(w, http.StatusBadRequest, t.failure(err.Error(), "invalid_request_error", "invalid_body"))
		return
	}
	u.mu.Lock()
	u.calls = append(u.calls, *c)
	act := u.always
	if len(u.script) > 0 {
		act, u.script = u.script[0], u.script[1:]
	}
	u.mu.Unlock()
	if act == nil {
		act = Success
	}
	act(u, w, r, c)
}

// read takes a request apart, JSON or multipart.
func read(r *http.Request, t *tongue) (*Call, error) {
	c := &Call{tongue: t, Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Authorization: credential(r), Fields: map[string]json.RawMessage{}}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, fmt.Errorf("content type: %w", err)
	}
	if kind == "multipart/form-data" {
		err = c.readForm(r)
	} else if c.Body, err = io.ReadAll(r.Body); err == nil {
		err = json.Unmarshal(c.Body, &c.Fields)
	}
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	c.Prompt, c.N = c.Text("prompt"), 1
	if err := t.read(c); err != nil {
		return nil, err
	}
	if c.Prompt == "" {
		return nil, fmt.Errorf("prompt is required")
	}
	return c, nil
}

func (c *Call) readForm(r *http.Request) error {
	parts, err := r.MultipartReader()
	if err != nil {
		return err
	}
	for {
		p, err := parts.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		body, err := io.ReadAll(p)
		if err != nil {
			return err
		}
		if p.FileName() != "" {
			c.Files = append(c.Files, File{p.FormName(), p.FileName(), p.Header.Get("Content-Type"), body})
			continue
		}
		if c.Fields[p.FormName()], err = json.Marshal(string(body)); err != nil {
			return err
		}
	}
}

func (u *Upstream) list(detailed bool) map[string]any {
	var data []map[string]any
	for _, id := range u.Models {
		m := map[string]any{"id": id, "object": "model", "created": 1778544000, "owned_by": "fake"}
		if detailed {
			m["pricing"] = map[string]any{"per_image": map[string]any{"1024*1024": json.Number("0.005"), "1376*768": json.Number("0.0075")}, "currency": "USD"}
		}
		data = append(data, m)
	}
	return map[string]any{"object": "list", "data": data}
}

func (u *Upstream) json(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil {
		return // the client has gone
	}
}

func encoded(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
