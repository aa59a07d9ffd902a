package gateway_test

import (
	"bytes"
	"errors"
	"net/http"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/store/storetest"
	"vitrine.dev/vitrine/internal/vault"
)

// TestIdempotency: the same key with the same request is paid once.
func TestIdempotency(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		h := newHouse(t, database, budgetOfAll)
		keyed := func(key, hash string) *gateway.Request {
			return asks(func(r *gateway.Request) { r.IdempotencyKey, r.BodyHash = key, hash })
		}
		first := h.make(h.ann, keyed("k", "one"))
		again := h.make(h.ann, keyed("k", "one"))
		if first.Replayed || !again.Replayed || h.up.Count() != 1 || h.balance("all").Spent != cents(1) {
			t.Errorf("asked %d times, spent %s", h.up.Count(), h.balance("all").Spent)
		}
		a, b := first.Images[0], again.Images[0]
		if a.ID != b.ID || a.RevisedPrompt != b.RevisedPrompt || b.RevisedPrompt == "" || again.Cost != first.Cost ||
			!bytes.Equal(read(t, a, a.Size), read(t, b, b.Size)) {
			t.Errorf("answered %+v, then %+v", first, again)
		}

		_, err := h.Generate(t.Context(), anew(h.ann), keyed("k", "two"))
		if e := failure(t, err); !errors.Is(err, vitrine.ErrConflict) || e.Code != "idempotency_key_reused" {
			t.Errorf("with another request: %v", err)
		}
		_, err = h.Generate(t.Context(), anew(in(h.ann, "renders", "")), keyed("k", "one"))
		if e := failure(t, err); !errors.Is(err, vitrine.ErrConflict) || e.Code != "idempotency_key_reused" {
			t.Errorf("with another dataset: %v", err)
		}
		bob := h.person("bob", "artist")
		if a := h.make(bob, keyed("k", "one")); a.Replayed {
			t.Error("bob got ann's answer")
		}

		// Rights are asked anew.
		if _, err := h.vault.Delete(t.Context(), anew(h.Alice), a.ID, vault.Deleting{}); err == nil {
			t.Error("an owner deleted an image that she cannot open")
		}
		h.put(&vitrine.Binding{ID: "ann-0", Role: "junior", Principal: "ann", Scope: "other"})
		if _, err := h.Generate(t.Context(), anew(h.ann), keyed("k", "one")); !errors.Is(err, vitrine.ErrNotFound) {
			t.Errorf("without the role: %v, want not found", err)
		}
	})
}

// TestIdempotencyOfLinks: a link is answered again as it was.
func TestIdempotencyOfLinks(t *testing.T) {
	h := newHouse(t, "")
	r := asks(func(r *gateway.Request) { r.IdempotencyKey, r.BodyHash, r.ResponseFormat = "k", "one", "url" })
	first, again := h.make(h.ann, r), h.make(h.ann, r)
	if first.Images[0].LinkPath == "" || first.Images[0].LinkPath != again.Images[0].LinkPath {
		t.Errorf("answered %q, then %q", first.Images[0].LinkPath, again.Images[0].LinkPath)
	}
}

// TestIdempotencyOfLinksAsksAnew: an image is made by a key that opens whatever
// sue may open, and classified higher since. Her narrower key, which may not
// open it any more, does not get the other's link to it.
func TestIdempotencyOfLinksAsksAnew(t *testing.T) {
	h := newHouse(t, "", &vitrine.Role{ID: "sorter", Grants: []vitrine.Grant{grant([]vitrine.Permission{vitrine.ImageClassify, vitrine.ImageOpen}, vitrine.Restricted)}})
	sue, sorter := h.person("sue", "artist", "senior"), h.person("sorter", "sorter")
	key, _ := h.Issue(h.Alice, identity.NewKey{Principal: "sue", Roles: []vitrine.ID{"artist"}})
	narrow := in(key, "renders", "drafts")
	r := asks(func(r *gateway.Request) { r.IdempotencyKey, r.BodyHash, r.ResponseFormat = "k", "one", "url" })
	first := h.make(sue, r)
	if again := h.make(narrow, r); again.Images[0].LinkPath != first.Images[0].LinkPath {
		t.Errorf("answered %q, then %q", first.Images[0].LinkPath, again.Images[0].LinkPath)
	}
	if _, err := h.vault.Classify(t.Context(), anew(sorter), first.Images[0].ID, vitrine.Confidential, "a face"); err != nil {
		t.Fatal(err)
	}
	if a, err := h.Generate(t.Context(), anew(narrow), r); !errors.Is(err, vitrine.ErrNotFound) && !errors.Is(err, vitrine.ErrDenied) {
		t.Errorf("got %+v, %v, want a refusal", a, err)
	}
	if again := h.make(sue, r); again.Images[0].LinkPath != first.Images[0].LinkPath {
		t.Errorf("the key that may: %+v", again)
	}
}

// TestIdempotencyWhileRunning: a second request waits for nobody and pays
// nothing.
func TestIdempotencyWhileRunning(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	until, begun := make(chan struct{}), make(chan struct{})
	h.up.Script(func(u *providertest.Upstream, w http.ResponseWriter, r *http.Request, c *providertest.Call) {
		close(begun)
		providertest.Wait(until)(u, w, r, c)
	})
	keyed := asks(func(r *gateway.Request) { r.IdempotencyKey, r.BodyHash = "k", "one" })
	done := make(chan error, 1)
	go func() {
		a, err := h.Generate(t.Context(), anew(h.ann), keyed)
		if err == nil {
			err = a.Close()
		}
		done <- err
	}()
	<-begun
	_, err := h.Generate(t.Context(), anew(h.ann), keyed)
	if e := failure(t, err); !errors.Is(err, vitrine.ErrConflict) || e.Code != "idempotency_key_in_use" || e.RetryAfter == 0 {
		t.Errorf("while it runs: %v", err)
	}
	h.Clock.Advance(time.Hour)
	_, err = h.Generate(t.Context(), anew(h.ann), keyed)
	if e := failure(t, err); !errors.Is(err, vitrine.ErrConflict) || e.Code != "idempotency_outcome_unknown" {
		t.Errorf("long after it must have ended: %v", err)
	}
	close(until)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if a := h.make(h.ann, keyed); !a.Replayed || h.up.Count() != 1 {
		t.Errorf("asked %d times", h.up.Count())
	}
}

// TestIdempotencyOfFailures: what cost nothing may be tried again with the same
// key; what may have cost something is not paid twice.
func TestIdempotencyOfFailures(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	keyed := asks(func(r *gateway.Request) { r.IdempotencyKey, r.BodyHash = "k", "one" })
	h.up.Script(providertest.RateLimited("1"), providertest.Cut)
	if _, err := h.Generate(t.Context(), anew(h.ann), keyed); !errors.Is(err, vitrine.ErrExhausted) {
		t.Errorf("first: %v", err)
	}
	if _, err := h.Generate(t.Context(), anew(h.ann), keyed); !errors.Is(err, vitrine.ErrUpstream) {
		t.Errorf("second: %v", err)
	}
	_, err := h.Generate(t.Context(), anew(h.ann), keyed)
	if e := failure(t, err); !errors.Is(err, vitrine.ErrUpstream) || e.Code != "cut_answer" || h.up.Count() != 2 {
		t.Errorf("third: %v (%s), asked %d times", err, e.Code, h.up.Count())
	}
	if b := h.balance("all"); b.Spent != cents(1) || b.Reserved != 0 {
		t.Errorf("balance %+v", b)
	}
}
