// Command log measures the log: appending, verifying, proving.
//
// Appending is measured at the store, which is what every request commits
// through: each writer commits one entry and waits until it is durable. Beside
// it stands a bare database: one row a commit, and many rows a commit, which is
// the most that sharing commits can reach. Verifying is the verb of the program
// on an export of a served installation; beside it stands a loop that reads the
// same file and hashes every line. Proving is the arithmetic over tiles as the
// store keeps them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/bench/internal/commit"
	"vitrine.dev/vitrine/bench/internal/measure"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

func main() { measure.Main("log", run) }

// The columns.
const (
	perSecond = "entries/s"
	latency   = "latency"
	p99       = "99 of 100"
)

func run(o *measure.Options, r *measure.Report) error {
	ctx := context.Background()
	base := os.Getenv("VITRINE_TEST_POSTGRES")
	if err := appending(ctx, o, r, database{"SQLite", "sqlite:" + filepath.Join(o.Dir, "log.db"), func() (*commit.Bare, error) { return commit.SQLite(o.Dir) }, 50_000}); err != nil {
		return err
	}
	if base == "" {
		r.Notes = append(r.Notes, "PostgreSQL was not measured: VITRINE_TEST_POSTGRES names none.")
	} else {
		at, drop, err := commit.Schema(base)
		if err != nil {
			return err
		}
		err = appending(ctx, o, r, database{"PostgreSQL", at, func() (*commit.Bare, error) { return commit.Postgres(at) }, 30_000})
		if err := errors.Join(err, drop()); err != nil {
			return err
		}
	}
	if err := verifying(ctx, o, r); err != nil {
		return err
	}
	return proving(ctx, o, r)
}

// database is where entries are appended.
type database struct {
	name, url string
	bare      func() (*commit.Bare, error)
	least     float64 // entries a second that it should take
}

// key seals what is sealed of entries.
var key = seal.Key{'b', 'e', 'n', 'c', 'h'}

// open opens a store and runs it. end ends it.
func open(ctx context.Context, at string) (s *store.Store, end func() error, err error) {
	if s, err = store.Open(ctx, store.Config{URL: at, Seal: key}); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, func() error {
		cancel()
		return errors.Join(<-done, s.Close())
	}, nil
}

// entry is one like those of images that are opened, by one of fifty people.
func entry(i int64) *vitrine.Entry {
	return &vitrine.Entry{
		Act: "image.open", Op: "rendition original", Outcome: vitrine.Allowed, Actor: vitrine.ID(fmt.Sprintf("user-%d", i%50)),
		ActorKind: vitrine.User, Credential: "key-1", Kind: vitrine.KindImage, Resource: vitrine.ID(fmt.Sprintf("img-%d", i)),
		Scope: "dataset-1", Category: vitrine.Generated, Tier: vitrine.Internal, Binding: "binding-1", Revision: 12,
		Request:  "req-0123456789abcdef",
		Personal: vitrine.Personal{Address: "192.0.2.17", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)"},
	}
}

func appending(ctx context.Context, o *measure.Options, r *measure.Report, d database) (err error) {
	measure.Progress("append, %s", d.name)
	s, end, err := open(ctx, d.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	bare, err := d.bare()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.Close()) }()
	about, n := 3*time.Second, 1000
	if o.Quick {
		about, n = time.Second, 200
	}
	const one, alone, many, batch = "bare: one row a commit", "vitrine, one writer", "vitrine, 64 writers", "bare: 512 rows a commit"
	t := &measure.Table{Name: "append-" + d.name, Columns: []measure.Column{
		{Name: latency, Unit: "ns"}, {Name: p99, Unit: "ns"}, {Name: perSecond, Unit: "/s", More: true},
	}}
	err = t.Rounds(o.Rounds,
		measure.Contestant{Name: one, Role: measure.Limit, Run: func() (measure.Sample, error) { return times(n, 1, func(int) error { return bare.Commit() }) }},
		measure.Contestant{Name: batch, Role: measure.Limit, Run: func() (measure.Sample, error) {
			return times(n/10, 4*commit.Chunk, func(int) error { return bare.Batch(4) })
		}},
		measure.Contestant{Name: alone, Role: measure.Ours, Run: func() (measure.Sample, error) {
			return times(n, 1, func(i int) error {
				_, err := s.Commit(ctx, entry(int64(i)), nil)
				return err
			})
		}},
		measure.Contestant{Name: many, Role: measure.Ours, Run: func() (measure.Sample, error) { return together(ctx, s, 64, about) }},
	)
	if err != nil {
		return err
	}
	single := t.Part(t.Name+"-one", "One writer appends durable entries, "+d.name, one, alone)
	shared := t.Part(t.Name+"-many", "64 writers append durable entries, "+d.name, batch, many)
	slices.Reverse(shared.Columns)
	r.Tables = append(r.Tables, single, shared)
	r.AtLeast(d.name+": durable entries a second with 64 writers", "/s", t.Of(many, perSecond), d.least)
	r.AtMost(d.name+": 99 of 100 entries with 64 writers", "ns", t.Of(many, p99), 20e6)
	r.AtMost(d.name+": one writer, against one durable commit", "×", t.Of(alone, latency)/t.Of(one, latency), 1.3)
	return nil
}

// times samples a call that makes so many entries durable.
func times(n, entries int, fn func(i int) error) (measure.Sample, error) {
	began := time.Now()
	all, err := measure.Times(n, fn)
	if err != nil {
		return nil, err
	}
	return measure.Sample{
		latency: float64(measure.Quantile(all, 0.5)), p99: float64(measure.Quantile(all, 0.99)),
		perSecond: float64(n*entries) / time.Since(began).Seconds(),
	}, nil
}

// together lets writers commit for a while, each waiting for its own.
func together(ctx context.Context, s *store.Store, writers int, about time.Duration) (measure.Sample, error) {
	var next atomic.Int64
	took, errs := make([][]time.Duration, writers), make([]error, writers)
	began := time.Now()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for errs[w] == nil && time.Since(began) < about {
				at := time.Now()
				_, errs[w] = s.Commit(ctx, entry(next.Add(1)), nil)
				took[w] = append(took[w], time.Since(at))
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(began).Seconds()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	return measure.Sample{
		latency: float64(measure.Quantile(all, 0.5)), p99: float64(measure.Quantile(all, 0.99)), perSecond: float64(len(all)) / elapsed,
	}, nil
}
