package storetest

import (
	"errors"
	"fmt"
	"testing"

	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/store"
)

// testTiles keeps tiles as who signs the log does: full ones, and above the
// first level those that grow.
func testTiles(t *testing.T, s *store.Store) {
	hashes := func(from, n int) []merkle.Hash {
		var all []merkle.Hash
		for i := range n {
			all = append(all, merkle.Leaf(fmt.Appendf(nil, "%d", from+i)))
		}
		return all
	}
	put := func(level int, index int64, h []merkle.Hash, want bool) {
		t.Helper()
		var changed bool
		err := s.Maintain(t.Context(), func(tx *store.Tx) (err error) {
			changed, err = tx.PutLogTile(merkle.Tile{Level: level, Index: index, Width: len(h)}, h)
			return err
		})
		if err != nil || changed != want {
			t.Errorf("put %d hashes at %d/%d: changed %v, want %v, %v", len(h), level, index, changed, want, err)
		}
	}
	for i := range int64(10) {
		put(0, i, hashes(int(i)*256, 256), true)
	}
	put(1, 0, hashes(9000, 2), true)
	put(1, 0, hashes(9000, 10), true)
	put(1, 0, hashes(9000, 10), false)
	put(1, 0, hashes(9000, 9), false) // another node is behind
	var want [][]merkle.Hash
	var tiles []merkle.Tile
	for i := range int64(10) {
		tiles = append(tiles, merkle.Tile{Level: 0, Index: 9 - i, Width: 256 - int(i)})
		want = append(want, hashes(int(9-i)*256, 256-int(i)))
	}
	tiles = append(tiles, merkle.Tile{Level: 1, Index: 0, Width: 10}, merkle.Tile{Level: 1, Index: 0, Width: 3})
	want = append(want, hashes(9000, 10), hashes(9000, 3))
	got, err := s.LogTiles(t.Context(), tiles)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "tiles", got, want)
	if got, err := s.LogTiles(t.Context(), nil); len(got) != 0 || err != nil {
		t.Errorf("no tiles: %v, %v", got, err)
	}
	for _, none := range []merkle.Tile{{Level: 0, Index: 10, Width: 256}, {Level: 0, Index: 10, Width: 3}, {Level: 1, Index: 0, Width: 11}, {Level: 2, Index: 0, Width: 1}} {
		if _, err := s.LogTiles(t.Context(), []merkle.Tile{none}); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: %v, want that it is not there", none.Path(), err)
		}
	}
	wrong := hashes(0, 256)
	wrong[3][0] ^= 1
	put(0, 0, wrong, true) // as somebody does outside
	put(0, 0, hashes(0, 256), true)

	// What no tile holds yet the entries have.
	for range 3 {
		do(t, s, nil)
	}
	if got, err := s.LogTiles(t.Context(), []merkle.Tile{{Level: 0, Index: 0, Width: 3}}); err != nil || got[0][0] != hashes(0, 1)[0] {
		t.Errorf("a stored tile: %v, %v", got, err)
	}
}

// testEdgeTile reads the tile at the edge of the log, whose hashes stand with
// its entries.
func testEdgeTile(t *testing.T, s *store.Store) {
	for range 5 {
		do(t, s, nil)
	}
	var want []merkle.Hash
	err := s.LogRows(t.Context(), 0, 5, func(l store.LogRow) error { want = append(want, l.Hash); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 5; n++ {
		got, err := s.LogTiles(t.Context(), []merkle.Tile{{Width: n}})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprintf("%d hashes", n), got[0], want[:n])
	}
	if _, err := s.LogTiles(t.Context(), []merkle.Tile{{Width: 6}}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("six of five: %v", err)
	}
}
