package client_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func TestGenerateStream(t *testing.T) {
	const (
		preview = "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"partial_image_index\":1,\"b64_json\":\"cA==\"}\n\n"
		first   = "event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"image_id\":\"img-1\",\"b64_json\":\"YQ==\"}\n\n"
		last    = "event: image_generation.completed\r\ndata: {\"type\":\"image_generation.completed\",\"image_id\":\"img-2\",\"b64_json\":\"Yg==\",\"cost\":0.08,\"remainingBalance\":1.5}\r\n\r\n"
		failed  = "event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"It broke off.\",\"code\":\"cut_answer\"}}\n\n"
	)
	for _, tt := range []struct {
		name, body string
		images     string // ids
		previews   int
		code       string // of the error; "" is none, "-" is one without
	}{
		{"whole", ": keep-alive\n\n" + preview + first + last, "img-1 img-2", 1, ""},
		{"fails", preview + failed, "", 1, "cut_answer"},
		{"ends", preview, "", 1, "-"},
		{"cut", first + last[:40], "", 0, "-"},
		{"garbage", "data: {]\n\n", "", 0, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serving(t, func(w http.ResponseWriter, r *http.Request) {
				in, err := io.ReadAll(r.Body)
				if err != nil || !strings.Contains(string(in), `"stream":true,"partial_images":2`) || r.Header.Get("X-Vitrine-Dataset") != "drafts" {
					t.Errorf("asked %s of %v, %v", in, r.Header, err)
				}
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, tt.body)
				if tt.name == "cut" {
					panic(http.ErrAbortHandler)
				}
			})
			previews := 0
			made, err := c.GenerateStream(t.Context(), client.Generation{Model: "m", Prompt: "x", Dataset: "drafts"}, 2, func(p client.Preview) {
				if previews++; p.Index != 1 || string(p.Picture) != "p" {
					t.Errorf("preview %+v", p)
				}
			})
			if previews != tt.previews {
				t.Errorf("%d previews, want %d", previews, tt.previews)
			}
			if tt.code != "" {
				var e *client.Error
				if err == nil || tt.code != "-" && (!errors.As(err, &e) || e.Code != tt.code || !errors.Is(err, vitrine.ErrUpstream)) {
					t.Errorf("got %v, want an error with code %s", err, tt.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, m := range made.Images {
				ids = append(ids, string(m.ID))
			}
			if strings.Join(ids, " ") != tt.images || made.Cost != 0.08 || made.Remaining == nil || *made.Remaining != 1.5 || string(made.Images[1].Picture) != "b" {
				t.Errorf("made %+v", made)
			}
		})
	}
}
