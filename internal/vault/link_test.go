package vault_test

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/vault"
)

// from is a request with a link: somebody, somewhere.
func from() access.Caller {
	return access.Caller{Subject: rbac.Subject{Address: netip.MustParseAddr("198.51.100.9")}, Request: "req-link", UserAgent: "browser/1"}
}

// Who may make which link, and what it shows to whoever has it.
func TestLink(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m := h.put(large(t), vault.Upload{Name: "jane.png"})
		tests := []struct {
			name string
			by   access.Caller
			r    vitrine.Rendition
			ttl  time.Duration
			want vitrine.Rendition // "": refused
			kind error
		}{
			{"not named is the original", h.Sam, "", 0, vitrine.Original, nil},
			{"original", h.Sam, vitrine.Original, time.Hour, vitrine.Original, nil},
			{"masked", h.Sam, vitrine.Masked, time.Minute, vitrine.Masked, nil},
			{"thumbnail", h.Sam, vitrine.Thumbnail, 0, vitrine.Thumbnail, nil},
			{"what is none", h.Sam, "hero", 0, "", vitrine.ErrInvalid},
			{"for longer than an hour", h.Sam, "", time.Hour + 1, "", vitrine.ErrInvalid},
			{"for less than nothing", h.Sam, "", -1, "", vitrine.ErrInvalid},
			{"by who opens it and may not take it out", h.Ann, "", 0, "", vitrine.ErrDenied},
			{"not masked either", h.Ann, vitrine.Masked, 0, "", vitrine.ErrDenied},
			{"by who has no role", h.Eve, "", 0, "", vitrine.ErrNotFound},
			{"by nobody", access.Caller{}, "", 0, "", vitrine.ErrUnauthenticated},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				var l *vault.Link
				var err error
				e := h.one(func() { l, err = h.Vault.Link(t.Context(), tt.by, m.ID, tt.r, tt.ttl) })
				if tt.kind != nil {
					if wantKind(t, err, tt.kind); e.Outcome != vitrine.Refused || e.Op != "link" {
						t.Errorf("the log says %+v", e)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if e.Act != "image.export" || !strings.Contains(e.Detail, string(l.ID)) || strings.Contains(e.Detail, l.Token) {
					t.Errorf("the log says %+v", e)
				}
				if len(l.Token) != 43 || l.Path != "/l/"+l.Token || bytes.Contains(stored(h), []byte(l.Token)) {
					t.Errorf("the token is short, or kept: %+v", l)
				}
				var w *vault.View
				e = h.one(func() { w, err = h.Vault.OpenLink(t.Context(), from(), l.Token) })
				if err != nil {
					t.Fatal(err)
				}
				got := all(t, w)
				if w.Rendition != tt.want || bytes.Equal(got, large(t)) != (tt.want == vitrine.Original) ||
					reflect.DeepEqual(w.Image.Detail, vitrine.ImageDetail{}) != (tt.want == vitrine.Masked) {
					t.Errorf("it shows %d bytes of %+v, want %s", len(got), w, tt.want)
				}
				if e.Actor != "sam" || e.Credential != h.Sam.Credential || e.Op != "open link" || e.Outcome != vitrine.Allowed ||
					e.Resource != m.ID || !strings.Contains(e.Detail, string(l.ID)) || e.Personal.Address != "198.51.100.9" {
					t.Errorf("the log says %+v", e)
				}
			})
		}
	})
}

// stored is nothing where the database is elsewhere.
func stored(h *house) []byte {
	if !strings.HasPrefix(h.URL, "sqlite:") {
		return nil
	}
	return h.stored()
}

// A link dies with time, revocation, the credential, the principal, the binding
// and the image; and every way, whoever asks hears only that there is none.
func TestLinkDies(t *testing.T) {
	tests := []struct {
		name string
		end  func(t *testing.T, h *house, m *vitrine.Image, l *vault.Link)
		code string
	}{
		{"after its time", func(_ *testing.T, h *house, _ *vitrine.Image, _ *vault.Link) { h.Clock.Advance(15 * time.Minute) }, "expired_link"},
		{"revoked by its maker", func(t *testing.T, h *house, m *vitrine.Image, l *vault.Link) {
			if err := h.Vault.RevokeLink(t.Context(), h.Sam, m.ID, l.ID); err != nil {
				t.Fatal(err)
			}
		}, "revoked_link"},
		{"with its key", func(t *testing.T, h *house, _ *vitrine.Image, _ *vault.Link) {
			if _, err := h.Directory.RevokeKey(t.Context(), h.Alice, h.Sam.Credential); err != nil {
				t.Fatal(err)
			}
		}, "inactive"},
		{"with the end of its key", func(_ *testing.T, h *house, _ *vitrine.Image, _ *vault.Link) {
			k, _ := must(h.Source.Current()).Key(h.Sam.Credential)
			ending := *k
			ending.Expires = h.Clock.Now().Add(time.Minute)
			h.Clock.Advance(2 * time.Minute)
			put(h, &ending)
		}, "inactive"},
		{"with its key deleted", func(_ *testing.T, h *house, _ *vitrine.Image, _ *vault.Link) {
			h.Apply(h.Alice, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindKey, ID: h.Sam.Credential}))
		}, "inactive"},
		{"with its maker", func(_ *testing.T, h *house, _ *vitrine.Image, _ *vault.Link) {
			p, _ := must(h.Source.Current()).Principal("sam")
			gone := *p
			gone.Disabled = true
			put(h, &gone)
		}, "inactive"},
		{"with the binding", func(_ *testing.T, h *house, _ *vitrine.Image, _ *vault.Link) {
			h.Apply(h.Alice, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: "sam-0"}))
		}, ""},
		{"with a deny", func(_ *testing.T, h *house, _ *vitrine.Image, _ *vault.Link) {
			h.Apply(h.Alice, vitrine.Put(&vitrine.Deny{ID: "no-export", Permissions: []vitrine.Permission{vitrine.ImageExport}, Principals: []vitrine.ID{"sam"}, Scope: "renders"}))
		}, ""},
		{"with the image", func(t *testing.T, h *house, m *vitrine.Image, _ *vault.Link) {
			if err := h.delete(h.Sam, m.ID); err != nil {
				t.Fatal(err)
			}
		}, "unknown_link"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, "")
			m := h.at(vitrine.Internal)
			l, err := h.Vault.Link(t.Context(), h.Sam, m.ID, "", 0)
			if err != nil {
				t.Fatal(err)
			}
			use := func() error {
				w, err := h.Vault.OpenLink(t.Context(), from(), l.Token)
				if err == nil {
					all(t, w)
				}
				return err
			}
			if err := use(); err != nil {
				t.Fatal(err)
			}
			tt.end(t, h, m, l)
			e := h.one(func() { err = use() })
			if !reflect.DeepEqual(err, error(access.NotFound())) {
				t.Errorf("answered %#v", err)
			}
			if e.Outcome != vitrine.Refused || tt.code != "" && e.Code != tt.code {
				t.Errorf("the log says %+v, want %s", e, tt.code)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// put puts what only the system may: straight into the policy.
func put(h *house, o vitrine.Object) {
	h.T.Helper()
	system := access.Caller{Subject: rbac.Subject{System: true}}
	if _, err := h.Policies.Apply(h.T.Context(), system, &vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Put(o)}}); err != nil {
		h.T.Fatal(err)
	}
}

// What is no link, however close, shows nothing and is counted per address.
func TestLinkGuessed(t *testing.T) {
	h := newHouse(t, "")
	m := h.at(vitrine.Internal)
	l, err := h.Vault.Link(t.Context(), h.Sam, m.ID, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	guesses := []string{"", "x", string(l.ID), l.Token + "A", l.Token[:42], l.Token[:42] + "_", strings.ToUpper(l.Token), strings.Repeat("A", 43), "\x00", strings.Repeat("A", 1<<16)}
	e := h.one(func() {
		for _, g := range guesses {
			if g == l.Token {
				continue
			}
			if _, err := h.Vault.OpenLink(t.Context(), from(), g); !reflect.DeepEqual(err, error(access.NotFound())) {
				t.Errorf("%.50q: %v", g, err)
			}
		}
	})
	if e.Code != "unknown_link" || e.Actor != "" || e.Outcome != vitrine.Refused {
		t.Errorf("the log says %+v", e)
	}
	// Whatever the caller claims to be is not looked at.
	claims := h.Sam
	claims.System = true
	if _, err := h.Vault.OpenLink(t.Context(), claims, "x"); err == nil || h.Last().Actor != "" && h.Last().Code == "unknown_link" {
		t.Errorf("%v, recorded %+v", err, h.Last())
	}
}

// A key that is narrowed narrows its links: to its networks, scope and roles.
func TestLinkOfANarrowedKey(t *testing.T) {
	h := newHouse(t, "")
	m := h.at(vitrine.Internal)
	by, _ := h.Issue(h.Sam, identity.NewKey{Principal: "sam", CIDRs: []string{"192.0.2.0/24"}})
	l, err := h.Vault.Link(t.Context(), by, m.ID, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	here := from()
	here.Address = netip.MustParseAddr("::ffff:192.0.2.77")
	w, err := h.Vault.OpenLink(t.Context(), here, l.Token)
	if err != nil {
		t.Fatal(err)
	}
	all(t, w)
	_, err = h.Vault.OpenLink(t.Context(), from(), l.Token)
	if wantKind(t, err, vitrine.ErrNotFound); h.Last().Code != "link_from_foreign_address" {
		t.Errorf("the log says %+v", h.Last())
	}
}

// Links are listed without their tokens: all for who may export, else one's
// own; and are ended by their maker or by who may export.
func TestLinksAreListedAndRevoked(t *testing.T) {
	h := newHouse(t, "")
	m := h.at(vitrine.Internal)
	pam := h.Person("pam", vitrine.Binding{Role: "data-steward", Scope: "drafts"})
	mine, err := h.Vault.Link(t.Context(), h.Sam, m.ID, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	hers, err := h.Vault.Link(t.Context(), pam, m.ID, vitrine.Masked, 0)
	if err != nil {
		t.Fatal(err)
	}
	w, err := h.Vault.OpenLink(t.Context(), from(), hers.Token)
	if err != nil {
		t.Fatal(err)
	}
	all(t, w)
	list := func(by access.Caller) map[vitrine.ID]int64 {
		t.Helper()
		links, err := h.Vault.Links(t.Context(), by, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		got := map[vitrine.ID]int64{}
		for _, l := range links {
			if l.Token != "" || l.Path != "" || l.Image != m.ID || l.Expires.IsZero() {
				t.Errorf("listed %+v", l)
			}
			got[l.ID] = l.Uses
		}
		return got
	}
	if got := list(h.Sam); !reflect.DeepEqual(got, map[vitrine.ID]int64{mine.ID: 0, hers.ID: 1}) {
		t.Errorf("sam sees %v", got)
	}
	if got := list(h.Ann); len(got) != 0 {
		t.Errorf("ann sees %v", got)
	}
	wantKind(t, h.Vault.RevokeLink(t.Context(), h.Ann, m.ID, mine.ID), vitrine.ErrDenied)
	wantKind(t, h.Vault.RevokeLink(t.Context(), h.Eve, m.ID, mine.ID), vitrine.ErrNotFound)
	wantKind(t, h.Vault.RevokeLink(t.Context(), h.Sam, m.ID, "lnk-none"), vitrine.ErrNotFound)
	other := h.at(vitrine.Internal)
	wantKind(t, h.Vault.RevokeLink(t.Context(), h.Sam, other.ID, mine.ID), vitrine.ErrNotFound)
	e := h.one(func() { err = h.Vault.RevokeLink(t.Context(), h.Sam, m.ID, hers.ID) })
	if err != nil || e.Act != "image.export" || e.Op != "revoke link" || !strings.Contains(e.Detail, string(hers.ID)) {
		t.Errorf("answered %v, recorded %+v", err, e)
	}
	wantKind(t, h.Vault.RevokeLink(t.Context(), h.Sam, m.ID, hers.ID), vitrine.ErrNotFound)
	// Who lost every right may still end what she made.
	h.Apply(h.Alice, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: "sam-0"}))
	if err := h.Vault.RevokeLink(t.Context(), h.Sam, m.ID, mine.ID); err != nil {
		t.Error(err)
	}
	if got := list(pam); len(got) != 0 {
		t.Errorf("alive: %v", got)
	}
}

// Attack: let an agent act for oneself and see or end the links that it made for
// others.
func TestLinksOfAnAgentAreThoseOfItsPerson(t *testing.T) {
	h := newHouse(t, "")
	m := h.at(vitrine.Internal)
	h.Apply(h.Alice,
		vitrine.Put(&vitrine.Principal{ID: "agent", Kind: vitrine.Service, Service: vitrine.Agent, Owner: "sam"}),
		vitrine.Put(&vitrine.Binding{ID: "agent-0", Role: "data-steward", Principal: "agent", Scope: "renders"}),
	)
	forSam, _ := h.Issue(h.Sam, identity.NewKey{Principal: "agent", For: true})
	forAnn, _ := h.Issue(h.Ann, identity.NewKey{Principal: "agent", For: true}) // who may not export
	l, err := h.Vault.Link(t.Context(), forSam, m.ID, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := h.Vault.Links(t.Context(), forAnn, m.ID); err != nil || len(all) != 0 {
		t.Errorf("for ann it sees %+v, %v", all, err)
	}
	wantKind(t, h.Vault.RevokeLink(t.Context(), forAnn, m.ID, l.ID), vitrine.ErrDenied)
	if err := h.Vault.RevokeLink(t.Context(), forSam, m.ID, l.ID); err != nil {
		t.Errorf("for sam: %v", err)
	}
}
