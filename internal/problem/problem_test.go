package problem_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/problem"
)

func TestOf(t *testing.T) {
	secret := errors.New("password=hunter2 at /var/lib/x")
	hint := &vitrine.Decision{Code: vitrine.CodeTier, Failed: vitrine.FailedPermission, Binding: "b-secret",
		Nearest: vitrine.Nearest{Hint: "needs Data Steward"}, Revision: 7}
	hidden := &vitrine.Decision{Code: vitrine.CodeNoRole, Hidden: true}
	tests := []struct {
		name, code, detail string
		err                error
		status             int
	}{
		{"unknown error", "internal", "This is our fault. Tell your operator the request's id.", secret, 500},
		{"no error", "internal", "This is our fault. Tell your operator the request's id.", nil, 500},
		{"bare kind", "not_found", "", fmt.Errorf("open image x: %w", vitrine.ErrNotFound), 404},
		{"unauthenticated", "invalid_key", "No.", &vitrine.Error{Kind: vitrine.ErrUnauthenticated, Code: "invalid_key", Public: "No.", Err: secret}, 401},
		{"denied, wrapped", "tier", "No role held here reaches this tier; needs Data Steward.",
			fmt.Errorf("open: %w", &vitrine.Error{Kind: vitrine.ErrDenied, Code: "tier", Decision: hint, Err: secret}), 403},
		{"denied, hidden decision", "denied", "", &vitrine.Error{Kind: vitrine.ErrDenied, Decision: hidden}, 403},
		{"conflict", "revision", "Look again.", &vitrine.Error{Kind: vitrine.ErrConflict, Code: "revision", Public: "Look again."}, 409},
		{"invalid", "n", "At most 10.", vitrine.Invalid("n", "n", "At most 10."), 400},
		{"too large", "too_large", "", vitrine.ErrTooLarge, 413},
		{"budget", "budget_exhausted", "", &vitrine.Error{Kind: vitrine.ErrExhausted, Code: "budget_exhausted"}, 402},
		{"rate", "rate_limited", "", &vitrine.Error{Kind: vitrine.ErrExhausted, Code: "rate_limited"}, 429},
		{"unavailable", "unrecorded", "", &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "unrecorded"}, 503},
		{"upstream", "bad_answer", "", &vitrine.Error{Kind: vitrine.ErrUpstream, Code: "bad_answer"}, 502},
		{"damaged", "image_damaged", "A backup may have it.", &vitrine.Error{Kind: vitrine.ErrDamaged, Code: "image_damaged", Public: "A backup may have it.", Err: secret}, 500},
		{"upstream late", "timeout", "", &vitrine.Error{Kind: vitrine.ErrUpstream, Code: "timeout"}, 504},
		{"denied and could not be recorded", "unavailable", "",
			errors.Join(&vitrine.Error{Kind: vitrine.ErrDenied, Code: "tier", Public: "No."}, vitrine.ErrUnavailable), 503},
		{"invalid because of something not found", "x", "",
			&vitrine.Error{Kind: vitrine.ErrInvalid, Code: "x", Err: vitrine.ErrNotFound}, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := problem.Of(tt.err, "req_1")
			if p.Status != tt.status || p.Code != tt.code || p.Detail != tt.detail || p.Request != "req_1" {
				t.Errorf("got %d %q %q (%q), want %d %q %q", p.Status, p.Code, p.Detail, p.Request, tt.status, tt.code, tt.detail)
			}
			w := httptest.NewRecorder()
			problem.Write(w, p)
			body := w.Body.String()
			if strings.Contains(body, "hunter2") || strings.Contains(body, "b-secret") {
				t.Errorf("leaks: %s", body)
			}
			var back map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &back); err != nil || w.Code != tt.status {
				t.Errorf("status %d, %v in %s", w.Code, err, body)
			}
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	w := httptest.NewRecorder()
	problem.Write(w, problem.Of(vitrine.ErrUnauthenticated, ""))
	if w.Header().Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	w = httptest.NewRecorder()
	problem.Write(w, problem.Of(&vitrine.Error{Kind: vitrine.ErrExhausted, Code: "rate_limited", RetryAfter: 12}, ""))
	if got := w.Header().Get("Retry-After"); got != "12" {
		t.Errorf("Retry-After %q", got)
	}
	for code, want := range map[string]string{"unknown_route": "urn:vitrine:problem:unknown_route", "": "about:blank"} {
		w = httptest.NewRecorder()
		problem.Write(w, problem.Problem{Status: 404, Title: "Not found", Code: code})
		if !strings.Contains(w.Body.String(), `{"type":"`+want+`"`) {
			t.Errorf("the type of code %q: %s, want %s", code, w.Body, want)
		}
	}
	w = httptest.NewRecorder()
	problem.Write(w, problem.Problem{Status: 500, Title: "x", Decision: func() {}})
	if !strings.Contains(w.Body.String(), `"title":"x"`) {
		t.Errorf("a decision that cannot be written ate the problem: %s", w.Body)
	}
}
