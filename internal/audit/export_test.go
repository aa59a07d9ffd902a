package audit

import (
	"bufio"
	"context"
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
