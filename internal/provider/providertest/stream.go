package providertest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Events is a stream that a behaviour writes.
type Events struct {
	*Call
	up   *Upstream
	w    http.ResponseWriter
	gone <-chan struct{} // closed when the client has gone
}

// Streamed answers a stream, as OpenAI does where it is asked for.
func Streamed(write func(e *Events)) Behaviour {
	return func(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		e := &Events{c, u, w, r.Context().Done()}
		e.flush()
		write(e)
	}
}

// stream is the usual stream: the previews asked for, then each picture.
func stream(e *Events) {
	var previews int
	if json.Unmarshal([]byte(strings.Trim(string(e.Fields["partial_images"]), `"`)), &previews) != nil {
		previews = 0
	}
	for k := range previews {
		e.Preview(k)
	}
	for i := range e.N {
		e.Completed(i)
	}
}

// Preview is the bytes of the k-th preview.
func Preview(k int) []byte { return PNG(16, 16, k+1) }

// kind is what the events of a call are called.
func (e *Events) kind() string {
	if strings.Contains(e.Path, "/edit") {
		return "image_edit"
	}
	return "image_generation"
}

// Preview sends the k-th preview.
func (e *Events) Preview(k int) {
	e.Send(e.kind()+".partial_image", e.picture(Preview(k)), "partial_image_index", k)
}

// Completed sends the i-th picture.
func (e *Events) Completed(i int) {
	usage := map[string]any{"total_tokens": 100, "input_tokens": 50, "output_tokens": 50}
	e.Send(e.kind()+".completed", e.picture(e.up.Picture(i, e.Call)), "usage", usage)
}

func (e *Events) picture(b []byte) map[string]any {
	return map[string]any{"b64_json": encoded(b), "created_at": 1713833628, "size": "1024x1024", "quality": "high", "background": "opaque", "output_format": "png"}
}

// Send sends an event with further fields.
func (e *Events) Send(kind string, fields map[string]any, more ...any) {
	fields["type"] = kind
	for i := 0; i+1 < len(more); i += 2 {
		fields[fmt.Sprint(more[i])] = more[i+1]
	}
	b, err := json.Marshal(fields)
	if err != nil {
		panic("an event is not JSON: " + err.Error())
	}
	e.Write(fmt.Sprintf("event: %s\ndata: %s\n\n", kind, b))
}

// Error sends OpenAI's event for a failure.
func (e *Events) Error(message, kind, code string) {
	e.Send("error", map[string]any{"error": map[string]any{"message": message, "type": kind, "code": code, "param": nil}})
}

// Write sends text as it is.
func (e *Events) Write(text string) {
	if _, err := io.WriteString(e.w, text); err != nil {
		return // the client has gone
	}
	e.flush()
}

// Wait waits for the channel to be closed, or for the client to go.
func (e *Events) Wait(until <-chan struct{}) {
	select {
	case <-until:
	case <-e.gone:
	}
}

// Cut breaks the connection.
func (e *Events) Cut() { panic(http.ErrAbortHandler) }

func (e *Events) flush() {
	if err := http.NewResponseController(e.w).Flush(); err != nil {
		return // the client has gone
	}
}
