package identity_test

import (
	"context"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// otherSecret is a well-formed key with a known id and another secret.
func otherSecret(t testing.TB, key vitrine.Secret) vitrine.Secret {
	t.Helper()
	text := key.Reveal()
	body := text[:len(text)-36] + strings.Repeat("x", 30)
	return vitrine.Secret(withSum(t, body))
}

// TestBadKeys: whatever is wrong with a key, the answer is the same error; what
// was wrong stands in the log.
func TestBadKeys(t *testing.T) {
	s := identitytest.New(t, "")
	s.Person("bob")
	issue := func(n identity.NewKey) identity.Issued {
		n.Principal = "bob"
		_, i := s.Issue(s.Alice, n)
		return i
	}
	good, revoked, short := issue(identity.NewKey{}), issue(identity.NewKey{}), issue(identity.NewKey{Expires: s.Clock.Now().Add(time.Hour)})
	homeOnly := issue(identity.NewKey{CIDRs: []string{"192.0.2.0/24"}})
	if _, err := s.Directory.RevokeKey(t.Context(), s.Alice, revoked.Key.ID); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(time.Hour)
	mistyped := []byte(good.Secret.Reveal())
	mistyped[len(mistyped)-10] ^= 1
	tests := []struct {
		name string
		key  vitrine.Secret
		from string
		code string
	}{
		{"none", "", "", "no_key"},
		{"another product's", "sk-abc", "", "invalid_key"},
		{"mistyped", vitrine.Secret(mistyped), "", "invalid_key"},
		{"of an unknown id", identity.NewKeyText("user", identity.NewID("")), "", "invalid_key"},
		{"with another secret", otherSecret(t, good.Secret), "", "invalid_key"},
		{"of another kind", vitrine.Secret(withSum(t, strings.Replace(good.Secret.Reveal()[:len(good.Secret)-6], "user", "svc", 1))), "", "invalid_key"},
		{"expired", short.Secret, "", "expired_key"},
		{"revoked", revoked.Secret, "", "revoked_key"},
		{"from a wrong address", homeOnly.Secret, "203.0.113.5", "foreign_address"},
		{"from no address", homeOnly.Secret, "-", "foreign_address"},
		{"endless", vitrine.Secret(strings.Repeat("vtr_", 1<<18)), "", "invalid_key"},
	}
	var first error
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := s.Show(tt.key)
			p.Address = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}) // each seen for the first time
			switch tt.from {
			case "-":
				p.Address = netip.Addr{}
			case "":
			default:
				p.Address = netip.MustParseAddr(tt.from)
			}
			n := len(s.Log())
			by, err := s.Directory.Authenticate(t.Context(), p)
			wantKind(t, err, vitrine.ErrUnauthenticated)
			if !reflect.DeepEqual(by, access.Caller{}) {
				t.Errorf("answers the caller %+v", by)
			}
			if first == nil {
				first = err
			}
			if !reflect.DeepEqual(err, first) {
				t.Errorf("the error %#v is not like the others, %#v", err, first)
			}
			log := s.Log()
			if len(log) != n+1 || log[n].Outcome != vitrine.Refused || log[n].Code != tt.code || log[n].Act != "authenticate" {
				t.Fatalf("the log says %+v, want code %s", log[n:], tt.code)
			}
			if known := tt.code != "no_key" && tt.code != "invalid_key"; known != (log[n].Actor == "bob") {
				t.Errorf("attributed to %q", log[n].Actor)
			}
		})
	}
	if by := s.As(good.Secret); by.Principal != "bob" || !by.Key || by.Kind != vitrine.User || by.Credential != good.Key.ID || by.Request != "req-1" {
		t.Errorf("the good key is %+v", by)
	}
	s.As(homeOnly.Secret)
}

// A revocation holds for the next request on the same node, and within a second
// on every other: the guard's second node here asks by itself.
func TestRevokedOnTheNextRequest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := identitytest.New(t, url)
		bob := s.Person("bob")
		_, issued := s.Issue(s.Alice, identity.NewKey{Principal: "bob"})
		other := s.Join(t, s.Clock)
		other.As(issued.Secret)
		if _, err := s.Directory.RevokeKey(t.Context(), bob, issued.Key.ID); err != nil {
			t.Fatalf("bob revokes his own: %v", err)
		}
		_, err := s.Directory.Authenticate(t.Context(), s.Show(issued.Secret))
		wantKind(t, err, vitrine.ErrUnauthenticated)
		if err := other.Source.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err = other.Directory.Authenticate(t.Context(), other.Show(issued.Secret))
		wantKind(t, err, vitrine.ErrUnauthenticated)
		if _, err := s.Directory.RevokeKey(t.Context(), s.Alice, issued.Key.ID); err != nil {
			t.Errorf("revoking again: %v", err)
		}
	})
}

// Disabling kills every key at once, and enabling revives none.
func TestEpoch(t *testing.T) {
	s := identitytest.New(t, "")
	bob := s.Person("bob")
	_, issued := s.Issue(s.Alice, identity.NewKey{Principal: "bob"})
	if _, err := s.Directory.SetDisabled(t.Context(), s.Alice, "bob", true); err != nil {
		t.Fatal(err)
	}
	_, err := s.Directory.Authenticate(t.Context(), s.Show(issued.Secret))
	wantKind(t, err, vitrine.ErrUnauthenticated)
	_, err = s.Directory.Whoami(t.Context(), bob)
	wantKind(t, err, vitrine.ErrUnauthenticated)
	if _, err := s.Directory.SetDisabled(t.Context(), s.Alice, "bob", false); err != nil {
		t.Fatal(err)
	}
	_, err = s.Directory.Authenticate(t.Context(), s.Show(issued.Secret))
	wantKind(t, err, vitrine.ErrUnauthenticated)
	s.Issue(s.Alice, identity.NewKey{Principal: "bob"})
}

// A rotated key works with both secrets until the overlap ends; the old one
// shown later is an alarm.
func TestRotation(t *testing.T) {
	s := identitytest.New(t, "")
	bob := s.Person("bob")
	_, old := s.Issue(s.Alice, identity.NewKey{Principal: "bob", Name: "ci"})
	s.Clock.Advance(24 * time.Hour)
	fresh, err := s.Directory.RotateKey(t.Context(), bob, old.Key.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if fresh.Key.ID != old.Key.ID || fresh.Key.Name != "ci" || fresh.Secret == old.Secret || fresh.Key.Hash != "" || !fresh.Key.Expires.After(old.Key.Expires) {
		t.Errorf("rotated to %+v", fresh.Key)
	}
	s.As(old.Secret)
	s.As(fresh.Secret)
	s.Clock.Advance(time.Hour)
	_, err = s.Directory.Authenticate(t.Context(), s.Show(old.Secret))
	wantKind(t, err, vitrine.ErrUnauthenticated)
	if e := s.Last(); e.Alert != "old_secret_used" || e.Credential != old.Key.ID || e.Actor != "bob" {
		t.Errorf("the log says %+v", e)
	}
	s.As(fresh.Secret)
	for name, overlap := range map[string]time.Duration{"backwards": -time.Hour, "for ever": 10_000 * time.Hour} {
		if _, err := s.Directory.RotateKey(t.Context(), bob, old.Key.ID, overlap); err == nil {
			t.Errorf("an overlap %s", name)
		}
	}
	_, err = s.Directory.RotateKey(t.Context(), s.Alice, s.Alice.Credential, 0)
	wantKind(t, err, vitrine.ErrInvalid) // a first key
	_, err = s.Directory.RotateKey(t.Context(), bob, "nothing", 0)
	wantKind(t, err, vitrine.ErrNotFound)
}

// Attack: a flood of made-up keys from one address costs the log two lines, and
// a good key from there still works.
func TestAFloodOfKeysIsBounded(t *testing.T) {
	s := identitytest.New(t, "")
	n := len(s.Log())
	for range 3000 {
		p := s.Show(identity.NewKeyText("user", identity.NewID("")))
		p.Address = netip.MustParseAddr("198.51.100.1")
		_, err := s.Directory.Authenticate(t.Context(), p)
		wantKind(t, err, vitrine.ErrUnauthenticated)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Guard.Run(ctx); err != nil {
		t.Fatal(err)
	}
	log := s.Log()[n:]
	if len(log) != 2 || log[0].Count+log[1].Count != 3000 {
		t.Errorf("%d entries: %+v", len(log), log)
	}
	s.As(s.Owners[0].Secret)
}

// The request chooses a project or dataset inside the key's scope, nothing
// outside. Once it could choose any that there was, and so told which there were.
func TestChoosingAProject(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	s.Apply(s.Alice,
		vitrine.Put(&vitrine.Project{ID: "ads", Environment: vitrine.Staging}),
		vitrine.Put(&vitrine.Dataset{ID: "banners", Project: "ads", Category: vitrine.Generated}),
		vitrine.Put(&vitrine.Project{ID: "secret", Environment: vitrine.Staging}),
		vitrine.Put(&vitrine.Dataset{ID: "plans", Project: "secret", Category: vitrine.Generated}),
	)
	s.Person("bob", vitrine.Binding{Role: "usage-reader", Scope: "renders"}, vitrine.Binding{Role: "usage-reader", Scope: "banners"})
	_, everywhere := s.Issue(s.Alice, identity.NewKey{Principal: "bob", Dataset: "drafts"})
	_, renders := s.Issue(s.Alice, identity.NewKey{Principal: "bob", Scope: "renders"})
	_, drafts := s.Issue(s.Alice, identity.NewKey{Principal: "bob", Scope: "drafts"})
	tests := []struct {
		name             string
		key              identity.Issued
		project, dataset vitrine.ID
		wantP, wantD     vitrine.ID // "" with kind nil: none
		refused          bool
	}{
		{"the defaults", everywhere, "", "", "renders", "drafts", false},
		{"another project has its own datasets", everywhere, "ads", "", "ads", "", false},
		{"another dataset brings its project", everywhere, "", "banners", "ads", "banners", false},
		{"an unknown project", everywhere, "nowhere", "", "", "", true},
		{"a project where he holds nothing", everywhere, "secret", "", "", "", true},
		{"a dataset where he holds nothing", everywhere, "", "plans", "", "", true},
		{"a key for a project", renders, "", "", "renders", "", false},
		{"a dataset in it", renders, "", "drafts", "renders", "drafts", false},
		{"a project outside", renders, "ads", "", "", "", true},
		{"a dataset outside", renders, "", "banners", "", "", true},
		{"a key for a dataset", drafts, "", "", "renders", "drafts", false},
		{"its own project", drafts, "renders", "", "renders", "drafts", false},
		{"another one", drafts, "ads", "", "", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := s.Show(tt.key.Secret)
			p.Project, p.Dataset = tt.project, tt.dataset
			by, err := s.Directory.Authenticate(t.Context(), p)
			if tt.refused {
				wantKind(t, err, vitrine.ErrNotFound)
				if e := s.Last(); e.Outcome != vitrine.Refused || e.Actor != "bob" {
					t.Errorf("the log says %+v", e)
				}
				return
			}
			if err != nil || by.Project != tt.wantP || by.Dataset != tt.wantD {
				t.Errorf("got project %q, dataset %q, %v, want %q, %q", by.Project, by.Dataset, err, tt.wantP, tt.wantD)
			}
		})
	}
}

func TestEndUserIsText(t *testing.T) {
	s := identitytest.New(t, "")
	p := s.Show(s.Owners[0].Secret)
	p.EndUser = "customer-7 (Zürich)"
	if by, err := s.Directory.Authenticate(t.Context(), p); err != nil || by.EndUser != p.EndUser {
		t.Errorf("got %q, %v", by.EndUser, err)
	}
	for _, bad := range []string{strings.Repeat("x", 257), "a\nb", "\xff"} {
		p.EndUser = bad
		_, err := s.Directory.Authenticate(t.Context(), p)
		wantKind(t, err, vitrine.ErrInvalid)
	}
}

// A first key whose use cannot be recorded does not work.
func TestFirstKeyUnrecordedIsRefused(t *testing.T) {
	s := identitytest.New(t, "")
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := s.Directory.Authenticate(t.Context(), s.Show(s.Owners[0].Secret))
	wantKind(t, err, vitrine.ErrUnavailable)
	_, err = s.Directory.Authenticate(t.Context(), s.Show("vtr_nothing"))
	wantKind(t, err, vitrine.ErrUnavailable)
}

func TestMatches(t *testing.T) {
	sum := identity.Digest("abc")
	const kept = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	for text, want := range map[string]bool{
		kept: true, "": false, kept[:63]: false, kept + "0": false, strings.ToUpper(kept): false, strings.Repeat("0", 64): false,
		strings.Repeat("\x00", 64): false, kept + kept: false,
	} {
		if got := identity.Matches(text, &sum); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	s := identitytest.New(b, "")
	s.Person("bob")
	_, issued := s.Issue(s.Alice, identity.NewKey{Principal: "bob"})
	bad := otherSecret(b, issued.Secret)
	unknown := identity.NewKeyText("user", identity.NewID(""))
	good := s.Show(issued.Secret)
	b.Run("good", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Directory.Authenticate(context.Background(), good); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, key := range map[string]vitrine.Secret{"wrong secret": bad, "unknown id": unknown, "mistyped": unknown + "x"} {
		p := s.Show(key)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Directory.Authenticate(context.Background(), p); err == nil {
					b.Fatal("authenticated")
				}
			}
		})
	}
}
