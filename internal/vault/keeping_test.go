package vault_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/vault"
)

const day = 24 * time.Hour

// Images older than their dataset keeps them are deleted by the system, each with
// an entry, and may be restored as others; younger ones stay, and so do those of
// other datasets.
func TestRetention(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		old, elsewhere := h.put(large(t), vault.Upload{}), h.put(small(t), vault.Upload{Dataset: "proofs"})
		h.Clock.Advance(10 * day)
		young := h.put(small(t), vault.Upload{})
		h.keep()
		h.open(h.Ann, old.ID, "")
		h.rules("drafts", func(d *vitrine.Dataset) { d.Retention = vitrine.Duration(30 * day) })
		info, err := h.Vault.Info(t.Context(), h.Ann, old.ID)
		if err != nil || !info.Expires.Equal(old.Created.Add(30*day)) {
			t.Errorf("it goes at %s, %v; want 30 days after %s", info.Expires, err, old.Created)
		}
		h.Clock.Advance(20*day - minute)
		h.keep()
		h.open(h.Ann, old.ID, "")
		h.Clock.Advance(minute)
		e := h.one(h.keep)
		if e.Act != "image.delete" || e.Op != "retention" || e.Actor != access.SystemActor || e.Resource != old.ID || e.Scope != "drafts" ||
			e.Outcome != vitrine.Allowed || !strings.Contains(e.Detail, "its dataset keeps images 30d") {
			t.Errorf("recorded %+v", e)
		}
		if got := h.deleted(h.Sam); len(got) != 1 || got[0].ID != old.ID || got[0].Deleted.By != access.SystemActor {
			t.Errorf("to be restored: %+v", got)
		}
		_, err = h.Vault.Restore(t.Context(), h.Sam, old.ID)
		if e := wantKind(t, err, vitrine.ErrConflict); e.Code != "past_retention" {
			t.Errorf("restored only to be deleted again: %s", e.Code)
		}
		h.rules("drafts", func(d *vitrine.Dataset) { d.Retention = vitrine.Duration(60 * day) })
		if _, err := h.Vault.Restore(t.Context(), h.Sam, old.ID); err != nil {
			t.Fatal(err)
		}
		h.keep()
		for _, m := range []*vitrine.Image{old, elsewhere, young} {
			h.open(h.Sam, m.ID, "")
		}
	})
}

// However many go, a round is bounded, and each image is named once, whichever
// of several nodes does it.
func TestRetentionOnTwoNodes(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		const n = 450
		for range n {
			h.put(flat(t, white), vault.Upload{})
		}
		kept := h.put(small(t), vault.Upload{Dataset: "proofs"})
		h.rules("drafts", func(d *vitrine.Dataset) { d.Retention = vitrine.Duration(day) })
		h.Clock.Advance(2 * day)
		before := len(h.Log())
		other := h.vault(h.Guard, h.Store)
		var wg sync.WaitGroup
		for _, v := range []*vault.Vault{h.Vault, other} {
			wg.Go(func() {
				if err := v.KeepAll(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		named := map[vitrine.ID]bool{}
		for _, e := range h.Log()[before:] {
			if e.Op != "retention" || e.Outcome != vitrine.Allowed || named[e.Resource] {
				t.Fatalf("recorded %+v", e)
			}
			named[e.Resource] = true
		}
		if len(named) != n || h.images() != 1 {
			t.Errorf("%d deleted, %d left; want %d and one", len(named), h.images(), n)
		}
		h.open(h.Sam, kept.ID, "")
	})
}

// Before its time nobody deletes an image, in no way.
func TestKeepAtLeast(t *testing.T) {
	h := newHouse(t, "")
	h.rules("drafts", func(d *vitrine.Dataset) { d.KeepAtLeast = vitrine.Duration(30 * day) })
	m := h.put(small(t), vault.Upload{})
	for name, del := range map[string]func(access.Caller, vitrine.ID) error{"delete": h.delete, "destroy": h.destroy} {
		if e := wantKind(t, del(h.Sam, m.ID), vitrine.ErrConflict); e.Code != "kept_longer" {
			t.Errorf("%s: %s", name, e.Code)
		}
		if e := h.Last(); e.Outcome != vitrine.Refused || e.Code != "kept_longer" {
			t.Errorf("%s: recorded %+v", name, e)
		}
	}
	h.open(h.Sam, m.ID, "")
	h.Clock.Advance(30 * day)
	if err := h.delete(h.Sam, m.ID); err != nil {
		t.Errorf("in its time: %v", err)
	}
}

// A damaged image stays until a person destroys it, and keeps no other.
func TestRetentionPassesDamaged(t *testing.T) {
	h := newHouse(t, "")
	bad, good := h.put(small(t), vault.Upload{}), h.put(small(t), vault.Upload{})
	h.exec(h.rows(), "UPDATE images SET owner = 'eve' WHERE id = $1", string(bad.ID))
	h.rules("drafts", func(d *vitrine.Dataset) { d.Retention = vitrine.Duration(day) })
	h.Clock.Advance(2 * day)
	h.keep()
	if got := h.deleted(h.Sam); len(got) != 1 || got[0].ID != good.ID {
		t.Errorf("deleted %+v", got)
	}
	if _, err := h.Vault.Open(t.Context(), h.Sam, bad.ID, ""); !errors.Is(err, vitrine.ErrDamaged) {
		t.Errorf("the damaged one: %v", err)
	}
}

// A vault without a policy that is confirmed lets nothing go.
func TestNothingGoesWithoutAPolicy(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(small(t), vault.Upload{})
	if err := h.delete(h.Sam, m.ID); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(vault.DefaultWindow)
	if err := h.mute().KeepAll(t.Context()); err == nil {
		t.Error("a node that can write nothing says that all is done")
	}
	if _, err := h.Store.DeletedImage(t.Context(), m.ID); err != nil {
		t.Error(err)
	}
}

// How long a page of a round takes is paid by what goes, not by what stays.
func BenchmarkKeepIdle(b *testing.B) {
	h := newHouse(b, "")
	for i := range 1000 {
		h.put(flat(b, white), vault.Upload{Name: fmt.Sprint(i)})
	}
	h.rules("drafts", func(d *vitrine.Dataset) { d.Retention = vitrine.Duration(day) })
	b.ResetTimer()
	for b.Loop() {
		h.keep()
	}
}
