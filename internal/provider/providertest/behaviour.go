package providertest

import (
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is the usual body: OpenAI's fields and, on NanoGPT's routes or when a
// cost is set, NanoGPT's.
func (u *Upstream) answer(c *Call, data []map[string]any) map[string]any {
	v := map[string]any{
		"created": 1713833628, "data": data,
		"background": "opaque", "output_format": "png", "quality": "high", "size": "32x32",
		"usage": map[string]any{"total_tokens": 100, "input_tokens": 50, "output_tokens": 50,
			"input_tokens_details": map[string]any{"text_tokens": 10, "image_tokens": 40}},
	}
	cost := u.Cost
	if cost == "" && strings.HasPrefix(c.Path, "/api/") {
		cost = "0.02"
	}
	if cost != "" {
		maps.Copy(v, map[string]any{"cost": rawNumber(cost), "paymentSource": "USD", "remainingBalance": rawNumber("12.5")})
	}
	return v
}

type rawNumber string

// MarshalJSON writes the number as it was given.
func (n rawNumber) MarshalJSON() ([]byte, error) { return []byte(n), nil }

// Success answers as many pictures as asked, in base64. It is the default.
func Success(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
	c.tongue.pictures(u, w, r, c, c.N)
}

// TooMany answers one picture more than asked.
func TooMany(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
	c.tongue.pictures(u, w, r, c, c.N+1)
}

// Fewer answers one picture less than asked.
func Fewer(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
	c.tongue.pictures(u, w, r, c, c.N-1)
}

// URLs answers with URLs on the service itself.
func URLs(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) {
	data := []map[string]any{}
	for i := range c.N {
		data = append(data, map[string]any{"url": u.Host(fmt.Sprintf("/files/%d.png", i), u.Picture(i, c))})
	}
	u.json(w, http.StatusOK, u.answer(c, data))
}

// URL answers with that URL for every picture.
func URL(url string) Behaviour {
	return func(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) {
		data := []map[string]any{}
		for range c.N {
			data = append(data, map[string]any{"url": url})
		}
		u.json(w, http.StatusOK, u.answer(c, data))
	}
}

// Status answers with a status and a body; header is pairs of name and value.
func Status(status int, contentType, body string, header ...string) Behaviour {
	return func(_ *Upstream, w http.ResponseWriter, _ *http.Request, _ *Call) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			return // the client has gone
		}
	}
}

// RateLimited answers 429 with Retry-After.
func RateLimited(after string) Behaviour {
	return func(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) {
		w.Header().Set("Retry-After", after)
		u.json(w, http.StatusTooManyRequests, c.tongue.failure("Rate limit reached for images per minute.", "requests", "rate_limit_exceeded"))
	}
}

// Moderated refuses a prompt: with 400 as OpenAI does, with 403 as Stability.
func Moderated(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) {
	status := http.StatusBadRequest
	if c.tongue == &stabilityTongue {
		status = http.StatusForbidden
	}
	u.json(w, status, c.tongue.failure("Your request was rejected by the safety system.", "image_generation_user_error", "moderation_blocked"))
}

// ServerError answers 500 in the dialect.
func ServerError(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) {
	u.json(w, http.StatusInternalServerError, c.tongue.failure("The server had an error while processing your request.", "server_error", ""))
}

// Filtered answers 200 and a picture that Stability blurred.
func Filtered(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) {
	w.Header().Set("Finish-Reason", "CONTENT_FILTERED")
	w.Header().Set("Content-Type", "image/png")
	if _, err := w.Write(u.Picture(0, c)); err != nil {
		return // the client has gone
	}
}

// Leaks answers 401 and repeats the credential, as careless services do.
func Leaks(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) {
	u.json(w, http.StatusUnauthorized, c.tongue.failure("Incorrect API key provided: "+c.Authorization+". Bearer "+c.Authorization+" is unknown.", "invalid_request_error", "invalid_api_key"))
}

// Garbage answers 200 and JSON that breaks off into nonsense.
func Garbage(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
	Status(http.StatusOK, "application/json", `{"data":[{"b64_json":"AAAA"}}}}]`)(u, w, r, c)
}

// NotJSON answers 200 and what is no JSON at all.
func NotJSON(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
	Status(http.StatusOK, "application/octet-stream", "\x00\x01\x02 nothing of use")(u, w, r, c)
}

// HTML answers 200 and a web page, as a wrong base URL does.
func HTML(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
	Status(http.StatusOK, "text/html; charset=utf-8", "<!doctype html><title>Welcome</title><p>Sign in to continue.")(u, w, r, c)
}

// BadGateway answers 502 and a web page, as a proxy in front does.
func BadGateway(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
	Status(http.StatusBadGateway, "text/html", "<html><h1>502 Bad Gateway</h1><hr>nginx</html>")(u, w, r, c)
}

// Redirect answers 307 to another place.
func Redirect(to string) Behaviour {
	return Status(http.StatusTemporaryRedirect, "text/plain", "elsewhere", "Location", to)
}

// Cut breaks the connection in the middle of the picture.
func Cut(_ *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) {
	body := c.tongue.begin + strings.Repeat(c.tongue.more, 100)
	w.Header().Set("Content-Type", c.tongue.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1000))
	if _, err := io.WriteString(w, body); err != nil {
		return // the client has gone
	}
	panic(http.ErrAbortHandler)
}

// Endless answers a picture that never ends.
func Endless(_ *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
	endless(w, r, c.tongue.kind, c.tongue.begin, strings.Repeat(c.tongue.more, 4096))
}

// EndlessSpace answers white space that never ends.
func EndlessSpace(_ *Upstream, w http.ResponseWriter, r *http.Request, _ *Call) {
	endless(w, r, "application/json", `{"data":[`, strings.Repeat(" \n", 4096))
}

// EndlessError answers 500 with a body that never ends.
func EndlessError(_ *Upstream, w http.ResponseWriter, r *http.Request, _ *Call) {
	w.WriteHeader(http.StatusInternalServerError)
	endless(w, r, "application/json", `{"error":{"message":"`, strings.Repeat("oops ", 1024))
}

func endless(w http.ResponseWriter, r *http.Request, kind, start, more string) {
	w.Header().Set("Content-Type", kind)
	if _, err := io.WriteString(w, start); err != nil {
		return // the client has gone
	}
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, more); err != nil {
			return // the client has gone
		}
	}
}

// Silence starts an answer and then says nothing until the client goes.
func Silence(_ *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
	w.Header().Set("Content-Type", c.tongue.kind)
	if _, err := io.WriteString(w, c.tongue.begin+c.tongue.more); err != nil {
		return // the client has gone
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return // the client has gone
	}
	<-r.Context().Done()
}

// Hang does not even start an answer until the client goes.
func Hang(_ *Upstream, _ http.ResponseWriter, r *http.Request, _ *Call) { <-r.Context().Done() }

// Drip answers four characters of a picture every interval, for ever: never
// silent for long, never done.
func Drip(every time.Duration) Behaviour {
	return func(_ *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
		w.Header().Set("Content-Type", c.tongue.kind)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for text := c.tongue.begin; ; text = c.tongue.more {
			if _, err := io.WriteString(w, text); err != nil {
				return // the client has gone
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return // the client has gone
			}
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	}
}

// Zipped answers a compressed body that nobody asked for and that would grow
// a thousandfold.
func Zipped(_ *Upstream, w http.ResponseWriter, _ *http.Request, _ *Call) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	if _, err := io.WriteString(z, `{"data":[{"b64_json":"`+strings.Repeat("A", 4<<20)); err != nil {
		return // the client has gone
	}
	if err := z.Close(); err != nil {
		return // the client has gone
	}
}

// Wait holds an answer back until the channel is closed, then succeeds. With
// it a test can do something while a call is under way.
func Wait(until <-chan struct{}) Behaviour {
	return func(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
		select {
		case <-until:
			Success(u, w, r, c)
		case <-r.Context().Done():
		}
	}
}
