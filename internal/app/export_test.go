package app

import (
	"testing"
	"time"
)

// Hurry makes servers wait no longer than that for requests under way when they
// are told to stop.
func Hurry(t testing.TB, most time.Duration) {
	was := drainTimeout
	drainTimeout = most
	t.Cleanup(func() { drainTimeout = was })
}
