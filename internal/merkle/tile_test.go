package merkle_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"vitrine.dev/vitrine/internal/merkle"
)

// shelf keeps the tiles of a log as it grows, as a store does: those that are
// full, and of the levels above the first also the one that is filling.
type shelf struct {
	edge  merkle.Edge
	tiles map[[2]int64][]merkle.Hash
}

func (s *shelf) put(t merkle.Tile, hashes []merkle.Hash) {
	s.tiles[[2]int64{int64(t.Level), t.Index}] = append([]merkle.Hash(nil), hashes...)
}

func (s *shelf) add(h merkle.Hash) { s.edge.Append(h, s.put) }

func newShelf(leaves int) *shelf {
	s := &shelf{tiles: map[[2]int64][]merkle.Hash{}}
	for i := range leaves {
		s.add(leafOf(i))
	}
	s.edge.Tails(0, s.put)
	return s
}

func leafOf(i int) merkle.Hash { return merkle.Leaf(strconv.AppendInt(nil, int64(i), 10)) }

func (s *shelf) read(tiles []merkle.Tile) ([][]merkle.Hash, error) {
	var all [][]merkle.Hash
	for _, t := range tiles {
		hashes := s.tiles[[2]int64{int64(t.Level), t.Index}]
		if len(hashes) < t.Width {
			return nil, fmt.Errorf("no %s", t.Path())
		}
		all = append(all, hashes[:t.Width])
	}
	return all, nil
}

// ReadTiles and the others let the Go checksum database's code read the shelf.
func (s *shelf) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		got, err := s.read([]merkle.Tile{{Level: t.L, Index: t.N, Width: t.W}})
		if err != nil {
			return nil, err
		}
		all = append(all, merkle.Join(got[0]))
	}
	return all, nil
}

func (s *shelf) Height() int                           { return 8 }
func (s *shelf) SaveTiles([]tlog.Tile, [][]byte)       {}
func (s *shelf) tree(n int64, r merkle.Hash) tlog.Tree { return tlog.Tree{N: n, Hash: tlog.Hash(r)} }

// sizes are those at which tiles begin and end, and some between.
var sizes = []int{1, 2, 255, 256, 257, 511, 512, 1000, 65535, 65536, 65537, 65792, 66000, 70000}

func TestTilesAgreeWithTlog(t *testing.T) {
	for _, size := range sizes {
		s := newShelf(size)
		var r merkle.Range
		for i := range size {
			r.Append(leafOf(i))
		}
		n, root := int64(size), r.Root()
		if s.edge.Size() != n || s.edge.Root() != root {
			t.Fatalf("of %d leaves the edge has another root than the range", size)
		}
		theirs := tlog.TileHashReader(s.tree(n, root), s)
		for _, i := range []int64{0, 1, n / 3, n / 2, n - 2, n - 1} {
			if i < 0 || i >= n {
				continue
			}
			ours, err := merkle.ProveInclusion(i, n, s.read)
			if err != nil {
				t.Fatalf("prove %d of %d: %v", i, n, err)
			}
			want, err := tlog.ProveRecord(n, i, theirs)
			if err != nil {
				t.Fatalf("tlog proves %d of %d: %v", i, n, err)
			}
			if diff := cmp.Diff(hashes(want), ours); diff != "" && len(ours)+len(want) > 0 {
				t.Errorf("inclusion of %d in %d (-tlog +ours):\n%s", i, n, diff)
			}
			tree, err := merkle.ProveConsistency(i+1, n, s.read)
			if err != nil {
				t.Fatalf("prove %d to %d: %v", i+1, n, err)
			}
			wantTree, err := tlog.ProveTree(n, i+1, theirs)
			if err != nil {
				t.Fatalf("tlog proves %d to %d: %v", i+1, n, err)
			}
			if diff := cmp.Diff(hashes(wantTree), tree); diff != "" && len(tree)+len(wantTree) > 0 {
				t.Errorf("consistency of %d with %d (-tlog +ours):\n%s", i+1, n, diff)
			}
		}
	}
}

func hashes(p []tlog.Hash) []merkle.Hash {
	var all []merkle.Hash
	for _, h := range p {
		all = append(all, merkle.Hash(h))
	}
	return all
}

// What is read back from tiles goes on as if it had never stopped, also at a
// size that the tiles have grown beyond.
func TestEdgeIsReadBack(t *testing.T) {
	s := newShelf(70000)
	for _, size := range append([]int{0}, sizes...) {
		e, err := merkle.OpenEdge(int64(size), s.read)
		if err != nil {
			t.Fatalf("open the edge at %d: %v", size, err)
		}
		r, err := merkle.RangeOf(int64(size), s.read)
		if err != nil {
			t.Fatalf("the range at %d: %v", size, err)
		}
		var want merkle.Range
		for i := range size {
			want.Append(leafOf(i))
		}
		if e.Root() != want.Root() || r.Root() != want.Root() || r.Size() != int64(size) {
			t.Fatalf("at %d the edge is %v, the range %v, want %v", size, e.Root(), r.Root(), want.Root())
		}
		c := e.Clone()
		for i := size; i < size+600; i++ {
			c.Append(leafOf(i), nil)
			want.Append(leafOf(i))
		}
		if c.Root() != want.Root() || e.Size() != int64(size) {
			t.Errorf("from %d it goes on to another root", size)
		}
	}
}

func TestTilePath(t *testing.T) {
	for _, tt := range []struct {
		tile merkle.Tile
		want string
	}{
		{merkle.Tile{Level: 0, Index: 0, Width: 256}, "tile/0/000"},
		{merkle.Tile{Level: 1, Index: 5, Width: 17}, "tile/1/005.p/17"},
		{merkle.Tile{Level: 0, Index: 999, Width: 1}, "tile/0/999.p/1"},
		{merkle.Tile{Level: 0, Index: 1000, Width: 256}, "tile/0/x001/000"},
		{merkle.Tile{Level: 3, Index: 1234067, Width: 255}, "tile/3/x001/x234/067.p/255"},
		{merkle.Tile{Level: 0, Index: 1<<55 - 1, Width: 256}, "tile/0/x036/x028/x797/x018/x963/967"},
	} {
		if got := tt.tile.Path(); got != tt.want {
			t.Errorf("%+v lies at %s, want %s", tt.tile, got, tt.want)
		}
		level, name, _ := strings.Cut(strings.TrimPrefix(tt.want, "tile/"), "/")
		if got, err := merkle.ParseTile(level, name); err != nil || got != tt.tile {
			t.Errorf("%s is %+v, %v, want %+v", tt.want, got, err, tt.tile)
		}
		other := tlog.Tile{H: 8, L: tt.tile.Level, N: tt.tile.Index, W: tt.tile.Width}
		if got := strings.Replace(other.Path(), "tile/8/", "tile/", 1); got != tt.want {
			t.Errorf("tlog puts it at %s", got)
		}
	}
	for _, bad := range []string{
		"", "/", "0", "0/", "0/0", "0/00", "0/0000", "00/000", "-1/000", "8/000", "x/000", "0/-01", "0/+01", "0/00a", "0/x000", "0/x001", "0/001/000", "0/x000/001",
		"0/000.p", "0/000.p/", "0/000.p/0", "0/000.p/01", "0/000.p/256", "0/000.p/-1", "0/000.p/1/", "0/000/", "0//000", "0/000.p/1.p/1",
		"0/x001/x002/x003/x004/x005/x006/x007/008", "0/" + strings.Repeat("x001/", 1000) + "000", "0/x999/x999/x999/x999/x999/x999/999",
	} {
		level, name, _ := strings.Cut(bad, "/")
		if got, err := merkle.ParseTile(level, name); err == nil {
			t.Errorf("%q is taken for %+v", bad, got)
		}
	}
}

func FuzzParseTile(f *testing.F) {
	f.Add("0", "000")
	f.Add("1", "x001/x234/067.p/8")
	f.Add("7", "x036/x028/x797/x018/x963/967")
	f.Fuzz(func(t *testing.T, level, name string) {
		tile, err := merkle.ParseTile(level, name)
		if err != nil {
			return
		}
		if got := tile.Path(); got != "tile/"+level+"/"+name {
			t.Errorf("%q/%q is %+v, which lies at %s", level, name, tile, got)
		}
		if tile.Width < 1 || tile.Width > merkle.TileWidth || tile.Index < 0 {
			t.Errorf("%q/%q is %+v", level, name, tile)
		}
	})
}

func TestTileOf(t *testing.T) {
	for _, tt := range []struct {
		level       int
		index, size int64
		want        int
	}{
		{0, 0, 0, 0}, {0, 0, 1, 1}, {0, 0, 256, 256}, {0, 1, 256, 0}, {1, 0, 255, 0}, {1, 0, 256, 1},
		{0, 273, 70000, 112}, {1, 1, 70000, 17}, {2, 0, 70000, 1}, {3, 0, 70000, 0},
		{0, 0, 1 << 62, 256}, {7, 0, 1 << 62, 64}, {8, 0, 1 << 62, 0}, {-1, 0, 9, 0}, {0, -1, 9, 0}, {0, 1 << 60, 1 << 62, 0},
	} {
		if got := merkle.TileOf(tt.level, tt.index, tt.size); got.Width != tt.want {
			t.Errorf("tile %d of level %d of a log of %d is %d wide, want %d", tt.index, tt.level, tt.size, got.Width, tt.want)
		}
	}
}

// What is new from one size to the next is what tlog says, and all of it from
// nothing is all that there is.
func TestNewTiles(t *testing.T) {
	for _, from := range []int64{0, 1, 255, 256, 300, 65536, 70000} {
		for _, to := range []int64{1, 256, 257, 300, 65535, 65536, 65537, 70000} {
			if to < from {
				continue
			}
			var got, want []string
			for tile := range merkle.NewTiles(from, to, true) {
				got = append(got, tile.Path())
			}
			for _, tile := range tlog.NewTiles(8, from, to) {
				want = append(want, strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("from %d to %d (-tlog +ours):\n%s", from, to, diff)
			}
			for tile := range merkle.NewTiles(from, to, false) {
				if !tile.Full() {
					t.Errorf("from %d to %d: %s is not full", from, to, tile.Path())
				}
			}
		}
	}
}

// One hash changed anywhere in a tile is found.
func TestCheckTile(t *testing.T) {
	for _, size := range []int64{1, 5, 256, 300, 65536, 66000, 70000} {
		s := newShelf(int(size))
		root := s.edge.Root()
		for tile := range merkle.NewTiles(0, size, true) {
			if tile.Level == 0 && tile.Index%97 != 0 && tile.Full() {
				continue
			}
			got, err := s.read([]merkle.Tile{tile})
			if err != nil {
				t.Fatal(err)
			}
			if err := merkle.CheckTile(tile, got[0], size, root, s.read); err != nil {
				t.Errorf("%s in %d: %v", tile.Path(), size, err)
			}
			for _, i := range []int{0, tile.Width / 2, tile.Width - 1} {
				wrong := append([]merkle.Hash(nil), got[0]...)
				wrong[i][7] ^= 1
				if err := merkle.CheckTile(tile, wrong, size, root, s.read); !errors.Is(err, merkle.ErrProof) {
					t.Errorf("%s in %d with hash %d changed: %v", tile.Path(), size, i, err)
				}
			}
			other := tile
			other.Index++
			if err := merkle.CheckTile(other, got[0], size, root, s.read); err == nil {
				t.Errorf("%s in %d passes for the next", tile.Path(), size)
			}
			if err := merkle.CheckTile(tile, got[0][1:], size, root, s.read); err == nil {
				t.Errorf("%s in %d passes with a hash less", tile.Path(), size)
			}
		}
	}
}

// BenchmarkProveInclusion proves entries of a log of ten million, whose tiles
// are in memory: what is left is the arithmetic.
func BenchmarkProveInclusion(b *testing.B) {
	const n = 10_000_000
	s := newShelf(n)
	root := s.edge.Root()
	var i int64
	b.ReportAllocs()
	for b.Loop() {
		i = (i + 7_654_321) % n
		p, err := merkle.ProveInclusion(i, n, s.read)
		if err != nil {
			b.Fatal(err)
		}
		if err := merkle.VerifyInclusion(p, i, n, leafOf(int(i)), root); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEdgeAppend(b *testing.B) {
	var e merkle.Edge
	h := merkle.Leaf([]byte("entry"))
	b.ReportAllocs()
	for b.Loop() {
		e.Append(h, nil)
	}
}

func BenchmarkLeaf(b *testing.B) {
	leaf := make([]byte, 300)
	b.ReportAllocs()
	for b.Loop() {
		merkle.Leaf(leaf)
	}
}
