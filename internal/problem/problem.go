// Package problem is the one table from the kinds of error to status, code and
// title, and the writer of application/problem+json (RFC 9457). No other place
// chooses a status; a front with a dialect of its own starts from Of and says
// the same in its own words.
//
// What leaves here is what a *vitrine.Error marked as public, and nothing else:
// an error that no kind explains is "Internal error" with the id of the
// request, by which an operator finds it in the process log.
package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"vitrine.dev/vitrine"
)

// Challenge is the WWW-Authenticate of every answer 401.
const Challenge = `Bearer realm="vitrine"`

// Problem is an error as a client gets it.
type Problem struct {
	Type       string `json:"type"`               // urn:vitrine:problem: and the kind; Write completes it from the code
	Title      string `json:"title"`              // of the kind
	Status     int    `json:"status"`             // HTTP status
	Detail     string `json:"detail,omitempty"`   // one sentence that says what to do next
	Code       string `json:"code,omitempty"`     // stable, for programs
	Param      string `json:"param,omitempty"`    // the field at fault
	Request    string `json:"request,omitempty"`  // id under which the log has it
	RetryAfter int    `json:"-"`                  // seconds, sent as a header; 0 says nothing
	Decision   any    `json:"decision,omitempty"` // *Refusal on denied
}

// Refusal is the part of a decision that a denied caller is told.
type Refusal struct {
	Code       vitrine.Code       `json:"code"`
	Failed     vitrine.Failed     `json:"failed,omitempty"`
	Permission vitrine.Permission `json:"permission,omitempty"`
	Nearest    vitrine.Nearest    `json:"nearest,omitzero"`
	Revision   int64              `json:"revision"`
}

// row is what the table says of a kind.
type row struct {
	kind   error
	name   string // end of the type, and the code where the error has none
	status int
	title  string
}

// table holds every kind. Where an error is of several, the first that it is
// stands: a refusal that could not be recorded is unavailable, not denied.
var table = []row{
	{vitrine.ErrUnavailable, "unavailable", http.StatusServiceUnavailable, "Temporarily unavailable"},
	{vitrine.ErrUnauthenticated, "unauthenticated", http.StatusUnauthorized, "Not authenticated"},
	{vitrine.ErrNotFound, "not_found", http.StatusNotFound, "Not found"},
	{vitrine.ErrDenied, "denied", http.StatusForbidden, "Not allowed"},
	{vitrine.ErrTooLarge, "too_large", http.StatusRequestEntityTooLarge, "Too large"},
	{vitrine.ErrConflict, "conflict", http.StatusConflict, "Conflict"},
	{vitrine.ErrInvalid, "invalid", http.StatusBadRequest, "Invalid request"},
	{vitrine.ErrExhausted, "exhausted", http.StatusPaymentRequired, "Budget used up"},
	{vitrine.ErrUpstream, "upstream", http.StatusBadGateway, "The image service failed"},
	{vitrine.ErrDamaged, "damaged", http.StatusInternalServerError, "Damaged in storage"},
}

var (
	rateLimited  = row{vitrine.ErrExhausted, "rate_limited", http.StatusTooManyRequests, "Too many requests"}
	upstreamLate = row{vitrine.ErrUpstream, "timeout", http.StatusGatewayTimeout, "The image service did not answer in time"}
	internal     = row{nil, "internal", http.StatusInternalServerError, "Internal error"}
)

// rowOf finds the row of a kind, told apart further by the error's code: a
// budget that is used up will not come back by waiting, a rate limit will.
func rowOf(err error, code string) row {
	for _, r := range table {
		if !errors.Is(err, r.kind) {
			continue
		}
		switch {
		case r.kind == vitrine.ErrExhausted && strings.HasPrefix(code, "rate"):
			return rateLimited
		case r.kind == vitrine.ErrUpstream && code == "timeout":
			return upstreamLate
		}
		return r
	}
	return internal
}

// Of maps any error, nil too, which is internal: who asks for the problem of a
// success has a mistake of his own. request is the id of the request.
func Of(err error, request string) Problem {
	var e *vitrine.Error
	if !errors.As(err, &e) {
		e = new(vitrine.Error)
	} else if e.Kind != nil {
		err = errors.Join(e.Kind, onlyUnavailable(err))
	}
	r := rowOf(err, e.Code)
	p := Problem{Type: urn + r.name, Title: r.title, Status: r.status, Code: r.name, Request: request}
	if r.kind == nil {
		p.Detail = "This is our fault. Tell your operator the request's id."
		return p
	}
	if !errors.Is(e.Kind, r.kind) { // the public text belongs to another kind
		return p
	}
	p.Detail, p.Param, p.RetryAfter = e.Public, e.Param, e.RetryAfter
	if e.Code != "" {
		p.Code = e.Code
	}
	if d := e.Decision; d != nil && r.kind == vitrine.ErrDenied && !d.Hidden {
		p.Decision = &Refusal{d.Code, d.Failed, d.Permission, d.Nearest, d.Revision}
		if p.Detail == "" {
			p.Detail = d.Reason()
		}
	}
	return p
}

// onlyUnavailable keeps of an error with public text only that it was joined
// with an ErrUnavailable; of everything else the public text's own kind counts.
func onlyUnavailable(err error) error {
	if errors.Is(err, vitrine.ErrUnavailable) {
		return vitrine.ErrUnavailable
	}
	return nil
}

// urn begins every type.
const urn = "urn:vitrine:problem:"

// Write sends p as application/problem+json, with the headers that belong to
// its status. One without a type gets the one that its code makes.
func Write(w http.ResponseWriter, p Problem) {
	switch {
	case p.Type == "" && p.Code != "":
		p.Type = urn + p.Code
	case p.Type == "":
		p.Type = "about:blank"
	}
	b, err := json.Marshal(p)
	if err != nil { // Decision is anybody's; without it nothing can fail
		p.Decision = nil
		b, _ = json.Marshal(p)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", Challenge)
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(b) // the client has gone; there is nobody to tell
}
