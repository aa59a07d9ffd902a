package vault_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/vault"
)

// rows is the database behind the store's back.
func (h *house) rows() *sql.DB {
	h.T.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(h.URL, "sqlite:")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		h.T.Fatal(err)
	}
	h.T.Cleanup(func() {
		if err := db.Close(); err != nil {
			h.T.Error(err)
		}
	})
	return db
}

func (h *house) exec(db *sql.DB, query string, args ...any) {
	h.T.Helper()
	r, err := db.ExecContext(h.T.Context(), query, args...)
	if err != nil {
		h.T.Fatal(err)
	}
	if n, err := r.RowsAffected(); n == 0 || err != nil {
		h.T.Fatalf("%s changed %d rows, %v", query, n, err)
	}
}

// replace puts other bytes in place of a file of the bucket.
func (h *house) replace(name string, b []byte) {
	h.T.Helper()
	if err := h.Bucket.Delete(h.T.Context(), name); err != nil {
		h.T.Fatal(err)
	}
	w, err := h.Bucket.Create(h.T.Context(), name)
	if err != nil {
		h.T.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		h.T.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		h.T.Fatal(err)
	}
}

// read opens the original, of which nothing is remembered, and reads package by
// package; it answers what it got of each and the first error.
func (h *house) read(id vitrine.ID) (got map[int64][]byte, first error) {
	h.T.Helper()
	h.Vault.ForgetSmall()
	w, err := h.Vault.Open(h.T.Context(), h.Sam, id, vitrine.Original)
	if err != nil {
		return nil, err
	}
	got = map[int64][]byte{}
	for off := int64(0); off < w.Size; off += 64 << 10 {
		b := make([]byte, min(64<<10, w.Size-off))
		n, err := w.ReadAt(b, off)
		if err != nil && err != io.EOF && first == nil {
			first = err
		}
		got[off/(64<<10)] = b[:n]
	}
	return got, errors.Join(first, w.Close())
}

// Any byte that is changed in a file is found, and nothing of the package that
// it lies in comes out.
func TestTamperedFile(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(large(t), vault.Upload{})
	name := string(m.ID) + "/original"
	sealed := h.file(name)
	const size = 64<<10 + 32
	for at := 0; at < len(sealed); at += 1 + at%size*3/2 + len(sealed)/50 {
		b := bytes.Clone(sealed)
		b[at] ^= 0x10
		h.replace(name, b)
		got, err := h.read(m.ID)
		if !errors.Is(err, seal.ErrSealed) {
			t.Errorf("byte %d changed: %v", at, err)
		}
		if n := len(got[int64(at/size)]); n > 0 {
			t.Errorf("byte %d changed: %d bytes of its package came out", at, n)
		}
	}
	for what, b := range map[string][]byte{
		"cut by a byte": sealed[:len(sealed)-1], "cut by a package": sealed[:size*2], "cut to nothing": {},
		"longer": append(bytes.Clone(sealed), 0), "doubled": append(bytes.Clone(sealed), sealed...),
		"packages exchanged": append(append(bytes.Clone(sealed[size:2*size]), sealed[:size]...), sealed[2*size:]...),
	} {
		h.replace(name, b)
		if _, err := h.read(m.ID); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	h.replace(name, sealed)
	if _, err := h.read(m.ID); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// So is any byte of what stands in rows: key, detail, small bytes, and what is
// said of the bytes.
func TestTamperedRow(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(small(t), vault.Upload{Name: "a.png"})
	db := h.rows()
	for _, column := range []string{"images.data_key", "images.sealed", "blobs.inline", "blobs.etag", "blobs.format", "blobs.rendition"} {
		table, column, _ := strings.Cut(column, ".")
		id := "id"
		if table == "blobs" {
			id = "image"
		}
		var was []byte
		query := fmt.Sprintf("SELECT CAST(%s AS BLOB) FROM %s WHERE %s = $1", column, table, id)
		if err := db.QueryRowContext(t.Context(), query, m.ID).Scan(&was); err != nil {
			t.Fatal(err)
		}
		set := fmt.Sprintf("UPDATE %s SET %s = $1 WHERE %s = $2", table, column, id)
		value := func(b []byte) any {
			if strings.Contains("etag format rendition", column) {
				return string(b)
			}
			return b
		}
		for at := 0; at < len(was); at += 1 + len(was)/40 {
			b := bytes.Clone(was)
			b[at] ^= 0x01
			h.exec(db, set, value(b), string(m.ID))
			if got, err := h.read(m.ID); err == nil || len(got) > 0 {
				t.Errorf("%s.%s, byte %d changed: got %d packages, %v", table, column, at, len(got), err)
			}
		}
		h.exec(db, set, value(was), string(m.ID))
		if _, err := h.read(m.ID); err != nil {
			t.Fatalf("%s.%s as it was: %v", table, column, err)
		}
	}
	for _, column := range []string{"width", "height", "plain_size", "size"} {
		h.exec(db, "UPDATE blobs SET "+column+" = "+column+" + 1 WHERE image = $1", string(m.ID))
		if got, err := h.read(m.ID); !errors.Is(err, seal.ErrSealed) || len(got) > 0 {
			t.Errorf("%s changed: got %d packages, %v", column, len(got), err)
		}
		h.exec(db, "UPDATE blobs SET "+column+" = "+column+" - 1 WHERE image = $1", string(m.ID))
	}
}

// Bytes that stand in another's place do not open there: another image's in the
// bucket or in a row, another form's of the same image, another's key.
func TestSwappedBytes(t *testing.T) {
	h := newHouse(t, "")
	db := h.rows()
	secret, mine := h.put(large(t), vault.Upload{Tier: vitrine.Confidential}), h.put(noise(t, 320, 240, 9), vault.Upload{})
	h.replace(string(mine.ID)+"/original", h.file(string(secret.ID)+"/original"))
	if got, err := h.read(mine.ID); !errors.Is(err, seal.ErrSealed) || len(got) > 0 {
		t.Errorf("another image's file: got %d packages, %v", len(got), err)
	}
	h.exec(db, "UPDATE images SET data_key = (SELECT data_key FROM images WHERE id = $1) WHERE id = $2", string(secret.ID), string(mine.ID))
	if got, err := h.read(mine.ID); !errors.Is(err, seal.ErrSealed) || len(got) > 0 {
		t.Errorf("with its key: got %d packages, %v", len(got), err)
	}
	hidden := h.put(small(t), vault.Upload{Tier: vitrine.Confidential})
	h.open(h.Ann, hidden.ID, vitrine.Masked)
	move := "UPDATE blobs SET %s = (SELECT %[1]s FROM blobs WHERE name = $1) WHERE name = $2"
	for _, column := range []string{"inline", "etag", "plain_size", "size"} {
		h.exec(db, fmt.Sprintf(move, column), string(hidden.ID)+"/original", string(hidden.ID)+"/"+vault.FormMasked)
		w, err := h.Vault.Open(t.Context(), h.Ann, hidden.ID, vitrine.Masked)
		if err == nil {
			t.Errorf("with the original's %s: %d bytes came out", column, len(all(t, w)))
		} else if !errors.Is(err, seal.ErrSealed) {
			t.Errorf("with the original's %s: %v", column, err)
		}
	}
}
