package merkle

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/compact"
)

// TileWidth is how many hashes a full tile holds.
const TileWidth = 1 << tileHeight

const (
	tileHeight = 8
	// MaxTileLevel is the highest level that a tile of a log can have: the sizes
	// of all logs fit 63 bits.
	MaxTileLevel = 62 / tileHeight
)

// Tile names a tile: consecutive hashes of one level of the tree, levels being
// counted in steps of eight. The hashes of level 0 are those of leaves; each of
// a level above is the root over a full tile below. A tile of a width below
// TileWidth is partial; the same tile of a larger log begins with its hashes.
type Tile struct {
	Level int
	Index int64 // within the level
	Width int   // hashes, 1 to TileWidth
}

// TileOf is a tile as it is in a log of a size; Width is 0 where that has none
// there.
func TileOf(level int, index, size int64) Tile {
	t := Tile{Level: level, Index: index}
	if level < 0 || level > MaxTileLevel || index < 0 || index > size>>tileHeight {
		return t
	}
	t.Width = int(min(TileWidth, max(0, size>>(tileHeight*level)-index<<tileHeight)))
	return t
}

// Full reports whether the tile holds all the hashes that it ever will.
func (t Tile) Full() bool { return t.Width == TileWidth }

// Path is where C2SP tlog-tiles puts the tile: tile/<L>/<N>[.p/<W>].
func (t Tile) Path() string { return "tile/" + strconv.Itoa(t.Level) + "/" + t.name() }

// BundlePath is where the entries lie whose hashes a tile of level 0 holds:
// tile/entries/<N>[.p/<W>].
func (t Tile) BundlePath() string { return "tile/entries/" + t.name() }

// PartialsPath is below what all partial tiles of this one lie.
func (t Tile) PartialsPath() string {
	return "tile/" + strconv.Itoa(t.Level) + "/" + number(t.Index) + ".p"
}

func (t Tile) name() string {
	if t.Full() {
		return number(t.Index)
	}
	return number(t.Index) + ".p/" + strconv.Itoa(t.Width)
}

// number writes an index in groups of three digits, all but the last behind an
// x: 1234067 is x001/x234/067.
func number(n int64) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	return s
}

var errTile = errors.New("merkle: this is the name of no tile")

// ParseTile reads a tile's level and its name: <L> and <N>[.p/<W>]. Each tile
// has one name; every other is refused.
func ParseTile(level, name string) (Tile, error) {
	l, err := strconv.Atoi(level)
	if err != nil || l < 0 || l > MaxTileLevel {
		return Tile{}, errTile
	}
	t := Tile{Level: l, Width: TileWidth}
	digits, width, partial := strings.Cut(name, ".p/")
	if partial {
		if t.Width, err = strconv.Atoi(width); err != nil || t.Width < 1 || t.Width >= TileWidth {
			return Tile{}, errTile
		}
	}
	if len(digits) > maxNumber {
		return Tile{}, errTile
	}
	t.Index, err = strconv.ParseInt(strings.NewReplacer("x", "", "/", "").Replace(digits), 10, 64)
	if err != nil || t.Index < 0 || strconv.Itoa(l) != level || t.name() != name {
		return Tile{}, errTile
	}
	return t, nil
}

// maxNumber is the longest number of a tile: seven groups.
const maxNumber = 7 * len("x000/")

// Reader answers the hashes of tiles, of each as many as it is wide.
type Reader func([]Tile) ([][]Hash, error)

// view is the tiles that hold some nodes of a log.
type view map[Tile][]Hash

// look reads the tiles in which nodes of a log of a size stand, at once.
func look(ids []compact.NodeID, size int64, read Reader) (view, error) {
	v := make(view, len(ids))
	var want []Tile
	for _, id := range ids {
		t := tileOf(id, size)
		if _, ok := v[t]; !ok {
			v[t] = nil
			want = append(want, t)
		}
	}
	got, err := read(want)
	if err != nil {
		return nil, err
	}
	if len(got) != len(want) {
		return nil, fmt.Errorf("%w: asked for %d tiles, got %d", errBounds, len(want), len(got))
	}
	for i, t := range want {
		if len(got[i]) != t.Width {
			return nil, fmt.Errorf("%w: %s has %d hashes", errBounds, t.Path(), len(got[i]))
		}
		v[t] = got[i]
	}
	return v, nil
}

// tileOf is the tile in which a node stands, or from whose hashes it is made.
func tileOf(id compact.NodeID, size int64) Tile {
	level := int(id.Level) / tileHeight
	return TileOf(level, int64(id.Index>>(tileHeight-id.Level%tileHeight)), size)
}

// node is the hash of a node that is complete in a log of this size.
func (v view) node(id compact.NodeID, size int64) (Hash, error) {
	above := id.Level % tileHeight
	from := int(id.Index<<above) % TileWidth
	hashes := v[tileOf(id, size)]
	if from+1<<above > len(hashes) {
		return Hash{}, fmt.Errorf("%w: node %d of level %d in a log of %d", errBounds, id.Index, id.Level, size)
	}
	return perfect(hashes[from : from+1<<above]), nil
}

// perfect is the root over a power of two of hashes.
func perfect(hashes []Hash) Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return Node(perfect(hashes[:half]), perfect(hashes[half:]))
}

// peaks are the perfect subtrees that a log of a size decomposes into.
func peaks(size int64) []compact.NodeID { return compact.RangeNodes(0, uint64(size), nil) }

// RangeOf is the compact range of a log of a size, read from its tiles.
func RangeOf(size int64, read Reader) (*Range, error) {
	r := &Range{size: uint64(size)}
	if size == 0 {
		return r, nil
	}
	ids := peaks(size)
	v, err := look(ids, size, read)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		h, err := v.node(id, size)
		if err != nil {
			return nil, err
		}
		r.nodes = append(r.nodes, h)
	}
	return r, nil
}

// CheckTile reports whether hashes are those of a tile in the log of this size
// and root; the tiles above and at the edge of the log, which lead to the root,
// are read. t is as wide as it is in that log. The error wraps ErrProof when
// they are not.
func CheckTile(t Tile, hashes []Hash, size int64, root Hash, read Reader) error {
	if t.Width < 1 || len(hashes) != t.Width || TileOf(t.Level, t.Index, size) != t {
		return fmt.Errorf("%w: %s with %d hashes in a log of %d", errBounds, t.Path(), len(hashes), size)
	}
	all, path, under := peaks(size), []compact.NodeID(nil), -1
	if t.Full() { // up to the subtree of the log that the tile is in
		id := compact.NewNodeID(uint(t.Level+1)*tileHeight, uint64(t.Index))
		for under < 0 {
			for i := range all {
				if all[i] == id {
					under = i
				}
			}
			if under < 0 {
				path = append(path, id.Sibling())
				id = id.Parent()
			}
		}
	}
	v, err := look(append(path, all...), size, read)
	if err != nil {
		return err
	}
	v[t] = hashes // those that are in question, wherever they are needed
	r := Range{size: uint64(size)}
	for i, id := range all {
		h, err := v.node(id, size)
		if i == under {
			h, err = v.climb(t, path, size)
		}
		if err != nil {
			return err
		}
		r.nodes = append(r.nodes, h)
	}
	if r.Root() != root {
		return fmt.Errorf("%w: %s does not lead to the root of the log of %d", ErrProof, t.Path(), size)
	}
	return nil
}

// climb is the hash that a full tile's root and its siblings lead to.
func (v view) climb(t Tile, path []compact.NodeID, size int64) (Hash, error) {
	h := perfect(v[t])
	for _, sibling := range path {
		other, err := v.node(sibling, size)
		if err != nil {
			return h, err
		}
		if sibling.Index&1 == 0 {
			h = Node(other, h)
		} else {
			h = Node(h, other)
		}
	}
	return h, nil
}

// edgeTiles are the partial tiles of a log of a size, one a level at most.
func edgeTiles(size int64) []Tile {
	var all []Tile
	for level := 0; level*tileHeight < bits.Len64(uint64(size)); level++ {
		if t := TileOf(level, size>>(tileHeight*(level+1)), size); t.Width > 0 {
			all = append(all, t)
		}
	}
	return all
}

// NewTiles are the tiles that a log of size to has and one of size from has not
// in this width, lower levels first: what is to be published after the one for
// the other. partial says whether to name those at the edge, which the next will
// replace.
func NewTiles(from, to int64, partial bool) func(yield func(Tile) bool) {
	return func(yield func(Tile) bool) {
		for level := 0; to>>(tileHeight*level) > 0 && level <= MaxTileLevel; level++ {
			for n := from >> (tileHeight * (level + 1)); ; n++ {
				t := TileOf(level, n, to)
				if t.Width == 0 || !t.Full() && !partial {
					break
				}
				if t != TileOf(level, n, from) && !yield(t) {
					return
				}
			}
		}
	}
}
