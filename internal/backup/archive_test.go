package backup_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

// What is not whole, not ours, not for this identity or not for this place is
// refused, and nothing is written.
func TestRestoreRefuses(t *testing.T) {
	p := newPlace(t)
	p.put(300, 1)
	file := p.take()
	good, err := os.ReadFile(file)
	p.do(err)
	other := newPlace(t)
	key, otherKey := p.Log.PublicKey(), other.Log.PublicKey()
	write := func(b []byte) string {
		at := filepath.Join(t.TempDir(), "backup")
		p.do(os.WriteFile(at, b, 0o600))
		return at
	}
	flipped := func(at int) string {
		b := bytes.Clone(good)
		b[at] ^= 1
		return write(b)
	}
	for _, c := range []struct {
		name string
		r    app.RestoreRequest
		want string
	}{
		{"a byte of the head", app.RestoreRequest{From: flipped(5)}, "no backup"},
		{"a byte of the announcement", app.RestoreRequest{From: flipped(bytes.Index(good, []byte("-> vitrine-backup-1")) + 60)}, ""},
		{"a byte in the middle", app.RestoreRequest{From: flipped(len(good) / 2)}, "not what was written"},
		{"a byte of the end", app.RestoreRequest{From: flipped(len(good) - 1000)}, "not signed"},
		{"cut by a byte", app.RestoreRequest{From: write(good[:len(good)-1])}, "not signed"},
		{"cut in the middle", app.RestoreRequest{From: write(good[:len(good)/2])}, "not signed"},
		{"something behind it", app.RestoreRequest{From: write(append(bytes.Clone(good), 'x'))}, "not signed"},
		{"empty", app.RestoreRequest{From: write(nil)}, "no backup"},
		{"another file", app.RestoreRequest{From: write(bytes.Repeat([]byte("x"), 10_000))}, "no backup"},
		{"another identity", app.RestoreRequest{From: file, Identity: other.identity}, "does not open"},
		{"no identity", app.RestoreRequest{From: file, Identity: "x"}, "no recovery identity"},
		{"another log's key", app.RestoreRequest{From: file, PublicKey: otherKey}, "not signed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.r.Identity == "" {
				c.r.Identity = p.identity
			}
			to := empty(t, "")
			_, err := app.Restore(t.Context(), to, c.r)
			if !errors.Is(err, vitrine.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ...%s...", err, c.want)
			}
			if left, _ := filepath.Glob(filepath.Dir(to.Data) + "/*"); len(left) > 0 {
				t.Errorf("left %q", left)
			}
		})
	}
	t.Run("a place that is not empty", func(t *testing.T) {
		if err := other.Stop(); err != nil {
			t.Fatal(err)
		}
		before := snapshotDir(t, other.Config.Data)
		_, err := app.Restore(t.Context(), other.Config, app.RestoreRequest{From: file, Identity: p.identity})
		if !errors.Is(err, vitrine.ErrConflict) {
			t.Errorf("over an installation: %v", err)
		}
		to := empty(t, "")
		p.do(os.MkdirAll(to.Data, 0o700), os.WriteFile(filepath.Join(to.Data, "mine"), []byte("x"), 0o600))
		if _, err := app.Restore(t.Context(), to, app.RestoreRequest{From: file, Identity: p.identity}); !errors.Is(err, vitrine.ErrConflict) {
			t.Errorf("beside another file: %v", err)
		}
		to = empty(t, "")
		to.Checkpoints = other.Config.Checkpoints
		if _, err := app.Restore(t.Context(), to, app.RestoreRequest{From: file, Identity: p.identity}); !errors.Is(err, vitrine.ErrConflict) {
			t.Errorf("over another log's checkpoints: %v", err)
		}
		if after := snapshotDir(t, other.Config.Data); !slices.Equal(before, after) {
			t.Errorf("it changed:\n%q\n%q", before, after)
		}
	})
	t.Run("the good one", func(t *testing.T) {
		n, done := restored(t, p, empty(t, ""), app.RestoreRequest{From: file, PublicKey: key})
		if !done.Trusted {
			t.Error("it is not trusted")
		}
		n.opens(n.Caller(p.annKey))
	})
}

// snapshotDir are the names and sizes of files.
func snapshotDir(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(path, "-shm") && !strings.HasSuffix(path, "-wal") {
			b, rerr := os.ReadFile(path)
			all, err = append(all, path+" "+string(rune(len(b)))), rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// forged is a backup that somebody made who has the recipient, and signed with a
// key of his own.
func forged(t *testing.T, p *place, change func(name string, b []byte) []byte) (file, key string) {
	t.Helper()
	good, err := os.ReadFile(p.take())
	p.do(err)
	ids, err := age.ParseIdentities(strings.NewReader(p.identity.Reveal()))
	p.do(err)
	plain, err := age.Decrypt(bytes.NewReader(good[:len(good)-1024]), ids...)
	p.do(err)
	var inside bytes.Buffer
	w := tar.NewWriter(&inside)
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		p.do(err)
		b, err := io.ReadAll(r)
		p.do(err)
		if b = change(h.Name, b); b == nil {
			continue
		}
		h.Size = int64(len(b))
		p.do(w.WriteHeader(h), last(w.Write(b)))
	}
	p.do(w.Close())
	b, err := backup.Forge(t.Context(), p.Backups, inside.Bytes(), good)
	p.do(err)
	file = filepath.Join(t.TempDir(), "forged")
	p.do(os.WriteFile(file, b, 0o600))
	return file, p.Log.PublicKey()
}

// What is inside is held to its form, whoever signed it.
func TestInside(t *testing.T) {
	p := newPlace(t)
	p.put(300, 1)
	p.put(300, 2)
	first := ""
	for _, c := range []struct {
		name   string
		change func(name string, b []byte) []byte
		want   string
	}{
		{"a table is missing", func(name string, b []byte) []byte {
			if strings.HasPrefix(name, "rows/objects/") {
				return nil
			}
			return b
		}, "not as much as it says"},
		{"a blob is missing", func(name string, b []byte) []byte {
			if first == "" && strings.HasPrefix(name, "blobs/") {
				first = name
			}
			if name == first && first != "" {
				return nil
			}
			return b
		}, "not as much as it says"},
		{"the end is missing", func(name string, b []byte) []byte {
			if name == "end.json" {
				return nil
			}
			return b
		}, "breaks off"},
		{"a file of another kind", func(name string, b []byte) []byte {
			if name == "manifest.json" {
				return nil
			}
			return b
		}, "does not begin"},
		{"rows that are none", func(name string, b []byte) []byte {
			if strings.HasPrefix(name, "rows/log/") {
				return append(b, 9)
			}
			return b
		}, "cannot be read"},
		{"another log outside than inside", func(name string, b []byte) []byte {
			if name == "manifest.json" {
				return bytes.Replace(b, []byte(`"epoch": `), []byte(`"epoch": 1`), 1)
			}
			return b
		}, "one thing outside"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, _ := forged(t, p, c.change)
			to := empty(t, "")
			_, err := app.Restore(t.Context(), to, app.RestoreRequest{From: file, Identity: p.identity})
			if !errors.Is(err, vitrine.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ...%s...", err, c.want)
			}
			if left, _ := filepath.Glob(filepath.Dir(to.Data) + "/*"); len(left) > 0 {
				t.Errorf("left %q", left)
			}
		})
	}
	t.Run("unchanged", func(t *testing.T) {
		file, _ := forged(t, p, func(_ string, b []byte) []byte { return b })
		n, _ := restored(t, p, empty(t, ""), app.RestoreRequest{From: file})
		n.opens(n.Caller(p.annKey))
	})
}

// on calls fn once, when n bytes were written.
type on struct {
	io.Writer
	n  int
	fn func()
}

func (o *on) Write(b []byte) (int, error) {
	if o.n -= len(b); o.n <= 0 && o.fn != nil {
		fn := o.fn
		o.fn = nil
		fn()
	}
	return o.Writer.Write(b)
}

// An image that is destroyed while the backup is taken, before its bytes were
// copied, is destroyed in it; one whose bytes are lost is named.
func TestGoneAndDamaged(t *testing.T) {
	p := newPlace(t)
	var ids []vitrine.ID
	for i := range uint64(6) {
		ids = append(ids, p.put(300, i))
	}
	slices.Sort(ids)
	gone, lost := ids[4], ids[5]
	p.do(os.Remove(blobFile(t, p, lost)))
	file := filepath.Join(t.TempDir(), "backup")
	f, err := os.Create(file)
	p.do(err)
	w := &on{f, 200_000, func() {
		p.do(last(p.Vault.Delete(t.Context(), p.ann, gone, vault.Deleting{Now: true, Reason: "test"})))
	}}
	taken, err := p.Backups.Take(t.Context(), p.Owner(0), w)
	p.do(err, f.Close())
	if w.fn != nil || !slices.Equal(taken.Damaged, []string{string(lost) + "/original"}) || taken.Blobs != 4 {
		t.Fatalf("taken %+v", taken)
	}
	e, err := p.Store.Entries(t.Context(), store.EntryQuery{Back: true, Limit: 1})
	if err != nil || e[0].Alert != "backup_incomplete" || e[0].Act != "system.backup" {
		t.Errorf("last entry %+v, %v", e, err)
	}
	n, done := restored(t, p, empty(t, ""), app.RestoreRequest{From: file})
	if done.Gone != 1 || done.DamagedCount != 1 || !strings.Contains(done.Damaged[0], string(lost)) {
		t.Errorf("restored %+v", done)
	}
	delete(n.images, lost)
	n.opens(n.Caller(p.annKey), gone)
}

func blobFile(t *testing.T, p *place, id vitrine.ID) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(p.Config.Data, "blobs", "*", string(id)+",original"))
	if err != nil || len(all) != 1 {
		t.Fatalf("files %q, %v", all, err)
	}
	return all[0]
}

// A restore that dies leaves nothing that can be served, and the next one begins
// anew.
func TestRestoreDies(t *testing.T) {
	p := newPlace(t)
	p.put(300, 1)
	file := p.take()
	to := empty(t, "")
	p.do(os.MkdirAll(filepath.Join(to.Data, "blobs"), 0o700))
	l, err := store.Load(t.Context(), "sqlite:"+filepath.Join(to.Data, "vitrine.db"), 1)
	p.do(err, l.Close()) // and here the machine lost power
	if _, err := app.Open(t.Context(), to, app.Options{}); err == nil || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("open it: %v", err)
	}
	if _, err := app.Init(t.Context(), to, app.InitRequest{Owners: []string{"a@example.com", "b@example.com"}}); err == nil || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("init there: %v", err)
	}
	n, _ := restored(t, p, to, app.RestoreRequest{From: file})
	n.opens(n.Caller(p.annKey))
}

// Who may not take backups is refused, and so is everybody while there is no
// recipient or another is being taken; each attempt is recorded.
func TestTakeRefuses(t *testing.T) {
	p := newPlace(t)
	code := func(err error) string {
		var e *vitrine.Error
		if !errors.As(err, &e) {
			return ""
		}
		return e.Code
	}
	if _, err := p.Backups.Take(t.Context(), p.ann, io.Discard); !errors.Is(err, vitrine.ErrNotFound) && !errors.Is(err, vitrine.ErrDenied) {
		t.Errorf("as ann: %v", err)
	}
	if _, err := p.Backups.Status(t.Context(), p.ann); err == nil {
		t.Error("ann learns when the last one was taken")
	}
	// A service account with this one permission takes backups every night.
	if _, err := p.Backups.Take(t.Context(), p.As("nightly"), io.Discard); err != nil {
		t.Errorf("as nightly: %v", err)
	}
	w := &on{io.Discard, 1, func() {
		if _, err := p.Backups.Take(t.Context(), p.Owner(0), io.Discard); code(err) != "backup_running" {
			t.Errorf("a second one: %v", err)
		}
	}}
	if _, err := p.Backups.Take(t.Context(), p.Owner(0), w); err != nil || w.fn != nil {
		t.Errorf("the first one: %v", err)
	}
	if _, err := p.Backups.Take(t.Context(), p.Owner(0), failing{}); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("into a full disk: %v", err)
	}
	e, err := p.Store.Entries(t.Context(), store.EntryQuery{Back: true, Limit: 1})
	if err != nil || e[0].Outcome != vitrine.Broken {
		t.Errorf("last entry %+v, %v", e, err)
	}
	p.do(p.Store.Maintain(t.Context(), func(tx *store.Tx) error { return tx.DropMeta("backup_epoch") }))
	if _, err := p.Backups.Take(t.Context(), p.Owner(0), io.Discard); code(err) != "no_recipient" {
		t.Errorf("without a recipient: %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no room") }

// After the epoch was rotated the old identity opens no new backup and the new
// one no old.
func TestEpoch(t *testing.T) {
	p := newPlace(t)
	old, before := p.identity, p.take()
	r, err := p.Backups.Rotate(t.Context(), nil)
	p.do(err)
	if r.Number != 3 { // init began the first, the test the second
		t.Errorf("epoch %d", r.Number)
	}
	after := p.take()
	own, err := age.GenerateX25519Identity()
	p.do(err)
	p.do(last(p.Backups.Rotate(t.Context(), []string{own.Recipient().String()})))
	given := p.take()
	for _, c := range []struct {
		name, file string
		id         vitrine.Secret
		opens      bool
	}{
		{"old with old", before, old, true}, {"old with new", before, r.Identity, false},
		{"new with old", after, old, false}, {"new with new", after, r.Identity, true},
		{"own with own", given, vitrine.Secret("# a comment\n" + own.String() + "\n"), true}, {"own with new", given, r.Identity, false},
	} {
		_, err := app.VerifyBackup(t.Context(), c.file, "", c.id, nil)
		if (err == nil) != c.opens {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, bad := range [][]string{{"x"}, {"age1x"}, {own.Recipient().String(), r.Recipients[0]}} {
		if _, err := p.Backups.Rotate(t.Context(), bad); !errors.Is(err, vitrine.ErrInvalid) {
			t.Errorf("for %q: %v", bad, err)
		}
	}
	s, err := p.Backups.Known(t.Context())
	if err != nil || s.Epoch.Number != 4 || s.Last == nil || s.Last.Epoch != 4 {
		t.Errorf("status %+v, %v", s, err)
	}
}

// Nothing that is secret stands in clear in a backup, and nobody needs this
// program to read one.
func TestReadableWithAge(t *testing.T) {
	p := newPlace(t)
	p.put(16, 1)
	b, err := os.ReadFile(p.take())
	p.do(err)
	for _, secret := range []string{"ann@example.com", "installation_key", "finds"} {
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%q stands in it", secret)
		}
	}
	ids, err := age.ParseIdentities(strings.NewReader(p.identity.Reveal()))
	p.do(err)
	plain, err := age.Decrypt(bytes.NewReader(b[:len(b)-1024]), ids...)
	p.do(err)
	var names []string
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		p.do(err)
		names = append(names, h.Name)
		inside, err := io.ReadAll(r)
		p.do(err)
		if strings.HasPrefix(h.Name, "rows/meta/") && (!bytes.Contains(inside, []byte("backup_epoch")) || bytes.Contains(inside, []byte("log_signer"))) {
			t.Errorf("the key that signs the log is of one installation alone: %q", inside)
		}
	}
	if len(names) < 10 || names[0] != "manifest.json" || names[len(names)-1] != "end.json" {
		t.Errorf("inside are %q", names)
	}
	if text, err := audit.Vouched(strings.TrimRight(string(b[len(b)-1024:]), "\n")+"\n", p.Log.PublicKey()); err != nil || !strings.HasPrefix(text, "vitrine-backup/1\n") {
		t.Errorf("at its end stands %q, %v", text, err)
	}
}
