package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/store"
)

// Tile answers the hashes of a tile, one after the other, as C2SP tlog-tiles
// has them. It needs log.view for the organization: hashes tell how much happens
// and when. A tile that the log has not in this width is not found.
func (l *Log) Tile(ctx context.Context, by access.Caller, t merkle.Tile) ([]byte, error) {
	if err := l.ask(ctx, by, vitrine.LogView, "tile", t.Path()); err != nil {
		return nil, err
	}
	h, err := l.newest(ctx)
	if err != nil {
		return nil, unsigned(err)
	}
	hashes, err := l.tile(ctx, t, h)
	return merkle.Join(hashes), err
}

// Bundle answers the leaves whose hashes a tile of level 0 holds, each behind
// its length in 2 bytes, big-endian. It needs log.export for the organization:
// these are entries, though what is personal stays sealed.
func (l *Log) Bundle(ctx context.Context, by access.Caller, t merkle.Tile) ([]byte, error) {
	if err := l.ask(ctx, by, vitrine.LogExport, "bundle", t.BundlePath()); err != nil {
		return nil, err
	}
	h, err := l.newest(ctx)
	if err != nil {
		return nil, unsigned(err)
	}
	if t.Level != 0 {
		return nil, access.NotFound()
	}
	hashes, err := l.tile(ctx, t, h)
	if err != nil {
		return nil, err
	}
	from := t.Index * merkle.TileWidth
	var b []byte
	err = l.store.LogRows(ctx, from, from+int64(t.Width), func(r store.LogRow) error {
		if merkle.Leaf(r.Leaf) != hashes[r.Seq-from] {
			return l.heal(ctx, fmt.Errorf("the leaf of entry %d is not the one that was signed", r.Seq))
		}
		if len(r.Leaf) > math.MaxUint16 { // never: see entry.MaxText
			return fmt.Errorf("the leaf of entry %d has %d bytes, which no bundle holds", r.Seq, len(r.Leaf))
		}
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(r.Leaf))), r.Leaf...)
		return nil
	})
	return b, err
}

// ask asks for a permission on the whole log, and records it.
func (l *Log) ask(ctx context.Context, by access.Caller, perm vitrine.Permission, op, what string) error {
	p, err := l.guard.Snapshot(ctx, by)
	act := access.Act{Permission: perm, Op: op}
	if err != nil {
		return l.guard.Reject(ctx, by, act, err)
	}
	act.Resource = whole(p)
	t, err := l.guard.Check(ctx, by, act)
	if err != nil {
		return err
	}
	t.Entry().Detail = what
	_, err = t.Record(ctx)
	return err
}

// tile is the hashes of a tile, of which it is certain that they lead to what
// was signed.
func (l *Log) tile(ctx context.Context, t merkle.Tile, h head) ([]merkle.Hash, error) {
	all := merkle.TileOf(t.Level, t.Index, h.Size)
	if t.Width < 1 || t.Width > all.Width {
		return nil, access.NotFound()
	}
	read := l.tiles(ctx)
	got, err := read([]merkle.Tile{all})
	if err == nil {
		err = merkle.CheckTile(all, got[0], h.Size, h.Root, read)
	}
	if err != nil {
		return nil, l.unsound(ctx, err)
	}
	return got[0][:t.Width], nil
}

// unsound heals where err says that tiles are damaged.
func (l *Log) unsound(ctx context.Context, err error) error {
	if errors.Is(err, merkle.ErrProof) || errors.Is(err, store.ErrDamaged) {
		return l.heal(ctx, err)
	}
	return err
}

// CheckTiles looks whether all tiles lead to what was signed last; say, may be
// nil, is told how many of how many entries were looked at. It repairs nothing:
// a server that runs makes damaged tiles again.
func (l *Log) CheckTiles(ctx context.Context, say func(n, of int64)) (size int64, err error) {
	stored, err := l.stored(ctx)
	if err != nil || stored.Size == 0 {
		return 0, err
	}
	var e merkle.Edge
	for t := range merkle.NewTiles(0, stored.Size, true) {
		if t.Level > 0 {
			break // compared below, as they come about
		}
		got, err := l.store.LogTiles(ctx, []merkle.Tile{t})
		if err != nil {
			return stored.Size, err
		}
		for _, h := range got[0] {
			e.Append(h, func(above merkle.Tile, hashes []merkle.Hash) {
				if above.Level > 0 && err == nil {
					err = l.same(ctx, above, hashes)
				}
			})
		}
		if err != nil {
			return stored.Size, err
		}
		if say != nil {
			say(e.Size(), stored.Size)
		}
	}
	e.Tails(1, func(t merkle.Tile, hashes []merkle.Hash) {
		if err == nil {
			err = l.same(ctx, t, hashes)
		}
	})
	if err == nil && e.Root() != stored.Root {
		err = fmt.Errorf("the tiles of the log do not lead to what was signed of its %d entries", stored.Size)
	}
	return stored.Size, err
}

// same compares a stored tile with what those below it say.
func (l *Log) same(ctx context.Context, t merkle.Tile, want []merkle.Hash) error {
	got, err := l.store.LogTiles(ctx, []merkle.Tile{t})
	if err != nil {
		return err
	}
	for i, h := range got[0] {
		if h != want[i] {
			return fmt.Errorf("%s of the log was %w: hash %d is not that of the tile below", t.Path(), store.ErrDamaged, i)
		}
	}
	return nil
}
