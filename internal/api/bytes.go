package api

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/web"
)

// bytes are the routes whose body is a picture.
func (a *API) bytes() {
	up := Route{Method: "POST", Pattern: prefix + "/images", Permission: vitrine.ImageCreate, Summary: "Upload an image; the body is the picture itself", tag: "images", op: "upload", status: 201}
	a.plain(up, a.upload)
	a.describe(up, "image/*", "application/json", "dataset", "tier", "name", "label", "source")
	content := Route{Method: "GET", Pattern: prefix + "/images/{id}/content", Permission: vitrine.ImageView, Summary: "The picture, as far as you may see it", tag: "images", op: "open"}
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
	op.Responses = map[string]*huma.Response{fmt.Sprint(status): {Description: http.StatusText(status), Content: answer}}
	if strings.Contains(route.Pattern, "{id}") {
		op.Parameters = append(op.Parameters, &huma.Param{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
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

func (a *API) upload(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	act := access.Act{Permission: vitrine.ImageCreate, Op: "upload"}
	u, err := uploadOf(r)
	if err == nil && r.ContentLength > a.MaxUpload {
		err = web.TooLarge(a.MaxUpload)
	}
	if err != nil {
		return a.Door.Reject(r, by, act, err)
	}
	done := web.Limit(w, r, a.MaxUpload)
	defer done()
	m, err := a.Vault.Put(r.Context(), by, u, r.Body)
	if err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	h := &held{header: w.Header(), status: http.StatusCreated, kind: "application/json"}
	h.header.Set("Location", prefix+"/images/"+string(m.ID))
	h.body.Write(text)
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
	if r.Method == http.MethodHead {
		// Chat programs and proxies look ahead; that is no use of the link, and
		// tells nothing.
		w.Header().Set("Allow", http.MethodGet)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	v, err := a.Vault.OpenLink(r.Context(), from, r.PathValue("token"))
	if err != nil {
		return err
	}
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
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Vitrine-Rendition", string(v.Rendition))
	if v.ETag != "" {
		h.Set("ETag", `"`+strings.Trim(v.ETag, `"`)+`"`)
	}
	out := &patient{w, web.NewWriter(w)}
	defer out.to.Done()
	http.ServeContent(out, r, "", time.Time{}, io.NewSectionReader(v, 0, v.Size))
}

// patient is a ResponseWriter that gives each write its own time.
type patient struct {
	http.ResponseWriter
	to *web.Writer
}

// Write implements http.ResponseWriter.
func (p *patient) Write(b []byte) (int, error) { return p.to.Write(b) }
