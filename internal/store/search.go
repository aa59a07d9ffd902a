package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
)

// EntryQuery asks for entries. Zero fields do not narrow.
type EntryQuery struct {
	// After is the seq after which to list, -1 from the first entry; with Back
	// the seq before which to list, 0 from the newest.
	After int64
	Back  bool
	Limit int // 0 is 100; at most 1000

	Actor      vitrine.ID
	Act        string
	Outcome    vitrine.Outcome
	Resource   vitrine.ID
	Scopes     []vitrine.ID // nil is all; empty is none
	Request    string
	Credential vitrine.ID
	From, To   time.Time // from From until before To
}

// field is what the log is searched by: an entry matches where one of the
// wanted values is its own.
type field struct {
	name string
	of   func(*vitrine.Entry) string
	want func(*EntryQuery) []string // nil: any
}

// one is the value of a field of a query, or none.
func one[T ~string](v T) []string {
	if v == "" {
		return nil
	}
	return []string{string(v)}
}

// fields stand in the database by their names.
var fields = []field{
	{"actor", func(e *vitrine.Entry) string { return string(e.Actor) }, func(q *EntryQuery) []string { return one(q.Actor) }},
	{"act", func(e *vitrine.Entry) string { return e.Act }, func(q *EntryQuery) []string { return one(q.Act) }},
	{"outcome", func(e *vitrine.Entry) string { return string(e.Outcome) }, func(q *EntryQuery) []string { return one(q.Outcome) }},
	{"resource", func(e *vitrine.Entry) string { return string(e.Resource) }, func(q *EntryQuery) []string { return one(q.Resource) }},
	{"scope", func(e *vitrine.Entry) string { return string(e.Scope) }, func(q *EntryQuery) []string { return listOf(q.Scopes) }},
	{"request", func(e *vitrine.Entry) string { return e.Request }, func(q *EntryQuery) []string { return one(q.Request) }},
	{"credential", func(e *vitrine.Entry) string { return string(e.Credential) }, func(q *EntryQuery) []string { return one(q.Credential) }},
}

// search is one question to the log on its way.
type search struct {
	s     *Store
	q     *EntryQuery
	want  map[string]map[string]bool // by field
	limit int
	found []parsed
}

// parsed is a leaf taken apart.
type parsed struct {
	*vitrine.Entry
	parts []entry.Part
}

// Entries lists entries as their leaves say, with personal fields opened where
// the person was not forgotten.
func (s *Store) Entries(ctx context.Context, q EntryQuery) ([]vitrine.Entry, error) {
	if q.Scopes != nil && len(q.Scopes) == 0 {
		return nil, nil
	}
	f, err := s.newSearch(&q)
	if err != nil {
		return nil, err
	}
	l := limited(ctx, searchTime)
	found, err := f.run(l.ctx)
	if err = l.end(err); err != nil {
		return nil, fmt.Errorf("search the log: %w", err)
	}
	parts := make([][]entry.Part, len(found))
	for i, p := range found {
		parts[i] = p.parts
	}
	open, err := s.opener(ctx, parts)
	if err != nil {
		return nil, fmt.Errorf("search the log: %w", err)
	}
	entries := make([]vitrine.Entry, len(found))
	for i, p := range found {
		if err := entry.Open(p.Entry, p.parts, open); err != nil {
			return nil, fmt.Errorf("open entry %d: %w", p.Seq, err)
		}
		entries[i] = *p.Entry
	}
	return entries, nil
}

func (s *Store) newSearch(q *EntryQuery) (*search, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	f := &search{s: s, q: q, want: map[string]map[string]bool{}, limit: min(limit, 1000)}
	for _, field := range fields {
		values := field.want(q)
		if len(values) == 0 {
			continue
		}
		f.want[field.name] = make(map[string]bool, len(values))
		for _, v := range values {
			if badText(v) {
				return nil, errBadText
			}
			f.want[field.name][v] = true
		}
	}
	return f, nil
}

// maxSpan is how many blocks' filters are looked at together. A search begins
// with one: mostly the newest entries are asked for, and found at once.
const maxSpan = 256

// run walks the blocks in the order that was asked for, and reads those that
// may hold what is.
func (f *search) run(ctx context.Context) ([]parsed, error) {
	from, to := f.q.After+1, int64(0)
	size, _, _, err := f.s.LogSize(ctx)
	if err != nil {
		return nil, err
	}
	if to = size; f.q.Back {
		from = 0
		if f.q.After > 0 {
			to = min(to, f.q.After)
		}
	}
	for span := int64(1); from < to && len(f.found) < f.limit; span = min(2*span, maxSpan) {
		lo, hi := from, min((from/blockSize+span)*blockSize, to)
		if from = hi; f.q.Back {
			lo, hi = max(((to-1)/blockSize+1-span)*blockSize, lo), to
			from, to = 0, lo
		}
		if err := f.span(ctx, lo, hi); err != nil {
			return nil, err
		}
	}
	return f.found, nil
}

// span searches the entries [from, to).
func (f *search) span(ctx context.Context, from, to int64) error {
	blocks, err := f.sift(ctx, from/blockSize, (to-1)/blockSize)
	if err != nil {
		return err
	}
	if f.q.Back {
		slices.Reverse(blocks)
	}
	for _, b := range blocks {
		if len(f.found) == f.limit {
			break
		}
		if err := f.read(ctx, max(from, b*blockSize), min(to, (b+1)*blockSize)); err != nil {
			return err
		}
	}
	return nil
}

// sift answers which of the blocks first to last may hold what is asked for.
func (f *search) sift(ctx context.Context, first, last int64) ([]int64, error) {
	out := map[int64]bool{}
	for _, field := range fields {
		if values := f.want[field.name]; len(values) > 0 && len(values) <= maxProbes {
			if err := f.leave(ctx, out, field.name, first, last, probes(values)); err != nil {
				return nil, err
			}
		}
	}
	if !f.q.From.IsZero() || !f.q.To.IsZero() {
		if err := f.leave(ctx, out, timeField, first, last, during(f.q.From, f.q.To)); err != nil {
			return nil, err
		}
	}
	var in []int64
	for b := first; b <= last; b++ {
		if !out[b] {
			in = append(in, b)
		}
	}
	return in, nil
}

const qFilters = `SELECT block, filter FROM log_filters WHERE field = $1 AND block BETWEEN $2 AND $3`

// leave leaves those blocks out whose filter says so. A block without one may
// hold anything.
func (f *search) leave(ctx context.Context, out map[int64]bool, field string, first, last int64, may func(filter) bool) error {
	rows, err := f.s.read.rows(ctx, qFilters, field, first, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var block int64
		var filter filter
		if err := rows.Scan(&block, &filter); err != nil {
			return err
		}
		if len(filter) > 0 && !may(filter) {
			out[block] = true
		}
	}
	return rows.end(rows.Err())
}

const (
	qLeaves     = `SELECT leaf FROM log WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT $3`
	qLeavesBack = `SELECT leaf FROM log WHERE seq >= $1 AND seq < $2 ORDER BY seq DESC LIMIT $3`
)

// read takes from the entries [from, to), all of one block, what is asked for.
func (f *search) read(ctx context.Context, from, to int64) error {
	query := qLeaves
	if f.q.Back {
		query = qLeavesBack
	}
	most := int64(blockSize)
	if len(f.want) == 0 && f.q.From.IsZero() && f.q.To.IsZero() {
		most = int64(f.limit - len(f.found))
	}
	rows, err := f.s.read.rows(ctx, query, from, to, most)
	if err != nil {
		return err
	}
	defer rows.Close()
	for len(f.found) < f.limit && rows.Next() {
		var leaf []byte
		if err := rows.Scan(&leaf); err != nil {
			return err
		}
		e, parts, err := entry.Parse(leaf)
		if err != nil {
			return err
		}
		if f.matches(e) {
			f.found = append(f.found, parsed{e, parts})
		}
	}
	return rows.end(rows.Err())
}

func (f *search) matches(e *vitrine.Entry) bool {
	for _, field := range fields {
		if want := f.want[field.name]; want != nil && !want[field.of(e)] {
			return false
		}
	}
	return (f.q.From.IsZero() || !e.Time.Before(f.q.From)) && (f.q.To.IsZero() || e.Time.Before(f.q.To))
}
