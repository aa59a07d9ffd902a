package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/problem"
	"vitrine.dev/vitrine/internal/web"
)

// failure is a problem as the document describes it.
type failure struct {
	problem.Problem
}

// Error implements error.
func (f failure) Error() string { return f.Detail }

// GetStatus implements huma.StatusError.
func (f failure) GetStatus() int { return f.Status }

// ContentType implements huma.ContentTypeFilter.
func (failure) ContentType(string) string { return "application/problem+json" }

// malformed keeps what huma found wrong: where it is and what was expected,
// never the value.
func (q *request) malformed(status int, msg string, errs []error) {
	param, code := "", "invalid_request"
	for _, err := range errs {
		d, ok := err.(huma.ErrorDetailer)
		if !ok {
			continue
		}
		detail := d.ErrorDetail()
		_, rest, found := strings.Cut(detail.Location, ".")
		if !found {
			rest = ""
		}
		param, msg = rest, detail.Message
		break
	}
	if status == http.StatusUnsupportedMediaType {
		param, code, msg = "Content-Type", "invalid_content_type", "send JSON, as application/json"
	}
	q.bad = vitrine.Invalid(param, code, sentence(msg))
}

// sentence makes a message of huma's, or of ours, one.
func sentence(s string) string {
	if s == "" {
		return "The request is malformed."
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}

// description is what the document says before any route.
func description(version string) huma.Config {
	if version == "" {
		version = "dev"
	}
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	// Lists of small numbers that write themselves as words are no byte strings.
	registry.RegisterTypeAlias(reflect.TypeFor[[]vitrine.Category](), reflect.TypeFor[[]string]())
	registry.RegisterTypeAlias(reflect.TypeFor[[]vitrine.Tier](), reflect.TypeFor[[]string]())
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: strict}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Vitrine", Version: version,
				Description: "Image data under role-based access control. Errors are application/problem+json; an answer's " +
					web.HeaderRevision + " is the policy revision that it was made under, or the one that it made, and a request may demand one at least as new with the same header. " +
					"What has an entity tag heeds If-Match (412 where it has changed) and If-None-Match (304); what makes something heeds Idempotency-Key.",
			},
			Servers: []*huma.Server{{URL: prefix}},
			Components: &huma.Components{
				Schemas:         registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer", Description: "A Vitrine key, vtr_…"}},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

// strict reads one JSON value and nothing after it, refusing fields that the
// type does not know.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return vitrine.Invalid("", "invalid_json", "something stands after the JSON value")
	}
	return nil
}

// headers describes what a route heeds in the header of a request.
func headers(route Route, op *huma.Operation) {
	takes := func(name, what string) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "header", Description: what, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	switch {
	case route.versioned && route.Method == http.MethodGet:
		takes("If-None-Match", "An entity tag: where it still is the one, the answer is 304 without a body")
		op.Responses = map[string]*huma.Response{fmt.Sprint(http.StatusNotModified): {Description: http.StatusText(http.StatusNotModified)}}
	case route.versioned:
		takes("If-Match", "The entity tag of the version that this is about; where there is another by now, nothing is done and the answer is 412")
		op.Errors = append(op.Errors, http.StatusPreconditionFailed)
	}
	if route.once {
		what := "The same request with the same key, within a day, is carried out once and answered alike, with " + web.HeaderReplay + "; another request with it is 409, and so is one whose first is still running"
		if route.secret {
			what = "The same request with the same key, within a day, is carried out once. Its secret is shown once: the second answer is 409 and names what was made"
		}
		takes("Idempotency-Key", what)
	}
}

// answersTell describes the headers of every answer.
func answersTell(op *huma.Operation) {
	for status, r := range op.Responses {
		if r.Headers == nil {
			r.Headers = make(map[string]*huma.Header)
		}
		r.Headers[web.HeaderRequest] = &huma.Header{Description: "Under which the log has the request", Schema: &huma.Schema{Type: huma.TypeString}}
		if status != strconv.Itoa(http.StatusUnauthorized) {
			r.Headers[web.HeaderRevision] = &huma.Header{Description: "The policy revision that the answer was made under", Schema: &huma.Schema{Type: huma.TypeInteger}}
		}
	}
}

// document serves the description, made once.
func (a *API) document() error {
	for _, item := range a.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
			if op != nil {
				delete(op.Responses, "422") // huma's own; here it is 400
				answersTell(op)
			}
		}
	}
	text, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return err
	}
	yaml, err := a.huma.OpenAPI().YAML()
	if err != nil {
		return err
	}
	const why = "describes the API; says nothing of what is in it"
	for _, d := range []struct {
		name, kind string
		text       []byte
	}{{"openapi.json", "application/openapi+json", text}, {"openapi.yaml", "application/openapi+yaml", yaml}} {
		route := Route{Method: "GET", Pattern: prefix + "/" + d.name, Public: why, Summary: "This description"}
		a.serve(route, func(w http.ResponseWriter, _ *http.Request) {
			(&held{header: w.Header(), status: http.StatusOK, kind: d.kind, body: *bytes.NewBuffer(d.text)}).send(w)
		})
	}
	return nil
}

// held is an answer that is not sent before it is whole.
type held struct {
	header http.Header
	status int
	kind   string
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (h *held) Header() http.Header { return h.header }

// WriteHeader implements http.ResponseWriter.
func (h *held) WriteHeader(status int) { h.status = status }

// Write implements http.ResponseWriter.
func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *held) send(w http.ResponseWriter) {
	if h.kind != "" {
		h.header.Set("Content-Type", h.kind)
	}
	if h.status == http.StatusNoContent || h.status == http.StatusNotModified {
		h.header.Del("Content-Type")
		w.WriteHeader(h.status)
		return
	}
	h.header.Set("Content-Length", strconv.Itoa(h.body.Len()))
	w.WriteHeader(h.status)
	out := web.NewWriter(w)
	defer out.Done()
	_, _ = out.Write(h.body.Bytes()) // the client has gone; there is nobody to tell
}

// noClose is a body that was read already.
type noClose struct{ body []byte }

func (n noClose) reader() io.ReadCloser { return io.NopCloser(bytes.NewReader(n.body)) }
