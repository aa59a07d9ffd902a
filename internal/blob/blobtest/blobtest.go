// Package blobtest is the suite that every blob.Bucket passes. It holds what
// package blob promises and a caller can see from outside: what one writer
// committed is there whole, once, in order, by range, and nothing else is. Whether it
// survives the loss of power cannot be seen from here.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vitrine.dev/vitrine/internal/blob"
)

// Run tests buckets. open answers an empty one for each test, to be used for
// the test's time.
func Run(t *testing.T, open func(t *testing.T) blob.Bucket) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, blob.Bucket)
	}{
		{"commit makes it be there", testCommit},
		{"abort leaves nothing", testAbort},
		{"a writer ends once", testEnds},
		{"what exists is not replaced", testExists},
		{"delete twice, create again", testDelete},
		{"ranges", testRanges},
		{"large", testLarge},
		{"empty", testEmpty},
		{"list in order, by pages", testList},
		{"list while it changes", testListChanging},
		{"one of many writers wins", testRace},
		{"cancelled", testCancel},
		{"names", testNames},
		{"names that only look alike", testAlike},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// Put commits a blob.
func Put(t testing.TB, b blob.Bucket, name string, content []byte) {
	t.Helper()
	if err := put(t.Context(), b, name, content); err != nil {
		t.Fatal(err)
	}
}

func put(ctx context.Context, b blob.Bucket, name string, content []byte) error {
	w, err := b.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}

// Get reads a blob whole.
func Get(t testing.TB, b blob.Bucket, name string) []byte {
	t.Helper()
	r, err := b.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, r)
	content, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func closing(t testing.TB, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func wantAbsent(t *testing.T, b blob.Bucket, name string) {
	t.Helper()
	if _, err := b.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open %s: got %v; want fs.ErrNotExist", name, err)
	}
	if got := names(t, b); slices.Contains(got, name) {
		t.Errorf("list: got %v; want no %s", got, name)
	}
}

func names(t *testing.T, b blob.Bucket) []string {
	t.Helper()
	infos, err := b.List(t.Context(), "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(infos))
	for i, n := range infos {
		out[i] = n.Name
	}
	return out
}

func testCommit(t *testing.T, b blob.Bucket) {
	w, err := b.Create(t.Context(), "img-1/original")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"some", " ", "bytes"} {
		if n, err := io.WriteString(w, part); n != len(part) || err != nil {
			t.Fatalf("write %q: got %d, %v", part, n, err)
		}
	}
	wantAbsent(t, b, "img-1/original")
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := Get(t, b, "img-1/original"); string(got) != "some bytes" {
		t.Errorf("got %q", got)
	}
	infos, err := b.List(t.Context(), "", 10)
	if err != nil || len(infos) != 1 || infos[0].Name != "img-1/original" || infos[0].Size != 10 {
		t.Fatalf("list: got %v, %v", infos, err)
	}
	if age := time.Since(infos[0].Changed); age < -time.Minute || age > time.Minute {
		t.Errorf("written %v ago; want now", age)
	}
}

func testAbort(t *testing.T, b blob.Bucket) {
	w, err := b.Create(t.Context(), "img-1/original")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, b, "img-1/original")
	Put(t, b, "img-1/original", []byte("whole"))
}

func testEnds(t *testing.T, b blob.Bucket) {
	committed, err := b.Create(t.Context(), "img-1/original")
	if err != nil {
		t.Fatal(err)
	}
	if err := committed.Commit(); err != nil {
		t.Fatal(err)
	}
	aborted, err := b.Create(t.Context(), "img-2/original")
	if err != nil {
		t.Fatal(err)
	}
	if err := aborted.Abort(); err != nil {
		t.Fatal(err)
	}
	for _, w := range []blob.Writer{committed, aborted} {
		if _, err := w.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("write after the end: got %v; want fs.ErrClosed", err)
		}
		if err := w.Commit(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("commit after the end: got %v; want fs.ErrClosed", err)
		}
		if err := w.Abort(); err != nil {
			t.Errorf("abort after the end: got %v; want nothing", err)
		}
	}
	if got := Get(t, b, "img-1/original"); len(got) != 0 {
		t.Errorf("after the end: got %q", got)
	}
	wantAbsent(t, b, "img-2/original")
}

func testExists(t *testing.T, b blob.Bucket) {
	Put(t, b, "img-1/original", []byte("first"))
	w, err := b.Create(t.Context(), "img-1/original")
	if err == nil {
		if _, err = w.Write([]byte("second")); err != nil {
			t.Fatal(err)
		}
		err = w.Commit()
		if aborted := w.Abort(); aborted != nil {
			t.Errorf("abort after a refused commit: %v", aborted)
		}
	}
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("create what exists: got %v; want fs.ErrExist", err)
	}
	if got := Get(t, b, "img-1/original"); string(got) != "first" {
		t.Errorf("got %q; want what was first", got)
	}
}

func testDelete(t *testing.T, b blob.Bucket) {
	Put(t, b, "img-1/original", []byte("one"))
	Put(t, b, "img-1/masked/2", []byte("kept"))
	for range 2 {
		if err := b.Delete(t.Context(), "img-1/original"); err != nil {
			t.Fatal(err)
		}
		wantAbsent(t, b, "img-1/original")
	}
	if err := b.Delete(t.Context(), "never/there"); err != nil {
		t.Errorf("delete what never was: %v", err)
	}
	if got := Get(t, b, "img-1/masked/2"); string(got) != "kept" {
		t.Errorf("its neighbour: got %q", got)
	}
	Put(t, b, "img-1/original", []byte("two"))
	if got := Get(t, b, "img-1/original"); string(got) != "two" {
		t.Errorf("again: got %q", got)
	}
}

func testRanges(t *testing.T, b blob.Bucket) {
	const content = "0123456789"
	Put(t, b, "img-1/original", []byte(content))
	r, err := b.Open(t.Context(), "img-1/original")
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, r)
	if r.Size() != 10 {
		t.Errorf("size: got %d; want 10", r.Size())
	}
	for _, c := range []struct {
		off, n int
		want   string
		eof    bool // io.EOF is due; at the exact end it may be
	}{
		{0, 10, "0123456789", false},
		{0, 1, "0", false},
		{3, 4, "3456", false},
		{9, 1, "9", false},
		{8, 5, "89", true},
		{10, 1, "", true},
		{99, 1, "", true},
	} {
		p := make([]byte, c.n)
		n, err := r.ReadAt(p, int64(c.off))
		if string(p[:n]) != c.want || err != nil && err != io.EOF || c.eof != (err == io.EOF) && c.off+c.n != len(content) {
			t.Errorf("ReadAt %d bytes at %d: got %q, %v; want %q, EOF %v", c.n, c.off, p[:n], err, c.want, c.eof)
		}
	}
	if n, err := r.ReadAt(make([]byte, 1), -1); n != 0 || err == nil {
		t.Errorf("ReadAt before the beginning: got %d, %v; want an error", n, err)
	}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			var p [1]byte
			if _, err := r.ReadAt(p[:], int64(i)); err != nil && err != io.EOF || p[0] != content[i] {
				t.Errorf("concurrent ReadAt %d: got %q, %v", i, p, err)
			}
		})
	}
	wg.Wait()
}

// large is beyond what a back end may hold in one part or one buffer.
const large = 9<<20 + 7

func testLarge(t *testing.T, b blob.Bucket) {
	content := make([]byte, large)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(content) // never fails
	w, err := b.Create(t.Context(), "img-1/original")
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(content, 65_568) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		clear(part[:1]) // a writer keeps nothing of what it was given
		part[0] = 0xff
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	rng = rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(content)
	if got := Get(t, b, "img-1/original"); !bytes.Equal(got, content) {
		t.Errorf("got %d bytes that are not the %d written", len(got), len(content))
	}
}

func testEmpty(t *testing.T, b blob.Bucket) {
	Put(t, b, "img-1/original", nil)
	if got := Get(t, b, "img-1/original"); len(got) != 0 {
		t.Errorf("got %q; want nothing", got)
	}
}

func testRace(t *testing.T, b blob.Bucket) {
	const writers = 8
	var won atomic.Int32
	var winner [1]byte
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			err := put(t.Context(), b, "img-1/original", bytes.Repeat([]byte{byte(i)}, 1000))
			switch {
			case err == nil:
				won.Add(1)
				winner[0] = byte(i)
			case !errors.Is(err, fs.ErrExist):
				t.Errorf("writer %d: got %v; want fs.ErrExist", i, err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d writers won; want one", won.Load())
	}
	if got := Get(t, b, "img-1/original"); !bytes.Equal(got, bytes.Repeat(winner[:], 1000)) {
		t.Error("what is there is not what the winner wrote")
	}
}

func testCancel(t *testing.T, b blob.Bucket) {
	why := errors.New("the client has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	w, err := b.Create(ctx, "img-1/original")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	cancel(why)
	if _, err := w.Write([]byte("more")); !errors.Is(err, why) {
		t.Errorf("write: got %v; want the cause", err)
	}
	if err := w.Commit(); !errors.Is(err, why) {
		t.Errorf("commit: got %v; want the cause", err)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("abort: %v", err)
	}
	wantAbsent(t, b, "img-1/original")

	Put(t, b, "img-2/original", []byte("there"))
	_, created := b.Create(ctx, "img-3/original")
	_, opened := b.Open(ctx, "img-2/original")
	_, listed := b.List(ctx, "", 10)
	for op, err := range map[string]error{"create": created, "open": opened, "list": listed, "delete": b.Delete(ctx, "img-2/original")} {
		if !errors.Is(err, why) {
			t.Errorf("%s: got %v; want the cause", op, err)
		}
	}
	if got := Get(t, b, "img-2/original"); string(got) != "there" {
		t.Errorf("after a cancelled delete: got %q", got)
	}
}

func testNames(t *testing.T, b blob.Bucket) {
	long := "x/" + strings.Repeat("y", 120) + "/" + strings.Repeat("z", blob.MaxName-123)
	for _, name := range []string{"a", "A-z_0.9/b", "a/b/c/d", long} {
		Put(t, b, name, []byte(name))
		if got := Get(t, b, name); string(got) != name {
			t.Errorf("%s: got %q", name, got)
		}
	}
	there := len(names(t, b))
	for _, name := range []string{
		"", ".", "..", "/", "/etc/passwd", "../x", "a/../../x", "a/..", "a/./b", "a//b", "a/", "/a", ".hidden", "a/.hidden",
		".writing/x", "a\\b", "a\x00b", "a b", "a,b", "a:b", "-a", "é", "a\n", "a/\xff", long + "z", strings.Repeat("a", 129),
	} {
		w, created := b.Create(t.Context(), name)
		if created == nil {
			created = w.Abort()
		}
		_, opened := b.Open(t.Context(), name)
		for op, err := range map[string]error{"create": created, "open": opened, "delete": b.Delete(t.Context(), name)} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s %q: got %v; want fs.ErrInvalid", op, name, err)
			}
		}
	}
	if got := names(t, b); len(got) != there {
		t.Errorf("after refused names: got %q", got)
	}
}

// A name may be the beginning of another, or differ in case alone.
func testAlike(t *testing.T, b blob.Bucket) {
	for _, name := range []string{"a", "a/b", "a/b/c", "a-b", "A", "a.b", "a_b"} {
		wantAbsent(t, b, name)
		Put(t, b, name, []byte(name))
	}
	if err := b.Delete(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "a/b/c", "a-b", "A", "a.b", "a_b"} {
		if got := Get(t, b, name); string(got) != name {
			t.Errorf("%s: got %q", name, got)
		}
	}
	wantAbsent(t, b, "a/b")
}
