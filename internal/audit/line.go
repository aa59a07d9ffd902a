package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/merkle"
)

// exportVersion is the version of the export format.
const exportVersion = 1

// header is the first line of an export. Entries [From, To) follow, a line
// each, and then the ending.
type header struct {
	Version   int    `json:"vitrine_log_export"`
	Origin    string `json:"origin"`
	PublicKey string `json:"public_key"` // for convenience: trust the one that you have from elsewhere
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	// Before is, where From is not 0, the compact range over the leaves before
	// it (see merkle.Range.MarshalBinary).
	Before []byte `json:"before,omitempty"`
}

// ending is the last line of an export.
type ending struct {
	Checkpoint string `json:"checkpoint"` // of a size at least To
	// Consistency proves, where the checkpoint's size is larger than To, that
	// its log continues the one of size To.
	Consistency [][]byte `json:"consistency,omitempty"`
}

// line is an entry's line, for readers that do not know how appendLine writes.
type line struct {
	Seq   *int64          `json:"seq"`
	Leaf  []byte          `json:"leaf"`
	Hash  []byte          `json:"hash"`
	Entry json.RawMessage `json:"entry"`
}

// Parts of a line as appendLine writes it.
const (
	lineSeq   = `{"seq":`
	lineLeaf  = `,"leaf":"`
	lineHash  = `","hash":"`
	lineEntry = `","entry":`
	hashText  = 44 // base64 of 32 bytes
)

// appendLine appends the line of an entry. The readable part is made from the
// leaf and says what is not sealed in it: personal parts stay sealed, because
// an export outlives the forgetting of a person.
// Of a leaf that cannot be read it is null.
func appendLine(b []byte, seq int64, leaf []byte, hash merkle.Hash) []byte {
	b = strconv.AppendInt(append(b, lineSeq...), seq, 10)
	b = base64.StdEncoding.AppendEncode(append(b, lineLeaf...), leaf)
	b = base64.StdEncoding.AppendEncode(append(b, lineHash...), hash[:])
	b = append(b, lineEntry...)
	if e, _, err := entry.Parse(leaf); err == nil {
		b = appendEntry(b, e)
	} else {
		b = append(b, "null"...)
	}
	return append(b, "}\n"...)
}

// appendEntry appends e as vitrine.Entry is written in JSON, without Personal.
func appendEntry(b []byte, e *vitrine.Entry) []byte {
	text := func(name, value string) {
		if value != "" {
			b = appendString(append(append(append(b, ',', '"'), name...), '"', ':'), value)
		}
	}
	number := func(name string, n int64) {
		if n != 0 {
			b = strconv.AppendInt(append(append(append(b, ',', '"'), name...), '"', ':'), n, 10)
		}
	}
	b = strconv.AppendInt(append(b, `{"seq":`...), e.Seq, 10)
	b = append(e.Time.AppendFormat(append(b, `,"time":"`...), time.RFC3339Nano), '"')
	b = appendString(append(b, `,"act":`...), e.Act)
	text("op", e.Op)
	b = appendString(append(b, `,"outcome":`...), string(e.Outcome))
	text("code", e.Code)
	text("detail", e.Detail)
	text("actor", string(e.Actor))
	text("actor_kind", string(e.ActorKind))
	text("for", string(e.For))
	text("credential", string(e.Credential))
	text("kind", string(e.Kind))
	text("resource", string(e.Resource))
	text("scope", string(e.Scope))
	text("category", e.Category.String())
	text("tier", e.Tier.String())
	text("binding", string(e.Binding))
	number("revision", e.Revision)
	text("request", e.Request)
	text("model", e.Model)
	text("prompt_hash", e.PromptHash)
	if e.Cost != 0 {
		text("cost", e.Cost.String())
	}
	number("count", e.Count)
	text("alert", e.Alert)
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, err := json.Marshal(s)
			if err != nil { // a string always marshals
				panic(err)
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// read is a line of an export as one worker found it.
type read struct {
	seq    int64 // as the line says
	own    int64 // as the leaf says
	at     int64 // the leaf's time, microseconds
	hash   merkle.Hash
	listed merkle.Hash // as the line says
	ending []byte      // not nil: this is the last line
	bad    bool        // no line of an export
	odd    string      // what is wrong with the readable part
}

// scratch is what a worker uses again from line to line.
type scratch struct{ leaf, line []byte }

// readLine reads a line and hashes its leaf.
func readLine(text []byte, s *scratch) read {
	l, ok := quickLine(text, s)
	if !ok {
		if l, ok = slowLine(text); !ok {
			return read{bad: true}
		}
	}
	if l.Checkpoint {
		return read{ending: bytes.Clone(text)}
	}
	r := read{seq: l.Seq, own: l.Seq, hash: merkle.Leaf(l.Leaf), listed: l.Hash}
	e, _, err := entry.Parse(l.Leaf)
	switch {
	case err != nil:
		r.odd = "its leaf cannot be read: " + err.Error()
		return r
	case !sameEntry(l.Entry, e, s):
		r.odd = "its readable part says something else than its leaf"
	}
	r.own, r.at = e.Seq, e.Time.UnixMicro()
	return r
}

// parts are the parts of a line.
type parts struct {
	Seq        int64
	Leaf       []byte
	Hash       merkle.Hash
	Entry      []byte
	Checkpoint bool
}

// quickLine reads what appendLine writes, without encoding/json, which would
// take longer than everything else together.
func quickLine(text []byte, s *scratch) (p parts, ok bool) {
	rest, ok := bytes.CutPrefix(bytes.TrimSuffix(text, []byte("\n")), []byte(lineSeq))
	if !ok {
		return p, false
	}
	n := bytes.IndexByte(rest, ',')
	if n < 1 || n > 18 || n > 1 && rest[0] == '0' {
		return p, false
	}
	for _, c := range rest[:n] {
		if c < '0' || c > '9' {
			return p, false
		}
		p.Seq = p.Seq*10 + int64(c-'0')
	}
	if rest, ok = bytes.CutPrefix(rest[n:], []byte(lineLeaf)); !ok {
		return p, false
	}
	leaf, rest, ok := bytes.Cut(rest, []byte(lineHash))
	if !ok || len(rest) < hashText {
		return p, false
	}
	var err error
	if s.leaf, err = base64.StdEncoding.AppendDecode(s.leaf[:0], leaf); err != nil {
		return p, false
	}
	p.Leaf = s.leaf
	var hash [hashText]byte
	if k, err := base64.StdEncoding.Decode(hash[:], rest[:hashText]); err != nil || k != len(p.Hash) {
		return p, false
	}
	p.Hash = merkle.Hash(hash[:len(p.Hash)])
	if rest, ok = bytes.CutPrefix(rest[hashText:], []byte(lineEntry)); !ok {
		return p, false
	}
	p.Entry, ok = bytes.CutSuffix(rest, []byte("}"))
	return p, ok
}

// slowLine reads a line that was written by something else, such as jq, and
// the ending.
func slowLine(text []byte) (p parts, ok bool) {
	var end struct {
		Checkpoint *string `json:"checkpoint"`
	}
	if json.Unmarshal(text, &end) == nil && end.Checkpoint != nil {
		return parts{Checkpoint: true}, true
	}
	var l line
	if json.Unmarshal(text, &l) != nil || l.Seq == nil || len(l.Hash) != len(p.Hash) {
		return p, false
	}
	return parts{Seq: *l.Seq, Leaf: l.Leaf, Hash: merkle.Hash(l.Hash), Entry: l.Entry}, true
}

// sameEntry reports whether the readable part says what the leaf says.
func sameEntry(text []byte, e *vitrine.Entry, s *scratch) bool {
	s.line = appendEntry(s.line[:0], e)
	if bytes.Equal(text, s.line) {
		return true
	}
	var said, want any
	return json.Unmarshal(text, &said) == nil && json.Unmarshal(s.line, &want) == nil && equalJSON(said, want)
}

// equalJSON compares what json.Unmarshal made.
func equalJSON(a, b any) bool {
	m, ok := a.(map[string]any)
	n, ok2 := b.(map[string]any)
	if !ok || !ok2 || len(m) != len(n) {
		return false
	}
	for k, v := range m {
		if w, ok := n[k]; !ok || v != w { // entries hold strings and numbers only
			return false
		}
	}
	return true
}

// readHeader reads the first line.
func readHeader(text []byte) (header, error) {
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return h, errors.New("its first line is not that of an export")
	}
	switch {
	case h.Version == 0:
		return h, errors.New("its first line is not that of an export")
	case h.Version != exportVersion:
		return h, errors.New("it is an export of version " + strconv.Itoa(h.Version) + ", which this program does not know")
	case h.From < 0 || h.To < h.From:
		return h, errors.New("its first line names a range that cannot be")
	}
	return h, nil
}
