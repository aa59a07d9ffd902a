package backup_test

import (
	"io"
	"testing"

	"vitrine.dev/vitrine/internal/app"
)

// BenchmarkTake is a backup of an installation with 64 images of 360 KB, into
// nothing; MB/s are of the file.
func BenchmarkTake(b *testing.B) {
	p := newPlace(b)
	for i := range uint64(64) {
		p.put(300, i)
	}
	owner := p.Owner(0)
	for b.Loop() {
		taken, err := p.Backups.Take(b.Context(), owner, io.Discard)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(taken.Bytes)
	}
}

// BenchmarkVerify reads the same back, as a restore does before it writes.
func BenchmarkVerify(b *testing.B) {
	p := newPlace(b)
	for i := range uint64(64) {
		p.put(300, i)
	}
	file := p.take()
	for b.Loop() {
		v, err := app.VerifyBackup(b.Context(), file, "", p.identity, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(v.Bytes)
	}
}
