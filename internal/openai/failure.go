package openai

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/problem"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/web"
)

// failure is an error in the dialect.
type failure struct {
	Error failureBody `json:"error"`
}

type failureBody struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// fail says an error in the dialect.
func (f *Front) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, out, code := f.describe(w, r, err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", problem.Challenge)
	}
	retry(w.Header(), &p, code, free(err))
	write(w, p.Status, failure{out})
}

// describe is an error in the words of the dialect.
func (f *Front) describe(w http.ResponseWriter, r *http.Request, err error) (p problem.Problem, out failureBody, code string) {
	p = problem.Of(err, web.RequestID(w))
	if p.Status == http.StatusInternalServerError {
		f.door.Unexpected(w, r, err)
	}
	out = failureBody{Message: p.Detail, Type: "invalid_request_error"}
	if out.Message == "" {
		out.Message = p.Title
	}
	if code = translate(&p, &out); code != "" {
		out.Code = &code
	}
	if p.Param != "" {
		out.Param = &p.Param
	}
	return p, out, code
}

// forbiddenValues are refusals that clients of the dialect take for a wrong
// value, because the same request with another value is allowed.
var forbiddenValues = []vitrine.Code{vitrine.CodeFormat, vitrine.CodeRespFormat, vitrine.CodeSize, vitrine.CodeN}

// translate puts a problem into the types and codes that clients know. Where a
// refusal is about a value, its status changes too.
func translate(p *problem.Problem, out *failureBody) (code string) {
	switch p.Status {
	case http.StatusUnauthorized:
		return "invalid_api_key"
	case http.StatusForbidden:
		if slices.Contains(forbiddenValues, vitrine.Code(p.Code)) {
			p.Status = http.StatusBadRequest
			return "invalid_parameter_value"
		}
		out.Type = "permission_error"
		if p.Code == string(vitrine.CodeModel) {
			return "model_not_allowed"
		}
	case http.StatusNotFound:
		if p.Param == "model" || strings.Contains(p.Code, "model") {
			return "model_not_found"
		}
	case http.StatusTooManyRequests:
		out.Type = "requests"
		return "rate_limit_exceeded"
	case http.StatusPaymentRequired: // clients know a budget that is used up by 429
		p.Status, p.Param, out.Type = http.StatusTooManyRequests, "", "insufficient_quota"
		return "insufficient_quota"
	case http.StatusBadRequest:
		if p.Code == "moderation_blocked" || p.Code == "content_policy_violation" {
			out.Type = "image_generation_user_error"
		}
	}
	if p.Status >= http.StatusInternalServerError {
		out.Type = "server_error"
	}
	return p.Code
}

// free reports whether a service failed in a way that may pass, and surely
// charged nothing: then the reservation was given back, and the idempotency key
// with it. An error that names another failure of ours does not count, whatever
// caused it.
func free(err error) bool {
	var e *vitrine.Error
	var up *provider.Error
	if !errors.As(err, &e) || e.Kind != vitrine.ErrUpstream || e.Code == "provider_account" || !errors.As(e.Err, &up) {
		return false
	}
	unsent := up.Status == 0 && (up.Code == provider.CodeUnreachable || up.Code == provider.CodeTimeout)
	return up.Charged == provider.ChargedNo && (unsent || up.Status >= http.StatusInternalServerError)
}

// retry tells clients whether to try again by themselves, and when. Without
// being told they do after 409, 429 and 5xx, which may pay twice. free is that
// the first attempt surely cost nothing.
func retry(h http.Header, p *problem.Problem, code string, free bool) {
	if p.Status < http.StatusConflict {
		return
	}
	again := free || p.RetryAfter > 0 || code == "rate_limit_exceeded" || p.Status == http.StatusServiceUnavailable
	if code == "insufficient_quota" {
		again = false
	}
	h.Set("X-Should-Retry", strconv.FormatBool(again))
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
}

// refuse answers what no route is there for. It tells nothing, so it asks
// nobody who they are.
func (f *Front) refuse(w http.ResponseWriter, r *http.Request, status int, code, text string) {
	web.Drain(w, r)
	write(w, status, failure{failureBody{Message: text, Type: "invalid_request_error", Code: &code}})
}

// write sends a small answer.
func write(w http.ResponseWriter, status int, v any) {
	b := encode(v)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	out := web.NewWriter(w)
	defer out.Done()
	_, _ = out.Write(b) // the client has gone; there is nobody to tell
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // of our own types
		panic(err)
	}
	return b
}
