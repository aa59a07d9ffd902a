package gateway_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/store/storetest"
)

const (
	oldKey = vitrine.Secret("k-old-0123456789")
	newKey = vitrine.Secret("k-new-0123456789")
)

// rotate gives the credential main a new secret.
func (h *house) rotate(secret vitrine.Secret, overlap time.Duration) gateway.Rotated {
	h.t.Helper()
	done, err := h.RotateCredential(h.t.Context(), anew(h.Alice), "main", secret, overlap)
	if err != nil {
		h.t.Fatalf("rotate: %v", err)
	}
	return done
}

func (h *house) credential() *vitrine.Credential {
	h.t.Helper()
	o, _, err := h.Policies.Object(h.t.Context(), h.Alice, vitrine.Ref{Kind: vitrine.KindCredential, ID: "main"})
	if err != nil {
		h.t.Fatal(err)
	}
	return o.(*vitrine.Credential)
}

// TestRotate: new calls use the new secret at once, on every node; one that is
// under way finishes with the earlier one; after the overlap that is deleted.
func TestRotate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		h := newHouse(t, database, budgetOfAll)
		h.provide(h.fake(), &vitrine.Credential{ID: "main", Roles: []vitrine.ID{"artist"}}, oldKey)
		h.up.Accept(oldKey.Reveal(), newKey.Reveal())
		other := h.Join(t, h.Clock)
		elsewhere, _ := h.open(other)

		begun, finish := make(chan struct{}), make(chan struct{})
		h.up.Script(providertest.Streamed(func(e *providertest.Events) {
			close(begun)
			e.Wait(finish)
			e.Completed(0)
		}))
		h.put(streaming)
		done := make(chan error, 1)
		go func() {
			a, err := h.Generate(t.Context(), anew(h.ann), streams(&gateway.Stream{Previews: 1, Preview: func(p *gateway.Preview) { p.Release() }}))
			if err == nil {
				err = a.Close()
			}
			done <- err
		}()
		<-begun
		if r := h.rotate(newKey, time.Hour); r.Revision == 0 || r.Until.Sub(h.Clock.Now()).Round(time.Minute) != time.Hour {
			t.Errorf("rotated: %+v", r)
		}
		for _, g := range []*gateway.Gateway{h.Gateway, elsewhere} {
			a, err := g.Generate(t.Context(), anew(h.ann), asks())
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			if got := h.up.Last(t).Authorization; got != newKey.Reveal() {
				t.Errorf("a call after the rotation was sent with %q", got)
			}
		}
		close(finish)
		if err := <-done; err != nil {
			t.Errorf("the call that was under way: %v", err)
		}
		if got := h.up.Calls()[0].Authorization; got != oldKey.Reveal() {
			t.Errorf("the call that was under way was sent with %q", got)
		}
		if c := h.credential(); len(c.Roles) != 1 || c.Origin == "" || c.PreviousUntil.IsZero() {
			t.Errorf("the credential is %+v", c)
		}

		h.sweep()
		if _, err := h.Store.RetiredSecret(t.Context(), "main", h.Clock.Now()); err != nil {
			t.Errorf("before the overlap ends: %v", err)
		}
		h.Clock.Advance(time.Hour)
		h.sweep()
		h.sweep()
		if _, err := h.Store.RetiredSecret(t.Context(), "main", time.Time{}); !errors.Is(err, vitrine.ErrNotFound) {
			t.Errorf("after the overlap the earlier secret is still there: %v", err)
		}
		if e := h.Last(); e.Op != "end retired secret" || e.Resource != "main" || e.Actor != "system" || e.Outcome != vitrine.Allowed {
			t.Errorf("the last entry is %+v", e)
		}
		h.nowhere(oldKey, newKey)
	})
}

// nowhere checks that a secret stands in clear in no change set and no entry.
func (h *house) nowhere(secrets ...vitrine.Secret) {
	h.t.Helper()
	sets, err := h.Store.ChangeSets(h.t.Context(), 0, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	b, err := json.Marshal([]any{sets, h.Log()})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, s := range secrets {
		if strings.Contains(string(b), s.Reveal()) {
			h.t.Errorf("the secret %.5s… stands in clear", s.Reveal())
		}
	}
}

type refusedRotation struct {
	name    string
	accepts []string
	overlap time.Duration
	later   time.Duration
	sent    []string // the calls that got through
	alerts  int
}

// TestRotateRefused: within the overlap the earlier secret helps out where the
// service does not know the new one, and each time somebody hears of it; without
// one, or when none is known, the call fails and costs nothing.
func TestRotateRefused(t *testing.T) {
	for _, tt := range []refusedRotation{
		{"both are known", []string{oldKey.Reveal(), newKey.Reveal()}, time.Hour, 0, []string{newKey.Reveal()}, 0},
		{"the new one alone", []string{newKey.Reveal()}, time.Hour, 0, []string{newKey.Reveal()}, 0},
		{"the earlier one alone", []string{oldKey.Reveal()}, time.Hour, 0, []string{oldKey.Reveal()}, 1},
		{"near the end", []string{oldKey.Reveal()}, time.Hour, time.Hour - 30*time.Second, []string{oldKey.Reveal()}, 1},
		{"at the end, not swept yet", []string{oldKey.Reveal()}, time.Hour, time.Hour, nil, 0},
		{"without an overlap", []string{oldKey.Reveal()}, 0, 0, nil, 0},
		{"neither", []string{"k-another"}, time.Hour, 0, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, database string) { tt.run(t, newHouse(t, database, budgetOfAll)) })
		})
	}
}

func (tt *refusedRotation) run(t *testing.T, h *house) {
	h.provide(h.fake(), &vitrine.Credential{ID: "main"}, oldKey)
	h.rotate(newKey, tt.overlap)
	h.Clock.Advance(tt.later)
	h.up.Accept(tt.accepts...)
	by := anew(h.ann)
	a, err := h.Generate(t.Context(), by, asks())
	if (err == nil) != (len(tt.sent) > 0) {
		t.Fatalf("got %v", err)
	}
	spent := cents(1)
	if err != nil {
		if e := failure(t, err); e.Code != "provider_account" {
			t.Errorf("got %v (%s), want provider_account", err, e.Code)
		}
		spent = 0
	} else if err := a.Close(); err != nil {
		t.Error(err)
	}
	var sent []string
	for _, c := range h.up.Calls() {
		sent = append(sent, c.Authorization)
	}
	if strings.Join(sent, " ") != strings.Join(tt.sent, " ") {
		t.Errorf("sent with %q, want %q", sent, tt.sent)
	}
	alerts := 0
	for _, e := range h.of(by.Request) {
		if e.Alert != "" {
			alerts++
			if e.Alert != "credential_refused" || e.Kind != vitrine.KindCredential || e.Resource != "main" || e.Outcome != vitrine.Broken || !strings.Contains(e.Detail, "fake") {
				t.Errorf("alert %+v", e)
			}
		}
	}
	if b := h.balance("all"); alerts != tt.alerts || b.Spent != spent || b.Reserved != 0 {
		t.Errorf("%d alerts, balance %+v; want %d, %s spent", alerts, b, tt.alerts, spent)
	}
	h.nowhere(oldKey, newKey)
}

// TestRotateTests: trying a provider tries the new secret alone.
func TestRotateTests(t *testing.T) {
	h := newHouse(t, "")
	nano := &vitrine.Provider{ID: "webui", Kind: vitrine.Automatic1111, BaseURL: h.up.Root()}
	h.provide(nano, &vitrine.Credential{ID: "main"}, "ann:old")
	h.up.Accept("ann:old")
	if _, err := h.TestProvider(t.Context(), anew(h.Alice), "webui"); err != nil {
		t.Fatal(err)
	}
	h.rotate("ann:new", time.Hour)
	_, err := h.TestProvider(t.Context(), anew(h.Alice), "webui")
	if e := failure(t, err); e.Code != "provider_account" {
		t.Errorf("got %v (%s), want provider_account", err, e.Code)
	}
}

// TestRotateAgain: of several rotations the one before the last helps out.
func TestRotateAgain(t *testing.T) {
	h := newHouse(t, "")
	h.provide(h.fake(), &vitrine.Credential{ID: "main"}, oldKey)
	h.rotate("k-between-0123456789", time.Hour)
	h.rotate(newKey, time.Hour)
	h.up.Accept(oldKey.Reveal())
	if _, err := h.Generate(t.Context(), anew(h.ann), asks()); err == nil {
		t.Error("the secret before the last but one helped out")
	}
	h.up.Accept("k-between-0123456789")
	h.make(h.ann, asks())

	// Without an overlap, twice: nothing but the secret changes, and all see it.
	for _, secret := range []vitrine.Secret{"k-third-0123456789", "k-fourth-012345678", newKey} {
		h.rotate(secret, 0)
		h.up.Accept(secret.Reveal())
		h.make(h.ann, asks())
	}
	h.up.Accept("k-between-0123456789")

	// What is given anew, moved or forgotten leaves nothing behind.
	h.provide(h.fake(), &vitrine.Credential{ID: "main"}, newKey)
	if c := h.credential(); !c.PreviousUntil.IsZero() {
		t.Errorf("given anew: %+v", c)
	}
	if _, err := h.Generate(t.Context(), anew(h.ann), asks()); err == nil {
		t.Error("given anew, and the one before helped out")
	}
	h.rotate("k-last-0123456789", time.Hour)
	moved := h.fake()
	moved.BaseURL = "https://elsewhere.example"
	h.put(moved)
	if c := h.credential(); !c.PreviousUntil.IsZero() || c.Origin != "" {
		t.Errorf("moved: %+v", c)
	}
	if _, err := h.Store.RetiredSecret(t.Context(), "main", h.Clock.Now()); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("moved, and the one before is there: %v", err)
	}
	_, err := h.RotateCredential(t.Context(), anew(h.Alice), "main", newKey, time.Hour)
	if e := failure(t, err); e.Code != "no_secret" {
		t.Errorf("rotated without a secret: %v (%s)", err, e.Code)
	}
}

// TestRotateCredentialRefuses holds who may, and what cannot be right.
func TestRotateCredentialRefuses(t *testing.T) {
	h := newHouse(t, "")
	h.provide(h.fake(), &vitrine.Credential{ID: "main"}, oldKey)
	stale := h.Alice
	stale.IfVersion = 1
	for _, tt := range []struct {
		name    string
		by      access.Caller
		id      vitrine.ID
		secret  vitrine.Secret
		overlap time.Duration
		kind    error
		param   string
	}{
		{"an artist", h.ann, "main", newKey, time.Hour, vitrine.ErrNotFound, ""},
		{"one that is not there", h.Alice, "other", newKey, time.Hour, vitrine.ErrNotFound, ""},
		{"an artist, one that is not there", h.ann, "other", newKey, time.Hour, vitrine.ErrNotFound, ""},
		{"an artist, no secret", h.ann, "main", "", time.Hour, vitrine.ErrNotFound, ""},
		{"no secret", h.Alice, "main", "", time.Hour, vitrine.ErrInvalid, "secret"},
		{"a secret of two lines", h.Alice, "main", "s\nX-Evil: 1", time.Hour, vitrine.ErrInvalid, "secret"},
		{"backwards", h.Alice, "main", newKey, -time.Second, vitrine.ErrInvalid, "overlap"},
		{"for ever", h.Alice, "main", newKey, 31 * 24 * time.Hour, vitrine.ErrInvalid, "overlap"},
		{"on another's change", stale, "main", newKey, time.Hour, vitrine.ErrConflict, "main"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			by := anew(tt.by)
			_, err := h.RotateCredential(t.Context(), by, tt.id, tt.secret, tt.overlap)
			if e := failure(t, err); !errors.Is(err, tt.kind) || e.Param != tt.param {
				t.Errorf("got %v (%s), want %v (%s)", err, e.Param, tt.kind, tt.param)
			}
			if log := h.of(by.Request); len(log) != 1 || log[0].Outcome != vitrine.Refused {
				t.Errorf("the log has %+v, want one refusal", log)
			}
		})
	}
	if secret, _, err := h.Store.CredentialSecret(t.Context(), "main"); err != nil || secret != oldKey {
		t.Errorf("the secret was changed: %v", err)
	}
}
