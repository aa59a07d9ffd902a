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

// ProofInput is what who verifies proof files has. Nothing of it comes from the
// system but the files.
type ProofInput struct {
	Files       []io.Reader // as Prove and WriteConsistency write them
	PublicKey   string      // note verifier key text, from elsewhere than the files
	Checkpoints []string    // held by the verifier, any number
}

// ProofReport is what verifying proof files found.
type ProofReport struct {
	OK       bool            `json:"ok"`
	Origin   string          `json:"origin,omitempty"`
	Size     int64           `json:"size"` // entries of the log in which the entries stand
	Root     string          `json:"root,omitempty"`
	Entries  []vitrine.Entry `json:"entries"`
	Sealed   int             `json:"sealed"` // personal parts of these entries, which stay sealed
	Problems []Problem       `json:"problems,omitempty"`
	Proven   []string        `json:"proven"`     // in sentences
	Unproven []string        `json:"not_proven"` // what a reader might think is proven, and is not
}

// Kinds of problem that only proof files have.
const (
	NotIncluded = "not_included" // an entry is not in the log where the file says
	Unlinked    = "unlinked"     // nothing leads from a held checkpoint to the file's
)

// maxProven bounds how many entries are verified at once.
const maxProven = 1 << 20

// VerifyProof checks proof files offline. The error is about the input - a
// reader that fails, a public key that is none; everything that is wrong with
// the files is in the report, which is OK only where nothing is.
func VerifyProof(in ProofInput) (ProofReport, error) {
	v := &proofVerifier{public: strings.TrimSpace(in.PublicKey), report: ProofReport{Entries: []vitrine.Entry{}, Proven: []string{}, Unproven: []string{}}}
	var err error
	if v.key, err = note.NewVerifier(v.public); err != nil {
		return ProofReport{}, fmt.Errorf("public key: %w", err)
	}
	if len(in.Files) == 0 {
		return ProofReport{}, errors.New("no proof file was given")
	}
	for _, f := range in.Files {
		if err := v.file(f); err != nil {
			return ProofReport{}, fmt.Errorf("read the proof file: %w", err)
		}
	}
	v.hold(in.Checkpoints)
	v.report.OK = len(v.report.Problems) == 0
	v.conclude(len(in.Checkpoints))
	return v.report, nil
}

type proofVerifier struct {
	key    note.Verifier
	public string
	report ProofReport
	heads  []Checkpoint // one a file
	links  []link
}

// link is a proof that one checkpoint continues another; it holds.
type link struct{ from, to Checkpoint }

func (v *proofVerifier) problem(kind string, seq int64, format string, args ...any) {
	v.report.Problems = append(v.report.Problems, Problem{kind, seq, fmt.Sprintf(format, args...)})
}

// file verifies a file. The error is the reader's.
func (v *proofVerifier) file(r io.Reader) error {
	in := wholeLines(r)
	var c Checkpoint
	n := int64(-1) // lines of entries; the first line is none
	for ; in.Scan(); n++ {
		if n < 0 {
			h, err := readProofHead(in.Bytes())
			if err != nil {
				v.problem(Unreadable, -1, "%v", err)
				return nil
			}
			var ok bool
			if c, ok = v.head(h); !ok {
				return nil
			}
			continue
		}
		more, ok := v.line(in.Bytes(), n, c)
		if !ok {
			return nil
		}
		if !more {
			if in.Scan() {
				v.problem(Unreadable, -1, "something stands after the end of the file")
			}
			return in.Err()
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		v.problem(Unreadable, -1, "after %d entries: a line of more than %d bytes", max(0, n), maxLine)
	case err != nil:
		return err
	case n < 0:
		v.problem(Unreadable, -1, "this is no proof file of a log")
	default:
		v.problem(Truncated, -1, "the file ends before its end: its last line is missing")
	}
	return nil
}

// line verifies the line after n entries. more is false after the last one; ok
// is false where nothing can follow.
func (v *proofVerifier) line(text []byte, n int64, c Checkpoint) (more, ok bool) {
	l, end, err := readProofLine(text)
	switch {
	case err != nil:
		kind := Unreadable
		if text[len(text)-1] != '\n' {
			kind, err = Truncated, errors.New("it is cut")
		}
		v.problem(kind, -1, "the line after %d entries: %v", n, err)
		return false, false
	case end == nil:
		v.entry(l, c)
		if len(v.report.Problems) < maxProblems && n < maxProven {
			return true, true
		}
		v.problem(Truncated, -1, "the file was not read beyond its entry %d", n)
		return false, false
	case *end != n:
		v.problem(Truncated, -1, "the file held %d entries and has %d", *end, n)
	}
	return false, true
}

// wholeLines scans lines with their ends.
func wholeLines(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 16<<10), maxLine)
	s.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			return i + 1, data[:i+1], nil
		}
		if atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	return s
}

// head verifies what a file says of itself. ok is false where nothing can follow.
func (v *proofVerifier) head(h proofHead) (c Checkpoint, ok bool) {
	if h.PublicKey != v.public {
		v.problem(BadSignature, -1, "the file is of a log with another public key, %s", h.PublicKey)
		return c, false
	}
	c, err := openCheckpoint(h.Checkpoint, v.key)
	if err == nil && c.Origin != h.Origin {
		err = errors.New("it is of the log " + c.Origin)
	}
	if err != nil {
		v.problem(BadSignature, -1, "the checkpoint of the file: %v", err)
		return c, false
	}
	if len(v.heads) > 0 && v.heads[0].Origin != c.Origin {
		v.problem(BadSignature, -1, "the files are of two logs, %s and %s", v.heads[0].Origin, c.Origin)
		return c, false
	}
	v.heads = append(v.heads, c)
	if c.Size >= v.report.Size {
		v.report.Origin, v.report.Size, v.report.Root = c.Origin, c.Size, c.Root.String()
	}
	return c, h.Since == nil || v.since(*h.Since, c)
}

func (v *proofVerifier) since(s proofSince, c Checkpoint) bool {
	old, err := openCheckpoint(s.Checkpoint, v.key)
	if err == nil && old.Origin != c.Origin {
		err = errors.New("it is of the log " + old.Origin)
	}
	if err != nil {
		v.problem(BadSignature, -1, "the earlier checkpoint of the file: %v", err)
		return false
	}
	if err := merkle.VerifyConsistency(s.Path, old.Size, c.Size, old.Root, c.Root); err != nil {
		v.problem(Forked, -1, "the file does not prove that the log of %d entries continues that of %d", c.Size, old.Size)
		return false
	}
	v.links = append(v.links, link{old, c})
	return true
}

func (v *proofVerifier) entry(l proofLine, c Checkpoint) {
	if err := merkle.VerifyInclusion(l.Path, l.Index, c.Size, merkle.Leaf(l.Leaf), c.Root); err != nil {
		v.problem(NotIncluded, l.Index, "its leaf is not proved to stand there in the log of %d entries", c.Size)
		return
	}
	e, parts, err := entry.Parse(l.Leaf)
	switch {
	case err != nil:
		v.problem(Unreadable, l.Index, "its leaf cannot be read: %v", err)
	case e.Seq != l.Index:
		v.problem(Reordered, l.Index, "here stands what was entry %d", e.Seq)
	default:
		v.report.Entries = append(v.report.Entries, *e)
		v.report.Sealed += len(parts)
	}
}

// hold compares the files' checkpoints with those that the verifier holds.
func (v *proofVerifier) hold(texts []string) {
	for i, text := range texts {
		h, err := openCheckpoint(text, v.key)
		if err != nil {
			v.problem(BadSignature, -1, "held checkpoint %d of %d is not signed by this key: %v", i+1, len(texts), err)
			continue
		}
		for _, c := range v.heads {
			v.relate(h, c)
		}
	}
}

// relate compares a held checkpoint with a file's: it must be the same, or one
// of the files must lead from the smaller to the larger.
func (v *proofVerifier) relate(h, c Checkpoint) {
	if h.Origin != c.Origin {
		v.problem(BadSignature, -1, "the held checkpoint of %d entries is of the log %s", h.Size, h.Origin)
		return
	}
	from, to := h, c
	if from.Size > to.Size {
		from, to = to, from
	}
	switch {
	case h.Size == c.Size && h.Root != c.Root:
		v.problem(Forked, -1, "this key signed two different logs of %d entries", h.Size)
		return
	case h.Size == c.Size:
		v.proven("the log of %d entries is the one whose checkpoint you hold", h.Size)
		return
	}
	reached := map[Checkpoint]bool{from: true}
	for range v.links { // links may lead over several files
		for _, k := range v.links {
			if reached[k.from] {
				reached[k.to] = true
			}
		}
	}
	if reached[to] {
		v.proven("the log of %d entries continues the checkpoint of %d: nothing before it was changed, dropped or moved", to.Size, from.Size)
		return
	}
	v.problem(Unlinked, -1, "nothing here leads from the checkpoint of %d entries to that of %d: ask for it with `vitrine audit consistency`, or `vitrine audit prove --from-checkpoint`", from.Size, to.Size)
}

func (v *proofVerifier) proven(format string, args ...any) {
	v.report.Proven = append(v.report.Proven, fmt.Sprintf(format, args...))
}

// conclude says what all this proves, and what not.
func (v *proofVerifier) conclude(held int) {
	r := &v.report
	if !r.OK {
		r.Proven = []string{}
		r.Unproven = append(r.Unproven, "anything")
		return
	}
	if n := len(r.Entries); n > 0 {
		what := "this entry, as shown here, stands"
		if n > 1 {
			what = fmt.Sprintf("these %d entries, as shown here, stand", n)
		}
		told := fmt.Sprintf("%s in the log %s, which this key signed when it had %d entries", what, r.Origin, r.Size)
		r.Proven = append([]string{told}, r.Proven...)
		r.Unproven = append(r.Unproven,
			"that there are no other entries about the same: only an export of the log shows what is not there",
			"that what an entry says is true, or that its time is right: it is what was recorded then")
	}
	for _, k := range v.links {
		if held == 0 {
			v.proven("the log of %d entries continues the one of %d that this key signed", k.to.Size, k.from.Size)
		}
	}
	if held == 0 {
		r.Unproven = append(r.Unproven, "that others were shown the same log: hold a checkpoint from elsewhere against it with --checkpoint")
	}
	if r.Sealed > 0 {
		r.Unproven = append(r.Unproven, fmt.Sprintf("what %d personal parts (address, user agent, end user) say: they are part of the proof and stay sealed", r.Sealed))
	}
}
