package vault_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/blob/memblob"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
	"vitrine.dev/vitrine/internal/vault"
)

// house is a system with a vault in memory. In project renders lies drafts,
// where images are born internal, and proofs, where nobody has said: restricted.
type house struct {
	*identitytest.System
	Vault  *vault.Vault
	Bucket *memblob.Bucket
	Faults faults

	Ann access.Caller // sees masked views to confidential, originals to internal
	Sam access.Caller // data steward: opens, exports, classifies, deletes
	Ulf access.Caller // adds at every tier, and opens
	Una access.Caller // adds up to internal, sees nothing
	Eve access.Caller // has no role
}

// faults fail operations of the bucket, before or after they were done.
type faults struct {
	before, after func(memblob.Op, string) error
}

func newHouse(t testing.TB, url string) *house {
	t.Helper()
	h := &house{System: identitytest.New(t, url)}
	h.Bucket = &memblob.Bucket{
		Before: func(op memblob.Op, name string) error { return strike(h.Faults.before, op, name) },
		After:  func(op memblob.Op, name string) error { return strike(h.Faults.after, op, name) },
		Now:    h.Clock.Now,
	}
	h.Alice, _ = h.Issue(h.Alice, identity.NewKey{Principal: h.Alice.Principal}) // her first key ends within days
	h.Renders()
	h.Apply(h.Alice,
		vitrine.Put(&vitrine.Dataset{ID: "proofs", Project: "renders", Category: vitrine.Generated}),
		vitrine.Put(role("looker",
			grant(vitrine.Confidential, vitrine.ImageView), grant(vitrine.Internal, vitrine.ImageOpen))),
		vitrine.Put(role("adder", grant(vitrine.Restricted, vitrine.ImageCreate, vitrine.ImageOpen))),
		vitrine.Put(role("giver", grant(vitrine.Internal, vitrine.ImageCreate))),
	)
	h.Ann = h.Person("ann", vitrine.Binding{Role: "looker", Scope: "renders"})
	h.Sam = h.Person("sam", vitrine.Binding{Role: "data-steward", Scope: "renders"})
	h.Ulf = h.Person("ulf", vitrine.Binding{Role: "adder", Scope: "renders"})
	h.Una = h.Person("una", vitrine.Binding{Role: "giver", Scope: "renders"})
	h.Eve = h.Person("eve")
	h.Vault = h.vault(h.Guard, h.Store)
	t.Cleanup(func() {
		if n := h.Vault.OpenViews(); n > 0 {
			t.Errorf("%d views were left open", n)
		}
	})
	return h
}

func strike(f func(memblob.Op, string) error, op memblob.Op, name string) error {
	if f == nil {
		return nil
	}
	return f(op, name)
}

// vault is a vault on the house's bucket.
func (h *house) vault(g *access.Guard, st *store.Store) *vault.Vault {
	h.T.Helper()
	v, err := vault.New(vault.Config{Guard: g, Store: st, Bucket: h.Bucket, Seal: h.Seal, Now: h.Clock.Now})
	if err != nil {
		h.T.Fatal(err)
	}
	return v
}

// delete deletes an image as people do as a rule: it may be restored.
func (h *house) delete(by access.Caller, id vitrine.ID) error {
	_, err := h.Vault.Delete(context.WithoutCancel(h.T.Context()), by, id, vault.Deleting{})
	return err
}

// destroy deletes an image at once.
func (h *house) destroy(by access.Caller, id vitrine.ID) error {
	_, err := h.Vault.Delete(h.T.Context(), by, id, vault.Deleting{Now: true, Reason: "a test"})
	return err
}

// keep lets go what nobody asks for.
func (h *house) keep() {
	h.T.Helper()
	if err := h.Vault.KeepAll(h.T.Context()); err != nil {
		h.T.Fatal(err)
	}
}

// rules changes how a dataset keeps its images.
func (h *house) rules(dataset vitrine.ID, change func(*vitrine.Dataset)) {
	h.T.Helper()
	was, ok := must(h.Source.Current()).Dataset(dataset)
	if !ok {
		h.T.Fatalf("there is no dataset %s", dataset)
	}
	d := *was
	change(&d)
	h.Apply(h.Alice, vitrine.Put(&d))
}

// mute is a vault of a node that reads everything and can write nothing, not
// even the log.
func (h *house) mute() *vault.Vault {
	h.T.Helper()
	st, err := store.Open(h.T.Context(), store.Config{URL: h.URL, Seal: h.Seal, Now: h.Clock.Now})
	if err != nil {
		h.T.Fatal(err)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if err := st.Run(ended); err != nil {
		h.T.Fatal(err)
	}
	h.T.Cleanup(func() {
		if err := st.Close(); err != nil {
			h.T.Error(err)
		}
	})
	g, err := access.NewGuard(access.Config{Policy: h.Source.Current, Store: st, Now: h.Clock.Now})
	if err != nil {
		h.T.Fatal(err)
	}
	return h.vault(g, st)
}

// each runs fn on every database.
func each(t *testing.T, fn func(t *testing.T, h *house)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, url string) { fn(t, newHouse(t, url)) })
}

func role(id vitrine.ID, grants ...vitrine.Grant) *vitrine.Role {
	return &vitrine.Role{ID: id, Grants: append(grants, vitrine.Grant{Permissions: []vitrine.Permission{vitrine.DatasetView}})}
}

func grant(to vitrine.Tier, permissions ...vitrine.Permission) vitrine.Grant {
	return vitrine.Grant{Permissions: permissions, Categories: []vitrine.Category{vitrine.Generated, vitrine.Reference}, Tiers: vitrine.TiersUpTo(to)}
}

// noise is a picture that does not compress: width × height × 3 bytes and some.
func noise(t testing.TB, width, height int, seed uint64) []byte {
	t.Helper()
	r := mathrand.New(mathrand.NewPCG(seed, seed))
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32())
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return encode(t, m)
}

func encode(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The two sizes that are kept differently: in the row, and in the bucket.
func small(t testing.TB) []byte { return noise(t, 64, 48, 1) }
func large(t testing.TB) []byte { return noise(t, 320, 240, 2) }

// flat is a small picture of one colour.
func flat(t testing.TB, c color.Color) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	for i := range 256 {
		m.Set(i%16, i/16, c)
	}
	return encode(t, m)
}

// put puts a picture as ulf.
func (h *house) put(b []byte, u vault.Upload) *vitrine.Image {
	h.T.Helper()
	if u.Dataset == "" {
		u.Dataset = "drafts"
	}
	m, err := h.Vault.Put(h.T.Context(), h.Ulf, u, bytes.NewReader(b))
	if err != nil {
		h.T.Fatalf("put: %v", err)
	}
	return m
}

// at puts a small picture at a tier.
func (h *house) at(tier vitrine.Tier) *vitrine.Image {
	h.T.Helper()
	m := h.put(small(h.T), vault.Upload{Name: "name-of-" + tier.String() + ".png", Tier: max(tier, vitrine.Internal)})
	if tier == vitrine.Public {
		return h.classify(m.ID, tier)
	}
	return m
}

func (h *house) classify(id vitrine.ID, tier vitrine.Tier) *vitrine.Image {
	h.T.Helper()
	m, err := h.Vault.Classify(h.T.Context(), h.Sam, id, tier, "for a test")
	if err != nil {
		h.T.Fatalf("classify: %v", err)
	}
	return m
}

// all reads a view to its end and closes it.
func all(t testing.TB, w *vault.View) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(w, 0, w.Size))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatalf("read a view: %v", err)
	}
	return b
}

// open opens an image and reads it.
func (h *house) open(by access.Caller, id vitrine.ID, r vitrine.Rendition) (*vault.View, []byte) {
	h.T.Helper()
	w, err := h.Vault.Open(h.T.Context(), by, id, r)
	if err != nil {
		h.T.Fatalf("open %q as %s: %v", r, by.Principal, err)
	}
	return w, all(h.T, w)
}

func wantKind(t testing.TB, err, kind error) *vitrine.Error {
	t.Helper()
	var e *vitrine.Error
	if !errors.Is(err, kind) || !errors.As(err, &e) {
		t.Fatalf("got error %v, want %v", err, kind)
	}
	return e
}

// one expects exactly one further entry and answers it.
func (h *house) one(act func()) vitrine.Entry {
	h.T.Helper()
	before := h.size()
	act()
	if n := h.size() - before; n != 1 {
		h.T.Fatalf("%d entries for one attempt", n)
	}
	return h.Last()
}

func (h *house) size() int64 {
	h.T.Helper()
	n, _, _, err := h.Store.LogSize(h.T.Context())
	if err != nil {
		h.T.Fatal(err)
	}
	return n
}

// files lists the bucket.
func (h *house) files() []string {
	h.T.Helper()
	page, err := h.Bucket.List(h.T.Context(), "", 1000)
	if err != nil {
		h.T.Fatal(err)
	}
	names := []string{}
	for _, b := range page {
		names = append(names, b.Name)
	}
	return names
}

// images counts the images that a row names.
func (h *house) images() int {
	h.T.Helper()
	page, err := h.Store.Images(h.T.Context(), store.ImageQuery{Limit: 1000, Sets: []store.ImageSet{{Datasets: []vitrine.ID{"drafts", "proofs"}, Cells: ^uint32(0)}}})
	if err != nil {
		h.T.Fatal(err)
	}
	return len(page.Rows)
}

var errBroken = errors.New("the disk broke")

const minute = time.Minute
