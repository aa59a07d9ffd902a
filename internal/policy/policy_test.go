package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/store"
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

func project(id vitrine.ID) *vitrine.Project {
	return &vitrine.Project{ID: id, Environment: vitrine.Staging}
}

func set(changes ...vitrine.Change) *vitrine.ChangeSet { return &vitrine.ChangeSet{Changes: changes} }

// TestApply is the life of a change: admitted, recorded in the same
// transaction, in use at once, in the history.
func TestApply(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := identitytest.New(t, url)
		before, err := s.Source.Current()
		if err != nil {
			t.Fatal(err)
		}
		n := len(s.Log())
		a, err := s.Policies.Apply(t.Context(), s.Alice, &vitrine.ChangeSet{Reason: "a place to work", Changes: []vitrine.Change{
			vitrine.Put(project("renders")),
			vitrine.Put(&vitrine.Dataset{ID: "drafts", Project: "renders", Category: vitrine.Generated}),
		}})
		if err != nil {
			t.Fatal(err)
		}
		if a.Revision != before.Revision()+1 {
			t.Errorf("revision %d after %d", a.Revision, before.Revision())
		}
		now, err := s.Source.Current()
		if err != nil || now.Revision() != a.Revision {
			t.Fatalf("in use is revision %v, %v, want %d", now, err, a.Revision)
		}
		if _, ok := now.Dataset("drafts"); !ok {
			t.Error("the dataset is not in use")
		}
		log := s.Log()
		if len(log) != n+1 {
			t.Fatalf("%d entries for one set", len(log)-n)
		}
		e := log[n]
		if e.Outcome != vitrine.Allowed || e.Act != "project.edit" || e.Op != "apply" || e.Actor != s.Alice.Principal ||
			!strings.Contains(e.Detail, "2 changes: put project/renders, put dataset/drafts") {
			t.Errorf("the log says %+v", e)
		}
		sets, err := s.Policies.History(t.Context(), s.Alice, before.Revision(), 10)
		if err != nil || len(sets) != 1 || sets[0].Revision != a.Revision || sets[0].Reason != "a place to work" || sets[0].Actor != s.Alice.Principal {
			t.Errorf("the history is %+v, %v", sets, err)
		}
	})
}

// TestApplyRefuses puts what is refused beside what is not; nothing of it may
// stand, and each attempt is in the log.
func TestApplyRefuses(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	eve := s.Person("eve")
	s.Apply(s.Alice,
		vitrine.Put(&vitrine.Principal{ID: "team", Kind: vitrine.Group, Members: []vitrine.ID{s.Alice.Principal}}),
		vitrine.Put(&vitrine.Role{ID: "looker", Grants: []vitrine.Grant{{
			Permissions: []vitrine.Permission{vitrine.ImageView}, Categories: []vitrine.Category{vitrine.Generated}, Tiers: vitrine.TiersUpTo(vitrine.Internal)}}}),
	)
	bind := func(who vitrine.ID) vitrine.Change {
		return vitrine.Put(&vitrine.Binding{ID: "new", Role: "looker", Principal: who, Scope: "renders"})
	}
	now, err := s.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		by   access.Caller
		set  *vitrine.ChangeSet
		kind error
		code string
	}{
		{"eve gives herself a role", eve, set(bind("eve")), nil, ""},
		{"eve makes a project", eve, set(vitrine.Put(project("mine"))), nil, ""},
		{"nobody makes a project", access.Caller{}, set(vitrine.Put(project("mine"))), vitrine.ErrUnauthenticated, "invalid_key"},
		{"alice gives herself a role", s.Alice, set(bind(s.Alice.Principal)), vitrine.ErrDenied, "needs_approval"},
		{"alice gives it to a group that she is in", s.Alice, set(bind("team")), vitrine.ErrDenied, "needs_approval"},
		{"alice removes adam's ownership", s.Alice, set(vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: "owner-" + s.Adam.Principal})), nil, ""},
		{"a set on an older revision", s.Alice, &vitrine.ChangeSet{IfRevision: 1, Changes: []vitrine.Change{vitrine.Put(project("mine"))}},
			vitrine.ErrConflict, "revision"},
		{"an object that was changed since", s.Alice, set(vitrine.Change{Ref: project("renders").Ref(), Object: project("renders"), IfRevision: 1}),
			vitrine.ErrConflict, "revision"},
		{"the same object twice", s.Alice, set(vitrine.Put(project("mine")), vitrine.Put(project("mine"))), vitrine.ErrInvalid, "duplicate"},
		{"a dataset in no project", s.Alice, set(vitrine.Put(&vitrine.Dataset{ID: "lost", Project: "nowhere", Category: vitrine.Generated})), vitrine.ErrInvalid, ""},
		{"a key with a hash that somebody knows", s.Alice, set(vitrine.Put(&vitrine.Key{ID: "k", Principal: s.Alice.Principal, Hash: strings.Repeat("0", 64)})),
			vitrine.ErrInvalid, "keys_are_issued"},
		{"an enrolment that never was", s.Alice, set(vitrine.Put(&vitrine.Principal{ID: "eve", Kind: vitrine.User, Enrolled: s.Clock.Now()})),
			vitrine.ErrInvalid, "system_field"},
		{"another organization", s.Alice, set(vitrine.Put(&vitrine.Organization{ID: "org", Solo: true})), vitrine.ErrInvalid, "system_field"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := len(s.Log())
			_, err := s.Policies.Apply(t.Context(), tt.by, tt.set)
			if err == nil {
				t.Fatal("applied")
			}
			if tt.kind != nil {
				if e := wantKind(t, err, tt.kind); tt.code != "" && e.Code != tt.code {
					t.Errorf("code %q, want %q (%v)", e.Code, tt.code, err)
				}
			}
			if errors.Is(err, vitrine.ErrUnavailable) {
				t.Errorf("not decided: %v", err)
			}
			log := s.Log()
			if len(log) != n+1 || log[n].Outcome != vitrine.Refused || log[n].Code == "" {
				t.Errorf("the log says %+v", log[n:])
			}
			after, err := s.Source.Current()
			if err != nil || after.Revision() != now.Revision() {
				t.Errorf("the policy moved to %d, %v", after.Revision(), err)
			}
		})
	}
	s.Apply(s.Alice, bind("eve"))
}

// An epoch that went down would revive dead keys.
func TestEpochNeverGoesDown(t *testing.T) {
	s := identitytest.New(t, "")
	s.Person("bob")
	if _, err := s.Directory.SetDisabled(t.Context(), s.Alice, "bob", true); err != nil {
		t.Fatal(err)
	}
	_, err := s.Policies.Apply(t.Context(), s.Alice, set(vitrine.Put(&vitrine.Principal{ID: "bob", Kind: vitrine.User})))
	wantKind(t, err, vitrine.ErrInvalid)
}

// What runs with a change stands with it or not at all.
func TestApplyWith(t *testing.T) {
	s := identitytest.New(t, "")
	_, err := s.Policies.ApplyWith(t.Context(), s.Alice, set(vitrine.Put(project("a"))), func(tx *store.Tx) error { return tx.SetMeta("with", "a") })
	if err != nil {
		t.Fatal(err)
	}
	fail := errors.New("no room")
	_, err = s.Policies.ApplyWith(t.Context(), s.Alice, set(vitrine.Put(project("b"))), func(tx *store.Tx) error {
		return errors.Join(tx.SetMeta("with", "b"), fail)
	})
	if !errors.Is(err, fail) {
		t.Errorf("got %v", err)
	}
	value, _, err := s.Store.Meta(t.Context(), "with")
	if err != nil || value != "a" {
		t.Errorf("stands %q, %v, want a", value, err)
	}
	now, err := s.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := now.Project("b"); ok {
		t.Error("the change stands without what had to run with it")
	}
	if e := s.Last(); e.Outcome != vitrine.Broken {
		t.Errorf("the log says %+v", e)
	}
}

func TestApplyNothing(t *testing.T) {
	s := identitytest.New(t, "")
	now, err := s.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Policies.Apply(t.Context(), s.Alice, set())
	if err != nil || a.Revision != now.Revision() {
		t.Errorf("got %+v, %v, want revision %d", a, err, now.Revision())
	}
	_, err = s.Policies.Apply(t.Context(), access.Caller{}, set())
	wantKind(t, err, vitrine.ErrUnauthenticated)
}

// Two nodes change the policy at the same time: every change stands, none is
// lost, and both end at the same revision.
func TestTwoNodesApplyAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := identitytest.New(t, url)
		nodes := []*identitytest.Node{s.Node, s.Join(t, s.Clock)}
		start, err := s.Source.Current()
		if err != nil {
			t.Fatal(err)
		}
		const each = 10
		var wg sync.WaitGroup
		var mu sync.Mutex
		applied := map[int64]vitrine.ID{}
		for n, node := range nodes {
			for i := range each {
				wg.Go(func() {
					id := vitrine.ID(fmt.Sprintf("p-%d-%d", n, i))
					for {
						a, err := node.Policies.Apply(t.Context(), s.Alice, set(vitrine.Put(project(id))))
						if errors.Is(err, vitrine.ErrConflict) {
							continue // too many in the way: a caller would try again too
						}
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						defer mu.Unlock()
						if other, twice := applied[a.Revision]; twice {
							t.Errorf("revision %d is both %s and %s", a.Revision, other, id)
						}
						applied[a.Revision] = id
						return
					}
				})
			}
		}
		wg.Wait()
		for n, node := range nodes {
			if err := node.Source.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			now, err := node.Source.Current()
			if err != nil {
				t.Fatal(err)
			}
			if now.Revision() != start.Revision()+int64(len(nodes)*each) {
				t.Errorf("node %d is at revision %d, want %d", n, now.Revision(), start.Revision()+int64(len(nodes)*each))
			}
			if got := len(now.Objects(vitrine.KindProject)); got != len(nodes)*each {
				t.Errorf("node %d has %d projects, want %d", n, got, len(nodes)*each)
			}
		}
	})
}

// A dataset with images in it stays: their keys would be where nobody reaches
// them.
func TestDatasetWithImagesStays(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	err := s.Store.Maintain(t.Context(), func(tx *store.Tx) error {
		return tx.PutImage(&store.ImageRow{Image: vitrine.Image{ID: "i1", Dataset: "drafts", Project: "renders", Category: vitrine.Generated,
			Tier: vitrine.Internal, Created: s.Clock.Now(), Version: 1}, Key: []byte("k")})
	})
	if err != nil {
		t.Fatal(err)
	}
	gone := set(vitrine.Delete(vitrine.Ref{Kind: vitrine.KindDataset, ID: "drafts"}))
	_, err = s.Policies.Apply(t.Context(), s.Alice, gone)
	if e := wantKind(t, err, vitrine.ErrConflict); e.Code != "dataset_not_empty" {
		t.Errorf("code %q", e.Code)
	}
	err = s.Store.Maintain(t.Context(), func(tx *store.Tx) error { _, err := tx.DestroyImage("i1", 1); return err })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Policies.Apply(t.Context(), s.Alice, gone); err != nil {
		t.Fatal(err)
	}
}

// What a caller does with its set afterwards is its own affair.
func TestApplyKeepsNothingOfTheCallers(t *testing.T) {
	s := identitytest.New(t, "")
	p := project("mine")
	p.Name = "before"
	s.Apply(s.Alice, vitrine.Put(p))
	p.Name = "after"
	now, err := s.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := now.Project("mine"); !ok || got.Name != "before" {
		t.Errorf("the policy in use changed to %+v", got)
	}
}
