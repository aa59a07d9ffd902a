// Package web is what the fronts share: who asks, the request's id, where it
// comes from, and bodies that are read whole within bounds. Fronts never import
// each other; what two of them need stands here.
//
// It speaks no dialect: errors come back as *vitrine.Error, and each front says
// them in its own words. And it decides nothing: a caller comes from package
// identity.
//
// A body is always read to its end, or the connection is told to close, before
// an answer goes out early: proxies between a client and this server cut
// answers short when they arrive while the request is still being sent.
package web

import (
	"cmp"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
)

// Headers that callers send beside the key.
const (
	HeaderProject  = "OpenAI-Project"
	HeaderDataset  = "X-Vitrine-Dataset"
	HeaderRevision = "X-Vitrine-Revision" // in an answer: the revision that it was made under
	HeaderRequest  = "X-Request-Id"
	HeaderReplay   = "X-Vitrine-Replay" // in an answer: "true" where an idempotency key was answered before
)

// Door makes requests into callers. It is safe for concurrent use.
type Door struct {
	directory *identity.Directory
	guard     *access.Guard
	proxies   []netip.Prefix
	logger    *slog.Logger
	limits    limits
}

// Config is what a Door needs.
type Config struct {
	Directory *identity.Directory
	Guard     *access.Guard
	// Proxies are the networks whose X-Forwarded-For is believed.
	Proxies []string
	// PerMinute bounds the requests of each principal; 0 does not.
	PerMinute int
	Logger    *slog.Logger // nil discards
}

// New makes a door.
func New(c Config) (*Door, error) {
	if c.Directory == nil || c.Guard == nil {
		return nil, errors.New("web: Directory and Guard are needed")
	}
	d := &Door{directory: c.Directory, guard: c.Guard, logger: c.Logger, limits: limits{perMinute: c.PerMinute}}
	if d.logger == nil {
		d.logger = slog.New(slog.DiscardHandler)
	}
	for _, text := range c.Proxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("trusted proxy %q: want a network such as 10.0.0.0/8", text)
		}
		d.proxies = append(d.proxies, p.Masked())
	}
	return d, nil
}

// NewRequestID is the id of a request: always our own. One that a caller
// brought could name another caller's request in the log.
func NewRequestID() string {
	var b [15]byte
	if _, err := rand.Read(b[:]); err != nil { // never; the system has no randomness
		panic(err)
	}
	return "req_" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// Handle is a front's handler with what every answer needs: the id of the
// request as a header, no guessing of types, no caching, and fail instead of a
// connection that breaks where the handler panics.
func (d *Door) Handle(next http.Handler, fail func(w http.ResponseWriter, r *http.Request, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := NewRequestID()
		h := w.Header()
		h.Set(HeaderRequest, id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				d.logger.Error("a handler panicked", "request", id, "route", route(r), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
				h.Set("Connection", "close")
				fail(w, r, fmt.Errorf("panic: %v", v))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// RequestID is the id that Handle gave to the request.
func RequestID(w http.ResponseWriter) string { return w.Header().Get(HeaderRequest) }

// Identify answers who asks, by the key of the request: Authorization: Bearer,
// or x-api-key as NanoGPT's clients send it. What is wrong is recorded already.
// To who is known the answer tells the policy revision in use, under which, or
// under a newer one, the decision will be made.
func (d *Door) Identify(w http.ResponseWriter, r *http.Request) (access.Caller, error) {
	p := d.presented(w, r)
	p.Key = key(r)
	atLeast := r.Header.Get(HeaderRevision)
	revision, bad := strconv.ParseInt(atLeast, 10, 64)
	if atLeast != "" && bad == nil {
		p.AtLeast = revision
	}
	by, err := d.directory.Authenticate(r.Context(), p)
	if err != nil {
		return access.Caller{}, err
	}
	if now, err := d.guard.Policy(access.Caller{}); err == nil {
		SetRevision(w, now.Revision())
	}
	// An agent that acts for a person is as fast as she may be: otherwise anybody
	// who lets it act could slow it down for all others.
	if wait := d.limits.wait(cmp.Or(by.For, by.Principal)); wait > 0 {
		return access.Caller{}, d.tooFast(r, by, wait)
	}
	if atLeast != "" && (bad != nil || revision < 0) {
		return access.Caller{}, d.guard.Reject(r.Context(), by, access.Act{Op: "key"},
			vitrine.Invalid(HeaderRevision, "revision", "A revision is a number."))
	}
	return by, nil
}

// SetRevision tells under which policy revision an answer was made.
func SetRevision(w http.ResponseWriter, revision int64) {
	w.Header().Set(HeaderRevision, strconv.FormatInt(revision, 10))
}

// Stranger is a caller of whom only the request is known, for links.
func (d *Door) Stranger(w http.ResponseWriter, r *http.Request) access.Caller {
	p := d.presented(w, r)
	by := access.Caller{Request: p.Request, UserAgent: p.UserAgent}
	by.Address = p.Address
	return by
}

// Reject records a request that cannot be right for anybody, and answers cause
// or that it could not be recorded.
func (d *Door) Reject(r *http.Request, by access.Caller, a access.Act, cause error) error {
	return d.guard.Reject(r.Context(), by, a, cause)
}

// Unexpected logs an error that no kind explains, once, where it leaves the
// system.
func (d *Door) Unexpected(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the caller has gone, and what fails then fails for that reason
	}
	d.logger.Error("a request failed", "request", RequestID(w), "route", route(r), "err", err)
}

// route is what a request asked for, for the process log: never its path, which
// may hold a link's token.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return r.Method
	}
	return r.Pattern
}

func (d *Door) presented(w http.ResponseWriter, r *http.Request) identity.Presented {
	return identity.Presented{
		Address: d.Address(r), UserAgent: r.UserAgent(), Request: RequestID(w),
		Project: vitrine.ID(r.Header.Get(HeaderProject)), Dataset: vitrine.ID(r.Header.Get(HeaderDataset)),
	}
}

func key(r *http.Request) vitrine.Secret {
	scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return vitrine.Secret(strings.TrimSpace(rest))
	}
	return vitrine.Secret(r.Header.Get("X-Api-Key"))
}

// Address is where the request comes from: the peer, or, where the peer is a
// trusted proxy, the last address in X-Forwarded-For that is none. What stands
// before it anybody can have written.
func (d *Door) Address(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && d.trusted(at); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		at = hop.Unmap().WithZone("")
	}
	return at
}

func (d *Door) trusted(a netip.Addr) bool {
	for _, p := range d.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
