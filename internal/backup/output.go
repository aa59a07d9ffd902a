package backup

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"strings"

	"vitrine.dev/vitrine/internal/store"
)

// output is the archive as it is written: tar, encrypted, counted and hashed.
type output struct {
	tar  *tar.Writer
	age  io.WriteCloser
	buf  *bufio.Writer // what leaves
	hash hash.Hash
	n    int64 // bytes of the age file so far
}

func newOutput(w io.Writer, recipients []string, info Info) (*output, error) {
	o := &output{buf: bufio.NewWriterSize(w, 64<<10), hash: sha256.New()}
	var err error
	if o.age, err = encrypt(counted{o}, recipients, info); err != nil {
		return nil, err
	}
	o.tar = tar.NewWriter(o.age)
	return o, nil
}

// counted is where the age file goes.
type counted struct{ o *output }

// Write implements io.Writer.
func (c counted) Write(p []byte) (int, error) {
	_, _ = c.o.hash.Write(p) // never fails
	n, err := c.o.buf.Write(p)
	c.o.n += int64(n)
	return n, err
}

// head begins a file of size bytes in the archive.
func (o *output) head(name string, size int64) error {
	return o.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, Format: tar.FormatPAX})
}

func (o *output) file(name string, content []byte) error {
	if err := o.head(name, int64(len(content))); err != nil {
		return err
	}
	_, err := o.tar.Write(content)
	return err
}

func (o *output) json(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return o.file(name, append(text, '\n'))
}

// close ends the age file.
func (o *output) close() error { return errors.Join(o.tar.Close(), o.age.Close()) }

// sum is the SHA-256 of the age file, in hex.
func (o *output) sum() string { return hex.EncodeToString(o.hash.Sum(nil)) }

// stays reports whether what stands under a key of meta is true of an
// installation wherever it is. Its wrapped key is not, nor what is about its own
// log, nor what a restore or a probe noted.
func stays(name string) bool {
	return name != "installation_key" && name != "probe" && name != store.Restoring && !strings.HasPrefix(name, "log_")
}
