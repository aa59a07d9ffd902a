package vault_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/blob/memblob"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

// Links that expired are forgotten, a day later; others stay.
func TestSweepForgetsLinks(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m := h.put(small(t), vault.Upload{})
		link := func(ttl time.Duration) string {
			l, err := h.Vault.Link(t.Context(), h.Sam, m.ID, "", ttl)
			if err != nil {
				t.Fatal(err)
			}
			return l.Token
		}
		left := func() int {
			all, err := h.Store.Links(t.Context(), m.ID)
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		link(minute)
		h.Clock.Advance(vault.SweepAge)
		h.Vault.SweepAll(t.Context())
		if n := left(); n != 1 {
			t.Errorf("within a day: %d links, want it there still: its use is refused by name", n)
		}
		h.Clock.Advance(2 * minute)
		token := link(minute)
		h.Vault.SweepAll(t.Context())
		if n := left(); n != 1 {
			t.Errorf("after it: %d links, want the new one alone", n)
		}
		w, err := h.Vault.OpenLink(t.Context(), h.Eve, token)
		if err != nil {
			t.Fatalf("the new one: %v", err)
		}
		all(t, w)
	})
}

// Whoever runs the system hears of what cannot be swept.
func TestSweepTells(t *testing.T) {
	h := newHouse(t, "")
	var said strings.Builder
	v, err := vault.New(vault.Config{Guard: h.Guard, Store: h.Store, Bucket: h.Bucket, Seal: h.Seal, Now: h.Clock.Now,
		Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	v.SweepAll(t.Context())
	if said.Len() > 0 {
		t.Errorf("nothing failed, and it says %s", &said)
	}
	h.Faults.before = func(op memblob.Op, _ string) error {
		if op == memblob.List {
			return errBroken
		}
		return nil
	}
	v.SweepAll(t.Context())
	if !strings.Contains(said.String(), errBroken.Error()) {
		t.Errorf("the bucket is broken, and it says %q", &said)
	}
}

// A derived form whose file is gone is made again, and kept again; an original
// cannot be.
func TestLostFiles(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(large(t), vault.Upload{Tier: vitrine.Confidential})
	_, was := h.open(h.Ann, m.ID, vitrine.Masked)
	name := string(m.ID) + "/" + vault.FormMasked
	for range 2 {
		// It is small, so its row holds it. Now the row says that a file does.
		h.exec(h.rows(), "UPDATE blobs SET inline = NULL WHERE name = $1", name)
		if _, got := h.open(h.Ann, m.ID, vitrine.Masked); !bytes.Equal(got, was) {
			t.Errorf("made again it has %d bytes, want the %d as before", len(got), len(was))
		}
		if b, err := h.Store.Blob(t.Context(), name); err != nil || len(b.Inline) == 0 {
			t.Errorf("it was not kept again: %+v, %v", b, err)
		}
	}
	if err := h.Bucket.Delete(t.Context(), string(m.ID)+"/original"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Vault.Open(t.Context(), h.Sam, m.ID, vitrine.Original); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("the original: %v, want that its bytes are missing", err)
	}
}

// drop deletes a dataset at the very last moment: the policy in use does not know
// yet.
func (h *house) drop(dataset vitrine.ID) error {
	_, err := h.Store.Commit(h.T.Context(), &vitrine.Entry{Act: "dataset.edit", Outcome: vitrine.Allowed}, func(tx *store.Tx) error {
		rev, err := h.Store.Revision(h.T.Context())
		if err != nil {
			return err
		}
		_, err = tx.ApplyChanges(rev, "alice", &vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Delete(vitrine.Ref{Kind: vitrine.KindDataset, ID: dataset})}})
		return err
	})
	return err
}

// An image and the deletion of its dataset that come at the same time: one of
// them is refused. Only what is paid for is kept, and the log raises the alarm.
func TestDatasetDeletedMeanwhile(t *testing.T) {
	h := newHouse(t, "")
	h.put(small(t), vault.Upload{Dataset: "proofs"})
	if e := wantKind(t, h.drop("proofs"), vitrine.ErrConflict); e.Code != "dataset_not_empty" {
		t.Errorf("deleted with an image in it: %s, want dataset_not_empty", e.Code)
	}
	r := h.begin()
	if err := h.drop("drafts"); err != nil {
		t.Fatal(err)
	}
	_, err := h.Vault.Put(t.Context(), h.Ulf, vault.Upload{Dataset: "drafts"}, bytes.NewReader(small(t)))
	if e := wantKind(t, err, vitrine.ErrConflict); e.Code != "dataset_changed" {
		t.Errorf("uploaded: %s, want dataset_changed", e.Code)
	}
	kept := []vault.Kept{{Draft: h.draft(small(t)), Image: born()}}
	defer kept[0].Draft.Abort()
	if e := h.one(func() { err = h.Vault.Keep(t.Context(), r, nil, kept, nil) }); err != nil || e.Alert != "kept_in_deleted_dataset" {
		t.Errorf("paid for: %v, recorded as %+v; want it kept, with an alert", err, e)
	}
}
