package rbac_test

import (
	"net/netip"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// TestLive asks the same of Live and, but for networks, of Decide.
func TestLive(t *testing.T) {
	off := user("off")
	off.Disabled = true
	old := user("old")
	old.Epoch = 2
	p := house(t, user("ann"), off, old,
		&vitrine.Principal{ID: "team", Kind: vitrine.Group, Members: []vitrine.ID{"ann"}},
		&vitrine.Principal{ID: "helper", Kind: vitrine.Service, Service: vitrine.Agent},
		&vitrine.Key{ID: "good", Principal: "ann", Expires: noon.Add(1)},
		&vitrine.Key{ID: "ended", Principal: "ann", Expires: noon},
		&vitrine.Key{ID: "revoked", Principal: "ann", Revoked: noon.Add(time.Hour)},
		&vitrine.Key{ID: "office", Principal: "ann", CIDRs: []string{"192.0.2.0/24", "2001:db8::/32"}},
		&vitrine.Key{ID: "off-key", Principal: "off"},
		&vitrine.Key{ID: "before", Principal: "old", Epoch: 1},
		&vitrine.Key{ID: "since", Principal: "old", Epoch: 2},
		&vitrine.Key{ID: "for-ann", Principal: "helper", For: "ann"},
		&vitrine.Key{ID: "for-off", Principal: "helper", For: "off"},
		&vitrine.Role{ID: "r", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}},
		bind("r", "ann", "org"), bind("r", "off", "org"), bind("r", "old", "org"), bind("r", "helper", "org"), bind("r", "team", "org"),
	)
	key := func(who, id vitrine.ID) rbac.Subject { return rbac.Subject{Principal: who, Credential: id, Key: true} }
	from := func(address string) rbac.Subject {
		s := key("ann", "office")
		s.Address = netip.MustParseAddr(address)
		return s
	}
	tests := []struct {
		name string
		s    rbac.Subject
		want vitrine.Code
	}{
		{"session", rbac.Subject{Principal: "ann"}, vitrine.CodeAllowed},
		{"session with an id", rbac.Subject{Principal: "ann", Credential: "session-1"}, vitrine.CodeAllowed},
		{"nobody", rbac.Subject{}, vitrine.CodeNoCaller},
		{"nobody with a key", key("", "good"), vitrine.CodeNoCaller},
		{"the system", rbac.Subject{System: true}, vitrine.CodeNoCaller},
		{"unknown", rbac.Subject{Principal: "zoe"}, vitrine.CodeInactive},
		{"disabled", rbac.Subject{Principal: "off"}, vitrine.CodeInactive},
		{"a group", rbac.Subject{Principal: "team"}, vitrine.CodeInactive},
		{"key that ends now", key("ann", "ended"), vitrine.CodeInactive},
		{"key that ends a nanosecond later", key("ann", "good"), vitrine.CodeAllowed},
		{"key that is known but not called a key", rbac.Subject{Principal: "ann", Credential: "ended"}, vitrine.CodeInactive},
		{"revoked", key("ann", "revoked"), vitrine.CodeInactive},
		{"unknown key", key("ann", "none"), vitrine.CodeInactive},
		{"no key", key("ann", ""), vitrine.CodeInactive},
		{"somebody else's", key("old", "good"), vitrine.CodeInactive},
		{"of the disabled", key("off", "off-key"), vitrine.CodeInactive},
		{"of an older epoch", key("old", "before"), vitrine.CodeInactive},
		{"of this epoch", key("old", "since"), vitrine.CodeAllowed},
		{"agent", key("helper", "for-ann"), vitrine.CodeAllowed},
		{"agent of the disabled", key("helper", "for-off"), vitrine.CodeInactive},
		{"agent for another than its key says", rbac.Subject{Principal: "helper", Credential: "for-ann", Key: true, For: "old"}, vitrine.CodeInactive},
		{"session for a person", rbac.Subject{Principal: "helper", For: "ann"}, vitrine.CodeAllowed},
		{"session for nobody known", rbac.Subject{Principal: "helper", For: "zoe"}, vitrine.CodeInactive},
	}
	for _, tt := range tests {
		code, live := p.Live(&tt.s, noon)
		if code != tt.want || live != (tt.want == vitrine.CodeAllowed) {
			t.Errorf("%s: %s, %v, want %s", tt.name, code, live, tt.want)
		}
		d := p.Decide(&rbac.Question{Subject: tt.s, Permission: vitrine.ImageOpen, Resource: picture(vitrine.Internal), At: noon})
		if d.Code != tt.want || !d.Allow && !d.Hidden {
			t.Errorf("%s: decided %+v, want %s", tt.name, d, tt.want)
		}
	}
	for address, want := range map[string]bool{
		"192.0.2.9": true, "::ffff:192.0.2.9": true, "2001:db8::1%eth0": true, "198.51.100.1": false, "::1": false,
	} {
		s := from(address)
		if _, live := p.Live(&s, noon); live != want {
			t.Errorf("from %s: live %v, want %v", address, live, want)
		}
	}
}
