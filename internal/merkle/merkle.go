// Package merkle is the arithmetic of the log: hashes as in RFC 6962, compact
// ranges, tiles as in C2SP tlog-tiles, and proofs of inclusion and consistency.
//
// It knows nothing of entries, storage or signatures: a leaf is bytes, and
// whoever proves says how tiles are read. The tree over n leaves is the one of
// RFC 6962 §2.1, the hash is SHA-256, and the root of the empty tree is SHA-256
// of nothing, so every other implementation of that RFC checks what is proved
// here.
//
// A Range is enough to append and to know the root; an Edge also cuts tiles,
// from which any hash of the tree is a few reads away. A proof therefore costs
// the same few reads at a thousand entries as at ten million.
//
// The one invariant: a Range of size n holds exactly the roots of the perfect
// subtrees that n decomposes into, so equal leaves always give an equal Range,
// on every node and after every restart. That of an Edge is the same, tile by
// tile.
package merkle

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"

	"github.com/transparency-dev/merkle/rfc6962"
)

// Hash is SHA-256 of a leaf or of a node.
type Hash [sha256.Size]byte

// String is the hash in base64, as checkpoints write it.
func (h Hash) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

// usualLeaf is up to how many bytes a leaf is hashed in one piece, on the stack.
const usualLeaf = 1024

// Leaf is the hash of a leaf: SHA-256(0x00 || leaf).
func Leaf(leaf []byte) Hash {
	if len(leaf) < usualLeaf {
		var b [usualLeaf]byte
		b[0] = rfc6962.RFC6962LeafHashPrefix
		return sha256.Sum256(b[:1+copy(b[1:], leaf)])
	}
	var h Hash
	d := sha256.New()
	d.Write([]byte{rfc6962.RFC6962LeafHashPrefix})
	d.Write(leaf)
	d.Sum(h[:0])
	return h
}

// Node is the hash of a node with two children: SHA-256(0x01 || left || right).
func Node(left, right Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = rfc6962.RFC6962NodeHashPrefix
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// Range is a compact range from leaf 0: enough to append and to know the root.
// The zero Range is the empty log. It is not safe for concurrent use.
type Range struct {
	size  uint64
	nodes []Hash // roots of the perfect subtrees, the largest first
}

// Append adds the hash of the next leaf.
func (r *Range) Append(h Hash) {
	for s := r.size; s&1 == 1; s >>= 1 {
		last := len(r.nodes) - 1
		h = Node(r.nodes[last], h)
		r.nodes = r.nodes[:last]
	}
	r.nodes = append(r.nodes, h)
	r.size++
}

// Size is how many leaves there are.
func (r *Range) Size() int64 { return int64(r.size) }

// Root is the root hash of the tree over all leaves.
func (r *Range) Root() Hash {
	if r.size == 0 {
		return sha256.Sum256(nil)
	}
	last := len(r.nodes) - 1
	root := r.nodes[last]
	for _, n := range slices.Backward(r.nodes[:last]) {
		root = Node(n, root)
	}
	return root
}

// Clone is a copy that can grow on its own.
func (r *Range) Clone() *Range { return &Range{r.size, slices.Clone(r.nodes)} }

// MarshalBinary is the size as 8 bytes, big-endian, and the hashes of the
// perfect subtrees from left to right, 32 bytes each.
func (r *Range) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, 8+len(r.nodes)*sha256.Size)
	b = binary.BigEndian.AppendUint64(b, r.size)
	for i := range r.nodes {
		b = append(b, r.nodes[i][:]...)
	}
	return b, nil
}

var errRange = errors.New("merkle: malformed compact range")

// UnmarshalBinary reads what MarshalBinary wrote.
func (r *Range) UnmarshalBinary(b []byte) error {
	if len(b) < 8 {
		return errRange
	}
	size := binary.BigEndian.Uint64(b)
	b = b[8:]
	if size>>63 != 0 || len(b) != bits.OnesCount64(size)*sha256.Size {
		return errRange
	}
	nodes, _ := Split(b) // whose length was just checked
	r.size, r.nodes = size, nodes
	return nil
}

// Join is hashes as bytes, one after the other.
func Join(hashes []Hash) []byte {
	b := make([]byte, 0, len(hashes)*sha256.Size)
	for i := range hashes {
		b = append(b, hashes[i][:]...)
	}
	return b
}

// Split takes apart what Join joined; ok is false for any other length.
func Split(b []byte) (hashes []Hash, ok bool) {
	if len(b)%sha256.Size != 0 {
		return nil, false
	}
	hashes = make([]Hash, len(b)/sha256.Size)
	for i := range hashes {
		hashes[i] = Hash(b[i*sha256.Size:])
	}
	return hashes, true
}
