package openai

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/problem"
	"vitrine.dev/vitrine/internal/web"
)

// Public is the address of the system in tests.
const Public = "https://vitrine.example"

// Parse parses a request as the front does. What it answers is good until
// release.
func Parse(r *http.Request, edit bool) (req *gateway.Request, release func(), err error) {
	f := &Front{bodies: web.NewBodies(allBodies), public: Public}
	return f.parse(httptest.NewRecorder(), r, edit)
}

// Render is the body of an answer, and the length that is told before.
func Render(a *gateway.Answer) (body []byte, told int64, err error) {
	f := &Front{public: Public}
	var out bytes.Buffer
	for _, p := range f.render(httptest.NewRequest("POST", "/v1/images/generations", nil), a) {
		told += p.size()
		if err := p.write(&out); err != nil {
			return nil, 0, err
		}
	}
	return out.Bytes(), told, nil
}

// KeepAlive has a stream say every so often that it goes on, until over.
func KeepAlive(w http.ResponseWriter, r *http.Request, every time.Duration, over <-chan struct{}) {
	e := newEvents(w, false)
	e.beat = every
	e.follow(r, over)
}

// Translate is what a problem becomes in the dialect.
func Translate(p problem.Problem) (status int, kind, code string, h http.Header) {
	out := failureBody{Type: "invalid_request_error"}
	code = translate(&p, &out)
	h = make(http.Header)
	retry(h, &p, code, false)
	return p.Status, out.Type, code, h
}

// ShouldRetry is what a client is told after an error.
func ShouldRetry(err error) string {
	p := problem.Of(err, "")
	h := make(http.Header)
	retry(h, &p, translate(&p, new(failureBody)), free(err))
	return h.Get("X-Should-Retry")
}

// Distinct is a list of models as clients get it.
func Distinct(all []gateway.Model) any { return listed(all) }

// MaxBody is the bound of one request.
const MaxBody = maxBody

// Send sends one picture as base64.
func Send(w io.Writer, m *gateway.AnswerImage) error {
	p := piece{picture: m}
	return p.write(w)
}
