package app

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// takeLock makes this process the only one on an embedded data directory: a
// second one would decide by a policy that the first has already changed. With
// PostgreSQL several nodes are meant to run, each with its own data directory,
// and the lock keeps two from sharing one by mistake.
func (a *App) takeLock() error {
	if err := os.MkdirAll(a.config.Data, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(a.config.Data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // the lock was not taken; nothing was written
		return fmt.Errorf("another vitrine uses %s: stop it first", a.config.Data)
	}
	a.lock = f
	return nil
}
