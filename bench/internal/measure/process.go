package measure

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process, or several, took so far.
type Usage struct {
	CPU  time.Duration
	RSS  int64 // bytes resident now
	Peak int64 // bytes resident at most
}

// ticks is how many the kernel counts a second (USER_HZ on Linux).
const ticks = 100

// UsageOf is what processes took, together.
func UsageOf(pids ...int) (Usage, error) {
	var u Usage
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return u, err
		}
		// The second field is a name in brackets that may hold spaces.
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		for _, at := range []int{11, 12} { // utime, stime
			n, err := strconv.ParseInt(f[at], 10, 64)
			if err != nil {
				return u, fmt.Errorf("/proc/%d/stat: %w", pid, err)
			}
			u.CPU += time.Duration(n) * time.Second / ticks
		}
		status := fmt.Sprintf("/proc/%d/status", pid)
		u.RSS += kilobytes(field(status, "VmRSS"))
		u.Peak += kilobytes(field(status, "VmHWM"))
	}
	return u, nil
}

func kilobytes(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
