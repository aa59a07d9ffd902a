package keys_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"vitrine.dev/vitrine/internal/keys"
	"vitrine.dev/vitrine/internal/keys/keystest"
	"vitrine.dev/vitrine/internal/seal"
)

func create(t *testing.T, path string) keys.Keeper {
	t.Helper()
	k, err := keys.CreateFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestConformance(t *testing.T) {
	t.Run("created", func(t *testing.T) {
		keystest.Run(t, func(t *testing.T) keys.Keeper { return create(t, filepath.Join(t.TempDir(), "key")) })
	})
	t.Run("opened", func(t *testing.T) {
		keystest.Run(t, func(t *testing.T) keys.Keeper {
			path := filepath.Join(t.TempDir(), "key")
			create(t, path)
			k, err := keys.OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return k
		})
	})
}

func TestCreateThenOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "etc", "vitrine", "key")
	created := create(t, path)
	key := seal.NewKey()
	wrapped, err := created.Wrap(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := keys.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := opened.Unwrap(t.Context(), wrapped); err != nil || got != key {
		t.Errorf("unwrap after opening: %v", err)
	}
	if opened.Name() != created.Name() {
		t.Errorf("name: got %s; want %s", opened.Name(), created.Name())
	}
	for path, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir, filepath.Join(dir, "etc"): 0o700 | fs.ModeDir} {
		if st, err := os.Stat(path); err != nil || st.Mode() != want {
			t.Errorf("mode of %s: got %v, %v; want %v", path, st.Mode(), err, want)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("beside the key: %v, %v; want nothing", left, err)
	}
}

// The format of the file and of what is wrapped is for ever: this key opens
// what was wrapped when it was fixed.
func TestFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	const text = "vitrine-key-1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9jDc0p\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := keys.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if k.Name() != "file:73eb5870e608" {
		t.Errorf("name: got %s", k.Name())
	}
	wrapped, err := hex.DecodeString("01eca5331422f7cdfcc5070b38b1e4a920eadabea2f18b0d6a47582cb447987c69ab98ae0e04cf2bbae234cde27953dc5fa09f1507286dc7ab4dcfe396")
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.Unwrap(t.Context(), wrapped)
	if err != nil || key != (seal.Key{31: 1}) {
		t.Errorf("unwrap: %v", err)
	}
}

func TestCreateReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "key")
	create(t, there)
	before, err := os.ReadFile(there)
	if err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), dangling); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{there, dir, dangling} {
		if _, err := keys.CreateFile(path); !errors.Is(err, fs.ErrExist) {
			t.Errorf("create %s: got %v; want fs.ErrExist", path, err)
		}
	}
	if after, err := os.ReadFile(there); err != nil || string(after) != string(before) {
		t.Errorf("the key that was there changed (%v)", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("got %v, %v; want the key and the link", left, err)
	}
}

func TestCreateOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "key")
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch _, err := keys.CreateFile(path); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("%d keys were made; want one", made.Load())
	}
}

func TestOpenRefuses(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good")
	create(t, good)
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	write := func(text string, mode fs.FileMode) func(string) error {
		return func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode))
		}
	}
	for _, c := range []struct {
		name string
		make func(path string) error
		want string
	}{
		{"absent", func(string) error { return nil }, "no such file"},
		{"empty", write("", 0o600), "no key file"},
		{"cut", write(text[:len(text)-10], 0o600), "no key file"},
		{"cut by its line end", write(text[:len(text)-1], 0o600), "no key file"},
		{"longer", write(text+"\n", 0o600), "no key file"},
		{"another text", write(strings.Repeat("x", len(text)), 0o600), "no key file"},
		{"a later version", write(strings.Replace(text, "-1 ", "-2 ", 1), 0o600), "later version"},
		{"no base64", write(text[:20]+"!"+text[21:], 0o600), "damaged"},
		{"a changed letter", write(text[:20]+other(text[20])+text[21:], 0o600), "damaged"},
		{"readable by the group", write(text, 0o640), "read by others"},
		{"readable by all", write(text, 0o604), "read by others"},
		{"writable by the group", write(text, 0o620), "read by others"},
		{"a symbolic link", func(path string) error { return os.Symlink(good, path) }, "symbolic link"},
		{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, "no plain file"},
		{"a pipe", func(path string) error { return unix.Mkfifo(path, 0o600) }, "no plain file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			_, err := keys.OpenFile(path)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v; want ...%s...", err, c.want)
			}
			if errors.Is(err, fs.ErrNotExist) != (c.name == "absent") {
				t.Errorf("fs.ErrNotExist: got %v", err)
			}
			if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), text[20:30]) {
				t.Errorf("%v: want the path and nothing of the key", err)
			}
		})
	}
	if _, err := keys.OpenFile(good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func other(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// Only root can give a file away, to try it.
func TestOpenRefusesAnothersFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	path := filepath.Join(t.TempDir(), "key")
	create(t, path)
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.OpenFile(path); err == nil || !strings.Contains(err.Error(), "another user (uid 12345)") {
		t.Errorf("got %v", err)
	}
}

func TestKeeperPrintsItsNameAlone(t *testing.T) {
	k := create(t, filepath.Join(t.TempDir(), "key"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, k); got != k.Name() {
			t.Errorf("%s prints %q; want %s", verb, got, k.Name())
		}
	}
}

// Whatever a file holds, opening it answers a keeper or an error.
func FuzzOpenFile(f *testing.F) {
	f.Add("")
	f.Add("vitrine-key-1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9jDc0p\n")
	f.Add("vitrine-key-2 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9jDc0p\n")
	f.Add("vitrine-key-1 " + strings.Repeat("A", 48) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := keys.OpenFile(path); (k == nil) == (err == nil) {
			t.Errorf("got %v, %v", k, err)
		}
	})
}
