package vault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/blob/memblob"
	"vitrine.dev/vitrine/internal/vault"
)

// What each asks, and what each gets: original, masked view, thumbnail of
// either, or a refusal. Each attempt is one entry.
func TestOpen(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ids := map[vitrine.Tier]vitrine.ID{}
		for _, tier := range vitrine.Tiers {
			ids[tier] = h.at(tier).ID
		}
		tests := []struct {
			name string
			by   access.Caller
			tier vitrine.Tier
			r    vitrine.Rendition
			want vitrine.Rendition // "": refused
			kind error
			act  vitrine.Permission
		}{
			{"not named, may open", h.Ann, vitrine.Internal, "", vitrine.Original, nil, vitrine.ImageOpen},
			{"not named, may view", h.Ann, vitrine.Confidential, "", vitrine.Masked, nil, vitrine.ImageView},
			{"not named, may neither", h.Ann, vitrine.Restricted, "", "", vitrine.ErrNotFound, vitrine.ImageOpen},
			{"original, may open", h.Ann, vitrine.Internal, vitrine.Original, vitrine.Original, nil, vitrine.ImageOpen},
			{"original never degrades", h.Ann, vitrine.Confidential, vitrine.Original, "", vitrine.ErrDenied, vitrine.ImageOpen},
			{"original, hidden", h.Ann, vitrine.Restricted, vitrine.Original, "", vitrine.ErrNotFound, vitrine.ImageOpen},
			{"masked, may open", h.Ann, vitrine.Internal, vitrine.Masked, vitrine.Masked, nil, vitrine.ImageView},
			{"masked, may view", h.Ann, vitrine.Confidential, vitrine.Masked, vitrine.Masked, nil, vitrine.ImageView},
			{"masked, hidden", h.Ann, vitrine.Restricted, vitrine.Masked, "", vitrine.ErrNotFound, vitrine.ImageView},
			{"thumbnail of the original", h.Ann, vitrine.Public, vitrine.Thumbnail, vitrine.Thumbnail, nil, vitrine.ImageOpen},
			{"thumbnail of the masked view", h.Ann, vitrine.Confidential, vitrine.Thumbnail, vitrine.MaskedThumbnail, nil, vitrine.ImageView},
			{"thumbnail, hidden", h.Ann, vitrine.Restricted, vitrine.Thumbnail, "", vitrine.ErrNotFound, vitrine.ImageOpen},
			{"who opens all", h.Sam, vitrine.Restricted, "", vitrine.Original, nil, vitrine.ImageOpen},
			{"who only adds sees nothing", h.Una, vitrine.Internal, "", "", vitrine.ErrDenied, vitrine.ImageOpen},
			{"who has no role", h.Eve, vitrine.Public, "", "", vitrine.ErrNotFound, vitrine.ImageOpen},
			{"an owner sees no pictures", h.Alice, vitrine.Public, "", "", vitrine.ErrNotFound, vitrine.ImageOpen},
			{"nobody", access.Caller{}, vitrine.Public, "", "", vitrine.ErrUnauthenticated, vitrine.ImageOpen},
			{"what is no rendition", h.Ann, vitrine.Internal, vitrine.MaskedThumbnail, "", vitrine.ErrInvalid, vitrine.ImageView},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				var w *vault.View
				var err error
				e := h.one(func() { w, err = h.Vault.Open(t.Context(), tt.by, ids[tt.tier], tt.r) })
				if e.Act != string(tt.act) || e.Op != "open" || e.Resource != ids[tt.tier] || e.Actor != tt.by.Principal {
					t.Errorf("the log says %+v", e)
				}
				if tt.kind != nil {
					wantKind(t, err, tt.kind)
					if e.Outcome != vitrine.Refused {
						t.Errorf("the log says %+v", e)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				got := all(t, w)
				if e.Outcome != vitrine.Allowed || e.Detail != "rendition "+string(tt.want) {
					t.Errorf("the log says %+v", e)
				}
				if w.Rendition != tt.want || int64(len(got)) != w.Size || w.ETag == "" {
					t.Errorf("got %d bytes of %+v, want %s", len(got), w, tt.want)
				}
				c, format, err := image.DecodeConfig(bytes.NewReader(got))
				if err != nil || format != w.Format || c.Width != w.Width || c.Height != w.Height {
					t.Errorf("it is a %s of %d × %d, %v; said was %s of %d × %d", format, c.Width, c.Height, err, w.Format, w.Width, w.Height)
				}
				if original := bytes.Equal(got, small(t)); original != (tt.want == vitrine.Original) {
					t.Errorf("these are the original's bytes: %t", original)
				}
			})
		}
	})
}

// What a masked caller gets, in whatever way it asks, holds nothing of the
// original: not its name, size, hash, ETag, labels, prompt or a pixel.
func TestMaskedCallersLearnNothing(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(small(t), vault.Upload{Name: "jane-doe.png", Labels: []string{"jane"}, Tier: vitrine.Confidential})
	full, bytesOfIt := h.open(h.Sam, m.ID, "")
	if full.Image.Detail.Name != "jane-doe.png" || !bytes.Equal(bytesOfIt, small(t)) {
		t.Fatalf("who may open it gets %+v", full)
	}
	secrets := []string{"jane", m.Detail.SHA256, fmt.Sprintf("%d", m.Detail.Size), full.ETag}
	tell := func(what string, v any) {
		t.Helper()
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			if strings.Contains(string(text)+fmt.Sprintf("%+v", v), s) {
				t.Errorf("%s tells %q: %s", what, s, text)
			}
		}
	}
	tags := map[string]vitrine.Rendition{full.ETag: full.Rendition}
	for _, r := range []vitrine.Rendition{"", vitrine.Masked, vitrine.Thumbnail} {
		w, got := h.open(h.Ann, m.ID, r)
		if !reflect.DeepEqual(w.Image.Detail, vitrine.ImageDetail{}) {
			t.Errorf("rendition %q comes with %+v", r, w.Image.Detail)
		}
		tell("the view", []any{w.Image, w.Rendition, w.Format, w.ETag, w.Size})
		if other, ok := tags[w.ETag]; ok && other != w.Rendition {
			t.Errorf("%s and %s have one ETag", w.Rendition, other)
		}
		tags[w.ETag] = w.Rendition
		flat := true
		p, _, err := image.Decode(bytes.NewReader(got))
		if err != nil {
			t.Fatal(err)
		}
		for x := range 4 {
			flat = flat && p.At(x, 0) == p.At(0, 0)
		}
		if !flat {
			t.Errorf("rendition %q shows single pixels", r)
		}
	}
	info, err := h.Vault.Info(t.Context(), h.Ann, m.ID)
	if err != nil || info.Sees != vitrine.Masked {
		t.Fatalf("info: %+v, %v", info, err)
	}
	tell("info", info)
	page, err := h.Vault.List(t.Context(), h.Ann, vault.Query{})
	if err != nil || len(page.Images) != 1 || page.Images[0].Sees != vitrine.Masked {
		t.Fatalf("list: %+v, %v", page, err)
	}
	tell("the list", page)
	_, err = h.Vault.Open(t.Context(), h.Ann, m.ID, vitrine.Original)
	tell("the refusal", wantKind(t, err, vitrine.ErrDenied))
}

// Hidden, absent, deleted and impossible images answer alike, word for word.
func TestHiddenLooksLikeAbsent(t *testing.T) {
	h := newHouse(t, "")
	gone := h.at(vitrine.Internal)
	if err := h.delete(h.Sam, gone.ID); err != nil {
		t.Fatal(err)
	}
	ids := map[string]vitrine.ID{
		"hidden": h.at(vitrine.Restricted).ID, "absent": "img-none", "deleted": gone.ID, "no id": "\x00", "empty": "",
	}
	v, name, labels := h.Vault, "x", []string{"x"}
	methods := map[string]func(vitrine.ID) error{
		"open":     func(id vitrine.ID) error { _, err := v.Open(t.Context(), h.Ann, id, ""); return err },
		"original": func(id vitrine.ID) error { _, err := v.Open(t.Context(), h.Ann, id, vitrine.Original); return err },
		"info":     func(id vitrine.ID) error { _, err := v.Info(t.Context(), h.Ann, id); return err },
		"update":   func(id vitrine.ID) error { _, err := v.Update(t.Context(), h.Ann, id, &name, &labels); return err },
		"classify": func(id vitrine.ID) error {
			_, err := v.Classify(t.Context(), h.Ann, id, vitrine.Public, "x")
			return err
		},
		"delete": func(id vitrine.ID) error {
			_, err := v.Delete(t.Context(), h.Ann, id, vault.Deleting{})
			return err
		},
		"restore": func(id vitrine.ID) error { _, err := v.Restore(t.Context(), h.Ann, id); return err },
		"hold": func(id vitrine.ID) error {
			_, err := v.Hold(t.Context(), h.Ann, vitrine.Ref{Kind: vitrine.KindImage, ID: id}, "x")
			return err
		},
		"link":   func(id vitrine.ID) error { _, err := v.Link(t.Context(), h.Ann, id, "", 0); return err },
		"links":  func(id vitrine.ID) error { _, err := v.Links(t.Context(), h.Ann, id); return err },
		"revoke": func(id vitrine.ID) error { return v.RevokeLink(t.Context(), h.Ann, id, "lnk-none") },
	}
	for what, method := range methods {
		for why, id := range ids {
			var err error
			e := h.one(func() { err = method(id) })
			if !reflect.DeepEqual(err, error(access.NotFound())) || e.Outcome != vitrine.Refused {
				t.Errorf("%s %s: answered %#v, recorded %+v", what, why, err, e)
			}
		}
	}
}

// Any range of an image is read without what stands before it, at every border
// of what is sealed together.
func TestRanges(t *testing.T) {
	h := newHouse(t, "")
	want := large(t)
	m := h.put(want, vault.Upload{})
	w, err := h.Vault.Open(t.Context(), h.Ann, m.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(want))
	const k = 64 << 10
	for _, off := range []int64{0, 1, k - 1, k, k + 1, 2*k - 1, 2 * k, 2*k + 1, size - k, size - 1} {
		for _, n := range []int64{0, 1, 100, k, k + 1, 2*k + 7} {
			got := make([]byte, n)
			read, err := w.ReadAt(got, off)
			left := min(n, size-off)
			if int64(read) != left || (left < n) != (err == io.EOF) || left == n && err != nil || !bytes.Equal(got[:read], want[off:off+left]) {
				t.Errorf("%d bytes at %d: got %d, %v", n, off, read, err)
			}
		}
	}
	if n, err := w.ReadAt(make([]byte, 1), size); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	if n, err := w.ReadAt(make([]byte, 1), -1); n != 0 || err == nil {
		t.Errorf("before the start: %d, %v", n, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := w.ReadAt(make([]byte, 1), 0); n != 0 || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after closing: %d, %v", n, err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

// Where the log cannot be written nothing leaves, whoever asks for whatever.
func TestUnrecordedMeansRefused(t *testing.T) {
	h := newHouse(t, "")
	m := h.at(vitrine.Internal)
	l, err := h.Vault.Link(t.Context(), h.Sam, m.ID, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	v, name := h.mute(), "x"
	for _, by := range []access.Caller{h.Ann, h.Sam, h.Eve} {
		for _, r := range []vitrine.Rendition{"", vitrine.Original, vitrine.Masked, vitrine.Thumbnail} {
			w, err := v.Open(t.Context(), by, m.ID, r)
			if wantKind(t, err, vitrine.ErrUnavailable); w != nil {
				t.Errorf("%s got a view", by.Principal)
			}
		}
		info, err := v.Info(t.Context(), by, m.ID)
		if wantKind(t, err, vitrine.ErrUnavailable); info != nil {
			t.Errorf("%s got %+v", by.Principal, info)
		}
		page, err := v.List(t.Context(), by, vault.Query{})
		if wantKind(t, err, vitrine.ErrUnavailable); page != nil {
			t.Errorf("%s got %+v", by.Principal, page)
		}
		_, err = v.Update(t.Context(), by, m.ID, &name, nil)
		wantKind(t, err, vitrine.ErrUnavailable)
		_, err = v.Classify(t.Context(), by, m.ID, vitrine.Restricted, "")
		wantKind(t, err, vitrine.ErrUnavailable)
		_, err = v.Delete(t.Context(), by, m.ID, vault.Deleting{})
		wantKind(t, err, vitrine.ErrUnavailable)
		_, err = v.Restore(t.Context(), by, m.ID)
		wantKind(t, err, vitrine.ErrUnavailable)
		_, err = v.Hold(t.Context(), by, vitrine.Ref{Kind: vitrine.KindImage, ID: m.ID}, "x")
		wantKind(t, err, vitrine.ErrUnavailable)
		_, err = v.Holds(t.Context(), by, vault.HoldQuery{})
		wantKind(t, err, vitrine.ErrUnavailable)
		_, err = v.Link(t.Context(), by, m.ID, "", 0)
		wantKind(t, err, vitrine.ErrUnavailable)
		_, err = v.Links(t.Context(), by, m.ID)
		wantKind(t, err, vitrine.ErrUnavailable)
		wantKind(t, v.RevokeLink(t.Context(), by, m.ID, l.ID), vitrine.ErrUnavailable)
	}
	_, err = v.OpenLink(t.Context(), from(), l.Token)
	wantKind(t, err, vitrine.ErrUnavailable)
	if n := v.OpenViews(); n > 0 {
		t.Errorf("%d views are open", n)
	}
	if w, got := h.open(h.Ann, m.ID, ""); w.Image.Version != m.Version || !bytes.Equal(got, small(t)) {
		t.Errorf("something was changed all the same: %+v", w.Image)
	}
}

// An image that is deleted while somebody reads it gives no byte more.
func TestDeletedWhileOpen(t *testing.T) {
	h := newHouse(t, "")
	for _, b := range [][]byte{small(t), large(t)} {
		m := h.put(b, vault.Upload{})
		w, err := h.Vault.Open(t.Context(), h.Ann, m.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.ReadAt(make([]byte, 100), 0); err != nil {
			t.Fatal(err)
		}
		if err := h.delete(h.Sam, m.ID); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		if n, err := w.ReadAt(got, 0); n != 0 || !errors.Is(err, vitrine.ErrNotFound) || !bytes.Equal(got, make([]byte, 100)) {
			t.Errorf("read %d bytes, %v", n, err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// An image that is deleted between the look at its row and the reading of its
// bytes is one that is not there.
func TestDeletedWhileOpening(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(large(t), vault.Upload{})
	var once sync.Once
	h.Faults.before = func(op memblob.Op, name string) (err error) {
		if op == memblob.Open {
			once.Do(func() { err = h.delete(h.Sam, m.ID) })
		}
		return err
	}
	_, err := h.Vault.Open(t.Context(), h.Ann, m.ID, "")
	if wantKind(t, err, vitrine.ErrNotFound); h.Last().Outcome != vitrine.Refused {
		t.Errorf("the log says %+v", h.Last())
	}
}

// Bytes that are missing for another reason are a failure, not an absence.
func TestMissingBytes(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(large(t), vault.Upload{})
	if err := h.Bucket.Delete(t.Context(), string(m.ID)+"/original"); err != nil {
		t.Fatal(err)
	}
	_, err := h.Vault.Open(t.Context(), h.Ann, m.ID, "")
	if e := wantKind(t, err, vitrine.ErrDamaged); e.Code != "image_damaged" {
		t.Errorf("answered %s", e.Code)
	}
	if log := h.Log(); log[len(log)-2].Alert != "image_damaged" || log[len(log)-2].Resource != m.ID {
		t.Errorf("no alert stands in the log, but %+v", log[len(log)-2])
	}
	// Of what was told once there is no alert again.
	e := h.one(func() { _, err = h.Vault.Open(t.Context(), h.Ann, m.ID, "") })
	if !errors.Is(err, vitrine.ErrDamaged) || e.Outcome != vitrine.Broken || e.Code != "image_damaged" {
		t.Errorf("answered %v, recorded %+v", err, e)
	}
	if _, err := h.Vault.Open(t.Context(), h.Eve, m.ID, ""); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("to who may not know of it: %v", err)
	}
}

// Many who ask at once for what was never made get the same, and it is made and
// kept for all who come after.
func TestRenditionsAreMadeOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m := h.put(large(t), vault.Upload{Tier: vitrine.Confidential})
		var wg sync.WaitGroup
		got := make([][]byte, 8)
		tags := make([]string, len(got))
		for i := range got {
			wg.Go(func() {
				w, err := h.Vault.Open(t.Context(), h.Ann, m.ID, [2]vitrine.Rendition{vitrine.Masked, vitrine.Thumbnail}[i%2])
				if err != nil {
					t.Error(err)
					return
				}
				got[i], tags[i] = all(t, w), w.ETag
			})
		}
		wg.Wait()
		for i := range got {
			if !bytes.Equal(got[i], got[i%2]) || tags[i] != tags[i%2] {
				t.Errorf("reader %d got other bytes, or another ETag", i)
			}
		}
		// What is kept needs the original no more.
		h.Faults.before = func(op memblob.Op, name string) error {
			if strings.HasSuffix(name, "/original") {
				return errBroken
			}
			return nil
		}
		for i, r := range []vitrine.Rendition{vitrine.Masked, vitrine.Thumbnail} {
			if w, b := h.open(h.Ann, m.ID, r); !bytes.Equal(b, got[i]) || w.ETag != tags[i] {
				t.Errorf("%s is another now", r)
			}
		}
	})
}

// A rendition that cannot be kept is shown all the same, and made again.
func TestRenditionThatCannotBeKept(t *testing.T) {
	h := newHouse(t, "")
	m := h.put(veiled(t, 320, 240), vault.Upload{})
	name := string(m.ID) + "/" + vault.FormThumbnail
	for _, broken := range []memblob.Op{memblob.Create, memblob.Write, memblob.Commit} {
		reached := false
		h.Faults.before = func(op memblob.Op, at string) error {
			if op == broken && at == name {
				reached = true
				return errBroken
			}
			return nil
		}
		_, b := h.open(h.Sam, m.ID, vitrine.Thumbnail)
		if len(b) <= vault.Inline {
			t.Fatalf("the thumbnail has %d bytes, which stand in its row", len(b))
		}
		if _, err := png.Decode(bytes.NewReader(b)); err != nil || !reached {
			t.Errorf("with a broken %s, which was reached (%t): %v", broken, reached, err)
		}
		if slices.Contains(h.files(), name) {
			t.Errorf("with a broken %s it was kept", broken)
		}
	}
	h.Faults = faults{}
	h.open(h.Sam, m.ID, vitrine.Thumbnail)
	if !slices.Contains(h.files(), name) {
		t.Errorf("made again it was not kept: %v", h.files())
	}
}

// veiled is transparent noise: the one kind of picture whose thumbnail is so
// large that it lies in the bucket.
func veiled(t testing.TB, width, height int) []byte {
	r := rand.New(rand.NewPCG(4, 4))
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32())
	}
	return encode(t, m)
}

// A picture whose container is in order and whose pixels are not can be opened
// and not be shown masked; nothing else breaks.
func TestUndecodable(t *testing.T) {
	h := newHouse(t, "")
	b := small(t)
	at := bytes.Index(b, []byte("IDAT"))
	n := int(b[at-4])<<24 | int(b[at-3])<<16 | int(b[at-2])<<8 | int(b[at-1])
	data := bytes.Clone(b[at+4 : at+4+n])
	for i := 40; i < len(data); i++ {
		data[i] = 0xff
	}
	bad := append(append(bytes.Clone(b[:at-4]), chunk("IDAT", data)...), chunk("IEND", nil)...)
	m, err := h.Vault.Put(t.Context(), h.Ulf, vault.Upload{Dataset: "drafts", Tier: vitrine.Confidential}, bytes.NewReader(bad))
	if errors.Is(err, vitrine.ErrInvalid) {
		return // found out before it got here
	}
	if err != nil {
		t.Fatal(err)
	}
	e := h.one(func() { _, err = h.Vault.Open(t.Context(), h.Ann, m.ID, "") })
	if got := wantKind(t, err, vitrine.ErrInvalid); got.Code != "undecodable" || e.Outcome != vitrine.Refused {
		t.Errorf("answered %+v, recorded %+v", got, e)
	}
	if _, got := h.open(h.Sam, m.ID, ""); !bytes.Equal(got, bad) {
		t.Error("the original is another")
	}
}

// Renditions wait for room to decode in, as long as the caller does; originals,
// and renditions that were made before, need none.
func TestDecodingWaits(t *testing.T) {
	h := newHouse(t, "")
	made, m := h.at(vitrine.Confidential), h.at(vitrine.Confidential)
	h.open(h.Ann, made.ID, vitrine.Masked)
	release, err := h.Vault.Busy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.open(h.Ann, made.ID, vitrine.Masked)
	h.open(h.Sam, m.ID, vitrine.Original)
	impatient, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	_, err = h.Vault.Open(impatient, h.Ann, m.ID, vitrine.Masked)
	if e := wantKind(t, err, vitrine.ErrUnavailable); e.Code != "busy" || h.Last().Code != "busy" || h.Last().Outcome != vitrine.Refused {
		t.Errorf("answered %+v, recorded %+v", e, h.Last())
	}
	release()
	h.open(h.Ann, m.ID, vitrine.Masked)
}

// What a decision gives to who asked for what; an obligation binds also whoever
// may open.
func TestGiven(t *testing.T) {
	opens := vitrine.Decision{Allow: true, Permission: vitrine.ImageOpen}
	exports := vitrine.Decision{Allow: true, Permission: vitrine.ImageExport}
	views := vitrine.Decision{Allow: true, Permission: vitrine.ImageView}
	obliged := vitrine.Decision{Allow: true, Permission: vitrine.ImageOpen, Obligation: vitrine.Obligation{Rendition: vitrine.Masked}}
	tests := []struct {
		asked                          vitrine.Rendition
		opens, exports, views, obliged vitrine.Rendition // "": refused
	}{
		{"", vitrine.Original, vitrine.Original, vitrine.Masked, vitrine.Masked},
		{vitrine.Original, vitrine.Original, vitrine.Original, "", ""},
		{vitrine.Masked, vitrine.Masked, vitrine.Masked, vitrine.Masked, vitrine.Masked},
		{vitrine.Thumbnail, vitrine.Thumbnail, vitrine.Thumbnail, vitrine.MaskedThumbnail, vitrine.MaskedThumbnail},
		{vitrine.MaskedThumbnail, vitrine.MaskedThumbnail, vitrine.MaskedThumbnail, vitrine.MaskedThumbnail, vitrine.MaskedThumbnail},
	}
	for _, tt := range tests {
		for _, c := range []struct {
			d    vitrine.Decision
			want vitrine.Rendition
		}{{opens, tt.opens}, {exports, tt.exports}, {views, tt.views}, {obliged, tt.obliged}, {vitrine.Decision{}, tt.views}} {
			got, err := vault.Given(tt.asked, c.d)
			if got != c.want || errors.Is(err, vitrine.ErrDenied) != (c.want == "") {
				t.Errorf("%q under %+v: got %q, %v; want %q", tt.asked, c.d, got, err, c.want)
			}
		}
	}
}
