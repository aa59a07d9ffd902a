package fsblob_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"vitrine.dev/vitrine/internal/blob"
	"vitrine.dev/vitrine/internal/blob/blobtest"
	"vitrine.dev/vitrine/internal/blob/fsblob"
)

func open(t testing.TB, path string) *fsblob.Bucket {
	t.Helper()
	b, err := fsblob.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Bucket { return open(t, filepath.Join(t.TempDir(), "deep", "blobs")) })
}

// tree lists the files below a directory.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFree(t *testing.T) {
	if n, err := open(t, t.TempDir()).Free(); n <= 0 || err != nil {
		t.Errorf("%d bytes are free, %v", n, err)
	}
}

// The layout is a format: a later version has to find these files.
func TestLayout(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	blobtest.Put(t, b, "img-7f3kq/original", []byte("x"))
	blobtest.Put(t, b, "img-7f3kq/masked/2", []byte("x"))
	blobtest.Put(t, b, "a/b", []byte("x"))
	blobtest.Put(t, b, "a/bcdef/g", []byte("x"))
	want := []string{"a,b/a,b", "a,bcde/a,bcdef,g", "img-7f/img-7f3kq,masked,2", "img-7f/img-7f3kq,original"}
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	st, err := os.Stat(filepath.Join(dir, want[0]))
	if err != nil || st.Mode() != 0o600 {
		t.Errorf("mode of a blob: got %v, %v; want 0600", st.Mode(), err)
	}
	if st, err = os.Stat(filepath.Join(dir, "img-7f")); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("mode of a directory: got %v, %v; want 0700", st.Mode(), err)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	first, err := fsblob.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	blobtest.Put(t, first, "a/b", []byte("kept"))
	half, err := first.Create(t.Context(), "a/half")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	// The process dies here: nobody commits nor aborts.
	if got := tree(t, dir); len(got) != 2 {
		t.Fatalf("got %q; want a blob and a half-written file", got)
	}
	second := open(t, dir)
	if got := blobtest.Get(t, second, "a/b"); string(got) != "kept" {
		t.Errorf("got %q", got)
	}
	if got := tree(t, dir); !slices.Equal(got, []string{"a,b/a,b"}) {
		t.Errorf("after Open: got %q; want nothing half-written", got)
	}
	if err := half.Commit(); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("commit of a file that was swept: got %v; want an error that is not about an absent blob", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

// Between linking a blob and removing its other name the process may die.
func TestSecondLinkIsSwept(t *testing.T) {
	dir := t.TempDir()
	blobtest.Put(t, open(t, dir), "a/b", []byte("kept"))
	if err := os.Link(filepath.Join(dir, "a,b/a,b"), filepath.Join(dir, ".writing/left")); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir)
	if got := tree(t, dir); !slices.Equal(got, []string{"a,b/a,b"}) {
		t.Errorf("got %q", got)
	}
	if got := blobtest.Get(t, b, "a/b"); string(got) != "kept" {
		t.Errorf("got %q", got)
	}
}

// Whoever can write into the directory must not get the server to read or
// write elsewhere.
func TestSymbolicLinksDoNotLeadOut(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "a,b"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir)
	if err := os.Symlink(outside, filepath.Join(dir, "a,b")); err != nil {
		t.Fatal(err)
	}
	if r, err := b.Open(t.Context(), "a/b"); err == nil {
		t.Errorf("open through a link: got %d bytes", r.Size())
	}
	w, err := b.Create(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err == nil {
		t.Error("commit through a link: want an error")
	}
	if err := b.Delete(t.Context(), "a/b"); err == nil {
		t.Error("delete through a link: want an error")
	}
	if all, err := b.List(t.Context(), "", 10); err != nil || len(all) != 0 {
		t.Errorf("list: got %v, %v; want nothing", all, err)
	}
	if got := tree(t, outside); !slices.Equal(got, []string{"a,b"}) {
		t.Errorf("outside: got %q", got)
	}
}

// Files that are not ours stay, and are no blobs.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	blobtest.Put(t, b, "img-aa1/original", nil)
	for _, name := range []string{"lost+found/x", "img-aa/README", "img-aa/img-bb,original", "img-aa/img-aa2,original/x", "notes"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := b.List(t.Context(), "", 10)
	if err != nil || len(all) != 1 || all[0].Name != "img-aa1/original" {
		t.Errorf("got %v, %v; want the one blob", all, err)
	}
	if _, err := b.Open(t.Context(), "img-aa2/original"); err == nil {
		t.Error("open of a directory: want an error")
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if _, err := fsblob.Open(path); err == nil {
			t.Errorf("open %s: want an error", path)
		}
	}
}

func BenchmarkCommit(b *testing.B) {
	bucket := open(b, b.TempDir())
	content := make([]byte, 100<<10)
	b.SetBytes(int64(len(content)))
	for i := 0; b.Loop(); i++ {
		blobtest.Put(b, bucket, fmt.Sprintf("img-%06d/original", i), content)
	}
}

func BenchmarkReadAt(b *testing.B) {
	bucket := open(b, b.TempDir())
	content := make([]byte, 100<<10)
	blobtest.Put(b, bucket, "a/b", content)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		r, err := bucket.Open(b.Context(), "a/b")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.ReadAt(content, 0); err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkList(b *testing.B) {
	bucket := open(b, b.TempDir())
	for i := range 2000 {
		blobtest.Put(b, bucket, fmt.Sprintf("img-%02d%04d/original", i%50, i), nil)
	}
	for b.Loop() {
		if _, err := bucket.List(b.Context(), "img-25", 100); err != nil {
			b.Fatal(err)
		}
	}
}
