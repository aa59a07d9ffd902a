package gateway

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"vitrine.dev/vitrine"
)

// rates are the token buckets of this node: one for each deployment and
// principal. They live in two generations. Once the younger is full the older
// is forgotten, so that memory has a bound and who asks all the time is never
// forgotten.
type rates struct {
	mu         sync.Mutex
	young, old map[rated]*rate.Limiter
	last       time.Time
}

type rated struct{ deployment, principal vitrine.ID }

// maxRates is how many buckets a generation holds.
const maxRates = 10_000

// take takes a token from each bucket or, where one is empty, none; then it
// answers how long to wait.
func (r *rates) take(deployment vitrine.ID, perMinute int, at time.Time, principals ...vitrine.ID) time.Duration {
	if perMinute <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Requests come here in another order than they came in, and a bucket that
	// is asked about the past fills up once more for the time since.
	if at.Before(r.last) {
		at = r.last
	}
	r.last = at
	var wait time.Duration
	taken := make([]*rate.Reservation, 0, len(principals))
	for _, p := range principals {
		if p == "" {
			continue
		}
		t := r.bucket(rated{deployment, p}, perMinute, at).ReserveN(at, 1)
		taken = append(taken, t)
		wait = max(wait, t.DelayFrom(at))
	}
	if wait > 0 {
		for _, t := range taken {
			t.CancelAt(at)
		}
	}
	return wait
}

func (r *rates) bucket(k rated, perMinute int, at time.Time) *rate.Limiter {
	l, ok := r.young[k]
	if !ok {
		if l, ok = r.old[k]; !ok {
			l = rate.NewLimiter(perSecond(perMinute), perMinute)
		}
		if len(r.young) >= maxRates || r.young == nil {
			r.young, r.old = make(map[rated]*rate.Limiter), r.young
		}
		r.young[k] = l
	}
	if l.Burst() != perMinute { // the deployment's limit has changed
		l.SetLimitAt(at, perSecond(perMinute))
		l.SetBurstAt(at, perMinute)
	}
	return l
}

func perSecond(perMinute int) rate.Limit { return rate.Limit(perMinute) / 60 }
