package identity_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/identity/identitytest"
)

// TestIssue puts the keys that are refused beside those that are not.
func TestIssue(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	s.Apply(s.Alice,
		vitrine.Put(&vitrine.Project{ID: "ads", Environment: vitrine.Staging}),
		vitrine.Put(&vitrine.Principal{ID: "team", Kind: vitrine.Group}),
	)
	bob, eve := s.Person("bob", vitrine.Binding{Role: "usage-reader", Scope: identity.OrganizationID}), s.Person("eve")
	s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "ci", Kind: vitrine.Service, Service: vitrine.Pipeline, Owner: "bob", Purpose: "builds"}))
	machine, _ := s.Issue(bob, identity.NewKey{Principal: "ci"})
	now := s.Clock.Now()
	tests := []struct {
		name string
		by   access.Caller
		key  identity.NewKey
		ok   bool
		kind error
	}{
		{"for oneself", bob, identity.NewKey{}, true, nil},
		{"for the service account that one owns", bob, identity.NewKey{Principal: "ci", NoExpiry: true}, true, nil},
		{"for somebody else without key.issue", eve, identity.NewKey{Principal: "bob"}, false, nil},
		{"for somebody else's service account", eve, identity.NewKey{Principal: "ci"}, false, nil},
		{"for another person with key.issue", s.Alice, identity.NewKey{Principal: "bob"}, true, nil},
		{"by a machine", machine, identity.NewKey{}, false, nil},
		{"for nobody there", s.Alice, identity.NewKey{Principal: "nobody"}, false, vitrine.ErrNotFound},
		{"for a group", s.Alice, identity.NewKey{Principal: "team"}, false, vitrine.ErrInvalid},
		{"by nobody", access.Caller{}, identity.NewKey{Principal: "bob"}, false, vitrine.ErrUnauthenticated},
		{"a person's without end", bob, identity.NewKey{NoExpiry: true}, false, vitrine.ErrInvalid},
		{"with an end in the past", bob, identity.NewKey{Expires: now.Add(-time.Second)}, false, vitrine.ErrInvalid},
		{"for two years", bob, identity.NewKey{Expires: now.Add(2 * 365 * 24 * time.Hour)}, false, vitrine.ErrInvalid},
		{"for an hour", bob, identity.NewKey{Expires: now.Add(time.Hour)}, true, nil},
		{"for a network", bob, identity.NewKey{CIDRs: []string{"192.0.2.77/24", "2001:db8::/32", "192.0.2.9"}}, true, nil},
		{"for no network", bob, identity.NewKey{CIDRs: []string{"home"}}, false, vitrine.ErrInvalid},
		{"for an unknown role", bob, identity.NewKey{Roles: []vitrine.ID{"emperor"}}, false, vitrine.ErrInvalid},
		{"for an unknown scope", bob, identity.NewKey{Scope: "nowhere"}, false, vitrine.ErrInvalid},
		{"for a role and a scope", bob, identity.NewKey{Roles: []vitrine.ID{"usage-reader"}, Scope: "renders"}, true, nil},
		{"with a dataset of another project", bob, identity.NewKey{Project: "ads", Dataset: "drafts"}, false, vitrine.ErrInvalid},
		{"with a default outside its scope", bob, identity.NewKey{Scope: "ads", Dataset: "drafts"}, false, vitrine.ErrInvalid},
		{"that lets a person act for a person", bob, identity.NewKey{For: true}, false, vitrine.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := len(s.Log())
			got, err := s.Directory.IssueKey(t.Context(), tt.by, tt.key)
			log := s.Log()[n:]
			if tt.ok {
				if err != nil {
					t.Fatal(err)
				}
				if got.Key.Hash != "" {
					t.Error("the hash is shown")
				}
				by := s.As(got.Secret)
				if len(log) != 1 || log[0].Outcome != vitrine.Allowed || log[0].Act != "key.issue" || log[0].Op != "issue" {
					t.Errorf("the log says %+v", log)
				}
				if other := by.Kind == vitrine.User && by.Principal != tt.by.Principal; other != (log[0].Alert == "key_for_another") {
					t.Errorf("the alert is %q", log[0].Alert)
				}
				return
			}
			if err == nil || tt.kind != nil && !errors.Is(err, tt.kind) || errors.Is(err, vitrine.ErrUnavailable) {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			if got.Secret != "" {
				t.Error("a secret is shown")
			}
			if len(log) != 1 || log[0].Outcome != vitrine.Refused {
				t.Errorf("the log says %+v", log)
			}
		})
	}
}

// Attack: use a narrowed key to get one that is not.
func TestNarrowedKeyIssuesNoWider(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	s.Person("bob", vitrine.Binding{Role: "usage-reader", Scope: "renders"})
	narrow, _ := s.Issue(s.Alice, identity.NewKey{Principal: "bob", Roles: []vitrine.ID{"usage-reader"}, Scope: "renders", CIDRs: []string{"192.0.2.0/24"}})
	tests := []struct {
		name string
		key  identity.NewKey
		ok   bool
	}{
		{"everything", identity.NewKey{}, false},
		{"all roles", identity.NewKey{Scope: "renders"}, false},
		{"another role", identity.NewKey{Roles: []vitrine.ID{"owner"}, Scope: "renders"}, false},
		{"everywhere", identity.NewKey{Roles: []vitrine.ID{"usage-reader"}}, false},
		{"the organization", identity.NewKey{Roles: []vitrine.ID{"usage-reader"}, Scope: identity.OrganizationID}, false},
		{"from anywhere", identity.NewKey{Roles: []vitrine.ID{"usage-reader"}, Scope: "renders", CIDRs: []string{"0.0.0.0/0"}}, false},
		{"the same", identity.NewKey{Roles: []vitrine.ID{"usage-reader"}, Scope: "renders"}, true},
		{"less", identity.NewKey{Roles: []vitrine.ID{"usage-reader"}, Scope: "drafts", CIDRs: []string{"192.0.2.7/32"}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Directory.IssueKey(t.Context(), narrow, tt.key)
			if (err == nil) != tt.ok {
				t.Fatalf("got %v", err)
			}
			if tt.ok && len(got.Key.CIDRs) == 0 {
				t.Error("the networks were lost")
			}
			if e := s.Last(); (e.Outcome == vitrine.Allowed) != tt.ok {
				t.Errorf("the log says %+v", e)
			}
		})
	}
}

// An agent acts for a person with a key that she issued, and dies with her.
func TestAgentsKey(t *testing.T) {
	s := identitytest.New(t, "")
	ann := s.Person("ann")
	s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "helper", Kind: vitrine.Service, Service: vitrine.Agent, Owner: "ann", Purpose: "draws"}))
	agent, issued := s.Issue(ann, identity.NewKey{Principal: "helper", For: true})
	if agent.Principal != "helper" || agent.For != "ann" || agent.Kind != vitrine.Service {
		t.Errorf("the agent is %+v", agent)
	}
	if _, err := s.Directory.IssueKey(t.Context(), agent, identity.NewKey{Principal: "helper", For: true}); err == nil {
		t.Error("the agent delegates on")
	}
	if _, err := s.Directory.SetDisabled(t.Context(), s.Alice, "ann", true); err != nil {
		t.Fatal(err)
	}
	_, err := s.Directory.Authenticate(t.Context(), s.Show(issued.Secret))
	wantKind(t, err, vitrine.ErrUnauthenticated)
}

// Who may revoke: whose key it is, who answers for it, who has key.revoke.
func TestRevoke(t *testing.T) {
	s := identitytest.New(t, "")
	bob, eve := s.Person("bob"), s.Person("eve")
	s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "ci", Kind: vitrine.Service, Service: vitrine.Pipeline, Owner: "bob", Purpose: "builds"}))
	for _, by := range []access.Caller{bob, s.Alice} {
		_, issued := s.Issue(bob, identity.NewKey{Principal: "ci"})
		if _, err := s.Directory.RevokeKey(t.Context(), eve, issued.Key.ID); err == nil {
			t.Error("eve revokes")
		}
		s.As(issued.Secret)
		if _, err := s.Directory.RevokeKey(t.Context(), by, issued.Key.ID); err != nil {
			t.Fatalf("%s revokes: %v", by.Principal, err)
		}
		if e := s.Last(); e.Act != "key.revoke" || e.Op != "revoke" || e.Outcome != vitrine.Allowed || e.Resource != issued.Key.ID {
			t.Errorf("the log says %+v", e)
		}
	}
	_, err := s.Directory.RevokeKey(t.Context(), eve, "nothing")
	wantKind(t, err, vitrine.ErrNotFound)
	if e := s.Last(); e.Outcome != vitrine.Refused || e.Code != "absent" {
		t.Errorf("the log says %+v", e)
	}
}

func TestKeys(t *testing.T) {
	s := identitytest.New(t, "")
	bob, eve := s.Person("bob"), s.Person("eve")
	s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "ci", Kind: vitrine.Service, Service: vitrine.Pipeline, Owner: "bob", Purpose: "builds"}))
	s.Issue(bob, identity.NewKey{Principal: "ci"})
	count := func(by access.Caller, of vitrine.ID) int {
		t.Helper()
		all, err := s.Directory.Keys(t.Context(), by, of)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if k.Hash != "" || k.Previous != "" {
				t.Errorf("a hash is shown: %+v", k)
			}
		}
		return len(all)
	}
	if n := count(bob, ""); n != 1 {
		t.Errorf("bob sees %d keys of his own", n)
	}
	if n := count(bob, "ci"); n != 1 {
		t.Errorf("bob sees %d keys of his pipeline", n)
	}
	if n := count(eve, "bob"); n != 0 {
		t.Errorf("eve sees %d keys of bob's", n)
	}
	if n := count(eve, vitrine.Everyone); n != 1 {
		t.Errorf("eve sees %d keys, want her own", n)
	}
	if n := count(s.Alice, vitrine.Everyone); n != 5 {
		t.Errorf("alice sees %d keys, want 5", n)
	}
}

// Last use is known at once, and saved when the process ends.
func TestLastUse(t *testing.T) {
	s := identitytest.New(t, "")
	bob := s.Person("bob")
	check := func(d *identity.Directory) {
		t.Helper()
		all, err := d.Keys(t.Context(), bob, "")
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		if k := all[0]; k.LastAddress != "192.0.2.7" || time.Since(k.LastUsed) > 2*time.Minute || k.LastUsed.Second() != 0 {
			t.Errorf("last used %v from %q", k.LastUsed, k.LastAddress)
		}
	}
	check(s.Directory)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Directory.Run(ctx); err != nil {
		t.Fatal(err)
	}
	check(s.Join(t, s.Clock).Directory)
}
