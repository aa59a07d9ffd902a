package measure

import (
	"errors"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// piece is how long the pieces are that a run is cut into: shorter than what a
// scheduler lets run at a time, so that most are not interrupted.
const piece = time.Millisecond

// Calls calls fn with 0, 1, 2, … for about so long and answers the time of one
// call: the median over pieces of a millisecond, so that what interrupts some of
// them does not count. The clock is looked at seldom enough not to be measured
// itself.
func Calls(about time.Duration, fn func(i int) error) (float64, error) {
	n, batch := 0, 1
	var all []float64
	for began := time.Now(); len(all) < 3 || time.Since(began) < about; {
		from, at := n, time.Now()
		for took := time.Duration(0); took < piece; took = time.Since(at) {
			if n > from && took < piece/100 {
				batch *= 2
			}
			for range batch {
				if err := fn(n); err != nil {
					return 0, err
				}
				n++
			}
		}
		all = append(all, float64(time.Since(at))/float64(n-from))
	}
	return Median(all), nil
}

// Parallel calls fn from as many goroutines as there are processors for about so
// long and answers how many calls a second they made together. Each begins
// elsewhere.
func Parallel(about time.Duration, fn func(i int) error) (float64, error) {
	n := runtime.GOMAXPROCS(0)
	counts, errs := make([]int, n), make([]error, n)
	began := time.Now()
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() {
			for batch := 1; errs[g] == nil && time.Since(began) < about; batch = min(2*batch, 1024) {
				for range batch {
					if errs[g] = fn(counts[g] + g*1_000_003); errs[g] != nil {
						return
					}
					counts[g]++
				}
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(began).Seconds()
	total := 0
	for _, c := range counts {
		total += c
	}
	return float64(total) / elapsed, errors.Join(errs...)
}

// Allocations are how many a call makes, by n calls.
func Allocations(n int, fn func(i int) error) (float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range n {
		if err := fn(i); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64((after.Mallocs - before.Mallocs) / uint64(n)), nil
}

// Heap is how much of the heap is alive.
func Heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// CPU is how much processor time this process took so far.
func CPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
