package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"vitrine.dev/vitrine/internal/blob"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// Target is the empty place that a backup is restored to.
type Target struct {
	URL    string // of the database
	Bucket blob.Bucket
	// Meta is what stands in meta beside what was loaded: the wrapped
	// installation key, the name and the key of the new log.
	Meta     func(installation seal.Key) (map[string]string, error)
	Progress func(what string) // may be nil
}

// ErrNotEmpty says that the place of a restore is not empty.
var ErrNotEmpty = store.ErrNotEmpty

// Load fills an empty database and an empty bucket, and takes away again what it
// wrote where it fails. It checks what it reads like Check, which comes first:
// before, nothing should be written. The database is marked with store.Restoring
// and holds what the backup says, no more; Resume goes on.
func (a *Archive) Load(ctx context.Context, t Target) (_ *Contents, err error) {
	if page, err := t.Bucket.List(ctx, "", 1); err != nil || len(page) > 0 {
		return nil, errors.Join(err, notEmpty(len(page) > 0))
	}
	l := &loading{Target: t, ctx: ctx}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.discard())
		}
		err = errors.Join(err, l.close())
	}()
	c, err := a.walk(ctx, l.read, visitor{manifest: l.begin, rows: l.rows, blob: l.blob})
	if err != nil {
		return nil, err
	}
	return c, l.finish(c)
}

func notEmpty(is bool) error {
	if is {
		return ErrNotEmpty
	}
	return nil
}

// loading is a restore on its way.
type loading struct {
	Target
	ctx  context.Context
	db   *store.Loader
	meta map[string]string

	next   func() (store.File, error, bool) // of the blobs that rows name
	stop   func()
	absent []string // of these, what the archive has not
}

func (l *loading) read(n int64) { l.say("%d MB read", n>>20) }

func (l *loading) say(format string, args ...any) {
	if l.Progress != nil {
		l.Progress(fmt.Sprintf(format, args...))
	}
}

// begin makes the tables.
func (l *loading) begin(m *manifest) (err error) {
	if len(m.Key) != len(seal.Key{}) {
		return damaged("it holds no installation key")
	}
	if l.meta, err = l.Meta(seal.Key(m.Key)); err != nil {
		return err
	}
	if l.db, err = store.Load(l.ctx, l.URL, m.Schema); err != nil {
		return err
	}
	if err := l.db.Begin(l.ctx, m.Tables); err != nil {
		return damaged("%v", err)
	}
	return nil
}

func (l *loading) rows(t *store.Table, page []byte) error {
	if err := l.db.Rows(l.ctx, t, readRows(page, t)); err != nil {
		return damaged("%v", err)
	}
	return nil
}

// blob puts a blob where a row names it. Both come in the order of names.
func (l *loading) blob(name string, size int64, r io.Reader) error {
	l.pull()
	for {
		f, err, ok := l.next()
		switch {
		case err != nil:
			return err
		case !ok || f.Name > name:
			return damaged("no row names the blob %s", name)
		case f.Name < name:
			l.absent = append(l.absent, f.Name)
			continue
		case f.Size != size:
			return damaged("the blob %s has %d bytes, not %d", name, size, f.Size)
		}
		return l.put(name, r)
	}
}

// pull begins the list of blobs once all rows are in.
func (l *loading) pull() {
	if l.stop == nil {
		l.next, l.stop = iter.Pull2(l.db.Files(l.ctx))
	}
}

func (l *loading) put(name string, r io.Reader) (err error) {
	w, err := l.Bucket.Create(l.ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Abort()) }()
	if _, err := io.Copy(w, r); err != nil {
		return damaged("%v", err)
	}
	return w.Commit()
}

// finish makes sure that what is missing is what the backup says is missing.
func (l *loading) finish(c *Contents) error {
	l.pull()
	for {
		f, err, ok := l.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		l.absent = append(l.absent, f.Name)
	}
	for _, name := range l.absent {
		if !slices.Contains(c.Gone, name) && !slices.Contains(c.Damaged, name) {
			return damaged("a row names the blob %s, which is not in it", name)
		}
	}
	return l.db.Finish(l.ctx, l.meta)
}

// discard takes away what was written.
func (l *loading) discard() error {
	if l.db == nil {
		return nil
	}
	ctx := context.WithoutCancel(l.ctx)
	if l.stop != nil {
		l.stop() // it holds the rows
	}
	errs := []error{l.db.Discard(ctx)}
	for {
		page, err := l.Bucket.List(ctx, "", 1000)
		errs = append(errs, err)
		for _, b := range page {
			errs = append(errs, l.Bucket.Delete(ctx, b.Name))
		}
		if len(page) == 0 || errors.Join(errs...) != nil {
			return errors.Join(errs...)
		}
	}
}

func (l *loading) close() error {
	if l.stop != nil {
		l.stop()
	}
	if l.db == nil {
		return nil
	}
	return l.db.Close()
}
