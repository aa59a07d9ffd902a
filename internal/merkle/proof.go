package merkle

import (
	"errors"
	"fmt"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// ErrProof says that a proof does not hold: what it is about is not in the
// log, or one log does not continue the other.
var ErrProof = errors.New("merkle: proof does not hold")

var (
	errBounds  = errors.New("merkle: outside the log")
	hasher6962 = rfc6962.DefaultHasher
)

// ProveInclusion proves that leaf index is in the log of the given size.
func ProveInclusion(index, size int64, read Reader) ([]Hash, error) {
	if index < 0 || index >= size {
		return nil, fmt.Errorf("%w: leaf %d of %d", errBounds, index, size)
	}
	nodes, err := proof.Inclusion(uint64(index), uint64(size))
	if err != nil {
		return nil, err
	}
	return prove(nodes, size, read)
}

// ProveConsistency proves that the log of size to continues the log of size
// from: nothing before from was changed, dropped or moved.
func ProveConsistency(from, to int64, read Reader) ([]Hash, error) {
	if from < 0 || from > to {
		return nil, fmt.Errorf("%w: from %d to %d", errBounds, from, to)
	}
	nodes, err := proof.Consistency(uint64(from), uint64(to))
	if err != nil {
		return nil, err
	}
	return prove(nodes, to, read)
}

// VerifyInclusion checks that a leaf with this hash is leaf index of the log
// with this size and root. The error wraps ErrProof when it is not.
func VerifyInclusion(p []Hash, index, size int64, leaf, root Hash) error {
	if index < 0 || size < 0 {
		return fmt.Errorf("%w: leaf %d of %d", ErrProof, index, size)
	}
	if err := proof.VerifyInclusion(hasher6962, uint64(index), uint64(size), leaf[:], byteSlices(p), root[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

// VerifyConsistency checks that the log with size to and root toRoot continues
// the one with size from and root fromRoot. The error wraps ErrProof when not.
func VerifyConsistency(p []Hash, from, to int64, fromRoot, toRoot Hash) error {
	if from < 0 || to < 0 {
		return fmt.Errorf("%w: from %d to %d", ErrProof, from, to)
	}
	if empty := new(Range).Root(); from == 0 && fromRoot != empty {
		return fmt.Errorf("%w: the empty log has another root", ErrProof)
	}
	if err := proof.VerifyConsistency(hasher6962, uint64(from), uint64(to), byteSlices(p), fromRoot[:], toRoot[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

func prove(nodes proof.Nodes, size int64, read Reader) ([]Hash, error) {
	if len(nodes.IDs) == 0 {
		return nil, nil
	}
	v, err := look(nodes.IDs, size, read)
	if err != nil {
		return nil, err
	}
	hashes := make([][]byte, len(nodes.IDs))
	for i, id := range nodes.IDs {
		h, err := v.node(id, size)
		if err != nil {
			return nil, err
		}
		hashes[i] = h[:]
	}
	hashes, err = nodes.Rehash(hashes, func(left, right []byte) []byte {
		h := Node(Hash(left), Hash(right))
		return h[:]
	})
	if err != nil {
		return nil, err
	}
	p := make([]Hash, len(hashes))
	for i, h := range hashes {
		p[i] = Hash(h)
	}
	return p, nil
}

func byteSlices(p []Hash) [][]byte {
	b := make([][]byte, len(p))
	for i := range p {
		b[i] = p[i][:]
	}
	return b
}
