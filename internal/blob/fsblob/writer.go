package fsblob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// writer writes a file that gets its name at Commit.
type writer struct {
	ctx    context.Context
	bucket *Bucket
	name   string
	temp   string
	file   *os.File // nil when ended
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if w.file == nil {
		return 0, fs.ErrClosed
	}
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	n, err := w.file.Write(p)
	if err != nil {
		err = fmt.Errorf("write blob %s: %w", w.name, err)
	}
	return n, err
}

// Commit implements blob.Writer.
func (w *writer) Commit() error {
	if w.file == nil {
		return fs.ErrClosed
	}
	if w.ctx.Err() != nil {
		return errors.Join(context.Cause(w.ctx), w.Abort())
	}
	err := errors.Join(w.file.Sync(), w.file.Close())
	w.file = nil
	if err == nil {
		err = w.bucket.publish(w.temp, w.name)
	}
	// The name stands or it does not; a second link that stays is removed by
	// the next Open.
	if gone := w.bucket.root.Remove(w.temp); gone != nil && err == nil && !errors.Is(gone, fs.ErrNotExist) {
		err = gone
	}
	if err != nil {
		return fmt.Errorf("commit blob %s: %w", w.name, err)
	}
	return nil
}

// publish gives a synced file its name, durably.
func (b *Bucket) publish(temp, name string) error {
	shard := shardOf(name)
	if err := b.makeShard(shard); err != nil {
		return hide(err)
	}
	if err := b.root.Link(temp, pathOf(name)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fs.ErrExist
		}
		return hide(err)
	}
	return hide(b.syncDir(shard))
}

// makeShard makes a shard's directory durable in the root, once in a process.
// That it exists does not suffice: whoever made it may not have synced it yet.
func (b *Bucket) makeShard(shard string) error {
	if _, ok := b.durable.Load(shard); ok {
		return nil
	}
	if err := b.root.Mkdir(shard, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := b.syncDir("."); err != nil {
		return err
	}
	b.durable.Store(shard, struct{}{})
	return nil
}

// Abort implements blob.Writer.
func (w *writer) Abort() error {
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	if gone := w.bucket.root.Remove(w.temp); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err != nil {
		return fmt.Errorf("abort blob %s: %w", w.name, err)
	}
	return nil
}
