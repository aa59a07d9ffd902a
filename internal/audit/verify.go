package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"vitrine.dev/vitrine/internal/merkle"
)

// VerifyInput is what a verifier has. Nothing of it comes from the system that
// is verified but the export.
type VerifyInput struct {
	Export      io.Reader
	PublicKey   string   // note verifier key text, from elsewhere than the export
	Checkpoints []string // held by the verifier, any number
}

// Report is what verifying found.
type Report struct {
	OK        bool      `json:"ok"`
	Size      int64     `json:"size"` // entries of the log that the export's checkpoint covers
	Root      string    `json:"root"`
	Time      time.Time `json:"time"` // of the last entry in the export
	Entries   int64     `json:"entries"`
	Problems  []Problem `json:"problems,omitempty"`
	More      int       `json:"more,omitempty"` // further problems, beyond the first hundred
	Complete  string    `json:"complete"`       // what was proved, in a sentence
	PerSecond float64   `json:"per_second,omitempty"`
}

// Problem is one thing that is wrong.
type Problem struct {
	Kind string `json:"kind"`
	Seq  int64  `json:"seq"` // the entry; -1 where none can be named
	Text string `json:"text"`
}

// The kinds of problem.
const (
	Changed      = "changed"       // an entry is not what was signed
	Dropped      = "dropped"       // an entry is missing from the middle
	Reordered    = "reordered"     // an entry stands elsewhere, or twice
	Truncated    = "truncated"     // entries are missing at the end
	Forked       = "forked"        // the same key signed another past
	BadSignature = "bad_signature" // a checkpoint is not signed by this key
	Unreadable   = "unreadable"    // a line says nothing
)

// maxProblems is how many problems a report names.
const maxProblems = 100

// Verify checks an export offline. The error is about the input - a reader that
// fails, a public key that is none; everything that is wrong with the log is in
// the report, which is OK only where nothing is.
func Verify(in VerifyInput) (Report, error) {
	begun := time.Now()
	key, err := note.NewVerifier(strings.TrimSpace(in.PublicKey))
	if err != nil {
		return Report{}, fmt.Errorf("public key: %w", err)
	}
	v := &verifier{key: key, public: strings.TrimSpace(in.PublicKey)}
	v.hold(in.Checkpoints)
	if err := v.stream(in.Export); err != nil {
		return Report{}, fmt.Errorf("read the export: %w", err)
	}
	v.finish()
	if s := time.Since(begun).Seconds(); s > 0 {
		v.report.PerSecond = float64(v.report.Entries) / s
	}
	v.report.OK = len(v.report.Problems) == 0
	return v.report, nil
}

// verifier goes through an export line by line.
type verifier struct {
	key    note.Verifier
	public string
	report Report
	head   header

	held     []Checkpoint // good ones, by size
	heldAt   int          // the next to be met
	matched  int64        // size of the largest tree that was found as held
	compared int          // how many of held were compared
	apart    []apart      // held ones that do not fit

	next    int64 // seq that should come now
	missing gaps  // what has not come yet
	lost    int64 // unreadable lines since the last readable one
	broken  bool  // the order is broken, so no root can be computed
	leaves  merkle.Range
	listed  *merkle.Range // over the hashes as the lines say, once one differs
	end     []byte
}

// apart is a held checkpoint that the entries do not lead to.
type apart struct {
	from int64 // they agree up to here
	held Checkpoint
	// explained: with the hashes as the lines say they do lead to it, so the
	// entries that were named are all that was changed.
	explained bool
}

func (v *verifier) problem(kind string, seq int64, format string, args ...any) {
	if len(v.report.Problems) == maxProblems {
		v.report.More++
		return
	}
	v.report.Problems = append(v.report.Problems, Problem{kind, seq, fmt.Sprintf(format, args...)})
}

// hold takes the checkpoints that the verifier holds.
func (v *verifier) hold(texts []string) {
	for i, text := range texts {
		c, err := openCheckpoint(text, v.key)
		if err != nil {
			v.problem(BadSignature, -1, "held checkpoint %d of %d is not signed by this key: %v", i+1, len(texts), err)
			continue
		}
		v.held = append(v.held, c)
	}
	slices.SortStableFunc(v.held, func(a, b Checkpoint) int {
		if a.Size != b.Size {
			return int(min(1, max(-1, a.Size-b.Size)))
		}
		return bytes.Compare(a.Root[:], b.Root[:])
	})
	v.held = slices.Compact(v.held)
	for i := 1; i < len(v.held); i++ {
		if v.held[i].Size == v.held[i-1].Size {
			v.problem(Forked, -1, "this key signed two different logs of %d entries", v.held[i].Size)
		}
	}
}

// begin reads the first line. ok is false where nothing can follow.
func (v *verifier) begin(text []byte) (ok bool) {
	h, err := readHeader(text)
	if err != nil {
		v.problem(Unreadable, -1, "this is no export of a log: %v", err)
		return false
	}
	v.head, v.next, v.matched = h, h.From, h.From
	if h.PublicKey != v.public {
		v.problem(BadSignature, -1, "the export is of a log with another public key, %s", h.PublicKey)
	}
	if h.From > 0 {
		if err := v.leaves.UnmarshalBinary(h.Before); err != nil || v.leaves.Size() != h.From {
			v.problem(Unreadable, -1, "what stands for the entries before %d does not fit", h.From)
			v.broken = true
		}
	}
	for v.heldAt < len(v.held) && v.held[v.heldAt].Size < h.From {
		v.heldAt++ // lies before the export
	}
	v.meet()
	return true
}

// take takes the next line.
func (v *verifier) take(r *read) {
	switch {
	case v.end != nil:
		v.problem(Unreadable, -1, "something stands after the end of the export")
		return
	case r.ending != nil:
		v.end = r.ending
		return
	case r.bad:
		v.problem(Unreadable, v.next+v.lost, "the line of this entry cannot be read")
		v.lost++
		return
	}
	v.report.Entries++
	if !v.place(r) {
		return
	}
	if r.own != r.seq {
		v.problem(Reordered, r.seq, "here stands what was entry %d", r.own)
		v.broken = true
	}
	if r.hash != r.listed {
		v.problem(Changed, r.seq, "its leaf is not the one that its hash is of")
		if v.listed == nil {
			v.listed = v.leaves.Clone()
		}
	}
	if r.odd != "" {
		v.problem(Changed, r.seq, "%s", r.odd)
	}
	v.report.Time = time.UnixMicro(max(r.at, v.lastMicro())).UTC()
	if v.broken {
		return
	}
	v.leaves.Append(r.hash)
	if v.listed != nil {
		v.listed.Append(r.listed)
	}
	v.meet()
}

func (v *verifier) lastMicro() int64 {
	if v.report.Time.IsZero() {
		return 0
	}
	return v.report.Time.UnixMicro()
}

// place looks whether a line comes where it should. ok is false where it must
// not be counted.
func (v *verifier) place(r *read) (ok bool) {
	switch {
	case r.seq == v.next:
	case r.seq >= v.head.To || r.seq < v.head.From:
		v.problem(Unreadable, r.seq, "this entry does not belong to the export of %d to %d", v.head.From, v.head.To)
		v.broken = true
		return false
	case r.seq > v.next:
		v.broken = true
		if r.seq-v.next != v.lost { // else the unreadable lines were these
			v.missing.add(v.next, r.seq)
		}
	default:
		v.broken = true
		if v.missing.remove(r.seq) {
			v.problem(Reordered, r.seq, "it stands after entry %d", v.next-1)
		} else {
			v.problem(Reordered, r.seq, "it stands twice")
		}
		return false
	}
	v.next, v.lost = r.seq+1, 0
	return true
}

// meet compares the tree so far with the held checkpoints of its size.
func (v *verifier) meet() {
	for !v.broken && v.heldAt < len(v.held) && v.held[v.heldAt].Size == v.leaves.Size() {
		c := v.held[v.heldAt]
		v.heldAt++
		v.compared++
		switch {
		case c.Root == v.leaves.Root():
			v.matched = c.Size
		default:
			v.apart = append(v.apart, apart{v.matched, c, v.listed != nil && v.listed.Root() == c.Root})
		}
	}
}

// finish draws the conclusions at the end of the lines.
func (v *verifier) finish() {
	if v.head.Version == 0 {
		v.report.Complete = "nothing was verified"
		return
	}
	v.gone()
	c, good := v.conclude()
	v.conflicts(c, good)
	v.tell(c, good)
}

// gone reports what never came.
func (v *verifier) gone() {
	for _, g := range v.missing {
		if g.from+1 == g.to {
			v.problem(Dropped, g.from, "it is missing")
		} else {
			v.problem(Dropped, g.from, "entries %d to %d are missing", g.from, g.to-1)
		}
	}
	if v.next < v.head.To && v.head.To-v.next != v.lost {
		v.problem(Truncated, v.next, "entries %d to %d are missing at the end", v.next, v.head.To-1)
	}
	if v.next < v.head.To {
		v.broken = true
	}
}

// conclude compares the tree with the export's own checkpoint.
func (v *verifier) conclude() (c Checkpoint, good bool) {
	var end ending
	if v.end == nil {
		if v.next >= v.head.To {
			v.problem(Truncated, -1, "the checkpoint at the end is missing")
		}
		return c, false
	}
	if err := json.Unmarshal(v.end, &end); err != nil {
		v.problem(Unreadable, -1, "the checkpoint at the end cannot be read")
		return c, false
	}
	c, err := openCheckpoint(end.Checkpoint, v.key)
	if err == nil && c.Origin != v.head.Origin {
		err = errors.New("it is of the log " + c.Origin)
	}
	if err != nil {
		v.problem(BadSignature, -1, "the checkpoint at the end: %v", err)
		return c, false
	}
	switch {
	case c.Size < v.head.To:
		v.problem(BadSignature, c.Size, "entries from %d on are not covered by the checkpoint at the end, which is of %d", c.Size, c.Size)
	case v.broken: // said already why
	case !v.reaches(c, end.Consistency):
		from, to := v.matched, v.head.To
		if v.listed == nil || !leadsTo(v.listed, c, end.Consistency) {
			v.changed(from, to, "what the checkpoint at the end is of")
		}
	default:
		return c, true
	}
	return c, false
}

func (v *verifier) reaches(c Checkpoint, proof [][]byte) bool { return leadsTo(&v.leaves, c, proof) }

// leadsTo reports whether c is of r, or of a log that continues r.
func leadsTo(r *merkle.Range, c Checkpoint, proof [][]byte) bool {
	if r.Size() == c.Size {
		return r.Root() == c.Root
	}
	p := make([]merkle.Hash, len(proof))
	for i, h := range proof {
		if len(h) != len(p[i]) {
			return false
		}
		p[i] = merkle.Hash(h)
	}
	return merkle.VerifyConsistency(p, r.Size(), c.Size, r.Root(), c.Root) == nil
}

// changed says that something in [from, to) is not what was signed, naming the
// entry where there is but one.
func (v *verifier) changed(from, to int64, of string) {
	if from+1 == to {
		v.problem(Changed, from, "it is not %s", of)
		return
	}
	v.problem(Changed, -1, "the entries %d to %d are not %s", from, to-1, of)
}

// conflicts weighs the checkpoints that the verifier holds against the export.
func (v *verifier) conflicts(c Checkpoint, good bool) {
	for _, a := range v.apart {
		n := a.held.Size
		switch {
		case a.explained:
		case good: // signed as well, so there are two pasts
			seq := int64(-1)
			if a.from+1 == n {
				seq = a.from
			}
			v.problem(Forked, seq, "entries %d to %d are not those of the held checkpoint of %d, though signed by the same key", a.from, n-1, n)
		default:
			v.changed(a.from, n, fmt.Sprintf("what the held checkpoint of %d is of", n))
		}
	}
	end := v.head.To
	if c.Size > end {
		end = c.Size
	}
	for _, h := range v.held {
		switch {
		case h.Size > end:
			v.problem(Truncated, end, "the held checkpoint is of %d entries, but the log has %d", h.Size, end)
		case h.Size == c.Size && h.Size > v.head.To:
			v.compared++
			if h.Root != c.Root {
				v.problem(Forked, -1, "this key signed two different logs of %d entries", h.Size)
			}
		}
	}
}

// tell puts what was proved into a sentence.
func (v *verifier) tell(c Checkpoint, good bool) {
	r := &v.report
	if !good {
		r.Size = v.next
		if !v.broken {
			r.Root = v.leaves.Root().String()
		}
		r.Complete = "not proved to be complete"
		return
	}
	r.Size, r.Root = c.Size, c.Root.String()
	var b strings.Builder
	fmt.Fprintf(&b, "complete to size %d at time %s", v.head.To, r.Time.Format(time.RFC3339))
	if v.head.From > 0 {
		fmt.Fprintf(&b, ", read from entry %d", v.head.From)
	}
	switch largest := v.matched; {
	case len(v.held) == 0:
		b.WriteString("; no held checkpoint was given, so this is the log's own word: keep its checkpoint and compare next time")
	case v.compared == 0:
		b.WriteString("; none of the held checkpoints could be compared: export from before the oldest")
	case len(v.apart) == 0 && largest > 0:
		fmt.Fprintf(&b, "; nothing up to the held checkpoint of %d was changed", largest)
	}
	if skipped := len(v.held) - v.compared; skipped > 0 && v.compared > 0 {
		fmt.Fprintf(&b, "; %d held checkpoints lie outside what was exported", skipped)
	}
	r.Complete = b.String()
}

// gap is a run of entries [from, to) that has not come.
type gap struct{ from, to int64 }

// gaps are runs in rising order.
type gaps []gap

func (g *gaps) add(from, to int64) { *g = append(*g, gap{from, to}) }

// remove takes a seq out; false where it is in none.
func (g *gaps) remove(seq int64) bool {
	i, found := slices.BinarySearchFunc(*g, seq, func(r gap, seq int64) int {
		switch {
		case seq < r.from:
			return 1
		case seq >= r.to:
			return -1
		}
		return 0
	})
	if !found {
		return false
	}
	r := (*g)[i]
	var left []gap
	if r.from < seq {
		left = append(left, gap{r.from, seq})
	}
	if seq+1 < r.to {
		left = append(left, gap{seq + 1, r.to})
	}
	*g = slices.Replace(*g, i, i+1, left...)
	return true
}
