package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/bench/internal/commit"
	"vitrine.dev/vitrine/bench/internal/house"
	"vitrine.dev/vitrine/bench/internal/measure"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/store"
)

const (
	projects = 50
	datasets = 1000
	seen     = 20 // datasets of which half may be seen by whoever may see one in a hundred
)

// listPolicy is the places of the list, and who sees what of it.
func listPolicy() string {
	var b strings.Builder
	b.WriteString("projects:\n")
	for p := range projects {
		fmt.Fprintf(&b, "  project-%d:\n    environment: staging\n    datasets:\n", p)
		for d := p; d < datasets; d += projects {
			fmt.Fprintf(&b, "      dataset-%d: {category: generated, birth_tier: internal}\n", d)
		}
	}
	b.WriteString(`  renders:
    environment: staging
    datasets:
      drafts: {category: generated, birth_tier: internal}
people:
  ann: {email: ann@example.com}
  few: {email: few@example.com}
roles:
  viewer:
    name: Viewer
    grants:
      - {permissions: [image.open, dataset.view], categories: [generated], tiers: <= internal}
bindings:
  - {role: viewer, principal: ann, scope: org}
`)
	for d := range seen {
		fmt.Fprintf(&b, "  - {role: viewer, principal: few, scope: dataset-%d}\n", d*datasets/seen)
	}
	return b.String()
}

// row is the n-th image. Its neighbours in time lie in other datasets, and each
// tier holds a quarter.
func row(n int64) *store.ImageRow {
	d := n * 7919 % datasets
	return &store.ImageRow{
		Image: vitrine.Image{
			ID: vitrine.ID(fmt.Sprintf("img-%09d", n)), Dataset: vitrine.ID(fmt.Sprintf("dataset-%d", d)),
			Project: vitrine.ID(fmt.Sprintf("project-%d", d%projects)), Category: vitrine.Generated,
			Tier: vitrine.Tiers[n/datasets%4], TierBy: vitrine.TierByBirth, Owner: "ann", Created: time.UnixMicro(1_770_000_000_000_000 + n*1000),
			Detail: vitrine.ImageDetail{
				Name: "generated.png", Format: "png", Width: 1024, Height: 1024, Size: 1_500_000, SHA256: strings.Repeat("ab", 32),
				Lineage: vitrine.Lineage{Prompt: strings.Repeat("a painting of a harbour ", 10), Model: "studio", Seed: "42"},
			},
		},
		Key: make([]byte, 61),
	}
}

// listing measures pages of 50.
func listing(ctx context.Context, o *measure.Options, r *measure.Report, bin string) (err error) {
	n := int64(1_000_000)
	if o.Quick {
		n = 100_000
	}
	measure.Progress("fill %d images", n)
	h, err := house.Start(ctx, bin, house.Config{Dir: filepath.Join(o.Dir, "list"), Policy: listPolicy()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	few, err := h.Key(ctx, "few")
	if err != nil {
		return err
	}
	if err := h.Fill(ctx, func(a *app.App) error { return fill(ctx, a.Store, n) }); err != nil {
		return err
	}
	bare, err := commit.SQLite(filepath.Join(o.Dir, "list"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.Close()) }()
	l := &lister{house: h, key: few}
	all, err := l.walk(ctx)
	if err != nil {
		return err
	}
	if want := n / 100; l.images != want {
		return fmt.Errorf("the pages hold %d images, want %d", l.images, want)
	}
	measure.Progress("list, %d pages", len(all))
	const first, later, durable = "vitrine, first page", "vitrine, any later page", "one durable commit, SQLite"
	t := &measure.Table{Name: "list", Title: fmt.Sprintf("A page of 50 out of %s images, of which one in a hundred may be seen", measure.Format(float64(n), "")), Columns: []measure.Column{{Name: latency, Unit: "ns"}, {Name: p99, Unit: "ns"}}}
	sample := func(took []time.Duration, err error) (measure.Sample, error) {
		return measure.Sample{latency: float64(measure.Quantile(took, 0.5)), p99: float64(measure.Quantile(took, 0.99))}, err
	}
	err = t.Rounds(o.Rounds,
		measure.Contestant{Name: durable, Role: measure.Limit, Run: func() (measure.Sample, error) {
			return sample(measure.Times(200, func(int) error { return bare.Commit() }))
		}},
		measure.Contestant{Name: first, Role: measure.Ours, Run: func() (measure.Sample, error) {
			return sample(measure.Times(200, func(int) error {
				_, err := l.page(ctx, "")
				return err
			}))
		}},
		measure.Contestant{Name: later, Role: measure.Ours, Run: func() (measure.Sample, error) { return sample(l.walk(ctx)) }},
	)
	if err != nil {
		return err
	}
	r.Tables = append(r.Tables, t)
	r.AtMost(fmt.Sprintf("first page of 50 out of %s images, of which one in a hundred may be seen", measure.Format(float64(n), "")), "ns", t.Of(first, latency), 5e6)
	r.AtMost("any later page of the same list", "ns", t.Of(later, latency), 5e6)
	return nil
}

// fill puts images into the store as uploads would, a thousand with a commit.
func fill(ctx context.Context, s *store.Store, n int64) error {
	for i := int64(0); i < n; i += 1000 {
		err := s.Maintain(ctx, func(tx *store.Tx) error {
			for j := i; j < i+1000; j++ {
				if err := tx.PutImage(row(j)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lister asks for pages.
type lister struct {
	house  *house.House
	key    string
	images int64 // in the last walk
}

type page struct {
	Images []struct{ ID string }
	Next   string
}

func (l *lister) page(ctx context.Context, after string) (p page, err error) {
	q := url.Values{"limit": {"50"}}
	if after != "" {
		q.Set("after", after)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.house.URL()+"/api/v1/images?"+q.Encode(), nil)
	if err != nil {
		return p, err
	}
	r.Header.Set("Authorization", "Bearer "+l.key)
	err = do(r, &p)
	return p, err
}

// walk goes through all pages and answers how long each later one took, sorted.
func (l *lister) walk(ctx context.Context) ([]time.Duration, error) {
	l.images = 0
	var took []time.Duration
	for after := ""; ; {
		began := time.Now()
		p, err := l.page(ctx, after)
		if err != nil {
			return nil, err
		}
		if after != "" {
			took = append(took, time.Since(began))
		}
		l.images += int64(len(p.Images))
		if after = p.Next; after == "" {
			slices.Sort(took)
			return took, nil
		}
	}
}
