package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

// examination looks at everything that is stored: damage that lies where
// nobody has looked is found now and not when it is needed.
type examination struct {
	*App
	progress func(string)
}

// shown is how many damages are named; all are counted.
const shown = 10

func (e *examination) say(format string, args ...any) {
	if e.progress != nil {
		e.progress(fmt.Sprintf(format, args...))
	}
}

func (e *examination) run(ctx context.Context) []Finding {
	const restore = "keep everything as it is, and restore this from a backup beside it"
	var all findings
	e.say("reading the database")
	whole := "its structure is whole"
	if !embedded(e.config) {
		whole = "answers; its pages PostgreSQL itself looks after"
	}
	if !all.add("database", e.Store.Check(ctx), whole, restore) {
		return all // what is read from it now may be wrong in any way
	}
	n, err := e.images(ctx)
	all.add("images", err, fmt.Sprintf("%d rows open, and what they name is there", n), restore)
	n, held, err := e.log(ctx)
	if !all.add("log", err, fmt.Sprintf("%d entries from the first on fit the head and %d checkpoints", n, held), tampered) {
		return all // what is read from tiles is not right either
	}
	n, err = e.Log.CheckTiles(ctx, func(n, of int64) { e.say("the hashes of %d of %d entries", n, of) })
	all.add("tiles", err, fmt.Sprintf("the hashes of %d entries that proofs are read from lead to what was signed", n), retile)
	return all
}

// retile is what to do about tiles that are not what was signed.
const retile = "nothing is lost, because the log is ok: a server makes tiles again from the entries, at start or when one is next asked for"

// glance looks only whether the log is as long as what was signed.
func (e *examination) glance(ctx context.Context) []Finding {
	var all findings
	size, points, err := e.reach(ctx)
	all.add("log", err, fmt.Sprintf("%d entries are not fewer than the %d checkpoints say; none was read", size, len(points)), tampered)
	return all
}

// tampered is what to do about a log that is not what was signed.
const tampered = "the log was changed outside Vitrine, or its disk is failing: keep everything as it is, and run `vitrine audit verify` on your last export with the checkpoints that you hold"

// images looks whether every image could be given.
func (e *examination) images(ctx context.Context) (rows int64, err error) {
	var named []error
	damaged := 0
	err = vault.Examine(ctx, e.Vault, func(n int64) {
		rows = n
		e.say("%d images and their forms", n)
	}, func(d vault.Damage) {
		if damaged++; damaged <= shown {
			named = append(named, d)
		}
	})
	if damaged > 0 {
		named = append([]error{fmt.Errorf("%d are damaged", damaged)}, named...)
	}
	if err != nil {
		named = append(named, err)
	}
	return rows, errors.Join(named...)
}

// log hashes the log from its first entry and compares with the head and every
// checkpoint that is at hand: the one that is stored, and all that were
// published.
func (e *examination) log(ctx context.Context) (entries int64, held int, err error) {
	size, points, err := e.reach(ctx)
	if err != nil {
		return size, len(points), err
	}
	_, root, _, err := e.Store.LogSize(ctx)
	if err != nil {
		return 0, 0, err
	}
	var r merkle.Range
	next := 0
	compare := func() error {
		for ; next < len(points) && points[next].Size == r.Size(); next++ {
			if points[next].Root != r.Root() {
				return fmt.Errorf("the first %d entries are not those that were signed", r.Size())
			}
		}
		return nil
	}
	err = e.Store.LogRows(ctx, 0, size, func(row store.LogRow) error {
		h := merkle.Leaf(row.Leaf)
		if h != row.Hash {
			return fmt.Errorf("the leaf of entry %d was changed", row.Seq)
		}
		r.Append(h)
		if row.Seq%1000 == 0 {
			e.say("%d of %d entries", row.Seq, size)
		}
		return compare()
	})
	if err == nil && size > 0 && r.Root() != root {
		err = fmt.Errorf("the entries do not add up to the head of the log, which has %d", size)
	}
	return size, len(points), err
}

// reach is how long the log is, which is at least as long as any checkpoint
// says.
func (e *examination) reach(ctx context.Context) (size int64, points []audit.Checkpoint, err error) {
	if size, _, _, err = e.Store.LogSize(ctx); err != nil {
		return 0, nil, err
	}
	points, err = e.checkpoints(ctx)
	if n := len(points); err == nil && n > 0 && points[n-1].Size > size {
		err = fmt.Errorf("%d entries were signed, but the log has %d", points[n-1].Size, size)
	}
	return size, points, err
}

// checkpoints are those at hand, the smallest first.
func (e *examination) checkpoints(ctx context.Context) ([]audit.Checkpoint, error) {
	_, stored, err := e.Store.LatestCheckpoint(ctx)
	if err != nil {
		return nil, err
	}
	texts := []string{stored}
	for _, name := range []string{"checkpoints", "checkpoint"} {
		if e.config.Checkpoints == "" {
			break
		}
		b, err := os.ReadFile(filepath.Join(e.config.Checkpoints, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		texts = append(texts, audit.ReadCheckpoints(b)...)
	}
	var all []audit.Checkpoint
	for _, text := range texts {
		if text == "" {
			continue
		}
		c, err := audit.OpenCheckpoint(text, e.Log.PublicKey())
		if err != nil {
			return nil, fmt.Errorf("a checkpoint is not signed by this log: %w", err)
		}
		if c.Size > 0 {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b audit.Checkpoint) int { return int(a.Size - b.Size) })
	return slices.Compact(all), nil
}
