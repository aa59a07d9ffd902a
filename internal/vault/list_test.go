package vault_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

// fill puts rows without bytes straight into the store: image i is owned by
// owners in turn, and lies in datasets and at tiers in turn.
func (h *house) fill(n int, owners ...vitrine.ID) {
	h.T.Helper()
	start := h.Clock.Now().Add(-time.Hour)
	const step = 1000
	for from := 0; from < n; from += step {
		err := h.Store.Maintain(h.T.Context(), func(tx *store.Tx) error {
			for i := from; i < min(n, from+step); i++ {
				m := vitrine.Image{
					ID: vitrine.ID(fmt.Sprintf("img-%06d", i)), Dataset: []vitrine.ID{"drafts", "proofs"}[i/4%2], Project: "renders",
					Category: vitrine.Generated, Tier: vitrine.Tiers[i%4], Owner: owners[i%len(owners)],
					Created: start.Add(time.Duration(i/3) * time.Microsecond), // three at each instant
					Detail:  vitrine.ImageDetail{Name: fmt.Sprintf("name-%06d", i), SHA256: strings.Repeat("a", 64)},
				}
				if err := tx.PutImage(&store.ImageRow{Image: m, Key: make([]byte, 61)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			h.T.Fatal(err)
		}
	}
}

// walk reads all pages.
func (h *house) walk(by access.Caller, q vault.Query) (seen []vault.Info) {
	h.T.Helper()
	for range 1000 {
		page, err := h.Vault.List(h.T.Context(), by, q)
		if err != nil {
			h.T.Fatal(err)
		}
		if q.Limit > 0 && len(page.Images) > q.Limit {
			h.T.Fatalf("a page of %d for %d", len(page.Images), q.Limit)
		}
		seen = append(seen, page.Images...)
		if page.Next == "" {
			return seen
		}
		q.After = page.Next
	}
	h.T.Fatal("the list has no end")
	return nil
}

// A list holds exactly what Info would tell one by one, in order and once,
// whatever the size of the pages.
func TestListIsExact(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.fill(120, "ulf")
		for _, by := range []access.Caller{h.Ann, h.Sam, h.Una, h.Eve, h.Alice} {
			var want []vault.Info
			for i := 119; i >= 0; i-- {
				info, err := h.Vault.Info(t.Context(), by, vitrine.ID(fmt.Sprintf("img-%06d", i)))
				if err == nil {
					want = append(want, *info)
				}
			}
			// Newest first, and at the same instant the greatest id.
			slices.SortFunc(want, func(a, b vault.Info) int {
				if c := b.Created.Compare(a.Created); c != 0 {
					return c
				}
				return strings.Compare(string(b.ID), string(a.ID))
			})
			for _, limit := range []int{0, 1, 7, 119, 120, 5000} {
				got := h.walk(by, vault.Query{Limit: limit})
				if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
					t.Errorf("%s, pages of %d: %d images, want %d", by.Principal, limit, len(got), len(want))
				}
			}
			if counts := map[vitrine.ID]int{"ann": 90, "sam": 120}; len(want) != counts[by.Principal] {
				t.Errorf("%s sees %d, want %d", by.Principal, len(want), counts[by.Principal])
			}
		}
	})
}

func TestListNarrows(t *testing.T) {
	h := newHouse(t, "")
	h.fill(80, "ulf")
	tests := []struct {
		name string
		q    vault.Query
		want int
	}{
		{"everything", vault.Query{}, 60},
		{"the project", vault.Query{Project: "renders"}, 60},
		{"another project", vault.Query{Project: "nowhere"}, 0},
		{"a dataset", vault.Query{Dataset: "drafts"}, 30},
		{"a dataset of another project", vault.Query{Project: "nowhere", Dataset: "drafts"}, 0},
		{"no dataset", vault.Query{Dataset: "\x00"}, 0},
		{"a category", vault.Query{Category: vitrine.Generated}, 60},
		{"another category", vault.Query{Category: vitrine.Training}, 0},
		{"a tier", vault.Query{Tier: vitrine.Confidential}, 20},
		{"a tier that is hidden", vault.Query{Tier: vitrine.Restricted}, 0},
		{"all of it", vault.Query{Project: "renders", Dataset: "proofs", Category: vitrine.Generated, Tier: vitrine.Public}, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var page *vault.Page
			var err error
			tt.q.Limit = 1000
			e := h.one(func() { page, err = h.Vault.List(t.Context(), h.Ann, tt.q) })
			if err != nil || len(page.Images) != tt.want || page.Images == nil {
				t.Errorf("%d images, %v; want %d", len(page.Images), err, tt.want)
			}
			if e.Act != "image.view" || e.Op != "list" || e.Actor != "ann" || e.Outcome != vitrine.Allowed || !strings.HasPrefix(e.Detail, fmt.Sprintf("%d images", tt.want)) {
				t.Errorf("the log says %+v", e)
			}
		})
	}
}

// Where a condition looks at the owner each row is asked about, and the pages
// are as exact.
func TestListOfOnesOwn(t *testing.T) {
	h := newHouse(t, "")
	h.fill(300, "ulf", "liv", "ulf", "ulf", "ulf")
	h.Apply(h.Alice, vitrine.Put(role("own", grant(vitrine.Restricted, vitrine.ImageView), grant(vitrine.Internal, vitrine.ImageOpen))))
	liv := h.Person("liv", vitrine.Binding{Role: "own", Scope: "renders", Condition: `owner == principal`})
	for _, limit := range []int{1, 7, 60, 500} {
		got := h.walk(liv, vault.Query{Limit: limit})
		if len(got) != 60 {
			t.Fatalf("pages of %d: %d images, want 60", limit, len(got))
		}
		for _, m := range got {
			opens := m.Tier <= vitrine.Internal
			if m.Owner != "liv" || (m.Sees == vitrine.Original) != opens || (m.Detail.Name != "") != opens {
				t.Errorf("pages of %d: %+v", limit, m)
			}
		}
	}
}

// However many rows must be passed over, a page looks at a bounded number of
// them, and the next goes on behind: without telling which one it was.
func TestListIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("puts many rows")
	}
	h := newHouse(t, "")
	h.Apply(h.Alice, vitrine.Put(role("own", grant(vitrine.Restricted, vitrine.ImageView))))
	liv := h.Person("liv", vitrine.Binding{Role: "own", Scope: "renders", Condition: `owner == principal`})
	owners := slices.Repeat([]vitrine.ID{"ulf"}, vault.MaxScan+500)
	owners[0] = "liv"
	h.fill(len(owners), owners...)
	page, err := h.Vault.List(t.Context(), liv, vault.Query{})
	if err != nil || len(page.Images) != 0 || page.Next == "" || strings.Contains(page.Next, "img") {
		t.Fatalf("got %+v, %v", page, err)
	}
	page, err = h.Vault.List(t.Context(), liv, vault.Query{After: page.Next})
	if err != nil || len(page.Images) != 1 || page.Next != "" {
		t.Errorf("got %+v, %v", page, err)
	}
}

// A cursor continues the list that it came from, and no other.
func TestCursor(t *testing.T) {
	h := newHouse(t, "")
	h.fill(40, "ulf")
	q := vault.Query{Dataset: "drafts", Limit: 5}
	page, err := h.Vault.List(t.Context(), h.Ann, q)
	if err != nil || page.Next == "" {
		t.Fatal(page, err)
	}
	flipped := []byte(page.Next)
	flipped[20] ^= 1
	tests := []struct {
		name string
		by   access.Caller
		q    vault.Query
		ok   bool
	}{
		{"its own list", h.Ann, vault.Query{Dataset: "drafts", After: page.Next}, true},
		{"another dataset", h.Ann, vault.Query{Dataset: "proofs", After: page.Next}, false},
		{"another tier", h.Ann, vault.Query{Dataset: "drafts", Tier: vitrine.Public, After: page.Next}, false},
		{"another caller", h.Sam, vault.Query{Dataset: "drafts", After: page.Next}, false},
		{"changed", h.Ann, vault.Query{Dataset: "drafts", After: string(flipped)}, false},
		{"made up", h.Ann, vault.Query{Dataset: "drafts", After: "img-000010"}, false},
		{"no base64", h.Ann, vault.Query{Dataset: "drafts", After: "!"}, false},
		{"a page of it", h.Ann, vault.Query{Dataset: "drafts", After: strings.Repeat("A", 4096)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			e := h.one(func() { _, err = h.Vault.List(t.Context(), tt.by, tt.q) })
			if tt.ok {
				if err != nil || e.Outcome != vitrine.Allowed {
					t.Errorf("%v, recorded %+v", err, e)
				}
				return
			}
			if got := wantKind(t, err, vitrine.ErrInvalid); got.Param != "after" || e.Outcome != vitrine.Refused || e.Code != got.Code {
				t.Errorf("answered %+v, recorded %+v", got, e)
			}
		})
	}
}

// A caller that nobody knows, or whose request has ended, gets no list.
func TestListRefuses(t *testing.T) {
	h := newHouse(t, "")
	_, err := h.Vault.List(t.Context(), access.Caller{}, vault.Query{})
	wantKind(t, err, vitrine.ErrUnauthenticated)
	gone, leave := context.WithCancel(t.Context())
	leave()
	e := h.one(func() { _, err = h.Vault.List(gone, h.Ann, vault.Query{}) })
	if err == nil || e.Outcome == vitrine.Allowed {
		t.Errorf("answered %v, recorded %+v", err, e)
	}
}

// Whatever is shown as a cursor either is one that was sealed for the context,
// or is refused.
func FuzzCursor(f *testing.F) {
	seal, open := vault.Cursors(seal.NewKey())
	at := store.Cursor{Created: time.UnixMicro(1_700_000_000_000_000).UTC(), ID: "img-1"}
	good := seal(at, "context")
	for _, s := range []string{"", good, good[:len(good)-1], good + "A", "A", "AQ", strings.Repeat("A", 60), "\x00"} {
		f.Add(s, "context")
	}
	f.Add(good, "another context")
	f.Fuzz(func(t *testing.T, s, context string) {
		got, err := open(s, context)
		switch {
		case s == "":
			if err != nil || got != (store.Cursor{}) {
				t.Errorf("the start is %+v, %v", got, err)
			}
		case s == good && context == "context":
			if err != nil || got != at {
				t.Errorf("its own is %+v, %v", got, err)
			}
		case err == nil:
			t.Errorf("%q for %q opens as %+v", s, context, got)
		}
	})
}

// An image whose row was changed outside is in no list, and takes no other out
// of one; the log tells of it once, and whoever asks for it by name gets a
// failure, not "not found".
func TestDamagedImage(t *testing.T) {
	h := newHouse(t, "")
	var said strings.Builder
	v, err := vault.New(vault.Config{Guard: h.Guard, Store: h.Store, Bucket: h.Bucket, Seal: h.Seal, Now: h.Clock.Now,
		Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	var ids []vitrine.ID
	for range 4 {
		ids = append(ids, h.put(small(t), vault.Upload{}).ID)
	}
	h.exec(h.rows(), "UPDATE images SET tier = 1, cell = $1 WHERE id = $2", store.Cell(vitrine.Generated, vitrine.Public), string(ids[1]))
	for _, limit := range []int{1, 2, 3, 50} {
		got := map[vitrine.ID]bool{}
		q := vault.Query{Limit: limit}
		for more := true; more; more = q.After != "" {
			page, err := v.List(t.Context(), h.Ann, q)
			if err != nil {
				t.Fatalf("in pages of %d: %v", limit, err)
			}
			for _, m := range page.Images {
				got[m.ID] = true
			}
			q.After = page.Next
		}
		if len(got) != 3 || got[ids[1]] {
			t.Errorf("in pages of %d: got %v, want all but %s", limit, got, ids[1])
		}
	}
	e := h.one(func() {
		_, err := v.Open(t.Context(), h.Ann, ids[1], "")
		if !errors.Is(err, store.ErrDamaged) || errors.Is(err, vitrine.ErrNotFound) {
			t.Errorf("opened: %v, want damaged", err)
		}
	})
	if e.Outcome != vitrine.Broken || e.Resource != ids[1] {
		t.Errorf("the attempt is recorded as %+v, want failed", e)
	}
	all, err := h.Store.Entries(t.Context(), store.EntryQuery{After: -1, Resource: ids[1]})
	if err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for _, e := range all {
		if e.Alert == "image_damaged" {
			alerts++
		}
	}
	if n := strings.Count(said.String(), "level=ERROR"); alerts != 1 || n != 1 {
		t.Errorf("%d alerts and %d lines in the process log, want one each: %s", alerts, n, &said)
	}
}
