package audit_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/merkle"
)

// proof answers a proof file.
func (b *bench) proof(from int64, seqs ...int64) string {
	b.t.Helper()
	var out bytes.Buffer
	if err := b.log.ProveUnasked(b.t.Context(), from, &out, seqs...); err != nil {
		b.t.Fatal(err)
	}
	return out.String()
}

// consistency answers a proof file from one checkpoint to another.
func (b *bench) consistency(from, to int64) string {
	b.t.Helper()
	c, err := b.log.ConsistencyUnasked(b.t.Context(), from, to)
	if err != nil {
		b.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := audit.WriteConsistency(&out, b.log.PublicKey(), c); err != nil {
		b.t.Fatal(err)
	}
	return out.String()
}

func verifyProof(t testing.TB, public string, held []string, files ...string) audit.ProofReport {
	t.Helper()
	in := audit.ProofInput{PublicKey: public, Checkpoints: held}
	for _, f := range files {
		in.Files = append(in.Files, strings.NewReader(f))
	}
	r, err := audit.VerifyProof(in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func kinds(r audit.ProofReport) []string {
	all := []string{}
	for _, p := range r.Problems {
		all = append(all, fmt.Sprintf("%s %d", p.Kind, p.Seq))
	}
	return all
}

func TestProofFile(t *testing.T) {
	b := newBench(t)
	b.grow(40)
	first := b.checkpoint()
	b.grow(300)
	last := b.checkpoint()
	file := b.proof(40, 3, 300)
	r := verifyProof(t, b.log.PublicKey(), []string{first, last}, file)
	if !r.OK || r.Size != 340 || len(r.Entries) != 2 || r.Origin != origin || r.Sealed != 4 {
		t.Fatalf("%+v", r)
	}
	if e := r.Entries[1]; e.Seq != 300 || e.Actor != "usr-ann" || e.Personal != (vitrine.Personal{}) {
		t.Errorf("entry %+v", e)
	}
	for i, want := range []string{"these 2 entries", "the log of 340 entries continues the checkpoint of 40", "the log of 340 entries is the one whose"} {
		if i >= len(r.Proven) || !strings.Contains(r.Proven[i], want) {
			t.Errorf("proven %q, want %q", r.Proven, want)
		}
	}
	for i, want := range []string{"no other entries", "is true", "4 personal parts"} {
		if i >= len(r.Unproven) || !strings.Contains(r.Unproven[i], want) {
			t.Errorf("not proven %q, want %q", r.Unproven, want)
		}
	}
	alone := verifyProof(t, b.log.PublicKey(), nil, file)
	if !alone.OK || !strings.Contains(strings.Join(alone.Unproven, "\n"), "--checkpoint") {
		t.Errorf("without a held checkpoint: %+v", alone)
	}
	for _, personal := range []string{"192.0.2.7", "curl/8", "customer 7"} {
		if strings.Contains(file, personal) {
			t.Errorf("the file holds %s", personal)
		}
	}
}

// The paths are those of RFC 6962, as any other program checks them.
func TestProofAgreesWithTlog(t *testing.T) {
	b := newBench(t)
	b.grow(100)
	b.checkpoint()
	b.grow(200)
	c := b.signedAt()
	for line := range strings.Lines(b.proof(0, 0, 255, 256, 299)) {
		var l struct {
			Index *int64   `json:"index"`
			Leaf  []byte   `json:"leaf"`
			Path  [][]byte `json:"path"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Index == nil {
			continue
		}
		var p tlog.RecordProof
		for _, h := range l.Path {
			p = append(p, tlog.Hash(h))
		}
		if err := tlog.CheckRecord(p, c.Size, tlog.Hash(c.Root), *l.Index, tlog.RecordHash(l.Leaf)); err != nil {
			t.Errorf("entry %d: %v", *l.Index, err)
		}
	}
	k, err := b.log.ConsistencyUnasked(t.Context(), 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	old, err := audit.OpenCheckpoint(k.From, b.log.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	var p tlog.TreeProof
	for _, h := range k.Path {
		p = append(p, tlog.Hash(h))
	}
	if err := tlog.CheckTree(p, c.Size, tlog.Hash(c.Root), old.Size, tlog.Hash(old.Root)); err != nil {
		t.Error(err)
	}
}

// Whatever single byte of a proof file is changed or left out, it is refused, and
// so is every beginning of it.
func TestEveryByteOfAProofCounts(t *testing.T) {
	b := newBench(t)
	b.grow(2)
	b.checkpoint()
	b.grow(1)
	file := b.proof(2, 1)
	public := b.log.PublicKey()
	if r := verifyProof(t, public, nil, file); !r.OK {
		t.Fatalf("%+v", r)
	}
	passes := func(what string, i int, changed string) {
		if r := verifyProof(t, public, nil, changed); r.OK || len(r.Problems) == 0 || len(r.Proven) > 0 {
			t.Errorf("with byte %d %s (%q) it passes: %+v", i, what, file[max(0, i-10):min(len(file), i+10)], r)
		}
	}
	for i := range len(file) {
		for _, flip := range []byte{1, 0x20} {
			passes("changed", i, file[:i]+string([]byte{file[i] ^ flip})+file[i+1:])
		}
		passes("left out", i, file[:i]+file[i+1:])
		passes("as its end", i, file[:i])
	}
}

func TestForgedProofs(t *testing.T) {
	b := newBench(t)
	b.grow(5)
	held := b.checkpoint()
	b.grow(7)
	middle := b.checkpoint()
	b.grow(8)
	last := b.checkpoint()
	b.grow(4)
	later := b.checkpoint()
	b.grow(1)
	file := b.proof(12, 2, 9)
	lines := slices.Collect(strings.Lines(file))
	other := newBench(t)
	other.grow(20)
	foreign := other.checkpoint()
	sub := func(i int, old, new string) string {
		if !strings.Contains(lines[i], old) {
			t.Fatalf("line %d has no %s: %s", i, old, lines[i])
		}
		return strings.Join(with(lines, i, strings.Replace(lines[i], old, new, 1)), "")
	}
	leaf := func(i int) string {
		_, rest, _ := strings.Cut(lines[i], `"leaf":"`)
		text, _, _ := strings.Cut(rest, `"`)
		return text
	}
	forged := func(size int64) string { // by who has the key
		return audit.Sign(t, b.signer, audit.Checkpoint{Origin: origin, Size: size, Root: merkle.Leaf([]byte("x"))})
	}
	tests := []struct {
		name  string
		files []string
		held  []string
		want  []string
		text  string
	}{
		{"nothing", []string{file}, []string{middle}, []string{}, ""},
		{"another leaf, with its readable part", []string{sub(1, lines[1][strings.Index(lines[1], `,"leaf"`):strings.Index(lines[1], `,"path"`)],
			lines[2][strings.Index(lines[2], `,"leaf"`):strings.Index(lines[2], `,"path"`)])}, nil, []string{"unreadable -1"}, "something was changed"},
		{"an entry at another place", []string{sub(1, `{"index":2`, `{"index":3`)}, nil, []string{"not_included 3"}, "25 entries"},
		{"a leaf that says another number", []string{renamed(t, lines)}, nil, []string{"not_included 2"}, ""},
		{"another readable part", []string{sub(1, "usr-ann", "usr-bob")}, nil, []string{"unreadable -1"}, ""},
		{"another leaf", []string{sub(1, leaf(1), leaf(2))}, nil, []string{"unreadable -1"}, ""},
		{"an entry left out", []string{strings.Join(without(lines, 1, 2), "")}, nil, []string{"truncated -1"}, "held 2 entries and has 1"},
		{"the end left out", []string{strings.Join(lines[:3], "")}, nil, []string{"truncated -1"}, "its last line"},
		{"a line cut", []string{strings.Join(lines[:2], "") + lines[2][:50]}, nil, []string{"truncated -1"}, ""},
		{"something after the end", []string{file + "x"}, nil, []string{"unreadable -1"}, "after the end"},
		{"an endless line", []string{lines[0] + strings.Repeat("x", 2<<20) + "\n"}, nil, []string{"unreadable -1"}, "more than"},
		{"no proof file", []string{"<html>\n"}, nil, []string{"unreadable -1"}, "no proof file"},
		{"an empty file", []string{""}, nil, []string{"unreadable -1"}, "no proof file"},
		{"an export", []string{strings.Join(b.export(0, 0), "")}, nil, []string{"unreadable -1"}, "no proof file"},
		{"another version", []string{sub(0, `proof":1`, `proof":2`)}, nil, []string{"unreadable -1"}, "version 2"},
		{"a field that is unknown", []string{sub(1, `{"index"`, `{"x":1,"index"`)}, nil, []string{"unreadable -1"}, ""},
		{"another checkpoint", []string{sub(0, `\n25\n`, `\n26\n`)}, nil, []string{"bad_signature -1"}, "checkpoint of the file"},
		{"another earlier checkpoint", []string{sub(0, `\n12\n`, `\n11\n`)}, nil, []string{"bad_signature -1"}, "earlier checkpoint"},
		{"another's file", []string{other.proof(0, 3)}, nil, []string{"bad_signature -1"}, "another public key"},
		{"another's file under this key", []string{strings.Replace(other.proof(0, 3), other.log.PublicKey(), b.log.PublicKey(), 1)}, nil, []string{"bad_signature -1"}, ""},
		{"a held checkpoint of another log", []string{file}, []string{foreign}, []string{"bad_signature -1"}, "held checkpoint 1 of 1"},
		{"a held checkpoint that nothing leads from", []string{file}, []string{held}, []string{"unlinked -1"}, "audit consistency"},
		{"a link to it", []string{file, b.consistency(5, 12)}, []string{held}, []string{}, ""},
		{"a held checkpoint that is newer", []string{b.proof(20, 1), b.consistency(20, 24)}, []string{last, later}, []string{"unlinked -1"}, "checkpoint of 24 entries to that of 25"},
		{"a file that ends at a held one", []string{b.consistency(20, 24)}, []string{last, later}, []string{}, ""},
		{"this key signed two logs of as many", []string{file}, []string{forged(25)}, []string{"forked -1"}, "two different logs"},
		{"this key signed another past", []string{file}, []string{forged(12)}, []string{"unlinked -1"}, ""},
		{"a file of another past", []string{sub(0, jsonText(middle), jsonText(forged(12)))}, nil, []string{"forked -1"}, "continues that of 12"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := verifyProof(t, b.log.PublicKey(), tt.held, tt.files...)
			if diff := cmp.Diff(tt.want, kinds(r)); diff != "" || r.OK != (len(tt.want) == 0) {
				t.Errorf("found %+v (-want +got):\n%s", r.Problems, diff)
			}
			if len(r.Problems) > 0 && !strings.Contains(r.Problems[0].Text, tt.text) {
				t.Errorf("says %q, want %q", r.Problems[0].Text, tt.text)
			}
			if !r.OK && (len(r.Proven) > 0 || len(r.Unproven) != 1) {
				t.Errorf("proven %q, not proven %q of what is refused", r.Proven, r.Unproven)
			}
		})
	}
}

// jsonText is a text as it stands in JSON.
func jsonText(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return strings.Trim(string(b), `"`)
}

// renamed is a proof file in which the first leaf says another number, and all
// else fits.
func renamed(t *testing.T, lines []string) string {
	t.Helper()
	var l struct {
		Path [][]byte `json:"path"`
	}
	if err := json.Unmarshal([]byte(lines[1]), &l); err != nil {
		t.Fatal(err)
	}
	line, _ := audit.Line(3, &vitrine.Entry{Seq: 3, Time: time.UnixMicro(3).UTC(), Act: "image.open", Outcome: vitrine.Allowed})
	_, rest, _ := strings.Cut(line, `"leaf":"`)
	leaf, rest, _ := strings.Cut(rest, `"`)
	_, entry, _ := strings.Cut(rest, `,"entry":`)
	var path []string
	for _, h := range l.Path {
		path = append(path, `"`+base64.StdEncoding.EncodeToString(h)+`"`)
	}
	return strings.Join(with(lines, 1, `{"index":2,"leaf":"`+leaf+`","path":[`+strings.Join(path, ",")+`],"entry":`+entry), "")
}

func TestVerifyProofNeedsItsInput(t *testing.T) {
	if _, err := audit.VerifyProof(audit.ProofInput{Files: []io.Reader{strings.NewReader("")}, PublicKey: "x"}); err == nil {
		t.Error("verified with no key")
	}
	b := newBench(t)
	if _, err := audit.VerifyProof(audit.ProofInput{PublicKey: b.log.PublicKey()}); err == nil {
		t.Error("verified no file")
	}
	if _, err := audit.VerifyProof(audit.ProofInput{PublicKey: b.log.PublicKey(), Files: []io.Reader{iotest.ErrReader(io.ErrUnexpectedEOF)}}); err == nil {
		t.Error("verified what could not be read")
	}
}

// proofOf is a small proof file with the key that it is verified with, made
// without a database.
func proofOf(t testing.TB) (file, public string) {
	t.Helper()
	signer := audit.FixedSigner(origin)
	var r merkle.Range
	line, h := audit.Line(0, &vitrine.Entry{Time: time.UnixMicro(1).UTC(), Act: "image.open", Outcome: vitrine.Allowed})
	r.Append(h)
	old := audit.Sign(t, signer, audit.Checkpoint{Origin: origin, Size: 1, Root: r.Root()})
	next := merkle.Leaf([]byte("next"))
	r.Append(next)
	public = audit.PublicKey(t, signer)
	c := audit.Consistency{From: old, To: audit.Sign(t, signer, audit.Checkpoint{Origin: origin, Size: 2, Root: r.Root()}), Path: []merkle.Hash{next}}
	var b bytes.Buffer
	if err := audit.WriteConsistency(&b, public, c); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(b.String(), "\n")
	_, rest, _ := strings.Cut(line, `"leaf":"`)
	leaf, rest, _ := strings.Cut(rest, `"`)
	_, entry, _ := strings.Cut(rest, `,"entry":`)
	return head + "\n" + `{"index":0,"leaf":"` + leaf + `","path":["` + next.String() + `"],"entry":` + entry + `{"entries":1}` + "\n", public
}

// Nothing but the file itself passes.
func FuzzVerifyProof(f *testing.F) {
	good, public := proofOf(f)
	if r := verifyProof(f, public, nil, good); !r.OK || len(r.Entries) != 1 || len(r.Proven) != 2 {
		f.Fatalf("%+v", r)
	}
	f.Add([]byte(good))
	f.Add([]byte(good[:len(good)/2]))
	f.Add([]byte(strings.Replace(good, `"index":0`, `"index":1`, 1)))
	f.Add([]byte(`{"vitrine_log_proof":1}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := verifyProof(t, public, nil, string(text))
		if r.OK && string(text) != good && len(r.Entries) != 0 {
			t.Errorf("%q passes as %+v", text, r)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	signer := audit.FixedSigner(origin)
	public := audit.PublicKey(f, signer)
	good := audit.Sign(f, signer, audit.Checkpoint{Origin: origin, Size: 7, Root: merkle.Leaf(nil)})
	f.Add(good)
	f.Add(strings.Replace(good, "\n7\n", "\n07\n", 1))
	f.Add(strings.Replace(good, "\n7\n", "\n-7\n", 1))
	f.Add(good + good)
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := audit.OpenCheckpoint(text, public); err == nil && (c.Size != 7 || c.Origin != origin || c.Root != merkle.Leaf(nil)) {
			t.Errorf("%q was never signed, but is %+v", text, c)
		}
		c, err := audit.PeekCheckpoint(text)
		if err == nil && (c.Size < 0 || c.Origin == "") {
			t.Errorf("%q is %+v", text, c)
		}
		n := 0
		for _, one := range audit.ReadCheckpoints([]byte(text)) {
			n += len(one)
		}
		if n > len(text)+1 {
			t.Errorf("%q is taken apart into more than there is", text)
		}
	})
}
