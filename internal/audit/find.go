package audit

import (
	"context"
	"errors"
	"slices"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/store"
)

// visible is an entry that lies in one of the scopes; nil is everywhere. What
// lies elsewhere is as absent.
func (l *Log) visible(ctx context.Context, seq int64, scopes []vitrine.ID) (store.LogRow, error) {
	size, _, _, err := l.store.LogSize(ctx)
	if err != nil {
		return store.LogRow{}, err
	}
	if seq < 0 || seq >= size {
		return store.LogRow{}, access.NotFound()
	}
	row, err := l.row(ctx, seq)
	if err != nil {
		return row, err
	}
	e, _, err := entry.Parse(row.Leaf)
	if err != nil {
		return row, err
	}
	if scopes != nil && !slices.Contains(scopes, e.Scope) {
		return store.LogRow{}, access.NotFound()
	}
	return row, nil
}

func (l *Log) row(ctx context.Context, seq int64) (row store.LogRow, err error) {
	err = l.store.LogRows(ctx, seq, seq+1, func(r store.LogRow) error {
		row = r
		return nil
	})
	return row, err
}

// about are the places of the entries about a thing in these scopes, in order,
// and of those that its first one's request left before: a generation begins
// before there is an image.
func (l *Log) about(ctx context.Context, id vitrine.ID, scopes []vitrine.ID) ([]int64, error) {
	var seqs []int64
	var birth vitrine.Entry
	q := store.EntryQuery{After: -1, Limit: 1000, Scopes: scopes, Resource: id}
	for {
		page, err := l.store.Entries(ctx, q)
		if err != nil {
			return nil, err
		}
		if len(seqs) == 0 && len(page) > 0 {
			birth = page[0]
		}
		for i := range page {
			seqs = append(seqs, page[i].Seq)
		}
		if len(page) < q.Limit {
			break
		}
		q.After = page[len(page)-1].Seq
	}
	if len(seqs) == 0 {
		return nil, access.NotFound()
	}
	if birth.Request == "" {
		return seqs, nil
	}
	begun, err := l.store.Entries(ctx, store.EntryQuery{After: -1, Limit: 100, Scopes: scopes, Request: birth.Request})
	if err != nil {
		return nil, err
	}
	var before []int64
	for i := range begun {
		if begun[i].Seq < birth.Seq {
			before = append(before, begun[i].Seq)
		}
	}
	return append(before, seqs...), nil
}

// refusalCode is how the log calls why nothing was proved.
func refusalCode(err error) string {
	if errors.Is(err, vitrine.ErrNotFound) {
		return "not_found"
	}
	return "failed"
}
