// Package vault keeps images in datasets: sealed at rest, each behind one
// decision, given in the form that the caller may see.
//
// Life of an image: Put asks the guard, reads the body into a Draft - inspected
// and sealed as it comes, never in clear on a disk - and commits row, bytes and
// entry in one transaction. Open asks the guard, prepares the rendition that
// the decision allows, records the entry, and only then hands out a View. Delete
// makes the image vanish in the transaction of its entry; Restore brings it back
// while its window lasts, then Run destroys its key, and the bytes, worthless
// then, follow. Run also deletes what is older than its dataset keeps it. A Hold
// keeps what it covers from all of that. A gateway that makes images writes
// Drafts and commits them with Keep under the receipt of its own decision.
//
// What this package does not do: it decides nothing (the guard does), touches
// no pixel (render does), and knows no HTTP. Its answers tell a caller who may
// not open the original nothing of it: no name, size, hash or lineage.
//
// The invariant: no byte of an image leaves before its entry is durable, and
// none leaves unauthenticated. Everything about a stored form is bound to its
// image: its bytes by the key, the columns beside them by the ETag. What was
// swapped, changed or cut does not open.
//
// The formats, all of version 1:
//
//	data key    32 random bytes an image, wrapped (seal.Key.Wrap) in its row
//	            under the key "vault/data" with the image's id as context
//	form        "original", "masked/" + style, "thumbnail/" + style,
//	            "masked-thumbnail/" + style: rendition and variant
//	blob        a sealed stream under data key.Derive("form", id, form), named
//	            id + "/" + form; to 64 KB in its row, beyond in the bucket
//	ETag        first 16 bytes of HMAC-SHA-256 under the key "vault/etag" of
//	            name, format, width, height and size, so that it tells nothing
//	            of the bytes and proves the row that it stands in
//	cursor      sealed under the key "vault/cursor" for query and caller: the
//	            last row that was looked at need not be one that may be seen
//	link        32 random bytes in base64url; its SHA-256 is kept
//
// where a key in quotes is derived from the installation key. The surprising
// choice is the one key an image and not one a dataset: deleting is destroying
// 32 bytes, and moving needs no new sealing.
package vault

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/blob"
	"vitrine.dev/vitrine/internal/render"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// Config is what a Vault needs.
type Config struct {
	Guard  *access.Guard
	Store  *store.Store
	Bucket blob.Bucket
	Seal   seal.Key // installation key

	Bounds  render.Bounds    // of a picture; a field that is zero stands for its default
	Now     func() time.Time // nil is time.Now
	LinkTTL time.Duration    // the longest life of a link; 0 is 60 minutes
	Window  *time.Duration   // for how long a deleted image may be restored; nil is DefaultWindow
	Logger  *slog.Logger     // nil discards
}

// Vault keeps images. It is safe for concurrent use.
type Vault struct {
	guard   *access.Guard
	store   *store.Store
	bucket  blob.Bucket
	keys    keys
	bounds  render.Bounds
	now     func() time.Time
	linkTTL time.Duration
	window  time.Duration
	node    string // in leases: this process
	logger  *slog.Logger

	// decoding bounds the pixels that are decoded at the same time, and with
	// them memory: as many as one picture of the largest size has.
	decoding *semaphore.Weighted
	memory   *semaphore.Weighted // for plain bytes of drafts
	claimed  atomic.Int64        // bytes of pictures on their way, see Room
	lastKept lastKept
	views    views
	small    small
	broken   broken
}

// New makes a vault; it starts nothing.
func New(c Config) (*Vault, error) {
	if c.Guard == nil || c.Store == nil || c.Bucket == nil || c.Seal.IsZero() {
		return nil, errors.New("vault: Guard, Store, Bucket and Seal are needed")
	}
	v := &Vault{guard: c.Guard, store: c.Store, bucket: c.Bucket, keys: newKeys(c.Seal), bounds: bounds(c.Bounds), now: c.Now, linkTTL: c.LinkTTL, logger: c.Logger}
	if v.now == nil {
		v.now = time.Now
	}
	if v.logger == nil {
		v.logger = slog.New(slog.DiscardHandler)
	}
	if v.linkTTL <= 0 {
		v.linkTTL = time.Hour
	}
	v.window, v.node = DefaultWindow, rand.Text()
	if c.Window != nil {
		v.window = max(0, *c.Window)
	}
	v.decoding = semaphore.NewWeighted(v.bounds.Pixels)
	v.memory = semaphore.NewWeighted(maxHeld)
	return v, nil
}

func bounds(b render.Bounds) render.Bounds {
	d := render.DefaultBounds()
	return render.Bounds{
		Bytes: cmp.Or(max(0, b.Bytes), d.Bytes), Pixels: cmp.Or(max(0, b.Pixels), d.Pixels),
		Frames: cmp.Or(max(0, b.Frames), d.Frames), Memory: cmp.Or(max(0, b.Memory), d.Memory),
	}
}

// newID is an id that was never used before: the time in milliseconds, then 110
// random bits. What is made one after the other so lies side by side in an index,
// and a commit writes fewer of its pages.
func newID(prefix string, at time.Time) vitrine.ID {
	const digits = "0123456789abcdefghijklmnopqrstuv" // in the order of their bytes
	var b [9]byte
	for ms, i := at.UnixMilli(), len(b)-1; i >= 0; ms, i = ms>>5, i-1 {
		b[i] = digits[ms&31]
	}
	return vitrine.ID(prefix + string(b[:]) + strings.ToLower(rand.Text()[:22]))
}

// row answers the row of an image that is there, or nil where there is none.
// What a row says that was changed outside comes with ErrDamaged.
func (v *Vault) row(ctx context.Context, id vitrine.ID) (*store.ImageRow, error) {
	return v.find(ctx, id, v.store.Image)
}

// find is row for images in a state that look knows.
func (v *Vault) find(ctx context.Context, id vitrine.ID, look func(context.Context, vitrine.ID) (*store.ImageRow, error)) (*store.ImageRow, error) {
	if !id.Valid() { // no image has such an id, and not every database takes it
		return nil, nil
	}
	m, err := look(ctx, id)
	if errors.Is(err, vitrine.ErrNotFound) {
		return nil, nil
	}
	if errors.Is(err, store.ErrDamaged) {
		v.damaged(ctx, id, rowChanged)
		return m, damage(err)
	}
	return m, err
}

// resource is what a decision about a row looks at. What is absent is asked
// about all the same, so that the answer and its time are those for hidden.
func resource(m *store.ImageRow, id vitrine.ID) vitrine.Resource {
	if m == nil {
		return vitrine.Resource{ID: id}
	}
	return m.Resource()
}

// ask decides an act on an image, which must have the version that the caller
// demands, if it demands one. more, may be nil, are further questions that
// depend on what the image is.
func (v *Vault) ask(ctx context.Context, by access.Caller, id vitrine.ID, a access.Act, more func(vitrine.Resource) []access.Question) (*store.ImageRow, *access.Ticket, error) {
	m, err := v.row(ctx, id)
	return v.askOf(ctx, by, id, m, err, a, more)
}

// askOf is ask about a row that was looked for.
func (v *Vault) askOf(ctx context.Context, by access.Caller, id vitrine.ID, m *store.ImageRow, found error, a access.Act, more func(vitrine.Resource) []access.Question) (*store.ImageRow, *access.Ticket, error) {
	// What a damaged row says cannot be trusted, but all that a decision on it
	// lets out is that there is such an image and that it is damaged.
	broken := m != nil && errors.Is(found, vitrine.ErrDamaged)
	if a.Resource = resource(m, id); found != nil && !broken {
		return nil, nil, v.guard.Reject(ctx, by, a, found)
	}
	if more != nil {
		a.More = more(a.Resource)
	}
	t, err := v.guard.Check(ctx, by, a)
	if err != nil && m != nil && m.Deleted != nil {
		err = hideDeleted(err)
	}
	if err != nil {
		return nil, nil, err
	}
	if m == nil { // the guard never allows what is absent
		return nil, nil, t.Refuse(ctx, string(vitrine.CodeAbsent), access.NotFound())
	}
	if broken {
		return nil, nil, refuse(ctx, t, found)
	}
	if by.IfVersion != 0 && by.IfVersion != m.Version {
		return nil, nil, refuse(ctx, t, &vitrine.Error{Kind: vitrine.ErrConflict, Code: "version",
			Public: "The image has changed since it was read. Look at it again and repeat."})
	}
	return m, t, nil
}

// hideDeleted turns the refusal to who could know of an image that is there into
// the one for what is absent: that a deleted one may be restored is known to who
// may do so.
func hideDeleted(err error) error {
	if errors.Is(err, vitrine.ErrDenied) {
		return access.NotFound()
	}
	return err
}

// refuse ends a ticket with what went wrong after the decision.
func refuse(ctx context.Context, t *access.Ticket, err error) error {
	code := "failed"
	var e *vitrine.Error
	if errors.As(err, &e) && e.Code != "" {
		code = e.Code
	}
	return t.Refuse(ctx, code, err)
}

// opens answers whether the caller may open an image, for what lists and the
// answers to changes tell of it. Whoever uses it has a ticket.
func (v *Vault) opens(ctx context.Context, by access.Caller, at time.Time) (func(*vitrine.Image) bool, error) {
	p, err := v.guard.Snapshot(ctx, by)
	if err != nil {
		return nil, err
	}
	return func(m *vitrine.Image) bool {
		d := p.Decide(question(by, vitrine.ImageOpen, m, at))
		return d.Allow && !masked(d)
	}, nil
}

// Find is the row's resource for a decision, or the zero resource when absent.
// It tells nobody anything by itself.
func (v *Vault) Find(ctx context.Context, id vitrine.ID) (vitrine.Resource, error) {
	m, err := v.row(ctx, id)
	if m == nil || err != nil {
		return vitrine.Resource{}, err
	}
	return m.Resource(), nil
}

// PromptHash is the keyed hash of a prompt, as in the log: equal prompts are
// equal within one installation, and nothing else is told. Of "" it is "".
func (v *Vault) PromptHash(p vitrine.Prompt) string {
	if p == "" {
		return ""
	}
	sum := v.keys.prompt.Mac([]byte(p.Reveal()))
	return fmt.Sprintf("%x", sum[:])
}
