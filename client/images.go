package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vitrine.dev/vitrine"
)

// Image is what a caller may know of an image.
type Image struct {
	vitrine.Image
	Sees vitrine.Rendition `json:"sees,omitempty"` // original or masked

	Expires time.Time         `json:"expires,omitzero"`  // when its dataset's retention deletes it
	Hold    vitrine.ID        `json:"hold,omitempty"`    // a legal hold that keeps it
	Deleted *vitrine.Deletion `json:"deleted,omitempty"` // in lists of deleted images
}

// Upload is what stands beside a picture that is uploaded.
type Upload struct {
	Dataset vitrine.ID   // "" is the caller's default
	Tier    vitrine.Tier // unknown is the dataset's birth tier
	Name    string
	Labels  []string
	Sources []vitrine.ID
}

// Upload adds a picture to a dataset.
func (c *Client) Upload(ctx context.Context, u Upload, picture io.Reader) (*Image, error) {
	q := url.Values{}
	for name, value := range map[string]string{"dataset": string(u.Dataset), "tier": u.Tier.String(), "name": u.Name} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(u.Labels) > 0 {
		q["label"] = u.Labels
	}
	for _, s := range u.Sources {
		q.Add("source", string(s))
	}
	out := new(Image)
	return out, c.do(ctx, call{method: "POST", path: "/images", query: q, body: picture, kind: "application/octet-stream"}, out)
}

// ImageQuery says which images to list; what is empty is any.
type ImageQuery struct {
	Project, Dataset vitrine.ID
	Category         vitrine.Category
	Tier             vitrine.Tier
	Deleted          bool   // those that were deleted and that the caller may restore
	After            string // of the page before
	Limit            int
}

// ImagePage lists images, newest first, and says where the next page begins; ""
// is that there is none.
func (c *Client) ImagePage(ctx context.Context, iq ImageQuery) (images []Image, next string, err error) {
	q := url.Values{}
	for name, value := range map[string]string{
		"project": string(iq.Project), "dataset": string(iq.Dataset), "category": iq.Category.String(), "tier": iq.Tier.String(), "after": iq.After,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if iq.Limit > 0 {
		q.Set("limit", strconv.Itoa(iq.Limit))
	}
	if iq.Deleted {
		q.Set("deleted", "true")
	}
	var out struct {
		Images []Image `json:"images"`
		Next   string  `json:"next"`
	}
	err = c.do(ctx, call{method: "GET", path: "/images", query: q}, &out)
	return out.Images, out.Next, err
}

// Images walks over all images of a query, page by page.
func (c *Client) Images(ctx context.Context, q ImageQuery) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		for {
			page, next, err := c.ImagePage(ctx, q)
			if err != nil {
				yield(Image{}, err)
				return
			}
			for _, m := range page {
				if !yield(m, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			q.After = next
		}
	}
}

// Image answers what the caller may know of an image.
func (c *Client) Image(ctx context.Context, id vitrine.ID) (*Image, error) {
	out := new(Image)
	return out, c.do(ctx, call{method: "GET", path: to("images", string(id))}, out)
}

// Content is a picture as it is served. Close it.
type Content struct {
	io.ReadCloser
	Rendition vitrine.Rendition // which one it is
	Format    string            // png, jpeg, webp, gif
	Size      int64             // -1 is not known
	ETag      string
}

// Content opens a picture. With rendition "" it is the best that the caller may
// see; a named one is that or an error.
func (c *Client) Content(ctx context.Context, id vitrine.ID, r vitrine.Rendition) (*Content, error) {
	q := url.Values{}
	if r != "" {
		q.Set("rendition", string(r))
	}
	resp, err := c.send(ctx, call{method: "GET", path: to("images", string(id), "content"), query: q})
	if err != nil {
		return nil, err
	}
	h := resp.Header
	return &Content{
		ReadCloser: resp.Body, Rendition: vitrine.Rendition(h.Get("X-Vitrine-Rendition")), ETag: h.Get("ETag"),
		Format: strings.TrimPrefix(h.Get("Content-Type"), "image/"), Size: resp.ContentLength,
	}, nil
}

// UpdateImage changes an image's name and labels; what is nil stays.
func (c *Client) UpdateImage(ctx context.Context, id vitrine.ID, name *string, labels *[]string) (*Image, error) {
	in := struct {
		Name   *string   `json:"name,omitempty"`
		Labels *[]string `json:"labels,omitempty"`
	}{name, labels}
	out := new(Image)
	return out, c.do(ctx, call{method: "PATCH", path: to("images", string(id)), in: in}, out)
}

// Classify changes an image's tier; lowering it needs a reason.
func (c *Client) Classify(ctx context.Context, id vitrine.ID, tier vitrine.Tier, reason string) (*Image, error) {
	in := struct {
		Tier   vitrine.Tier `json:"tier"`
		Reason string       `json:"reason,omitempty"`
	}{tier, reason}
	out := new(Image)
	return out, c.do(ctx, call{method: "PUT", path: to("images", string(id), "tier"), in: in}, out)
}

// Link shows an image to whoever has it, until it ends.
type Link struct {
	ID        vitrine.ID        `json:"id"`
	URL       string            `json:"url,omitempty"` // shown once
	Image     vitrine.ID        `json:"image"`
	Rendition vitrine.Rendition `json:"rendition"`
	Expires   time.Time         `json:"expires"`
	Uses      int64             `json:"uses"`
}

// MakeLink makes a link; a ttl of 0 is the server's longest.
func (c *Client) MakeLink(ctx context.Context, image vitrine.ID, r vitrine.Rendition, ttl time.Duration) (*Link, error) {
	in := struct {
		Rendition vitrine.Rendition `json:"rendition,omitempty"`
		TTL       vitrine.Duration  `json:"ttl,omitempty"`
	}{r, vitrine.Duration(ttl)}
	out := new(Link)
	return out, c.do(ctx, call{method: "POST", path: to("images", string(image), "links"), in: in}, out)
}

// Links lists the links to an image.
func (c *Client) Links(ctx context.Context, image vitrine.ID) ([]Link, error) {
	var out struct {
		Links []Link `json:"links"`
	}
	err := c.do(ctx, call{method: "GET", path: to("images", string(image), "links")}, &out)
	return out.Links, err
}

// RevokeLink ends a link.
func (c *Client) RevokeLink(ctx context.Context, image, link vitrine.ID) error {
	return c.do(ctx, call{method: "DELETE", path: to("images", string(image), "links", string(link))}, nil)
}

// Generation is what to generate, in OpenAI's words.
type Generation struct {
	Model          string `json:"model"`
	Prompt         string `json:"prompt"`
	N              int    `json:"n,omitempty"`
	Size           string `json:"size,omitempty"`
	Quality        string `json:"quality,omitempty"`
	OutputFormat   string `json:"output_format,omitempty"`
	ResponseFormat string `json:"response_format,omitempty"`
	User           string `json:"user,omitempty"`
	Seed           *int64 `json:"seed,omitempty"`

	Dataset        vitrine.ID `json:"-"` // where the images are kept; "" is the key's default
	Project        vitrine.ID `json:"-"` // whose deployment; "" is the key's default
	IdempotencyKey string     `json:"-"`
}

// Generated is what came of a generation.
type Generated struct {
	Images    []GeneratedImage `json:"images"`
	Cost      float64          `json:"cost"`                // dollars, of the caller's budget
	Remaining *float64         `json:"remaining,omitempty"` // dollars; nil where no budget counts
}

// GeneratedImage is one image; it stands in the vault under ID.
type GeneratedImage struct {
	ID            vitrine.ID `json:"id"`
	Picture       []byte     `json:"-"` // with response format b64_json
	URL           string     `json:"url,omitempty"`
	RevisedPrompt string     `json:"revised_prompt,omitempty"`
}

func (g *Generation) header() http.Header {
	h := http.Header{}
	for name, value := range map[string]string{
		"X-Vitrine-Dataset": string(g.Dataset), "OpenAI-Project": string(g.Project), "Idempotency-Key": g.IdempotencyKey,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	return h
}

// Generate generates images through the OpenAI door.
func (c *Client) Generate(ctx context.Context, g Generation) (*Generated, error) {
	var out struct {
		Data []struct {
			B64           []byte `json:"b64_json"`
			URL           string `json:"url"`
			RevisedPrompt string `json:"revised_prompt"`
		} `json:"data"`
		Cost      float64  `json:"cost"`
		Remaining *float64 `json:"remainingBalance"`
	}
	resp, err := c.send(ctx, call{method: "POST", path: "//v1/images/generations", in: g, header: g.header()})
	if err != nil {
		return nil, err
	}
	if err := decode(resp, &out); err != nil {
		return nil, err
	}
	ids := strings.Split(resp.Header.Get("X-Vitrine-Image-Ids"), ",")
	made := &Generated{Cost: out.Cost, Remaining: out.Remaining}
	for i, d := range out.Data {
		m := GeneratedImage{Picture: d.B64, URL: d.URL, RevisedPrompt: d.RevisedPrompt}
		if i < len(ids) {
			m.ID = vitrine.ID(ids[i])
		}
		made.Images = append(made.Images, m)
	}
	return made, nil
}
