package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/merkle"
)

// Vouch signs a statement with the log's key: lines of text, of which the first
// is a name such as "vitrine-backup/1". No statement reads as a checkpoint, whose
// first line is the log's own name.
func (l *Log) Vouch(text string) (string, error) {
	first, _, ok := strings.Cut(text, "\n")
	if !ok || first == l.origin || !strings.HasPrefix(first, "vitrine-") || strings.HasPrefix(first, "vitrine-log/") {
		return "", errors.New("audit: this is no statement that the log signs")
	}
	signed, err := note.Sign(&note.Note{Text: text}, l.signer)
	if err != nil {
		return "", fmt.Errorf("sign a statement: %w", err)
	}
	return string(signed), nil
}

// Vouched answers the statement that public's log has signed.
func Vouched(signed, public string) (text string, err error) {
	v, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return "", fmt.Errorf("public key: %w", err)
	}
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil {
		return "", err
	}
	return n.Text, nil
}

// Exported is a line of an export.
type Exported struct {
	Hash  merkle.Hash
	Entry *vitrine.Entry // without what is personal
	Parts []entry.Part
}

// ErrEnd ends the reading of an export early.
var ErrEnd = errors.New("enough of this export")

// ReadExport calls fn with the entries of an export in order, and with the tree
// over all before each; it answers the tree over all. It verifies nothing beyond
// that every line can be read: Verify comes first.
func ReadExport(r io.Reader, fn func(before *merkle.Range, x Exported) error) (origin string, tree *merkle.Range, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	first, err := in.ReadSlice('\n')
	if err != nil {
		return "", nil, fmt.Errorf("read the export: %w", err)
	}
	h, err := readHeader(first)
	if err != nil {
		return "", nil, err
	}
	tree = new(merkle.Range)
	if h.From > 0 {
		if err := tree.UnmarshalBinary(h.Before); err != nil || tree.Size() != h.From {
			return "", nil, errors.New("what stands for the entries before this export does not fit")
		}
	}
	var s scratch
	for {
		text, err := in.ReadSlice('\n')
		if err == io.EOF && len(text) == 0 {
			return h.Origin, tree, nil
		}
		if err != nil && err != io.EOF {
			return "", nil, fmt.Errorf("read the export: %w", err)
		}
		x, ok, err := exported(text, &s)
		if err != nil {
			return "", nil, fmt.Errorf("entry %d of the export: %w", tree.Size(), err)
		}
		if !ok {
			continue // the checkpoint at the end
		}
		if err := fn(tree, x); err != nil {
			if errors.Is(err, ErrEnd) {
				err = nil
			}
			return h.Origin, tree, err
		}
		tree.Append(x.Hash)
	}
}

// exported reads a line; ok is false for the ending.
func exported(text []byte, s *scratch) (x Exported, ok bool, err error) {
	p, ok := quickLine(text, s)
	if !ok {
		if p, ok = slowLine(bytes.TrimSpace(text)); !ok {
			return x, false, errors.New("its line cannot be read")
		}
	}
	if p.Checkpoint {
		return x, false, nil
	}
	x.Hash = merkle.Leaf(p.Leaf)
	if x.Entry, x.Parts, err = entry.Parse(p.Leaf); err != nil {
		return x, false, err
	}
	return x, true, nil
}
