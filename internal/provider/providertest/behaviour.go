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
func Success(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) { u.pictures(w, c, c.N) }

// TooMany answers one picture more than asked.
func TooMany(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) { u.pictures(w, c, c.N+1) }

// Fewer answers one picture less than asked.
func Fewer(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) { u.pictures(w, c, c.N-1) }

func (u *Upstream) pictures(w http.ResponseWriter, c *Call, n int) {
	data := []map[string]any{}
	for i := range n {
		data = append(data, map[string]any{"b64_json": encoded(u.Picture(i, c)), "revised_prompt": "revised " + strconv.Itoa(i)})
	}
	u.json(w, http.StatusOK, u.answer(c, data))
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

// RateLimited answers 429 in OpenAI's shape with Retry-After.
func RateLimited(after string) Behaviour {
	return Status(http.StatusTooManyRequests, "application/json",
		`{"error":{"message":"Rate limit reached for images per minute.","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, "Retry-After", after)
}

// Moderated answers 400 as OpenAI does when it refuses a prompt.
func Moderated(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
	Status(http.StatusBadRequest, "application/json",
		`{"error":{"message":"Your request was rejected by the safety system.","type":"image_generation_user_error","param":null,"code":"moderation_blocked"}}`)(u, w, r, c)
}

// ServerError answers 500 in OpenAI's shape.
func ServerError(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
	Status(http.StatusInternalServerError, "application/json",
		`{"error":{"message":"The server had an error while processing your request.","type":"server_error","param":null,"code":null}}`)(u, w, r, c)
}

// Leaks answers 401 and repeats the credential, as careless services do.
func Leaks(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) {
	u.json(w, http.StatusUnauthorized, failure("Incorrect API key provided: "+c.Authorization+". Bearer "+c.Authorization+" is unknown.", "invalid_request_error", "invalid_api_key", nil))
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

// Cut breaks the connection in the middle of the base64.
func Cut(u *Upstream, w http.ResponseWriter, _ *http.Request, c *Call) {
	body := `{"created":1,"data":[{"b64_json":"` + encoded(u.Picture(0, c))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1000))
	if _, err := io.WriteString(w, body); err != nil {
		return // the client has gone
	}
	panic(http.ErrAbortHandler)
}

// Endless answers base64 that never ends.
func Endless(_ *Upstream, w http.ResponseWriter, r *http.Request, _ *Call) {
	endless(w, r, `{"data":[{"b64_json":"`, strings.Repeat("QUJD", 4096))
}

// EndlessSpace answers white space that never ends.
func EndlessSpace(_ *Upstream, w http.ResponseWriter, r *http.Request, _ *Call) {
	endless(w, r, `{"data":[`, strings.Repeat(" \n", 4096))
}

// EndlessError answers 500 with a body that never ends.
func EndlessError(_ *Upstream, w http.ResponseWriter, r *http.Request, _ *Call) {
	w.WriteHeader(http.StatusInternalServerError)
	endless(w, r, `{"error":{"message":"`, strings.Repeat("oops ", 1024))
}

func endless(w http.ResponseWriter, r *http.Request, start, more string) {
	w.Header().Set("Content-Type", "application/json")
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
func Silence(_ *Upstream, w http.ResponseWriter, r *http.Request, _ *Call) {
	w.Header().Set("Content-Type", "application/json")
	if _, err := io.WriteString(w, `{"data":[{"b64_json":"QUJD`); err != nil {
		return // the client has gone
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return // the client has gone
	}
	<-r.Context().Done()
}

// Hang does not even start an answer until the client goes.
func Hang(_ *Upstream, _ http.ResponseWriter, r *http.Request, _ *Call) { <-r.Context().Done() }

// Drip answers four characters of base64 every interval, for ever: never
// silent for long, never done.
func Drip(every time.Duration) Behaviour {
	return func(_ *Upstream, w http.ResponseWriter, r *http.Request, _ *Call) {
		w.Header().Set("Content-Type", "application/json")
		tick := time.NewTicker(every)
		defer tick.Stop()
		for text := `{"data":[{"b64_json":"`; ; text = "QUJD" {
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
