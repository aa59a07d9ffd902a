package audit

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/store"
)

// Inclusion proves that an entry stands in the log.
type Inclusion struct {
	Index      int64
	Leaf       []byte
	Path       []merkle.Hash
	Checkpoint string
}

// Consistency proves that the log of a checkpoint continues that of an earlier
// one.
type Consistency struct {
	From, To string // checkpoints
	Path     []merkle.Hash
}

// Inclusion proves that entry index stands in the log of a checkpoint: of the
// size of one that was signed, or 0 for the newest. It needs log.view where the
// entry lies; elsewhere it is not found.
func (l *Log) Inclusion(ctx context.Context, by access.Caller, index, size int64) (Inclusion, error) {
	t, scopes, err := l.enter(ctx, by, "prove")
	if err != nil {
		return Inclusion{}, err
	}
	t.Entry().Detail = fmt.Sprintf("entry %d", index)
	row, err := l.visible(ctx, index, scopes)
	if err != nil {
		return Inclusion{}, t.Refuse(ctx, refusalCode(err), err)
	}
	if _, err := t.Record(ctx); err != nil {
		return Inclusion{}, err
	}
	h, err := l.at(ctx, size)
	if err != nil {
		return Inclusion{}, err
	}
	if index >= h.Size {
		return Inclusion{}, vitrine.Invalid("size", "out_of_bounds", "That checkpoint is of a log that did not have this entry yet.")
	}
	path, err := l.include(ctx, row, h)
	return Inclusion{index, row.Leaf, path, h.text}, err
}

// Consistency proves that the checkpoint of one size continues that of another;
// both were signed, to 0 is the newest. It needs log.view somewhere: it tells
// hashes alone.
func (l *Log) Consistency(ctx context.Context, by access.Caller, from, to int64) (Consistency, error) {
	t, _, err := l.enter(ctx, by, "prove")
	if err != nil {
		return Consistency{}, err
	}
	t.Entry().Detail = fmt.Sprintf("consistency from %d to %d", from, to)
	if _, err := t.Record(ctx); err != nil {
		return Consistency{}, err
	}
	h, err := l.at(ctx, to)
	if err != nil {
		return Consistency{}, err
	}
	return l.since(ctx, from, h)
}

// ProofQuery says what to prove: what happened to one thing, or one entry.
type ProofQuery struct {
	Resource vitrine.ID // every entry about it, and those of the request that made it
	Entry    int64      // this entry alone, where Resource is ""
	From     int64      // also that the log continues the checkpoint of this size; 0 asks for none
}

// Prove writes a proof file, which VerifyProof reads: the entries that were
// asked for, those of them that by may view, and that they stand in the log. It
// needs log.view where they lie. Where there are none, nothing is found.
func (l *Log) Prove(ctx context.Context, by access.Caller, q ProofQuery, w io.Writer) error {
	t, scopes, err := l.enter(ctx, by, "prove")
	if err != nil {
		return err
	}
	var seqs []int64
	if q.Resource == "" {
		t.Entry().Detail, seqs = fmt.Sprintf("entry %d", q.Entry), []int64{q.Entry}
		_, err = l.visible(ctx, q.Entry, scopes)
	} else {
		t.Entry().Detail = "entries about something"
		if _, _, deployment := vitrine.SplitDeployment(q.Resource); deployment || q.Resource.Valid() {
			t.Entry().Detail = "entries about " + string(q.Resource)
		}
		seqs, err = l.about(ctx, q.Resource, scopes)
	}
	if err != nil {
		return t.Refuse(ctx, refusalCode(err), err)
	}
	t.Entry().Count = int64(len(seqs))
	if _, err := t.Record(ctx); err != nil {
		return err
	}
	h, err := l.at(ctx, 0)
	if err != nil {
		return err
	}
	head := proofHead{Version: proofVersion, Origin: l.origin, PublicKey: l.public, Checkpoint: h.text}
	if q.From != 0 {
		c, err := l.since(ctx, q.From, h)
		if err != nil {
			return err
		}
		head.Since = &proofSince{c.From, c.Path}
	}
	return l.writeProof(ctx, head, seqs, h, w)
}

func (l *Log) writeProof(ctx context.Context, head proofHead, seqs []int64, h head, w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	buf := head.append(nil)
	for _, seq := range seqs {
		row, err := l.row(ctx, seq)
		if err != nil {
			return err
		}
		path, err := l.include(ctx, row, h)
		if err != nil {
			return err
		}
		if _, err := out.Write(buf); err != nil {
			return err
		}
		buf = appendProof(buf[:0], proofLine{seq, row.Leaf, path})
	}
	if _, err := out.Write(appendProofEnd(buf, int64(len(seqs)))); err != nil {
		return err
	}
	return out.Flush()
}

// include proves an entry, and makes sure of it: what does not lead to what was
// signed is not given out.
func (l *Log) include(ctx context.Context, row store.LogRow, h head) ([]merkle.Hash, error) {
	path, err := merkle.ProveInclusion(row.Seq, h.Size, l.tiles(ctx))
	if err == nil {
		err = merkle.VerifyInclusion(path, row.Seq, h.Size, merkle.Leaf(row.Leaf), h.Root)
	}
	if err != nil {
		return nil, l.unsound(ctx, fmt.Errorf("prove entry %d: %w", row.Seq, err))
	}
	return path, nil
}

// since proves that h continues the checkpoint of a size.
func (l *Log) since(ctx context.Context, from int64, h head) (Consistency, error) {
	if from < 1 || from > h.Size {
		return Consistency{}, vitrine.Invalid("from", "out_of_bounds", "Prove from an earlier checkpoint to a later one.")
	}
	old, err := l.at(ctx, from)
	if err != nil {
		return Consistency{}, err
	}
	path, err := merkle.ProveConsistency(old.Size, h.Size, l.tiles(ctx))
	if err == nil {
		err = merkle.VerifyConsistency(path, old.Size, h.Size, old.Root, h.Root)
	}
	if err != nil {
		return Consistency{}, l.unsound(ctx, fmt.Errorf("prove that %d continues %d: %w", h.Size, old.Size, err))
	}
	return Consistency{old.text, h.text, path}, nil
}

// at is the checkpoint of a size that was signed; 0 is the newest, which covers
// what was recorded until now.
func (l *Log) at(ctx context.Context, size int64) (head, error) {
	if size == 0 {
		text, err := l.Checkpoint(ctx)
		if err != nil {
			return head{}, unsigned(err)
		}
		return l.own(text)
	}
	text, err := l.store.CheckpointOf(ctx, size)
	if err != nil {
		return head{}, err
	}
	if text == "" {
		return head{}, &vitrine.Error{Kind: vitrine.ErrNotFound, Code: "no_checkpoint", Public: fmt.Sprintf("No checkpoint of %d entries was signed here.", size)}
	}
	h, err := l.own(text)
	if err != nil { // of a log that this one continues, or changed: nothing can be proved from it
		return h, &vitrine.Error{Kind: vitrine.ErrNotFound, Code: "no_checkpoint", Public: fmt.Sprintf("No checkpoint of %d entries was signed by this log.", size), Err: err}
	}
	return h, nil
}

// unsigned is the error where the log cannot be signed.
func unsigned(err error) error {
	return &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "log_unsigned", Public: "The log cannot be signed right now.", Err: err}
}
