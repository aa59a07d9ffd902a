package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/config"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/keys"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// InitRequest is what a new installation is made from.
type InitRequest struct {
	Organization string // display name; "" is the id
	Owners       []string
	Solo         bool
	Recipients   []string // of backups; none makes one, whose identity is answered
	Now          func() time.Time
	Logger       *slog.Logger
}

// Initialized is a new installation. The owners' keys and the recovery identity
// are shown here once.
type Initialized struct {
	Organization vitrine.ID
	Owners       []identity.Owner
	Recovery     backup.Rotated
}

// Init makes an installation in the configured data directory: keys, schema,
// organization, predefined roles, shipped constraints, owners. A second Init
// is ErrConflict and changes nothing; one that was interrupted goes on. One that
// fails leaves nothing that was not there before; only what a PostgreSQL has
// taken stays, and with it the key.
func Init(ctx context.Context, c *config.Config, r InitRequest) (_ *Initialized, err error) {
	if r.Now == nil {
		r.Now = time.Now
	}
	fresh := look(c)
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, err
	}
	a := &App{config: c, now: r.Now}
	if err := a.takeLock(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, fresh.restore(c))
		}
		err = errors.Join(err, a.lock.Close())
	}()
	if err := fresh.confirm(c); err != nil {
		return nil, err
	}
	if err := prepare(ctx, c, r.Now); err != nil {
		return nil, err
	}
	return begin(ctx, c, r)
}

// begin makes the organization and its owners.
func begin(ctx context.Context, c *config.Config, r InitRequest) (*Initialized, error) {
	a, err := Open(ctx, c, Options{Initializing: true, Now: r.Now, Logger: r.Logger, locked: true})
	if err != nil {
		return nil, err
	}
	org, owners, err := a.Directory.Init(ctx, r.Organization, r.Owners, r.Solo)
	var recovery *backup.Rotated
	if err == nil {
		recovery, err = a.Backups.Rotate(ctx, r.Recipients)
	}
	if err == nil {
		// The first checkpoint is published before anybody can use the system.
		_, err = a.Log.Checkpoint(ctx)
	}
	if err := errors.Join(err, a.Close()); err != nil {
		return nil, err
	}
	return &Initialized{Organization: org, Owners: owners, Recovery: *recovery}, nil
}

// ground is what was not there before an Init, and so may be taken away again.
type ground struct{ data, key, checkpoints, ours bool }

// look is what is absent before anything is made.
func look(c *config.Config) ground {
	return ground{data: absent(c.Data), key: absent(c.KeyFile), checkpoints: absent(c.Checkpoints)}
}

func absent(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// confirm looks, with the lock held, whether the directory is empty but for
// that: what another Init has begun in the meantime is not ours to take away.
func (g *ground) confirm(c *config.Config) error {
	inside, err := os.ReadDir(c.Data)
	g.ours = err == nil && len(inside) == 1
	return err
}

// restore takes away what Init made. A key that wraps what a PostgreSQL keeps
// stays: without it that database could not be initialized any more.
func (g *ground) restore(c *config.Config) error {
	if !g.ours {
		return nil
	}
	var errs []error
	inside, err := os.ReadDir(c.Data)
	errs = append(errs, err)
	for _, e := range inside {
		errs = append(errs, os.RemoveAll(filepath.Join(c.Data, e.Name())))
	}
	if g.data {
		errs = append(errs, os.Remove(c.Data))
	}
	if g.key && embedded(c) && !absent(c.KeyFile) {
		errs = append(errs, os.Remove(c.KeyFile))
	}
	if g.checkpoints && embedded(c) {
		errs = append(errs, os.RemoveAll(c.Checkpoints))
	}
	return errors.Join(errs...)
}

// prepare makes the keys that everything else is sealed with, unless an
// earlier, interrupted Init already did.
func prepare(ctx context.Context, c *config.Config, now func() time.Time) error {
	a := &App{config: c, now: now}
	wrapped, err := a.wrappedKey(ctx)
	if err != nil || wrapped != nil {
		return err
	}
	keeper, err := keys.CreateFile(c.KeyFile)
	if errors.Is(err, fs.ErrExist) {
		keeper, err = keys.OpenFile(c.KeyFile)
	}
	if err != nil {
		return fmt.Errorf("key-encryption key: %w", err)
	}
	return writeMeta(ctx, c, keeper, now)
}

// writeMeta stores a new installation key, wrapped, and a new signing key for
// the log, together.
func writeMeta(ctx context.Context, c *config.Config, keeper keys.Keeper, now func() time.Time) error {
	key := seal.NewKey()
	meta, err := installationMeta(ctx, keeper, key)
	if err != nil {
		return err
	}
	a := &App{config: c, now: now}
	if a.Store, err = store.Open(ctx, store.Config{URL: databaseURL(c), Seal: key, Now: now}); err != nil {
		return err
	}
	a.startStore()
	err = a.Store.Maintain(ctx, func(tx *store.Tx) error {
		for name, value := range meta {
			if err := tx.SetMeta(name, value); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, a.Close())
}

// Recover issues another first key to an owner, offline. It is recorded and
// raises an alert.
func Recover(ctx context.Context, c *config.Config, owner string, logger *slog.Logger) (*identity.Owner, error) {
	a, err := Open(ctx, c, Options{Logger: logger})
	if err != nil {
		return nil, err
	}
	o, err := a.Directory.Recover(ctx, owner)
	if err == nil {
		_, err = a.Log.Checkpoint(ctx)
	}
	if err := errors.Join(err, a.Close()); err != nil {
		return nil, err
	}
	return &o, nil
}
