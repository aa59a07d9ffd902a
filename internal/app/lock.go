package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// takeLock makes this process the only one on a data directory: a second one
// would decide by a policy that the first has already changed, and sweep away
// what the first is writing. With PostgreSQL several nodes are meant to run,
// each with its own data directory, and the lock keeps two from sharing one by
// mistake. It makes no directory: who mistyped its name should be told.
func (a *App) takeLock() error {
	dir := a.config.Data
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return a.noDirectory()
	}
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // the lock was not taken; nothing was written
		return fmt.Errorf("another vitrine uses %s: stop it first", dir)
	}
	a.lock = f
	return nil
}

// noDirectory says what to do where there is no data directory. A further node
// on a PostgreSQL that is initialized needs an empty one.
func (a *App) noDirectory() error {
	if embedded(a.config) {
		return fmt.Errorf("there is no data directory %s: run `vitrine init --data %[1]s` first, or name the right one", a.config.Data)
	}
	return fmt.Errorf("there is no data directory %s: name the right one; for a further node make an empty one, mode 0700", a.config.Data)
}
