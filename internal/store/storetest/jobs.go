package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

func lease(t *testing.T, s *store.Store, kind string, n int, length time.Duration) []store.Job {
	t.Helper()
	jobs, err := s.LeaseJobs(t.Context(), kind, n, length)
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func testJobs(t *testing.T, s *store.Store) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	do(t, s, func(tx *store.Tx) error {
		return errors.Join(
			tx.Enqueue("mask", []byte("second"), now.Add(-time.Second)),
			tx.Enqueue("mask", []byte("first"), now.Add(-time.Minute)),
			tx.Enqueue("mask", []byte("later"), now.Add(time.Hour)),
			tx.Enqueue("Mask", nil, time.Time{}),
		)
	})
	err := try(t, s, func(tx *store.Tx) error {
		return errors.Join(tx.Enqueue("mask", []byte("undone"), time.Time{}), vitrine.ErrConflict)
	})
	if !errors.Is(err, vitrine.ErrConflict) {
		t.Fatal(err)
	}
	jobs := lease(t, s, "mask", 10, time.Hour)
	if len(jobs) != 2 || string(jobs[0].Args) != "first" || string(jobs[1].Args) != "second" ||
		jobs[0].Attempts != 1 || !jobs[0].RunAt.Equal(now.Add(-time.Minute)) || jobs[0].Kind != "mask" {
		t.Fatalf("got %+v; want first and second", jobs)
	}
	if again := lease(t, s, "mask", 10, time.Hour); len(again) != 0 {
		t.Errorf("leased again: %+v", again)
	}
	cause := "it was \x00 down " + strings.Repeat("x", 5000)
	if err := s.RetryJob(t.Context(), jobs[0].ID, now.Add(-time.Second), cause); err != nil {
		t.Fatal(err)
	}
	again := lease(t, s, "mask", 10, -time.Second) // a lease that is over at once
	if len(again) != 1 || again[0].ID != jobs[0].ID || again[0].Attempts != 2 || !strings.HasPrefix(again[0].LastError, "it was") {
		t.Fatalf("after a retry: got %+v", again)
	}
	if again = lease(t, s, "mask", 10, time.Hour); len(again) != 1 || again[0].Attempts != 3 {
		t.Errorf("after a lease passed: got %+v", again)
	}
	for range 2 {
		if err := s.FinishJob(t.Context(), jobs[0].ID); err != nil {
			t.Errorf("finish: %v", err)
		}
	}
	if other := lease(t, s, "Mask", 1, time.Hour); len(other) != 1 || len(other[0].Args) != 0 {
		t.Errorf("of the other kind: got %+v", other)
	}
}

func testLease(t *testing.T, s *store.Store) {
	const n = 50
	do(t, s, func(tx *store.Tx) error {
		for i := range n {
			if err := tx.Enqueue("mask", fmt.Append(nil, i), epoch); err != nil {
				return err
			}
		}
		return nil
	})
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				jobs, err := s.LeaseJobs(t.Context(), "mask", 3, time.Hour)
				if err != nil || len(jobs) > 3 {
					t.Errorf("got %d jobs, %v", len(jobs), err)
				}
				if len(jobs) == 0 {
					return
				}
				mu.Lock()
				for _, j := range jobs {
					seen[string(j.Args)]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != n {
		t.Errorf("leased %d of %d jobs", len(seen), n)
	}
	for args, times := range seen {
		if times != 1 {
			t.Errorf("job %s was leased %d times", args, times)
		}
	}
}
