package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/problem"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/web"
)

// bytes are the routes whose body is a picture.
func (a *API) bytes() {
	up := Route{Method: "POST", Pattern: prefix + "/images", Permission: vitrine.ImageCreate, Summary: "Upload an image; the body is the picture itself", tag: "images", op: "upload", status: 201, once: true}
	a.plain(up, a.upload)
	a.describe(up, "image/*", "application/json", "dataset", "tier", "name", "label", "source")
	content := Route{Method: "GET", Pattern: prefix + "/images/{id}/content", Permission: vitrine.ImageView, Summary: "The picture, as far as you may see it", tag: "images", op: "open", versioned: true, errors: []int{http.StatusRequestedRangeNotSatisfiable}}
	a.plain(content, a.content)
	a.describe(content, "", "image/*", "rendition", "download")
	a.plain(Route{Method: "GET", Pattern: "/l/{token}", Public: "the link itself is the right; the policy is asked for who made it", Summary: "What a link shows", tag: "links", op: "open link"}, a.openLink)
}

// describe puts a route that handles bytes into the document.
func (a *API) describe(route Route, in, out string, query ...string) {
	status := route.status
	if status == 0 {
		status = http.StatusOK
	}
	op := a.operation(route, status)
	binary := func(kind string) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{kind: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
	}
	if in != "" {
		op.RequestBody = &huma.RequestBody{Required: true, Content: binary(in)}
	}
	answer := binary(out)
	if out == "application/json" {
		answer = map[string]*huma.MediaType{out: {Schema: a.huma.OpenAPI().Components.Schemas.Schema(imageType, true, "Image")}}
	}
	if op.Responses == nil {
		op.Responses = make(map[string]*huma.Response)
	}
	op.Responses[fmt.Sprint(status)] = &huma.Response{Description: http.StatusText(status), Content: answer}
	if route.versioned || route.once {
		op.Responses[fmt.Sprint(status)].Headers = map[string]*huma.Header{"ETag": {Schema: &huma.Schema{Type: huma.TypeString}}}
	}
	if slices.Contains(route.errors, http.StatusRequestedRangeNotSatisfiable) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: "Range", In: "header", Schema: &huma.Schema{Type: huma.TypeString}})
		op.Responses[fmt.Sprint(http.StatusPartialContent)] = &huma.Response{Description: http.StatusText(http.StatusPartialContent), Content: answer}
	}
	for _, m := range inPath.FindAllStringSubmatch(route.Pattern, -1) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: m[1], In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	for _, name := range query {
		op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "query", Schema: &huma.Schema{Type: huma.TypeString}})
	}
	refused := map[string]*huma.MediaType{"application/problem+json": {Schema: a.huma.OpenAPI().Components.Schemas.Schema(failureType, true, "failure")}}
	for _, code := range op.Errors {
		op.Responses[fmt.Sprint(code)] = &huma.Response{Description: http.StatusText(code), Content: refused}
	}
	a.huma.OpenAPI().AddOperation(&op)
}

// inPath finds the parameters of a pattern.
var inPath = regexp.MustCompile(`\{(\w+)(?:\.\.\.)?\}`)

func (a *API) upload(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	act := access.Act{Permission: vitrine.ImageCreate, Op: "upload"}
	u, err := uploadOf(r)
	if err == nil && r.ContentLength > a.MaxUpload {
		err = web.TooLarge(a.MaxUpload)
	}
	if err != nil {
		return a.Door.Reject(r, by, act, err)
	}
	o, err := a.once(r, by, act, nil, web.Longest(a.MaxUpload))
	var was *done
	if err == nil && o != nil {
		was, err = o.begin()
	}
	if err != nil {
		return a.Door.Reject(r, by, act, err)
	}
	limited := web.Limit(w, r, a.MaxUpload)
	defer limited()
	if was != nil {
		return o.replayUpload(w, was)
	}
	sum := sha256.New()
	m, err := a.Vault.Put(r.Context(), by, u, io.TeeReader(r.Body, sum))
	h := &held{header: w.Header(), status: http.StatusCreated, kind: "application/json"}
	if err == nil {
		err = json.NewEncoder(&h.body).Encode(m)
	}
	if err != nil {
		if o != nil {
			o.settle(w, nil, err)
		}
		return err
	}
	h.header.Set("Location", prefix+"/images/"+string(m.ID))
	h.header.Set("ETag", versionTag(m.Version))
	if o != nil {
		made := doneOf(h, false)
		made.Picture = hex.EncodeToString(sum.Sum(nil))
		o.settle(w, made, nil)
	}
	h.send(w)
	return nil
}

// uploadOf reads what stands beside the picture.
func uploadOf(r *http.Request) (vault.Upload, error) {
	var u vault.Upload
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Header.Get("Content-Type") != "" && (err != nil || kind != "application/octet-stream" && !strings.HasPrefix(kind, "image/")) {
		return u, vitrine.Invalid("Content-Type", "invalid_content_type", "Send the picture itself as the body, as image/png or its like.")
	}
	for name, values := range r.URL.Query() {
		switch name {
		case "label":
			u.Labels = values
			continue
		case "source":
			for _, id := range values {
				u.Sources = append(u.Sources, vitrine.ID(id))
			}
			continue
		}
		if len(values) > 1 {
			return u, vitrine.Invalid(name, "duplicate_parameter", "It stands in the address twice.")
		}
		switch name {
		case "dataset":
			u.Dataset = vitrine.ID(values[0])
		case "name":
			u.Name = values[0]
		case "tier":
			if err := u.Tier.UnmarshalText([]byte(values[0])); err != nil {
				return u, vitrine.Invalid("tier", "tier", sentence(err.Error()))
			}
		default:
			return u, vitrine.Invalid(name, "unknown_parameter", "There is no such parameter.")
		}
	}
	return u, nil
}

func (a *API) content(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	q := r.URL.Query()
	rendition := vitrine.Rendition(q.Get("rendition"))
	switch rendition {
	case "", vitrine.Original, vitrine.Masked, vitrine.Thumbnail:
	default:
		return a.Door.Reject(r, by, access.Act{Permission: vitrine.ImageView, Op: "open"},
			vitrine.Invalid("rendition", "rendition", "A rendition is original, masked or thumbnail."))
	}
	v, err := a.Vault.Open(r.Context(), by, vitrine.ID(r.PathValue("id")), rendition)
	if err != nil {
		return err
	}
	a.send(w, r, v, q.Has("download"))
	return nil
}

func (a *API) openLink(w http.ResponseWriter, r *http.Request, from access.Caller) error {
	w.Header().Set("Referrer-Policy", "no-referrer") // the address is the secret
	open := a.Vault.OpenLink
	if r.Method == http.MethodHead { // chat programs and proxies look ahead; that is no use of the link
		open = a.Vault.PeekLink
	}
	v, err := open(r.Context(), from, r.PathValue("token"))
	if err != nil {
		return err
	}
	// Whoever has the link has the picture: a page that shows an answer's link
	// is what answers with a link are for.
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	a.send(w, r, v, false)
	return nil
}

// send sends a picture, or the ranges of it that were asked for.
func (a *API) send(w http.ResponseWriter, r *http.Request, v *vault.View, download bool) {
	defer func() {
		if err := v.Close(); err != nil {
			a.Door.Unexpected(w, r, fmt.Errorf("close image %s: %w", v.Image.ID, err))
		}
	}()
	kind := "inline"
	if download {
		kind = "attachment"
	}
	h := w.Header()
	h.Set("Content-Type", "image/"+v.Format)
	h.Set("Content-Disposition", mime.FormatMediaType(kind, map[string]string{"filename": fileName(v.Image.Detail.Name, string(v.Image.ID), v.Format)}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if h.Get("Cross-Origin-Resource-Policy") == "" {
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	}
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Vitrine-Rendition", string(v.Rendition))
	if v.ETag != "" {
		h.Set("ETag", `"`+strings.Trim(v.ETag, `"`)+`"`)
	}
	out := &patient{ResponseWriter: w, to: web.NewWriter(w)}
	defer out.to.Done()
	http.ServeContent(out, r, "", time.Time{}, io.NewSectionReader(v, 0, v.Size))
}

// patient is a ResponseWriter that gives each write its own time, and says in
// our words that a range cannot be.
type patient struct {
	http.ResponseWriter
	to   *web.Writer
	said bool
}

// WriteHeader implements http.ResponseWriter.
func (p *patient) WriteHeader(status int) {
	if status != http.StatusRequestedRangeNotSatisfiable {
		p.ResponseWriter.WriteHeader(status)
		return
	}
	p.said = true
	p.Header().Del("Content-Disposition")
	problem.Write(p.ResponseWriter, problem.Problem{Status: status, Title: "No such range", Code: "range_not_satisfiable", Param: "Range",
		Detail: "The picture has no such bytes; Content-Range tells how many it has.", Request: web.RequestID(p)})
}

// Write implements http.ResponseWriter.
func (p *patient) Write(b []byte) (int, error) {
	if p.said {
		return len(b), nil
	}
	return p.to.Write(b)
}

// ReadFrom implements io.ReaderFrom: a picture is sent in steps as long as those
// in which it is unsealed.
func (p *patient) ReadFrom(r io.Reader) (n int64, err error) {
	buf := steps.Get().(*[step]byte)
	defer steps.Put(buf)
	defer func() { clear(buf[:min(n, step)]) }()
	return io.CopyBuffer(struct{ io.Writer }{p}, r, buf[:])
}

// step is how much of a picture is sent at once.
const step = 256 << 10

var steps = sync.Pool{New: func() any { return new([step]byte) }}
