package vault_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/blob/memblob"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

// begin decides and records an act, as a gateway does before it spends money.
func (h *house) begin() access.Receipt {
	h.T.Helper()
	t, err := h.Guard.Check(h.T.Context(), h.Ulf, access.Act{Permission: vitrine.ImageCreate, Op: "generate",
		Resource: vitrine.Resource{Kind: vitrine.KindImage, Scope: "drafts", Category: vitrine.Generated, Tier: vitrine.Internal}})
	if err != nil {
		h.T.Fatal(err)
	}
	r, err := t.Record(h.T.Context())
	if err != nil {
		h.T.Fatal(err)
	}
	return r
}

// draft is a finished draft.
func (h *house) draft(b []byte) *vault.Draft {
	h.T.Helper()
	d, err := h.Vault.Draft(h.T.Context())
	if err != nil {
		h.T.Fatal(err)
	}
	for len(b) > 0 {
		n := min(len(b), 10_000)
		if _, err := d.Write(b[:n]); err != nil {
			h.T.Fatal(err)
		}
		b = b[n:]
	}
	info, err := d.Finish()
	if err != nil || info.Format != "png" {
		h.T.Fatalf("finish: %+v, %v", info, err)
	}
	return d
}

func born() vitrine.Image {
	return vitrine.Image{Dataset: "drafts", Project: "renders", Category: vitrine.Generated, Tier: vitrine.Internal, TierBy: vitrine.TierByBirth, Owner: "ulf",
		Detail: vitrine.ImageDetail{Lineage: vitrine.Lineage{Prompt: "a fox", Model: "hidream"}}}
}

// Drafts are kept together with what belongs to the same act, also when the
// client has gone; and their bytes can be read for the answer before and after.
func TestKeep(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		bodies := [][]byte{small(t), large(t)}
		r := h.begin()
		var kept []vault.Kept
		for _, b := range bodies {
			kept = append(kept, vault.Kept{Draft: h.draft(b), Image: born(), LinkTTL: 2 * time.Hour})
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		ran := 0
		var err error
		e := h.one(func() {
			err = h.Vault.Keep(gone, r, &vitrine.Entry{Cost: 40_000}, kept, func(tx *store.Tx) error { ran++; return tx.SetMeta("settled", "yes") })
		})
		if err != nil || ran != 1 {
			t.Fatalf("ran %d times, %v", ran, err)
		}
		if v, ok, err := h.Store.Meta(t.Context(), "settled"); v != "yes" || !ok || err != nil {
			t.Errorf("what belongs to it is %q, %v", v, err)
		}
		if e.Op != "generate done" || e.Outcome != vitrine.Allowed || e.Cost != 40_000 || e.Actor != "ulf" {
			t.Errorf("the log says %+v", e)
		}
		for i, k := range kept {
			m := k.Image
			if m.ID != k.Draft.ID() || !strings.Contains(e.Detail, string(m.ID)) || m.Version != 1 || m.Detail.Size != k.Draft.Size() || m.Detail.Lineage.Prompt != "a fox" {
				t.Errorf("kept %+v, recorded %+v", m, e)
			}
			if got, err := io.ReadAll(io.NewSectionReader(k.Draft, 0, k.Draft.Size())); err != nil || !bytes.Equal(got, bodies[i]) {
				t.Errorf("the answer would be %d bytes, %v", len(got), err)
			}
			k.Draft.Abort()
			k.Draft.Abort()
			if _, err := k.Draft.ReadAt(make([]byte, 1), 0); err == nil {
				t.Error("an ended draft is read")
			}
			w, got := h.open(h.Ann, m.ID, "")
			if !bytes.Equal(got, bodies[i]) || w.Image.Detail.Lineage.Model != "hidream" {
				t.Errorf("other bytes, or of another kind: %+v", w.Image)
			}
			if left := k.Link.Expires.Sub(h.Clock.Now()); left > time.Hour || left < 59*time.Minute {
				t.Errorf("the link lives %s", left)
			}
		}
	})
}

// The link in an answer is the answer: it works for who may open and not
// export, and while that may be.
func TestAnswerLink(t *testing.T) {
	h := newHouse(t, "")
	kept := []vault.Kept{{Draft: h.draft(small(t)), Image: born(), LinkTTL: time.Minute}, {Draft: h.draft(small(t)), Image: born()}}
	if err := h.Vault.Keep(t.Context(), h.begin(), nil, kept, nil); err != nil {
		t.Fatal(err)
	}
	if kept[1].Link != nil {
		t.Errorf("a link that nobody asked for: %+v", kept[1].Link)
	}
	id, l := kept[0].Image.ID, kept[0].Link
	w, err := h.Vault.OpenLink(t.Context(), from(), l.Token)
	if err != nil {
		t.Fatal(err)
	}
	if got := all(t, w); !bytes.Equal(got, small(t)) || h.Last().Act != "image.open" || h.Last().Actor != "ulf" {
		t.Errorf("it shows %d bytes, recorded %+v", len(got), h.Last())
	}
	_, err = h.Vault.Link(t.Context(), h.Ulf, id, "", 0)
	wantKind(t, err, vitrine.ErrDenied)
	if links, err := h.Vault.Links(t.Context(), h.Ulf, id); err != nil || len(links) != 1 || links[0].ID != l.ID {
		t.Errorf("its maker sees %+v, %v", links, err)
	}
	h.Apply(h.Alice, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: "ulf-0"}))
	_, err = h.Vault.OpenLink(t.Context(), from(), l.Token)
	wantKind(t, err, vitrine.ErrNotFound)
	if err := h.Vault.RevokeLink(t.Context(), h.Ulf, id, l.ID); err != nil {
		t.Error(err)
	}
}

// Nothing of an act stands if a part of it fails; the same drafts can be kept
// later, and what never is kept is removed.
func TestKeepFails(t *testing.T) {
	h := newHouse(t, "")
	r := h.begin()
	kept := []vault.Kept{{Draft: h.draft(large(t)), Image: born(), LinkTTL: time.Minute}, {Draft: h.draft(small(t)), Image: born()}}
	var err error
	e := h.one(func() {
		err = h.Vault.Keep(t.Context(), r, nil, kept, func(*store.Tx) error { return errBroken })
	})
	if !errors.Is(err, errBroken) || e.Outcome != vitrine.Broken || h.images() != 0 || kept[0].Link != nil {
		t.Fatalf("answered %v, recorded %+v, %d images", err, e, h.images())
	}
	if err := h.Vault.Keep(t.Context(), r, nil, kept, nil); err != nil || h.images() != 2 {
		t.Fatalf("again: %v, %d images", err, h.images())
	}
	for _, k := range kept {
		k.Draft.Abort()
		h.open(h.Ann, k.Image.ID, "")
	}
	lost := []vault.Kept{{Draft: h.draft(large(t)), Image: born()}}
	if err := h.Vault.Keep(t.Context(), r, nil, lost, func(*store.Tx) error { return errBroken }); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	lost[0].Draft.Abort()
	if files := h.files(); len(files) != 1 {
		t.Errorf("left: %v", files)
	}
}

// Where nobody knows whether the rows stand, Abort leaves the bytes alone.
func TestKeepInDoubt(t *testing.T) {
	h := newHouse(t, "")
	v := h.mute()
	d, err := v.Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write(large(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Finish(); err != nil {
		t.Fatal(err)
	}
	err = v.Keep(t.Context(), h.begin(), nil, []vault.Kept{{Draft: d, Image: born()}}, nil)
	wantKind(t, err, vitrine.ErrUnavailable)
	d.Abort()
	if len(h.files()) != 1 || h.images() != 0 {
		t.Errorf("%d images, files %v", h.images(), h.files())
	}
}

// What Keep cannot keep.
func TestKeepRefuses(t *testing.T) {
	h := newHouse(t, "")
	r := h.begin()
	unfinished, err := h.Vault.Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nowhere := born()
	nowhere.Dataset = ""
	tests := []struct {
		name string
		r    access.Receipt
		k    vault.Kept
	}{
		{"without an allow", access.Receipt{}, vault.Kept{Draft: h.draft(small(t)), Image: born()}},
		{"an unfinished draft", r, vault.Kept{Draft: unfinished, Image: born()}},
		{"nowhere", r, vault.Kept{Draft: h.draft(small(t)), Image: nowhere}},
	}
	for _, tt := range tests {
		if err := h.Vault.Keep(t.Context(), tt.r, nil, []vault.Kept{tt.k}, nil); err == nil || h.images() != 0 {
			t.Errorf("%s: kept, %d images", tt.name, h.images())
		}
		tt.k.Draft.Abort()
	}
}

// An aborted draft leaves nothing, at whatever point it is aborted.
func TestDraftAborted(t *testing.T) {
	h := newHouse(t, "")
	for _, n := range []int{0, 10, vault.Inline, vault.Inline + 1, 200_000} {
		for _, finish := range []bool{false, true} {
			d, err := h.Vault.Draft(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Write(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			if finish {
				if _, err := d.Finish(); !errors.Is(err, vitrine.ErrInvalid) {
					t.Errorf("%d zeros are a picture: %v", n, err)
				}
			}
			d.Abort()
			if len(h.files()) > 0 {
				t.Errorf("%d bytes, finished %t, left: %v", n, finish, h.files())
			}
		}
	}
}

// The two ways of keeping meet at the border without a gap.
func TestInlineBorder(t *testing.T) {
	h := newHouse(t, "")
	for _, size := range []int{vault.Inline - 1, vault.Inline, vault.Inline + 1} {
		b := sized(t, size)
		before := len(h.files())
		m := h.put(b, vault.Upload{})
		if files := len(h.files()) - before; (files == 1) != (size > vault.Inline) {
			t.Errorf("%d bytes: %d files", size, files)
		}
		if _, got := h.open(h.Ann, m.ID, ""); !bytes.Equal(got, b) {
			t.Errorf("%d bytes: others came back", size)
		}
	}
}

// sized is a picture of exactly so many bytes.
func sized(t testing.TB, size int) []byte {
	b := small(t)
	end := len(b) - 12
	fill := make([]byte, size-len(b)-12)
	return append(append(bytes.Clone(b[:end]), chunk("teSt", fill)...), b[end:]...)
}

// Source reads for an act that was decided.
func TestSource(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(large(t), vault.Upload{})
	w, err := h.Vault.Source(t.Context(), vitrine.Decision{Allow: true}, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := all(t, w); !bytes.Equal(got, large(t)) || w.Rendition != vitrine.Original {
		t.Errorf("got %d bytes of %+v", len(got), w)
	}
	_, err = h.Vault.Source(t.Context(), vitrine.Decision{}, m.ID)
	wantKind(t, err, vitrine.ErrDenied)
	_, err = h.Vault.Source(t.Context(), vitrine.Decision{Allow: true}, "img-none")
	wantKind(t, err, vitrine.ErrNotFound)
}

func TestFind(t *testing.T) {
	h := newHouse(t, "")
	m := h.at(vitrine.Confidential)
	if r, err := h.Vault.Find(t.Context(), m.ID); err != nil || r != m.Resource() {
		t.Errorf("got %+v, %v", r, err)
	}
	for _, id := range []vitrine.ID{"img-none", "", "\x00"} {
		if r, err := h.Vault.Find(t.Context(), id); err != nil || r != (vitrine.Resource{}) {
			t.Errorf("%q: got %+v, %v", id, r, err)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if r, err := h.Vault.Find(gone, m.ID); err == nil {
		t.Errorf("a look-up that failed answered %+v", r)
	}
}

func TestPromptHash(t *testing.T) {
	h, other := newHouse(t, ""), newHouse(t, "")
	a := h.Vault.PromptHash("a fox")
	if a != h.Vault.PromptHash("a fox") || len(a) != 64 {
		t.Errorf("equal prompts differ: %s", a)
	}
	if a == h.Vault.PromptHash("a fax") || a == other.Vault.PromptHash("a fox") {
		t.Error("other prompts, or other installations, are equal")
	}
	if got := h.Vault.PromptHash(""); got != "" {
		t.Errorf("no prompt is %s", got)
	}
}

// Uploads, reads, changes and deletions at once leave every image whole or gone.
func TestConcurrency(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Faults.before = func(memblob.Op, string) error { return nil }
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				b := noise(t, 200+i, 150, uint64(i))
				m, err := h.Vault.Put(t.Context(), h.Ulf, vault.Upload{Dataset: "drafts"}, bytes.NewReader(b))
				if err != nil {
					t.Error(err)
					return
				}
				var inner sync.WaitGroup
				for range 3 {
					inner.Go(func() {
						w, err := h.Vault.Open(t.Context(), h.Ann, m.ID, "")
						if errors.Is(err, vitrine.ErrNotFound) {
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
						got, err := io.ReadAll(io.NewSectionReader(w, 0, w.Size))
						if err != nil && !errors.Is(err, vitrine.ErrNotFound) || err == nil && !bytes.Equal(got, b) {
							t.Errorf("read %d bytes, %v", len(got), err)
						}
						if err := w.Close(); err != nil {
							t.Error(err)
						}
					})
				}
				inner.Go(func() {
					name := "b"
					_, err := h.Vault.Update(t.Context(), h.Sam, m.ID, &name, nil)
					if err != nil && !errors.Is(err, vitrine.ErrConflict) && !errors.Is(err, vitrine.ErrNotFound) {
						t.Error(err)
					}
				})
				if i%2 == 0 {
					inner.Go(func() {
						if err := h.destroy(h.Sam, m.ID); err != nil && !errors.Is(err, vitrine.ErrConflict) {
							t.Error(err)
						}
					})
				}
				inner.Wait()
			})
		}
		wg.Wait()
		if h.images() != len(h.files()) {
			t.Errorf("%d images, %d files", h.images(), len(h.files()))
		}
	})
}
