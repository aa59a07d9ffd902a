package client

import (
	"context"
	"iter"
	"net/url"
	"time"

	"vitrine.dev/vitrine"
)

// Deleting says how an image is deleted.
type Deleting struct {
	Now    bool   // destroy its key at once, without a time to be restored in
	Reason string // stands in the log; needed with Now
}

// Deleted is what became of an image.
type Deleted struct {
	ID        vitrine.ID `json:"id"`
	Destroyed bool       `json:"destroyed"`      // its key is; nothing brings it back
	Until     time.Time  `json:"until,omitzero"` // it may be restored until then
}

// DeleteImage deletes an image. It may be restored until the answer says.
func (c *Client) DeleteImage(ctx context.Context, id vitrine.ID, how Deleting) (*Deleted, error) {
	q := url.Values{}
	if how.Now {
		q.Set("now", "true")
	}
	if how.Reason != "" {
		q.Set("reason", how.Reason)
	}
	out := new(Deleted)
	return out, c.do(ctx, call{method: "DELETE", path: to("images", string(id)), query: q}, out)
}

// RestoreImage brings back an image that was deleted, while that may be.
func (c *Client) RestoreImage(ctx context.Context, id vitrine.ID) (*Image, error) {
	out := new(Image)
	return out, c.do(ctx, call{method: "POST", path: to("images", string(id), "restore")}, out)
}

// HoldQuery says which legal holds to list.
type HoldQuery struct {
	On     vitrine.Ref // only on this; the zero Ref is any
	Lifted bool        // lifted ones too
}

// Holds walks over the legal holds that the caller could place and lift, the
// newest first, page by page.
func (c *Client) Holds(ctx context.Context, hq HoldQuery) iter.Seq2[vitrine.Hold, error] {
	return func(yield func(vitrine.Hold, error) bool) {
		q := url.Values{}
		if hq.On != (vitrine.Ref{}) {
			q.Set("kind", string(hq.On.Kind))
			q.Set("id", string(hq.On.ID))
		}
		if hq.Lifted {
			q.Set("lifted", "true")
		}
		for {
			var page struct {
				Holds []vitrine.Hold `json:"holds"`
				Next  string         `json:"next"`
			}
			if err := c.do(ctx, call{method: "GET", path: "/holds", query: q}, &page); err != nil {
				yield(vitrine.Hold{}, err)
				return
			}
			for _, h := range page.Holds {
				if !yield(h, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.Set("after", page.Next)
		}
	}
}

// Hold places a legal hold on an image, a dataset or a project.
func (c *Client) Hold(ctx context.Context, on vitrine.Ref, reason string) (*vitrine.Hold, error) {
	in := struct {
		On     vitrine.Ref `json:"on"`
		Reason string      `json:"reason"`
	}{on, reason}
	out := new(vitrine.Hold)
	return out, c.do(ctx, call{method: "POST", path: "/holds", in: in}, out)
}

// LiftHold ends a legal hold.
func (c *Client) LiftHold(ctx context.Context, id vitrine.ID, reason string) (*vitrine.Hold, error) {
	in := struct {
		Reason string `json:"reason"`
	}{reason}
	out := new(vitrine.Hold)
	return out, c.do(ctx, call{method: "POST", path: to("holds", string(id), "lift"), in: in}, out)
}
