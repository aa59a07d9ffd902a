package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"vitrine.dev/vitrine"
)

// In each pace a body comes to its end or goes on by a stride.
var (
	pace         = 15 * time.Second
	stride int64 = 960 << 10 // bytes
)

// How much of a body that nobody wants is read, and how long one waits.
const (
	maxDrain  = 8 << 20
	drainTime = 5 * time.Second
	queueTime = 10 * time.Second // for room among other bodies
)

// Bodies reads bodies into memory, within a bound for each and one for all at
// the same time. Small bodies have room of their own, so that a few large ones
// that come slowly do not keep everybody else waiting. It is safe for concurrent
// use.
type Bodies struct{ large, small room }

// NewBodies makes room for bodies of so many bytes at the same time, and a
// sixth of it beside for small ones.
func NewBodies(size int64) *Bodies {
	return &Bodies{newRoom(size), newRoom(max(1, size/6))}
}

// room is what bodies share.
type room struct {
	free *semaphore.Weighted
	size int64
}

func newRoom(size int64) room { return room{semaphore.NewWeighted(size), size} }

// take waits for so many bytes, or for all there are.
func (m *room) take(ctx context.Context, size int64) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, queueTime)
	defer cancel()
	size = min(size, m.size)
	if err := m.free.Acquire(ctx, size); err != nil {
		return nil, &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "busy", RetryAfter: 5, Err: err,
			Public: "Too many large requests are being read. Try again in a moment."}
	}
	return func() { m.free.Release(size) }, nil
}

// Room waits for room for the body of a request, of at most max bytes, and
// gives the body the time that it may take. Its memory is as long as the body
// says it is, or max where it does not say. Release it after use, if err is
// nil. ErrTooLarge and ErrUnavailable say why there is none.
func (b *Bodies) Room(w http.ResponseWriter, r *http.Request, max int64) (*Body, error) {
	size := r.ContentLength
	if size > max {
		return nil, TooLarge(max)
	}
	if size < 0 {
		size = max
	}
	in := &b.large
	if size < mapped {
		in = &b.small
	}
	leave, err := in.take(r.Context(), size)
	if err != nil {
		return nil, err
	}
	body, err := newBody(size, nil)
	if err != nil {
		leave()
		return nil, &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "busy", RetryAfter: 5, Err: err, Public: "There is no memory for this request now."}
	}
	done := Limit(w, r, max)
	body.after = func() { done(); leave() }
	return body, nil
}

// Read reads the whole body of a request, of at most max bytes. Release it
// after use, if err is nil. An error of a kind says that it was too long, too
// slow or cut, or that there was no room.
func (b *Bodies) Read(w http.ResponseWriter, r *http.Request, max int64) (*Body, error) {
	body, err := b.Room(w, r, max)
	if err != nil {
		return nil, err
	}
	n, err := fill(r.Body, body.mem)
	if err == nil && r.ContentLength >= 0 && n < len(body.mem) {
		err = cut(io.ErrUnexpectedEOF)
	}
	if err != nil {
		body.Release()
		return nil, err
	}
	body.used = body.mem[:n]
	return body, nil
}

// fill reads all of r into p. What does not fit is r's to refuse.
func fill(r io.Reader, p []byte) (n int, err error) {
	var more [1]byte
	for {
		into := p[n:]
		if len(into) == 0 {
			into = more[:]
		}
		m, err := r.Read(into)
		if n += m; n > len(p) {
			return len(p), cut(io.ErrShortBuffer)
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// TooLarge says that a body is longer than it may be.
func TooLarge(max int64) error {
	return &vitrine.Error{Kind: vitrine.ErrTooLarge, Code: "body_too_large",
		Public: fmt.Sprintf("The body may have at most %d bytes.", max)}
}

// cut is what a body that ended early comes to.
func cut(err error) error {
	return &vitrine.Error{Kind: vitrine.ErrInvalid, Code: "body_cut", Public: "The body ended early, or came too slowly.", Err: err}
}

// Limit makes the request's body fail with ErrTooLarge beyond max bytes, and as
// cut where it comes too slowly; done takes the deadline back. For bodies that
// are streamed. A body that comes fast at first gains no time to stop later:
// while it is read it takes room from others.
func Limit(w http.ResponseWriter, r *http.Request, max int64) (done func()) {
	patience(w)
	r.Body = &limited{r.Body, w, max, max, 0}
	return func() { impatience(w) }
}

// Longest is how long a body of max bytes may take that comes as slowly as it
// may.
func Longest(max int64) time.Duration { return time.Duration(max/stride+1) * pace }

type limited struct {
	io.ReadCloser
	w         http.ResponseWriter
	left, max int64
	fresh     int64 // since the deadline was set
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	if int64(n) > l.left {
		n, err = int(l.left), TooLarge(l.max)
	} else if err != nil && err != io.EOF {
		err = cut(err)
	}
	l.left -= int64(n)
	if l.fresh += int64(n); l.fresh >= stride {
		l.fresh = 0
		patience(l.w)
	}
	return n, err
}

// patience gives a body the time for its next stride. Where the connection
// knows no deadlines (in tests) it does nothing.
func patience(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(pace))
}

func impatience(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

// Drain reads what is left of a body before an early answer, so that the answer
// arrives. What is too long or too slow is not read, and the connection closes.
func Drain(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody || strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		return // a client that waits to be asked has sent nothing
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drainTime))
	defer impatience(w)
	body := r.Body
	if l, ok := body.(*limited); ok {
		body = l.ReadCloser
	}
	_, err := io.CopyN(io.Discard, body, maxDrain)
	if !errors.Is(err, io.EOF) {
		w.Header().Set("Connection", "close")
	}
}

// Writer writes an answer of any length to a client that must keep reading: one
// that takes nothing for a while is given up.
type Writer struct {
	io.Writer
	control *http.ResponseController
	next    time.Time
}

// stall is how long a client may take to read what is on its way.
const stall = 30 * time.Second

// NewWriter makes a writer for the body of an answer.
func NewWriter(w http.ResponseWriter) *Writer {
	return &Writer{Writer: w, control: http.NewResponseController(w)}
}

// Write writes, with a deadline for this write.
func (w *Writer) Write(p []byte) (int, error) {
	if now := time.Now(); now.After(w.next) {
		_ = w.control.SetWriteDeadline(now.Add(stall)) // where there are no deadlines there is no connection
		w.next = now.Add(time.Second)
	}
	return w.Writer.Write(p)
}

// Flush sends what was written.
func (w *Writer) Flush() error { return w.control.Flush() }

// Done takes the deadline back: for the next request of the connection, or until
// there is something to write again.
func (w *Writer) Done() {
	w.next = time.Time{}
	_ = w.control.SetWriteDeadline(time.Time{})
}
