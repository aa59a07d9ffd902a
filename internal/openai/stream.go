package openai

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/web"
)

// keepAlive is how often a client hears that its request goes on. It is less
// than proxies wait for, which mostly is a minute.
const keepAlive = 15 * time.Second

// stream answers a request as server-sent events: previews as they come, then
// each image once it is kept and recorded. Nothing is sent before the service
// is asked, so that refusals come with a status as ever; what fails after the
// first event is an event too.
//
// The client's pace is its own: while it has not taken a preview only the latest
// waits for it, and the service's answer for none.
func (f *Front) stream(w http.ResponseWriter, r *http.Request, by access.Caller, req *gateway.Request) error {
	e := newEvents(w, req.Edit)
	begun, over := make(chan struct{}), make(chan struct{})
	req.Stream.Begun = sync.OnceFunc(func() { close(begun) })
	req.Stream.Preview = e.offer
	var following sync.WaitGroup
	following.Go(func() {
		select {
		case <-begun:
			e.follow(r, over)
		case <-over:
		case <-r.Context().Done():
		}
	})
	a, err := f.gateway.Generate(r.Context(), by, req)
	close(over)
	following.Wait()
	e.forget()
	defer e.w.Done()
	switch {
	case err != nil && !e.started:
		return err
	case err != nil:
		f.failed(w, r, e, err)
		return nil
	}
	f.completed(w, r, e, a)
	return nil
}

// events is a stream on its way out.
type events struct {
	w       *web.Writer
	header  http.Header
	kind    string // image_generation or image_edit
	next    chan *gateway.Preview
	beat    time.Duration
	started bool
	broken  error // why nothing more can be sent
}

func newEvents(w http.ResponseWriter, edit bool) *events {
	e := &events{w: web.NewWriter(w), header: w.Header(), kind: "image_generation", next: make(chan *gateway.Preview, 1), beat: keepAlive}
	if edit {
		e.kind = "image_edit"
	}
	return e
}

// offer puts a preview where the client's pace allows it to be sent, in place of
// one that still waits there.
func (e *events) offer(p *gateway.Preview) {
	for {
		select {
		case e.next <- p:
			return
		default:
			e.forget()
		}
	}
}

// forget leaves out what waits.
func (e *events) forget() {
	select {
	case p := <-e.next:
		p.Release()
	default:
	}
}

// follow sends previews, and in between that the request goes on, until it is
// over or the client has gone.
func (e *events) follow(r *http.Request, over <-chan struct{}) {
	beat := time.NewTicker(e.beat)
	defer beat.Stop()
	for e.broken == nil {
		select {
		case p := <-e.next:
			e.preview(p)
		case <-beat.C:
			e.send([]byte(": keep-alive\n\n"))
		case <-r.Context().Done():
			return
		case <-over:
			return
		}
	}
}

// send sends text, with the head before the first.
func (e *events) send(all ...[]byte) {
	if !e.started {
		e.started = true
		e.header.Set("Content-Type", "text/event-stream; charset=utf-8")
		e.header.Set("X-Accel-Buffering", "no") // of proxies that would collect events
	}
	for _, b := range all {
		if e.broken == nil {
			_, e.broken = e.w.Write(b)
		}
	}
	if e.broken == nil {
		e.broken = e.w.Flush()
	}
	e.w.Done() // the next event may be minutes away
}

func (e *events) preview(p *gateway.Preview) {
	defer p.Release()
	head := fmt.Appendf(nil, "event: %[1]s.partial_image\ndata: {\"type\":\"%[1]s.partial_image\",\"partial_image_index\":%d,\"created_at\":%d,\"output_format\":", e.kind, p.Index, time.Now().Unix())
	head = append(appendText(head, p.Format), `,"b64_json":"`...)
	text := make([]byte, 0, min(run, len(p.Bytes))/3*4+4)
	for b := p.Bytes; len(b) > 0; b = b[min(run, len(b)):] {
		text = base64.StdEncoding.AppendEncode(text[:0], b[:min(run, len(b))])
		e.send(head, text)
		head = nil
	}
	e.send([]byte("\"}\n\n"))
}

// completed sends the images of an answer.
func (f *Front) completed(w http.ResponseWriter, r *http.Request, e *events, a *gateway.Answer) {
	defer func() {
		if err := a.Close(); err != nil {
			f.door.Unexpected(w, r, fmt.Errorf("close an answer: %w", err))
		}
	}()
	if !e.started {
		e.header.Set("X-Vitrine-Image-Ids", ids(a))
		e.header.Set(web.HeaderRevision, strconv.FormatInt(a.Revision, 10))
		if a.Replayed {
			e.header.Set("X-Vitrine-Replay", "true")
		}
	}
	for i := range a.Images {
		m := &a.Images[i]
		b := fmt.Appendf(nil, "event: %[1]s.completed\ndata: {\"type\":\"%[1]s.completed\",\"created_at\":%[2]d", e.kind, a.Created.Unix())
		b = appendText(append(b, `,"image_id":`...), string(m.ID))
		b = appendEcho(b, a)
		if m.RevisedPrompt != "" {
			b = appendText(append(b, `,"revised_prompt":`...), m.RevisedPrompt)
		}
		if i == len(a.Images)-1 {
			b = appendBill(b, a)
		}
		if e.send(append(b, `,"b64_json":"`...)); e.broken == nil {
			e.broken = (&piece{picture: m}).write(e.w)
		}
		e.send([]byte("\"}\n\n"))
	}
	if e.broken != nil {
		// The images are in the vault. Half a stream must not look whole.
		f.door.Unexpected(w, r, fmt.Errorf("send an answer: %w", e.broken))
		panic(http.ErrAbortHandler)
	}
}

// failed sends what became of a request that had begun to be answered.
func (f *Front) failed(w http.ResponseWriter, r *http.Request, e *events, err error) {
	_, body, _ := f.describe(w, r, err)
	e.send([]byte("event: error\ndata: "), encode(struct {
		Type string `json:"type"`
		failure
	}{"error", failure{body}}), []byte("\n\n"))
}

// ids are those of an answer's images.
func ids(a *gateway.Answer) string {
	all := make([]string, len(a.Images))
	for i := range a.Images {
		all[i] = string(a.Images[i].ID)
	}
	return strings.Join(all, ",")
}
