package policy_test

import (
	"math"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/identity/identitytest"
)

// Attack: find out what lies in other projects by asking who may use it. What is
// absent was asked of the whole organization and denied; what is hidden was not
// found.
func TestAskingAboutNothingTellsNothing(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	s.Apply(s.Alice, vitrine.Put(project("secret")), vitrine.Put(&vitrine.Dataset{ID: "plans", Project: "secret", Category: vitrine.Generated}))
	pam := s.Person("pam", vitrine.Binding{Role: "project-admin", Scope: "renders"})
	s.Person("bob")
	hidden := vitrine.Resource{Kind: vitrine.KindDataset, ID: "plans", Scope: "plans"}
	absent := vitrine.Resource{ID: "nothing"}
	own := vitrine.Resource{Kind: vitrine.KindDataset, ID: "drafts", Scope: "drafts"}
	who := func(by access.Caller, r vitrine.Resource) error {
		_, err := s.Policies.Who(t.Context(), by, vitrine.DatasetView, r)
		return err
	}
	why := func(by access.Caller, r vitrine.Resource) error {
		_, err := s.Policies.Explain(t.Context(), by, "bob", vitrine.DatasetView, r)
		return err
	}
	for name, ask := range map[string]func(access.Caller, vitrine.Resource) error{"who": who, "why": why} {
		for _, r := range []vitrine.Resource{hidden, absent} {
			wantKind(t, ask(pam, r), vitrine.ErrNotFound)
			if e := s.Last(); e.Outcome != vitrine.Refused || e.Actor != "pam" {
				t.Errorf("%s: the log says %+v", name, e)
			}
			if err := ask(s.Alice, r); err != nil {
				t.Errorf("%s, asked by an owner about %+v: %v", name, r, err)
			}
		}
		if err := ask(pam, own); err != nil {
			t.Errorf("%s, of her own project: %v", name, err)
		}
	}
}

// Attack: raise somebody's epoch as high as numbers go, so that it cannot rise
// any more and nobody can disable them.
func TestEpochRisesOneByOne(t *testing.T) {
	s := identitytest.New(t, "")
	s.Person("bob")
	put := func(p *vitrine.Principal) error {
		_, err := s.Policies.Apply(t.Context(), s.Alice, set(vitrine.Put(p)))
		return err
	}
	for _, epoch := range []int64{math.MaxInt64, 2, -1} {
		wantKind(t, put(&vitrine.Principal{ID: "bob", Kind: vitrine.User, Epoch: epoch}), vitrine.ErrInvalid)
	}
	wantKind(t, put(&vitrine.Principal{ID: "new", Kind: vitrine.User, Epoch: math.MaxInt64}), vitrine.ErrInvalid)
	if err := put(&vitrine.Principal{ID: "bob", Kind: vitrine.User, Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Directory.SetDisabled(t.Context(), s.Alice, "bob", true); err != nil {
		t.Errorf("he cannot be disabled: %v", err)
	}
}

// Disabling by putting the object left the keys as they were: they came alive
// again with their holder. So did undoing that somebody was enabled.
func TestDisablingAlwaysEndsKeys(t *testing.T) {
	s := identitytest.New(t, "")
	s.Person("bob")
	_, err := s.Policies.Apply(t.Context(), s.Alice, set(vitrine.Put(&vitrine.Principal{ID: "bob", Kind: vitrine.User, Disabled: true})))
	wantKind(t, err, vitrine.ErrInvalid)

	var enabled int64
	for _, disabled := range []bool{true, false} {
		if enabled, err = s.Directory.SetDisabled(t.Context(), s.Alice, "bob", disabled); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Policies.Undo(t.Context(), s.Alice, enabled); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Directory.SetDisabled(t.Context(), s.Alice, "bob", false); err != nil {
		t.Fatal(err)
	}
	now, err := s.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	if bob, ok := now.Principal("bob"); !ok || bob.Disabled || bob.Epoch != 2 {
		t.Errorf("bob is %+v, want enabled in epoch 2", bob)
	}
	if _, fresh := s.Issue(s.Alice, identity.NewKey{Principal: "bob"}); fresh.Key.Epoch != 2 {
		t.Errorf("a new key is of epoch %d", fresh.Key.Epoch)
	}
}

// Attack: let somebody's agent act for oneself, and have it explain what it
// holds, and so which groups and projects there are.
func TestAgentExplainsItsPersonsPart(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	ann, eve := s.Person("ann"), s.Person("eve", vitrine.Binding{Role: "usage-reader", Scope: "renders"})
	s.Apply(s.Alice,
		vitrine.Put(&vitrine.Principal{ID: "agent", Kind: vitrine.Service, Service: vitrine.Agent, Owner: "ann"}),
		vitrine.Put(&vitrine.Principal{ID: "secret-crew", Kind: vitrine.Group, Members: []vitrine.ID{"agent"}}),
		vitrine.Put(&vitrine.Binding{ID: "crew-0", Role: "usage-reader", Principal: "secret-crew", Scope: "renders"}),
	)
	forAnn, _ := s.Issue(ann, identity.NewKey{Principal: "agent", For: true})
	forEve, _ := s.Issue(eve, identity.NewKey{Principal: "agent", For: true})
	usage := vitrine.Resource{Kind: vitrine.KindUsage, Scope: "renders"}
	x, err := s.Policies.Explain(t.Context(), forEve, "", vitrine.UsageView, usage)
	if err != nil || !x.Decision.Allow || x.Decision.Binding != "" || len(x.Bindings) != 1 || x.Bindings[0].Path[0] != "eve" {
		t.Errorf("for eve: %+v, %v", x, err)
	}
	x, err = s.Policies.Explain(t.Context(), forAnn, "", vitrine.UsageView, usage)
	if err != nil || len(x.Bindings) == 0 || x.Bindings[0].Binding != "crew-0" {
		t.Errorf("for its owner: %+v, %v", x, err)
	}
}
