package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/store/storetest"
)

type jsonRaw = json.RawMessage

// TestGenerate follows two images from the request to the vault, the log and
// the budget.
func TestGenerate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		h := newHouse(t, database, budgetOfAll)
		by := anew(h.ann)
		by.EndUser = "reader-7"
		a, err := h.Generate(t.Context(), by, asks(func(r *gateway.Request) { r.N, r.Quality, r.EndUser = 2, "high", "reader-7" }))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}()
		call := h.up.Last(t)
		if call.Prompt != "a lighthouse in fog" || call.Model != "hidream" || call.N != 2 || call.Size != "1024x1024" {
			t.Errorf("the service was asked %+v", call)
		}
		if user := call.Text("user"); user == "" || strings.Contains(user, "reader") {
			t.Errorf("the service was told of end user %q, want a hash", user)
		}
		if len(a.Images) != 2 || a.Cost != cents(2) || a.Remaining == nil || *a.Remaining != budgetOfAll.Limit-cents(2) || a.PaymentSource != "all" {
			t.Errorf("answer %+v", a)
		}
		for i, m := range a.Images {
			want := providertest.PNG(32, 32, i)
			if got := read(t, m, m.Size); !bytes.Equal(got, want) {
				t.Errorf("image %d has other bytes than the service sent", i)
			}
			v, err := h.vault.Open(t.Context(), anew(h.ann), m.ID, vitrine.Original)
			if err != nil {
				t.Fatal(err)
			}
			if got := read(t, v, v.Size); !bytes.Equal(got, want) {
				t.Errorf("image %d has other bytes in the vault", i)
			}
			lineage := vitrine.Lineage{Prompt: "a lighthouse in fog", PromptHash: h.vault.PromptHash("a lighthouse in fog"), Model: "hidream",
				Provider: "fake", EndUser: "reader-7", Credential: by.Credential, Request: by.Request}
			if diff := cmp.Diff(lineage, v.Image.Detail.Lineage); diff != "" {
				t.Errorf("lineage (-want +got):\n%s", diff)
			}
			if v.Image.Tier != vitrine.Internal || v.Image.TierBy != vitrine.TierByBirth || v.Image.Owner != "ann" || v.Image.Dataset != "drafts" {
				t.Errorf("image %+v", v.Image)
			}
			if err := v.Close(); err != nil {
				t.Error(err)
			}
		}
		type line struct {
			op      string
			outcome vitrine.Outcome
			kind    vitrine.Kind
			cost    vitrine.Micros
		}
		var got []line
		for _, e := range h.of(by.Request) {
			got = append(got, line{e.Op, e.Outcome, e.Kind, e.Cost})
			if e.PromptHash == "" || e.Model != "hidream" || e.Personal.EndUser != "reader-7" || strings.Contains(e.Detail, "lighthouse") {
				t.Errorf("entry %+v", e)
			}
		}
		want := []line{{"generate", vitrine.Allowed, vitrine.KindDeployment, cents(2)}, {"generate done", vitrine.Allowed, vitrine.KindImage, cents(2)}}
		if !slices.Equal(got, want) {
			t.Errorf("the log has %+v, want %+v", got, want)
		}
		if b := h.balance("all"); b.Spent != cents(2) || b.Reserved != 0 {
			t.Errorf("balance %+v", b)
		}
	})
}

// TestModelIDs: ids hold what providers put into them.
func TestModelIDs(t *testing.T) {
	h := newHouse(t, "")
	for _, id := range []string{"hidream", "google:4@1", "meta/llama-3/image"} {
		a := h.make(h.ann, asks(func(r *gateway.Request) { r.Model = id }))
		if c := h.up.Last(t); c.Model != id || len(a.Images) != 1 {
			t.Errorf("the service was asked for %q, want %q", c.Model, id)
		}
		m, err := h.Model(t.Context(), h.ann, id)
		if err != nil || m.ID != id {
			t.Errorf("Model(%q) = %+v, %v", id, m, err)
		}
	}
}

// TestStudio: the whole flow without any account.
func TestStudio(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	seed := func(r *gateway.Request) {
		r.Model, r.Size, r.Extra = "drawn", "256x256", map[string]jsonRaw{"seed": jsonRaw("7")}
	}
	a := h.make(h.ann, asks(seed))
	b := h.make(h.ann, asks(seed))
	one, other := a.Images[0], b.Images[0]
	if !bytes.Equal(read(t, one, one.Size), read(t, other, other.Size)) || one.Seed != "7" {
		t.Errorf("the same prompt and seed %q gave two pictures", one.Seed)
	}
	if want := map[string]string{"size": "256x256", "output_format": "png", "quality": "standard", "background": "opaque"}; !cmp.Equal(want, a.Echo) {
		t.Errorf("echo %v, want %v", a.Echo, want)
	}
	if h.balance("all").Spent != cents(2) {
		t.Errorf("spent %s", h.balance("all").Spent)
	}
}

// TestEdit: a source of the vault goes out, and what comes back is as sensitive
// as it.
func TestEdit(t *testing.T) {
	h := newHouse(t, "")
	senior := h.person("sue", "senior")
	secret := h.upload(senior, "plans")
	mask := providertest.PNG(24, 24, 3)
	a := h.make(senior, asks(func(r *gateway.Request) {
		r.Edit, r.Model = true, "flux-kontext"
		r.Sources = []gateway.Source{{Image: secret, Param: "image"}, {Body: bytes.NewReader(mask), Size: int64(len(mask)), Param: "image"}}
		r.Mask = &gateway.Source{Body: bytes.NewReader(mask), Size: int64(len(mask)), Param: "mask"}
	}))
	files := h.up.Last(t).Files
	if len(files) != 3 || !bytes.Equal(files[0].Body, providertest.PNG(24, 24, 1)) || !bytes.Equal(files[2].Body, mask) {
		t.Errorf("%d files went out, or others than these", len(files))
	}
	if got := a.Images[0].Tier; got != vitrine.Confidential {
		t.Errorf("born %s from a confidential source, want confidential", got)
	}
	info, err := h.vault.Info(t.Context(), anew(senior), a.Images[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if info.TierBy != vitrine.TierBySource || !cmp.Equal(info.Detail.Lineage.Sources, []vitrine.ID{secret}) {
		t.Errorf("image %+v", info.Image)
	}
	if _, err := h.vault.Open(t.Context(), anew(h.ann), a.Images[0].ID, ""); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("who opens internal images got %v, want not found", err)
	}
}

// TestMaskOfAnotherSize: a service would refuse it, or make something else and
// take money for it.
func TestMaskOfAnotherSize(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	picture, mask := providertest.PNG(24, 24, 3), providertest.PNG(24, 16, 3)
	_, err := h.Generate(t.Context(), anew(h.person("sue", "senior")), asks(func(r *gateway.Request) {
		r.Edit, r.Model = true, "flux-kontext"
		r.Sources = []gateway.Source{{Body: bytes.NewReader(picture), Size: int64(len(picture)), Param: "image"}}
		r.Mask = &gateway.Source{Body: bytes.NewReader(mask), Size: int64(len(mask)), Param: "mask"}
	}))
	if e := failure(t, err); e.Code != "invalid_mask_size" || e.Param != "mask" || h.up.Count() != 0 {
		t.Errorf("got %v (%s), asked %d times", err, e.Code, h.up.Count())
	}
	if b := h.balance("all"); b.Spent != 0 || b.Reserved != 0 {
		t.Errorf("balance %+v", b)
	}
}

// TestLink: response_format url gives a link of ours, which opens the image.
func TestLink(t *testing.T) {
	h := newHouse(t, "")
	h.up.Always(providertest.URLs)
	a := h.make(h.ann, asks(func(r *gateway.Request) { r.ResponseFormat = "url" }))
	m := a.Images[0]
	token, ok := strings.CutPrefix(m.LinkPath, "/l/")
	if !ok || m.ReaderAt != nil {
		t.Fatalf("answered %+v, want a link alone", m)
	}
	v, err := h.vault.OpenLink(t.Context(), anew(in(h.ann, "", "")), token)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, v, v.Size); !bytes.Equal(got, providertest.PNG(32, 32, 0)) {
		t.Error("the link gives other bytes")
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

// TestHangUp: a client that goes while the service draws has paid, and loses
// nothing.
func TestHangUp(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	ctx, hangUp := context.WithCancel(t.Context())
	h.up.Always(func(u *providertest.Upstream, w http.ResponseWriter, r *http.Request, c *providertest.Call) {
		hangUp()
		providertest.Success(u, w, r, c)
	})
	by := anew(h.ann)
	a, err := h.Generate(ctx, by, asks())
	if err != nil {
		t.Fatal(err)
	}
	id := a.Images[0].ID
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	v, err := h.vault.Open(t.Context(), anew(h.ann), id, "")
	if err != nil {
		t.Fatalf("the image is not in the vault: %v", err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if b := h.balance("all"); b.Spent != cents(1) || b.Reserved != 0 {
		t.Errorf("balance %+v", b)
	}

	// Who has gone before money was set aside, has paid nothing.
	_, err = h.Generate(ctx, anew(h.ann), asks())
	if err == nil || h.up.Count() != 1 {
		t.Errorf("got %v, and the service was asked %d times; want an error, once", err, h.up.Count())
	}
	if b := h.balance("all"); b.Spent != cents(1) || b.Reserved != 0 {
		t.Errorf("balance %+v", b)
	}
}

// TestRate: more than the model's requests a minute and caller are turned away,
// and told when to come back.
func TestRate(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	bob := h.person("bob", "artist")
	fast := asks(func(r *gateway.Request) { r.Model = "three-a-minute" })
	for range 3 {
		h.make(h.ann, fast)
	}
	_, err := h.Generate(t.Context(), anew(h.ann), fast)
	if e := failure(t, err); !errors.Is(err, vitrine.ErrExhausted) || e.Code != "rate_limited" || e.RetryAfter < 1 || e.RetryAfter > 20 {
		t.Errorf("the fourth: %v, retry after %d", err, e.RetryAfter)
	}
	h.make(bob, fast) // has a limit of his own
	h.Clock.Advance(21e9)
	h.make(h.ann, fast)
}

// TestRateOfStragglers: requests that took long to be looked at, such as edits
// of large pictures, gain nobody tokens for time that has passed already.
func TestRateOfStragglers(t *testing.T) {
	take := gateway.Rate(60) // one a second
	start := time.Now()
	for range 60 {
		if wait := take(start); wait != 0 {
			t.Fatalf("within the burst: wait %s", wait)
		}
	}
	let := 0
	for range 100 {
		for _, at := range []time.Time{start.Add(2 * time.Second), start} {
			if take(at) == 0 {
				let++
			}
		}
	}
	if let != 2 {
		t.Errorf("%d requests in two seconds, want 2", let)
	}
}
