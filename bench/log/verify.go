package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"vitrine.dev/vitrine/bench/internal/commit"
	"vitrine.dev/vitrine/bench/internal/house"
	"vitrine.dev/vitrine/bench/internal/measure"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/store"
)

// verifying fills the log of an installation, exports it by the door, and
// verifies it offline, with the program.
func verifying(ctx context.Context, o *measure.Options, r *measure.Report) (err error) {
	n := 1_000_000
	if o.Quick {
		n = 100_000
	}
	measure.Progress("verify %d entries", n)
	bin, err := house.Build(ctx, o.Dir)
	if err != nil {
		return err
	}
	h, err := house.Start(ctx, bin, house.Config{Dir: filepath.Join(o.Dir, "house")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if err := h.Fill(ctx, func(a *app.App) error { return fill(ctx, a.Store, n) }); err != nil {
		return err
	}
	export, public := filepath.Join(o.Dir, "log.ndjson"), filepath.Join(o.Dir, "log.pub")
	text, err := h.Output(ctx, "audit", "key", "--server", h.URL(), "--key", h.Owner)
	if err != nil {
		return err
	}
	if err := os.WriteFile(public, text, 0o600); err != nil {
		return err
	}
	if err := h.Do(ctx, nil, "audit", "export", "-f", export); err != nil {
		return err
	}
	t := &measure.Table{Name: "verify", Title: fmt.Sprintf("Verify an export of %s entries", measure.Format(float64(n), "")), Columns: []measure.Column{{Name: perSecond, Unit: "/s", More: true}}}
	err = t.Rounds(o.Rounds,
		measure.Contestant{Name: "bare: read the file, hash each line", Role: measure.Limit, Run: func() (measure.Sample, error) { return hashLines(export) }},
		measure.Contestant{Name: "vitrine audit verify", Role: measure.Ours, Run: func() (measure.Sample, error) { return verify(ctx, h, export, public) }},
	)
	if err != nil {
		return err
	}
	r.Tables = append(r.Tables, t)
	r.AtLeast("entries verified a second", "/s", t.Of("vitrine audit verify", perSecond), 500_000)
	return os.Remove(export)
}

// fill appends entries until there are so many, from many writers.
func fill(ctx context.Context, s *store.Store, n int) error {
	for {
		size, _, _, err := s.LogSize(ctx)
		if err != nil || size >= int64(n) {
			return err
		}
		if _, err := together(ctx, s, 1024, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

func verify(ctx context.Context, h *house.House, export, public string) (measure.Sample, error) {
	out, err := h.Output(ctx, "audit", "verify", export, "--public-key-file", public, "--output", "json")
	if err != nil {
		return nil, err
	}
	var got struct {
		OK        bool    `json:"ok"`
		PerSecond float64 `json:"per_second"`
	}
	if err := json.Unmarshal(out, &got); err != nil || !got.OK {
		return nil, fmt.Errorf("verify says %s (%w)", out, err)
	}
	return measure.Sample{perSecond: got.PerSecond}, nil
}

func hashLines(file string) (measure.Sample, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	began, n, all := time.Now(), 0, merkle.Hash{}
	for in := bufio.NewScanner(f); in.Scan(); n++ {
		h := sha256.Sum256(in.Bytes())
		for i := range h { // so that none is hashed for nothing
			all[i] ^= h[i]
		}
	}
	elapsed := time.Since(began).Seconds()
	if all == (merkle.Hash{}) {
		return nil, errors.New("the export is empty")
	}
	return measure.Sample{perSecond: float64(n) / elapsed}, nil
}

// proving proves that random entries are in a log of ten million.
func proving(ctx context.Context, o *measure.Options, r *measure.Report) (err error) {
	size := int64(39_063) * merkle.TileWidth // ten million, in whole tiles of leaves
	if o.Quick {
		size = 1_953 * merkle.TileWidth
	}
	measure.Progress("prove, %d entries", size)
	s, end, err := open(ctx, "sqlite:"+filepath.Join(o.Dir, "prove.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	root, err := tiles(ctx, s, size)
	if err != nil {
		return err
	}
	bare, err := commit.SQLite(o.Dir + "/house")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.Close()) }()
	if err := bare.Commit(); err != nil {
		return err
	}
	const prove, check, read = "vitrine, prove", "vitrine, check the proof", "bare: read one row by its key"
	t := &measure.Table{Name: "prove", Title: fmt.Sprintf("Prove that an entry is in a log of %s", measure.Format(float64(size), "")), Columns: []measure.Column{{Name: latency, Unit: "ns"}, {Name: p99, Unit: "ns"}}}
	at := func() int64 { return rand.Int64N(size) }
	tile := func(all []merkle.Tile) ([][]merkle.Hash, error) { return s.LogTiles(ctx, all) }
	const n = 1000
	err = t.Rounds(o.Rounds,
		measure.Contestant{Name: read, Role: measure.Limit, Run: func() (measure.Sample, error) { return times(n, 1, func(int) error { return bare.Read() }) }},
		measure.Contestant{Name: prove, Role: measure.Ours, Run: func() (measure.Sample, error) {
			return times(n, 1, func(int) error {
				_, err := merkle.ProveInclusion(at(), size, tile)
				return err
			})
		}},
		measure.Contestant{Name: check, Role: measure.Ours, Run: func() (measure.Sample, error) {
			i := at()
			proof, err := merkle.ProveInclusion(i, size, tile)
			if err != nil {
				return nil, err
			}
			return times(n, 1, func(int) error { return merkle.VerifyInclusion(proof, i, size, leaf(i), root) })
		}},
	)
	if err != nil {
		return err
	}
	r.Tables = append(r.Tables, t)
	r.AtMost(fmt.Sprintf("prove that an entry is in a log of %s", measure.Format(float64(size), "")), "ns", t.Of(prove, latency), 1e6)
	return nil
}

// leaf is the hash of a leaf that stands for an entry.
func leaf(i int64) merkle.Hash { return merkle.Leaf(fmt.Append(nil, "entry ", i)) }

// tiles puts the tiles of a log of a size into the store and answers its root.
func tiles(ctx context.Context, s *store.Store, size int64) (merkle.Hash, error) {
	var e merkle.Edge
	for e.Size() < size {
		err := s.Maintain(ctx, func(tx *store.Tx) (err error) {
			put := func(t merkle.Tile, hashes []merkle.Hash) {
				if err == nil {
					_, err = tx.PutLogTile(t, hashes)
				}
			}
			for range min(64*merkle.TileWidth, size-e.Size()) {
				e.Append(leaf(e.Size()), put)
			}
			if e.Size() == size {
				e.Tails(1, put)
			}
			return err
		})
		if err != nil {
			return merkle.Hash{}, err
		}
	}
	return e.Root(), nil
}
