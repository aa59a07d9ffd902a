package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"vitrine.dev/vitrine/internal/entry"
)

// Every full block of the log has a filter for each field, from which a search
// learns that the block holds nothing of what is asked for. A filter follows
// from the leaves alone, so any node may write it, late, and a block that has
// none yet is read.
const (
	blockSize = 1024
	timeField = "time" // the first and the last time, each 8 bytes
	maxProbes = 64     // more values are not asked of a filter
)

// filter is a Bloom filter: of something that is not in the block it says so
// for all but one in three hundred. An empty one says nothing.
type filter []byte

const (
	bitsEach = 12
	probed   = 8
)

// probe is where a value stands in filters of all sizes.
type probe struct{ at, step uint64 }

func newProbe(value string) probe {
	h := sha256.Sum256([]byte(value))
	return probe{binary.BigEndian.Uint64(h[:]), binary.BigEndian.Uint64(h[8:]) | 1}
}

func (p probe) each(f filter, fn func(byteAt int, bit byte) bool) bool {
	n := uint64(len(f)) * 8
	for i := range uint64(probed) {
		at := (p.at + i*p.step) % n
		if !fn(int(at/8), 1<<(at%8)) {
			return false
		}
	}
	return true
}

func newFilter(values map[string]bool) filter {
	f := make(filter, (len(values)*bitsEach+63)/64*8)
	for v := range values {
		newProbe(v).each(f, func(i int, bit byte) bool { f[i] |= bit; return true })
	}
	return f
}

// probes answers whether a filter may hold one of the values.
func probes(values map[string]bool) func(filter) bool {
	var all []probe
	for v := range values {
		all = append(all, newProbe(v))
	}
	return func(f filter) bool {
		for _, p := range all {
			if p.each(f, func(i int, bit byte) bool { return f[i]&bit != 0 }) {
				return true
			}
		}
		return false
	}
}

func newTimes(first, last int64) filter {
	f := binary.BigEndian.AppendUint64(nil, uint64(first))
	return binary.BigEndian.AppendUint64(f, uint64(last))
}

// during answers whether a filter of times may hold one from from until before
// to, where the zero time is no bound.
func during(from, to time.Time) func(filter) bool {
	return func(f filter) bool {
		if len(f) != 16 {
			return true
		}
		first, last := int64(binary.BigEndian.Uint64(f)), int64(binary.BigEndian.Uint64(f[8:]))
		return (from.IsZero() || last >= from.UnixMicro()) && (to.IsZero() || first <= to.UnixMicro())
	}
}

const (
	qFiltered  = `SELECT COALESCE(MAX(block), -1) FROM log_filters WHERE field = '` + timeField + `'`
	qPutFilter = `INSERT INTO log_filters (field, block, filter) VALUES ($1, $2, $3) ON CONFLICT (field, block) DO NOTHING`
)

// filterLog writes the filters that are missing, and goes on as blocks fill,
// until ctx ends. What fails is tried again with the next block: a search only
// takes longer.
func (s *Store) filterLog(ctx context.Context) {
	for {
		full := s.filled.next()
		_ = s.filterBlocks(ctx) // see above
		select {
		case <-ctx.Done():
			return
		case <-full:
		}
	}
}

func (s *Store) filterBlocks(ctx context.Context) error {
	var block int64
	if err := s.read.row(ctx, qFiltered).Scan(&block); err != nil {
		return err
	}
	size, _, _, err := s.LogSize(ctx)
	if err != nil {
		return err
	}
	for block++; (block+1)*blockSize <= size; block++ {
		if err := s.filterBlock(ctx, block); err != nil {
			return fmt.Errorf("filter of block %d of the log: %w", block, err)
		}
	}
	return nil
}

// filterBlock writes the filters of one block; empty ones where a leaf is gone
// or damaged, which a search must come upon.
func (s *Store) filterBlock(ctx context.Context, block int64) error {
	values := map[string]map[string]bool{}
	for _, field := range fields {
		values[field.name] = map[string]bool{}
	}
	first, last, n := int64(math.MaxInt64), int64(math.MinInt64), 0
	rows, err := s.read.rows(ctx, qLeaves, block*blockSize, (block+1)*blockSize, int64(blockSize))
	if err != nil {
		return err
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		var leaf []byte
		if err := rows.Scan(&leaf); err != nil {
			return err
		}
		e, _, err := entry.Parse(leaf)
		if err != nil {
			break
		}
		for _, field := range fields {
			values[field.name][field.of(e)] = true
		}
		first, last = min(first, e.Time.UnixMicro()), max(last, e.Time.UnixMicro())
	}
	if err := rows.end(rows.Err()); err != nil {
		return err
	}
	damaged := n < blockSize
	filters := map[string]filter{timeField: newTimes(first, last)}
	for _, field := range fields {
		filters[field.name] = newFilter(values[field.name])
	}
	return s.Maintain(ctx, func(t *Tx) error {
		for field, f := range filters {
			if damaged {
				f = filter{}
			}
			if _, err := t.c.exec(qPutFilter, field, block, []byte(f)); err != nil {
				return err
			}
		}
		return nil
	})
}
