package vault_test

import (
	"bytes"
	"io"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/blob/fsblob"
	"vitrine.dev/vitrine/internal/vault"
)

// onDisk is a vault that keeps large blobs as files, as an installation does.
func (h *house) onDisk(b *testing.B) *vault.Vault {
	b.Helper()
	bucket, err := fsblob.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	v, err := vault.New(vault.Config{Guard: h.Guard, Store: h.Store, Bucket: bucket, Seal: h.Seal})
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// megabyte is a picture of about 1 MB.
func megabyte(b *testing.B) []byte { return noise(b, 592, 592, 3) }

// BenchmarkPut is an upload of 1 MB: decision, sealing, sync of the file,
// inspection, and the commit of row and entry.
func BenchmarkPut(b *testing.B) {
	h := newHouse(b, "")
	v, picture := h.onDisk(b), megabyte(b)
	b.SetBytes(int64(len(picture)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Put(b.Context(), h.Ulf, vault.Upload{Dataset: "drafts"}, bytes.NewReader(picture)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is 1 MB of an original read as a server sends it: decision,
// durable entry, unsealing. Parallel readers share commits.
func BenchmarkOpen(b *testing.B) {
	h := newHouse(b, "")
	v, picture := h.onDisk(b), megabyte(b)
	m, err := v.Put(b.Context(), h.Ulf, vault.Upload{Dataset: "drafts"}, bytes.NewReader(picture))
	if err != nil {
		b.Fatal(err)
	}
	read := func(b *testing.B) {
		w, err := v.Open(b.Context(), h.Ann, m.ID, "")
		if err != nil {
			b.Error(err)
			return
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(io.NewSectionReader(w, 0, w.Size), w.Size), make([]byte, 32<<10)); err != nil {
			b.Error(err)
		}
		if err := w.Close(); err != nil {
			b.Error(err)
		}
	}
	b.Run("alone", func(b *testing.B) {
		b.SetBytes(m.Detail.Size)
		b.ReportAllocs()
		for b.Loop() {
			read(b)
		}
	})
	b.Run("together", func(b *testing.B) {
		b.SetBytes(m.Detail.Size)
		b.SetParallelism(16)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				read(b)
			}
		})
	})
}

// BenchmarkList is a page of 50 among 100,000 images: for who sees them all and
// for who sees a quarter of them.
func BenchmarkList(b *testing.B) {
	h := newHouse(b, "")
	h.fill(100_000, "ulf")
	h.Apply(h.Alice, vitrine.Put(role("few", grant(vitrine.Public, vitrine.ImageView))))
	few := h.Person("few", vitrine.Binding{Role: "few", Scope: "renders"})
	for _, by := range []struct {
		name  string
		query vault.Query
	}{{"first page", vault.Query{}}, {"of a dataset and tier", vault.Query{Dataset: "drafts", Tier: vitrine.Public}}} {
		b.Run("all/"+by.name, func(b *testing.B) {
			for b.Loop() {
				if p, err := h.Vault.List(b.Context(), h.Sam, by.query); err != nil || len(p.Images) != 50 {
					b.Fatal(p, err)
				}
			}
		})
		b.Run("a quarter/"+by.name, func(b *testing.B) {
			for b.Loop() {
				if p, err := h.Vault.List(b.Context(), few, by.query); err != nil || len(p.Images) != 50 {
					b.Fatal(p, err)
				}
			}
		})
	}
}
