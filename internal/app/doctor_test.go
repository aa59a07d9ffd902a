package app_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"image"
	"image/color"
	"image/png"

	_ "modernc.org/sqlite"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

// noise is a picture that stays as large as it is.
func noise(t *testing.T, side int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	r := rand.New(rand.NewPCG(1, uint64(side)))
	for x := range side {
		for y := range side {
			m.Set(x, y, color.RGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// stopped is an installation with a small image, which stands in its row, and a
// large one, which is a file; its server has ended.
func stopped(t *testing.T) *vitrinetest.System {
	t.Helper()
	s := vitrinetest.New(t, vitrinetest.Policy(clientPolicy))
	ann := s.As("ann")
	for _, side := range []int{16, 300} {
		if _, err := s.Vault.Put(t.Context(), ann, vault.Upload{Dataset: "drafts"}, bytes.NewReader(noise(t, side))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	return s
}

// behind changes the database behind the system's back.
func behind(t *testing.T, s *vitrinetest.System, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.Config.Data, "vitrine.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range statements {
		r, err := db.ExecContext(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.RowsAffected(); n == 0 || err != nil {
			t.Fatalf("%s changed %d rows, %v", text, n, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// blobFile is the one file of the bucket.
func blobFile(t *testing.T, s *vitrinetest.System) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(s.Config.Data, "blobs", "img-*", "*"))
	if err != nil || len(all) != 1 {
		t.Fatalf("files %q, %v, want one", all, err)
	}
	return all[0]
}

// wrong are the checks that failed.
func wrong(found []app.Finding) (checks []string, text string) {
	for _, f := range found {
		text += fmt.Sprintf("%s %s: %s (%s)\n", f.State, f.Check, f.Detail, f.Do)
		if f.State == "error" {
			checks = append(checks, f.Check)
		}
	}
	return checks, text
}

func edit(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, change(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever is damaged where nobody has looked, doctor finds; where only the
// surface is asked about, it says nothing of what it did not look at.
func TestDoctorFindsDamage(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, s *vitrinetest.System)
		want   string // the check that fails; "" is none
		says   string
	}{
		{"nothing", func(*testing.T, *vitrinetest.System) {}, "", "4 rows open"},
		{"an image's detail", func(t *testing.T, s *vitrinetest.System) {
			behind(t, s, `UPDATE images SET sealed = zeroblob(100) WHERE id = (SELECT min(id) FROM images)`)
		}, "images", "1 are damaged"},
		{"an image's tier", func(t *testing.T, s *vitrinetest.System) {
			behind(t, s, `UPDATE images SET tier = 1`)
		}, "images", "2 are damaged"},
		{"an image's key", func(t *testing.T, s *vitrinetest.System) {
			behind(t, s, `UPDATE images SET data_key = zeroblob(60)`)
		}, "images", "its key"},
		{"an image's original is named by no row", func(t *testing.T, s *vitrinetest.System) {
			behind(t, s, `DELETE FROM blobs WHERE inline IS NULL`)
		}, "images", "no row names it"},
		{"bytes in a row", func(t *testing.T, s *vitrinetest.System) {
			behind(t, s, `UPDATE blobs SET inline = zeroblob(size) WHERE inline IS NOT NULL AND name LIKE '%/original'`)
		}, "images", "original of image"},
		{"what a row says of bytes", func(t *testing.T, s *vitrinetest.System) {
			behind(t, s, `UPDATE blobs SET width = 1 WHERE inline IS NULL`)
		}, "images", "its row was changed outside"},
		{"a file is missing", func(t *testing.T, s *vitrinetest.System) {
			if err := os.Remove(blobFile(t, s)); err != nil {
				t.Fatal(err)
			}
		}, "images", "its file is missing"},
		{"a file is cut", func(t *testing.T, s *vitrinetest.System) {
			edit(t, blobFile(t, s), func(b []byte) []byte { return b[:len(b)-1] })
		}, "images", "bytes sealed, not"},
		{"a file is longer", func(t *testing.T, s *vitrinetest.System) {
			edit(t, blobFile(t, s), func(b []byte) []byte { return append(b, 0) })
		}, "images", "bytes sealed, not"},
		{"a file's head", func(t *testing.T, s *vitrinetest.System) {
			edit(t, blobFile(t, s), func(b []byte) []byte { b[100] ^= 1; return b })
		}, "images", "1 are damaged"},
		{"an entry was rewritten", func(t *testing.T, s *vitrinetest.System) {
			behind(t, s, `UPDATE log SET leaf = (SELECT leaf FROM log WHERE seq = 4) WHERE seq = 3`)
		}, "log", "the leaf of entry 3 was changed"},
		{"an entry was rewritten with its hash", func(t *testing.T, s *vitrinetest.System) {
			behind(t, s, `UPDATE log SET (leaf, hash) = (SELECT leaf, hash FROM log WHERE seq = 4) WHERE seq = 3`)
		}, "log", "not those that were signed"},
		{"an entry is missing", func(t *testing.T, s *vitrinetest.System) {
			behind(t, s, `DELETE FROM log WHERE seq = 3`)
		}, "log", "entry 3 is missing"},
		{"a page of the database", func(t *testing.T, s *vitrinetest.System) {
			edit(t, filepath.Join(s.Config.Data, "vitrine.db"), func(b []byte) []byte {
				copy(b[len(b)-4096:], bytes.Repeat([]byte{0x5a}, 64)) // the last page belongs to the large values
				return b
			})
		}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := stopped(t)
			tt.damage(t, s)
			found := app.Doctor(t.Context(), s.Config, app.DoctorOptions{})
			got, text := wrong(found)
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			if tt.name == "a page of the database" {
				if len(got) == 0 {
					t.Errorf("it found nothing:\n%s", text)
				}
				return
			}
			if !slices.Equal(got, want) || !strings.Contains(text, tt.says) {
				t.Errorf("wrong are %q, want %q and %q:\n%s", got, want, tt.says, text)
			}
			if got, text := wrong(app.Doctor(t.Context(), s.Config, app.DoctorOptions{Quick: true})); len(got) > 0 {
				t.Errorf("at a glance %q:\n%s", got, text)
			}
		})
	}
}

// A log that is shorter than what was signed is found at a glance.
func TestDoctorFindsAShortLog(t *testing.T) {
	s := stopped(t)
	before := t.TempDir()
	if err := os.CopyFS(before, os.DirFS(s.Config.Data)); err != nil {
		t.Fatal(err)
	}
	s.Start(nil)
	s.Key(identity.NewKey{Principal: "ann"})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if got, text := wrong(app.Doctor(t.Context(), s.Config, app.DoctorOptions{})); len(got) > 0 {
		t.Fatalf("%q before:\n%s", got, text)
	}
	if err := os.Chmod(before, 0o700); err != nil {
		t.Fatal(err)
	}
	s.Config.Data = before // as after a restore
	for _, quick := range []bool{true, false} {
		got, text := wrong(app.Doctor(t.Context(), s.Config, app.DoctorOptions{Quick: quick}))
		if !slices.Equal(got, []string{"log"}) || !strings.Contains(text, "entries were signed, but the log has") {
			t.Errorf("quick %t: %q\n%s", quick, got, text)
		}
	}
}

// Doctor makes nothing where there is nothing, and says what was looked at.
func TestDoctorMakesNothing(t *testing.T) {
	s := stopped(t)
	c := *s.Config
	c.Data = filepath.Join(t.TempDir(), "nowhere")
	got, text := wrong(app.Doctor(t.Context(), &c, app.DoctorOptions{}))
	if !slices.Equal(got, []string{"data directory"}) || !strings.Contains(text, "vitrine init --data "+c.Data) {
		t.Errorf("%q:\n%s", got, text)
	}
	if _, err := os.Stat(c.Data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it made %s: %v", c.Data, err)
	}
	published := func() string {
		b, err := os.ReadFile(filepath.Join(s.Config.Checkpoints, "checkpoints"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	before, told := published(), 0
	app.Doctor(t.Context(), s.Config, app.DoctorOptions{Progress: func(string) { told++ }})
	if published() != before {
		t.Error("it signed the log")
	}
	if told == 0 {
		t.Error("it told nobody where it is")
	}
}

// An Init that fails after it began leaves nothing, and what was there stays.
func TestInitLeavesNothing(t *testing.T) {
	s := stopped(t)
	dir := t.TempDir()
	c := *s.Config
	c.Data, c.KeyFile, c.Checkpoints = filepath.Join(dir, "data"), filepath.Join(dir, "kek"), filepath.Join(dir, "checkpoints")
	emails := []string{"a@example.com", "nobody"}
	if _, err := app.Init(t.Context(), &c, app.InitRequest{Owners: emails}); !errors.Is(err, vitrine.ErrInvalid) {
		t.Fatalf("error %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	// The checkpoint cannot be published: its directory's place is taken.
	if err := os.WriteFile(c.Checkpoints, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	emails[1] = "b@example.com"
	if _, err := app.Init(t.Context(), &c, app.InitRequest{Owners: emails}); err == nil {
		t.Fatal("no error")
	}
	if left, err = os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "checkpoints" {
		t.Errorf("left %v, %v, want what was there", left, err)
	}
	if err := os.Remove(c.Checkpoints); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Init(t.Context(), &c, app.InitRequest{Owners: emails}); err != nil {
		t.Errorf("then it can be made: %v", err)
	}
	if _, err := app.Init(t.Context(), s.Config, app.InitRequest{Owners: emails}); !errors.Is(err, vitrine.ErrConflict) {
		t.Errorf("again: %v", err)
	}
	if got, text := wrong(app.Doctor(t.Context(), s.Config, app.DoctorOptions{})); len(got) > 0 {
		t.Errorf("what was there is damaged: %q\n%s", got, text)
	}
}
