package storetest

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

func project(id vitrine.ID, name string) *vitrine.Project {
	return &vitrine.Project{ID: id, Name: name}
}

// apply applies changes to the revision in force.
func apply(t *testing.T, s *store.Store, changes ...vitrine.Change) error {
	t.Helper()
	from, err := s.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return try(t, s, func(tx *store.Tx) error {
		_, err := tx.ApplyChanges(from, "ann", &vitrine.ChangeSet{Reason: "a test", Changes: changes})
		return err
	})
}

func mustApply(t *testing.T, s *store.Store, changes ...vitrine.Change) {
	t.Helper()
	if err := apply(t, s, changes...); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

func policy(t *testing.T, s *store.Store) (int64, []vitrine.Object, map[vitrine.Ref]int64) {
	t.Helper()
	rev, objects, changedAt, err := s.Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rev, objects, changedAt
}

func testPolicy(t *testing.T, s *store.Store) {
	rev, objects, _ := policy(t, s)
	if rev != 0 || len(objects) != 0 {
		t.Errorf("at first: revision %d, %v", rev, objects)
	}
	a, b, upper := project("a", "ä\x00'"), project("b", ""), project("B", "")
	role := &vitrine.Role{ID: "r"}
	mustApply(t, s, vitrine.Put(role), vitrine.Put(b), vitrine.Put(a))
	mustApply(t, s, vitrine.Put(upper))
	mustApply(t, s)
	rev, objects, changedAt := policy(t, s)
	if rev != 2 {
		t.Errorf("revision %d; an empty set raises nothing", rev)
	}
	equal(t, "objects", objects, []vitrine.Object{upper, a, b, role})
	equal(t, "changed at", changedAt, map[vitrine.Ref]int64{upper.Ref(): 2, a.Ref(): 1, b.Ref(): 1, role.Ref(): 1})

	sets, err := s.ChangeSets(t.Context(), 0, 1)
	if err != nil || len(sets) != 1 {
		t.Fatalf("the first change set: %v, %v", sets, err)
	}
	if set := sets[0]; set.Revision != 1 || set.Actor != "ann" || set.Reason != "a test" || set.Time.IsZero() ||
		!reflect.DeepEqual(set.Changes, []vitrine.Change{vitrine.Put(role), vitrine.Put(b), vitrine.Put(a)}) ||
		!reflect.DeepEqual(set.Before, make([]vitrine.Object, 3)) {
		t.Errorf("the first change set: %+v", set)
	}
	mustApply(t, s, vitrine.Put(project("a", "new")), vitrine.Delete(b.Ref()))
	if sets, err = s.ChangeSets(t.Context(), 2, 0); err != nil || len(sets) != 1 {
		t.Fatalf("the last change set: %v, %v", sets, err)
	}
	equal(t, "what it replaced", sets[0].Before, []vitrine.Object{a, b})
}

func testIDUsed(t *testing.T, s *store.Store) {
	was := project("p", "one")
	mustApply(t, s, vitrine.Put(was))
	mustApply(t, s, vitrine.Delete(was.Ref()))
	isError(t, "the id for something else", apply(t, s, vitrine.Put(project("p", "two"))), vitrine.ErrConflict, "id_used")
	isError(t, "in the same set", apply(t, s, vitrine.Put(project("q", "")), vitrine.Delete(vitrine.Ref{Kind: vitrine.KindProject, ID: "q"}),
		vitrine.Put(project("q", "other"))), vitrine.ErrConflict, "id_used")
	mustApply(t, s, vitrine.Put(project("P", "two")), vitrine.Put(&vitrine.Role{ID: "p"})) // other ids
	mustApply(t, s, vitrine.Put(was))                                                      // undone: the very same again
	isError(t, "delete what is not there", apply(t, s, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindProject, ID: "none"})), vitrine.ErrNotFound, "not_found")
	for name, c := range map[string]vitrine.Change{
		"another object":       {Ref: was.Ref(), Object: project("other", "")},
		"no id":                vitrine.Put(project("", "")),
		"not of the policy":    {Ref: vitrine.Ref{Kind: vitrine.KindImage, ID: "i"}},
		"a kind there is none": {Ref: vitrine.Ref{Kind: "x", ID: "i"}},
	} {
		isError(t, name, apply(t, s, c), vitrine.ErrInvalid, "bad_change")
	}
	if rev, _, _ := policy(t, s); rev != 4 {
		t.Errorf("revision %d; what was refused raised it", rev)
	}
}

func testPolicyConflicts(t *testing.T, s *store.Store) {
	mustApply(t, s, vitrine.Put(project("p", "one")))
	mustApply(t, s, vitrine.Put(project("q", "")))
	with := func(from int64, set vitrine.ChangeSet) error {
		return try(t, s, func(tx *store.Tx) error { _, err := tx.ApplyChanges(from, "ann", &set); return err })
	}
	change := vitrine.Put(project("p", "two"))
	stale, gone := change, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindProject, ID: "none"})
	stale.IfRevision, gone.IfRevision = 2, 2
	isError(t, "an older revision", with(1, vitrine.ChangeSet{Changes: []vitrine.Change{change}}), vitrine.ErrConflict, "revision")
	isError(t, "a later revision", with(3, vitrine.ChangeSet{Changes: []vitrine.Change{change}}), vitrine.ErrConflict, "revision")
	isError(t, "made on an older revision", with(2, vitrine.ChangeSet{Changes: []vitrine.Change{change}, IfRevision: 1}), vitrine.ErrConflict, "revision")
	isError(t, "an object that changed", with(2, vitrine.ChangeSet{Changes: []vitrine.Change{stale}}), vitrine.ErrConflict, "revision")
	isError(t, "an object that is gone", with(2, vitrine.ChangeSet{Changes: []vitrine.Change{gone}}), vitrine.ErrConflict, "revision")

	var won atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := with(2, vitrine.ChangeSet{Changes: []vitrine.Change{change}}); err == nil {
				won.Add(1)
			} else {
				isError(t, "the others", err, vitrine.ErrConflict, "revision")
			}
		})
	}
	wg.Wait()
	if rev, _, _ := policy(t, s); won.Load() != 1 || rev != 3 {
		t.Errorf("%d of 20 changes of one revision won; the revision is %d", won.Load(), rev)
	}
}

// testPolicyAt does many changes and compares every past with what it was.
func testPolicyAt(t *testing.T, s *store.Store) {
	past := map[int64][]vitrine.Object{0: {}}
	for i := range 12 {
		p := project(vitrine.ID(fmt.Sprintf("p-%d", i%5)), fmt.Sprint(i))
		set := []vitrine.Change{vitrine.Put(p), vitrine.Put(&vitrine.Role{ID: vitrine.ID(fmt.Sprintf("r-%d", i))})}
		if i == 3 { // twice in one set
			set = append(set, vitrine.Put(project(p.ID, "again")))
		}
		if i == 11 {
			set = []vitrine.Change{vitrine.Delete(p.Ref()), vitrine.Delete(vitrine.Ref{Kind: vitrine.KindRole, ID: "r-0"})}
		}
		mustApply(t, s, set...)
		rev, objects, _ := policy(t, s)
		past[rev] = objects
	}
	for rev, want := range past {
		got, err := s.PolicyAt(t.Context(), rev)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprintf("at revision %d", rev), got, want)
	}
	for _, rev := range []int64{-1, 13} {
		_, err := s.PolicyAt(t.Context(), rev)
		isError(t, fmt.Sprintf("at revision %d", rev), err, vitrine.ErrNotFound, "not_found")
	}
}

func testPolicyCleans(t *testing.T, s *store.Store) {
	credential, key := &vitrine.Credential{ID: "c"}, &vitrine.Key{ID: "k"}
	mustApply(t, s, vitrine.Put(credential), vitrine.Put(key))
	do(t, s, func(tx *store.Tx) error {
		if err := tx.PutCredentialSecret("c", "https://a.example", "s"); err != nil {
			return err
		}
		return tx.TouchKeys([]store.KeyUse{{Key: "k", Last: epoch}})
	})
	mustApply(t, s, vitrine.Delete(credential.Ref()), vitrine.Delete(key.Ref()))
	_, _, err := s.CredentialSecret(t.Context(), "c")
	isError(t, "the secret", err, vitrine.ErrNotFound, "not_found")
	if u, err := s.KeyUse(t.Context(), "k"); err != nil || !u.Last.IsZero() {
		t.Errorf("the key's use: %+v, %v", u, err)
	}
}
