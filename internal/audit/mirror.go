package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"vitrine.dev/vitrine/internal/merkle"
)

// Target keeps files for a mirror of the log. It is safe for concurrent use.
type Target interface {
	// Put writes a file whole, in place of what is there; it is durable when Put
	// returns nil. Names are those of C2SP tlog-tiles.
	Put(ctx context.Context, name string, data []byte) error
	// Get answers a file; fs.ErrNotExist where there is none.
	Get(ctx context.Context, name string) ([]byte, error)
	// Remove removes all files below a name; none is no error.
	Remove(ctx context.Context, under string) error
}

// mirror publishes the log as C2SP tlog-tiles lays it out, for whoever serves or
// watches it from there: the checkpoint, and on demand the tiles. Entries never
// go there.
type mirror struct {
	log   *Log
	to    Target
	tiles bool

	from int64 // so many entries have their tiles there, by this process
}

// mirrorStep is how many entries' tiles one attempt brings: some thousand files.
const (
	mirrorStep  = 1 << 18
	mirrorFiles = 8 // at the same time
)

func (m *mirror) name() string { return "bucket" }

// last is the checkpoint at the target.
func (m *mirror) last(ctx context.Context) (string, error) {
	b, err := m.to.Get(ctx, newestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the checkpoint in the bucket: %w", err)
	}
	return string(b), nil
}

// publish brings the tiles first: whoever sees a checkpoint finds them.
func (m *mirror) publish(ctx context.Context, h, before head) error {
	there, gone, err := m.compare(ctx, h, before)
	if err != nil || there.Size >= h.Size {
		return err
	}
	if m.tiles {
		if err := m.bring(ctx, there.Size, h); err != nil {
			return err
		}
	}
	if err := m.to.Put(ctx, newestFile, []byte(h.text)); err != nil {
		return fmt.Errorf("put the checkpoint into the bucket: %w", err)
	}
	return gone
}

// compare reads what is at the target and compares it with what was put there
// and with the log. gone, an error that is errGone, tells that this is not there.
func (m *mirror) compare(ctx context.Context, h, before head) (there head, gone, err error) {
	text, err := m.last(ctx)
	if err != nil {
		return there, nil, err
	}
	if text == "" {
		m.from = 0
		if before.Size > 0 {
			gone = fmt.Errorf("%w: the bucket holds no checkpoint", errGone)
		}
		return there, gone, nil
	}
	if there, err = m.log.own(text); err != nil {
		return there, nil, errors.New("the checkpoint in the bucket is not of this log: publish to a place of its own")
	}
	if there.Size > h.Size { // another node is ahead, or the log was put back
		return there, nil, m.log.reaches(ctx, there.Checkpoint)
	}
	if there.Size < before.Size {
		m.from = 0
		gone = fmt.Errorf("%w: the bucket holds the checkpoint of %d instead of that of %d", errGone, there.Size, before.Size)
	}
	if there.Size > 0 && !continues(there.Checkpoint, h.Checkpoint, m.log.tiles(ctx)) {
		// Either the log is another, or its tiles were changed: who makes them again
		// finds out which.
		return there, nil, m.log.heal(ctx, fmt.Errorf("the log does not continue the checkpoint of %d in the bucket", there.Size))
	}
	return there, gone, nil
}

// bring puts the tiles that a log of h has and the one whose checkpoint is there
// has not, as many at a time as an attempt can carry.
func (m *mirror) bring(ctx context.Context, there int64, h head) error {
	if m.from == 0 && there > 0 { // begun by another process, which may have brought none
		var err error
		if m.from, err = m.brought(ctx, there); err != nil {
			return err
		}
	}
	to := min(h.Size, (m.from/mirrorStep+1)*mirrorStep)
	if err := m.put(ctx, m.from, to, to == h.Size, h); err != nil {
		return err
	}
	m.from = to
	if to < h.Size {
		return errMore
	}
	return nil
}

// brought tells whether the tiles of the checkpoint that is at the target are
// there too: there, or 0.
func (m *mirror) brought(ctx context.Context, there int64) (int64, error) {
	t := merkle.TileOf(0, (there-1)/merkle.TileWidth, there)
	for _, name := range []string{t.Path(), merkle.Tile{Index: t.Index, Width: merkle.TileWidth}.Path()} {
		_, err := m.to.Get(ctx, name)
		if err == nil {
			return there, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("look for %s in the bucket: %w", name, err)
		}
	}
	return 0, nil
}

func (m *mirror) put(ctx context.Context, from, to int64, partial bool, h head) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(mirrorFiles)
	for t := range merkle.NewTiles(from, to, partial) {
		g.Go(func() error {
			hashes, err := m.log.tile(ctx, t, h)
			if err != nil {
				return err
			}
			if err := m.to.Put(ctx, t.Path(), merkle.Join(hashes)); err != nil {
				return fmt.Errorf("put %s into the bucket: %w", t.Path(), err)
			}
			if before := merkle.TileOf(t.Level, t.Index, from); !t.Full() || before.Width == 0 {
				return nil
			}
			if err := m.to.Remove(ctx, t.PartialsPath()); err != nil {
				return fmt.Errorf("remove what %s replaces from the bucket: %w", t.Path(), err)
			}
			return nil
		})
	}
	return g.Wait()
}
