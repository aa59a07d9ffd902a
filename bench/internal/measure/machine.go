package measure

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Machine is what figures depend on.
type Machine struct {
	CPU    string        `json:"cpu"`
	Cores  int           `json:"cores"`
	Memory int64         `json:"memory"` // bytes
	Kernel string        `json:"kernel"`
	Go     string        `json:"go"`
	Fsync  time.Duration `json:"fsync"` // median of appending 4 KB to a file and syncing it
}

// ThisMachine looks at the machine; dir is where it writes to time the disk.
func ThisMachine(dir string) (Machine, error) {
	m := Machine{
		CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(),
		Kernel: line("/proc/sys/kernel/osrelease"), Go: runtime.Version(),
	}
	m.Memory = kilobytes(field("/proc/meminfo", "MemTotal"))
	var err error
	m.Fsync, err = Fsync(dir, 200)
	return m, err
}

// Fsync is the median time of a bare durable write: 4 KB appended to a file
// that is already long enough, and synced. It is the floor of every commit.
func Fsync(dir string, n int) (_ time.Duration, err error) {
	f, err := os.CreateTemp(dir, "fsync")
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
		if e := os.Remove(f.Name()); err == nil {
			err = e
		}
	}()
	page := make([]byte, 4096)
	all := make([]time.Duration, n)
	for i := range all {
		began := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		all[i] = time.Since(began)
	}
	slices.Sort(all)
	return all[n/2], nil
}

func line(path string) string {
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return "unknown" // not Linux
	}
	return strings.TrimSpace(string(b))
}

// field is the value of a line "name: value".
func field(path, name string) string {
	for l := range strings.Lines(line(path)) {
		if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}
