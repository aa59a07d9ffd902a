package audit_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"testing"

	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// tenMillion is a log of so many entries that its last tile just filled.
const tenMillion = 10_000_128

// shelve fills a store with the tiles of a log of n entries, without the
// entries, and answers its root.
func shelve(b *testing.B, s *store.Store, n int) merkle.Hash {
	b.Helper()
	type tile struct {
		merkle.Tile
		hashes []merkle.Hash
	}
	var e merkle.Edge
	var full []tile
	keep := func(t merkle.Tile, hashes []merkle.Hash) {
		full = append(full, tile{t, append([]merkle.Hash(nil), hashes...)})
	}
	flush := func() {
		err := s.Maintain(b.Context(), func(tx *store.Tx) error {
			for _, t := range full {
				if _, err := tx.PutLogTile(t.Tile, t.hashes); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		full = full[:0]
	}
	for i := range n {
		if e.Append(syntheticLeaf(i), keep); len(full) >= 512 {
			flush()
		}
	}
	e.Tails(1, keep)
	flush()
	return e.Root()
}

func syntheticLeaf(i int) merkle.Hash { return merkle.Leaf(fmt.Appendf(nil, "entry %d", i)) }

// BenchmarkProve proves entries all over a log of ten million, out of its tiles
// in the database, and verifies what it proved.
func BenchmarkProve(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { proveAll(b, storetest.Start(b, storetest.SQLite(b))) })
	if base := os.Getenv("VITRINE_TEST_POSTGRES"); base != "" {
		b.Run("postgres", func(b *testing.B) {
			at := storetest.Schema(b, base)
			b.Cleanup(func() { drop(b, at) })
			proveAll(b, storetest.Start(b, at))
		})
	}
}

// drop removes the schema that a URL names: it is larger than those of tests.
func drop(b *testing.B, at string) {
	u, err := url.Parse(at)
	if err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("pgx", at)
	if err != nil {
		b.Fatal(err)
	}
	_, err = db.Exec("DROP SCHEMA " + u.Query().Get("search_path") + " CASCADE")
	if err := errors.Join(err, db.Close()); err != nil {
		b.Error(err)
	}
}

func proveAll(b *testing.B, s *store.Store) {
	root := shelve(b, s, tenMillion)
	read := func(tiles []merkle.Tile) ([][]merkle.Hash, error) { return s.LogTiles(b.Context(), tiles) }
	b.Run("inclusion", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			at := int64(i) * 7_654_321 % tenMillion
			p, err := merkle.ProveInclusion(at, tenMillion, read)
			if err != nil {
				b.Fatal(err)
			}
			if err := merkle.VerifyInclusion(p, at, tenMillion, syntheticLeaf(int(at)), root); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("consistency", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := merkle.ProveConsistency(1+int64(i)*7_654_321%tenMillion, tenMillion, read); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tile", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			t := merkle.TileOf(0, int64(i)*7_321%(tenMillion/256), tenMillion)
			got, err := read([]merkle.Tile{t})
			if err != nil {
				b.Fatal(err)
			}
			if err := merkle.CheckTile(t, got[0], tenMillion, root, read); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCheckpoint signs a log that grew by one entry, as happens each second.
func BenchmarkCheckpoint(b *testing.B) {
	s := newBench(b)
	s.grow(300)
	for b.Loop() {
		b.StopTimer()
		s.grow(1)
		b.StartTimer()
		s.checkpoint()
	}
}
