package backup

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/store"
)

// Take writes a backup of everything to w, while everybody else goes on. Who
// asks needs system.backup, and learns nothing of what is inside. It is recorded
// when it begins and when it is written. A blob that a row names and that cannot
// be read does not stop it: Taken names it, and the log raises an alert. What
// was written before an error is no backup.
func (b *Backups) Take(ctx context.Context, by access.Caller, w io.Writer) (*Taken, error) {
	t, err := b.ask(ctx, by, "take")
	if err != nil {
		return nil, err
	}
	known, err := b.Known(ctx)
	if err != nil {
		return nil, t.Refuse(ctx, "failed", err)
	}
	if known.Epoch == nil {
		return nil, t.Refuse(ctx, "no_recipient", &vitrine.Error{Kind: vitrine.ErrConflict, Code: "no_recipient",
			Public: "Nobody could open a backup: there is no recovery recipient yet. On the server's machine: vitrine backup epoch rotate."})
	}
	if !b.taking.TryLock() {
		return nil, t.Refuse(ctx, "backup_running", &vitrine.Error{Kind: vitrine.ErrConflict, Code: "backup_running",
			Public: "A backup is being taken already."})
	}
	defer b.taking.Unlock()
	t.Entry().Detail = fmt.Sprintf("epoch %d", known.Epoch.Number)
	receipt, err := t.Record(ctx)
	if err != nil {
		return nil, err
	}
	k := &taking{Backups: b, epoch: known.Epoch}
	defer k.close()
	err = k.write(ctx, w)
	return k.finish(ctx, receipt, err)
}

// taking is a backup on its way.
type taking struct {
	*Backups
	epoch *Epoch
	taken Taken
	end   end
	out   *output

	page  []byte // rows of table that are not written yet
	table *store.Table
	pages int // of table that were written

	names *os.File // of blobs to copy: size and name, a line each
	list  *bufio.Writer
}

// write writes the whole file.
func (k *taking) write(ctx context.Context, w io.Writer) (err error) {
	if err := k.spool(); err != nil {
		return err
	}
	err = k.store.Dump(ctx, store.Dumper{
		Begin: func(s store.Snapshot) error { return k.begin(s, w) },
		Row:   k.row, Blob: k.note,
	})
	if err == nil {
		err = k.flush()
	}
	if err == nil {
		err = k.blobs(ctx)
	}
	if err == nil {
		err = k.out.json(endName, k.end)
	}
	if err == nil {
		err = k.out.close()
	}
	if err != nil {
		return err
	}
	return k.seal()
}

// begin writes what stands before the rows.
func (k *taking) begin(s store.Snapshot, w io.Writer) (err error) {
	k.taken.Info = Info{
		Version: version, Origin: k.log.Origin(), PublicKey: k.log.PublicKey(), Epoch: k.epoch.Number, Taken: k.now().UTC().Truncate(time.Second),
		Schema: s.Schema, Revision: s.Revision, Size: s.Size, Root: s.Root.String(), Program: k.program,
	}
	k.end.Rows = map[string]int64{}
	if k.out, err = newOutput(w, k.epoch.Recipients, k.taken.Info); err != nil {
		return err
	}
	return k.out.json(manifestName, manifest{Info: k.taken.Info, Key: k.key[:], Checkpoint: s.Checkpoint, Tables: s.Tables})
}

// pageSize is how many bytes of rows are written together, roughly.
const pageSize = 1 << 20

func (k *taking) row(t *store.Table, values []any) (err error) {
	if name, ok := values[0].(string); t.Name == "meta" && (!ok || !stays(name)) {
		return nil
	}
	if k.table != t {
		if err := k.flush(); err != nil {
			return err
		}
		k.table, k.pages = t, 0
	}
	if k.page, err = appendRow(k.page, values); err != nil {
		return fmt.Errorf("table %s: %w", t.Name, err)
	}
	k.end.Rows[t.Name]++
	if len(k.page) >= pageSize {
		return k.flush()
	}
	return nil
}

// flush writes what there is of a page.
func (k *taking) flush() error {
	if len(k.page) == 0 {
		return nil
	}
	err := k.out.file(fmt.Sprintf("%s%s/%08d", rowsPrefix, k.table.Name, k.pages), k.page)
	k.page = k.page[:0]
	k.pages++
	return err
}

// spool makes the list of the blobs to copy: it may be longer than should be
// kept in memory, and the snapshot should not stay open while they are copied.
func (k *taking) spool() (err error) {
	if k.names, err = os.CreateTemp("", "vitrine-backup-*"); err != nil {
		return err
	}
	k.list = bufio.NewWriter(k.names)
	return os.Remove(k.names.Name()) // it goes when it is closed
}

func (k *taking) note(name string, size int64) error {
	_, err := fmt.Fprintf(k.list, "%d %s\n", size, name)
	return err
}

func (k *taking) close() {
	if k.names != nil {
		_ = k.names.Close() // it has no name any more
	}
}

// blobs copies every blob that was noted.
func (k *taking) blobs(ctx context.Context) error {
	if err := k.list.Flush(); err != nil {
		return err
	}
	if _, err := k.names.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReader(k.names)
	for {
		var size int64
		var name string
		_, err := fmt.Fscanf(in, "%d %s\n", &size, &name)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = k.blob(ctx, name, size)
		}
		if err != nil {
			return fmt.Errorf("blob %s: %w", name, err)
		}
	}
}

// blob copies a blob. It is written before its row and removed after it, so one
// that is not there had its row taken away, or is damaged.
func (k *taking) blob(ctx context.Context, name string, size int64) error {
	f, err := k.bucket.Open(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k.missing(ctx, name)
	case err != nil:
		return err
	}
	defer f.Close() // only read
	if f.Size() != size {
		k.end.Damaged = append(k.end.Damaged, name)
		return nil
	}
	if err := k.out.head(blobsPrefix+name, size); err != nil {
		return err
	}
	r := &stubborn{r: io.NewSectionReader(f, 0, size), left: size}
	if _, err := io.Copy(k.out.tar, r); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.err != nil { // the archive must go on, so that the others are kept
		k.end.Damaged = append(k.end.Damaged, name)
	}
	k.end.Blobs++
	return nil
}

// missing notes why a blob is not there.
func (k *taking) missing(ctx context.Context, name string) error {
	named, err := k.store.BlobNamed(ctx, []string{name})
	if err != nil {
		return err
	}
	if named[name] {
		k.end.Damaged = append(k.end.Damaged, name)
	} else {
		k.end.Gone = append(k.end.Gone, name)
	}
	return nil
}

// stubborn reads left bytes whatever happens: zeros, once reading fails.
type stubborn struct {
	r    io.Reader
	left int64
	err  error
}

// Read implements io.Reader.
func (s *stubborn) Read(p []byte) (n int, err error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), s.left)]
	if s.err == nil {
		n, s.err = s.r.Read(p)
		if s.err == io.EOF && int64(n) == s.left {
			s.err = nil
		}
	} else {
		clear(p)
		n = len(p)
	}
	s.left -= int64(n)
	return n, nil
}

// seal writes the end of the file, which is signed.
func (k *taking) seal() error {
	k.taken.SHA256, k.taken.Bytes = k.out.sum(), k.out.n+sealSize
	note, err := k.log.Vouch(sealed{k.taken.Origin, k.out.n, k.taken.SHA256}.text())
	if err != nil {
		return err
	}
	last, err := pad(note)
	if err != nil {
		return err
	}
	if _, err := k.out.buf.Write(last); err != nil {
		return err
	}
	return k.out.buf.Flush()
}

// finish records how it ended.
func (k *taking) finish(ctx context.Context, r access.Receipt, failed error) (*Taken, error) {
	e := &vitrine.Entry{Time: k.now()}
	if failed != nil {
		e.Outcome, e.Code, e.Detail = vitrine.Broken, "failed", "the backup was not written to its end"
		return nil, errors.Join(failed, k.guard.Finish(ctx, r, e, nil))
	}
	k.taken.Images, k.taken.Blobs, k.taken.Damaged = k.end.Rows["images"], k.end.Blobs, k.end.Damaged
	e.Detail = fmt.Sprintf("epoch %d, %d entries, %d images, %d bytes, sha256 %s", k.taken.Epoch, k.taken.Size, k.taken.Images, k.taken.Bytes, k.taken.SHA256)
	if n := len(k.taken.Damaged); n > 0 {
		e.Alert = "backup_incomplete"
		e.Detail += fmt.Sprintf("; %d blobs could not be read", n)
	}
	last := k.taken
	last.Damaged = last.Damaged[:min(len(last.Damaged), 100)]
	text, err := json.Marshal(last)
	if err != nil {
		return nil, err
	}
	err = k.guard.Finish(ctx, r, e, func(tx *store.Tx) error { return tx.SetMeta(metaLast, string(text)) })
	if err != nil {
		return nil, err
	}
	return &k.taken, nil
}
