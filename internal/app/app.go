// Package app wires a configuration into a running system: it opens the store
// and the keys, builds each service once, in the order in which they depend on
// each other, and runs their loops until it is told to stop. The verbs serve,
// init, recover, doctor and demo and all whole-system tests go through here, so
// what a test drives is what an operator runs.
//
// It decides nothing and holds no state of its own.
package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/config"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/keys"
	"vitrine.dev/vitrine/internal/ops"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/render"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

// The keys under which an installation keeps facts about itself.
const (
	metaKey    = "installation_key" // base64, wrapped by the key-encryption key
	metaSigner = "log_signer"       // base64, sealed under the installation key
	metaOrigin = "log_origin"
)

// reserve is how many bytes are kept free for refusals on a full disk; see
// store.Store.Full.
const reserve = 16 << 20

// App is a system, built and not yet running.
type App struct {
	Store     *store.Store
	Policies  *policy.Policies
	Guard     *access.Guard
	Directory *identity.Directory
	Vault     *vault.Vault
	Gateway   *gateway.Gateway
	Log       *audit.Log
	Backups   *backup.Backups

	config *config.Config
	logger *slog.Logger
	source *policy.Source
	bucket *watched
	ops    *ops.Ops
	front  http.Handler
	routes []Route
	lock   *os.File
	now    func() time.Time

	restoring bool

	stopStore context.CancelFunc
	storeDone chan error
}

// Options are what tests and verbs set beside the configuration.
type Options struct {
	Logger  *slog.Logger     // nil discards
	Version string           // of this program, for the description of the API; "" is "dev"
	Now     func() time.Time // nil is time.Now
	// Initializing lets Open go on where there is no organization yet.
	Initializing bool

	restoring bool // go on where a restore is under way
	locked    bool // by who calls, who lets go of it
}

// Open builds the system on an initialized data directory. The store already
// runs when it answers; everything else starts with Run. Close it.
func Open(ctx context.Context, c *config.Config, o Options) (_ *App, err error) {
	a := &App{config: c, logger: o.Logger, now: o.Now, restoring: o.restoring}
	if a.logger == nil {
		a.logger = slog.New(slog.DiscardHandler)
	}
	if a.now == nil {
		a.now = time.Now
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if !o.locked {
		if err := a.takeLock(); err != nil {
			return nil, err
		}
	}
	key, err := a.openStore(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.build(ctx, key); err != nil {
		return nil, err
	}
	if p, err := a.source.Current(); err == nil && p.Organization() == nil && !o.Initializing {
		return nil, fmt.Errorf("%s holds no organization yet: run `vitrine init --data %s` first", c.Data, c.Data)
	}
	return a, nil
}

// openStore unwraps the installation key, opens the store with it and starts
// its committer.
func (a *App) openStore(ctx context.Context) (seal.Key, error) {
	var key seal.Key
	wrapped, err := a.wrappedKey(ctx)
	if err != nil {
		return key, err
	}
	if wrapped == nil {
		return key, fmt.Errorf("%s is not initialized: run `vitrine init --data %s` first", a.config.Data, a.config.Data)
	}
	keeper, err := keys.OpenFile(a.config.KeyFile)
	if err != nil {
		return key, fmt.Errorf("key-encryption key: %w", err)
	}
	if key, err = keeper.Unwrap(ctx, wrapped); err != nil {
		return key, fmt.Errorf("the key-encryption key in %s does not fit this installation: %w", a.config.KeyFile, err)
	}
	a.Store, err = store.Open(ctx, store.Config{URL: databaseURL(a.config), Seal: key, Now: a.now, Reserve: reserve})
	if err != nil {
		return key, err
	}
	a.startStore()
	return key, nil
}

// wrappedKey reads the wrapped installation key, or nil where there is none
// yet. It is what the store is opened with, so it is read before.
func (a *App) wrappedKey(ctx context.Context) ([]byte, error) {
	_, unfinished, err := store.ReadMeta(ctx, databaseURL(a.config), store.Restoring)
	if err != nil {
		return nil, err
	}
	if unfinished && !a.restoring {
		return nil, errors.New("a restore into this database was not finished: run `vitrine restore` again, which begins anew")
	}
	text, ok, err := store.ReadMeta(ctx, databaseURL(a.config), metaKey)
	if err != nil || !ok {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(text)
}

func (a *App) startStore() {
	ctx, cancel := context.WithCancel(context.Background())
	a.stopStore, a.storeDone = cancel, make(chan error, 1)
	go func() { a.storeDone <- a.Store.Run(ctx) }()
}

// build makes the services, lower ones first.
func (a *App) build(ctx context.Context, key seal.Key) (err error) {
	if a.source, err = policy.Open(ctx, a.Store, a.now); err != nil {
		return err
	}
	if a.Guard, err = access.NewGuard(access.Config{
		Policy: a.source.Current, Refresh: a.source.Refresh, Stop: a.stopped, Store: a.Store, Now: a.now,
	}); err != nil {
		return err
	}
	if a.Policies, err = policy.New(a.source, a.Guard, a.Store); err != nil {
		return err
	}
	if a.Directory, err = identity.New(identity.Config{Policies: a.Policies, Guard: a.Guard, Store: a.Store, Now: a.now}); err != nil {
		return err
	}
	bucket, err := openBucket(ctx, a.config)
	if err != nil {
		return err
	}
	a.bucket = &watched{Bucket: bucket}
	bounds := render.DefaultBounds()
	if a.config.MaxUpload > 0 {
		bounds.Bytes = a.config.MaxUpload
	}
	a.Vault, err = vault.New(vault.Config{
		Guard: a.Guard, Store: a.Store, Bucket: a.bucket, Seal: key, Bounds: bounds, Now: a.now, Logger: a.logger,
		Window: (*time.Duration)(&a.config.RestoreWindow),
	})
	if err != nil {
		return err
	}
	a.Gateway, err = gateway.New(gateway.Config{
		Guard: a.Guard, Policies: a.Policies, Store: a.Store, Vault: a.Vault, Seal: key, Bounds: bounds,
		AllowPrivate: a.config.AllowPrivateProviders, Now: a.now,
	})
	if err != nil {
		return err
	}
	if err := a.openLog(ctx, key); err != nil {
		return err
	}
	a.Backups, err = backup.New(backup.Config{
		Guard: a.Guard, Store: a.Store, Bucket: bucket, Log: a.Log, Seal: key, Program: Version(), Now: a.now,
	})
	if err != nil {
		return err
	}
	return a.buildFronts()
}

// openLog builds the audit log with the signing key that init made.
func (a *App) openLog(ctx context.Context, key seal.Key) error {
	sealed, ok, err := a.Store.Meta(ctx, metaSigner)
	if err != nil || !ok {
		return errors.Join(err, errors.New("the log has no signing key: this installation is damaged, restore a backup"))
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return fmt.Errorf("log signing key: %w", err)
	}
	signer, err := key.Open(raw, metaSigner)
	if err != nil {
		return fmt.Errorf("log signing key: %w", err)
	}
	origin, _, err := a.Store.Meta(ctx, metaOrigin)
	if err != nil {
		return err
	}
	mirror, err := mirrorOf(a.config)
	if err != nil {
		return err
	}
	hook, err := webhookOf(a.config)
	if err != nil {
		return err
	}
	a.Log, err = audit.New(audit.Config{
		Store: a.Store, Guard: a.Guard, Signer: string(signer), Origin: origin,
		Publish: a.config.Checkpoints, Mirror: mirror, Tiles: a.config.CheckpointsTiles, Webhook: hook,
		Every: time.Second, Now: a.now, Seal: key, Logger: a.logger,
	})
	return err
}

// Run runs the loops until ctx is done, then ends them in order.
func (a *App) Run(ctx context.Context) error {
	loops := []struct {
		name string
		run  func(context.Context) error
	}{
		{"policy", a.source.Run}, {"guard", a.Guard.Run}, {"identity", a.Directory.Run},
		{"vault", a.Vault.Run}, {"blobs", a.bucket.run}, {"gateway", a.Gateway.Run}, {"log", a.Log.Run}, {"ops", a.ops.Run},
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range loops {
		g.Go(func() error {
			if err := l.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// Handler is the whole HTTP surface.
func (a *App) Handler() http.Handler { return a.front }

// Logger is the process log.
func (a *App) Logger() *slog.Logger { return a.logger }

// Close ends the store, after what is queued has been committed, and lets go
// of the data directory.
func (a *App) Close() error {
	var err error
	if a.stopStore != nil {
		a.stopStore()
		if e := <-a.storeDone; e != nil && !errors.Is(e, context.Canceled) {
			err = e
		}
	}
	if a.Store != nil {
		err = errors.Join(err, a.Store.Close())
	}
	if a.lock != nil {
		err = errors.Join(err, a.lock.Close())
	}
	return err
}

// databaseURL is the configured database, or SQLite in the data directory.
func databaseURL(c *config.Config) string {
	if c.Database != "" {
		return c.Database
	}
	return "sqlite:" + filepath.Join(c.Data, "vitrine.db")
}

// embedded reports whether the data directory holds the database itself.
func embedded(c *config.Config) bool { return strings.HasPrefix(databaseURL(c), "sqlite:") }

// Solo tells whether this installation is for one person trying it out.
func (a *App) Solo() bool {
	p, err := a.source.Current()
	if err != nil {
		return false
	}
	org := p.Organization()
	return org != nil && org.Solo
}

// revision and logSize feed the gauges; a failed look-up shows as -1.
func (a *App) revision() int64 {
	p, err := a.source.Current()
	if err != nil {
		return -1
	}
	return p.Revision()
}

func (a *App) logSize() int64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	size, _, _, err := a.Store.LogSize(ctx)
	if err != nil {
		return -1
	}
	return size
}
