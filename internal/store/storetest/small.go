package storetest

import (
	"bytes"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

func testLinks(t *testing.T, s *store.Store) {
	first := store.Link{ID: "l-1", Hash: "aa", Image: "img", Rendition: vitrine.Masked, Principal: "ann", Credential: "k-1",
		Created: epoch, Expires: epoch.Add(time.Hour)}
	second := first
	second.ID, second.Hash, second.Created = "L-1", "AA", epoch.Add(time.Microsecond)
	for _, l := range []store.Link{first, second} {
		do(t, s, func(tx *store.Tx) error { return tx.PutLink(&l) })
	}
	for name, l := range map[string]store.Link{"id": {ID: "l-1", Hash: "bb"}, "hash": {ID: "l-2", Hash: "aa"}} {
		isError(t, "the same "+name, try(t, s, func(tx *store.Tx) error { return tx.PutLink(&l) }), vitrine.ErrConflict, "id_used")
	}
	links, err := s.Links(t.Context(), "img")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "links", links, []store.Link{second, first})

	do(t, s, func(tx *store.Tx) error { return tx.UseLink("l-1") })
	do(t, s, func(tx *store.Tx) error { return tx.UseLink("l-1") })
	do(t, s, func(tx *store.Tx) error { return tx.RevokeLink("l-1", epoch) })
	isError(t, "use a revoked link", try(t, s, func(tx *store.Tx) error { return tx.UseLink("l-1") }), vitrine.ErrNotFound, "not_found")
	isError(t, "revoke twice", try(t, s, func(tx *store.Tx) error { return tx.RevokeLink("l-1", epoch) }), vitrine.ErrNotFound, "not_found")
	isError(t, "use an absent link", try(t, s, func(tx *store.Tx) error { return tx.UseLink("l-9") }), vitrine.ErrNotFound, "not_found")
	got, err := s.LinkByHash(t.Context(), "aa")
	if err != nil {
		t.Fatal(err)
	}
	first.Uses, first.Revoked = 2, epoch
	equal(t, "a revoked link", *got, first)
	_, err = s.LinkByHash(t.Context(), "cc")
	isError(t, "an unknown hash", err, vitrine.ErrNotFound, "not_found")
}

func testReplies(t *testing.T, s *store.Store) {
	r := store.Reply{Key: "k", Principal: "ann", Request: "hash", Created: epoch}
	claim := func(tx *store.Tx) error { return tx.ClaimReply(&r) }
	do(t, s, claim)
	isError(t, "claim twice", try(t, s, claim), vitrine.ErrConflict, "idempotency_key_in_use")
	got, err := s.Reply(t.Context(), "ann", "k")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "one that is running", *got, r)

	other := r
	other.Request, other.Status = "another hash", 200
	isError(t, "finish another request", try(t, s, func(tx *store.Tx) error { return tx.FinishReply(&other) }), vitrine.ErrNotFound, "not_found")
	r.Status, r.Body = 200, bytes.Repeat([]byte("x"), 1<<20)
	do(t, s, func(tx *store.Tx) error { return tx.FinishReply(&r) })
	if got, err = s.Reply(t.Context(), "ann", "k"); err != nil {
		t.Fatal(err)
	}
	equal(t, "a finished one", *got, r)
	_, err = s.Reply(t.Context(), "bob", "k")
	isError(t, "another's key", err, vitrine.ErrNotFound, "not_found")

	do(t, s, func(tx *store.Tx) error { return tx.SweepReplies(epoch) })
	if _, err := s.Reply(t.Context(), "ann", "k"); err != nil {
		t.Errorf("swept what was claimed at, not before: %v", err)
	}
	do(t, s, func(tx *store.Tx) error { return tx.SweepReplies(epoch.Add(time.Microsecond)) })
	_, err = s.Reply(t.Context(), "ann", "k")
	isError(t, "swept", err, vitrine.ErrNotFound, "not_found")
	do(t, s, claim)
	do(t, s, func(tx *store.Tx) error { return tx.DropReply("ann", "k") })
	do(t, s, func(tx *store.Tx) error { return tx.DropReply("ann", "k") })
	do(t, s, claim)
}

func testSecrets(t *testing.T, s *store.Store) {
	put := func(origin string, secret vitrine.Secret) {
		do(t, s, func(tx *store.Tx) error { return tx.PutCredentialSecret("c", origin, secret) })
	}
	put("https://a.example", "first")
	put("https://b.example", "second")
	secret, origin, err := s.CredentialSecret(t.Context(), "c")
	if err != nil || secret.Reveal() != "second" || origin != "https://b.example" {
		t.Errorf("got %q for %s, %v", secret.Reveal(), origin, err)
	}
	_, _, err = s.CredentialSecret(t.Context(), "C")
	isError(t, "in another case", err, vitrine.ErrNotFound, "not_found")
	for range 2 {
		do(t, s, func(tx *store.Tx) error { return tx.DeleteCredentialSecret("c") })
	}
	_, _, err = s.CredentialSecret(t.Context(), "c")
	isError(t, "deleted", err, vitrine.ErrNotFound, "not_found")
}

func testRotatedSecrets(t *testing.T, s *store.Store) {
	const origin = "https://a.example"
	end := epoch.Add(time.Hour)
	rotate := func(to string, secret vitrine.Secret, until time.Time) error {
		_, err := s.Commit(t.Context(), act("rotate"), func(tx *store.Tx) error { return tx.RotateCredentialSecret("c", to, secret, until) })
		return err
	}
	wants := func(what, now, before string, at time.Time) {
		t.Helper()
		if secret, _, err := s.CredentialSecret(t.Context(), "c"); err != nil || secret.Reveal() != now {
			t.Errorf("%s: the secret is %q, %v; want %q", what, secret.Reveal(), err, now)
		}
		r, err := s.RetiredSecret(t.Context(), "c", at)
		if before == "" {
			isError(t, what, err, vitrine.ErrNotFound, "not_found")
		} else if err != nil || r.Secret.Reveal() != before || r.Origin != origin || !r.Until.After(at) {
			t.Errorf("%s: the one before is %q for %q until %s, %v; want %q", what, r.Secret.Reveal(), r.Origin, r.Until, err, before)
		}
	}
	isError(t, "of nothing", rotate(origin, "one", end), vitrine.ErrConflict, "no_secret")
	do(t, s, func(tx *store.Tx) error { return tx.PutCredentialSecret("c", origin, "one") })
	isError(t, "of another origin's", rotate("https://b.example", "two", end), vitrine.ErrConflict, "no_secret")
	wants("not rotated", "one", "", epoch)
	if err := rotate(origin, "two", end); err != nil {
		t.Fatal(err)
	}
	wants("rotated", "two", "one", epoch)
	wants("just before the end", "two", "one", end.Add(-time.Microsecond))
	wants("at the end", "two", "", end)
	if err := rotate(origin, "three", end.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	wants("rotated again", "three", "two", end)

	drop := func(at time.Time) error {
		_, err := s.Commit(t.Context(), act("rotate"), func(tx *store.Tx) error { return tx.DeleteRetiredSecret("c", at) })
		return err
	}
	if all, err := s.RetiredSecrets(t.Context(), end, 10); err != nil || len(all) != 0 {
		t.Errorf("had their time: %v, %v", all, err)
	}
	isError(t, "too early", drop(end), vitrine.ErrNotFound, "not_found")
	end = end.Add(time.Hour)
	if all, err := s.RetiredSecrets(t.Context(), end, 10); err != nil || len(all) != 1 || all[0] != "c" {
		t.Errorf("had their time: %v, %v", all, err)
	}
	if err := drop(end); err != nil {
		t.Error(err)
	}
	isError(t, "twice", drop(end), vitrine.ErrNotFound, "not_found")

	for what, end := range map[string]func(tx *store.Tx) error{
		"put anew": func(tx *store.Tx) error { return tx.PutCredentialSecret("c", origin, "five") },
		"deleted":  func(tx *store.Tx) error { return tx.DeleteCredentialSecret("c") },
	} {
		do(t, s, func(tx *store.Tx) error { return tx.PutCredentialSecret("c", origin, "four") })
		if err := rotate(origin, "five", epoch.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		do(t, s, end)
		_, err := s.RetiredSecret(t.Context(), "c", epoch)
		isError(t, what, err, vitrine.ErrNotFound, "not_found")
	}
}

func testKeyUses(t *testing.T, s *store.Store) {
	if u, err := s.KeyUse(t.Context(), "k"); err != nil || u != (store.KeyUse{Key: "k"}) {
		t.Errorf("never used: got %+v, %v", u, err)
	}
	late := store.KeyUse{Key: "k", Last: epoch, Address: "10.0.0.1", UserAgent: "curl"}
	early := store.KeyUse{Key: "k", Last: epoch.Add(-time.Microsecond), Address: "10.0.0.2"}
	do(t, s, func(tx *store.Tx) error { return tx.TouchKeys([]store.KeyUse{late, early}) })
	u, err := s.KeyUse(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "last use", u, late)
}

func testMeta(t *testing.T, s *store.Store) {
	if v, ok, err := s.Meta(t.Context(), "k"); v != "" || ok || err != nil {
		t.Errorf("unset: got %q, %v, %v", v, ok, err)
	}
	for _, want := range []string{"a", "", "b\n'ü"} {
		do(t, s, func(tx *store.Tx) error {
			if err := tx.SetMeta("k", want); err != nil {
				return err
			}
			if v, ok, err := tx.Meta("k"); v != want || !ok || err != nil {
				t.Errorf("inside: got %q, %v, %v; want %q", v, ok, err, want)
			}
			return nil
		})
		if v, ok, err := s.Meta(t.Context(), "k"); v != want || !ok || err != nil {
			t.Errorf("got %q, %v, %v; want %q", v, ok, err, want)
		}
	}
	if _, ok, err := s.Meta(t.Context(), "K"); ok || err != nil {
		t.Errorf("in another case: got %v, %v", ok, err)
	}
}

// PostgreSQL holds no NUL and no broken UTF-8, so no database may.
func testBadText(t *testing.T, s *store.Store) {
	for _, bad := range []string{"\x00", "a\x00b", "\xff", "\xed\xa0\x80"} {
		isError(t, "write", try(t, s, func(tx *store.Tx) error { return tx.ClaimReply(&store.Reply{Key: bad, Principal: "ann"}) }), vitrine.ErrInvalid, "bad_text")
		_, err := s.Reply(t.Context(), "ann", bad)
		isError(t, "read", err, vitrine.ErrInvalid, "bad_text")
		_, err = s.Links(t.Context(), vitrine.ID(bad))
		isError(t, "list", err, vitrine.ErrInvalid, "bad_text")
		_, err = s.Entries(t.Context(), store.EntryQuery{Actor: vitrine.ID(bad)})
		isError(t, "search", err, vitrine.ErrInvalid, "bad_text")
	}
}
