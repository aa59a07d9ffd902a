package backup_test

import (
	"bytes"
	"testing"

	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/store"
)

// Whatever a page of rows holds, reading it ends, and what it reads writes the
// same page.
func FuzzRows(f *testing.F) {
	table := &store.Table{Name: "t", Columns: []store.Column{{Name: "a", Type: store.Integer}, {Name: "b", Type: store.Text}, {Name: "c", Type: store.Bytes, Null: true}}}
	for _, row := range [][]any{{int64(-1), "x", nil}, {int64(1 << 62), "", []byte{0, 1, 2}}} {
		page, err := backup.AppendRow(nil, row)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(page)
	}
	f.Add([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1})
	f.Add([]byte{1, 2, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, page []byte) {
		var again []byte
		for row, err := range backup.ReadRows(page, table) {
			if err != nil {
				return
			}
			if again, err = backup.AppendRow(again, row); err != nil {
				t.Fatal(err)
			}
		}
		rows := 0
		for range backup.ReadRows(again, table) {
			rows++
		}
		if len(again) > len(page) || rows == 0 != (len(page) == 0) {
			t.Errorf("%d bytes became %d, %d rows", len(page), len(again), rows)
		}
	})
}

// Whatever a file holds, opening it as a backup ends in an error or a backup.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("age-encryption.org/v1\n-> vitrine-backup-1\neyJ2aXRyaW5lX2JhY2t1cCI6MX0\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"))
	f.Add(append([]byte("age-encryption.org/v1\n-> vitrine-backup-1\neyJ2aXRyaW5lX2JhY2t1cCI6OX0\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"), bytes.Repeat([]byte{'\n'}, 2000)...))
	f.Add([]byte("age-encryption.org/v1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := backup.Open(t.Context(), bytes.NewReader(b), int64(len(b)), "", nil); (a == nil) == (err == nil) {
			t.Errorf("got %v, %v", a, err)
		}
	})
}
