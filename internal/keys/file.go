package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"vitrine.dev/vitrine/internal/seal"
)

const (
	header  = "vitrine-key-1 "
	sumSize = 4
	binding = "installation" // of wrapped keys
)

var encoding = base64.RawURLEncoding.Strict()

// fileSize is the size of a key file, exactly.
var fileSize = len(header) + encoding.EncodedLen(len(seal.Key{})+sumSize) + len("\n")

// file keeps a key that was read from a file.
type file struct {
	name string
	key  seal.Key
}

func newFile(secret seal.Key) *file {
	id := secret.Derive("kek/name")
	return &file{"file:" + hex.EncodeToString(id[:6]), secret.Derive("kek/wrap")}
}

// CreateFile makes a new key-encryption key in a new file, mode 0600, and the
// directories above it where they are absent, mode 0700. When it returns the
// file is durable and complete; it never is there by halves. fs.ErrExist where
// something is at path already, which is not touched.
func CreateFile(path string) (Keeper, error) {
	secret := seal.NewKey()
	if err := create(path, encode(secret)); err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	return newFile(secret), nil
}

// OpenFile reads the key-encryption key of a file that CreateFile made.
// fs.ErrNotExist where there is none. It refuses what is not a plain file,
// belongs to another user, can be used by group or others, or is damaged.
func OpenFile(path string) (Keeper, error) {
	text, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	secret, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("open key file %s: %w", path, err)
	}
	return newFile(secret), nil
}

// Name implements Keeper.
func (f *file) Name() string { return f.name }

// Format implements fmt.Formatter: fmt would print the bytes of the key, since
// it asks no field that is not exported how it wants to be printed.
func (f *file) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, f.name) }

// Wrap implements Keeper.
func (f *file) Wrap(ctx context.Context, k seal.Key) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if k.IsZero() {
		return nil, errors.New("wrap: this is the zero key, which nobody made")
	}
	return f.key.Wrap(k, binding), nil
}

// Unwrap implements Keeper.
func (f *file) Unwrap(ctx context.Context, wrapped []byte) (seal.Key, error) {
	if ctx.Err() != nil {
		return seal.Key{}, context.Cause(ctx)
	}
	return f.key.Unwrap(wrapped, binding)
}

func encode(secret seal.Key) string {
	sum := sha256.Sum256(secret[:])
	return header + encoding.EncodeToString(append(secret[:], sum[:sumSize]...)) + "\n"
}

// decode takes a key file's text apart. Its errors never quote the text.
func decode(text string) (secret seal.Key, err error) {
	if strings.HasPrefix(text, "vitrine-key-") && !strings.HasPrefix(text, header) {
		return secret, errors.New("this key file is of a later version")
	}
	if len(text) != fileSize || !strings.HasPrefix(text, header) || !strings.HasSuffix(text, "\n") {
		return secret, fmt.Errorf("this is no key file: want %d bytes that begin with %q", fileSize, header)
	}
	b, err := encoding.DecodeString(text[len(header) : len(text)-1])
	if err != nil {
		return secret, errors.New("this key file is damaged")
	}
	secret = seal.Key(b[:len(secret)])
	if sum := sha256.Sum256(secret[:]); string(sum[:sumSize]) != string(b[len(secret):]) || secret.IsZero() {
		return seal.Key{}, errors.New("this key file is damaged")
	}
	return secret, nil
}

// create writes a file under another name and links it to its own: a link
// never replaces, and what it names is complete.
func create(path, text string) (err error) {
	dir := filepath.Dir(path)
	if err := makeDir(dir); err != nil {
		return err
	}
	temp := filepath.Join(dir, ".key-"+rand.Text())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(temp), syncDir(dir)) }()
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Link(temp, path)
}

// makeDir makes a directory and those above it, each durable in its own.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(dir)
	if err := makeDir(above); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(above)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// read answers the text of a file that only its owner can use. What is checked
// is the open file: between a look at a path and its opening it can be replaced.
func read(path string) (text string, err error) {
	// A symbolic link would let whoever may write where it leads choose the key;
	// a pipe would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return "", fmt.Errorf("%s is a symbolic link: name the file itself", path)
	}
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := private(f); err != nil {
		return "", fmt.Errorf("%s %w", path, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(fileSize)+1))
	return string(b), err
}

func private(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("cannot be looked at: %w", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("is no plain file")
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("belongs to another user (uid %d): it must belong to the one that runs Vitrine (uid %d)", st.Uid, os.Geteuid())
	case st.Mode&0o077 != 0:
		return fmt.Errorf("can be read by others (mode %04o): make a new key if somebody may have read it, else chmod 600", st.Mode&0o7777)
	}
	return nil
}
