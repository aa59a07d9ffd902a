package app

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"crypto/rand"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/audit"
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
	Now          func() time.Time
	Logger       *slog.Logger
}

// Initialized is a new installation. The owners' keys are shown here once.
type Initialized struct {
	Organization vitrine.ID
	Owners       []identity.Owner
}

// Init makes an installation in the configured data directory: keys, schema,
// organization, predefined roles, shipped constraints, owners. A second Init
// is ErrConflict and changes nothing; one that was interrupted goes on.
func Init(ctx context.Context, c *config.Config, r InitRequest) (*Initialized, error) {
	if r.Now == nil {
		r.Now = time.Now
	}
	if err := prepare(ctx, c, r.Now); err != nil {
		return nil, err
	}
	a, err := Open(ctx, c, Options{Initializing: true, Now: r.Now, Logger: r.Logger})
	if err != nil {
		return nil, err
	}
	org, owners, err := a.Directory.Init(ctx, r.Organization, r.Owners, r.Solo)
	if err == nil {
		// The first checkpoint is published before anybody can use the system.
		_, err = a.Log.Checkpoint(ctx)
	}
	if err := errors.Join(err, a.Close()); err != nil {
		return nil, err
	}
	return &Initialized{Organization: org, Owners: owners}, nil
}

// prepare makes the keys that everything else is sealed with, unless an
// earlier, interrupted Init already did.
func prepare(ctx context.Context, c *config.Config, now func() time.Time) error {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return err
	}
	a := &App{config: c, now: now}
	if err := a.takeLock(); err != nil {
		return err
	}
	defer a.lock.Close() // read-only use; nothing to lose
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
	key := seal.NewKey()
	if wrapped, err = keeper.Wrap(ctx, key); err != nil {
		return err
	}
	return writeMeta(ctx, c, key, wrapped, now)
}

// writeMeta stores the wrapped installation key and a new signing key for the
// log, together.
func writeMeta(ctx context.Context, c *config.Config, key seal.Key, wrapped []byte, now func() time.Time) error {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	origin := "vitrine-log/" + hex.EncodeToString(id[:])
	signer, err := audit.GenerateSigner(origin)
	if err != nil {
		return err
	}
	a := &App{config: c, now: now}
	if a.Store, err = store.Open(ctx, store.Config{URL: databaseURL(c), Seal: key, Now: now}); err != nil {
		return err
	}
	a.startStore()
	err = a.Store.Maintain(ctx, func(tx *store.Tx) error {
		return errors.Join(
			tx.SetMeta(metaKey, base64.StdEncoding.EncodeToString(wrapped)),
			tx.SetMeta(metaSigner, base64.StdEncoding.EncodeToString(key.Seal([]byte(signer), metaSigner))),
			tx.SetMeta(metaOrigin, origin),
		)
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
