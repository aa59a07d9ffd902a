// Package api is the front for programs: JSON over /api/v1, described by an
// OpenAPI 3.1 document that it serves, and the bytes of images and links.
//
// Every route stands in one list with the permission that it asks for first.
// One adapter turns a function of caller and input into a handler: it
// identifies, reads the body whole, checks it against the route's own schema,
// calls, and says errors as application/problem+json through package problem. A
// handler calls one service and decides nothing.
//
// Package huma makes the document and checks input by it. Two things that it
// does by itself are undone: rejected values are not repeated in answers,
// because they may be secrets, and answers carry no $schema. A request that is
// refused for its form is recorded like any other attempt.
package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/problem"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/web"
)

// prefix is where the API lies.
const prefix = "/api/v1"

const (
	maxBody   = 8 << 20  // of one JSON body; a policy of thousands of objects fits
	allBodies = 16 << 20 // of all at the same time
	maxUpload = 64 << 20
)

// Config is what an API needs.
type Config struct {
	Door      *web.Door
	Guard     *access.Guard
	Policies  *policy.Policies
	Directory *identity.Directory
	Vault     *vault.Vault
	Gateway   *gateway.Gateway
	Log       *audit.Log
	Backups   *backup.Backups
	// Store keeps answers under idempotency keys; nothing else here touches it.
	Store *store.Store
	// PublicURL is the address that callers know this system by; links begin
	// with it. "" makes them begin with the address that the request came to.
	PublicURL string
	MaxUpload int64 // bytes of one picture; 0 is 64 MiB
	Version   string
}

// API serves the routes. It is an http.Handler.
type API struct {
	Config
	mux     *http.ServeMux
	huma    huma.API
	bodies  *web.Bodies
	routes  []Route
	adding  Route // to huma, which passes on nothing of it but a path
	handler http.Handler
}

// Route is one route of the front.
type Route struct {
	Method, Pattern string
	Permission      vitrine.Permission // what it asks the guard for first; "" asks for a live caller only
	Public          string             // why it identifies nobody; "" is that it does
	Summary         string
	tag             string
	status          int // of success; 0 is 200
	op              string
	errors          []int // statuses of failure beside the usual

	versioned bool         // is about one thing with an entity tag: a GET tells it, a change heeds If-Match
	makes     vitrine.Kind // what a PUT makes if it is not there; anyKind is what the path says
	once      bool         // heeds Idempotency-Key
	secret    bool         // the answer shows a secret, which is shown once
}

// New makes the front.
func New(c Config) (*API, error) {
	if c.Door == nil || c.Guard == nil || c.Policies == nil || c.Directory == nil || c.Vault == nil || c.Gateway == nil || c.Log == nil || c.Backups == nil || c.Store == nil {
		return nil, errors.New("api: Door, Guard, Policies, Directory, Vault, Gateway, Log, Backups and Store are needed")
	}
	if c.PublicURL = strings.TrimSuffix(c.PublicURL, "/"); c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || u.Scheme == "" || u.Host == "" {
			return nil, fmt.Errorf("api: public URL %q: want https://host", c.PublicURL)
		}
	}
	if c.MaxUpload <= 0 {
		c.MaxUpload = maxUpload
	}
	a := &API{Config: c, mux: http.NewServeMux(), bodies: web.NewBodies(allBodies)}
	ownErrors()
	a.huma = huma.NewAPI(description(c.Version), humago.NewAdapter(routed{a}, prefix))
	a.people()
	a.policy()
	a.questions()
	a.images()
	a.bytes()
	a.spending()
	a.log()
	a.backup()
	if err := a.document(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	a.nothingElse()
	a.handler = c.Door.Handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, clean := web.CleanPath(r); !clean {
			a.unknown(w, r)
			return
		}
		a.mux.ServeHTTP(w, r)
	}), a.fail)
	return a, nil
}

// Routes lists every route.
func (a *API) Routes() []Route { return a.routes }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// request is what a handler that huma calls finds in its context, for huma
// passes on nothing else. Nobody but this package can read it there.
type request struct {
	by  access.Caller
	act access.Act
	err error
	// bad is what is wrong with the request's form; nothing was called.
	bad error
	r   *http.Request
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	q, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		panic("api: a handler was called without the adapter")
	}
	return q
}

// add registers a route whose input and output are JSON.
func add[I, O any](a *API, route Route, fn func(context.Context, access.Caller, *I) (*O, error)) {
	status := route.status
	if status == 0 {
		status = http.StatusOK
	}
	a.adding = route
	huma.Register(a.huma, a.operation(route, status), func(ctx context.Context, in *I) (*O, error) {
		q := requestOf(ctx)
		out, err := fn(ctx, q.by, in)
		if err != nil {
			q.err = err
			return nil, failure{Problem: problem.Problem{Status: http.StatusInternalServerError}} // replaced by q.err
		}
		return out, nil
	})
}

// operation describes a route.
func (a *API) operation(route Route, status int) huma.Operation {
	op := huma.Operation{
		OperationID: operationID(route), Method: route.Method, Path: path(route), Summary: route.Summary, Tags: []string{route.tag},
		DefaultStatus: status, MaxBodyBytes: maxBody + 1, BodyReadTimeout: -1,
		Errors: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
			http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusServiceUnavailable},
		Security: []map[string][]string{{"key": {}}},
	}
	op.Errors = append(op.Errors, route.errors...)
	if route.tag == "images" { // one may be damaged in storage, which is told to who may see it
		op.Errors = append(op.Errors, http.StatusInternalServerError)
	}
	if route.Permission != "" {
		op.Description = "Needs " + string(route.Permission) + "."
	}
	headers(route, &op)
	return op
}

// path is the route's path in the document: below the prefix, and without the
// mark of a parameter that may hold slashes.
func path(route Route) string {
	return strings.ReplaceAll(strings.TrimPrefix(route.Pattern, prefix), "...}", "}")
}

func operationID(route Route) string {
	words := strings.FieldsFunc(strings.ToLower(route.Method)+" "+path(route), func(c rune) bool { return strings.ContainsRune(" /{}-.", c) })
	return strings.Join(words, "-")
}

// routed is the mux as huma sees it: what it registers goes through the
// adapter.
type routed struct{ a *API }

// HandleFunc registers the route that is being added.
func (m routed) HandleFunc(_ string, next func(http.ResponseWriter, *http.Request)) {
	m.a.serve(m.a.adding, m.a.identified(m.a.adding, m.a.json(m.a.adding, next)))
}

// ServeHTTP implements humago.Mux.
func (m routed) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.a.mux.ServeHTTP(w, r) }

// plain registers a route that reads and writes bytes itself.
func (a *API) plain(route Route, fn func(http.ResponseWriter, *http.Request, access.Caller) error) {
	if route.Public == "" {
		a.serve(route, a.identified(route, fn))
		return
	}
	a.serve(route, func(w http.ResponseWriter, r *http.Request) {
		if err := fn(w, r, a.Door.Stranger(w, r)); err != nil {
			web.Drain(w, r)
			a.fail(w, r, err)
		}
	})
}

// serve is where every route comes to be: what is served stands in the list.
func (a *API) serve(route Route, h http.HandlerFunc) {
	a.routes = append(a.routes, route)
	a.mux.HandleFunc(route.Method+" "+route.Pattern, h)
}

// identified finds out who asks, and says what was wrong.
func (a *API) identified(route Route, fn func(http.ResponseWriter, *http.Request, access.Caller) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := a.Door.Identify(w, r)
		if err == nil {
			if by.IfVersion, err = a.demanded(route, r, by); err != nil {
				err = a.Door.Reject(r, by, route.act(), err)
			} else {
				err = fn(w, r, by)
			}
		}
		if err != nil {
			web.Drain(w, r)
			a.fail(w, r, err)
		}
	}
}

// json reads the body whole, lets huma parse, call and encode, and sends what
// came of it in one piece.
func (a *API) json(route Route, next func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request, access.Caller) error {
	return func(w http.ResponseWriter, r *http.Request, by access.Caller) error {
		q := &request{by: by, act: route.act(), r: r}
		body, err := a.bodies.Read(w, r, maxBody)
		if err != nil {
			return a.Door.Reject(r, by, q.act, err)
		}
		defer body.Release()
		inner := r.WithContext(context.WithValue(r.Context(), requestKey{}, q))
		inner.Body = noClose{body: body.Bytes()}.reader()
		if !route.once {
			h, err := a.call(w, inner, q, next)
			if err == nil {
				h.send(w)
			}
			return err
		}
		return a.callOnce(w, inner, q, route, body.Bytes(), next)
	}
}

// call has huma parse, call and encode, and holds the answer.
func (a *API) call(w http.ResponseWriter, inner *http.Request, q *request, next func(http.ResponseWriter, *http.Request)) (*held, error) {
	h := &held{header: w.Header(), status: http.StatusOK}
	next(h, inner)
	switch {
	case q.bad != nil:
		return nil, a.Door.Reject(q.r, q.by, q.act, q.bad)
	case q.err != nil:
		return nil, q.err
	case unchanged(q.r, h.header):
		h.status = http.StatusNotModified
	}
	return h, nil
}

// act is a route's act as far as it is known before its input was read.
func (r Route) act() access.Act {
	return access.Act{Permission: r.Permission, Op: cmp.Or(r.op, operationID(r))}
}

// nothingElse answers what no route is there for. It tells nothing, so it asks
// nobody who they are.
func (a *API) nothingElse() {
	allow := make(map[string][]string)
	for _, r := range a.routes {
		allow[r.Pattern] = append(allow[r.Pattern], r.Method)
	}
	for pattern, methods := range allow {
		a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			web.Drain(w, r)
			w.Header().Set("Allow", strings.Join(methods, ", "))
			problem.Write(w, problem.Problem{Status: http.StatusMethodNotAllowed, Title: "Method not allowed", Code: "method_not_allowed",
				Detail: "Allowed here: " + strings.Join(methods, ", ") + ".", Request: web.RequestID(w)})
		})
	}
	a.mux.HandleFunc("/", a.unknown)
}

func (a *API) unknown(w http.ResponseWriter, r *http.Request) {
	web.Drain(w, r)
	problem.Write(w, problem.Problem{Status: http.StatusNotFound, Title: "Not found", Code: "unknown_route",
		Detail: "There is no such route. See " + prefix + "/openapi.json.", Request: web.RequestID(w)})
}

// fail says an error.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problem.Of(err, web.RequestID(w))
	if p.Status == http.StatusInternalServerError {
		a.Door.Unexpected(w, r, err)
	}
	if d, ok := p.Decision.(*problem.Refusal); ok {
		web.SetRevision(w, d.Revision)
	}
	unmet(&p, r)
	problem.Write(w, p)
}

// base is how URLs of this system begin.
func (a *API) base(r *http.Request) string {
	if a.PublicURL != "" {
		return a.PublicURL
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

var errorsAreOurs sync.Once

// ownErrors makes huma's errors ours. What huma finds wrong with a request is
// kept for the adapter, recorded, and said by package problem.
func ownErrors() {
	errorsAreOurs.Do(func() {
		huma.NewError = func(status int, msg string, _ ...error) huma.StatusError {
			return failure{Problem: problem.Problem{Status: status, Detail: msg}}
		}
		huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
			if q, ok := ctx.Context().Value(requestKey{}).(*request); ok && q.err == nil && q.bad == nil {
				q.malformed(status, msg, errs)
			}
			return huma.NewError(status, msg)
		}
	})
}
