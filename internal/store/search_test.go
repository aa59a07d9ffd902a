package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// block is how many entries have a filter together.
const block = 1024

// record commits n entries, many at a time, each as entry says.
func record(t testing.TB, s *store.Store, n int, entry func(i int) *vitrine.Entry) {
	t.Helper()
	var all sync.WaitGroup
	next := numbers(n)
	for range 64 {
		all.Go(func() {
			for i := range next {
				if _, err := s.Commit(t.Context(), entry(i), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func numbers(n int) <-chan int {
	ch := make(chan int, n)
	for i := range n {
		ch <- i
	}
	close(ch)
	return ch
}

// filtered waits until so many blocks have their filters.
func filtered(t testing.TB, s *store.Store, blocks int64) {
	t.Helper()
	until(t, "the filters are written", func() error {
		if n, err := store.Filtered(t.Context(), s); err != nil || n != blocks {
			return fmt.Errorf("%d blocks, %w", n, err)
		}
		return nil
	})
}

// plain is what a search means.
func plain(all []vitrine.Entry, q store.EntryQuery) []int64 {
	if q.Back {
		slices.Reverse(all)
	}
	is := func(want, got string) bool { return want == "" || want == got }
	seqs := []int64{}
	for _, e := range all {
		switch {
		case len(seqs) == q.Limit,
			!q.Back && e.Seq <= q.After, q.Back && q.After > 0 && e.Seq >= q.After,
			!is(string(q.Actor), string(e.Actor)), !is(q.Act, e.Act), !is(string(q.Outcome), string(e.Outcome)),
			!is(string(q.Resource), string(e.Resource)), !is(q.Request, e.Request), !is(string(q.Credential), string(e.Credential)),
			q.Scopes != nil && !slices.Contains(q.Scopes, e.Scope),
			!q.From.IsZero() && e.Time.Before(q.From), !q.To.IsZero() && !e.Time.Before(q.To):
		default:
			seqs = append(seqs, e.Seq)
		}
	}
	return seqs
}

// A search finds what reading everything would, whether the filters are written
// yet or not.
func TestSearchIsExact(t *testing.T) {
	const n = 3*block + 300
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Start(t, url)
		record(t, s, n, func(i int) *vitrine.Entry {
			e := opened(int64(i))
			e.Time = start.Add(time.Duration(i) * time.Second)
			e.Actor, e.Credential, e.Request = pick("user", i, 40), pick("key", i, 7), fmt.Sprint("req-", i)
			e.Act, e.Scope = string(pick("act", i, 5)), pick("scope", i/100, 400)
			if i%50 == 0 {
				e.Outcome, e.Resource = vitrine.Refused, ""
			}
			return e
		})
		var all []vitrine.Entry
		for after := int64(-1); after < n-1; after = all[len(all)-1].Seq {
			page, err := s.Entries(t.Context(), store.EntryQuery{After: after, Limit: 1000})
			if err != nil || len(page) == 0 {
				t.Fatal(len(page), err)
			}
			all = append(all, page...)
		}
		random := rand.New(rand.NewPCG(1, 2))
		ask := func(when string) {
			for range 150 {
				q := query(random, start, n)
				got, err := s.Entries(t.Context(), q)
				seqs := []int64{}
				for _, e := range got {
					seqs = append(seqs, e.Seq)
				}
				if diff := cmp.Diff(plain(slices.Clone(all), q), seqs); diff != "" || err != nil {
					t.Fatalf("%s: %+v: %v (-want +got):\n%s", when, q, err, diff)
				}
			}
		}
		ask("at once")
		filtered(t, s, 3)
		ask("with filters")
		if tried := store.Sifted(t, s, store.EntryQuery{After: -1, Request: "req-1"}); len(tried) > 2 {
			t.Errorf("blocks %d may hold one request; want the one and the last", tried)
		}
	})
}

func pick(what string, i, n int) vitrine.ID { return vitrine.ID(fmt.Sprintf("%s-%d", what, i*7919%n)) }

// query asks for one or two things that some entry may have.
func query(random *rand.Rand, start time.Time, n int) store.EntryQuery {
	i := random.IntN(n)
	q := store.EntryQuery{After: int64(random.IntN(n)) - 1, Back: random.IntN(2) == 0, Limit: 1 + random.IntN(200)}
	if random.IntN(3) == 0 {
		q.After = map[bool]int64{true: 0, false: -1}[q.Back]
	}
	for range 1 + random.IntN(2) {
		switch random.IntN(8) {
		case 0:
			q.Actor = pick("user", i, 41)
		case 1:
			q.Act = string(pick("act", i, 5))
		case 2:
			q.Outcome = vitrine.Refused
		case 3:
			q.Resource = vitrine.ID(fmt.Sprintf("img-%d", i))
		case 4:
			q.Scopes = []vitrine.ID{pick("scope", i, 400), pick("scope", i+1, 400), ""}
		case 5:
			q.Request = fmt.Sprint("req-", i)
		case 6:
			q.Credential = pick("key", i, 8)
		case 7:
			q.From = start.Add(time.Duration(i)*time.Second - 1)
			q.To = q.From.Add(time.Duration(random.IntN(2000)) * time.Second)
		}
	}
	return q
}

// A filter must not hide that a leaf is damaged or gone.
func TestFiltersHideNoDamage(t *testing.T) {
	for _, test := range []struct{ name, damage string }{
		{"damaged", `UPDATE log SET leaf = hash WHERE seq = 5`},
		{"sound", `UPDATE log SET leaf = leaf WHERE seq = 5`},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := storetest.SQLite(t)
			s := storetest.Start(t, url)
			record(t, s, block, func(i int) *vitrine.Entry { return opened(int64(i)) })
			filtered(t, s, 1)
			execute(t, url, test.damage)
			execute(t, url, `DELETE FROM log_filters`)
			record(t, s, block, func(i int) *vitrine.Entry { return opened(int64(i)) })
			filtered(t, s, 2)
			_, err := s.Entries(t.Context(), store.EntryQuery{After: -1, Actor: "nobody"})
			if got, want := errors.Is(err, entry.ErrMalformed), test.name == "damaged"; got != want {
				t.Errorf("a search over it: %v", err)
			}
		})
	}
}

// BenchmarkSearch asks a log of 200,000 entries.
func BenchmarkSearch(b *testing.B) {
	each(b, func(b *testing.B, s *store.Store, _ func()) {
		const n = 200_000
		record(b, s, n, func(i int) *vitrine.Entry {
			e := opened(int64(i))
			e.Request = fmt.Sprint("req-", i)
			return e
		})
		filtered(b, s, n/block)
		for _, test := range []struct {
			name string
			q    store.EntryQuery
		}{
			{"newest", store.EntryQuery{Back: true}},
			{"newest of one", store.EntryQuery{Back: true, Actor: "user-7"}},
			{"one request", store.EntryQuery{Back: true, Request: "req-1000"}},
			{"nobody", store.EntryQuery{Back: true, Actor: "nobody"}},
			{"two that never meet", store.EntryQuery{Back: true, Actor: "user-7", Resource: "img-8"}},
		} {
			b.Run(test.name, func(b *testing.B) {
				for b.Loop() {
					if _, err := s.Entries(b.Context(), test.q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}
