package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/store"
)

// Export writes the entries [from, to) and a checkpoint that covers them, as
// lines of JSON that Verify reads; to 0 is up to now, which includes the entry
// of the export itself. It needs log.export for the organization, because a
// part of a log proves nothing. The format is in docs/log.md.
func (l *Log) Export(ctx context.Context, by access.Caller, from, to int64, w io.Writer) error {
	p, err := l.guard.Snapshot(ctx, by)
	act := access.Act{Permission: vitrine.LogExport, Op: "export"}
	if err != nil {
		return l.guard.Reject(ctx, by, act, err)
	}
	act.Resource = whole(p)
	t, err := l.guard.Check(ctx, by, act)
	if err != nil {
		return err
	}
	if from < 0 || to < 0 || to != 0 && to < from {
		return t.Refuse(ctx, "invalid", vitrine.Invalid("from", "out_of_bounds", "Export from a first entry to a later one."))
	}
	size, _, _, err := l.store.LogSize(ctx)
	if err != nil {
		return t.Refuse(ctx, "failed", err)
	}
	if from > size || to > size {
		return t.Refuse(ctx, "invalid", vitrine.Invalid("to", "out_of_bounds", fmt.Sprintf("The log has %d entries.", size)))
	}
	t.Entry().Detail = fmt.Sprintf("from %d to %d", from, to)
	if _, err := t.Record(ctx); err != nil {
		return err
	}
	x := exporter{Log: l, from: from, to: to, out: bufio.NewWriterSize(w, 1<<16)}
	text, err := l.Checkpoint(ctx)
	if errors.Is(err, ErrTampered) {
		// What was tampered with is evidence: it is exported as it stands, with
		// the last checkpoint of the log as it was.
		x.damaged = true
		text, err = l.lastSigned(ctx)
	}
	if err != nil {
		return &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "log_unsigned", Public: "The log cannot be signed right now.", Err: err}
	}
	if err := x.write(ctx, text); err != nil {
		return fmt.Errorf("export the log: %w", err)
	}
	return nil
}

// lastSigned is the last checkpoint of a log that is not signed any more.
func (l *Log) lastSigned(ctx context.Context) (string, error) {
	if l.out != nil {
		if text, err := l.out.last(); err == nil && text != "" {
			return text, nil
		}
	}
	_, text, err := l.store.LatestCheckpoint(ctx)
	return text, err
}

type exporter struct {
	*Log
	from, to int64
	damaged  bool
	out      *bufio.Writer
}

func (x *exporter) write(ctx context.Context, text string) error {
	c, err := openCheckpoint(text, x.verify)
	if err != nil && !x.damaged {
		return err
	}
	size, _, _, err := x.store.LogSize(ctx)
	if err != nil {
		return err
	}
	if x.to == 0 {
		x.to = c.Size
	}
	enc := json.NewEncoder(x.out)
	h := header{Version: exportVersion, Origin: x.origin, PublicKey: x.public, From: x.from, To: x.to}
	if x.from > 0 {
		if h.Before, err = x.before(ctx, c); err != nil {
			return err
		}
	}
	if err := enc.Encode(h); err != nil {
		return err
	}
	var buf []byte
	err = x.rows(ctx, x.from, min(x.to, size), func(r store.LogRow) error {
		buf = appendLine(buf[:0], r.Seq, r.Leaf, r.Hash)
		_, err := x.out.Write(buf)
		return err
	})
	if err != nil {
		return err
	}
	end := ending{Checkpoint: text}
	if 0 < x.to && x.to < c.Size && !x.damaged {
		if end.Consistency, err = x.consistency(ctx, x.to, c); err != nil {
			return err
		}
	}
	if err := enc.Encode(end); err != nil {
		return err
	}
	return x.out.Flush()
}

// maxHoles is how many missing entries in a row an export steps over.
const maxHoles = 1000

// rows reads leaves as store.LogRows does, but steps over missing ones: an
// export of a log with a hole is what shows the hole.
func (x *exporter) rows(ctx context.Context, from, to int64, fn func(store.LogRow) error) error {
	var first error // of the holes since the last row
	for holes := 0; from < to; {
		var failed error // of fn
		err := x.store.LogRows(ctx, from, to, func(r store.LogRow) error {
			from, holes, first = r.Seq+1, 0, nil
			failed = fn(r)
			return failed
		})
		if err == nil || failed != nil {
			return failed
		}
		if first == nil {
			first = err
		}
		if holes++; holes > maxHoles || ctx.Err() != nil {
			return first
		}
		from++
	}
	return nil
}

// before is the compact range over what stands before the part. Of a log that
// is damaged it is made from what hashes there are.
func (x *exporter) before(ctx context.Context, c Checkpoint) ([]byte, error) {
	if x.from <= c.Size && !x.damaged {
		r, err := merkle.RangeOf(x.from, x.tiles(ctx))
		if err == nil && continues(Checkpoint{Size: x.from, Root: r.Root()}, c, x.tiles(ctx)) {
			return r.MarshalBinary()
		}
	}
	var r merkle.Range
	if err := x.rows(ctx, 0, x.from, func(row store.LogRow) error { r.Append(row.Hash); return nil }); err != nil {
		return nil, err
	}
	return r.MarshalBinary()
}

// consistency proves that the log of a checkpoint continues the one of size from.
func (l *Log) consistency(ctx context.Context, from int64, to Checkpoint) ([][]byte, error) {
	p, err := merkle.ProveConsistency(from, to.Size, l.tiles(ctx))
	if err != nil {
		return nil, l.unsound(ctx, err)
	}
	before, err := merkle.RangeOf(from, l.tiles(ctx))
	if err == nil {
		err = merkle.VerifyConsistency(p, from, to.Size, before.Root(), to.Root)
	}
	if err != nil {
		return nil, l.unsound(ctx, err)
	}
	all := make([][]byte, len(p))
	for i := range p {
		all[i] = p[i][:]
	}
	return all, nil
}
