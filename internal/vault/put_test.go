package vault_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image/color"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/blob/memblob"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/vault"
)

// Bytes come back as they came, whichever way they are kept.
func TestPutKeepsBytesExactly(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		tests := []struct {
			name  string
			bytes []byte
			files int
		}{
			{"a small one stands in its row", small(t), 0},
			{"a large one lies in the bucket", large(t), 1},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				before := len(h.files())
				var m *vitrine.Image
				e := h.one(func() {
					m = h.put(tt.bytes, vault.Upload{Name: " hero.png ", Labels: []string{"face", "", "face", "night "}})
				})
				want := vitrine.Image{
					ID: m.ID, Dataset: "drafts", Project: "renders", Category: vitrine.Generated, Tier: vitrine.Internal,
					TierBy: vitrine.TierByBirth, Owner: "ulf", Created: m.Created, Version: 1,
					Detail: vitrine.ImageDetail{
						Name: "hero.png", Labels: []string{"face", "night"}, Format: "png", Width: m.Detail.Width, Height: m.Detail.Height,
						Size: int64(len(tt.bytes)), SHA256: fmt.Sprintf("%x", sha256.Sum256(tt.bytes)),
						Lineage: vitrine.Lineage{Credential: h.Ulf.Credential, Request: h.Ulf.Request},
					},
				}
				if diff := cmp.Diff(want, *m); diff != "" {
					t.Error(diff)
				}
				if e.Act != "image.create" || e.Op != "upload" || e.Outcome != vitrine.Allowed || e.Resource != m.ID || e.Scope != "drafts" || e.Tier != vitrine.Internal {
					t.Errorf("the log says %+v", e)
				}
				if n := len(h.files()) - before; n != tt.files {
					t.Errorf("%d files in the bucket, want %d", n, tt.files)
				}
				w, got := h.open(h.Ann, m.ID, "")
				if !bytes.Equal(got, tt.bytes) || w.Rendition != vitrine.Original || w.Format != "png" {
					t.Errorf("other bytes came back: %d of %d, %+v", len(got), len(tt.bytes), w)
				}
			})
		}
	})
}

// Who may add what where, and with which tier it is born.
func TestPutDecides(t *testing.T) {
	h := newHouse(t, "")
	public := h.at(vitrine.Public)
	confidential := h.at(vitrine.Confidential)
	h.Apply(h.Alice, vitrine.Put(role("maker", grant(vitrine.Restricted, vitrine.ImageCreate), grant(vitrine.Internal, vitrine.ImageOpen, vitrine.ImageClassify))))
	max := h.Person("max", vitrine.Binding{Role: "maker", Scope: "renders"})
	h.Apply(h.Alice, vitrine.Put(role("peeker", grant(vitrine.Restricted, vitrine.ImageView))))
	mia := h.Person("mia", vitrine.Binding{Role: "giver", Scope: "renders"}, vitrine.Binding{Role: "peeker", Scope: "drafts"})
	hidden := h.put(small(t), vault.Upload{Dataset: "proofs"})
	tests := []struct {
		name string
		by   access.Caller
		u    vault.Upload
		kind error // nil: added
		tier vitrine.Tier
		tby  vitrine.TierSource
	}{
		{"born with the dataset's tier", h.Una, vault.Upload{Dataset: "drafts"}, nil, vitrine.Internal, vitrine.TierByBirth},
		{"born restricted where nobody has said", h.Ulf, vault.Upload{Dataset: "proofs"}, nil, vitrine.Restricted, vitrine.TierByBirth},
		{"not by who creates up to internal", h.Una, vault.Upload{Dataset: "proofs"}, vitrine.ErrNotFound, 0, ""},
		{"at a higher tier that she names", h.Ulf, vault.Upload{Dataset: "drafts", Tier: vitrine.Confidential}, nil, vitrine.Confidential, vitrine.TierByPerson},
		{"not at one that she may not create", h.Una, vault.Upload{Dataset: "drafts", Tier: vitrine.Confidential}, vitrine.ErrNotFound, 0, ""},
		{"below the birth tier with classify", max, vault.Upload{Dataset: "drafts", Tier: vitrine.Public}, nil, vitrine.Public, vitrine.TierByPerson},
		{"not without", h.Ulf, vault.Upload{Dataset: "drafts", Tier: vitrine.Public}, vitrine.ErrDenied, 0, ""},
		{"not where classify does not reach the birth tier", max, vault.Upload{Dataset: "proofs", Tier: vitrine.Internal}, vitrine.ErrDenied, 0, ""},
		{"as sensitive as its source", h.Ulf, vault.Upload{Dataset: "drafts", Sources: []vitrine.ID{public.ID, confidential.ID}}, nil, vitrine.Confidential, vitrine.TierBySource},
		{"a source below changes nothing", h.Ulf, vault.Upload{Dataset: "drafts", Sources: []vitrine.ID{public.ID}}, nil, vitrine.Internal, vitrine.TierByBirth},
		{"a named tier does not hide the source's", h.Ulf, vault.Upload{Dataset: "drafts", Tier: vitrine.Public, Sources: []vitrine.ID{confidential.ID}}, nil, vitrine.Confidential, vitrine.TierBySource},
		{"not from a source that she may not open", max, vault.Upload{Dataset: "drafts", Sources: []vitrine.ID{confidential.ID}}, vitrine.ErrDenied, 0, ""},
		{"not from a source that is not there", h.Ulf, vault.Upload{Dataset: "drafts", Sources: []vitrine.ID{"img-none"}}, vitrine.ErrNotFound, 0, ""},
		{"nor from what is no id", h.Ulf, vault.Upload{Dataset: "drafts", Sources: []vitrine.ID{"a\x00b"}}, vitrine.ErrNotFound, 0, ""},
		{"a hidden source does not show by its tier", mia, vault.Upload{Dataset: "drafts", Sources: []vitrine.ID{hidden.ID}}, vitrine.ErrNotFound, 0, ""},
		{"which would be denied where it is known", mia, vault.Upload{Dataset: "drafts", Tier: vitrine.Restricted}, vitrine.ErrDenied, 0, ""},
		{"by who has no role", h.Eve, vault.Upload{Dataset: "drafts"}, vitrine.ErrNotFound, 0, ""},
		{"by who only looks", h.Ann, vault.Upload{Dataset: "drafts"}, vitrine.ErrDenied, 0, ""},
		{"by an owner", h.Alice, vault.Upload{Dataset: "drafts"}, vitrine.ErrNotFound, 0, ""},
		{"into what is not there", h.Ulf, vault.Upload{Dataset: "nowhere"}, vitrine.ErrNotFound, 0, ""},
		{"into nothing", h.Ulf, vault.Upload{}, vitrine.ErrNotFound, 0, ""},
		{"by nobody", access.Caller{}, vault.Upload{Dataset: "drafts"}, vitrine.ErrUnauthenticated, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			images := h.images()
			body := &counter{r: bytes.NewReader(small(t))}
			var m *vitrine.Image
			var err error
			e := h.one(func() { m, err = h.Vault.Put(t.Context(), tt.by, tt.u, body) })
			if tt.kind != nil {
				wantKind(t, err, tt.kind)
				if e.Outcome != vitrine.Refused || body.n > 0 || h.images() != images {
					t.Errorf("refused with entry %+v after reading %d bytes", e, body.n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.Tier != tt.tier || m.TierBy != tt.tby || e.Tier != tt.tier {
				t.Errorf("born %s by %s, logged %s; want %s by %s", m.Tier, m.TierBy, e.Tier, tt.tier, tt.tby)
			}
		})
	}
}

type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// Without a dataset it is the key's default; whoever has none hears what to do.
func TestPutDefaultDataset(t *testing.T) {
	h := newHouse(t, "")
	by, _ := h.Issue(h.Ulf, identity.NewKey{Principal: "ulf", Dataset: "proofs"})
	m, err := h.Vault.Put(t.Context(), by, vault.Upload{}, bytes.NewReader(small(t)))
	if err != nil || m.Dataset != "proofs" {
		t.Errorf("got %+v, %v; want it in proofs", m, err)
	}
	_, err = h.Vault.Put(t.Context(), h.Ulf, vault.Upload{}, bytes.NewReader(small(t)))
	if e := wantKind(t, err, vitrine.ErrNotFound); e.Param != "dataset" {
		t.Errorf("the answer does not say what is missing: %+v", e)
	}
}

func chunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// claiming is a picture whose header claims a size.
func claiming(t testing.TB, width, height uint32) []byte {
	b := flat(t, color.White)
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	header = append(header, 16, 6, 0, 0, 0)
	return append(append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", header)...), b[33:]...)
}

// Whatever is no picture within bounds is refused, recorded with its reason,
// and leaves nothing behind, however large it is.
func TestPutRefusesBadPictures(t *testing.T) {
	h := newHouse(t, "")
	whole := large(t)
	tests := []struct {
		name string
		body io.Reader
		kind error
	}{
		{"nothing", strings.NewReader(""), vitrine.ErrInvalid},
		{"text", strings.NewReader("not a picture"), vitrine.ErrInvalid},
		{"a page", strings.NewReader("<!doctype html><script>alert(1)</script>"), vitrine.ErrInvalid},
		{"a drawing with a script", strings.NewReader(`<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`), vitrine.ErrInvalid},
		{"an archive", strings.NewReader("PK\x03\x04" + strings.Repeat("x", 200)), vitrine.ErrInvalid},
		{"a small one cut short", bytes.NewReader(small(t)[:500]), vitrine.ErrInvalid},
		{"a large one cut short", bytes.NewReader(whole[:len(whole)-10]), vitrine.ErrInvalid},
		{"something after the end", bytes.NewReader(append(bytes.Clone(whole), "<script>"...)), vitrine.ErrInvalid},
		{"a header that lies", bytes.NewReader(claiming(t, 6000, 6000)), vitrine.ErrInvalid},
		{"too many pixels", bytes.NewReader(claiming(t, 30000, 30000)), vitrine.ErrTooLarge},
		{"endless zeros", zeros{}, vitrine.ErrTooLarge},
		{"an endless picture", io.MultiReader(bytes.NewReader(whole), zeros{}), vitrine.ErrTooLarge},
		{"a sender that breaks off", io.MultiReader(bytes.NewReader(whole[:100_000]), iotest.ErrReader(io.ErrUnexpectedEOF)), vitrine.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			e := h.one(func() { _, err = h.Vault.Put(t.Context(), h.Ulf, vault.Upload{Dataset: "drafts"}, tt.body) })
			got := wantKind(t, err, tt.kind)
			if got.Param != "image" || e.Outcome != vitrine.Refused || e.Code != got.Code {
				t.Errorf("answered %+v, recorded %+v", got, e)
			}
			if h.images() != 0 || len(h.files()) != 0 {
				t.Errorf("left behind: %d images, files %v", h.images(), h.files())
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// What stands beside the picture is bounded and one line of printable text.
func TestPutRefusesBadText(t *testing.T) {
	h := newHouse(t, "")
	long := strings.Repeat("x", 300)
	tests := []struct {
		name  string
		u     vault.Upload
		param string
	}{
		{"a long name", vault.Upload{Name: long}, "name"},
		{"a name with a line break", vault.Upload{Name: "a\nb"}, "name"},
		{"a name that turns text around", vault.Upload{Name: "a\u202egnp.exe"}, "name"},
		{"a name that is no text", vault.Upload{Name: "a\xff"}, "name"},
		{"a long label", vault.Upload{Labels: []string{long}}, "labels"},
		{"many labels", vault.Upload{Labels: strings.Split("a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H", " ")}, "labels"},
		{"many sources", vault.Upload{Sources: make([]vitrine.ID, 17)}, "source"},
	}
	src := h.at(vitrine.Internal)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.u.Dataset = "drafts"
			for i := range tt.u.Sources {
				tt.u.Sources[i] = src.ID
			}
			var err error
			e := h.one(func() { _, err = h.Vault.Put(t.Context(), h.Ulf, tt.u, bytes.NewReader(small(t))) })
			if got := wantKind(t, err, vitrine.ErrInvalid); got.Param != tt.param || e.Outcome != vitrine.Refused {
				t.Errorf("answered %+v, recorded %+v", got, e)
			}
			// Who has no right there hears nothing of what was wrong.
			_, err = h.Vault.Put(t.Context(), h.Eve, tt.u, bytes.NewReader(small(t)))
			wantKind(t, err, vitrine.ErrNotFound)
		})
	}
}

// A dataset that goes while the picture comes takes the picture with it.
func TestPutIntoWhatGoes(t *testing.T) {
	h := newHouse(t, "")
	body := io.MultiReader(bytes.NewReader(small(t)), hook(func() {
		h.Apply(h.Alice, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindDataset, ID: "proofs"}))
	}))
	_, err := h.Vault.Put(t.Context(), h.Ulf, vault.Upload{Dataset: "proofs"}, body)
	wantKind(t, err, vitrine.ErrConflict)
	if h.images() != 0 {
		t.Error("an image lies where nobody can reach it")
	}
}

type hook func()

func (f hook) Read([]byte) (int, error) { f(); return 0, io.EOF }

// A bucket that breaks at any point leaves no image without its bytes, and an
// entry that says that it failed.
func TestPutOnABrokenBucket(t *testing.T) {
	for _, op := range []memblob.Op{memblob.Create, memblob.Write, memblob.Commit, memblob.Open} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, done %t", op, after), func(t *testing.T) {
				h := newHouse(t, "")
				fail := func(o memblob.Op, _ string) error {
					if o == op {
						return errBroken
					}
					return nil
				}
				if after {
					h.Faults.after = fail
				} else {
					h.Faults.before = fail
				}
				if op == memblob.Open { // what is held in memory is not read back
					release, ok := h.Vault.FillMemory()
					if !ok {
						t.Fatal("there is something in memory")
					}
					defer release()
				}
				var err error
				e := h.one(func() {
					_, err = h.Vault.Put(t.Context(), h.Ulf, vault.Upload{Dataset: "drafts"}, bytes.NewReader(large(t)))
				})
				if !errors.Is(err, errBroken) || e.Outcome != vitrine.Broken {
					t.Fatalf("answered %v, recorded %+v", err, e)
				}
				h.Faults = faults{}
				if h.images() != 0 || len(h.files()) != 0 {
					t.Errorf("left behind: %d images, files %v", h.images(), h.files())
				}
				h.put(large(t), vault.Upload{})
			})
		}
	}
}

// A draft answers its bytes, and gives its memory back, whether there was room
// in memory for all of them or not.
func TestDraftHoldsItsBytes(t *testing.T) {
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprintf("memory full %t", full), func(t *testing.T) {
			h := newHouse(t, "")
			if full {
				release, _ := h.Vault.FillMemory()
				defer release()
			}
			picture := noise(t, 400, 300, 3)
			d, err := h.Vault.Draft(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for rest := picture; len(rest) > 0; rest = rest[min(len(rest), 50_000):] {
				if _, err := d.Write(rest[:min(len(rest), 50_000)]); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := d.Finish(); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size()))
			if err != nil || !bytes.Equal(got, picture) {
				t.Errorf("answered %d bytes, %v; want the %d that were written", len(got), err, len(picture))
			}
			for _, off := range []int64{-1, d.Size(), d.Size() - 1, 128<<10 - 1, 128 << 10} {
				var two [2]byte
				n, err := d.ReadAt(two[:], off)
				want := 0
				if off >= 0 {
					want = copy(make([]byte, 2), picture[off:])
				}
				if n != want || want < 2 && err == nil || n > 0 && !bytes.Equal(two[:n], picture[off:off+int64(n)]) {
					t.Errorf("at %d: %d bytes, %v; want %d", off, n, err, want)
				}
			}
			d.Abort()
			if _, ok := h.Vault.FillMemory(); !ok && !full {
				t.Error("an ended draft holds memory")
			}
		})
	}
}

// On a disk without room nothing is taken, and that is still recorded: the rest
// of the room is the log's.
func TestPutWithoutRoom(t *testing.T) {
	h := newHouse(t, "")
	free := int64(64<<20 + 8<<20)
	h.Bucket.Room = func() (int64, error) { return free, nil }
	h.put(large(t), vault.Upload{})
	free--
	e := h.one(func() {
		_, err := h.Vault.Put(t.Context(), h.Ulf, vault.Upload{Dataset: "drafts"}, bytes.NewReader(small(t)))
		var why *vitrine.Error
		if !errors.As(err, &why) || why.Kind != vitrine.ErrUnavailable || why.Code != "no_room" {
			t.Errorf("got %v", err)
		}
	})
	if e.Outcome != vitrine.Refused || e.Code != "no_room" {
		t.Errorf("the log says %+v", e)
	}
}

// Where the log cannot be written nothing is kept: neither by Put, nor by Keep.
// The bytes that may or may not be named are left to the sweep.
func TestPutUnrecorded(t *testing.T) {
	h := newHouse(t, "")
	v := h.mute()
	_, err := v.Put(t.Context(), h.Ulf, vault.Upload{Dataset: "drafts"}, bytes.NewReader(large(t)))
	wantKind(t, err, vitrine.ErrUnavailable)
	if h.images() != 0 || len(h.files()) != 1 {
		t.Errorf("%d images, files %v; want none and one for the sweep", h.images(), h.files())
	}
	h.Clock.Advance(vault.SweepAge + minute)
	if n, err := h.Vault.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
}

// Nothing of a picture or of what is said of it stands in clear, in the bucket
// or in the database.
func TestNothingIsStoredInClear(t *testing.T) {
	h := newHouse(t, "")
	for _, b := range [][]byte{small(t), large(t)} {
		m := h.put(b, vault.Upload{Name: "secret-name.png", Labels: []string{"secret-label"}})
		h.open(h.Ann, m.ID, vitrine.Thumbnail)
		h.open(h.Ann, h.classify(m.ID, vitrine.Confidential).ID, vitrine.Thumbnail)
		stored := h.stored()
		if !bytes.Contains(stored, []byte(m.ID)) {
			t.Fatal("what is looked through is not what is stored")
		}
		for _, plain := range [][]byte{b[:16], b[1000:1016], []byte("secret-"), []byte(m.Detail.SHA256), sum(b)} {
			if bytes.Contains(stored, plain) {
				t.Errorf("what is kept of %s holds %q", m.ID, plain)
			}
		}
	}
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

// stored is every byte that is kept: of the database's files and the bucket's.
func (h *house) stored() []byte {
	h.T.Helper()
	var all []byte
	path := strings.TrimPrefix(h.URL, "sqlite:")
	for _, name := range []string{path, path + "-wal"} {
		b, err := os.ReadFile(name)
		if err != nil {
			h.T.Fatal(err)
		}
		all = append(all, b...)
	}
	for _, name := range h.files() {
		all = append(all, h.file(name)...)
	}
	return all
}

// file reads a blob of the bucket.
func (h *house) file(name string) []byte {
	h.T.Helper()
	f, err := h.Bucket.Open(h.T.Context(), name)
	if err != nil {
		h.T.Fatal(err)
	}
	b := make([]byte, f.Size())
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		h.T.Fatal(err)
	}
	return b
}
