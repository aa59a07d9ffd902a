package storetest

import (
	"errors"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

// from commits an act by actor from an address, for an end user.
func from(t *testing.T, s *store.Store, actor vitrine.ID, address, endUser string, fn func(*store.Tx) error) {
	t.Helper()
	e := act("test")
	e.Actor, e.Personal = actor, vitrine.Personal{Address: address, EndUser: endUser}
	if _, err := s.Commit(t.Context(), e, fn); err != nil {
		t.Fatal(err)
	}
}

// addresses are the personal parts of all entries, "" where they are gone.
func personal(t *testing.T, s *store.Store) (addresses, endUsers []string) {
	t.Helper()
	for _, e := range entries(t, s, store.EntryQuery{After: -1}) {
		addresses, endUsers = append(addresses, e.Personal.Address), append(endUsers, e.Personal.EndUser)
	}
	return addresses, endUsers
}

func testForget(t *testing.T, s *store.Store) {
	from(t, s, "ann", "10.0.0.1", "", nil)
	from(t, s, "bob", "10.0.0.2", "Zoë", nil)
	from(t, s, "", "10.0.0.3", "", nil)
	_, before, _, err := s.LogSize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	addresses, users := personal(t, s)
	equal(t, "addresses", addresses, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"})
	equal(t, "end users", users, []string{"", "Zoë", ""})

	from(t, s, "bob", "10.0.0.2", "", func(tx *store.Tx) error { return tx.Forget("ann") })
	addresses, _ = personal(t, s)
	equal(t, "addresses without ann", addresses, []string{"", "10.0.0.2", "10.0.0.3", "10.0.0.2"})

	// What comes later is sealed under a new key, which forgetting again ends.
	from(t, s, "ann", "10.0.0.4", "", nil)
	addresses, _ = personal(t, s)
	equal(t, "ann is back", addresses, []string{"", "10.0.0.2", "10.0.0.3", "10.0.0.2", "10.0.0.4"})
	for _, person := range []string{"ann", s.EndUser("Zoë"), "", "nobody"} {
		do(t, s, func(tx *store.Tx) error { return tx.Forget(person) })
	}
	addresses, users = personal(t, s)
	equal(t, "only bob is left", addresses, []string{"", "10.0.0.2", "", "10.0.0.2", "", "", "", "", ""})
	equal(t, "without end users", users, make([]string, 9))

	// An act that forgets its own actor is itself told under the new key, also
	// where the node remembers the old one.
	from(t, s, "bob", "10.0.0.5", "", nil)
	from(t, s, "bob", "10.0.0.6", "", func(tx *store.Tx) error { return tx.Forget("bob") })
	addresses, _ = personal(t, s)
	equal(t, "bob's last", addresses, append(make([]string, 10), "10.0.0.6"))

	// The entries that were there keep their hashes: the old root still holds.
	if got := rootAt(t, s, 3); got != before {
		t.Errorf("the root over the first three entries is %s; it was %s", got, before)
	}
}

// A forgetting that was undone must not make the node believe that it knows
// the keys of after the next one.
func testForgetUndone(t *testing.T, s *store.Store) {
	e := act("test")
	e.Personal.Address = "10.0.0.1"
	_, err := s.Commit(t.Context(), e, func(tx *store.Tx) error {
		return errors.Join(tx.Forget("ann"), vitrine.ErrConflict)
	})
	if !errors.Is(err, vitrine.ErrConflict) {
		t.Fatal(err)
	}
	addresses, _ := personal(t, s)
	equal(t, "nobody was forgotten", addresses, []string{"10.0.0.1"})

	do(t, s, func(tx *store.Tx) error { return tx.Forget("ann") })
	from(t, s, "ann", "10.0.0.2", "", nil)
	addresses, _ = personal(t, s)
	equal(t, "ann was forgotten and is back", addresses, []string{"", "", "10.0.0.2"})
}
