package app

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"crypto/rand"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/config"
	"vitrine.dev/vitrine/internal/keys"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

// RestoreRequest is what an installation is restored from.
type RestoreRequest struct {
	From      string         // file of the backup
	Identity  vitrine.Secret // the recovery identity, as it was shown or as age writes it
	PublicKey string         // of the old log, from elsewhere than the backup; "" trusts the backup's own word
	Logs      []string       // files of exports of the old log, from after the backup
	Hold      bool           // nobody but the owners acts until one has looked
	Now       func() time.Time
	Logger    *slog.Logger
	Progress  func(what string) // is told where the work is; may be nil
}

// Restored is an installation that came back.
type Restored struct {
	Backup  backup.Info `json:"backup"`
	Trusted bool        `json:"trusted"` // its signature was checked with a key from elsewhere
	Entries int64       `json:"entries"` // of the log, that came with it
	Images  int64       `json:"images"`
	Blobs   int64       `json:"blobs"`
	// Origin and PublicKey are of the log that goes on from here.
	Origin    string `json:"origin"`
	PublicKey string `json:"public_key"`
	backup.Resumed
	// Damaged are images that do not open, the first of them by name.
	Damaged      []string `json:"damaged,omitempty"`
	DamagedCount int      `json:"damaged_count"`
}

// Restore makes an installation in the configured place, which must be empty,
// from a backup and the identity that opens it. Nothing is written before the
// whole backup, and every log that was given, was read and found good. It fails
// with vitrine.ErrConflict where something is there already. What fails leaves
// nothing that was not there before; only a PostgreSQL keeps the mark of an
// unfinished restore, which the next one takes away.
func Restore(ctx context.Context, c *config.Config, r RestoreRequest) (_ *Restored, err error) {
	f, err := os.Open(r.From)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	a, past, err := readAll(ctx, f, &r)
	if err != nil {
		return nil, err
	}
	if !absent(filepath.Join(c.Checkpoints, "checkpoint")) && c.Checkpoints != "" {
		return nil, fmt.Errorf("%s holds the checkpoints of a log: keep them as evidence, and name another directory or move it away: %w", c.Checkpoints, backup.ErrNotEmpty)
	}
	fresh := look(c)
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, err
	}
	p := &place{App: &App{config: c, now: r.Now}, request: &r}
	if err := p.takeLock(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, fresh.restore(c))
		}
		err = errors.Join(err, p.lock.Close())
	}()
	if err := fresh.confirm(c); err != nil {
		return nil, err
	}
	if err := p.free(ctx, fresh.ours); err != nil {
		return nil, err
	}
	return p.fill(ctx, a, past)
}

// readAll reads everything that was given, and writes nothing.
func readAll(ctx context.Context, f *os.File, r *RestoreRequest) (*backup.Archive, *backup.Past, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is no plain file: a backup is read twice", r.From)
	}
	a, err := backup.Open(ctx, f, st.Size(), r.PublicKey, r.reading("checking the backup", st.Size()))
	if err != nil {
		return nil, nil, err
	}
	if err := a.Unlock(r.Identity.Reveal()); err != nil {
		return nil, nil, err
	}
	if _, err := a.Check(ctx, r.reading("opening the backup", st.Size())); err != nil {
		return nil, nil, err
	}
	if len(r.Logs) == 0 {
		return a, nil, nil
	}
	past, err := a.ReadPast(ctx, r.PublicKey, r.Logs, func(in io.Reader) io.Reader { return in })
	return a, past, err
}

func (r *RestoreRequest) say(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fmt.Sprintf(format, args...))
	}
}

func (r *RestoreRequest) reading(what string, size int64) func(int64) {
	return func(n int64) { r.say("%s: %d of %d MB", what, n>>20, size>>20) }
}

// place is where an installation is restored to.
type place struct {
	*App
	request *RestoreRequest
}

// free makes sure that nothing is there but what an unfinished restore left.
func (p *place) free(ctx context.Context, empty bool) error {
	_, unfinished, err := store.ReadMeta(ctx, databaseURL(p.config), store.Restoring)
	if err != nil {
		return err
	}
	if unfinished { // what it wrote lies in our own directory; a bucket elsewhere must be emptied by hand
		return os.RemoveAll(filepath.Join(p.config.Data, "blobs"))
	}
	if !empty {
		return fmt.Errorf("%s: %w", p.config.Data, backup.ErrNotEmpty)
	}
	return nil
}

// fill restores the backup and what is known of the time after it.
func (p *place) fill(ctx context.Context, a *backup.Archive, past *backup.Past) (*Restored, error) {
	bucket, err := openBucket(ctx, p.config)
	if err != nil {
		return nil, err
	}
	out := &Restored{Backup: a.Info, Trusted: a.Trusted}
	found, err := a.Load(ctx, backup.Target{
		URL: databaseURL(p.config), Bucket: bucket, Progress: p.request.Progress,
		Meta: func(key seal.Key) (map[string]string, error) { return p.newMeta(ctx, key) },
	})
	if err != nil {
		return nil, err
	}
	out.Entries, out.Images, out.Blobs = found.Size, found.Tables["images"], found.Blobs
	restored, err := Open(ctx, p.config, Options{Logger: p.request.Logger, Now: p.request.Now, restoring: true, locked: true})
	if err != nil {
		return nil, err
	}
	err = restored.resume(ctx, p.request, found, past, out)
	if err := errors.Join(err, restored.Close()); err != nil {
		return nil, err
	}
	return out, nil
}

// newMeta makes what is of this installation alone: a key-encryption key that
// wraps the old installation key, and a new log's name and key. A key file that
// is there is used.
func (p *place) newMeta(ctx context.Context, key seal.Key) (map[string]string, error) {
	keeper, err := keys.CreateFile(p.config.KeyFile)
	if errors.Is(err, fs.ErrExist) {
		keeper, err = keys.OpenFile(p.config.KeyFile)
	}
	if err != nil {
		return nil, fmt.Errorf("key-encryption key: %w", err)
	}
	return installationMeta(ctx, keeper, key)
}

// installationMeta is what stands in meta of an installation key and a new log.
func installationMeta(ctx context.Context, keeper keys.Keeper, key seal.Key) (map[string]string, error) {
	wrapped, err := keeper.Wrap(ctx, key)
	if err != nil {
		return nil, err
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	origin := "vitrine-log/" + hex.EncodeToString(id[:])
	signer, err := audit.GenerateSigner(origin)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		metaKey:    base64.StdEncoding.EncodeToString(wrapped),
		metaSigner: base64.StdEncoding.EncodeToString(key.Seal([]byte(signer), metaSigner)),
		metaOrigin: origin,
	}, nil
}

// resume makes the restored installation one that may be served.
func (a *App) resume(ctx context.Context, r *RestoreRequest, found *backup.Contents, past *backup.Past, out *Restored) error {
	done, err := backup.Resume(ctx, backup.Services{
		Backups: a.Backups, Policies: a.Policies, Directory: a.Directory, Gateway: a.Gateway,
	}, backup.Request{Contents: found, Past: past, Hold: r.Hold, Progress: r.Progress})
	if err != nil {
		return err
	}
	out.Resumed = *done
	if _, err := a.Log.Checkpoint(ctx); err != nil {
		return err
	}
	out.Origin, out.PublicKey = a.Log.Origin(), a.Log.PublicKey()
	err = vault.Examine(ctx, a.Vault, func(n int64) { r.say("looking at image %d", n) }, func(d vault.Damage) {
		if out.DamagedCount++; out.DamagedCount <= shown {
			out.Damaged = append(out.Damaged, d.Error())
		}
	})
	if err != nil {
		return err
	}
	return a.Store.Maintain(ctx, func(tx *store.Tx) error { return tx.DropMeta(store.Restoring) })
}
