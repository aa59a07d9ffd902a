package merkle_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"vitrine.dev/vitrine/internal/merkle"
)

// The eight leaves and roots that Certificate Transparency implementations
// test with (certificate-transparency/cpp/merkletree/merkle_tree_test.cc).
var knownLeaves = []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}

var knownRoots = []string{
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
	"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
	"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
	"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
	"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
	"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}

func TestKnownRoots(t *testing.T) {
	var r merkle.Range
	for n, want := range knownRoots {
		if got := r.Root(); hex.EncodeToString(got[:]) != want {
			t.Errorf("root of %d leaves = %x, want %s", n, got, want)
		}
		if n < len(knownLeaves) {
			leaf, err := hex.DecodeString(knownLeaves[n])
			if err != nil {
				t.Fatal(err)
			}
			r.Append(merkle.Leaf(leaf))
		}
	}
}

// second is the same log kept by the Go checksum database's code.
type second struct {
	hashes []tlog.Hash
	leaves []merkle.Hash
}

func (s *second) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = s.hashes[x]
	}
	return out, nil
}

func (s *second) add(t *testing.T, leaf []byte) {
	t.Helper()
	more, err := tlog.StoredHashes(int64(len(s.leaves)), leaf, s)
	if err != nil {
		t.Fatal(err)
	}
	s.hashes = append(s.hashes, more...)
	s.leaves = append(s.leaves, merkle.Leaf(leaf))
}

// read answers tiles made from the other implementation's hashes.
func (s *second) read(tiles []merkle.Tile) ([][]merkle.Hash, error) {
	all := make([][]merkle.Hash, len(tiles))
	for i, t := range tiles {
		for n := range int64(t.Width) {
			h := s.hashes[tlog.StoredHashIndex(t.Level*8, t.Index*merkle.TileWidth+n)]
			all[i] = append(all[i], merkle.Hash(h))
		}
	}
	return all, nil
}

func grow(t *testing.T, n int) (*second, []merkle.Hash) {
	t.Helper()
	s := new(second)
	var r merkle.Range
	roots := []merkle.Hash{r.Root()}
	for i := range n {
		s.add(t, fmt.Appendf(nil, "entry %d", i))
		r.Append(s.leaves[i])
		roots = append(roots, r.Root())
		want, err := tlog.TreeHash(int64(i+1), s)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Root(); got != merkle.Hash(want) {
			t.Fatalf("root of %d leaves = %v, tlog says %v", i+1, got, want)
		}
	}
	return s, roots
}

func TestInclusionAgreesWithTlog(t *testing.T) {
	s, roots := grow(t, 70)
	for size := int64(1); size <= 70; size++ {
		for i := range size {
			p, err := merkle.ProveInclusion(i, size, s.read)
			if err != nil {
				t.Fatalf("prove %d of %d: %v", i, size, err)
			}
			if err := merkle.VerifyInclusion(p, i, size, s.leaves[i], roots[size]); err != nil {
				t.Errorf("verify %d of %d: %v", i, size, err)
			}
			var other tlog.RecordProof
			for _, h := range p {
				other = append(other, tlog.Hash(h))
			}
			if err := tlog.CheckRecord(other, size, tlog.Hash(roots[size]), i, tlog.Hash(s.leaves[i])); err != nil {
				t.Errorf("tlog refuses the proof of %d of %d: %v", i, size, err)
			}
			wrong := s.leaves[i]
			wrong[0] ^= 1
			if err := merkle.VerifyInclusion(p, i, size, wrong, roots[size]); !errors.Is(err, merkle.ErrProof) {
				t.Errorf("verify %d of %d with another leaf: %v, want ErrProof", i, size, err)
			}
		}
	}
}

func TestConsistencyAgreesWithTlog(t *testing.T) {
	s, roots := grow(t, 70)
	for to := int64(1); to <= 70; to++ {
		for from := int64(1); from <= to; from++ {
			p, err := merkle.ProveConsistency(from, to, s.read)
			if err != nil {
				t.Fatalf("prove %d to %d: %v", from, to, err)
			}
			if err := merkle.VerifyConsistency(p, from, to, roots[from], roots[to]); err != nil {
				t.Errorf("verify %d to %d: %v", from, to, err)
			}
			var other tlog.TreeProof
			for _, h := range p {
				other = append(other, tlog.Hash(h))
			}
			if err := tlog.CheckTree(other, to, tlog.Hash(roots[to]), from, tlog.Hash(roots[from])); err != nil {
				t.Errorf("tlog refuses the proof from %d to %d: %v", from, to, err)
			}
			wrong := roots[from]
			wrong[31] ^= 1
			if err := merkle.VerifyConsistency(p, from, to, wrong, roots[to]); !errors.Is(err, merkle.ErrProof) {
				t.Errorf("verify %d to %d with another root: %v, want ErrProof", from, to, err)
			}
		}
	}
	if err := merkle.VerifyConsistency(nil, 0, 5, roots[0], roots[5]); err != nil {
		t.Errorf("every log continues the empty one: %v", err)
	}
	if err := merkle.VerifyConsistency(nil, 0, 5, roots[1], roots[5]); !errors.Is(err, merkle.ErrProof) {
		t.Errorf("empty log with another root: %v, want ErrProof", err)
	}
}

func TestProofsOutsideTheLog(t *testing.T) {
	s, roots := grow(t, 3)
	broken := errors.New("disk")
	for _, tt := range []struct {
		name string
		err  func() error
	}{
		{"leaf beyond", func() error { _, err := merkle.ProveInclusion(3, 3, s.read); return err }},
		{"leaf below", func() error { _, err := merkle.ProveInclusion(-1, 3, s.read); return err }},
		{"backwards", func() error { _, err := merkle.ProveConsistency(3, 2, s.read); return err }},
		{"negative", func() error { _, err := merkle.ProveConsistency(-1, 2, s.read); return err }},
		{"short read", func() error {
			_, err := merkle.ProveInclusion(0, 3, func([]merkle.Tile) ([][]merkle.Hash, error) { return nil, nil })
			return err
		}},
		{"narrow tile", func() error {
			_, err := merkle.ProveInclusion(0, 3, func([]merkle.Tile) ([][]merkle.Hash, error) { return [][]merkle.Hash{s.leaves[:2]}, nil })
			return err
		}},
		{"failed read", func() error {
			_, err := merkle.ProveInclusion(0, 3, func([]merkle.Tile) ([][]merkle.Hash, error) { return nil, broken })
			return err
		}},
		{"verify leaf below", func() error { return merkle.VerifyInclusion(nil, -1, 3, s.leaves[0], roots[3]) }},
		{"verify negative", func() error { return merkle.VerifyConsistency(nil, -1, 3, roots[0], roots[3]) }},
	} {
		if tt.err() == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
}

func TestRangeSurvivesStorage(t *testing.T) {
	var r merkle.Range
	for i := range 100 {
		b, err := r.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back merkle.Range
		if err := back.UnmarshalBinary(b); err != nil {
			t.Fatalf("size %d: %v", i, err)
		}
		c := r.Clone()
		h := merkle.Leaf([]byte{byte(i)})
		before := r.Root()
		c.Append(h)
		if r.Root() != before || r.Size() != int64(i) {
			t.Fatalf("size %d: growing a clone changed the original", i)
		}
		back.Append(h)
		r.Append(h)
		if back.Root() != r.Root() || c.Root() != r.Root() || back.Size() != r.Size() {
			t.Fatalf("size %d: stored, cloned and original differ", i+1)
		}
	}
}

func FuzzRangeUnmarshal(f *testing.F) {
	var r merkle.Range
	for i := range 5 {
		r.Append(merkle.Leaf([]byte{byte(i)}))
	}
	b, err := r.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r merkle.Range
		if r.UnmarshalBinary(b) != nil {
			return
		}
		out, err := r.MarshalBinary()
		if err != nil || string(out) != string(b) {
			t.Errorf("%x came back as %x, %v", b, out, err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	var r merkle.Range
	h := merkle.Leaf([]byte("entry"))
	b.ReportAllocs()
	for b.Loop() {
		r.Append(h)
	}
}
