package providertest

import (
	"errors"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
)

// failure is a misbehaviour, and what becomes of it.
type failure struct {
	name    string
	act     Behaviour
	n       int
	code    string
	charged string
	status  int
	retry   string
}

func (s *suite) testFailures(t *testing.T) {
	tests := []failure{
		{name: "rate limit", act: RateLimited("7"), code: "rate_limit_exceeded", charged: "no", status: 429, retry: "7"},
		{name: "rate limit by date", act: RateLimited("Wed, 21 Oct 2026 07:28:00 GMT"), code: "rate_limit_exceeded", charged: "no", status: 429, retry: "Wed, 21 Oct 2026 07:28:00 GMT"},
		{name: "server error", act: ServerError, charged: "no", status: 500},
		{name: "unavailable with retry", act: Status(503, "application/json", `{"error":{"message":"busy"}}`, "Retry-After", "2"), charged: "no", status: 503, retry: "2"},
		{name: "milliseconds", act: Status(429, "application/json", `{"error":{"message":"slow"}}`, "Retry-After-Ms", "1500"), charged: "no", status: 429, retry: "2"},
		{name: "bad gateway page", act: BadGateway, charged: "unknown", status: 502},
		{name: "gateway timeout", act: Status(504, "application/json", `{"error":{"message":"late"}}`), charged: "unknown", status: 504},
		{name: "old error shape", act: Status(402, "application/json", `{"error":"Insufficient balance","requiredBalance":0.0035,"status":402}`), charged: "no", status: 402},
		{name: "error under 200", act: Status(200, "application/json", `{"error":{"message":"queue full","code":"busy"}}`), code: "busy", charged: "unknown", status: 200},
		{name: "credential repeated", act: Leaks, code: "invalid_api_key", charged: "no", status: 401},
		{name: "no JSON", act: NotJSON, code: provider.CodeWrongService, charged: "unknown"},
		{name: "web page", act: HTML, code: provider.CodeWrongService, charged: "no", status: 200},
		{name: "event stream", act: Status(200, "text/event-stream", "event: x\n\n"), code: provider.CodeOtherKind, charged: "unknown", status: 200},
		{name: "nothing", act: Status(200, "application/json", ""), code: provider.CodeBadAnswer, charged: "unknown"},
		{name: "nested junk", act: Status(200, "application/json", `{"x":`+strings.Repeat("[", 100_000)), code: provider.CodeBadAnswer, charged: "unknown"},
		{name: "cut", act: Cut, code: provider.CodeCut, charged: "unknown"},
		{name: "endless picture", act: Endless, code: provider.CodeTooLarge, charged: "unknown"},
		{name: "endless error", act: EndlessError, charged: "unknown", status: 500},
		{name: "silence", act: Silence, code: provider.CodeTimeout, charged: "unknown"},
		{name: "compressed", act: Zipped, code: provider.CodeBadAnswer, charged: "unknown", status: 200},
		{name: "redirect", act: Redirect("http://192.0.2.1/v1/images/generations"), code: provider.CodeRedirect, charged: "no", status: 307},
	}
	if s.NoCodes {
		for i := range tests {
			if tests[i].status >= 400 {
				tests[i].code = ""
			}
		}
	}
	for _, tt := range append(tests, s.ownFailures()...) {
		t.Run(tt.name, func(t *testing.T) {
			g := s.setUp(t)
			g.Script(tt.act)
			_, err := g.Generate(t.Context(), g.request(max(tt.n, 1)))
			e := wantError(t, err)
			if e.Code != tt.code || e.Charged != tt.charged || e.Status != tt.status || e.RetryAfter != tt.retry {
				t.Errorf("got code %q, charged %q, status %d, retry %q (%v: %v); want %q, %q, %d, %q",
					e.Code, e.Charged, e.Status, e.RetryAfter, e, e.Err, tt.code, tt.charged, tt.status, tt.retry)
			}
			if g.Count() != 1 {
				t.Errorf("the service was asked %d times; a retry may pay twice", g.Count())
			}
			// It works again afterwards, over the same connections or new ones.
			g.got[0].Reset()
			g.forget()
			if res, err := g.Generate(t.Context(), g.request(1)); err != nil {
				t.Errorf("afterwards: %v", err)
			} else {
				g.want(t, res, 1)
			}
		})
	}
}

// ownFailures are those that a dialect has for itself.
func (s *suite) ownFailures() []failure {
	json := func(body string) Behaviour { return Status(200, "application/json", body) }
	switch {
	case s.Bytes:
		return []failure{
			{name: "moderation", act: Moderated, code: provider.CodeFiltered, charged: "no", status: 403},
			{name: "filtered", act: Filtered, code: provider.CodeFiltered, charged: "unknown", status: 200},
			{name: "unfinished", act: Status(200, "image/png", "x", "Finish-Reason", "ERROR"), code: "error", charged: "unknown", status: 200},
			{name: "no bytes", act: Status(200, "image/png", ""), code: provider.CodeNoImage, charged: "unknown"},
			{name: "own error under 200", act: json(`{"id":"1","name":"bad_request","errors":["some-field: is required"]}`), code: "bad_request", charged: "unknown", status: 200},
			{name: "JSON", act: json(`{"image":"QUJD","finish_reason":"SUCCESS"}`), code: provider.CodeBadAnswer, charged: "unknown"},
			{name: "a length that lies", act: Status(200, "image/png", strings.Repeat("x", 2<<20)), code: provider.CodeTooLarge, charged: "unknown"},
		}
	case s.NoURLs:
		return []failure{
			{name: "garbage", act: json(`{"images":["QUJD"}}}}]`), code: provider.CodeBadAnswer, charged: "unknown"},
			{name: "out of memory", act: Status(500, "application/json", `{"error":"OutOfMemoryError","detail":"","body":"","errors":"CUDA out of memory."}`), code: "OutOfMemoryError", charged: "no", status: 500},
			{name: "a field refused", act: Status(422, "application/json", `{"detail":[{"loc":["body","width"],"msg":"value is not a valid integer","type":"type_error"}]}`), charged: "no", status: 422},
			{name: "no images", act: json(`{"parameters":{},"info":"{}"}`), code: provider.CodeNoImage, charged: "unknown"},
			{name: "interrupted", act: json(`{"images":[],"parameters":{},"info":"{}"}`), code: provider.CodeNoImage, charged: "unknown"},
			{name: "null", act: json(`{"images":[null]}`), code: provider.CodeNoImage, charged: "unknown"},
			{name: "an object for a picture", act: json(`{"images":[{}]}`), code: provider.CodeBadAnswer, charged: "unknown"},
			{name: "broken base64", act: json(`{"images":["QUJD!UJD"]}`), code: provider.CodeBadAnswer, charged: "unknown"},
			{name: "own error under 200", act: json(`{"error":"RuntimeError","detail":"not enough memory"}`), charged: "unknown", status: 200},
			{name: "endless space", act: EndlessSpace, code: provider.CodeTooLarge, charged: "unknown"},
			{name: "too many", act: TooMany, code: provider.CodeTooMany, charged: "unknown"},
			{name: "too many of three", act: TooMany, n: 3, code: provider.CodeTooMany, charged: "unknown"},
		}
	}
	return []failure{
		{name: "moderation", act: Moderated, code: "moderation_blocked", charged: "no", status: 400},
		{name: "garbage", act: Garbage, code: provider.CodeBadAnswer, charged: "unknown"},
		{name: "no data", act: json(`{"created":1}`), code: provider.CodeNoImage, charged: "unknown"},
		{name: "empty data", act: json(`{"data":[]}`), code: provider.CodeNoImage, charged: "unknown"},
		{name: "empty element", act: json(`{"data":[{"b64_json":null,"url":null}]}`), code: provider.CodeNoImage, charged: "unknown"},
		{name: "broken base64", act: json(`{"data":[{"b64_json":"QUJD!UJD"}]}`), code: provider.CodeBadAnswer, charged: "unknown"},
		{name: "endless space", act: EndlessSpace, code: provider.CodeTooLarge, charged: "unknown"},
		{name: "too many", act: TooMany, code: provider.CodeTooMany, charged: "unknown"},
		{name: "too many of three", act: TooMany, n: 3, code: provider.CodeTooMany, charged: "unknown"},
	}
}

// wantError checks what holds for every failure.
func wantError(t *testing.T, err error) *provider.Error {
	t.Helper()
	e := &provider.Error{}
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want a *provider.Error", err, err)
	}
	if !errors.Is(err, vitrine.ErrUpstream) {
		t.Errorf("%v is no ErrUpstream", err)
	}
	shown := e.Message + e.Code + e.Type + e.Param + e.RetryAfter
	if e.Message == "" || len([]rune(e.Message)) > 300 || strings.ContainsAny(shown, "\n\x00") {
		t.Errorf("message %q is empty, too long or not printable", e.Message)
	}
	if strings.Contains(shown, Secret.Reveal()[6:14]) {
		t.Errorf("the credential shows: %q", shown)
	}
	return e
}
