// Package openai is the front for every client that speaks to OpenAI's or
// NanoGPT's image API: unchanged but for base URL and key.
//
// It parses either dialect into one gateway.Request, calls the gateway once,
// and says the answer, or what was wrong, in the words that those clients
// know. It decides nothing, fetches nothing, and adds nothing that a client
// does not ask for but NanoGPT's cost and balance, which other clients ignore;
// both are the caller's Vitrine budget, never the provider's account.
//
// Pictures are megabytes. Coming in they are decoded from base64 where they
// stand in the body, and all bodies together have a bound. Going out they are
// encoded from the sealed bytes straight to the connection, with their length
// told before. encoding/json never sees one.
package openai

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/web"
)

const (
	maxBody   = 48 << 20 // of one request, pictures and all
	allBodies = 48 << 20 // of all requests at the same time
)

// Config is what a Front needs.
type Config struct {
	Door    *web.Door
	Gateway *gateway.Gateway
	// PublicURL is the address that callers know this system by; links begin
	// with it. "" makes them begin with the address that the request came to.
	PublicURL string
	// Bodies is the room for request bodies; 0 is 48 MiB.
	Bodies int64
}

// Front serves the dialect. It is an http.Handler.
type Front struct {
	door    *web.Door
	gateway *gateway.Gateway
	public  string
	bodies  *web.Bodies
	handler http.Handler
}

// Route is one route of the front.
type Route struct {
	Method, Pattern string
	Permission      vitrine.Permission // what it asks the guard for first; "" asks for a live caller only
	handle          func(*Front, http.ResponseWriter, *http.Request, access.Caller) error
}

// Routes lists every route. All of them identify the caller.
func Routes() []Route {
	return []Route{
		{"POST", "/v1/images/generations", vitrine.ModelGenerate, (*Front).generations},
		{"POST", "/v1/images/edits", vitrine.ModelGenerate, (*Front).edits},
		{"POST", "/v1/images/variations", vitrine.ModelGenerate, (*Front).variations},
		{"GET", "/v1/models", vitrine.ModelView, (*Front).models},
		{"GET", "/v1/models/{id...}", vitrine.ModelView, (*Front).model},
		// NanoGPT's clients have /api/v1 as their base.
		{"POST", "/api/v1/images/generations", vitrine.ModelGenerate, (*Front).generations},
		{"POST", "/api/v1/images/edits", vitrine.ModelGenerate, (*Front).edits},
		{"POST", "/api/v1/images/edit", vitrine.ModelGenerate, (*Front).edits},
		{"GET", "/api/v1/image-models", vitrine.ModelView, (*Front).models},
		{"GET", "/api/v1/models/{id...}", vitrine.ModelView, (*Front).model}, // the list there is package api's, which tells both
		{"POST", "/api/check-balance", "", (*Front).balance},
	}
}

// New makes the front.
func New(c Config) (*Front, error) {
	if c.Door == nil || c.Gateway == nil {
		return nil, errors.New("openai: Door and Gateway are needed")
	}
	f := &Front{door: c.Door, gateway: c.Gateway, public: strings.TrimSuffix(c.PublicURL, "/")}
	if f.public != "" {
		if u, err := url.Parse(f.public); err != nil || u.Scheme == "" || u.Host == "" {
			return nil, fmt.Errorf("openai: public URL %q: want https://host", c.PublicURL)
		}
	}
	if c.Bodies <= 0 {
		c.Bodies = allBodies
	}
	f.bodies = web.NewBodies(c.Bodies)
	mux := http.NewServeMux()
	methods := make(map[string]string)
	for _, r := range Routes() {
		mux.HandleFunc(r.Method+" "+r.Pattern, f.identified(r))
		methods[r.Pattern] = r.Method
	}
	for pattern, method := range methods {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", method)
			f.refuse(w, r, http.StatusMethodNotAllowed, "method_not_allowed", "Not allowed to "+r.Method+" on "+r.URL.Path+".")
		})
	}
	unknown := func(w http.ResponseWriter, r *http.Request) {
		f.refuse(w, r, http.StatusNotFound, "unknown_url", "Unknown request URL: "+r.Method+" "+r.URL.Path+".")
	}
	mux.HandleFunc("/", unknown)
	f.handler = c.Door.Handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, clean := web.CleanPath(r); !clean {
			unknown(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}), f.fail)
	return f, nil
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.handler.ServeHTTP(w, r) }

// identified is the one adapter: who asks, the act, what was wrong.
func (f *Front) identified(route Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := f.door.Identify(w, r)
		if err == nil {
			err = route.handle(f, w, r, by)
		}
		if err != nil {
			web.Drain(w, r)
			f.fail(w, r, err)
		}
	}
}

func (f *Front) generations(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	return f.generate(w, r, by, false)
}

func (f *Front) edits(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	return f.generate(w, r, by, true)
}

// variations were an operation of models that are gone.
func (f *Front) variations(_ http.ResponseWriter, r *http.Request, by access.Caller) error {
	return f.door.Reject(r, by, access.Act{Permission: vitrine.ModelGenerate, Op: "variation"},
		vitrine.Invalid("", "unsupported_endpoint", "No model makes variations any more. Use /v1/images/edits with a prompt."))
}

func (f *Front) generate(w http.ResponseWriter, r *http.Request, by access.Caller, edit bool) error {
	act := access.Act{Permission: vitrine.ModelGenerate, Op: "generate"}
	if edit {
		act.Op = "edit"
	}
	req, release, err := f.parse(w, r, edit)
	defer release()
	if err != nil {
		return f.door.Reject(r, by, act, err)
	}
	if req.Stream != nil {
		return f.stream(w, r, by, req)
	}
	a, err := f.gateway.Generate(r.Context(), by, req)
	if err != nil {
		return err
	}
	f.answer(w, r, a)
	return nil
}

// parse reads the whole request. release is never nil; what the request holds
// of the body is good until then.
func (f *Front) parse(w http.ResponseWriter, r *http.Request, edit bool) (req *gateway.Request, release func(), err error) {
	release = func() {}
	p := &parser{public: f.base(r)}
	p.Edit = edit
	if p.IdempotencyKey, err = web.IdempotencyKey(r); err != nil {
		return nil, release, err
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/json":
		release, err = f.parseJSON(w, r, p)
	case err == nil && kind == "multipart/form-data" && edit:
		release, err = f.parseForm(w, r, p, params["boundary"])
	case edit:
		err = vitrine.Invalid("Content-Type", "invalid_content_type", "Send the edit as multipart/form-data or application/json.")
	default:
		err = vitrine.Invalid("Content-Type", "invalid_content_type", "Send the request as application/json.")
	}
	if err != nil {
		return nil, release, err
	}
	req, err = p.finish()
	return req, release, err
}

func (f *Front) parseJSON(w http.ResponseWriter, r *http.Request, p *parser) (release func(), err error) {
	body, err := f.bodies.Read(w, r, maxBody)
	if err != nil {
		return func() {}, err
	}
	p.lend = body.Lend
	if p.IdempotencyKey != "" { // before pictures are decoded where they stand
		sum := sha256.Sum256(body.Bytes())
		p.BodyHash = hex.EncodeToString(sum[:])
	}
	all, err := members(body.Bytes())
	for i := 0; i < len(all) && err == nil; i++ {
		err = p.set(all[i])
	}
	return body.Release, err
}

func (f *Front) parseForm(w http.ResponseWriter, r *http.Request, p *parser, boundary string) (release func(), err error) {
	if boundary == "" {
		return func() {}, vitrine.Invalid("Content-Type", "invalid_multipart_body", "The form's boundary is missing.")
	}
	body, err := f.bodies.Room(w, r, maxBody)
	if err != nil {
		return func() {}, err
	}
	p.lend = body.Lend
	parts, err := readParts(r, boundary, body.Memory())
	if err != nil {
		return body.Release, err
	}
	if p.IdempotencyKey != "" {
		p.BodyHash = hashParts(parts)
	}
	return body.Release, p.form(parts)
}

// hashParts is of what a form says; clients choose another boundary each time.
func hashParts(parts []part) string {
	h := sha256.New()
	for _, m := range parts {
		fmt.Fprintf(h, "%q %t %d\n", m.name, m.file, len(m.body)) // writing to a hash cannot fail
		h.Write(m.body)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// base is how URLs of this system begin.
func (f *Front) base(r *http.Request) string {
	if f.public != "" {
		return f.public
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}
