package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"vitrine.dev/vitrine/internal/merkle"
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
	for _, s := range n.Sigs { // package note is lenient; here a signature has one text
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return Checkpoint{}, fmt.Errorf("the signature: %w", err)
		}
	}
	return parseCheckpoint(n.Text)
}

// PeekCheckpoint reads a checkpoint without verifying who signed it: enough to
// know what to ask for, and for nothing else.
func PeekCheckpoint(text string) (Checkpoint, error) {
	body, _, ok := strings.Cut(text, "\n\n")
	if !ok {
		return Checkpoint{}, errors.New("this is no checkpoint")
	}
	return parseCheckpoint(body + "\n")
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

// signatureLine begins every signature of a note.
var signatureLine = []byte("— ")

// ReadCheckpoints takes apart a file of one or many checkpoints, such as the
// published history. It checks no signature.
func ReadCheckpoints(b []byte) []string {
	var all []string
	var text strings.Builder
	signed := false
	end := func() {
		if strings.TrimSpace(text.String()) != "" {
			all = append(all, text.String())
		}
		text.Reset()
		signed = false
	}
	for line := range bytes.Lines(append(bytes.TrimRight(b, "\n"), '\n')) {
		ends := bytes.HasPrefix(line, signatureLine)
		if signed && !ends {
			end()
		}
		if len(line) == 1 && text.Len() == 0 {
			continue // between two
		}
		signed = ends
		text.Write(line)
	}
	end()
	return all
}
