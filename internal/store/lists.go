package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine"
)

// ImageSet is datasets, and in them the cells of category and tier, that may be
// listed: bit Cell(category, tier).
type ImageSet struct {
	Datasets []vitrine.ID
	Cells    uint32
}

// Cursor is the last image of a page.
type Cursor struct {
	Created time.Time
	ID      vitrine.ID
}

// ImageQuery asks for a page, newest first and, at the same instant, the
// greatest id first.
type ImageQuery struct {
	Sets []ImageSet // their union; none is nothing
	// Deleted asks for those that were deleted and may be restored instead, in
	// the same order.
	Deleted bool
	After   Cursor // the zero Cursor is the start
	Limit   int    // 0 is 50; at most 1000
}

// ImagePage is a page of images.
type ImagePage struct {
	Rows    []ImageRow
	Damaged []vitrine.ID // would be on the page, but their rows do not open
	Last    Cursor       // of the last image looked at, damaged or not
	Full    bool         // there are as many as were asked for; there may be more
}

// Images answers a page of exactly what the sets hold. One image that is damaged
// takes no others with it: it is not in Rows, since in which sets it is cannot be
// trusted either.
func (s *Store) Images(ctx context.Context, q ImageQuery) (*ImagePage, error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	q.Limit = min(q.Limit, 1000)
	sets := merge(q.Sets)
	if len(sets) == 0 {
		return &ImagePage{Last: q.After}, nil
	}
	scan, text, args := s.scanImage, "", []any(nil)
	if text, args = pageQuery(s.d, sets, &q); q.Deleted {
		scan = s.scanDeleted
	}
	l := limited(ctx, readTime)
	rows, err := s.read.once(l.ctx, text, args...)
	page, err := pageOf(rows, err, scan, q.After, q.Limit)
	if err = l.end(err); err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	return page, nil
}

// pageOf gathers a page of at most limit rows.
func pageOf(rows *results, err error, scan func(row) (ImageRow, error), after Cursor, limit int) (*ImagePage, error) {
	page := &ImagePage{Last: after}
	all, err := collect(rows, err, func(r row) (ImageRow, error) {
		m, err := scan(r)
		if errors.Is(err, ErrDamaged) {
			page.Damaged, err = append(page.Damaged, m.ID), nil
		}
		return m, err
	})
	if err != nil {
		return nil, err
	}
	if page.Full = len(all) == limit; len(all) > 0 {
		page.Last = Cursor{Created: all[len(all)-1].Created, ID: all[len(all)-1].ID}
	}
	page.Rows = slices.DeleteFunc(all, func(m ImageRow) bool { return slices.Contains(page.Damaged, m.ID) })
	return page, nil
}

// setPart is one dataset with its cells.
type setPart struct {
	dataset vitrine.ID
	cells   uint32
}

// fewDatasets is up to how many datasets are each read by their own index; for
// more, one scan of all images in order passes over what is not in the sets.
const fewDatasets = 64

// merge makes one part of each dataset, in the order of cells.
func merge(sets []ImageSet) []setPart {
	cells := map[vitrine.ID]uint32{}
	for _, set := range sets {
		for _, id := range set.Datasets {
			cells[id] |= set.Cells &^ (1 << 31)
		}
	}
	var all []setPart
	for id, c := range cells {
		if c != 0 {
			all = append(all, setPart{id, c})
		}
	}
	slices.SortFunc(all, func(a, b setPart) int {
		return cmp.Or(cmp.Compare(a.cells, b.cells), cmp.Compare(a.dataset, b.dataset))
	})
	return all
}

// pageQuery finds the ids of the page in indexes and reads no more images than
// it answers.
func pageQuery(d *dialect, sets []setPart, q *ImageQuery) (string, []any) {
	w := pageWriter{d: d, args: []any{q.Limit}}
	if q.After != (Cursor{}) {
		w.after = ` AND (created, id) < ($2, $3)`
		w.args = append(w.args, micros(q.After.Created), string(q.After.ID))
	}
	columns, these := imageColumns+`, cell`, `deleted = 0`
	if q.Deleted {
		columns, these = deletedColumns, `deleted = 2`
	}
	w.WriteString(`SELECT ` + columns + ` FROM images WHERE id IN (SELECT id FROM (`)
	if len(sets) <= fewDatasets {
		for i, set := range sets {
			if i > 0 {
				w.WriteString(` UNION ALL `)
			}
			w.WriteString(`SELECT id, created FROM (SELECT id, created FROM images WHERE ` + these + ` AND dataset = ` + w.arg(string(set.dataset)))
			w.cells(set.cells)
			w.WriteString(w.after + inOrder)
			fmt.Fprintf(&w, `) AS p%d`, i)
		}
	} else {
		w.WriteString(`SELECT id, created FROM images WHERE ` + these + ` AND (`)
		w.groups(sets)
		w.WriteString(`)` + w.after)
	}
	w.WriteString(inOrder + `) AS p)` + inOrder)
	return w.String(), w.args
}

const inOrder = ` ORDER BY created DESC, id DESC LIMIT $1`

type pageWriter struct {
	strings.Builder
	d     *dialect
	args  []any
	after string // narrows to what comes after the cursor
}

func (w *pageWriter) arg(v any) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args))
}

// cells narrows to cells, as a list: both engines look it up in the index.
func (w *pageWriter) cells(cells uint32) {
	w.WriteString(` AND cell IN (`)
	sep := ""
	for i := range 31 {
		if cells&(1<<i) != 0 {
			fmt.Fprintf(w, "%s%d", sep, i)
			sep = ","
		}
	}
	w.WriteString(`)`)
}

// groups names the datasets that share their cells together; sets is sorted by
// cells.
func (w *pageWriter) groups(sets []setPart) {
	for i := 0; i < len(sets); {
		j := i
		for j < len(sets) && sets[j].cells == sets[i].cells {
			j++
		}
		if i > 0 {
			w.WriteString(` OR `)
		}
		datasets := make(list, 0, j-i)
		for _, set := range sets[i:j] {
			datasets = append(datasets, string(set.dataset))
		}
		w.args = append(w.args, datasets)
		w.WriteString(w.d.walk + `dataset` + w.d.in(len(w.args)))
		w.cells(sets[i].cells)
		i = j
	}
}
