package vault_test

import (
	"errors"
	"image/color"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

var white = color.White

func on(kind vitrine.Kind, id vitrine.ID) vitrine.Ref { return vitrine.Ref{Kind: kind, ID: id} }

// While a hold on it, its dataset or its project is in force an image stays,
// whatever is tried; lifted, it goes by another's hand.
func TestHold(t *testing.T) {
	for _, kind := range []vitrine.Kind{vitrine.KindImage, vitrine.KindDataset, vitrine.KindProject} {
		each(t, func(t *testing.T, h *house) {
			h.rules("drafts", func(d *vitrine.Dataset) { d.Retention = vitrine.Duration(30 * day) })
			tess := h.Person("tess", vitrine.Binding{Role: "data-steward", Scope: "renders"})
			m := h.put(large(t), vault.Upload{})
			trash := h.put(large(t), vault.Upload{})
			if err := h.delete(h.Sam, trash.ID); err != nil {
				t.Fatal(err)
			}
			targets := map[vitrine.Kind][]vitrine.ID{vitrine.KindImage: {m.ID, trash.ID}, vitrine.KindDataset: {"drafts"}, vitrine.KindProject: {"renders"}}
			var holds []vitrine.ID
			for _, id := range targets[kind] {
				var hold *vitrine.Hold
				var err error
				e := h.one(func() { hold, err = h.Vault.Hold(t.Context(), h.Sam, on(kind, id), "case 7") })
				if err != nil || e.Act != "image.hold" || e.Op != "hold" || e.Resource != id || !strings.Contains(e.Detail, "case 7") {
					t.Fatalf("held: %v, recorded %+v", err, e)
				}
				holds = append(holds, hold.ID)
			}

			for name, err := range map[string]error{
				"delete": h.delete(tess, m.ID), "destroy": h.destroy(tess, m.ID), "destroy what was deleted": h.destroy(tess, trash.ID),
			} {
				if e := wantKind(t, err, vitrine.ErrConflict); e.Code != "legal_hold" {
					t.Errorf("%s: %s", name, e.Code)
				}
			}
			if e := h.Last(); e.Outcome != vitrine.Refused || e.Code != "legal_hold" {
				t.Errorf("recorded %+v", e)
			}
			if err := h.move(m.ID, "proofs", "elsewhere"); kind != vitrine.KindImage && !errors.Is(err, vitrine.ErrConflict) {
				t.Errorf("moved out of its reach: %v", err)
			}
			if err := h.drop("drafts"); !errors.Is(err, vitrine.ErrConflict) {
				t.Errorf("its dataset went: %v", err)
			}
			h.Clock.Advance(60 * day)
			before := h.size()
			h.keep()
			if n := h.size() - before; n != 0 {
				t.Errorf("retention and window left %d entries", n)
			}
			h.open(h.Ann, m.ID, "")
			if info, err := h.Vault.Info(t.Context(), h.Sam, m.ID); err != nil || info.Hold != holds[0] {
				t.Errorf("told sam %+v, %v", info, err)
			}
			if info, err := h.Vault.Info(t.Context(), h.Ann, m.ID); err != nil || info.Hold != "" {
				t.Errorf("told ann of the hold: %+v, %v", info, err)
			}
			// What is held may be restored, however long ago it was deleted.
			if _, err := h.Vault.Restore(t.Context(), h.Sam, trash.ID); err != nil {
				t.Errorf("restored: %v", err)
			}
			h.lifted(kind, holds, m.ID, tess)
		})
	}
}

// lifted lifts holds as sam; the image then goes, but not by him.
func (h *house) lifted(kind vitrine.Kind, holds []vitrine.ID, m vitrine.ID, other access.Caller) {
	t := h.T
	t.Helper()
	for _, id := range holds {
		if _, err := h.Vault.Lift(t.Context(), h.Sam, id, ""); !errors.Is(err, vitrine.ErrInvalid) {
			t.Errorf("lifted without a reason: %v", err)
		}
		var err error
		e := h.one(func() { _, err = h.Vault.Lift(t.Context(), h.Sam, id, "case closed") })
		if err != nil || e.Act != "image.hold" || e.Op != "lift hold" || e.Kind != kind || !strings.Contains(e.Detail, "case closed") {
			t.Fatalf("lifted: %v, recorded %+v", err, e)
		}
		if _, err := h.Vault.Lift(t.Context(), h.Sam, id, "again"); !errors.Is(err, vitrine.ErrConflict) {
			t.Errorf("lifted twice: %v", err)
		}
	}
	if e := wantKind(t, h.delete(h.Sam, m), vitrine.ErrDenied); e.Code != "lifted_by_you" {
		t.Errorf("deleted by who lifted the hold: %s", e.Code)
	}
	if err := h.delete(other, m); err != nil {
		t.Errorf("deleted by another: %v", err)
	}
}

// move tries in the database what a move would do.
func (h *house) move(id, dataset, project vitrine.ID) error {
	_, err := h.Store.Commit(h.T.Context(), &vitrine.Entry{Act: "image.move", Outcome: vitrine.Allowed}, func(tx *store.Tx) error {
		m, err := h.Store.Image(h.T.Context(), id)
		if err != nil {
			return err
		}
		m.Dataset, m.Project = dataset, project
		return tx.UpdateImage(&m.Image)
	})
	return err
}

// A hold is placed and lifted by people who hold image.hold on all that it keeps;
// others are told what they may know.
func TestWhoHolds(t *testing.T) {
	h := newHouse(t, "")
	h.Apply(h.Alice, vitrine.Put(role("holder", grant(vitrine.Internal, vitrine.ImageHold))))
	hal := h.Person("hal", vitrine.Binding{Role: "holder", Scope: "renders"})
	h.Apply(h.Alice,
		vitrine.Put(&vitrine.Principal{ID: "bot", Kind: vitrine.Service, Service: vitrine.Pipeline, Owner: "hal"}),
		vitrine.Put(&vitrine.Binding{ID: "bot-0", Role: "data-steward", Principal: "bot", Scope: "renders"}))
	bot, _ := h.Issue(h.Alice, identity.NewKey{Principal: "bot"})
	low, high := h.at(vitrine.Internal), h.at(vitrine.Restricted)
	tests := []struct {
		name string
		by   access.Caller
		on   vitrine.Ref
		why  string
		kind error
		code string
	}{
		{"an image within his tier", hal, on(vitrine.KindImage, low.ID), "x", nil, ""},
		{"an image beyond it", hal, on(vitrine.KindImage, high.ID), "x", vitrine.ErrNotFound, ""},
		{"a dataset that may hold what is beyond it", hal, on(vitrine.KindDataset, "drafts"), "x", vitrine.ErrDenied, "tier"},
		{"a project", hal, on(vitrine.KindProject, "renders"), "x", vitrine.ErrNotFound, ""},
		{"a dataset", h.Sam, on(vitrine.KindDataset, "drafts"), "x", nil, ""},
		{"a project, by its steward", h.Sam, on(vitrine.KindProject, "renders"), "x", nil, ""},
		{"by a service account with the role", bot, on(vitrine.KindImage, low.ID), "x", vitrine.ErrDenied, "people_only"},
		{"by who only looks", h.Ann, on(vitrine.KindImage, low.ID), "x", vitrine.ErrDenied, ""},
		{"by who has no role", h.Eve, on(vitrine.KindImage, low.ID), "x", vitrine.ErrNotFound, ""},
		{"by nobody", access.Caller{}, on(vitrine.KindImage, low.ID), "x", vitrine.ErrUnauthenticated, ""},
		{"without a reason", h.Sam, on(vitrine.KindImage, low.ID), " ", vitrine.ErrInvalid, "reason_needed"},
		{"nothing", h.Sam, vitrine.Ref{}, "x", vitrine.ErrNotFound, ""},
		{"what is absent", h.Sam, on(vitrine.KindImage, "img-none"), "x", vitrine.ErrNotFound, ""},
		{"a dataset that is absent", h.Sam, on(vitrine.KindDataset, "none"), "x", vitrine.ErrNotFound, ""},
		{"a person", h.Sam, on(vitrine.KindPrincipal, "ann"), "x", vitrine.ErrInvalid, "kind"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hold, err := h.Vault.Hold(t.Context(), tt.by, tt.on, tt.why)
			if tt.kind == nil {
				if err != nil || hold.By != tt.by.Principal || hold.On != tt.on {
					t.Errorf("got %+v, %v", hold, err)
				}
				return
			}
			if e := wantKind(t, err, tt.kind); tt.code != "" && e.Code != tt.code {
				t.Errorf("got %s, want %s", e.Code, tt.code)
			}
		})
	}
	if _, err := h.Vault.Lift(t.Context(), h.Sam, "hold-none", "x"); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("lifted what is absent: %v", err)
	}
	for by, want := range map[*access.Caller]int{&h.Sam: 3, &hal: 1, &h.Ann: 0, &h.Eve: 0} {
		got := []vitrine.ID{}
		for q := (vault.HoldQuery{Limit: 1}); ; {
			page, err := h.Vault.Holds(t.Context(), *by, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, hold := range page.Holds {
				got = append(got, hold.ID)
				_, err := h.Vault.Lift(t.Context(), h.Eve, hold.ID, "x")
				wantKind(t, err, vitrine.ErrNotFound)
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		if len(got) != want {
			t.Errorf("%s sees %v, want %d", by.Principal, got, want)
		}
	}
}

// Of a hold and a destruction that come at the same time one comes first: what
// is held was not destroyed, and what was destroyed is not held.
func TestHoldAgainstDestruction(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		hour := vitrine.Duration(time.Hour)
		h.rules("drafts", func(d *vitrine.Dataset) { d.RestoreWindow = &hour })
		for range 20 {
			m := h.put(flat(t, white), vault.Upload{})
			if err := h.delete(h.Sam, m.ID); err != nil {
				t.Fatal(err)
			}
			h.Clock.Advance(time.Hour)
			var wg sync.WaitGroup
			var held error
			wg.Go(func() { _, held = h.Vault.Hold(t.Context(), h.Sam, on(vitrine.KindImage, m.ID), "race") })
			wg.Go(h.keep)
			wg.Wait()
			_, err := h.Store.DeletedImage(t.Context(), m.ID)
			if there := err == nil; there != (held == nil) || held != nil && !errors.Is(held, vitrine.ErrNotFound) {
				t.Fatalf("held: %v; there: %v", held, err)
			}
		}
	})
}
