package backup

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"

	"vitrine.dev/vitrine/internal/store"
)

const (
	version   = 1
	statement = "vitrine-backup/1" // first line of what is signed
	stanza    = "vitrine-backup-1" // of the age header: Info in JSON, for everybody
	sealSize  = 1024               // bytes at the end
)

// Info is what a backup tells everybody.
type Info struct {
	Version   int       `json:"vitrine_backup"`
	Origin    string    `json:"origin"`     // of the log
	PublicKey string    `json:"public_key"` // for convenience: trust the one that you have from elsewhere
	Epoch     int64     `json:"epoch"`
	Taken     time.Time `json:"taken"`
	Schema    int64     `json:"schema"`   // version of the tables
	Revision  int64     `json:"revision"` // of the policy
	Size      int64     `json:"size"`     // entries of the log
	Root      string    `json:"root"`     // over them
	Program   string    `json:"program,omitempty"`
}

// manifest is the first thing inside.
type manifest struct {
	Info
	Key        []byte        `json:"installation_key"`
	Checkpoint string        `json:"checkpoint,omitempty"` // the last that was signed
	Tables     []store.Table `json:"tables"`
}

// end is the last thing inside.
type end struct {
	Rows  map[string]int64 `json:"rows"` // by table
	Blobs int64            `json:"blobs"`
	// Gone are blobs whose rows were taken away while the backup ran.
	Gone []string `json:"gone,omitempty"`
	// Damaged are blobs that rows name and that could not be read. Those in both
	// the archive and here are filled up with zeros.
	Damaged []string `json:"damaged,omitempty"`
}

// The names inside.
const (
	manifestName = "manifest.json"
	endName      = "end.json"
	rowsPrefix   = "rows/"
	blobsPrefix  = "blobs/"
)

// announced is a recipient that puts Info beside the wrapped key. Readers of age
// files step over stanzas that they do not know.
type announced struct {
	age.Recipient
	info []byte
}

// WrapWithLabels implements age.RecipientWithLabels.
func (a announced) WrapWithLabels(fileKey []byte) (all []*age.Stanza, labels []string, err error) {
	if l, ok := a.Recipient.(age.RecipientWithLabels); ok {
		all, labels, err = l.WrapWithLabels(fileKey)
	} else {
		all, err = a.Recipient.Wrap(fileKey)
	}
	return append(all, &age.Stanza{Type: stanza, Body: a.info}), labels, err
}

// encrypt begins an age file to recipients that announces info.
func encrypt(dst io.Writer, recipients []string, info Info) (io.WriteCloser, error) {
	to, err := parseRecipients(recipients)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(info)
	if err != nil {
		return nil, err
	}
	to[0] = announced{to[0], text}
	return age.Encrypt(dst, to...)
}

// maxHeader bounds the head of an age file.
const maxHeader = 256 << 10

var errNoBackup = errors.New("this is no backup of Vitrine")

// announcement reads Info from the head of an age file.
func announcement(r io.Reader) (Info, error) {
	var info Info
	header, err := age.ExtractHeader(io.LimitReader(r, maxHeader))
	if err != nil {
		return info, errNoBackup
	}
	in := bufio.NewScanner(bytes.NewReader(header))
	in.Buffer(nil, maxHeader)
	var body strings.Builder
	found := false
	for in.Scan() {
		line := in.Text()
		switch {
		case line == "-> "+stanza:
			found = true
		case found && !strings.HasPrefix(line, "->") && !strings.HasPrefix(line, "---"):
			body.WriteString(line)
		case found:
			return info, parseInfo(body.String(), &info)
		}
	}
	return info, errNoBackup
}

func parseInfo(body string, info *Info) error {
	text, err := base64.RawStdEncoding.Strict().DecodeString(body)
	if err != nil || json.Unmarshal(text, info) != nil || info.Version == 0 {
		return errNoBackup
	}
	if info.Version > version {
		return fmt.Errorf("this backup is of version %d, which this program does not know: use a newer one", info.Version)
	}
	return nil
}

// sealed is what stands at the end of a backup.
type sealed struct {
	origin string
	size   int64
	sum    string // hex
}

func (s sealed) text() string {
	return fmt.Sprintf("%s\n%s\n%d\n%s\n", statement, s.origin, s.size, s.sum)
}

func parseSealed(text string) (s sealed, err error) {
	var first string
	n, err := fmt.Sscanf(text, "%s\n%s\n%d\n%s\n", &first, &s.origin, &s.size, &s.sum)
	if err != nil || n != 4 || first != statement || s.text() != text {
		return s, errors.New("what is signed at its end is not about a backup")
	}
	return s, nil
}

// pad makes a signed note the end of a file.
func pad(note string) ([]byte, error) {
	if len(note) > sealSize {
		return nil, fmt.Errorf("the signed end has %d bytes", len(note))
	}
	return append([]byte(note), bytes.Repeat([]byte{'\n'}, sealSize-len(note))...), nil
}

// unpad is the note at the end of a file.
func unpad(b []byte) string { return strings.TrimRight(string(b), "\n") + "\n" }
