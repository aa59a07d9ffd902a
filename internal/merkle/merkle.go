// Package merkle is the arithmetic of the log: hashes as in RFC 6962, compact
// ranges, and proofs of inclusion and consistency.
//
// It knows nothing of entries, storage or signatures: a leaf is bytes, and
// whoever proves says how leaf hashes are read. The tree over n leaves is the
// one of RFC 6962 §2.1, the hash is SHA-256, and the root of the empty tree is
// SHA-256 of nothing, so every other implementation of that RFC checks what is
// proved here.
//
// The one invariant: a Range of size n holds exactly the roots of the perfect
// subtrees that n decomposes into, so equal leaves always give an equal Range,
// on every node and after every restart.
package merkle

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// Hash is SHA-256 of a leaf or of a node.
type Hash [sha256.Size]byte

// String is the hash in base64, as checkpoints write it.
func (h Hash) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

// Leaf is the hash of a leaf: SHA-256(0x00 || leaf).
func Leaf(leaf []byte) Hash {
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

func hashChildren(left, right []byte) []byte {
	h := Node(Hash(left), Hash(right))
	return h[:]
}

var factory = &compact.RangeFactory{Hash: hashChildren}

// Range is a compact range from leaf 0: enough to append and to know the root.
// The zero Range is the empty log. It is not safe for concurrent use.
type Range struct {
	r *compact.Range
}

func (r *Range) inner() *compact.Range {
	if r.r == nil {
		r.r = factory.NewEmptyRange(0)
	}
	return r.r
}

// Append adds the hash of the next leaf.
func (r *Range) Append(h Hash) {
	// Appending one hash to a range cannot fail: the end only grows.
	if err := r.inner().Append(h[:], nil); err != nil {
		panic(fmt.Sprintf("merkle: append: %v", err))
	}
}

// Size is how many leaves there are.
func (r *Range) Size() int64 { return int64(r.inner().End()) }

// Root is the root hash of the tree over all leaves.
func (r *Range) Root() Hash {
	if r.Size() == 0 {
		return sha256.Sum256(nil)
	}
	root, err := r.inner().GetRootHash(nil)
	if err != nil { // only of a range that does not begin at 0
		panic(fmt.Sprintf("merkle: root: %v", err))
	}
	return Hash(root)
}

// Clone is a copy that can grow on its own.
func (r *Range) Clone() *Range {
	hashes := r.inner().Hashes()
	c, err := factory.NewRange(0, r.inner().End(), append([][]byte(nil), hashes...))
	if err != nil { // the number of hashes always fits the size
		panic(fmt.Sprintf("merkle: clone: %v", err))
	}
	return &Range{c}
}

// MarshalBinary is the size as 8 bytes, big-endian, and the hashes of the
// perfect subtrees from left to right, 32 bytes each.
func (r *Range) MarshalBinary() ([]byte, error) {
	b := binary.BigEndian.AppendUint64(nil, r.inner().End())
	for _, h := range r.inner().Hashes() {
		b = append(b, h...)
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
	hashes := make([][]byte, 0, len(b)/sha256.Size)
	for ; len(b) > 0; b = b[sha256.Size:] {
		hashes = append(hashes, append([]byte(nil), b[:sha256.Size]...))
	}
	c, err := factory.NewRange(0, size, hashes)
	if err != nil {
		return fmt.Errorf("%w: %w", errRange, err)
	}
	r.r = c
	return nil
}
