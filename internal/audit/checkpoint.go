package audit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/store"
)

// Checkpoint is a signed head of a log: the text of a C2SP tlog-checkpoint is
// the origin, the size in decimal and the root in base64, a line each, and then
// the signature of a note.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   merkle.Hash
}

// text is what is signed.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// OpenCheckpoint reads a checkpoint and verifies its signature with a note
// verifier key text.
func OpenCheckpoint(text, public string) (Checkpoint, error) {
	v, err := note.NewVerifier(public)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("public key: %w", err)
	}
	return openCheckpoint(text, v)
}

func openCheckpoint(text string, v note.Verifier) (Checkpoint, error) {
	n, err := note.Open([]byte(text), note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, err
	}
	return parseCheckpoint(n.Text)
}

// parseCheckpoint reads the text under a signature. Lines after the third are
// extensions, which say nothing here.
func parseCheckpoint(text string) (Checkpoint, error) {
	errText := errors.New("the signed text is no checkpoint")
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] == "" {
		return Checkpoint{}, errText
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, errText
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(merkle.Hash{}) {
		return Checkpoint{}, errText
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: merkle.Hash(root)}, nil
}

// metaRange holds the compact range under the last checkpoint, so that a start
// need not hash the whole log. It is trusted only where its root is the signed
// one.
const metaRange = "log_signed_range"

// Checkpoint signs the log as it stands, stores and publishes what it signed,
// and answers it. Where nothing was appended it answers the last one. It fails
// where the log does not continue what was signed before.
func (l *Log) Checkpoint(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, err := l.checkpoint(ctx)
	l.failed = err
	return text, err
}

func (l *Log) checkpoint(ctx context.Context) (string, error) {
	if err := l.Broken(); err != nil {
		return "", err
	}
	// What others signed is read before the size, which only grows.
	stored, err := l.stored(ctx)
	if err != nil {
		return "", l.notice(ctx, err)
	}
	if !l.state.begun {
		if err := l.begin(ctx, stored); err != nil {
			return "", l.notice(ctx, err)
		}
	}
	size, root, _, err := l.store.LogSize(ctx)
	if err != nil {
		return "", err
	}
	if l.state.note != "" && size == l.state.leaves.Size() && root == l.state.root {
		return l.state.note, l.publish()
	}
	next, err := l.extend(ctx, Checkpoint{Size: size, Root: root}, stored)
	if err != nil {
		return "", l.notice(ctx, err)
	}
	if err := l.keep(ctx, next); err != nil {
		return "", err
	}
	return l.state.note, l.publish()
}

// Continues makes sure, before anything is served, that the log is at least what
// was signed and published last. Where an older copy of the data was put in
// place, or the log was rewritten, it fails and writes nothing: what is there is
// evidence. Checkpoints that were published once and
// are not where they were are a way to go on all the same, which the log tells
// with the alert checkpoints_absent.
func (l *Log) Continues(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	stored, err := l.stored(ctx)
	if err == nil && !l.state.begun {
		err = l.begin(ctx, stored)
	}
	switch {
	case errors.Is(err, ErrTampered):
		return fmt.Errorf("the log in this database does not continue what was signed: %w", err)
	case err != nil:
		return err
	}
	return l.present(ctx, stored)
}

// present raises the alarm where checkpoints were signed and none is published.
func (l *Log) present(ctx context.Context, stored Checkpoint) error {
	if l.out == nil || stored.Size == 0 {
		return nil
	}
	text, err := l.out.last()
	if err != nil || text != "" {
		return err
	}
	l.logger.Warn("no checkpoint is published: whether this is the newest state of the log nobody can tell", "directory", l.out.dir, "signed", stored.Size)
	l.alert(ctx, &vitrine.Entry{Outcome: vitrine.Allowed, Code: codeAbsent, Alert: codeAbsent,
		Detail: fmt.Sprintf("%d entries were signed, but no checkpoint is in the directory; going on from what is stored", stored.Size)})
	return nil
}

const codeAbsent = "checkpoints_absent"

// notice raises the alarm where err is tampering.
func (l *Log) notice(ctx context.Context, err error) error {
	if errors.Is(err, ErrTampered) {
		l.tampered(ctx, err)
	}
	return err
}

// stored is the largest checkpoint that any node stored.
func (l *Log) stored(ctx context.Context) (Checkpoint, error) {
	_, text, err := l.store.LatestCheckpoint(ctx)
	if err != nil || text == "" {
		return Checkpoint{}, err
	}
	c, err := openCheckpoint(text, l.verify)
	if err == nil && c.Origin != l.origin {
		err = fmt.Errorf("it is of the log %s", c.Origin)
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: the stored checkpoint: %w", ErrTampered, err)
	}
	return c, nil
}

// begin takes up where the last process left: at the larger of what is stored
// and what is published.
func (l *Log) begin(ctx context.Context, stored Checkpoint) error {
	anchors := []Checkpoint{stored}
	if l.out != nil {
		text, err := l.out.last()
		if err != nil {
			return err
		}
		if text != "" {
			c, err := openCheckpoint(text, l.verify)
			if err != nil || c.Origin != l.origin {
				return fmt.Errorf("the checkpoint in %s is not of this log: publish to a directory of its own", l.out.dir)
			}
			anchors = append(anchors, c)
		}
	}
	if err := l.resume(ctx, stored); err != nil {
		return err
	}
	size, _, _, err := l.store.LogSize(ctx)
	if err != nil {
		return err
	}
	for _, c := range anchors {
		if c.Size > size {
			return fmt.Errorf("%w: %d entries were signed, but the log has %d", ErrTampered, c.Size, size)
		}
	}
	slices.SortFunc(anchors, func(a, b Checkpoint) int { return int(a.Size - b.Size) })
	for _, c := range anchors {
		if c.Size < l.state.leaves.Size() { // published before what is stored: hash from the first leaf
			l.state.leaves = merkle.Range{}
		}
		if err := l.walk(ctx, &l.state.leaves, c); err != nil {
			return err
		}
	}
	l.state.begun = true
	return nil
}

// resume sets the compact range under the stored checkpoint, from what was kept
// with it. Where that does not fit, the range is empty and all is hashed.
func (l *Log) resume(ctx context.Context, stored Checkpoint) error {
	text, ok, err := l.store.Meta(ctx, metaRange)
	if err != nil {
		return err
	}
	l.state.leaves = merkle.Range{}
	if !ok {
		return nil
	}
	var r merkle.Range
	b, err := base64.StdEncoding.DecodeString(text)
	if err == nil && r.UnmarshalBinary(b) == nil && r.Size() == stored.Size && r.Root() == stored.Root {
		l.state.leaves = r
	}
	return nil
}

// extend hashes what was appended since the last checkpoint and compares roots
// with what another node stored meanwhile and with the head of the log.
func (l *Log) extend(ctx context.Context, head, stored Checkpoint) (merkle.Range, error) {
	r := *l.state.leaves.Clone()
	if head.Size < r.Size() {
		return r, fmt.Errorf("%w: %d entries were signed, but the log has %d", ErrTampered, r.Size(), head.Size)
	}
	if stored.Size >= r.Size() && stored.Size > 0 {
		if err := l.walk(ctx, &r, stored); err != nil {
			return r, err
		}
	}
	return r, l.walk(ctx, &r, head)
}

// walk appends the leaves up to c and compares the root. The hashes are made
// from the leaves, not read.
func (l *Log) walk(ctx context.Context, r *merkle.Range, c Checkpoint) error {
	if c.Size == 0 {
		return nil
	}
	err := l.store.LogRows(ctx, r.Size(), c.Size, func(row store.LogRow) error {
		h := merkle.Leaf(row.Leaf)
		if h != row.Hash {
			return fmt.Errorf("%w: the leaf of entry %d was changed", ErrTampered, row.Seq)
		}
		r.Append(h)
		return nil
	})
	if err != nil {
		return err
	}
	if r.Root() != c.Root {
		return fmt.Errorf("%w: the first %d entries are not those that were signed", ErrTampered, c.Size)
	}
	return nil
}

// keep signs the tree over r and stores the checkpoint.
func (l *Log) keep(ctx context.Context, r merkle.Range) error {
	c := Checkpoint{Origin: l.origin, Size: r.Size(), Root: r.Root()}
	text, err := note.Sign(&note.Note{Text: c.text()}, l.signer)
	if err != nil {
		return fmt.Errorf("sign the log: %w", err)
	}
	raw, err := r.MarshalBinary()
	if err != nil {
		return err
	}
	at := l.now()
	err = l.store.Maintain(ctx, func(tx *store.Tx) error {
		return errors.Join(tx.PutCheckpoint(c.Size, string(text), at), tx.SetMeta(metaRange, base64.StdEncoding.EncodeToString(raw)))
	})
	if err != nil {
		return fmt.Errorf("keep checkpoint %d: %w", c.Size, err)
	}
	l.state.leaves, l.state.root, l.state.note = r, c.Root, string(text)
	return nil
}

func (l *Log) publish() error {
	if l.out == nil {
		return nil
	}
	return l.out.put(l.state.note)
}
