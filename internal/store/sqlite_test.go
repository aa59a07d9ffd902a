package store_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// What is destroyed is not left in the files, of a running store a moment later.
func TestDeletedIsOverwritten(t *testing.T) {
	url := storetest.SQLite(t)
	s, stop := storetest.StartUntil(t, url)
	do := func(fn func(*store.Tx) error) {
		t.Helper()
		if err := s.Maintain(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	key := []byte("the-key-of-one-image")
	do(func(tx *store.Tx) error {
		for i := range int64(100) { // it lies among others
			m := imageRow(i, "d")
			if i == 99 {
				m.Key = key
			}
			if err := tx.PutImage(m); err != nil {
				return err
			}
		}
		return nil
	})
	if !inFiles(t, url, key) {
		t.Fatal("the key is not in the files to begin with: this test looks at the wrong place")
	}
	reader, err := raw(t, url).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reader.QueryRowContext(t.Context(), "SELECT count(*) FROM images").Scan(&n); err != nil {
		t.Fatal(err)
	}
	do(func(tx *store.Tx) error { _, err := tx.DestroyImage(imageRow(99, "").ID, 1); return err })
	// A reader of before is in the way, and in nobody else's.
	do(func(tx *store.Tx) error { return tx.SetMeta("x", "y") })
	if !inFiles(t, url, key) {
		t.Error("the key is gone while somebody reads it")
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	until(t, "the key is gone from the files of a running store", func() error {
		if inFiles(t, url, key) {
			return errors.New("it is there")
		}
		return nil
	})
	stop()
	if inFiles(t, url, key) {
		t.Error("the key is still in the file")
	}
}

func inFiles(t *testing.T, url string, text []byte) bool {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(strings.TrimPrefix(url, "sqlite:") + suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if bytes.Contains(b, text) {
			return true
		}
	}
	return false
}

// Nobody else on the machine may read the database, and it is written as it
// promises.
func TestSQLiteFile(t *testing.T) {
	url := storetest.SQLite(t)
	s := storetest.Start(t, url)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(strings.TrimPrefix(url, "sqlite:") + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("vitrine.db%s: %v, %v; want 0600", suffix, info.Mode(), err)
		}
	}
	for _, test := range []struct{ pragma, want string }{
		{"journal_mode", "wal"}, {"synchronous", "2"}, {"foreign_keys", "1"}, {"secure_delete", "1"}, {"busy_timeout", "5000"},
	} {
		err := s.Maintain(t.Context(), func(tx *store.Tx) error {
			if got, err := store.Pragma(tx, test.pragma); err != nil || got != test.want {
				t.Errorf("%s is %s, %v; want %s", test.pragma, got, err, test.want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
