package provider

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"vitrine.dev/vitrine"
)

// What is known about money when a call failed. Unknown counts as spent with
// whoever keeps a budget.
const (
	ChargedNo      = "no"
	ChargedYes     = "yes"
	ChargedUnknown = "unknown"
)

// Codes of errors that the service itself gave none for.
const (
	CodeUnreachable  = "unreachable"        // no connection was made; nothing was sent
	CodeTimeout      = "timeout"            // no answer, or none in time
	CodeCanceled     = "canceled"           // the caller's context ended
	CodeCut          = "cut_answer"         // the answer broke off
	CodeBadAnswer    = "bad_answer"         // JSON at first, then not what the dialect says
	CodeWrongService = "wrong_service"      // a web page or no JSON at all: not the service that was meant
	CodeOtherKind    = "other_kind"         // a picture or a stream where JSON was asked for
	CodeTooLarge     = "answer_too_large"   // beyond a bound
	CodeTooMany      = "too_many_images"    // more pictures than asked for
	CodeNoImage      = "no_image"           // an answer without a picture
	CodeNoModel      = "model_not_found"    // a model that the service does not have
	CodeFiltered     = "moderation_blocked" // a picture that the service made and then withheld
	CodeForbiddenURL = "forbidden_url"      // an answer that points where it may not
	CodeRedirect     = "redirect"           // the service sends its callers elsewhere
	CodeNotFetched   = "not_fetched"        // an allowed URL gave no picture
	CodeNotKept      = "not_kept"           // the sink failed, not the service
)

// Error is how a service failed. It is an ErrUpstream.
type Error struct {
	Status     int    // HTTP status, 0 when there was none
	Code, Type string // the service's own, else one of the codes above
	Message    string // safe to show: never holds a credential, bounded length
	Param      string
	RetryAfter string // header as it came; seconds when the service said milliseconds
	// Charged says whether the service took money: "no", "yes", "unknown".
	Charged string
	// Cost is what the service said it charged before it failed, or nil.
	Cost *vitrine.Micros
	Err  error
}

// Error is the message alone; Err is for the process log.
func (e *Error) Error() string { return e.Message }

// Unwrap answers the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports that every failure of a service is an ErrUpstream.
func (e *Error) Is(target error) bool { return target == vitrine.ErrUpstream }

// fail is an error of ours after a request was sent.
func fail(code, charged, message string, err error) *Error {
	return &Error{Code: code, Charged: charged, Message: message, Err: err}
}

const (
	maxMessage   = 300 // runes of a service's own text that are shown
	maxErrorBody = 64 << 10
)

// refusal reads what a service said with a status that is not 200.
func (s *service) refusal(resp *http.Response, body []byte) *Error {
	e := &Error{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header), Charged: ChargedNo}
	known := e.read(body)
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Code, e.Message = CodeRedirect, "The service sends its callers elsewhere; its base URL has to be where it really is."
	case resp.StatusCode < 300 || resp.StatusCode == http.StatusGatewayTimeout || resp.StatusCode >= 500 && !known:
		// Something in front of the service gave up waiting for it, or spoke
		// in its place: the picture may have been made and paid for.
		e.Charged = ChargedUnknown
	}
	if e.Message == "" {
		e.Message = "The service answered " + strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode) + "."
	}
	e.Message = s.clean(e.Message)
	e.Code, e.Type, e.Param = word(s.clean(e.Code)), word(s.clean(e.Type)), word(s.clean(e.Param))
	return e
}

// read fills e from an error body in one of the shapes seen: OpenAI's object,
// NanoGPT's old string and its doubled code, AUTOMATIC1111's class with detail,
// Stability's name with a list. It reports whether body was one.
func (e *Error) read(body []byte) bool {
	var top struct {
		Error   json.RawMessage `json:"error"`
		Code    any             `json:"code"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
		Name    string          `json:"name"`
		Errors  json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(body, &top) != nil {
		return false
	}
	var in struct {
		Message, Type, Param, Parameter string
		Code                            any
	}
	var text string
	switch {
	case json.Unmarshal(top.Error, &in) == nil && string(top.Error) != "null":
		e.Message, e.Type, e.Param = in.Message, in.Type, in.Param
		if e.Param == "" {
			e.Param = in.Parameter
		}
	case e.detail(top.Detail, top.Errors):
		e.Code = top.Name // of Stability's, else the class of AUTOMATIC1111's
		if class := ""; json.Unmarshal(top.Error, &class) == nil && class != "HTTPException" {
			e.Code = cmp.Or(e.Code, class)
		}
	case json.Unmarshal(top.Error, &text) == nil && text != "":
		e.Message = text
	case top.Message != "":
		e.Message = top.Message
	default:
		return false
	}
	for _, code := range []any{in.Code, top.Code} {
		if c, ok := code.(string); ok && e.Code == "" {
			e.Code = c
		}
	}
	return true
}

// detail reads what stands beside an error: a text, a list of texts, or a list
// of what is wrong with which field.
func (e *Error) detail(all ...json.RawMessage) bool {
	for _, raw := range all {
		var one string
		var several []string
		var fields []struct {
			Message  string `json:"msg"`
			Location []any  `json:"loc"`
		}
		switch {
		case json.Unmarshal(raw, &one) == nil && one != "":
			e.Message = one
		case json.Unmarshal(raw, &several) == nil && len(several) > 0:
			e.Message = strings.Join(several[:min(len(several), 10)], " ")
		case json.Unmarshal(raw, &fields) == nil && len(fields) > 0:
			e.Message = fields[0].Message
			if n := len(fields[0].Location); n > 0 {
				e.Param, _ = fields[0].Location[n-1].(string)
			}
		default:
			continue
		}
		return true
	}
	return false
}

// retryAfter is the header as it came, if it is one of the forms that clients
// understand.
func retryAfter(h http.Header) string {
	if v := h.Get("Retry-After"); v != "" && len(v) <= 40 && strings.IndexFunc(v, unprintable) < 0 {
		return v
	}
	if ms, err := strconv.ParseUint(h.Get("Retry-After-Ms"), 10, 40); err == nil {
		return strconv.FormatUint((ms+999)/1000, 10)
	}
	return ""
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

// word is a code or field name: short, printable, or nothing.
func word(s string) string {
	if len(s) > 80 || strings.IndexFunc(s, unprintable) >= 0 {
		return ""
	}
	return s
}

// bearer finds what looks like a credential even when it is not ours: a
// service may repeat a part of the key, or the key of somebody behind it.
var bearer = regexp.MustCompile(`(?i)\b(bearer\s+|sk-|pk-|key-|api[_-]?key[=:]\s*)[A-Za-z0-9._~+/=*-]{4,}`)

const scrubbed = "[credential]"

// clean makes a service's text safe to show: without our credential in any
// usual form, without control characters, at most maxMessage runes.
func (s *service) clean(text string) string {
	if len(text) > 16*maxMessage {
		text = text[:16*maxMessage]
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if secret := s.secret.Reveal(); secret != "" {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
			text = strings.ReplaceAll(text, form, scrubbed)
		}
		text = dropParts(text, secret)
	}
	text = bearer.ReplaceAllString(text, scrubbed)
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	}), " ")
	if utf8.RuneCountInString(text) > maxMessage {
		text = string([]rune(text)[:maxMessage-1]) + "…"
	}
	return text
}

// dropParts removes runs of eight or more bytes of the secret, as left by a
// service that shortens a key before it repeats it.
func dropParts(text, secret string) string {
	const run = 8
	for i := 0; i+run <= len(secret); i++ {
		for j := strings.Index(text, secret[i:i+run]); j >= 0; j = strings.Index(text, secret[i:i+run]) {
			n := run
			for i+n < len(secret) && j+n < len(text) && text[j+n] == secret[i+n] {
				n++
			}
			text = text[:j] + scrubbed + text[j+n:]
		}
	}
	return text
}

// broken says why no answer, or no whole one, came. sent tells whether the
// request may have reached the service.
func broken(ctx context.Context, sent bool, err error) *Error {
	charged := ChargedUnknown
	if !sent {
		charged = ChargedNo
	}
	var known *Error
	var blocked *privateError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &blocked):
		return fail(CodeUnreachable, charged, "The service's address is private; the server does not allow that.", err)
	case errors.Is(context.Cause(ctx), errIdle):
		return fail(CodeTimeout, charged, "The service fell silent in the middle of its answer.", errIdle)
	case errors.Is(ctx.Err(), context.DeadlineExceeded) || isTimeout(err):
		return fail(CodeTimeout, charged, "The service did not answer in time.", err)
	case ctx.Err() != nil:
		return fail(CodeCanceled, charged, "The call to the service was given up.", err)
	case !sent:
		return fail(CodeUnreachable, charged, "The service cannot be reached.", err)
	}
	return fail(CodeCut, charged, "The service's answer broke off.", err)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
