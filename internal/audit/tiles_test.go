package audit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/store"
)

// ReadTiles and the others make the bench what the Go checksum database's code
// reads a log from.
func (b *bench) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		hashes, err := b.log.TileUnasked(b.t.Context(), merkle.Tile{Level: t.L, Index: t.N, Width: t.W})
		if err != nil {
			return nil, err
		}
		all = append(all, merkle.Join(hashes))
	}
	return all, nil
}

func (b *bench) Height() int                     { return 8 }
func (b *bench) SaveTiles([]tlog.Tile, [][]byte) {}

// signedAt is the newest checkpoint.
func (b *bench) signedAt() audit.Checkpoint {
	b.t.Helper()
	c, err := audit.OpenCheckpoint(b.checkpoint(), b.log.PublicKey())
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *bench) leaves(size int64) (all []merkle.Hash) {
	b.t.Helper()
	err := b.store.LogRows(b.t.Context(), 0, size, func(r store.LogRow) error { all = append(all, merkle.Leaf(r.Leaf)); return nil })
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// A client of another making reads every leaf's hash out of the tiles, and is
// sure of it. The log grows beyond two full tiles, signed at odd places, also by
// a process that goes on where another stopped.
func TestTilesAreReadByOthers(t *testing.T) {
	b := newBench(t)
	for i, n := range []int{1, 200, 60, 0, 259, 1} {
		if b.grow(n); i == 3 {
			b.restart(func() {})
		}
		c := b.signedAt()
		r := tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: tlog.Hash(c.Root)}, b)
		var at []int64
		for i := range c.Size {
			at = append(at, tlog.StoredHashIndex(0, i))
		}
		got, err := r.ReadHashes(at)
		if err != nil {
			t.Fatalf("at %d: %v", c.Size, err)
		}
		for i, want := range b.leaves(c.Size) {
			if merkle.Hash(got[i]) != want {
				t.Errorf("at %d the hash of entry %d is another", c.Size, i)
			}
		}
		if n, err := b.log.CheckTiles(t.Context(), nil); n != c.Size || err != nil {
			t.Errorf("at %d: the tiles of %d, %v", c.Size, n, err)
		}
	}
}

func TestTilesOutsideTheLog(t *testing.T) {
	b := newBench(t)
	b.grow(300)
	size := b.signedAt().Size
	for _, none := range []merkle.Tile{
		{Index: 1, Width: 45}, {Index: 1, Width: 256}, {Index: 2, Width: 1}, {Level: 1, Width: 2}, {Level: 2, Width: 1}, {Width: 0}, {Width: 257}, {Level: -1, Width: 1}, {Index: -1, Width: 1},
	} {
		if _, err := b.log.TileUnasked(t.Context(), none); !errors.Is(err, vitrine.ErrNotFound) {
			t.Errorf("%+v of a log of %d: %v, want not found", none, size, err)
		}
	}
	for _, there := range []merkle.Tile{{Index: 1, Width: 44}, {Index: 1, Width: 1}, {Width: 256}, {Width: 7}, {Level: 1, Width: 1}} {
		if _, err := b.log.TileUnasked(t.Context(), there); err != nil {
			t.Errorf("%+v of a log of %d: %v", there, size, err)
		}
	}
}

// Tiles that somebody changed are never given out; they are made again from the
// entries, and the log tells. Entries that somebody changed are found by it.
func TestDamagedTiles(t *testing.T) {
	prove := func(b *bench) error { return b.log.ProveUnasked(b.t.Context(), 0, new(strings.Builder), 5) }
	for _, tt := range []struct {
		name   string
		tamper string
		ask    func(b *bench) error
		broken bool // the log itself is
	}{
		{"a hash of a full tile", `UPDATE log_tiles SET hashes = zeroblob(8192) WHERE level = 0 AND idx = 0`, prove, false},
		{"a tile", `UPDATE log_tiles SET hashes = zeroblob(8192) WHERE level = 0 AND idx = 1`, func(b *bench) error {
			_, err := b.log.TileUnasked(b.t.Context(), merkle.Tile{Index: 1, Width: 256})
			return err
		}, false},
		{"a tile above", `UPDATE log_tiles SET hashes = zeroblob(64) WHERE level = 1`, func(b *bench) error {
			_, err := b.log.TileUnasked(b.t.Context(), merkle.Tile{Level: 1, Width: 2})
			return err
		}, false},
		{"a consistency proof's tile", `UPDATE log_tiles SET hashes = randomblob(length(hashes))`, func(b *bench) error {
			_, err := b.log.ConsistencyUnasked(b.t.Context(), 301, 0)
			return err
		}, false},
		{"a tile is gone", `DELETE FROM log_tiles WHERE level = 0 AND idx = 0`, prove, false},
		{"a tile is cut", `UPDATE log_tiles SET hashes = x'00' WHERE level = 0`, prove, false},
		{"an entry and its hash", `UPDATE log SET (leaf, hash) = (SELECT leaf, hash FROM log WHERE seq = 6) WHERE seq = 5`, prove, true},
		{"a leaf", `UPDATE log SET leaf = (SELECT leaf FROM log WHERE seq = 6) WHERE seq = 5`, prove, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.grow(301)
			b.checkpoint()
			b.grow(300)
			before := b.checkpoint()
			if err := tt.ask(b); err != nil {
				t.Fatalf("before: %v", err)
			}
			b.sql(tt.tamper)
			var e *vitrine.Error
			if err := tt.ask(b); !errors.As(err, &e) || e.Code != "tiles_damaged" || !errors.Is(err, vitrine.ErrUnavailable) {
				t.Fatalf("asked: %v, want that tiles are damaged", err)
			}
			_, err := b.log.Checkpoint(t.Context())
			if tt.broken {
				if !errors.Is(err, audit.ErrTampered) || b.log.Broken() == nil {
					t.Errorf("signed a log that was changed: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.ask(b); err != nil {
				t.Errorf("asked again: %v", err)
			}
			if _, err := b.log.CheckTiles(t.Context(), nil); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{"tiles_damaged"}, b.alerts()); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
			if r := b.verify(b.export(0, 0), before); !r.OK {
				t.Errorf("the log: %+v", r)
			}
		})
	}
}

// What nobody has asked for yet a thorough look finds.
func TestCheckTiles(t *testing.T) {
	for _, tamper := range []string{
		`UPDATE log_tiles SET hashes = zeroblob(8192) WHERE level = 0 AND idx = 1`,
		`UPDATE log_tiles SET hashes = zeroblob(64) WHERE level = 1`,
		`DELETE FROM log_tiles WHERE level = 0 AND idx = 0`,
		`UPDATE log SET hash = zeroblob(32) WHERE seq = 599`,
	} {
		b := newBench(t)
		b.grow(600)
		b.checkpoint()
		if n, err := b.log.CheckTiles(t.Context(), nil); n != 600 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		b.sql(tamper)
		if _, err := b.log.CheckTiles(t.Context(), nil); err == nil {
			t.Errorf("%s: not found", tamper)
		}
	}
}

// A database of before there were tiles gets them when it is signed next.
func TestTilesOfAnOldLog(t *testing.T) {
	b := newBench(t)
	b.grow(300)
	b.checkpoint()
	b.restart(func() { b.sql(`DELETE FROM log_tiles`) })
	b.grow(1)
	b.checkpoint()
	if n, err := b.log.CheckTiles(t.Context(), nil); n != 301 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if len(b.alerts()) > 0 {
		t.Errorf("alerts %q", b.alerts())
	}
}
