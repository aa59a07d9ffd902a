package measure

import (
	"slices"
	"time"
)

// Times calls fn n times and answers the sorted times that it took.
func Times(n int, fn func(i int) error) ([]time.Duration, error) {
	all := make([]time.Duration, n)
	for i := range all {
		began := time.Now()
		if err := fn(i); err != nil {
			return nil, err
		}
		all[i] = time.Since(began)
	}
	slices.Sort(all)
	return all, nil
}
