package merkle

import "slices"

// Edge is a log as it grows, with its partial tiles: enough to append, to know
// the root, and to cut tiles as they fill. The zero Edge is the empty log. It is
// not safe for concurrent use.
type Edge struct {
	size  int64
	tails [][]Hash // of each level the last tile, which is not full
}

// OpenEdge is the edge of a log of a size, read from its tiles.
func OpenEdge(size int64, read Reader) (*Edge, error) {
	e := &Edge{size: size}
	tiles := edgeTiles(size)
	if len(tiles) == 0 {
		return e, nil
	}
	ids := peaks(size)
	v, err := look(ids, size, read)
	if err != nil {
		return nil, err
	}
	for _, t := range tiles {
		for len(e.tails) <= t.Level {
			e.tails = append(e.tails, nil)
		}
		e.tails[t.Level] = append(make([]Hash, 0, TileWidth), v[t]...)
	}
	return e, nil
}

// Append adds the hash of the next leaf. cut, may be nil, is called with each
// tile that it fills; the hashes are its to keep.
func (e *Edge) Append(h Hash, cut func(Tile, []Hash)) {
	e.size++
	for level := 0; ; level++ {
		if level == len(e.tails) {
			e.tails = append(e.tails, nil)
		}
		if e.tails[level] == nil {
			e.tails[level] = make([]Hash, 0, TileWidth)
		}
		tail := append(e.tails[level], h)
		if len(tail) < TileWidth {
			e.tails[level] = tail
			return
		}
		e.tails[level] = nil
		if cut != nil {
			cut(Tile{level, e.size>>(tileHeight*(level+1)) - 1, TileWidth}, tail)
		}
		h = perfect(tail)
	}
}

// Size is how many leaves there are.
func (e *Edge) Size() int64 { return e.size }

// Tails calls fn with the partial tiles from a level on, which are not fn's to
// keep.
func (e *Edge) Tails(from int, fn func(Tile, []Hash)) {
	for level := from; level < len(e.tails); level++ {
		if tail := e.tails[level]; len(tail) > 0 {
			fn(TileOf(level, e.size>>(tileHeight*(level+1)), e.size), tail)
		}
	}
}

// Range is the compact range of the log.
func (e *Edge) Range() *Range {
	r := &Range{size: uint64(e.size)}
	for _, tail := range slices.Backward(e.tails) { // the largest subtrees first
		for bit := TileWidth / 2; bit > 0; bit /= 2 {
			if len(tail)&bit != 0 {
				r.nodes = append(r.nodes, perfect(tail[:bit]))
				tail = tail[bit:]
			}
		}
	}
	return r
}

// Root is the root hash of the tree over all leaves.
func (e *Edge) Root() Hash { return e.Range().Root() }

// Clone is a copy that can grow on its own.
func (e *Edge) Clone() *Edge {
	c := &Edge{size: e.size, tails: make([][]Hash, len(e.tails))}
	for i, tail := range e.tails {
		if tail != nil {
			c.tails[i] = append(make([]Hash, 0, TileWidth), tail...)
		}
	}
	return c
}
