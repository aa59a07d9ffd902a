package identity_test

import (
	"errors"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store/storetest"
)

func wantKind(t testing.TB, err, kind error) *vitrine.Error {
	t.Helper()
	var e *vitrine.Error
	if !errors.Is(err, kind) || !errors.As(err, &e) {
		t.Fatalf("got error %v, want %v", err, kind)
	}
	return e
}

func policyOf(t testing.TB, n *identitytest.Node) *rbac.Policy {
	t.Helper()
	p, err := n.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestInit is the first minute of an installation.
func TestInit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := identitytest.Fresh(t, url)
		for name, try := range map[string]struct {
			emails []string
			solo   bool
		}{
			"one owner":                {[]string{"a@example.com"}, false},
			"four owners":              {[]string{"a@example.com", "b@example.com", "c@example.com", "d@example.com"}, false},
			"the same one twice":       {[]string{"a@example.com", "A@example.com"}, false},
			"no address":               {[]string{"a@example.com", "b"}, false},
			"an address with a name":   {[]string{"a@example.com", "B <b@example.com>"}, false},
			"solo with two":            {[]string{"a@example.com", "b@example.com"}, true},
			"no owner":                 {nil, false},
			"an address with newlines": {[]string{"a@example.com", "b@example.com\nBcc: eve@example.com"}, false},
		} {
			if _, _, err := s.Directory.Init(t.Context(), "Acme", try.emails, try.solo); !errors.Is(err, vitrine.ErrInvalid) {
				t.Errorf("%s: got %v, want invalid", name, err)
			}
		}
		if policyOf(t, s.Node).Revision() != 0 {
			t.Fatal("a refused init left something")
		}
		org, owners, err := s.Directory.Init(t.Context(), "Acme", []string{"alice@example.com", "adam@example.com"}, false)
		if err != nil {
			t.Fatal(err)
		}
		p := policyOf(t, s.Node)
		if p.Revision() != 1 || p.Organization() == nil || p.Organization().ID != org || len(owners) != 2 {
			t.Errorf("revision %d, organization %+v, owners %v", p.Revision(), p.Organization(), owners)
		}
		if e := s.Last(); e.Op != "init" || e.Actor != access.SystemActor || e.Outcome != vitrine.Allowed {
			t.Errorf("the log says %+v", e)
		}
		if p.Enrolled() {
			t.Error("the owners count as enrolled before they came")
		}
		// Again is an error that harms nothing, whoever is named.
		_, _, err = s.Directory.Init(t.Context(), "Evil", []string{"eve@example.com", "mallory@example.com"}, false)
		wantKind(t, err, vitrine.ErrConflict)
		if after := policyOf(t, s.Node); after.Revision() != 1 {
			t.Errorf("the second init left revision %d", after.Revision())
		}
		s.Owners = owners
		s.Owner(0)
	})
}

func TestInitWithThree(t *testing.T) {
	s := identitytest.Fresh(t, "")
	_, owners, err := s.Directory.Init(t.Context(), "", []string{"a@example.com", "b@example.com", "c@example.com"}, false)
	if err != nil || len(owners) != 3 {
		t.Fatal(owners, err)
	}
	s.Owners = owners
	s.Owner(0)
	s.Alice = s.Owner(1)
	s.Apply(s.Alice, vitrine.Put(&vitrine.Principal{ID: "dan", Kind: vitrine.User}))
	_, err = s.Policies.Apply(t.Context(), s.Alice, &vitrine.ChangeSet{Changes: []vitrine.Change{
		vitrine.Put(&vitrine.Binding{ID: "fourth", Role: rbac.OwnerRole, Principal: "dan", Scope: identity.OrganizationID}),
	}})
	if err == nil {
		t.Error("there are four owners")
	}
}

func TestInitSolo(t *testing.T) {
	s := identitytest.Fresh(t, "")
	_, owners, err := s.Directory.Init(t.Context(), "Me", []string{"me@example.com"}, true)
	if err != nil {
		t.Fatal(err)
	}
	s.Owners = owners
	me := s.Owner(0)
	p := policyOf(t, s.Node)
	if !p.Organization().Solo || !p.Enrolled() {
		t.Errorf("solo %v, enrolled %v", p.Organization().Solo, p.Enrolled())
	}
	s.Apply(me, vitrine.Put(&vitrine.Project{ID: "play", Environment: vitrine.Experimental}))
}

// TestEnrolment: until both owners have been there only set-up acts work.
func TestEnrolment(t *testing.T) {
	s := identitytest.Fresh(t, "")
	s.Init()
	alice := s.Owner(0)
	if e := s.Last(); e.Op != "enrol" || e.Act != "authenticate" || e.Alert != "first_key_used" || e.Actor != alice.Principal || e.Credential != alice.Credential {
		t.Errorf("the log says %+v", e)
	}
	if p := policyOf(t, s.Node); p.Enrolled() {
		t.Error("enrolled with one of two owners")
	}
	n := len(s.Log())
	s.Owner(0)
	if log := s.Log(); len(log) != n+1 || log[n].Alert != "first_key_used" || log[n].Op == "enrol" {
		t.Errorf("the second use says %+v", log[n:])
	}
	// Set-up works; making an image does not, whoever asks.
	s.Alice = alice
	s.Renders()
	ann := s.Person("ann", vitrine.Binding{Role: "ai-image-user", Scope: "renders"})
	make := access.Act{Permission: vitrine.ImageCreate, Op: "put", Resource: vitrine.Resource{Kind: vitrine.KindImage, ID: "i", Scope: "drafts", Category: vitrine.Generated, Tier: vitrine.Internal}}
	if _, err := s.Guard.Check(t.Context(), ann, make); err == nil {
		t.Fatal("an image is made before both owners have enrolled")
	}
	adam := s.Owner(1)
	if p := policyOf(t, s.Node); !p.Enrolled() {
		t.Error("both have been there, but set-up goes on")
	}
	ticket, err := s.Guard.Check(t.Context(), ann, make)
	if err != nil {
		t.Fatalf("after enrolment: %v", err)
	}
	if _, err := ticket.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A first key lives 72 hours.
	s.Clock.Advance(72*time.Hour + time.Second)
	_, err = s.Directory.Authenticate(t.Context(), s.Show(s.Owners[1].Secret))
	wantKind(t, err, vitrine.ErrUnauthenticated)
	_ = adam
}

// An owner goes on with an ordinary key of her own, and nobody makes one for
// her.
func TestOwnersKeys(t *testing.T) {
	s := identitytest.New(t, "")
	by, issued := s.Issue(s.Alice, identity.NewKey{Name: "daily"})
	if by.Principal != s.Alice.Principal || issued.Key.First || issued.Key.Expires.Sub(issued.Key.Created) != 90*24*time.Hour {
		t.Errorf("got %+v", issued.Key)
	}
	if e := s.Last(); e.Alert != "" || e.Op != "issue" {
		t.Errorf("the log says %+v", e)
	}
	if _, err := s.Directory.IssueKey(t.Context(), s.Adam, identity.NewKey{Principal: s.Alice.Principal}); err == nil {
		t.Error("adam has a key of alice's")
	}
}

// At every moment two owners: no way around it.
func TestTwoOwnersRemain(t *testing.T) {
	s := identitytest.New(t, "")
	ways := map[string]func() error{
		"disable": func() error {
			_, err := s.Directory.SetDisabled(t.Context(), s.Alice, s.Adam.Principal, true)
			return err
		},
		"delete": func() error {
			_, err := s.Directory.DeletePrincipal(t.Context(), s.Alice, s.Adam.Principal)
			return err
		},
		"disable herself": func() error {
			_, err := s.Directory.SetDisabled(t.Context(), s.Alice, s.Alice.Principal, true)
			return err
		},
		"give an end": func() error {
			_, err := s.Policies.Apply(t.Context(), s.Alice, &vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Put(&vitrine.Binding{
				ID: "owner-" + s.Adam.Principal, Role: rbac.OwnerRole, Principal: s.Adam.Principal, Scope: identity.OrganizationID,
				Until: s.Clock.Now().Add(time.Hour)})}})
			return err
		},
	}
	for name, try := range ways {
		if err := try(); err == nil || errors.Is(err, vitrine.ErrUnavailable) {
			t.Errorf("%s: got %v", name, err)
		}
		if e := s.Last(); e.Outcome != vitrine.Refused {
			t.Errorf("%s: the log says %+v", name, e)
		}
	}
	if now := policyOf(t, s.Node); !now.Enrolled() {
		t.Error("an owner is gone")
	}
}

func TestRecover(t *testing.T) {
	s := identitytest.New(t, "")
	s.Person("eve")
	s.Clock.Advance(100 * time.Hour) // every first key has ended
	for _, name := range []string{"eve", "eve@example.com", "nobody", ""} {
		if _, err := s.Directory.Recover(t.Context(), name); err == nil {
			t.Errorf("recovered %q", name)
		}
		if e := s.Last(); e.Outcome != vitrine.Refused || e.Actor != access.SystemActor {
			t.Errorf("the log says %+v", e)
		}
	}
	first, err := s.Directory.Recover(t.Context(), "Alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if e := s.Last(); e.Act != "recover" || e.Alert != "recovered" || e.Actor != access.SystemActor {
		t.Errorf("the log says %+v", e)
	}
	if by := s.As(first.Secret); by.Principal != s.Alice.Principal {
		t.Errorf("recovered %s", by.Principal)
	}
	second, err := s.Directory.Recover(t.Context(), string(s.Alice.Principal))
	if err != nil {
		t.Fatal(err)
	}
	s.As(second.Secret)
	_, err = s.Directory.Authenticate(t.Context(), s.Show(first.Secret))
	wantKind(t, err, vitrine.ErrUnauthenticated)
}

func TestWhoami(t *testing.T) {
	s := identitytest.New(t, "")
	eve := s.Person("eve")
	me, err := s.Directory.Whoami(t.Context(), eve)
	if err != nil || me.Principal != "eve" || me.Kind != vitrine.User || me.Key != eve.Credential || me.Expires.IsZero() || me.Revision == 0 {
		t.Errorf("got %+v, %v", me, err)
	}
	if e := s.Last(); e.Op != "whoami" || e.Actor != "eve" {
		t.Errorf("the log says %+v", e)
	}
	_, err = s.Directory.Whoami(t.Context(), access.Caller{})
	wantKind(t, err, vitrine.ErrUnauthenticated)
}
