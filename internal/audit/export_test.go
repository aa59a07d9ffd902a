package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/merkle"
)

// ExportUnasked is Export without asking the guard, for tests of the format.
func (l *Log) ExportUnasked(ctx context.Context, from, to int64, w io.Writer) error {
	text, err := l.Checkpoint(ctx)
	if err != nil {
		return err
	}
	x := exporter{Log: l, from: from, to: to, out: bufio.NewWriter(w)}
	return x.write(ctx, text)
}

// AppendEntry is the readable part of a line.
var AppendEntry = appendEntry

// Sign signs whatever it is given, as who has the key can.
func Sign(t testing.TB, signer string, c Checkpoint) string {
	t.Helper()
	s, err := note.NewSigner(signer)
	if err != nil {
		t.Fatal(err)
	}
	text, err := note.Sign(&note.Note{Text: c.text()}, s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Renumber is the line of the same entry at another place.
func Renumber(text string, seq int64) string {
	p, ok := quickLine([]byte(text), new(scratch))
	if !ok {
		panic("not a line: " + text)
	}
	e, sealed, err := entry.Parse(p.Leaf)
	if err != nil {
		panic(err)
	}
	e.Seq = seq
	leaf := entry.Append(nil, e, sealed)
	return string(appendLine(nil, seq, leaf, merkle.Leaf(leaf)))
}

// PublicKey is the public key of a signing key.
func PublicKey(t testing.TB, signer string) string {
	t.Helper()
	key, err := publicKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Line is the line of an entry, and the hash of its leaf.
func Line(seq int64, e *vitrine.Entry) (string, merkle.Hash) {
	leaf := entry.Append(nil, e, nil)
	h := merkle.Leaf(leaf)
	return string(appendLine(nil, seq, leaf, h)), h
}

// TileUnasked, BundleUnasked and ProveUnasked answer without asking the guard.
func (l *Log) TileUnasked(ctx context.Context, t merkle.Tile) ([]merkle.Hash, error) {
	h, err := l.newest(ctx)
	if err != nil {
		return nil, err
	}
	return l.tile(ctx, t, h)
}

// ProveUnasked writes a proof file of entries.
func (l *Log) ProveUnasked(ctx context.Context, from int64, w io.Writer, seqs ...int64) error {
	h, err := l.at(ctx, 0)
	if err != nil {
		return err
	}
	head := proofHead{Version: proofVersion, Origin: l.origin, PublicKey: l.public, Checkpoint: h.text}
	if from > 0 {
		c, err := l.since(ctx, from, h)
		if err != nil {
			return err
		}
		head.Since = &proofSince{c.From, c.Path}
	}
	return l.writeProof(ctx, head, seqs, h, w)
}

// ConsistencyUnasked proves that one checkpoint continues another.
func (l *Log) ConsistencyUnasked(ctx context.Context, from, to int64) (Consistency, error) {
	h, err := l.at(ctx, to)
	if err != nil {
		return Consistency{}, err
	}
	return l.since(ctx, from, h)
}

// Carry has all couriers carry once, in turn.
func (l *Log) Carry(ctx context.Context) error {
	var errs []error
	for _, c := range l.couriers {
		err := c.carry(ctx)
		for errors.Is(err, errMore) {
			err = c.carry(ctx)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// FixedSigner is a signing key that is always the same, so that what fuzzing
// found is found again.
func FixedSigner(origin string) string {
	seed := bytes.Repeat([]byte{7}, ed25519.SeedSize)
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	hash := sha256.Sum256(append([]byte(origin+"\n\x01"), public...))
	return fmt.Sprintf("PRIVATE+KEY+%s+%x+%s", origin, hash[:4], base64.StdEncoding.EncodeToString(append([]byte{1}, seed...)))
}
