package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"filippo.io/age"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/store"
)

// Archive is a backup that was found whole.
type Archive struct {
	Info
	Bytes  int64  // of the file
	SHA256 string // of its encrypted part, hex
	// Trusted: its signature was checked with a key that came from elsewhere.
	Trusted bool

	file       io.ReaderAt
	size       int64 // of the encrypted part
	identities []age.Identity
}

// damaged is the error for a file that is not what was written.
func damaged(format string, args ...any) error {
	return &vitrine.Error{Kind: vitrine.ErrInvalid, Code: "damaged_backup", Param: "from",
		Public: "The backup is not what was written: " + fmt.Sprintf(format, args...) + "."}
}

// Open reads all of a backup of size bytes and makes sure that it is whole and
// signed by the key of the log, public; "" is the key that the backup itself
// names, with which only chance is found out and no forger. It needs no
// identity. read, may be nil, is told how many bytes were read.
func Open(ctx context.Context, f io.ReaderAt, size int64, public string, read func(int64)) (*Archive, error) {
	info, err := announcement(io.NewSectionReader(f, 0, size))
	if err != nil {
		return nil, &vitrine.Error{Kind: vitrine.ErrInvalid, Code: "no_backup", Param: "from", Public: sentence(err), Err: err}
	}
	if size < sealSize {
		return nil, damaged("it was cut")
	}
	a := &Archive{Info: info, Bytes: size, Trusted: public != "", file: f, size: size - sealSize}
	if public == "" {
		public = info.PublicKey
	}
	last := make([]byte, sealSize)
	if _, err := f.ReadAt(last, a.size); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	text, err := audit.Vouched(unpad(last), public)
	if err != nil {
		return nil, damaged("its end is not signed by the log's key; it was cut or changed, or is another installation's")
	}
	said, err := parseSealed(text)
	if err != nil {
		return nil, damaged("%v", err)
	}
	if a.SHA256, err = digest(ctx, io.NewSectionReader(f, 0, a.size), read); err != nil {
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	if said.size != a.size || said.sum != a.SHA256 || said.origin != info.Origin {
		return nil, damaged("its bytes are not those that were signed")
	}
	return a, nil
}

func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func digest(ctx context.Context, r io.Reader, read func(int64)) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, watched(ctx, r, read)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// watched is r, until ctx is done, with a count of what was read.
func watched(ctx context.Context, r io.Reader, read func(int64)) io.Reader {
	return &watcher{ctx, r, read, 0}
}

type watcher struct {
	ctx  context.Context
	r    io.Reader
	read func(int64)
	n    int64
}

// Read implements io.Reader.
func (w *watcher) Read(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	n, err := w.r.Read(p)
	if w.n += int64(n); w.read != nil {
		w.read(w.n)
	}
	return n, err
}

// Unlock gives the identity that opens the backup. What opens it not is refused.
func (a *Archive) Unlock(identity string) error {
	ids, err := parseIdentities(identity)
	if err != nil {
		return err
	}
	a.identities = ids
	if _, err := a.decrypt(context.Background(), nil); err != nil {
		return err
	}
	return nil
}

func (a *Archive) decrypt(ctx context.Context, read func(int64)) (io.Reader, error) {
	if len(a.identities) == 0 {
		return nil, vitrine.Invalid("identity", "identity", "The recovery identity opens a backup.")
	}
	r, err := age.Decrypt(watched(ctx, io.NewSectionReader(a.file, 0, a.size), read), a.identities...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, &vitrine.Error{Kind: vitrine.ErrInvalid, Code: "wrong_identity", Param: "identity",
			Public: fmt.Sprintf("This identity does not open the backup, which is of epoch %d. Is it of another epoch?", a.Epoch)}
	}
	if err != nil {
		return nil, damaged("%v", err)
	}
	return r, nil
}

// visitor is shown what is inside, in order.
type visitor struct {
	manifest func(*manifest) error
	rows     func(t *store.Table, page []byte) error
	blob     func(name string, size int64, r io.Reader) error
}

// Contents is what is inside a backup.
type Contents struct {
	Info
	Tables map[string]int64 `json:"tables"` // rows
	Blobs  int64            `json:"blobs"`
	// Gone are blobs whose rows were taken away while the backup ran, Damaged
	// those that could not be read then.
	Gone    []string `json:"gone,omitempty"`
	Damaged []string `json:"damaged,omitempty"`

	manifest *manifest
}

// Check reads everything inside, and writes nothing.
func (a *Archive) Check(ctx context.Context, read func(int64)) (*Contents, error) {
	return a.walk(ctx, read, visitor{
		manifest: func(*manifest) error { return nil },
		rows:     func(*store.Table, []byte) error { return nil },
		blob: func(_ string, _ int64, r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		},
	})
}

// walk goes through the archive and makes sure of its form and its counts.
func (a *Archive) walk(ctx context.Context, read func(int64), v visitor) (*Contents, error) {
	plain, err := a.decrypt(ctx, read)
	if err != nil {
		return nil, err
	}
	w := &walk{visitor: v, tar: tar.NewReader(plain), counted: map[string]int64{}}
	for err = w.begin(&a.Info); err == nil && !w.over; {
		err = w.next()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	// What follows must be nothing, authenticated to its last byte.
	if _, err := w.tar.Next(); err != io.EOF {
		return nil, damaged("something stands behind its end")
	}
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return nil, damaged("%v", err)
	}
	c := &Contents{Info: a.Info, Tables: w.counted, Blobs: w.blobs, Gone: w.end.Gone, Damaged: w.end.Damaged, manifest: &w.head}
	if !maps.Equal(w.counted, w.end.Rows) || w.blobs != w.end.Blobs {
		return nil, damaged("it holds not as much as it says")
	}
	return c, nil
}

// Bounds of what is inside.
const (
	maxJSON = 64 << 20
	maxPage = 256 << 20
)

// walk is one way through an archive.
type walk struct {
	visitor
	tar     *tar.Reader
	head    manifest
	end     end
	table   int    // of the manifest's tables, whose rows come
	page    int    // of that table, which comes next
	last    string // blob
	blobs   int64
	counted map[string]int64
	over    bool
}

func (w *walk) begin(info *Info) error {
	h, err := w.tar.Next()
	if err != nil || h.Name != manifestName {
		return damaged("it does not begin with what it holds")
	}
	if err := w.json(h, &w.head); err != nil {
		return err
	}
	if w.head.Info != *info {
		return damaged("it says one thing outside and another inside")
	}
	return w.manifest(&w.head)
}

func (w *walk) next() error {
	h, err := w.tar.Next()
	if err != nil {
		return damaged("it breaks off (%v)", err)
	}
	switch {
	case h.Name == endName:
		w.over = true
		return w.json(h, &w.end)
	case h.Typeflag == tar.TypeReg && strings.HasPrefix(h.Name, rowsPrefix):
		return w.takeRows(h)
	case h.Typeflag == tar.TypeReg && strings.HasPrefix(h.Name, blobsPrefix):
		return w.takeBlob(h)
	}
	return damaged("it holds %q, which nobody knows", h.Name)
}

func (w *walk) json(h *tar.Header, v any) error {
	text, err := w.whole(h, maxJSON)
	if err == nil && json.Unmarshal(text, v) != nil {
		err = damaged("%s cannot be read", h.Name)
	}
	return err
}

// whole reads a file of the archive into memory.
func (w *walk) whole(h *tar.Header, most int64) ([]byte, error) {
	if h.Size > most {
		return nil, damaged("%s has %d bytes", h.Name, h.Size)
	}
	b := make([]byte, h.Size)
	if _, err := io.ReadFull(w.tar, b); err != nil {
		return nil, damaged("%s cannot be read (%v)", h.Name, err)
	}
	return b, nil
}

// takeRows takes a page of rows, which must be the next.
func (w *walk) takeRows(h *tar.Header) error {
	for w.table < len(w.head.Tables) {
		t := &w.head.Tables[w.table]
		if h.Name == fmt.Sprintf("%s%s/%08d", rowsPrefix, t.Name, w.page) && w.last == "" {
			w.page++
			page, err := w.whole(h, maxPage)
			if err != nil {
				return err
			}
			return w.countRows(t, page)
		}
		w.table, w.page = w.table+1, 0
	}
	return damaged("%s stands in the wrong place", h.Name)
}

func (w *walk) countRows(t *store.Table, page []byte) error {
	for _, err := range readRows(page, t) {
		if err != nil {
			return damaged("%v", err)
		}
		w.counted[t.Name]++
	}
	return w.rows(t, page)
}

// takeBlob takes a blob, which must come after the last in the order of names.
func (w *walk) takeBlob(h *tar.Header) error {
	name := strings.TrimPrefix(h.Name, blobsPrefix)
	if name <= w.last {
		return damaged("%s stands in the wrong place", h.Name)
	}
	w.last = name
	w.blobs++
	return w.blob(name, h.Size, w.tar)
}
