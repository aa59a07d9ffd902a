package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"vitrine.dev/vitrine"
)

// ErrFull says that the disk is full: what was asked is recorded as failed, and
// not done. It is of kind vitrine.ErrUnavailable.
var ErrFull error = &vitrine.Error{
	Kind: vitrine.ErrUnavailable, Code: "disk_full",
	Public: "The server's disk is full, so nothing is done until there is room again.", RetryAfter: 30,
}

// space keeps room beside an embedded database for what a full disk must still
// record. The room is a file of random bytes, which no file system makes smaller
// than they are. It is given up when a commit finds the disk full, and kept
// again as soon as it fits.
type space struct {
	path string // "" keeps none
	size int64

	mu   sync.Mutex
	full atomic.Bool
}

// Full reports whether the disk is full: refusals and failures are recorded as
// long as what was reserved for them lasts, and nothing else is done. Acts get
// ErrFull. It ends when the reserve can be kept again, which Probe tries.
func (s *Store) Full() bool { return s.space.full.Load() }

// ran gives the reserve up where a commit ran out of room, and answers whether
// that made some.
func (s *space) ran(out bool) bool {
	if !out || s.path == "" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// What cannot be removed makes no room; the commit that follows tells.
	return !s.full.Swap(true) && os.Remove(s.path) == nil
}

// keep makes sure of the reserve. ErrFull where it does not fit.
func (s *space) keep() error {
	if s.path == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := os.Stat(s.path)
	if err == nil && st.Size() == s.size {
		s.full.Store(false)
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reserve: %w", err)
	}
	if !s.fits() {
		s.full.Store(true)
		return ErrFull
	}
	if err := s.fill(); err != nil {
		err = errors.Join(err, os.Remove(s.path))
		if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
			return fmt.Errorf("reserve: %w", err)
		}
		s.full.Store(true)
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	s.full.Store(false)
	return nil
}

// fits reports whether there is room for the reserve and half as much again:
// trying in vain would take the last of it from refusals.
func (s *space) fits() bool {
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return false
	}
	defer f.Close() // nothing was written
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return true // then trying tells
	}
	return int64(st.Bavail)*int64(st.Bsize) >= s.size+s.size/2
}

func (s *space) fill() (err error) {
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	random := rand.NewChaCha8([32]byte{})
	chunk := make([]byte, 64<<10)
	for left := s.size; left > 0; left -= int64(len(chunk)) {
		chunk = chunk[:min(left, int64(len(chunk)))]
		if _, err := random.Read(chunk); err != nil {
			return err
		}
		if _, err := f.Write(chunk); err != nil {
			return err
		}
	}
	return f.Sync() // some file systems find out only now
}
