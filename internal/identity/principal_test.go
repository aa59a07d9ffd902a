package identity_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/store/storetest"
)

func TestPutPrincipal(t *testing.T) {
	s := identitytest.New(t, "")
	eve := s.Person("eve")
	p := &vitrine.Principal{Kind: vitrine.User, Name: "Bob", Email: "bob@example.com", Epoch: 7, Disabled: true, Enrolled: s.Clock.Now()}
	first, err := s.Directory.PutPrincipal(t.Context(), s.Alice, p, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := policyOf(t, s.Node).Principal(p.ID)
	if !ok || got.Epoch != 0 || got.Disabled || !got.Enrolled.IsZero() || got.Name != "Bob" {
		t.Errorf("made %+v", got)
	}
	p.Name = "Robert"
	if _, err := s.Directory.PutPrincipal(t.Context(), s.Alice, p, first); err != nil {
		t.Fatal(err)
	}
	_, err = s.Directory.PutPrincipal(t.Context(), s.Alice, p, first)
	wantKind(t, err, vitrine.ErrConflict)
	for name, bad := range map[string]*vitrine.Principal{
		"the same address": {Kind: vitrine.User, Email: "BOB@example.com"},
		"no address":       {Kind: vitrine.User, Email: "bob"},
		"no kind":          {ID: "x"},
		"another kind":     {ID: p.ID, Kind: vitrine.Group},
		"a reserved id":    {ID: "system", Kind: vitrine.User},
		"a bad id":         {ID: "../x", Kind: vitrine.User},
	} {
		n := len(s.Log())
		if _, err := s.Directory.PutPrincipal(t.Context(), s.Alice, bad, 0); err == nil || errors.Is(err, vitrine.ErrUnavailable) {
			t.Errorf("%s: got %v", name, err)
		}
		if log := s.Log()[n:]; len(log) != 1 || log[0].Outcome != vitrine.Refused {
			t.Errorf("%s: the log says %+v", name, log)
		}
	}
	if _, err := s.Directory.PutPrincipal(t.Context(), eve, &vitrine.Principal{Kind: vitrine.User}, 0); err == nil {
		t.Error("eve makes people")
	}
}

// Members that several people add at once all end up in the group.
func TestSetMemberLosesNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := identitytest.New(t, url)
		s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "team", Kind: vitrine.Group}))
		const people = 6
		for i := range people {
			s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: vitrine.ID(fmt.Sprintf("p%d", i)), Kind: vitrine.User}))
		}
		var wg sync.WaitGroup
		for i := range people {
			wg.Go(func() {
				for {
					_, err := s.Directory.SetMember(t.Context(), s.Alice, "team", vitrine.ID(fmt.Sprintf("p%d", i)), true)
					if errors.Is(err, vitrine.ErrConflict) {
						continue
					}
					if err != nil {
						t.Error(err)
					}
					return
				}
			})
		}
		wg.Wait()
		team, _ := policyOf(t, s.Node).Principal("team")
		if len(team.Members) != people {
			t.Errorf("the team is %v", team.Members)
		}
		if _, err := s.Directory.SetMember(t.Context(), s.Alice, "team", "p0", false); err != nil {
			t.Fatal(err)
		}
		if team, _ = policyOf(t, s.Node).Principal("team"); slices.Contains(team.Members, "p0") {
			t.Errorf("p0 is still in %v", team.Members)
		}
	})
}

// Attack: ask for changes that may have been made already, and learn from the
// answer that they were.
func TestNothingToChangeTellsNothing(t *testing.T) {
	s := identitytest.New(t, "")
	bob, eve := s.Person("bob"), s.Person("eve")
	s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "team", Kind: vitrine.Group, Members: []vitrine.ID{"bob"}}))
	_, issued := s.Issue(bob, identity.NewKey{})
	if _, err := s.Directory.RevokeKey(t.Context(), bob, issued.Key.ID); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		as   func(by access.Caller) (int64, error)
		may  []access.Caller
	}{
		{"revoke a revoked key", func(by access.Caller) (int64, error) { return s.Directory.RevokeKey(t.Context(), by, issued.Key.ID) }, []access.Caller{bob, s.Alice}},
		{"add a member", func(by access.Caller) (int64, error) {
			return s.Directory.SetMember(t.Context(), by, "team", "bob", true)
		}, []access.Caller{s.Alice}},
		{"take out who is not in", func(by access.Caller) (int64, error) {
			return s.Directory.SetMember(t.Context(), by, "team", "eve", false)
		}, []access.Caller{s.Alice}},
		{"enable the enabled", func(by access.Caller) (int64, error) { return s.Directory.SetDisabled(t.Context(), by, "bob", false) }, []access.Caller{s.Alice}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.as(eve); !errors.Is(err, vitrine.ErrDenied) && !errors.Is(err, vitrine.ErrNotFound) {
				t.Errorf("eve is answered %v", err)
			}
			if e := s.Last(); e.Actor != "eve" || e.Outcome != vitrine.Refused {
				t.Errorf("the log says %+v", e)
			}
			for _, by := range tt.may {
				if _, err := tt.as(by); err != nil {
					t.Errorf("%s is answered %v", by.Principal, err)
				}
			}
		})
	}
}

// Attack: join the group that is allowed what one is not.
func TestJoiningAGroupIsGivingToOneself(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	s.Apply(s.Alice,
		vitrine.Put(&vitrine.Principal{ID: "artists", Kind: vitrine.Group}),
		vitrine.Put(&vitrine.Binding{ID: "b", Role: "ai-image-user", Principal: "artists", Scope: "renders"}),
	)
	if _, err := s.Directory.SetMember(t.Context(), s.Alice, "artists", s.Alice.Principal, true); err == nil {
		t.Error("alice let herself in")
	}
	if e := s.Last(); e.Outcome != vitrine.Refused {
		t.Errorf("the log says %+v", e)
	}
}

func TestDeletePrincipal(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	s.Person("bob", vitrine.Binding{Role: "usage-reader", Scope: "renders"})
	_, issued := s.Issue(s.Alice, identity.NewKey{Principal: "bob"})
	s.Apply(s.Alice,
		vitrine.Put(&vitrine.Principal{ID: "team", Kind: vitrine.Group, Members: []vitrine.ID{"bob"}}),
		vitrine.Put(&vitrine.Principal{ID: "ci", Kind: vitrine.Service, Service: vitrine.Pipeline, Owner: "bob", Purpose: "builds"}),
		vitrine.Put(&vitrine.Deny{ID: "d", Permissions: []vitrine.Permission{vitrine.ImageOpen}, Principals: []vitrine.ID{"bob"}, Scope: "renders"}),
	)
	_, err := s.Directory.DeletePrincipal(t.Context(), s.Alice, "bob")
	if e := wantKind(t, err, vitrine.ErrConflict); e.Code != "answers_for" {
		t.Errorf("code %q", e.Code)
	}
	s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "ci", Kind: vitrine.Service, Service: vitrine.Pipeline, Owner: s.Adam.Principal, Purpose: "builds"}))
	if _, err := s.Directory.DeletePrincipal(t.Context(), s.Alice, "bob"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Directory.Authenticate(t.Context(), s.Show(issued.Secret))
	wantKind(t, err, vitrine.ErrUnauthenticated)
	now := policyOf(t, s.Node)
	if team, _ := now.Principal("team"); len(team.Members) != 0 {
		t.Errorf("the team is %v", team.Members)
	}
	if _, ok := now.Object(vitrine.Ref{Kind: vitrine.KindBinding, ID: "bob-0"}); ok {
		t.Error("the binding is still there")
	}
	// Nobody else ever gets the id.
	_, err = s.Directory.PutPrincipal(t.Context(), s.Alice, &vitrine.Principal{ID: "bob", Kind: vitrine.User, Name: "Another Bob"}, 0)
	wantKind(t, err, vitrine.ErrConflict)
	_, err = s.Directory.DeletePrincipal(t.Context(), s.Alice, "bob")
	wantKind(t, err, vitrine.ErrNotFound)
}
