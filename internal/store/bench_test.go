package store_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// each runs a benchmark on every database. filled is to be called after filling
// one: PostgreSQL would look at what is there by itself, but later.
func each(b *testing.B, fn func(b *testing.B, s *store.Store, filled func())) {
	b.Run("sqlite", func(b *testing.B) { fn(b, storetest.Start(b, storetest.SQLite(b)), func() {}) })
	base := os.Getenv("VITRINE_TEST_POSTGRES")
	if base == "" {
		return
	}
	b.Run("postgres", func(b *testing.B) {
		url := storetest.Schema(b, base)
		fn(b, storetest.Start(b, url), func() { execute(b, url, "ANALYZE images, objects") })
	})
}

func opened(i int64) *vitrine.Entry {
	return &vitrine.Entry{
		Act: "image.open", Op: "rendition original", Outcome: vitrine.Allowed, Actor: vitrine.ID(fmt.Sprintf("user-%d", i%50)),
		ActorKind: vitrine.User, Credential: "key-1", Kind: vitrine.KindImage, Resource: vitrine.ID(fmt.Sprintf("img-%d", i)),
		Scope: "dataset-1", Category: vitrine.Generated, Tier: vitrine.Internal, Binding: "binding-1", Revision: 12,
		Request:  "req-0123456789abcdef",
		Personal: vitrine.Personal{Address: "192.0.2.17", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)"},
	}
}

// BenchmarkCommit is what every request pays: an act recorded, alone or with an
// image. It reports how many acts shared a sync and how long they took. Beside it
// stands what the same database takes to make one small row durable.
func BenchmarkCommit(b *testing.B) {
	each(b, func(b *testing.B, s *store.Store, _ func()) {
		b.Run("bare", func(b *testing.B) {
			bare := store.Bare(b, s)
			took := make([]time.Duration, 0, b.N)
			for b.Loop() {
				start := time.Now()
				bare()
				took = append(took, time.Since(start))
			}
			latencies(b, took)
		})
		var next atomic.Int64
		for _, kind := range []struct {
			name string
			fn   func(i int64) func(*store.Tx) error
		}{
			{"entry", func(int64) func(*store.Tx) error { return nil }},
			{"image", putImage},
		} {
			for _, writers := range []int{1, 8, 64} {
				b.Run(fmt.Sprintf("%s/writers=%d", kind.name, writers), func(b *testing.B) {
					var syncs int
					store.SetFault(s, func(stage string) error {
						if stage == "before" {
							syncs++
						}
						return nil
					})
					defer store.SetFault(s, nil)
					took := writeAll(b, writers, func() error {
						i := next.Add(1)
						_, err := s.Commit(b.Context(), opened(i), kind.fn(i))
						return err
					})
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acts/s")
					b.ReportMetric(float64(b.N)/float64(syncs), "acts/sync")
					latencies(b, took)
				})
			}
		}
	})
}

// writeAll has so many writers act b.N times together, and answers how long each
// act took.
func writeAll(b *testing.B, writers int, act func() error) []time.Duration {
	took := make([]time.Duration, b.N)
	var started atomic.Int64
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for i := started.Add(1) - 1; i < int64(b.N); i = started.Add(1) - 1 {
				start := time.Now()
				if err := act(); err != nil {
					b.Error(err)
				}
				took[i] = time.Since(start)
			}
		})
	}
	all.Wait()
	return took
}

func latencies(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

func imageRow(i int64, dataset string) *store.ImageRow {
	return &store.ImageRow{
		Image: vitrine.Image{
			ID: vitrine.ID(fmt.Sprintf("img-%09d", i)), Dataset: vitrine.ID(dataset), Project: "project-1", Category: vitrine.Generated,
			Tier: vitrine.Tiers[i%4], TierBy: vitrine.TierByBirth, Owner: "user-1", Created: time.UnixMicro(1_770_000_000_000_000 + i*1000),
			Detail: vitrine.ImageDetail{
				Name: "generated.png", Format: "png", Width: 1024, Height: 1024, Size: 1_500_000, SHA256: strings.Repeat("ab", 32),
				Lineage: vitrine.Lineage{Prompt: strings.Repeat("a painting of a harbour ", 10), Model: "studio", Seed: "42"},
			},
		},
		Key: make([]byte, 61),
	}
}

func putImage(i int64) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		m := imageRow(i, "dataset-1")
		if err := tx.PutImage(m); err != nil {
			return err
		}
		return tx.PutBlob(&store.BlobRow{Name: string(m.ID) + "/original", Image: m.ID, Rendition: "original", Size: 1_500_000, Format: "png"})
	}
}

// BenchmarkImages reads a page of 50 out of 100,000 images in 1,000 datasets.
func BenchmarkImages(b *testing.B) {
	each(b, func(b *testing.B, s *store.Store, filled func()) {
		const n, datasets = 100_000, 1000
		fill(b, s, n, func(tx *store.Tx, i int64) error {
			return tx.PutImage(imageRow(i, fmt.Sprintf("dataset-%d", i*7919%datasets)))
		})
		filled()
		internal := uint32(1)<<store.Cell(vitrine.Generated, vitrine.Public) | 1<<store.Cell(vitrine.Generated, vitrine.Internal)
		for _, count := range []int{1, 20, 500, datasets} {
			set := store.ImageSet{Cells: internal}
			for i := range count {
				set.Datasets = append(set.Datasets, vitrine.ID(fmt.Sprintf("dataset-%d", i)))
			}
			for _, page := range []struct {
				name  string
				after store.Cursor
			}{{"first", store.Cursor{}}, {"middle", store.Cursor{Created: imageRow(n/2, "").Created, ID: "x"}}} {
				b.Run(fmt.Sprintf("datasets=%d/%s", count, page.name), func(b *testing.B) {
					for b.Loop() {
						got, err := s.Images(b.Context(), store.ImageQuery{Sets: []store.ImageSet{set}, After: page.after})
						if err != nil || len(got.Rows) == 0 {
							b.Fatal(got, err)
						}
					}
				})
			}
		}
	})
}

// fill writes n rows in acts of a thousand.
func fill(b *testing.B, s *store.Store, n int64, put func(*store.Tx, int64) error) {
	b.Helper()
	for i := int64(0); i < n; i += 1000 {
		err := s.Maintain(b.Context(), func(tx *store.Tx) error {
			for j := i; j < min(i+1000, n); j++ {
				if err := put(tx, j); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPolicy loads a policy of 100,000 bindings, as a node does at start.
func BenchmarkPolicy(b *testing.B) {
	each(b, func(b *testing.B, s *store.Store, filled func()) {
		set := &vitrine.ChangeSet{}
		for i := range 100_000 {
			set.Changes = append(set.Changes, vitrine.Put(&vitrine.Binding{
				ID: vitrine.ID(fmt.Sprintf("binding-%06d", i)), Role: "ai-image-user", Principal: vitrine.ID(fmt.Sprintf("user-%d", i)),
				Scope: vitrine.ID(fmt.Sprintf("project-%d", i%100)),
			}))
		}
		_, err := s.Commit(b.Context(), opened(0), func(tx *store.Tx) error {
			_, err := tx.ApplyChanges(0, "owner", set)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		filled()
		for b.Loop() {
			if _, objects, _, err := s.Policy(b.Context()); err != nil || len(objects) != len(set.Changes) {
				b.Fatal(len(objects), err)
			}
		}
	})
}

// BenchmarkReads are what a request looks up.
func BenchmarkReads(b *testing.B) {
	each(b, func(b *testing.B, s *store.Store, _ func()) {
		if _, err := s.Commit(b.Context(), opened(0), putImage(1)); err != nil {
			b.Fatal(err)
		}
		b.Run("image", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Image(b.Context(), "img-000000001"); err != nil {
						b.Error(err)
					}
				}
			})
		})
		b.Run("revision", func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Revision(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
