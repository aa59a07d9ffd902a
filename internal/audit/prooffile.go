package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/merkle"
)

// proofVersion is the version of the proof file. The format is final, and each
// file has exactly one encoding: lines of JSON as they are appended here, each
// ended by a newline, without spaces, with fields in this order, strings escaped
// as encoding/json does and bytes in padded base64.
//
//	{"vitrine_log_proof":1,"origin":…,"public_key":…,"checkpoint":…}
//	{"index":…,"leaf":…,"path":[…],"entry":{…}}   for each entry, of any number
//	{"entries":…}                                 how many these were
//
// checkpoint is that of the log in which the entries stand, path the proof of
// RFC 6962 §2.1.1 that leaf, the leaf's bytes, is leaf index of it, from the
// sibling of the leaf up. entry is what the leaf says, as in an export. Where the
// first line ends in ,"since":{"checkpoint":…,"path":[…]}} it also proves, as in
// §2.1.2, that the log continues that earlier checkpoint of it.
const proofVersion = 1

// proofHead is the first line.
type proofHead struct {
	Version    int         `json:"vitrine_log_proof"`
	Origin     string      `json:"origin"`
	PublicKey  string      `json:"public_key"` // for convenience: trust the one that you have from elsewhere
	Checkpoint string      `json:"checkpoint"`
	Since      *proofSince `json:"since,omitempty"`
}

type proofSince struct {
	Checkpoint string        `json:"checkpoint"`
	Path       []merkle.Hash `json:"path"`
}

// proofLine is the line of an entry.
type proofLine struct {
	Index int64
	Leaf  []byte
	Path  []merkle.Hash
}

func (h *proofHead) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"vitrine_log_proof":`...), int64(h.Version), 10)
	b = appendString(append(b, `,"origin":`...), h.Origin)
	b = appendString(append(b, `,"public_key":`...), h.PublicKey)
	b = appendString(append(b, `,"checkpoint":`...), h.Checkpoint)
	if h.Since != nil {
		b = appendString(append(b, `,"since":{"checkpoint":`...), h.Since.Checkpoint)
		b = append(appendPath(b, h.Since.Path), '}')
	}
	return append(b, "}\n"...)
}

func appendPath(b []byte, path []merkle.Hash) []byte {
	b = append(b, `,"path":[`...)
	for i := range path {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(base64.StdEncoding.AppendEncode(append(b, '"'), path[i][:]), '"')
	}
	return append(b, ']')
}

// appendProof appends the line of an entry. Of a leaf that cannot be read the
// readable part is null.
func appendProof(b []byte, l proofLine) []byte {
	b = strconv.AppendInt(append(b, `{"index":`...), l.Index, 10)
	b = base64.StdEncoding.AppendEncode(append(b, `,"leaf":"`...), l.Leaf)
	b = appendPath(append(b, '"'), l.Path)
	b = append(b, `,"entry":`...)
	if e, _, err := entry.Parse(l.Leaf); err == nil {
		b = appendEntry(b, e)
	} else {
		b = append(b, "null"...)
	}
	return append(b, "}\n"...)
}

func appendProofEnd(b []byte, entries int64) []byte {
	return append(strconv.AppendInt(append(b, `{"entries":`...), entries, 10), "}\n"...)
}

// maxPath is the longest path of a proof: of a log of 2^63 entries.
const maxPath = 64

// hashPath is a proof in JSON.
type hashPath []merkle.Hash

// UnmarshalJSON implements json.Unmarshaler.
func (p *hashPath) UnmarshalJSON(b []byte) error {
	var all [][]byte
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	if len(all) > maxPath {
		return errors.New("a path of more than 64 hashes")
	}
	*p = hashPath{}
	for _, h := range all {
		if len(h) != len(merkle.Hash{}) {
			return fmt.Errorf("a hash of %d bytes", len(h))
		}
		*p = append(*p, merkle.Hash(h))
	}
	return nil
}

// readProofHead reads the first line.
func readProofHead(text []byte) (h proofHead, err error) {
	var in struct {
		proofHead
		Since *struct {
			Checkpoint string   `json:"checkpoint"`
			Path       hashPath `json:"path"`
		} `json:"since"`
	}
	if err := json.Unmarshal(text, &in); err != nil || in.Version == 0 {
		return h, errors.New("this is no proof file of a log")
	}
	if in.Version != proofVersion {
		return h, fmt.Errorf("it is a proof file of version %d, which this program does not know", in.Version)
	}
	h = in.proofHead
	if in.Since != nil {
		h.Since = &proofSince{in.Since.Checkpoint, in.Since.Path}
	}
	if !bytes.Equal(h.append(nil), text) {
		return h, errEncoding
	}
	return h, nil
}

var errEncoding = errors.New("it is not written as a proof file is; something was changed")

// readProofLine reads any other line; end is not nil for the last one.
func readProofLine(text []byte) (l proofLine, end *int64, err error) {
	var in struct {
		Index   int64           `json:"index"`
		Leaf    []byte          `json:"leaf"`
		Path    hashPath        `json:"path"`
		Entry   json.RawMessage `json:"entry"`
		Entries *int64          `json:"entries"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return l, nil, errors.New("it cannot be read")
	}
	if in.Entries != nil {
		if !bytes.Equal(appendProofEnd(nil, *in.Entries), text) {
			return l, nil, errEncoding
		}
		return l, in.Entries, nil
	}
	l = proofLine{in.Index, in.Leaf, in.Path}
	if !bytes.Equal(appendProof(nil, l), text) {
		return l, nil, errEncoding
	}
	return l, nil, nil
}

// WriteConsistency writes a proof file that holds no entry, only that the log of
// one checkpoint continues that of an earlier one.
func WriteConsistency(w io.Writer, public string, c Consistency) error {
	to, err := OpenCheckpoint(c.To, public)
	if err != nil {
		return fmt.Errorf("the later checkpoint: %w", err)
	}
	h := proofHead{Version: proofVersion, Origin: to.Origin, PublicKey: public, Checkpoint: c.To, Since: &proofSince{c.From, c.Path}}
	_, err = w.Write(appendProofEnd(h.append(nil), 0))
	return err
}
