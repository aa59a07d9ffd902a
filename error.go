package vitrine

import "errors"

// The kinds of error. A front turns a kind into a status in one table
// (package problem); no other place chooses one.
var (
	ErrUnauthenticated = errors.New("not authenticated") // who asks is not known
	ErrDenied          = errors.New("denied")            // known, may know of it, may not do it
	ErrNotFound        = errors.New("not found")         // absent, or nothing may be known of it
	ErrConflict        = errors.New("conflict")          // changed since it was read, or already there
	ErrInvalid         = errors.New("invalid")           // the request cannot be right for anybody
	ErrTooLarge        = errors.New("too large")         // beyond a bound on bytes, pixels or frames
	ErrExhausted       = errors.New("exhausted")         // a budget or a rate limit is used up
	ErrUnavailable     = errors.New("unavailable")       // a part of the system cannot answer now
	ErrUpstream        = errors.New("upstream")          // the image service failed
	ErrDamaged         = errors.New("damaged")           // what is stored is not what was kept
)

// Error is an error of a kind with text that is safe to show. Everything else
// about it, Err above all, is internal.
type Error struct {
	Kind   error  // one of the kinds above
	Code   string // stable, for programs: "unknown_model", "needs_approval"
	Public string // one sentence that says what to do next
	Param  string // the field at fault, or ""
	Err    error  // the cause, or nil

	// RetryAfter is how many seconds to wait, or 0 where waiting does not help
	// or nobody knows.
	RetryAfter int
	// Decision is the refusal behind a denied error, or nil.
	Decision *Decision
}

// Error is the public text with its cause, for the process log.
func (e *Error) Error() string {
	s := e.Public
	if s == "" {
		s = e.Kind.Error()
	}
	if e.Param != "" {
		s = e.Param + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap answers the kind and the cause, so that errors.Is finds both.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Invalid is an ErrInvalid that names the field at fault.
func Invalid(param, code, public string) *Error {
	return &Error{Kind: ErrInvalid, Param: param, Code: code, Public: public}
}
