package vault

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// Bounds on a page.
const (
	defaultPage = 50
	maxPage     = 1000
	maxScan     = 10_000 // rows looked at for one page
	maxCursor   = 512    // bytes
)

// Query says which images to list; what is empty is any.
type Query struct {
	Project, Dataset vitrine.ID
	Category         vitrine.Category
	Tier             vitrine.Tier
	Deleted          bool   // those that were deleted and may be restored, instead
	After            string // Next of the page before
	Limit            int    // 0 is 50; at most 1000
}

// Page is a page of images, newest first. Where Next is not "" there may be
// more; a page may then hold fewer than were asked for, even none.
type Page struct {
	Images []Info `json:"images"`
	Next   string `json:"next,omitempty"`
}

// List answers a page of exactly those images that the caller may see, with
// Detail for those that it may open. Who may see none gets an empty page. An
// image whose row was changed outside is left out, since what the row says of who
// may see it cannot be trusted; the log tells. It counts nothing, and what may not be seen is told by nothing in the answer; only
// where a condition asks about owners may a page end early because of it.
//
// Of deleted images it answers exactly those that the caller may delete, and so
// restore.
func (v *Vault) List(ctx context.Context, by access.Caller, q Query) (*Page, error) {
	perm, op := vitrine.ImageView, "list"
	if q.Deleted {
		perm, op = vitrine.ImageDelete, "list deleted"
	}
	filter, t, err := v.guard.Filter(ctx, by, perm, op)
	if err != nil {
		return nil, err
	}
	p, err := v.guard.Snapshot(ctx, by)
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	l := lister{vault: v, filter: &filter, context: v.cursorContext(by, &q)}
	l.sets, l.residual = narrow(p, &filter, &q)
	page, err := l.page(ctx, &q)
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	full := 0
	for i := range page.Images {
		m := page.Images[i].Image
		d := p.Decide(question(by, vitrine.ImageOpen, &m, t.Entry().Time))
		told := tell(m, d.Allow && !masked(d))
		told.Deleted = page.Images[i].Deleted
		page.Images[i] = told
		if d.Allow {
			full++
		}
	}
	t.Entry().Detail = fmt.Sprintf("%d images, %d of them with their detail", len(page.Images), full)
	if l.damaged > 0 {
		t.Entry().Detail += fmt.Sprintf("; %d damaged ones were left out", l.damaged)
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return page, nil
}

// narrow is what the filter lets through and the query asks for.
func narrow(p *rbac.Policy, f *rbac.Filter, q *Query) (sets []store.ImageSet, residual bool) {
	for _, s := range f.Sets {
		set := store.ImageSet{Cells: cells(s.Cells, q)}
		for _, id := range s.Datasets {
			d, ok := p.Dataset(id)
			if (q.Dataset == "" || id == q.Dataset) && (q.Project == "" || ok && d.Project == q.Project) {
				set.Datasets = append(set.Datasets, id)
			}
		}
		if set.Cells != 0 && len(set.Datasets) > 0 {
			sets, residual = append(sets, set), residual || s.Residual
		}
	}
	return sets, residual
}

// cells are the engine's cells as the store's bits.
func cells(c rbac.Cells, q *Query) (bits uint32) {
	for _, category := range vitrine.Categories {
		for _, tier := range vitrine.Tiers {
			asked := (q.Category == vitrine.CategoryUnknown || category == q.Category) && (q.Tier == vitrine.TierUnknown || tier == q.Tier)
			if asked && c&rbac.Cell(category, tier) != 0 {
				bits |= 1 << store.Cell(category, tier)
			}
		}
	}
	return bits
}

// lister reads one page.
type lister struct {
	vault    *Vault
	filter   *rbac.Filter
	sets     []store.ImageSet
	residual bool
	context  string // of the cursor
	damaged  int    // images that were left out
}

// page reads rows until the page is full, the images are at their end, or
// enough were looked at: where a condition asks about owners, the index cannot
// tell, and each row is asked about.
func (l *lister) page(ctx context.Context, q *Query) (*Page, error) {
	after, err := l.vault.openCursor(q.After, l.context)
	if err != nil {
		return nil, err
	}
	limit := min(q.Limit, maxPage)
	if limit <= 0 {
		limit = defaultPage
	}
	step := limit + 1 // one more tells whether there is more
	if l.residual {
		step = maxPage
	}
	page := &Page{Images: []Info{}}
	for seen := 0; ; {
		found, err := l.vault.store.Images(ctx, store.ImageQuery{Sets: l.sets, Deleted: q.Deleted, After: after, Limit: min(step, maxPage)})
		if err != nil {
			return nil, err
		}
		l.damaged += len(found.Damaged)
		for _, id := range found.Damaged {
			l.vault.damaged(ctx, id, rowChanged)
		}
		for i := range found.Rows {
			m := &found.Rows[i]
			if len(page.Images) == limit {
				page.Next = l.vault.sealCursor(after, l.context)
				return page, nil
			}
			after = store.Cursor{Created: m.Created, ID: m.ID}
			if !l.residual || l.filter.Allows(m.Resource()) {
				page.Images = append(page.Images, Info{Image: m.Image, Deleted: m.Deleted})
			}
		}
		if after = found.Last; !found.Full {
			return page, nil
		}
		if seen += min(step, maxPage); seen >= maxScan || len(page.Images) == limit {
			page.Next = l.vault.sealCursor(after, l.context)
			return page, nil
		}
	}
}

// cursorContext binds a cursor to what it continues.
func (v *Vault) cursorContext(by access.Caller, q *Query) string {
	return strings.Join([]string{string(by.Principal), string(q.Project), string(q.Dataset), q.Category.String(), q.Tier.String(), strconv.FormatBool(q.Deleted)}, "\x00")
}

func (v *Vault) sealCursor(c store.Cursor, context string) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(c.Created.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(v.keys.cursor.Seal(append(plain, c.ID...), context))
}

// openCursor opens a cursor; "" is the start.
func (v *Vault) openCursor(s, context string) (store.Cursor, error) {
	if s == "" {
		return store.Cursor{}, nil
	}
	bad := vitrine.Invalid("after", "invalid_cursor", "This is no place in this list. Take next of the page before, with the same query.")
	if len(s) > maxCursor || strings.ContainsAny(s, "\r\n") { // which the decoder passes over
		return store.Cursor{}, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return store.Cursor{}, bad
	}
	plain, err := v.keys.cursor.Open(b, context)
	if err != nil || len(plain) < 8 {
		return store.Cursor{}, bad
	}
	return store.Cursor{
		Created: time.UnixMicro(int64(binary.BigEndian.Uint64(plain))).UTC(), ID: vitrine.ID(plain[8:]),
	}, nil
}
