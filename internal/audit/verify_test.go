package audit_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/merkle"
)

// export answers the lines of an export.
func (b *bench) export(from, to int64) []string {
	b.t.Helper()
	var out bytes.Buffer
	if err := b.log.ExportUnasked(b.t.Context(), from, to, &out); err != nil {
		b.t.Fatal(err)
	}
	return slices.Collect(strings.Lines(out.String()))
}

func (b *bench) verify(lines []string, held ...string) audit.Report {
	b.t.Helper()
	r, err := audit.Verify(audit.VerifyInput{Export: strings.NewReader(strings.Join(lines, "")), PublicKey: b.log.PublicKey(), Checkpoints: held})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// edit changes the line of an entry as JSON; rehash makes the hash fit again.
func edit(t testing.TB, line string, rehash bool, fn func(e *vitrine.Entry)) string {
	t.Helper()
	var l struct {
		Seq   int64           `json:"seq"`
		Leaf  []byte          `json:"leaf"`
		Hash  []byte          `json:"hash"`
		Entry json.RawMessage `json:"entry"`
	}
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		t.Fatal(err)
	}
	e, parts, err := entry.Parse(l.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	fn(e)
	l.Leaf = entry.Append(nil, e, parts)
	l.Entry = audit.AppendEntry(nil, e)
	if rehash {
		h := merkle.Leaf(l.Leaf)
		l.Hash = h[:]
	}
	out, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

func without(lines []string, from, to int) []string {
	return slices.Delete(slices.Clone(lines), from, to)
}

func with(lines []string, i int, line string) []string {
	all := slices.Clone(lines)
	all[i] = line
	return all
}

// An export of 20 entries with checkpoints at 5, 12 and 20; line i+1 is entry i.
func TestVerifyTells(t *testing.T) {
	b := newBench(t)
	var held []string
	for _, n := range []int{5, 7, 8} {
		b.grow(n)
		held = append(held, b.checkpoint())
	}
	lines := b.export(0, 0)
	other := newBench(t)
	other.grow(20)
	foreign := other.checkpoint()
	bob := func(e *vitrine.Entry) { e.Actor = "usr-bob" }
	end := len(lines) - 1
	swapped := slices.Clone(lines)
	swapped[8], swapped[9] = swapped[9], swapped[8]
	renumbered := with(with(lines, 8, strings.Replace(lines[9], `"seq":8`, `"seq":7`, 1)), 9, strings.Replace(lines[8], `"seq":7`, `"seq":8`, 1))
	tests := []struct {
		name  string
		lines []string
		held  []string
		want  []string // kind and seq
		text  string   // in the first problem
	}{
		{"nothing", lines, held, nil, ""},
		{"nothing, nothing held", lines, nil, nil, ""},
		{"a leaf was changed", with(lines, 8, edit(t, lines[8], false, bob)), nil, []string{"changed 7"}, "hash"},
		{"a leaf and its hash were changed", with(lines, 8, edit(t, lines[8], true, bob)), nil, []string{"changed -1"}, "0 to 19"},
		{"a leaf and its hash, older checkpoints held", with(lines, 8, edit(t, lines[8], true, bob)), held[:1], []string{"changed -1"}, "5 to 19"},
		{"a leaf and its hash, one by one", with(lines, 1, edit(t, lines[1], true, bob)), held, []string{"changed -1", "changed -1", "changed -1", "changed -1"}, "0 to 19"},
		{"the readable part was changed", with(lines, 8, strings.Replace(lines[8], "usr-ann", "usr-bob", 1)), held, []string{"changed 7"}, "readable"},
		{"a hash was changed", with(lines, 8, strings.Replace(lines[8], hashOf(t, lines[8]), hashOf(t, lines[9]), 1)), held, []string{"changed 7"}, "hash"},
		{"an entry was dropped", without(lines, 8, 9), held, []string{"dropped 7"}, "missing"},
		{"entries were dropped", without(lines, 8, 11), nil, []string{"dropped 7"}, "7 to 9"},
		{"the first was dropped", without(lines, 1, 2), nil, []string{"dropped 0"}, ""},
		{"two were swapped", swapped, held, []string{"reordered 7"}, "after entry 8"},
		{"two were swapped and renumbered", renumbered, nil, []string{"reordered 7", "reordered 8"}, "entry 8"},
		{"one stands twice", slices.Insert(slices.Clone(lines), 9, lines[8]), nil, []string{"reordered 7"}, "twice"},
		{"the end is missing", lines[:15], held, []string{"truncated 14"}, "14 to 19"},
		{"the last entries are missing", without(lines, 18, 21), nil, []string{"truncated 17"}, "17 to 19"},
		{"only the checkpoint is missing", lines[:end], nil, []string{"truncated -1"}, "checkpoint"},
		{"a line is garbage", with(lines, 8, "{\"se\n"), held, []string{"unreadable 7"}, ""},
		{"two lines are garbage and one is gone", without(with(with(lines, 8, "x\n"), 9, "y\n"), 10, 11), held,
			[]string{"unreadable 7", "unreadable 8", "dropped 7"}, ""},
		{"a line is endless", with(lines, 8, strings.Repeat("x", 3<<20)+"\n"), nil, []string{"unreadable 7"}, ""},
		{"it is no export", []string{"<html>\n"}, held, []string{"unreadable -1"}, "no export"},
		{"it is empty", nil, nil, []string{"unreadable -1"}, "no export"},
		{"of another version", with(lines, 0, strings.Replace(lines[0], `export":1`, `export":9`, 1)), nil, []string{"unreadable -1"}, "version 9"},
		{"something after the end", append(slices.Clone(lines), lines[3]), nil, []string{"unreadable -1"}, "after the end"},
		{"a signature was changed", with(lines, end, strings.Replace(lines[end], `\n20\n`, `\n21\n`, 1)), nil, []string{"bad_signature -1"}, ""},
		{"a held checkpoint of another log", lines, []string{foreign}, []string{"bad_signature -1"}, "held checkpoint 1 of 1"},
		{"the export of another log", other.export(0, 0), held[:1], []string{"bad_signature -1", "bad_signature -1", "changed -1"}, "another public key"},
		{"a shorter log", b.signed(lines[:13], 12), held, []string{"truncated 12"}, "the log has 12"},
		{"a rewritten log, signed again", b.signed(with(lines, 8, edit(t, lines[8], true, bob)), 20), held[:2], []string{"forked -1"}, "5 to 11"},
		{"a rewritten log, as long as the held one", b.signed(with(lines, 8, edit(t, lines[8], true, bob)), 20), held[2:], []string{"forked -1"}, "0 to 19"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.t = t
			r := b.verify(tt.lines, tt.held...)
			var got []string
			for _, p := range r.Problems {
				got = append(got, fmt.Sprintf("%s %d", p.Kind, p.Seq))
			}
			if !slices.Equal(got, tt.want) || r.OK != (len(tt.want) == 0) {
				t.Errorf("found %+v, want %q", r.Problems, tt.want)
			}
			if len(got) > 0 && !strings.Contains(r.Problems[0].Text, tt.text) {
				t.Errorf("says %q, want %q", r.Problems[0].Text, tt.text)
			}
		})
	}
}

func hashOf(t testing.TB, line string) string {
	t.Helper()
	_, rest, ok := strings.Cut(line, `"hash":"`)
	if !ok {
		t.Fatal("no hash in ", line)
	}
	return rest[:44]
}

// signed is an export of these lines as somebody would make it who has the
// signing key: with a checkpoint that fits.
func (b *bench) signed(lines []string, size int) []string {
	b.t.Helper()
	var r merkle.Range
	for _, l := range lines[1 : size+1] {
		h, err := base64.StdEncoding.DecodeString(hashOf(b.t, l))
		if err != nil {
			b.t.Fatal(err)
		}
		r.Append(merkle.Hash(h))
	}
	text := audit.Sign(b.t, b.signer, audit.Checkpoint{Origin: origin, Size: r.Size(), Root: r.Root()})
	end, err := json.Marshal(map[string]string{"checkpoint": text})
	if err != nil {
		b.t.Fatal(err)
	}
	head := strings.Replace(lines[0], `"to":20`, fmt.Sprintf(`"to":%d`, size), 1)
	return append(append([]string{head}, lines[1:size+1]...), string(end)+"\n")
}

// What is exported in part is proved in part.
func TestVerifyParts(t *testing.T) {
	b := newBench(t)
	var held []string
	for _, n := range []int{5, 7, 8} {
		b.grow(n)
		held = append(held, b.checkpoint())
	}
	for _, tt := range []struct {
		name     string
		from, to int64
		held     []string
		complete string
	}{
		{"all", 0, 0, held, "nothing up to the held checkpoint of 20 was changed"},
		{"all, nothing held", 0, 0, nil, "no held checkpoint was given"},
		{"the first", 0, 7, held, "complete to size 7"},
		{"the middle", 5, 12, held[:2], "complete to size 12"},
		{"the middle, held at its start", 5, 13, held[:1], "nothing up to the held checkpoint of 5"},
		{"the middle, held before it", 6, 13, held[:1], "could be compared"},
		{"the middle, held at the end", 6, 13, held[2:], "complete to size 13"},
		{"the last", 19, 20, held, "read from entry 19"},
		{"none", 20, 20, held, "complete to size 20"},
	} {
		r := b.verify(b.export(tt.from, tt.to), tt.held...)
		if !r.OK || !strings.Contains(r.Complete, tt.complete) || r.Size != 20 {
			t.Errorf("%s: %+v, want %q", tt.name, r, tt.complete)
		}
	}
	lines := b.export(5, 12)
	lines[3] = edit(t, lines[3], true, func(e *vitrine.Entry) { e.Detail = "x" })
	if r := b.verify(lines); r.OK || r.Problems[0].Kind != audit.Changed {
		t.Errorf("a change in a part was not found: %+v", r)
	}
	if r := b.verify(append([]string{strings.Replace(lines[0], `"before":"`, `"before":"AAAA`, 1)}, lines[1:]...)); r.OK {
		t.Error("a wrong start of a part was not found")
	}
}

// jq and its like may have rewritten a line; it says the same.
func TestVerifyRewritten(t *testing.T) {
	b := newBench(t)
	b.grow(3)
	lines := b.export(0, 0)
	for i := 1; i < 4; i++ {
		var v map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &v); err != nil {
			t.Fatal(err)
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		lines[i] = " " + string(out) + "\n"
	}
	if r := b.verify(lines); !r.OK || r.Entries != 3 {
		t.Errorf("%+v", r)
	}
}

func TestVerifyNeedsAKey(t *testing.T) {
	if _, err := audit.Verify(audit.VerifyInput{Export: strings.NewReader(""), PublicKey: "nonsense"}); err == nil {
		t.Error("verified with no key")
	}
}

// The readable part says what the entry's own JSON says, without the personal
// part.
func TestReadablePart(t *testing.T) {
	for _, e := range []vitrine.Entry{
		{Time: time.UnixMicro(0).UTC()},
		{
			Seq: 41, Time: time.Date(2026, 3, 4, 5, 6, 7, 891011000, time.UTC),
			Act: "image.open", Op: `a "quoted" \ <b> & é`, Outcome: vitrine.Refused, Code: "tier", Detail: "line\nbreak",
			Actor: "u-ann", ActorKind: vitrine.User, For: "u-bob", Credential: "k-1",
			Kind: vitrine.KindImage, Resource: "img-1", Scope: "renders/a%2Fb", Category: vitrine.Generated, Tier: vitrine.Confidential,
			Binding: "b-1", Revision: 7, Request: "req-1", Model: "google:4@1", PromptHash: "ph", Cost: 125, Count: 3, Alert: "budget_90",
		},
	} {
		var got vitrine.Entry
		text := audit.AppendEntry(nil, &e)
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("%s says %+v, want %+v", text, got, e)
		}
		e.Personal.Address = "192.0.2.1"
		if !bytes.Equal(audit.AppendEntry(nil, &e), text) {
			t.Error("a personal part is readable in an export")
		}
	}
}

// fuzzed is a small export with the key that it is verified with, made without
// a database, which would cost a fuzzing process more than everything else.
func fuzzed(t testing.TB) (text, public string) {
	t.Helper()
	signer := audit.FixedSigner(origin)
	public = audit.PublicKey(t, signer)
	var b strings.Builder
	fmt.Fprintf(&b, `{"vitrine_log_export":1,"origin":%q,"public_key":%q,"from":0,"to":4}`+"\n", origin, public)
	var r merkle.Range
	for i := range int64(4) {
		line, h := audit.Line(i, &vitrine.Entry{Seq: i, Time: time.UnixMicro(i).UTC(), Act: "image.open", Outcome: vitrine.Allowed})
		r.Append(h)
		b.WriteString(line)
	}
	end, err := json.Marshal(map[string]string{"checkpoint": audit.Sign(t, signer, audit.Checkpoint{Origin: origin, Size: 4, Root: r.Root()})})
	if err != nil {
		t.Fatal(err)
	}
	return b.String() + string(end) + "\n", public
}

func FuzzVerify(f *testing.F) {
	good, public := fuzzed(f)
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, `"seq":2`, `"seq":9`, 1)))
	f.Add([]byte(good[:len(good)/2]))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := audit.Verify(audit.VerifyInput{Export: bytes.NewReader(text), PublicKey: public})
		if err != nil {
			t.Fatal(err)
		}
		if r.OK && r.Entries != 4 {
			t.Errorf("%d of 4 entries are said to be all", r.Entries)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := newBench(b)
	s.grow(200)
	lines := s.export(0, 0)
	var text bytes.Buffer
	const n = 20_000
	var r merkle.Range
	text.WriteString(strings.Replace(lines[0], `"to":200`, fmt.Sprintf(`"to":%d`, n), 1))
	for i := range n {
		line := audit.Renumber(lines[1+i%200], int64(i))
		h, err := base64.StdEncoding.DecodeString(hashOf(b, line))
		if err != nil {
			b.Fatal(err)
		}
		r.Append(merkle.Hash(h))
		text.WriteString(line)
	}
	end, err := json.Marshal(map[string]string{"checkpoint": audit.Sign(b, s.signer, audit.Checkpoint{Origin: origin, Size: n, Root: r.Root()})})
	if err != nil {
		b.Fatal(err)
	}
	text.Write(end)
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		r, err := audit.Verify(audit.VerifyInput{Export: bytes.NewReader(text.Bytes()), PublicKey: s.log.PublicKey()})
		if err != nil || !r.OK {
			b.Fatalf("%+v, %v", r, err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
