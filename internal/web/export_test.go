package web

import (
	"testing"
	"time"
)

// Pace makes bodies go on by so many bytes in such a time, until the test ends.
func Pace(t testing.TB, in time.Duration, by int64) {
	wasPace, wasStride := pace, stride
	pace, stride = in, by
	t.Cleanup(func() { pace, stride = wasPace, wasStride })
}
