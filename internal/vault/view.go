package vault

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
)

// View is what a caller gets to see of an image. Close it. It is an
// io.ReaderAt of Size bytes: any range is read without what stands before it.
// When the image is deleted on this node further reads are ErrNotFound.
type View struct {
	Image         vitrine.Image // Detail empty when masked
	Rendition     vitrine.Rendition
	Format        string
	Width, Height int
	Size          int64
	ETag          string // of this rendition; without quotes

	vault *Vault
	id    vitrine.ID
	mu    sync.Mutex
	bytes *content
	ended error // why nothing can be read any more
}

// ReadAt implements io.ReaderAt. Every byte was authenticated.
func (w *View) ReadAt(p []byte, off int64) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return 0, w.ended
	}
	return w.bytes.ReadAt(p, off)
}

// Close ends the view; closing twice does nothing.
func (w *View) Close() error {
	w.vault.views.drop(w)
	return w.end(fs.ErrClosed)
}

// abandon closes a view that nobody gets to see, because of err.
func (w *View) abandon(err error) error {
	if cerr := w.Close(); cerr != nil {
		return errors.Join(err, cerr)
	}
	return err
}

func (w *View) end(why error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return nil
	}
	w.ended = why
	if w.bytes == nil {
		return nil
	}
	return w.bytes.Close()
}

// show gives the view its bytes, unless it ended before.
func (w *View) show(m vitrine.Image, r vitrine.Rendition, c *content) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return errors.Join(w.ended, c.Close())
	}
	if r == vitrine.Masked || r == vitrine.MaskedThumbnail {
		m.Detail = vitrine.ImageDetail{}
	}
	w.bytes, w.Image, w.Rendition = c, m, r
	w.Format, w.Width, w.Height, w.Size, w.ETag = c.Format, c.Width, c.Height, c.PlainSize, c.ETag
	return nil
}

// views are the open views of this node, so that deleting an image ends them.
type views struct {
	mu   sync.Mutex
	open map[vitrine.ID]map[*View]bool
}

// watch begins a view. It is watched from before the row is read, so that no
// deletion falls between the two.
func (v *Vault) watch(id vitrine.ID) *View {
	w := &View{vault: v, id: id}
	v.views.mu.Lock()
	defer v.views.mu.Unlock()
	if v.views.open == nil {
		v.views.open = map[vitrine.ID]map[*View]bool{}
	}
	if v.views.open[id] == nil {
		v.views.open[id] = map[*View]bool{}
	}
	v.views.open[id][w] = true
	return w
}

func (vs *views) drop(w *View) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	delete(vs.open[w.id], w)
	if len(vs.open[w.id]) == 0 {
		delete(vs.open, w.id)
	}
}

// end ends all views of an image that is no more.
func (vs *views) end(id vitrine.ID) {
	vs.mu.Lock()
	open := vs.open[id]
	delete(vs.open, id)
	vs.mu.Unlock()
	for w := range open {
		_ = w.end(access.NotFound()) // who reads hears of the end; closing fails nobody
	}
}

// asks are the permissions that a rendition needs. One that is not named tries
// the original, then the masked view; a thumbnail is of what may be seen.
func asks(r vitrine.Rendition) (first vitrine.Permission, orElse []vitrine.Permission, err error) {
	switch r {
	case "", vitrine.Thumbnail:
		return vitrine.ImageOpen, []vitrine.Permission{vitrine.ImageView}, nil
	case vitrine.Original:
		return vitrine.ImageOpen, nil, nil
	case vitrine.Masked:
		return vitrine.ImageView, nil, nil
	}
	return vitrine.ImageView, nil, vitrine.Invalid("rendition", "rendition", "A rendition is original, masked or thumbnail.")
}

// masked reports whether a decision allows no more than the masked view.
func masked(d vitrine.Decision) bool {
	return !d.Permission.Implies(vitrine.ImageOpen) || d.Obligation.Rendition == vitrine.Masked
}

// given is the rendition that a decision gives to who asked for r. A named
// original never degrades.
func given(r vitrine.Rendition, d vitrine.Decision) (vitrine.Rendition, error) {
	switch {
	case r == vitrine.Masked || r == vitrine.MaskedThumbnail || !masked(d):
		if r == "" {
			r = vitrine.Original
		}
		return r, nil
	case r == vitrine.Thumbnail:
		return vitrine.MaskedThumbnail, nil
	case r == "":
		return vitrine.Masked, nil
	}
	return "", &vitrine.Error{Kind: vitrine.ErrDenied, Code: "masked_only", Param: "rendition",
		Public: "You may see this image only masked."}
}

// Open decides, records, and answers what the caller gets to see. Rendition ""
// tries the original, then the masked view, as one attempt; a named one is that
// one or an error; Thumbnail is of what the caller may see, and View.Rendition
// says of which. ErrNotFound for what is absent or hidden, ErrDenied for what
// may be known but not seen so, ErrUnavailable when it could not be recorded.
func (v *Vault) Open(ctx context.Context, by access.Caller, id vitrine.ID, r vitrine.Rendition) (*View, error) {
	first, orElse, err := asks(r)
	a := access.Act{Permission: first, OrElse: orElse, Op: "open"}
	if err != nil {
		a.Resource = vitrine.Resource{ID: id}
		return nil, v.guard.Reject(ctx, by, a, err)
	}
	w := v.watch(id)
	t, err := v.look(ctx, by, w, a, r)
	if err == nil {
		_, err = t.Record(ctx)
	}
	if err != nil {
		return nil, w.abandon(err)
	}
	return w, nil
}

// look decides on an image and readies the view. Nothing is recorded yet: the
// view may leave only when the ticket was used.
func (v *Vault) look(ctx context.Context, by access.Caller, w *View, a access.Act, r vitrine.Rendition) (*access.Ticket, error) {
	m, t, err := v.ask(ctx, by, w.id, a, nil)
	if err != nil {
		return nil, err
	}
	if r, err = given(r, t.Decision()); err != nil {
		return nil, refuse(ctx, t, err)
	}
	c, err := v.render(ctx, m, r)
	if err == nil {
		err = w.show(m.Image, r, c)
	}
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	t.Entry().Detail = "rendition " + string(r)
	return t, nil
}

// Info is what a caller may know of an image: Detail only if it may open it.
type Info struct {
	vitrine.Image
	Sees vitrine.Rendition `json:"sees"` // original or masked

	Expires time.Time         `json:"expires,omitzero"`  // when its dataset's retention deletes it
	Hold    vitrine.ID        `json:"hold,omitempty"`    // a legal hold that keeps it; told who may delete or hold it
	Deleted *vitrine.Deletion `json:"deleted,omitempty"` // in lists of deleted images
}

// tell is an image as told to who may, or may not, open it.
func tell(m vitrine.Image, opens bool) Info {
	if opens {
		return Info{Image: m, Sees: vitrine.Original}
	}
	m.Detail = vitrine.ImageDetail{}
	return Info{Image: m, Sees: vitrine.Masked}
}

// Info decides and records as Open does, and answers the metadata alone.
func (v *Vault) Info(ctx context.Context, by access.Caller, id vitrine.ID) (*Info, error) {
	m, t, err := v.ask(ctx, by, id, access.Act{
		Permission: vitrine.ImageOpen, OrElse: []vitrine.Permission{vitrine.ImageView}, Op: "info",
	}, nil)
	if err != nil {
		return nil, err
	}
	info := tell(m.Image, !masked(t.Decision()))
	if err := v.stay(ctx, by, t.Entry().Time, &info); err != nil {
		return nil, refuse(ctx, t, err)
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return &info, nil
}

// Source opens the original of an image for an edit. Opening it was one of the
// questions of the act that d decided, which is in the log already; without an
// allow it is ErrDenied.
func (v *Vault) Source(ctx context.Context, d vitrine.Decision, id vitrine.ID) (*View, error) {
	if !d.Allow {
		return nil, &vitrine.Error{Kind: vitrine.ErrDenied, Code: string(d.Code)}
	}
	w := v.watch(id)
	m, err := v.row(ctx, id)
	if err == nil && m == nil {
		err = access.NotFound()
	}
	var c *content
	if err == nil {
		c, err = v.render(ctx, m, vitrine.Original)
	}
	if err == nil {
		err = w.show(m.Image, vitrine.Original, c)
	}
	if err != nil {
		return nil, w.abandon(err)
	}
	return w, nil
}

func question(by access.Caller, p vitrine.Permission, m *vitrine.Image, at time.Time) *rbac.Question {
	return &rbac.Question{Subject: by.Subject, Permission: p, Resource: m.Resource(), At: at}
}
