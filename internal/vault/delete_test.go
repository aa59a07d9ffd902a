package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/blob/memblob"
	"vitrine.dev/vitrine/internal/vault"
)

// unreachable fails where any door still gives an image.
func (h *house) unreachable(m *vitrine.Image, token string) {
	h.T.Helper()
	ctx := h.T.Context()
	for name, err := range map[string]error{
		"open":      second(h.Vault.Open(ctx, h.Sam, m.ID, "")),
		"masked":    second(h.Vault.Open(ctx, h.Ann, m.ID, vitrine.Masked)),
		"thumbnail": second(h.Vault.Open(ctx, h.Ann, m.ID, vitrine.Thumbnail)),
		"info":      second(h.Vault.Info(ctx, h.Sam, m.ID)),
		"link":      second(h.Vault.Link(ctx, h.Sam, m.ID, "", 0)),
		"open link": second(h.Vault.OpenLink(ctx, from(), token)),
		"source":    second(h.Vault.Source(ctx, vitrine.Decision{Allow: true}, m.ID)),
		"update":    second(h.Vault.Update(ctx, h.Sam, m.ID, nil, nil)),
		"classify":  second(h.Vault.Classify(ctx, h.Sam, m.ID, vitrine.Restricted, "")),
		"delete":    h.delete(h.Sam, m.ID),
		"upload":    second(h.Vault.Put(ctx, h.Ulf, vault.Upload{Dataset: "drafts", Sources: []vitrine.ID{m.ID}}, bytes.NewReader(small(h.T)))),
	} {
		if !errors.Is(err, vitrine.ErrNotFound) {
			h.T.Errorf("%s: %v, want not found", name, err)
		}
	}
	if r, err := h.Vault.Find(ctx, m.ID); err != nil || r != (vitrine.Resource{}) {
		h.T.Errorf("found as %+v, %v", r, err)
	}
	for _, by := range []access.Caller{h.Sam, h.Ann} {
		page, err := h.Vault.List(ctx, by, vault.Query{})
		if err != nil {
			h.T.Fatal(err)
		}
		for _, i := range page.Images {
			if i.ID == m.ID {
				h.T.Errorf("%s lists it", by.Principal)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

// deleted lists what a caller may restore.
func (h *house) deleted(by access.Caller) []vault.Info {
	h.T.Helper()
	page, err := h.Vault.List(h.T.Context(), by, vault.Query{Deleted: true})
	if err != nil {
		h.T.Fatal(err)
	}
	return page.Images
}

// A deleted image is nowhere, until who may delete it brings it back; its bytes
// are the same then, and its links stay dead.
func TestDeleteAndRestore(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for _, b := range [][]byte{small(t), large(t)} {
			m := h.put(b, vault.Upload{Name: "a.png"})
			h.open(h.Ann, m.ID, vitrine.Masked)
			l, err := h.Vault.Link(t.Context(), h.Sam, m.ID, "", 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, by := range []access.Caller{h.Ann, h.Ulf} {
				wantKind(t, h.delete(by, m.ID), vitrine.ErrDenied)
			}
			wantKind(t, h.delete(h.Eve, m.ID), vitrine.ErrNotFound)
			h.open(h.Ann, m.ID, "")

			e := h.one(func() { err = h.delete(h.Sam, m.ID) })
			if err != nil || e.Act != "image.delete" || e.Op != "delete" || e.Resource != m.ID || e.Outcome != vitrine.Allowed {
				t.Fatalf("answered %v, recorded %+v", err, e)
			}
			h.unreachable(m, l.Token)
			if got := h.deleted(h.Sam); len(got) != 1 || got[0].ID != m.ID || got[0].Deleted.By != "sam" || got[0].Detail.Name != "a.png" ||
				got[0].Deleted.Until.Sub(got[0].Deleted.At) != vault.DefaultWindow {
				t.Errorf("sam may restore %+v", got)
			}
			if got := h.deleted(h.Ann); len(got) > 0 {
				t.Errorf("ann may restore %+v", got)
			}
			for _, by := range []access.Caller{h.Ann, h.Ulf, h.Eve} {
				_, err := h.Vault.Restore(t.Context(), by, m.ID)
				wantKind(t, err, vitrine.ErrNotFound)
			}

			h.Clock.Advance(vault.DefaultWindow - minute)
			h.keep()
			var back *vitrine.Image
			e = h.one(func() { back, err = h.Vault.Restore(t.Context(), h.Sam, m.ID) })
			if err != nil || e.Act != "image.delete" || e.Op != "restore" || e.Outcome != vitrine.Allowed || back.Version != 3 || back.Detail.Name != "a.png" {
				t.Fatalf("answered %+v, %v, recorded %+v", back, err, e)
			}
			if _, got := h.open(h.Sam, m.ID, vitrine.Original); !bytes.Equal(got, b) {
				t.Error("restored it has other bytes")
			}
			if _, err := h.Vault.OpenLink(t.Context(), from(), l.Token); !errors.Is(err, vitrine.ErrNotFound) {
				t.Errorf("its link: %v", err)
			}
			if _, err := h.Vault.Restore(t.Context(), h.Sam, m.ID); !errors.Is(err, vitrine.ErrNotFound) {
				t.Errorf("restored again: %v", err)
			}
			if err := h.destroy(h.Sam, m.ID); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// When its time has passed the key of a deleted image is destroyed, its bytes go,
// and nobody brings it back; the log says that the system did it.
func TestDestroyedInTime(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m, other := h.put(large(t), vault.Upload{}), h.put(large(t), vault.Upload{})
		h.open(h.Ann, m.ID, vitrine.Masked)
		if err := h.delete(h.Sam, m.ID); err != nil {
			t.Fatal(err)
		}
		h.Clock.Advance(vault.DefaultWindow)
		if _, err := h.Vault.Restore(t.Context(), h.Sam, m.ID); !errors.Is(err, vitrine.ErrNotFound) {
			t.Errorf("restored when its time had passed: %v", err)
		}
		e := h.one(h.keep)
		if e.Act != "image.delete" || e.Op != "destroy" || e.Actor != access.SystemActor || e.Resource != m.ID || e.Outcome != vitrine.Allowed {
			t.Errorf("recorded %+v", e)
		}
		if _, err := h.Store.DeletedImage(t.Context(), m.ID); !errors.Is(err, vitrine.ErrNotFound) {
			t.Errorf("its row: %v", err)
		}
		if got := h.files(); len(got) != 1 || got[0] != string(other.ID)+"/original" {
			t.Errorf("left in the bucket: %v", got)
		}
		before := h.size()
		h.keep()
		if n := h.size() - before; n != 0 {
			t.Errorf("a second round left %d entries", n)
		}
		h.open(h.Sam, other.ID, "")
	})
}

// Past the window goes who could take it away, with a reason that the log keeps.
func TestDestroyNow(t *testing.T) {
	h := newHouse(t, "")
	h.Apply(h.Alice, vitrine.Put(&vitrine.Role{ID: "remover", Grants: []vitrine.Grant{grant(vitrine.Restricted, vitrine.ImageView, vitrine.ImageDelete)}}))
	rex := h.Person("rex", vitrine.Binding{Role: "remover", Scope: "renders"})
	now := vault.Deleting{Now: true, Reason: "erasure 7"}
	for _, deleted := range []bool{false, true} {
		t.Run(fmt.Sprintf("deleted before: %t", deleted), func(t *testing.T) {
			m := h.put(large(t), vault.Upload{})
			if deleted {
				if err := h.delete(rex, m.ID); err != nil {
					t.Fatal(err)
				}
			}
			_, err := h.Vault.Delete(t.Context(), rex, m.ID, now)
			if want := map[bool]error{false: vitrine.ErrDenied, true: vitrine.ErrNotFound}[deleted]; !errors.Is(err, want) {
				t.Errorf("without dataset.edit: %v, want %v", err, want)
			}
			_, err = h.Vault.Delete(t.Context(), h.Sam, m.ID, vault.Deleting{Now: true, Reason: " "})
			if e := wantKind(t, err, vitrine.ErrInvalid); e.Param != "reason" {
				t.Errorf("without a reason: %+v", e)
			}
			var out *vault.Deleted
			e := h.one(func() { out, err = h.Vault.Delete(t.Context(), h.Sam, m.ID, now) })
			if err != nil || !out.Destroyed || !out.Until.IsZero() || e.Op != "destroy" || !strings.HasPrefix(e.Detail, "its key is destroyed: erasure 7; dataset.edit on image/") {
				t.Errorf("answered %+v, %v, recorded %+v", out, err, e)
			}
			if _, err := h.Vault.Restore(t.Context(), h.Sam, m.ID); !errors.Is(err, vitrine.ErrNotFound) {
				t.Errorf("restored: %v", err)
			}
			if len(h.files()) > 0 {
				t.Errorf("left in the bucket: %v", h.files())
			}
		})
	}
}

// Where the window is 0, by dataset or installation, deleting destroys.
func TestNoWindow(t *testing.T) {
	h := newHouse(t, "")
	zero := time.Duration(0)
	v, err := vault.New(vault.Config{Guard: h.Guard, Store: h.Store, Bucket: h.Bucket, Seal: h.Seal, Now: h.Clock.Now, Window: &zero})
	if err != nil {
		t.Fatal(err)
	}
	m := h.put(small(t), vault.Upload{})
	if out, err := v.Delete(t.Context(), h.Sam, m.ID, vault.Deleting{}); err != nil || !out.Destroyed {
		t.Errorf("by the installation: %+v, %v", out, err)
	}
	none, hour := vitrine.Duration(0), vitrine.Duration(time.Hour)
	for window, destroyed := range map[*vitrine.Duration]bool{&none: true, &hour: false} {
		h.rules("drafts", func(d *vitrine.Dataset) { d.RestoreWindow = window })
		m := h.put(small(t), vault.Upload{})
		out, err := v.Delete(t.Context(), h.Sam, m.ID, vault.Deleting{})
		left := out.Until.Sub(h.Clock.Now())
		if err != nil || out.Destroyed != destroyed || !destroyed && (left > time.Hour || left < time.Hour-minute) {
			t.Errorf("by the dataset, %s: %+v, %v", window, out, err)
		}
	}
}

// The key is gone even where the bucket fails; the sweep removes the rest.
func TestDestroyOnABrokenBucket(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(large(t), vault.Upload{})
	h.Faults.before = func(op memblob.Op, _ string) error {
		if op == memblob.Delete {
			return errBroken
		}
		return nil
	}
	if err := h.destroy(h.Sam, m.ID); err != nil {
		t.Fatal(err)
	}
	_, err := h.Store.Image(t.Context(), m.ID)
	wantKind(t, err, vitrine.ErrNotFound)
	h.Clock.Advance(vault.SweepAge + minute)
	if n, err := h.Vault.Sweep(t.Context()); n != 0 || !errors.Is(err, errBroken) {
		t.Errorf("swept %d, %v", n, err)
	}
	h.Faults = faults{}
	if n, err := h.Vault.Sweep(t.Context()); n != 1 || err != nil || len(h.files()) > 0 {
		t.Errorf("swept %d, %v, left %v", n, err, h.files())
	}
}

// The sweep leaves the bytes of what may be restored.
func TestSweepSparesDeleted(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(large(t), vault.Upload{})
	if err := h.delete(h.Sam, m.ID); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(vault.SweepAge + minute)
	if n, err := h.Vault.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	if _, err := h.Vault.Restore(t.Context(), h.Sam, m.ID); err != nil {
		t.Fatal(err)
	}
	h.open(h.Sam, m.ID, "")
}

// A view that is open when its image is deleted ends.
func TestDeleteEndsViews(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(large(t), vault.Upload{})
	w, err := h.Vault.Open(t.Context(), h.Ann, m.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.delete(h.Sam, m.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadAt(make([]byte, 1), 0); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("read on: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// What somebody brings back in the database does not open.
func TestDeletedIsSealed(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(small(t), vault.Upload{})
	if err := h.delete(h.Sam, m.ID); err != nil {
		t.Fatal(err)
	}
	h.exec(h.rows(), "UPDATE images SET due = due + 1 WHERE id = $1", string(m.ID))
	if _, err := h.Vault.Restore(t.Context(), h.Sam, m.ID); !errors.Is(err, vitrine.ErrDamaged) {
		t.Errorf("with more time: %v", err)
	}
	h.exec(h.rows(), "UPDATE images SET deleted = 0, due = 0, deleted_at = 0, deleted_by = '' WHERE id = $1", string(m.ID))
	if _, err := h.Vault.Open(t.Context(), h.Sam, m.ID, ""); !errors.Is(err, vitrine.ErrDamaged) {
		t.Errorf("brought back: %v", err)
	}
	// A damaged image can still be destroyed, so that its dataset may go.
	if err := h.destroy(h.Sam, m.ID); err != nil {
		t.Error(err)
	}
}

// Images that may only be restored do not keep their dataset; to restore one
// after that is refused, and its key goes in its time.
func TestDatasetOfDeletedImages(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(large(t), vault.Upload{Dataset: "proofs"})
	if err := h.delete(h.Sam, m.ID); err != nil {
		t.Fatal(err)
	}
	h.Apply(h.Alice, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindDataset, ID: "proofs"}))
	if _, err := h.Vault.Restore(t.Context(), h.Sam, m.ID); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("restored into nowhere: %v", err)
	}
	if got := h.deleted(h.Sam); len(got) > 0 {
		t.Errorf("listed: %+v", got)
	}
	h.Clock.Advance(vault.DefaultWindow)
	h.keep()
	if len(h.files()) > 0 {
		t.Errorf("left: %v", h.files())
	}
}
