package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"vitrine.dev/vitrine"
)

// Error is what the server answered instead of what was asked for.
type Error struct {
	Status     int             `json:"status"`
	Title      string          `json:"title"`
	Detail     string          `json:"detail,omitempty"`
	Code       string          `json:"code,omitempty"`    // stable, for programs
	Param      string          `json:"param,omitempty"`   // the field at fault
	Request    string          `json:"request,omitempty"` // id under which the server's log has it
	RetryAfter int             `json:"-"`                 // seconds; 0 is not said
	Decision   json.RawMessage `json:"decision,omitempty"`
}

// Error is the detail, or the title where there is none.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	if text == "" {
		text = http.StatusText(e.Status)
	}
	if e.Param != "" {
		text = e.Param + ": " + text
	}
	return text
}

// Unwrap answers the kind of error.
func (e *Error) Unwrap() error {
	switch e.Status {
	case http.StatusUnauthorized:
		return vitrine.ErrUnauthenticated
	case http.StatusForbidden:
		return vitrine.ErrDenied
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return vitrine.ErrNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return vitrine.ErrConflict
	case http.StatusRequestEntityTooLarge:
		return vitrine.ErrTooLarge
	case http.StatusPaymentRequired, http.StatusTooManyRequests:
		return vitrine.ErrExhausted
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return vitrine.ErrUpstream
	case http.StatusServiceUnavailable:
		return vitrine.ErrUnavailable
	}
	if e.Status >= 400 && e.Status < 500 {
		return vitrine.ErrInvalid
	}
	return nil
}

const maxError = 64 << 10

// refusal reads and closes an answer that is none.
func refusal(resp *http.Response) error {
	defer resp.Body.Close() // of no more use
	e := &Error{Status: resp.StatusCode, Request: resp.Header.Get("X-Request-Id")}
	e.RetryAfter, _ = strconv.Atoi(resp.Header.Get("Retry-After")) // 0 is not said
	if to := resp.Header.Get("Location"); resp.StatusCode >= 300 && resp.StatusCode < 400 {
		e.Title = "Redirect"
		e.Detail = fmt.Sprintf("The server sends its callers to %s; use that as the server.", to)
		return e
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil {
		e.Title = http.StatusText(resp.StatusCode)
		return e
	}
	e.read(resp.Header.Get("Content-Type"), text)
	return e
}

// read takes a problem, or an error in OpenAI's shape.
func (e *Error) read(kind string, text []byte) {
	var openai struct {
		Error struct {
			Message string `json:"message"`
			Param   string `json:"param"`
			Code    string `json:"code"`
		} `json:"error"`
	}
	status, request := e.Status, e.Request
	switch {
	case !strings.Contains(kind, "json"):
	case json.Unmarshal(text, &openai) == nil && openai.Error.Message != "":
		e.Detail, e.Param, e.Code = openai.Error.Message, openai.Error.Param, openai.Error.Code
	default:
		if json.Unmarshal(text, e) != nil {
			e.Detail = ""
		}
	}
	e.Status = status
	if e.Request == "" {
		e.Request = request
	}
	if e.Title == "" {
		e.Title = http.StatusText(status)
	}
}
