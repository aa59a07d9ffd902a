package openai_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/openai"
	"vitrine.dev/vitrine/internal/problem"
)

func TestAnswer(t *testing.T) {
	left := 12*vitrine.Dollar + 345_678
	for _, size := range []int{0, 1, 2, 3, 48 << 10, 48<<10 + 1, 300_001} {
		picture := bytes.Repeat([]byte{0xfe, 1, 2}, size/3+1)[:size]
		body, told, err := openai.Render(&gateway.Answer{
			Created: time.Unix(1713833628, 0), Cost: 40_000, Remaining: &left, PaymentSource: "USD",
			Usage: json.RawMessage(`{"total_tokens":100}`), Echo: map[string]string{"size": "1024x1024", "quality": "high"},
			Images: []gateway.AnswerImage{
				{ID: "img-1", Size: int64(size), ReaderAt: bytes.NewReader(picture), RevisedPrompt: `a "cat"`},
				{ID: "img-2", LinkPath: "/l/token"},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if told != int64(len(body)) {
			t.Errorf("told %d bytes, sent %d", told, len(body))
		}
		var got any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%.200s: %v", body, err)
		}
		want := map[string]any{
			"created": 1713833628.0, "size": "1024x1024", "quality": "high", "usage": map[string]any{"total_tokens": 100.0},
			"cost": 0.04, "remainingBalance": 12.345678, "paymentSource": "USD",
			"data": []any{
				map[string]any{"b64_json": base64.StdEncoding.EncodeToString(picture), "revised_prompt": `a "cat"`},
				map[string]any{"url": "https://vitrine.example/l/token"},
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with %d bytes (-want +got):\n%s", size, diff)
		}
	}
}

// A picture that cannot be read makes no answer that looks whole.
func TestAnswerBroken(t *testing.T) {
	_, _, err := openai.Render(&gateway.Answer{Images: []gateway.AnswerImage{{ID: "img-1", Size: 10, ReaderAt: bytes.NewReader([]byte("short"))}}})
	if err == nil {
		t.Error("half a picture was sent as a whole one")
	}
}

func TestTranslate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		p      problem.Problem
		status int
		kind   string
		code   string
		again  string
	}{
		{"no key", problem.Problem{Status: 401, Code: "invalid_key"}, 401, "invalid_request_error", "invalid_api_key", ""},
		{"denied", problem.Problem{Status: 403, Code: "no_role"}, 403, "permission_error", "no_role", ""},
		{"a model denied", problem.Problem{Status: 403, Code: "model", Param: "model"}, 403, "permission_error", "model_not_allowed", ""},
		{"a size denied", problem.Problem{Status: 403, Code: "size", Param: "size"}, 400, "invalid_request_error", "invalid_parameter_value", ""},
		{"a response format denied", problem.Problem{Status: 403, Code: "response_format"}, 400, "invalid_request_error", "invalid_parameter_value", ""},
		{"no such model", problem.Problem{Status: 404, Code: "unknown_model", Param: "model"}, 404, "invalid_request_error", "model_not_found", ""},
		{"no such image", problem.Problem{Status: 404, Code: "not_found"}, 404, "invalid_request_error", "not_found", ""},
		{"too fast", problem.Problem{Status: 429, Code: "rate_limited", RetryAfter: 7}, 429, "requests", "rate_limit_exceeded", "true"},
		{"over budget", problem.Problem{Status: 402, Code: "budget_exhausted"}, 429, "insufficient_quota", "insufficient_quota", "false"},
		{"moderated", problem.Problem{Status: 400, Code: "moderation_blocked"}, 400, "image_generation_user_error", "moderation_blocked", ""},
		{"the provider failed", problem.Problem{Status: 502, Code: "upstream"}, 502, "server_error", "upstream", "false"},
		{"the provider is busy", problem.Problem{Status: 503, Code: "upstream_busy", RetryAfter: 3}, 503, "server_error", "upstream_busy", "true"},
		{"unrecorded", problem.Problem{Status: 503, Code: "unrecorded"}, 503, "server_error", "unrecorded", "true"},
	} {
		status, kind, code, h := openai.Translate(tt.p)
		if status != tt.status || kind != tt.kind || code != tt.code || h.Get("X-Should-Retry") != tt.again {
			t.Errorf("%s: got %d %s %s, retry %q", tt.name, status, kind, code, h.Get("X-Should-Retry"))
		}
	}
	if _, _, _, h := openai.Translate(problem.Problem{Status: 429, Code: "rate_limited", RetryAfter: 7}); h.Get("Retry-After") != "7" {
		t.Error("Retry-After was lost")
	}
}

// discard takes an answer as fast as it comes.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkAnswer(b *testing.B) {
	picture := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		if err := openai.Send(discard{}, &gateway.AnswerImage{Size: 1 << 20, ReaderAt: bytes.NewReader(picture)}); err != nil {
			b.Fatal(err)
		}
	}
}

var _ http.Handler = (*openai.Front)(nil)
