package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"vitrine.dev/vitrine"
)

// openAI speaks OpenAI's Images API: OpenAI itself, LocalAI,
// stable-diffusion.cpp's server and the many that imitate it.
type openAI struct{ *service }

const agent = "vitrine"

// Generate asks for pictures, or for an edit when there are sources.
func (p *openAI) Generate(ctx context.Context, r *Request) (*Result, error) {
	if err := Check(p.kind, r); err != nil {
		return nil, err
	}
	fields := p.fields(r)
	route, build := "/images/generations", jsonBody
	if len(r.Sources) > 0 {
		route = "/images/edits"
		build = func(f map[string]json.RawMessage) (*body, error) { return formBody(f, r.Sources, r.Mask) }
	}
	b, err := build(fields)
	if err != nil {
		return nil, err
	}
	return p.ask(ctx, route, b, r)
}

// fields are the request's, in OpenAI's words. What was decided wins over what
// the caller passed on.
func (p *openAI) fields(r *Request) map[string]json.RawMessage {
	f := common(r)
	if r.streams() {
		f["stream"], f["partial_images"] = json.RawMessage("true"), json.RawMessage(strconv.Itoa(r.Previews))
	}
	// GPT image models always answer base64 and refuse the field; of the
	// others some answer URLs unless told.
	gpt := isGPTImage(r.Model)
	if !gpt {
		f["response_format"] = text("b64_json")
	}
	if r.EndUser != "" {
		if gpt && len(r.Sources) == 0 {
			f["safety_identifier"] = text(r.EndUser)
		} else {
			f["user"] = text(r.EndUser)
		}
	}
	return f
}

func common(r *Request) map[string]json.RawMessage {
	f := maps.Clone(r.Extra)
	if f == nil {
		f = map[string]json.RawMessage{}
	}
	f["prompt"] = text(r.Prompt.Reveal())
	for name, value := range map[string]string{"model": r.Model, "size": r.Size, "quality": r.Quality, "output_format": r.Format} {
		delete(f, name)
		if value != "" {
			f[name] = text(value)
		}
	}
	if r.N > 1 { // some services refuse the field itself
		f["n"] = json.RawMessage(strconv.Itoa(r.N))
	}
	return f
}

// isGPTImage knows OpenAI's own image models, also behind a router's prefix.
func isGPTImage(model string) bool {
	name := path.Base(strings.ToLower(model))
	return strings.HasPrefix(name, "gpt-image") || strings.HasPrefix(name, "chatgpt-image")
}

func text(s string) json.RawMessage {
	b, err := json.Marshal(strings.ToValidUTF8(s, string(utf8.RuneError)))
	if err != nil {
		panic("a string is not JSON: " + err.Error())
	}
	return b
}

// body is what a request carries.
type body struct {
	io.Reader
	kind string
	size int64
}

func jsonBody(fields map[string]json.RawMessage) (*body, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(fields); err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return &body{bytes.NewReader(b.Bytes()), "application/json", int64(b.Len())}, nil
}

// request is a call to the service itself, with the credential.
func (s *service) request(ctx context.Context, method, url string, b *body) (*http.Request, error) {
	var in io.Reader
	if b != nil {
		in = b.Reader
	}
	req, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		return nil, fail(CodeUnreachable, ChargedNo, "The service's address cannot be used.", err)
	}
	if b != nil {
		req.ContentLength = b.size
		req.Header.Set("Content-Type", b.kind)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", agent)
	if user, password, _ := strings.Cut(s.secret.Reveal(), ":"); s.kind == vitrine.Automatic1111 && s.secret != "" {
		req.SetBasicAuth(user, password)
	} else if s.secret != "" {
		req.Header.Set("Authorization", "Bearer "+s.secret.Reveal())
	}
	return req, nil
}

// ask sends a request for pictures and reads them into its sinks.
func (s *service) ask(ctx context.Context, route string, b *body, r *Request) (*Result, error) {
	req, err := s.request(ctx, http.MethodPost, s.base.String()+route, b)
	if err != nil {
		return nil, err
	}
	if r.streams() {
		req.Header.Set("Accept", eventStream+", application/json")
	}
	resp, err := s.do(ctx, s.client, req)
	if err != nil {
		return nil, err
	}
	defer resp.close()
	if err := s.accept(resp, r.streams()); err != nil {
		return nil, err
	}
	var a *answer
	var failed json.RawMessage
	if r.streams() && isEvents(resp) { // not from a service that passes over the wish
		a, failed, err = readStream(resp.body, r, s.max)
	} else {
		a, failed, err = readAnswer(s.kind, resp.Body, max(r.N, 1), s.max, r.Sink)
	}
	if errors.Is(err, errSyntax) {
		return nil, fail(CodeBadAnswer, ChargedUnknown, "The service's answer is not what its dialect says.", err)
	}
	if err != nil {
		return nil, broken(resp.ctx, true, err)
	}
	if failed != nil {
		// An error under a status of success; nobody knows what it cost, unless
		// the service says so.
		e := s.refusal(resp.Response, []byte(`{"error":`+string(failed)+`}`))
		e.Cost = a.Cost
		return nil, e
	}
	result, err := s.complete(ctx, a, r.Sink)
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Cost = a.Cost
	}
	return result, err
}

// complete fetches the pictures that came as URLs.
func (s *service) complete(ctx context.Context, a *answer, sink func(int) (io.Writer, error)) (*Result, error) {
	if len(a.Images) == 0 {
		return nil, fail(CodeNoImage, ChargedUnknown, "The service answered without a picture.", nil)
	}
	for i := range a.Images {
		if a.Images[i].Size > 0 {
			continue
		}
		url, ok := a.URLs[i]
		if !ok {
			return nil, fail(CodeNoImage, ChargedUnknown, "The service answered without one of the pictures.", nil)
		}
		n, err := s.fetch(ctx, url, func() (io.Writer, error) { return sink(i) })
		if err != nil {
			return nil, err
		}
		a.Images[i].Size = n
	}
	return &a.Result, nil
}

const eventStream = "text/event-stream"

func isEvents(resp *exchange) bool {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && kind == eventStream
}

// accept answers an error for an answer that is none of the dialect's. streams
// is that it may be a stream.
func (s *service) accept(resp *exchange, streams bool) error {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.Header.Get("Content-Encoding") != "" && resp.Header.Get("Content-Encoding") != "identity":
		return &Error{Status: resp.StatusCode, Code: CodeBadAnswer, Charged: ChargedUnknown, RetryAfter: retryAfter(resp.Header),
			Message: "The service answered in a compressed form that was not asked for."}
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated:
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		if err != nil {
			b = nil // the status says enough
		}
		return s.refusal(resp.Response, b)
	case err == nil && (kind == "text/html" || kind == "application/xhtml+xml"):
		return &Error{Status: resp.StatusCode, Code: CodeWrongService, Charged: ChargedNo, Message: "The service answered a web page; is its base URL right?"}
	case err == nil && (strings.HasPrefix(kind, "image/") || kind == eventStream && !streams):
		return &Error{Status: resp.StatusCode, Code: CodeOtherKind, Charged: ChargedUnknown, Message: "The service answered " + word(kind) + ", which was not asked for."}
	}
	return nil
}

// Models lists what the service offers. OpenAI's list tells no prices.
func (p *openAI) Models(ctx context.Context) ([]Model, error) {
	var list modelList
	if err := p.get(ctx, http.MethodGet, p.base.String()+"/models", &list); err != nil {
		return nil, err
	}
	return list.models(), nil
}

const maxList = 8 << 20

// get reads a small JSON answer that costs nothing.
func (s *service) get(ctx context.Context, method, url string, into any) error {
	req, err := s.request(ctx, method, url, nil)
	if err != nil {
		return err
	}
	resp, err := s.do(ctx, s.client, req)
	if err == nil {
		defer resp.close()
		err = s.accept(resp, false)
	}
	if err != nil {
		return free(err)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
	switch {
	case err != nil:
		return free(broken(resp.ctx, true, err))
	case len(b) > maxList:
		return fail(CodeTooLarge, ChargedNo, "The service's list is longer than is read.", nil)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fail(CodeBadAnswer, ChargedNo, "The service's list cannot be read.", err)
	}
	return nil
}

// free is a failure of a call that cannot cost anything.
func free(err error) error {
	e := &Error{}
	if errors.As(err, &e) {
		e.Charged = ChargedNo
	}
	return err
}
