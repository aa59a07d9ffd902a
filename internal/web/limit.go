package web

import (
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
)

// limits bounds the requests of each principal in this node. Money is bounded
// elsewhere, by rows; this keeps one runaway script from slowing all others.
type limits struct {
	perMinute int
	mu        sync.Mutex
	of        map[vitrine.ID]*rate.Limiter
}

// wait is how long a principal has to wait; 0 lets the request in. Only
// principals that exist come here, so there are not more limiters than those.
func (l *limits) wait(id vitrine.ID) time.Duration {
	if l.perMinute <= 0 {
		return 0
	}
	l.mu.Lock()
	one := l.of[id]
	if one == nil {
		if l.of == nil {
			l.of = make(map[vitrine.ID]*rate.Limiter)
		}
		// A burst of ten seconds' worth: pages of lists come together.
		one = rate.NewLimiter(rate.Limit(float64(l.perMinute)/60), max(1, l.perMinute/6))
		l.of[id] = one
	}
	l.mu.Unlock()
	r := one.Reserve()
	wait := r.Delay()
	if wait > 0 {
		r.Cancel()
	}
	return wait
}

// tooFast counts a request beyond the limit and answers it. The log holds
// counts of these and not each: a limit that costs a commit limits nothing.
func (d *Door) tooFast(r *http.Request, by access.Caller, wait time.Duration) error {
	const code = "rate_limited"
	if err := d.guard.Unknown(r.Context(), by, code); err != nil {
		return err
	}
	seconds := int(math.Ceil(wait.Seconds()))
	return &vitrine.Error{Kind: vitrine.ErrExhausted, Code: code, RetryAfter: seconds,
		Public: fmt.Sprintf("Too many requests. Try again in %d seconds.", seconds)}
}
