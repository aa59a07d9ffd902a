package identity_test

import (
	"context"
	"errors"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/identity/identitytest"
)

// Attack: with a stolen key that is narrowed, take a new secret of one that is
// not. Rotating asked only whose the key was.
func TestNarrowedKeyRotatesNoWider(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	bob := s.Person("bob", vitrine.Binding{Role: "usage-reader", Scope: "renders"})
	s.Apply(s.Alice,
		vitrine.Put(&vitrine.Principal{ID: "ci", Kind: vitrine.Service, Service: vitrine.Pipeline, Owner: "bob"}),
		vitrine.Put(&vitrine.Principal{ID: "agent", Kind: vitrine.Service, Service: vitrine.Agent, Owner: s.Alice.Principal}),
	)
	ci, _ := s.Issue(bob, identity.NewKey{Principal: "ci"})
	agent, _ := s.Issue(bob, identity.NewKey{Principal: "agent", For: true})
	narrow, _ := s.Issue(bob, identity.NewKey{Roles: []vitrine.ID{"usage-reader"}, Scope: "renders", CIDRs: []string{"192.0.2.0/24"}})
	open, _ := s.Issue(bob, identity.NewKey{Roles: []vitrine.ID{"usage-reader"}, Scope: "renders"})
	tests := []struct {
		name string
		by   access.Caller
		key  vitrine.ID
		ok   bool
	}{
		{"one's own wide one", narrow, bob.Credential, false},
		{"a service account's", narrow, ci.Credential, false},
		{"an agent's", narrow, agent.Credential, false},
		{"one for any network", narrow, open.Credential, false},
		{"itself", narrow, narrow.Credential, true},
		{"one as narrow", open, narrow.Credential, true},
		{"one's own, with the wide one", bob, open.Credential, true},
	}
	for _, tt := range tests {
		got, err := s.Directory.RotateKey(t.Context(), tt.by, tt.key, 0)
		if (err == nil) != tt.ok || (got.Secret != "") != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if e := s.Last(); (e.Outcome == vitrine.Allowed) != tt.ok || e.Op != "rotate" {
			t.Errorf("%s: the log says %+v", tt.name, e)
		}
	}
}

// Attack: with a key that is narrowed, issue an agent a key that acts for its
// owner with everything that she may. Nobody owns the agent, so nobody asked.
func TestNarrowedKeyLetsNoAgentActWider(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	bob := s.Person("bob", vitrine.Binding{Role: "usage-reader", Scope: "renders"})
	s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "agent", Kind: vitrine.Service, Service: vitrine.Agent, Owner: s.Alice.Principal}))
	place, _ := s.Issue(bob, identity.NewKey{Scope: "renders"})
	role, _ := s.Issue(bob, identity.NewKey{Roles: []vitrine.ID{"usage-reader"}})
	tests := []struct {
		name string
		by   access.Caller
		key  identity.NewKey
		ok   bool
	}{
		{"everywhere with a key for a project", place, identity.NewKey{Principal: "agent", For: true}, false},
		{"in the project", place, identity.NewKey{Principal: "agent", For: true, Scope: "renders"}, true},
		{"with a key for a role", role, identity.NewKey{Principal: "agent", For: true, Roles: []vitrine.ID{"usage-reader"}}, false},
		{"with a key that is not narrowed", bob, identity.NewKey{Principal: "agent", For: true}, true},
	}
	for _, tt := range tests {
		if _, err := s.Directory.IssueKey(t.Context(), tt.by, tt.key); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Disabling ends what a person gave with what she had: a key with which an agent
// acts for her does not come back when she does.
func TestWhatAnAgentWasGivenDiesWithItsGiver(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	bob := s.Person("bob", vitrine.Binding{Role: "usage-reader", Scope: "renders"})
	s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "agent", Kind: vitrine.Service, Service: vitrine.Agent, Owner: s.Alice.Principal}))
	_, acts := s.Issue(bob, identity.NewKey{Principal: "agent", For: true})
	for _, disabled := range []bool{true, false} {
		if _, err := s.Directory.SetDisabled(t.Context(), s.Alice, "bob", disabled); err != nil {
			t.Fatal(err)
		}
		_, err := s.Directory.Authenticate(t.Context(), s.Show(acts.Secret))
		wantKind(t, err, vitrine.ErrUnauthenticated)
	}
	bob, _ = s.Issue(s.Alice, identity.NewKey{Principal: "bob"})
	if again, _ := s.Issue(bob, identity.NewKey{Principal: "agent", For: true}); again.For != "bob" {
		t.Errorf("a new one acts for %q", again.For)
	}
}

// Attack: learn who and what there is from what is wrong with a change that one
// may not make. What was wrong was said before anybody asked who wanted to know.
func TestWhatIsWrongIsToldToWhoMayChangeIt(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	eve, ann := s.Person("eve"), s.Person("ann", vitrine.Binding{Role: "usage-reader", Scope: "renders"})
	s.Apply(s.Alice,
		vitrine.Put(&vitrine.Principal{ID: "ci", Kind: vitrine.Service, Service: vitrine.Pipeline, Owner: "ann"}),
		vitrine.Put(&vitrine.Principal{ID: "crew", Kind: vitrine.Group}),
	)
	if _, err := s.Directory.RevokeKey(t.Context(), s.Alice, ann.Credential); err != nil {
		t.Fatal(err)
	}
	d := s.Directory
	tests := []struct {
		name          string
		there, absent func(context.Context, access.Caller) error
		told          error // to an owner
	}{
		{"a group that is a person",
			func(ctx context.Context, by access.Caller) error {
				_, err := d.SetMember(ctx, by, "ann", "eve", true)
				return err
			},
			func(ctx context.Context, by access.Caller) error {
				_, err := d.SetMember(ctx, by, "zoe", "eve", true)
				return err
			},
			vitrine.ErrInvalid},
		{"who answers for what",
			func(ctx context.Context, by access.Caller) error {
				_, err := d.DeletePrincipal(ctx, by, "ann")
				return err
			},
			func(ctx context.Context, by access.Caller) error {
				_, err := d.DeletePrincipal(ctx, by, "zoe")
				return err
			},
			vitrine.ErrConflict},
		{"whose address it is",
			func(ctx context.Context, by access.Caller) error {
				_, err := d.PutPrincipal(ctx, by, &vitrine.Principal{ID: "new", Kind: vitrine.User, Email: "ann@example.com"}, 0)
				return err
			},
			func(ctx context.Context, by access.Caller) error {
				_, err := d.PutPrincipal(ctx, by, &vitrine.Principal{ID: "new", Kind: vitrine.User, Email: "zoe@example.com"}, 0)
				return err
			},
			vitrine.ErrConflict},
		{"what a principal is",
			func(ctx context.Context, by access.Caller) error {
				_, err := d.PutPrincipal(ctx, by, &vitrine.Principal{ID: "crew", Kind: vitrine.User}, 0)
				return err
			},
			func(ctx context.Context, by access.Caller) error {
				_, err := d.PutPrincipal(ctx, by, &vitrine.Principal{ID: "new2", Kind: vitrine.User}, 0)
				return err
			},
			vitrine.ErrInvalid},
		{"whether a key is revoked",
			func(ctx context.Context, by access.Caller) error {
				_, err := d.RotateKey(ctx, by, ann.Credential, 0)
				return err
			},
			func(ctx context.Context, by access.Caller) error {
				_, err := d.RotateKey(ctx, by, "none", 0)
				return err
			},
			vitrine.ErrConflict},
		{"a group's key",
			func(ctx context.Context, by access.Caller) error {
				_, err := d.IssueKey(ctx, by, identity.NewKey{Principal: "crew"})
				return err
			},
			func(ctx context.Context, by access.Caller) error {
				_, err := d.IssueKey(ctx, by, identity.NewKey{Principal: "zoe"})
				return err
			},
			vitrine.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			there, absent := tt.there(t.Context(), eve), tt.absent(t.Context(), eve)
			wantKind(t, there, vitrine.ErrNotFound)
			if !same(there, absent) {
				t.Errorf("what is there: %v; what is not: %v", there, absent)
			}
			if e := s.Last(); e.Actor != "eve" || e.Outcome != vitrine.Refused {
				t.Errorf("the log says %+v", e)
			}
			wantKind(t, tt.there(t.Context(), s.Alice), tt.told)
		})
	}
}

// Everybody issues keys of her own, and learns by that of no place and no role
// that she holds nothing of.
func TestKeysOfOnesOwnTellNothing(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	eve := s.Person("eve")
	for _, n := range []struct{ there, absent identity.NewKey }{
		{identity.NewKey{Scope: "renders"}, identity.NewKey{Scope: "nowhere"}},
		{identity.NewKey{Project: "renders"}, identity.NewKey{Project: "nowhere"}},
		{identity.NewKey{Dataset: "drafts"}, identity.NewKey{Dataset: "nowhere"}},
		{identity.NewKey{Roles: []vitrine.ID{"data-steward"}}, identity.NewKey{Roles: []vitrine.ID{"nothing"}}},
	} {
		_, there := s.Directory.IssueKey(t.Context(), eve, n.there)
		_, absent := s.Directory.IssueKey(t.Context(), eve, n.absent)
		wantKind(t, there, vitrine.ErrInvalid)
		if !same(there, absent) {
			t.Errorf("%+v: %v; %+v: %v", n.there, there, n.absent, absent)
		}
		n.there.Principal = "eve"
		if _, err := s.Directory.IssueKey(t.Context(), s.Alice, n.there); err != nil {
			t.Errorf("an owner issues %+v: %v", n.there, err)
		}
	}
}

// same reports whether two errors look alike to who gets them.
func same(a, b error) bool {
	var x, y *vitrine.Error
	return errors.As(a, &x) && errors.As(b, &y) && errors.Is(x.Kind, y.Kind) && x.Code == y.Code && x.Public == y.Public && x.Param == y.Param
}

// Attack: let somebody else's agent act for oneself, and with that key see and
// end all its other keys. Anybody may let an agent act for her; a caller who
// came by such a key passed for the agent itself.
func TestActingForSomebodyIsNotBeingTheAgent(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	ann, eve := s.Person("ann"), s.Person("eve")
	s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "agent", Kind: vitrine.Service, Service: vitrine.Agent, Owner: "ann"}))
	agent, _ := s.Issue(ann, identity.NewKey{Principal: "agent"})
	forAnn, _ := s.Issue(ann, identity.NewKey{Principal: "agent", For: true})
	forEve, _ := s.Issue(eve, identity.NewKey{Principal: "agent", For: true})

	keys, err := s.Directory.Keys(t.Context(), forEve, "")
	if err != nil || len(keys) != 1 || keys[0].ID != forEve.Credential {
		t.Errorf("by eve's key it sees %+v, %v", keys, err)
	}
	if keys, err = s.Directory.Keys(t.Context(), agent, ""); err != nil || len(keys) != 3 {
		t.Errorf("by its own key it sees %d keys, %v", len(keys), err)
	}
	for _, id := range []vitrine.ID{agent.Credential, forAnn.Credential} {
		_, err := s.Directory.RevokeKey(t.Context(), forEve, id)
		wantKind(t, err, vitrine.ErrNotFound)
		_, err = s.Policies.Apply(t.Context(), forEve, &vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Delete(vitrine.Ref{Kind: vitrine.KindKey, ID: id})}})
		wantKind(t, err, vitrine.ErrNotFound)
	}
	for _, id := range []vitrine.ID{forAnn.Credential, forEve.Credential} { // its owner may end both
		if _, err := s.Directory.RevokeKey(t.Context(), ann, id); err != nil {
			t.Errorf("its owner cannot end %s: %v", id, err)
		}
	}
	forEve, _ = s.Issue(eve, identity.NewKey{Principal: "agent", For: true})
	if _, err := s.Directory.RevokeKey(t.Context(), forEve, forEve.Credential); err != nil {
		t.Errorf("it cannot end the key that it came by: %v", err)
	}
}

// Attack: enable again whom somebody disabled, without being one who may give
// what they hold, or as the owner of the machine that it is. Their bindings
// stayed, so enabling gives them back.
func TestEnablingIsGiving(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	s.Apply(s.Alice, vitrine.Put(&vitrine.Role{ID: "help-desk", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.PrincipalEdit}}}}))
	hal := s.Person("hal", vitrine.Binding{Role: "help-desk", Scope: identity.OrganizationID})
	oona := s.Person("oona", vitrine.Binding{Role: "organization-admin", Scope: identity.OrganizationID})
	s.Person("bob", vitrine.Binding{Role: "data-steward", Scope: "renders"})
	s.Person("cat")
	s.Apply(s.Alice,
		vitrine.Put(&vitrine.Principal{ID: "robot", Kind: vitrine.Service, Service: vitrine.Pipeline, Owner: "oona"}),
		vitrine.Put(&vitrine.Binding{ID: "robot-0", Role: "data-steward", Principal: "robot", Scope: "renders"}),
	)
	tests := []struct {
		name string
		by   access.Caller
		who  vitrine.ID
		code string // "": allowed
	}{
		{"by the help desk, which knows nothing of where he works", hal, "bob", "not_found"},
		{"by the help desk, who holds nothing", hal, "cat", ""},
		{"one's own machine", oona, "robot", "needs_approval"},
		{"by an administrator", oona, "bob", ""},
		{"a machine, by an owner", s.Alice, "robot", ""},
	}
	for _, tt := range tests {
		if _, err := s.Directory.SetDisabled(t.Context(), s.Alice, tt.who, true); err != nil {
			t.Fatal(err)
		}
		_, err := s.Directory.SetDisabled(t.Context(), tt.by, tt.who, false)
		var e *vitrine.Error
		if tt.code == "" && err != nil || tt.code != "" && !errors.As(err, &e) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if e != nil && e.Code != tt.code {
			t.Errorf("%s: code %s, want %s: %v", tt.name, e.Code, tt.code, err)
		}
	}
}
