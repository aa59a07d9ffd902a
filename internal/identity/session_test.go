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
)

// makerAndChecker is a company where dee holds both sides of a dynamic
// separation of duty.
func makerAndChecker(t *testing.T) (s *identitytest.System, dee access.Caller) {
	t.Helper()
	s = identitytest.New(t, "")
	s.Renders()
	role := func(id vitrine.ID, p vitrine.Permission) vitrine.Change {
		return vitrine.Put(&vitrine.Role{ID: id, Name: string(id), Grants: []vitrine.Grant{
			{Permissions: []vitrine.Permission{p}, Categories: []vitrine.Category{vitrine.Generated}, Tiers: vitrine.Tiers}}})
	}
	s.Apply(s.Alice, role("maker", vitrine.ImageCreate), role("checker", vitrine.ImageClassify), role("stranger", vitrine.ImageDelete),
		vitrine.Put(&vitrine.Constraint{ID: "four-eyes", Kind: vitrine.DynamicSoD, Max: 2, Reason: "who makes does not check",
			Sets: []vitrine.RoleSet{{Roles: []vitrine.ID{"maker"}}, {Roles: []vitrine.ID{"checker"}}}}))
	dee = s.Person("dee", vitrine.Binding{Role: "maker", Scope: "renders"}, vitrine.Binding{Role: "checker", Scope: "renders"},
		vitrine.Binding{Role: "usage-reader", Scope: "renders"})
	return s, dee
}

func may(t *testing.T, s *identitytest.System, by access.Caller, p vitrine.Permission) bool {
	t.Helper()
	now, err := s.Guard.Policy(access.Caller{})
	if err != nil {
		t.Fatal(err)
	}
	return now.Decide(&rbac.Question{Subject: by.Subject, Permission: p, At: s.Clock.Now(), Resource: vitrine.Resource{
		Kind: vitrine.KindImage, ID: "i", Scope: "drafts", Category: vitrine.Generated, Tier: vitrine.Internal}}).Allow
}

// TestDynamicSeparationOfDuty tells a day of dee, who may make and may check,
// but not at once.
func TestDynamicSeparationOfDuty(t *testing.T) {
	s, dee := makerAndChecker(t)
	ctx := t.Context()

	// With the key alone both roles are there, and neither does anything.
	if may(t, s, dee, vitrine.ImageCreate) || may(t, s, dee, vitrine.ImageClassify) {
		t.Error("both roles are active together")
	}
	if _, err := s.Directory.StartSession(ctx, dee, identity.NewSession{All: true}); code(err) != string(vitrine.CodeSession) {
		t.Errorf("a session with all roles: %v, want it refused by separation of duty", err)
	}
	made, err := s.Directory.StartSession(ctx, dee, identity.NewSession{Roles: []vitrine.ID{"maker"}})
	if err != nil {
		t.Fatal(err)
	}
	session := s.As(made.Secret)
	if !may(t, s, session, vitrine.ImageCreate) || may(t, s, session, vitrine.ImageClassify) {
		t.Error("the session of a maker makes, and does nothing else")
	}

	activate := func(by access.Caller, role vitrine.ID) error {
		_, err := s.Directory.SetActive(ctx, by, made.Key.ID, role, true)
		return err
	}
	drop := func(by access.Caller, role vitrine.ID) error {
		_, err := s.Directory.SetActive(ctx, by, made.Key.ID, role, false)
		return err
	}
	if err := activate(session, "checker"); code(err) != string(vitrine.CodeSession) {
		t.Errorf("activate the other side: %v, want it refused by separation of duty", err)
	}
	if e := s.Last(); e.Outcome != vitrine.Refused || e.Code != string(vitrine.CodeSession) {
		t.Errorf("the log says %+v", e)
	}
	if err := activate(session, "usage-reader"); err != nil {
		t.Errorf("activate what no duty separates: %v", err)
	}
	for _, id := range []vitrine.ID{"stranger", "no-such-role"} {
		if err := activate(session, id); code(err) != "unknown_role" {
			t.Errorf("activate %s: %v, want the one answer for what is not held and what is not there", id, err)
		}
	}
	for _, step := range []error{drop(session, "maker"), activate(dee, "checker")} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if may(t, s, session, vitrine.ImageCreate) || !may(t, s, session, vitrine.ImageClassify) {
		t.Error("after changing sides the session checks, and makes nothing")
	}
	for _, id := range []vitrine.ID{"checker", "usage-reader"} {
		if err := drop(session, id); err != nil {
			t.Fatal(err)
		}
	}
	if may(t, s, session, vitrine.ImageClassify) {
		t.Error("a session without an active role does something")
	}
}

// TestSessionsAreTheirKeys: nobody gains by a session, and it dies with its key.
func TestSessionsAreTheirKeys(t *testing.T) {
	s, dee := makerAndChecker(t)
	ctx := t.Context()
	eve := s.Person("eve")
	start := func(by access.Caller, roles ...vitrine.ID) (access.Caller, identity.Issued) {
		t.Helper()
		made, err := s.Directory.StartSession(ctx, by, identity.NewSession{Roles: roles})
		if err != nil {
			t.Fatal(err)
		}
		return s.As(made.Secret), made
	}
	session, made := start(dee, "maker")

	if _, err := s.Directory.SetActive(ctx, eve, made.Key.ID, "maker", false); !errors.Is(err, vitrine.ErrDenied) && !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("eve drops a role of dee's session: %v", err)
	}
	if _, err := s.Directory.SetActive(ctx, s.Alice, made.Key.ID, "usage-reader", true); !errors.Is(err, vitrine.ErrDenied) {
		t.Errorf("an owner activates a role in dee's session: %v", err)
	}
	if _, err := s.Directory.StartSession(ctx, session, identity.NewSession{}); !errors.Is(err, vitrine.ErrInvalid) {
		t.Errorf("a session of a session: %v", err)
	}
	for name, k := range map[string]identity.NewKey{"all roles": {}, "another role": {Roles: []vitrine.ID{"checker"}}} {
		if _, err := s.Directory.IssueKey(ctx, session, k); code(err) != "wider_key" {
			t.Errorf("a key with %s, issued with a session: %v", name, err)
		}
	}
	if _, err := s.Directory.RotateKey(ctx, dee, made.Key.ID, 0); !errors.Is(err, vitrine.ErrInvalid) {
		t.Errorf("rotate a session: %v", err)
	}

	narrow, _ := s.Issue(dee, identity.NewKey{Roles: []vitrine.ID{"usage-reader"}, Scope: "drafts"})
	if _, err := s.Directory.StartSession(ctx, narrow, identity.NewSession{Roles: []vitrine.ID{"maker"}}); !errors.Is(err, vitrine.ErrDenied) {
		t.Errorf("a session wider than its key: %v", err)
	}
	within, inner := start(narrow, "usage-reader")
	if _, err := s.Directory.SetActive(ctx, within, "", "maker", true); !errors.Is(err, vitrine.ErrDenied) {
		t.Errorf("a session that grows beyond its key: %v", err)
	}
	if inner.Key.Scope != "drafts" {
		t.Errorf("the session reaches %q, its key drafts alone", inner.Key.Scope)
	}

	// With an overlap what was started with the old secret ends with it.
	if _, err := s.Directory.RotateKey(ctx, narrow, narrow.Credential, time.Hour); err != nil {
		t.Fatal(err)
	}
	s.As(inner.Secret)
	s.Clock.Advance(time.Hour)
	refusedKey(t, s, inner.Secret, "after the overlap")
	if _, err := s.Directory.RevokeKey(ctx, dee, dee.Credential); err != nil {
		t.Fatal(err)
	}
	refusedKey(t, s, made.Secret, "after its key was revoked")
}

func refusedKey(t *testing.T, s *identitytest.System, key vitrine.Secret, when string) {
	t.Helper()
	if _, err := s.Directory.Authenticate(t.Context(), s.Show(key)); !errors.Is(err, vitrine.ErrUnauthenticated) {
		t.Errorf("a session %s: %v, want not authenticated", when, err)
	}
}

// TestSessionsOfAKeyAreBounded: whoever has a key does not fill the policy.
func TestSessionsOfAKeyAreBounded(t *testing.T) {
	s, dee := makerAndChecker(t)
	var last identity.Issued
	for range identity.MaxSessions {
		var err error
		if last, err = s.Directory.StartSession(t.Context(), dee, identity.NewSession{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Directory.StartSession(t.Context(), dee, identity.NewSession{}); code(err) != "too_many_sessions" {
		t.Errorf("one more: %v", err)
	}
	if _, err := s.Directory.RevokeKey(t.Context(), dee, last.Key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Directory.StartSession(t.Context(), dee, identity.NewSession{}); err != nil {
		t.Errorf("after one was ended: %v", err)
	}
}

// TestEndedSessionsAreClearedAway a day after their end, and no sooner.
func TestEndedSessionsAreClearedAway(t *testing.T) {
	s, dee := makerAndChecker(t)
	made, err := s.Directory.StartSession(t.Context(), dee, identity.NewSession{Expires: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	there := func() bool {
		now, err := s.Guard.Policy(access.Caller{})
		if err != nil {
			t.Fatal(err)
		}
		_, ok := now.Key(made.Key.ID)
		return ok
	}
	for _, step := range []struct {
		after time.Duration
		stays bool
	}{{24 * time.Hour, true}, {2 * time.Hour, false}} {
		s.Clock.Advance(step.after)
		if err := identity.Sweep(s.Directory, t.Context()); err != nil {
			t.Fatal(err)
		}
		if there() != step.stays {
			t.Errorf("%v later the session stays: %t, want %t", step.after, there(), step.stays)
		}
	}
}

func code(err error) string {
	var e *vitrine.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
