package provider_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/provider/providertest"
)

// heard are the previews and pictures of a stream.
type heard struct {
	previews []string // "index: bytes", of whole ones
	pictures [4]bytes.Buffer
}

func (h *heard) ask(n, previews int) *provider.Request {
	return &provider.Request{Model: "gpt-image-2", Prompt: "a cat", N: n, Previews: previews,
		Sink: func(i int) (io.Writer, error) { return &h.pictures[i], nil },
		Preview: func() (io.Writer, func(int)) {
			b := new(bytes.Buffer)
			return b, func(index int) { h.previews = append(h.previews, fmt.Sprintf("%d: %s", index, b)) }
		}}
}

func streamer(t *testing.T) (*providertest.Upstream, provider.Provider) {
	u := providertest.NewUpstream(t)
	return u, maker(vitrine.OpenAI, (*providertest.Upstream).OpenAIBase)(t, u, provider.Config{AllowPrivate: true, MaxBytes: 1 << 20, Idle: 150 * time.Millisecond})
}

// A stream brings previews while the service draws and each picture once.
func TestStream(t *testing.T) {
	for _, tt := range []struct{ n, previews int }{{1, 1}, {1, 3}, {3, 2}} {
		u, p := streamer(t)
		var h heard
		res, err := p.Generate(t.Context(), h.ask(tt.n, tt.previews))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for k := range tt.previews {
			want = append(want, fmt.Sprintf("%d: %s", k, providertest.Preview(k)))
		}
		if diff := cmp.Diff(want, h.previews); diff != "" || len(res.Images) != tt.n || !bytes.Contains(res.Usage, []byte("total_tokens")) || res.Echo["quality"] != "high" {
			t.Errorf("%d pictures, usage %s, echo %v; previews (-want +got):\n%s", len(res.Images), res.Usage, res.Echo, diff)
		}
		for i := range tt.n {
			if !bytes.Equal(h.pictures[i].Bytes(), providertest.PNG(32, 32, i)) {
				t.Errorf("picture %d has other bytes", i)
			}
		}
		if c := u.Last(t); string(c.Fields["stream"]) != "true" || string(c.Fields["partial_images"]) != fmt.Sprint(tt.previews) {
			t.Errorf("asked %s", c.Body)
		}
	}
}

// Only a model that is known to show previews is asked for them, and one that
// passes over the wish is understood.
func TestStreamOnlyWhereThereIsOne(t *testing.T) {
	u, p := streamer(t)
	var h heard
	r := h.ask(1, 2)
	r.Model = "dreamshaper"
	if _, err := p.Generate(t.Context(), r); err != nil || u.Last(t).Fields["stream"] != nil {
		t.Errorf("asked %s: %v", u.Last(t).Body, err)
	}
	h = heard{}
	u.Script(providertest.Status(200, "application/json", `{"data":[{"b64_json":"aGVsbG8="}]}`))
	if _, err := p.Generate(t.Context(), h.ask(1, 2)); err != nil || h.pictures[0].String() != "hello" || len(h.previews) > 0 {
		t.Errorf("got %q, %d previews: %v", &h.pictures[0], len(h.previews), err)
	}
	source := providertest.PNG(8, 8, 1)
	h = heard{}
	r = h.ask(1, 2)
	r.Sources = []provider.Source{{ReaderAt: bytes.NewReader(source), Size: int64(len(source)), Format: "png"}}
	if _, err := p.Generate(t.Context(), r); err != nil || len(h.previews) != 2 || string(u.Last(t).Fields["partial_images"]) != `"2"` {
		t.Errorf("an edit: %d previews: %v", len(h.previews), err)
	}
}

// Whatever a stream does becomes an error that says what is known of the charge.
func TestStreamFailures(t *testing.T) {
	const preview, done = `{"type":"image_generation.partial_image","partial_image_index":0,"b64_json":"cA=="}`, `{"type":"image_generation.completed","b64_json":"aGVsbG8="}`
	raw := func(text string) providertest.Behaviour {
		return providertest.Streamed(func(e *providertest.Events) { e.Write(text) })
	}
	silent := func(text string) providertest.Behaviour {
		return providertest.Streamed(func(e *providertest.Events) { e.Write(text); e.Wait(nil) })
	}
	for _, tt := range []struct {
		name     string
		act      providertest.Behaviour
		code     string // "" is success
		charged  string
		previews int
	}{
		{"plain", raw("data: " + preview + "\n\ndata: " + done + "\n\n"), "", "", 1},
		{"carriage returns", raw("data: " + preview + "\r\rdata: " + done + "\r\r"), "", "", 1},
		{"both ends", raw("\ufeffevent: x\r\ndata:" + preview + "\r\n\r\ndata: " + done + "\r\n\r\n"), "", "", 1},
		{"comments and ids", raw(": hello\n\nid: 1\nretry: 5\ndata: " + done + "\nid\n\n"), "", "", 0},
		{"in several lines", raw("data: {\ndata: \"type\":\ndata\ndata: \"image_generation.completed\",\ndata: \"b64_json\":\"aGVsbG8=\"}\n\n"), "", "", 0},
		{"an end without an empty line", raw("data: " + done), "", "", 0},
		{"said by its name alone", raw("event: image_generation.completed\ndata: {\"b64_json\":\"aGVsbG8=\"}\n\n"), "", "", 0},
		{"events of another kind", raw("data: {\"type\":\"ping\",\"data\":[1]}\n\ndata: " + done + "\n\n"), "", "", 0},
		{"something after", raw("data: " + done + "\n\ndata: [DONE]\n\ndata: " + done + "\n\n"), "", "", 0},
		{"a preview that is cut is none", raw("data: {\"type\":\"image_generation.partial_image\",\"b64_json\":null}\n\ndata: " + done + "\n\n"), "", "", 0},

		{"nothing", raw(""), provider.CodeCut, "unknown", 0},
		{"done and nothing made", raw("data: [DONE]\n\n"), provider.CodeCut, "unknown", 0},
		{"a preview alone", raw("data: " + preview + "\n\n"), provider.CodeCut, "unknown", 1},
		{"cut between events", providertest.Streamed(func(e *providertest.Events) { e.Preview(0); e.Cut() }), provider.CodeCut, "unknown", 1},
		{"cut in a picture", providertest.Streamed(func(e *providertest.Events) { e.Write("data: " + done[:50]); e.Cut() }), provider.CodeCut, "unknown", 0},
		{"cut in a preview", providertest.Streamed(func(e *providertest.Events) { e.Write("data: " + preview[:60]); e.Cut() }), provider.CodeCut, "unknown", 0},
		{"silence in a picture", silent("data: " + done[:50]), provider.CodeTimeout, "unknown", 0},
		{"an error", providertest.Streamed(func(e *providertest.Events) { e.Preview(0); e.Error("No.", "server_error", "overloaded") }), "overloaded", "unknown", 1},
		{"moderated", providertest.Streamed(func(e *providertest.Events) { e.Error("No.", "image_generation_user_error", "moderation_blocked") }), "moderation_blocked", "unknown", 0},
		{"an error without words", raw("event: error\ndata: {}\n\n"), "", "unknown", 0},
		{"no picture in it", raw("data: {\"type\":\"image_generation.completed\"}\n\n"), provider.CodeNoImage, "unknown", 0},
		{"two in one", raw("data: " + done[:len(done)-1] + `,"b64_json":"aGVsbG8="}` + "\n\n"), provider.CodeBadAnswer, "unknown", 0},
		{"does not say what it is", raw("data: {\"b64_json\":\"aGVsbG8=\",\"type\":\"image_generation.partial_image\"}\n\n"), provider.CodeBadAnswer, "unknown", 0},
		{"garbage", raw("data: {\"type\":}\n\n"), provider.CodeBadAnswer, "unknown", 0},
		{"broken base64", raw("data: {\"type\":\"image_generation.completed\",\"b64_json\":\"QUJD!UJD\"}\n\n"), provider.CodeBadAnswer, "unknown", 0},
		{"endless comments", raw(strings.Repeat(": "+strings.Repeat("x", 1000)+"\n", 1100)), provider.CodeTooLarge, "unknown", 0},
		{"endless events", raw(strings.Repeat("data: {}\n\n", 1001)), provider.CodeTooLarge, "unknown", 0},
		{"endless previews", raw(strings.Repeat("data: "+preview+"\n\n", 100)), provider.CodeTooLarge, "unknown", 19},
		{"an endless picture", raw("data: {\"type\":\"image_generation.completed\",\"b64_json\":\"" + strings.Repeat("QUJD", 1<<19)), provider.CodeTooLarge, "unknown", 0},
		{"a web page", providertest.HTML, provider.CodeWrongService, "no", 0},
		{"refused at once", providertest.RateLimited("7"), "rate_limit_exceeded", "no", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, p := streamer(t)
			u.Script(tt.act)
			var h heard
			_, err := p.Generate(t.Context(), h.ask(1, 1))
			if len(h.previews) != tt.previews {
				t.Errorf("%d previews, want %d", len(h.previews), tt.previews)
			}
			var e *provider.Error
			switch failed := errors.As(err, &e); {
			case tt.charged == "":
				if err != nil || h.pictures[0].String() != "hello" {
					t.Errorf("got %q, %v", &h.pictures[0], err)
				}
			case !failed:
				t.Errorf("got %v, want an error of the service", err)
			case e.Code != tt.code || e.Charged != tt.charged:
				t.Errorf("got %q, charged %q (%v: %v), want %q, %q", e.Code, e.Charged, e, e.Err, tt.code, tt.charged)
			}
		})
	}
}

// A service may think for as long as the call may last between two events, but
// not in the middle of one.
func TestStreamThinks(t *testing.T) {
	u, p := streamer(t)
	u.Script(providertest.Streamed(func(e *providertest.Events) {
		<-time.After(300 * time.Millisecond) // twice what silence may last
		e.Preview(0)
		<-time.After(300 * time.Millisecond)
		e.Completed(0)
	}))
	var h heard
	if _, err := p.Generate(t.Context(), h.ask(1, 1)); err != nil || len(h.previews) != 1 {
		t.Errorf("%d previews, %v", len(h.previews), err)
	}
	u.Script(providertest.Hang)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := p.Generate(ctx, h.ask(1, 1))
	var e *provider.Error
	if !errors.As(err, &e) || e.Code != provider.CodeTimeout || e.Charged != provider.ChargedUnknown {
		t.Errorf("got %v, want a timeout of unknown charge", err)
	}
}
