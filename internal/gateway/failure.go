package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/store"
)

// owed reports whether a service is owed something after a failed call. What was
// refused before it was sent cost nothing. Whoever answered whole in its dialect,
// and with nothing that can be kept, is owed nothing; whoever did not answer whole,
// or answered bytes that may be a picture, may have been paid, and that counts as
// spent.
func owed(err error) bool {
	var up *provider.Error
	if !errors.As(err, &up) {
		return !errors.Is(err, vitrine.ErrInvalid)
	}
	switch up.Charged {
	case provider.ChargedNo:
		return false
	case provider.ChargedYes:
		return true
	}
	switch up.Code {
	case provider.CodeTimeout, provider.CodeCut, provider.CodeCanceled, // who knows
		provider.CodeNotFetched, provider.CodeTooMany, provider.CodeFiltered, // it was made
		provider.CodeOtherKind, provider.CodeWrongService: // it may be what was made
		return true
	}
	return up.Status == http.StatusGatewayTimeout
}

// upstream is the caller's error for what a service did.
func (g *Gateway) upstream(err error) error {
	var up *provider.Error
	if !errors.As(err, &up) {
		return err
	}
	e := &vitrine.Error{Kind: vitrine.ErrUpstream, Code: codeWord(up.Code), Public: up.Message, RetryAfter: waitOf(up.RetryAfter, g.now()), Err: err}
	switch {
	case up.Code == provider.CodeNotKept:
		e.Code, e.Public = "not_kept", "The image could not be kept. It may have been paid for; an operator has been told."
	case up.Code == provider.CodeFiltered || up.Code == "content_policy_violation":
		e.Kind = vitrine.ErrInvalid // whatever its status: another prompt is what helps
	case up.Status == http.StatusTooManyRequests && up.Code != "insufficient_quota":
		e.Kind, e.Code = vitrine.ErrExhausted, "rate_limited_upstream"
	case up.Status == http.StatusUnauthorized || up.Status == http.StatusForbidden || up.Status == http.StatusPaymentRequired || up.Status == http.StatusTooManyRequests:
		// This is between the operator and the service.
		e.Code, e.Public = "provider_account", "The image service refuses this system's account. An operator has to look at it."
	case up.Status == http.StatusBadRequest || up.Status == http.StatusUnprocessableEntity:
		e.Kind, e.Param = vitrine.ErrInvalid, up.Param
	case up.Status >= http.StatusInternalServerError:
		// What a broken service says of itself is not for its callers' callers.
		e.Public = "The image service failed with " + strconv.Itoa(up.Status) + "."
	}
	return e
}

// codeWord is a service's code if it is one. It goes into the log in clear, so
// it must have no room for a prompt.
func codeWord(code string) string {
	if len(code) > 64 || !vitrine.ID(code).Valid() {
		return "upstream_failed"
	}
	return code
}

// maxWait bounds what a service may tell callers to wait.
const maxWait = 24 * time.Hour

// waitOf reads Retry-After, which is a number of seconds or a date; 0 where it
// says nothing of use.
func waitOf(header string, now time.Time) int {
	header = strings.TrimSpace(header)
	n, err := strconv.ParseFloat(header, 64)
	if err != nil {
		date, derr := http.ParseTime(header)
		if derr != nil {
			return 0
		}
		n = date.Sub(now).Seconds()
	}
	if !(n > 0) {
		return 0
	}
	return seconds(time.Duration(min(n, maxWait.Seconds()) * float64(time.Second)))
}

// fail ends a generation of which nothing can be kept: the reservation is given
// back where the service charged nothing, and counts as spent otherwise. It
// answers the caller's error once that is recorded.
func (g *Gateway) fail(ctx context.Context, m *generation, cause error) error {
	caller := g.upstream(cause)
	err := g.insist(ctx, func(ctx context.Context) error {
		e := m.entry()
		e.Outcome, e.Code = vitrine.Broken, codeOf(caller)
		return g.guard.Finish(ctx, m.receipt, e, func(tx *store.Tx) error {
			if err := m.end(tx, e); err != nil {
				return err
			}
			return m.failReply(tx, caller)
		})
	})
	if err != nil {
		// The reservation stays until the sweep counts it as spent.
		return paid(errors.Join(err, caller), "failed_unrecorded", "The image service failed, and that cannot be recorded right now. It may have been paid for.")
	}
	return caller
}

// failureText is what the log says of a failed call: the service's own words
// stay out of it, for they may repeat the prompt.
func failureText(err error) string {
	var up *provider.Error
	if !errors.As(err, &up) {
		return "the call failed"
	}
	s := "the service failed"
	if up.Status != 0 {
		s += " with " + strconv.Itoa(up.Status)
	}
	s += " (" + codeWord(up.Code) + "), "
	switch {
	case up.Cost != nil:
		return s + "and said what it charged"
	case up.Charged == provider.ChargedUnknown && owed(err):
		return s + "and may have charged: counted as spent"
	case owed(err):
		return s + "and charged"
	}
	return s + "owed nothing"
}
