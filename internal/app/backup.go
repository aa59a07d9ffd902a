package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/config"
)

// Backup takes a backup of an installation that no server runs on.
func Backup(ctx context.Context, c *config.Config, w io.Writer, logger *slog.Logger) (*backup.Taken, error) {
	a, err := Open(ctx, c, Options{Logger: logger})
	if err != nil {
		return nil, err
	}
	if err := a.continues(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	taken, err := a.Backups.Take(ctx, backup.System("backup"), w)
	if err == nil {
		_, err = a.Log.Checkpoint(ctx)
	}
	if err := errors.Join(err, a.Close()); err != nil {
		return nil, err
	}
	return taken, nil
}

// RotateEpoch begins a backup epoch, offline: for recipients, or without any for
// one whose identity it answers, once.
func RotateEpoch(ctx context.Context, c *config.Config, recipients []string, logger *slog.Logger) (*backup.Rotated, error) {
	a, err := Open(ctx, c, Options{Logger: logger})
	if err != nil {
		return nil, err
	}
	r, err := a.Backups.Rotate(ctx, recipients)
	if err == nil {
		_, err = a.Log.Checkpoint(ctx)
	}
	if err := errors.Join(err, a.Close()); err != nil {
		return nil, err
	}
	return r, nil
}

// Verified is what looking at a backup found.
type Verified struct {
	backup.Info
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	Trusted bool   `json:"trusted"` // its signature was checked with a key from elsewhere
	// Contents is what is inside, where the identity was given.
	Contents *backup.Contents `json:"contents,omitempty"`
}

// VerifyBackup reads a backup, to its last byte and with the identity also
// inside. It asks no server and writes nothing.
func VerifyBackup(ctx context.Context, file, public string, identity vitrine.Secret, progress func(string)) (*Verified, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r := RestoreRequest{Progress: progress}
	a, err := backup.Open(ctx, f, st.Size(), public, r.reading("checking", st.Size()))
	if err != nil {
		return nil, err
	}
	v := &Verified{Info: a.Info, Bytes: a.Bytes, SHA256: a.SHA256, Trusted: a.Trusted}
	if identity == "" {
		return v, nil
	}
	if err := a.Unlock(identity.Reveal()); err != nil {
		return nil, err
	}
	v.Contents, err = a.Check(ctx, r.reading("opening", st.Size()))
	return v, err
}

// oldBackup is how old the last backup may be before doctor says so.
const oldBackup = 7 * 24 * time.Hour

// checkBackup looks whether there is a backup that would help.
func (a *App) checkBackup(ctx context.Context) Finding {
	f := Finding{Check: "backup", State: "warning"}
	s, err := a.Backups.Known(ctx)
	switch {
	case err != nil:
		f.State, f.Detail, f.Do = "error", err.Error(), "see the message"
	case s.Epoch == nil:
		f.Detail, f.Do = "there is no recovery recipient, so no backup can be taken", "vitrine backup epoch rotate"
	case s.Last == nil:
		f.Detail, f.Do = "none was taken yet", "vitrine backup -f FILE, and then every night"
	case s.Last.Epoch != s.Epoch.Number:
		f.Detail = fmt.Sprintf("the last one is of epoch %d, and the epoch is %d", s.Last.Epoch, s.Epoch.Number)
		f.Do = "take one before you destroy the old recovery identity: vitrine backup -f FILE"
	case len(s.Last.Damaged) > 0:
		f.Detail, f.Do = fmt.Sprintf("the last one lacks %d blobs that could not be read", len(s.Last.Damaged)), "restore what is damaged from an older backup"
	case a.now().Sub(s.Last.Taken) > oldBackup:
		f.Detail = fmt.Sprintf("the last one was taken %d days ago", int(a.now().Sub(s.Last.Taken).Hours()/24))
		f.Do = "take one, and one every night: vitrine backup -f FILE"
	default:
		f.State = "ok"
		f.Detail = fmt.Sprintf("the last one was taken %s, in epoch %d", s.Last.Taken.Format(time.RFC3339), s.Last.Epoch)
	}
	return f
}
