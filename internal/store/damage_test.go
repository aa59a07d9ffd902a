package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// damaged is a store with something of everything, started again after a
// statement was run behind its back: what it remembers cannot be damaged.
func damaged(t *testing.T, url, text string, args ...any) *store.Store {
	t.Helper()
	s, stop := storetest.StartUntil(t, url)
	for i := range int64(3) {
		_, err := s.Commit(t.Context(), opened(i), func(tx *store.Tx) error {
			return errors.Join(putImage(i)(tx),
				tx.PutCredentialSecret("c", "https://a.example", "r"),
				tx.RotateCredentialSecret("c", "https://a.example", "s", time.Now().Add(time.Hour)),
				tx.Enqueue("mask", []byte{byte(i)}, time.UnixMicro(i+1)),
				tx.Reserve(string(imageRow(i, "").ID), 1, nil, time.UnixMicro(1)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	stop()
	execute(t, url, text, args...)
	return storetest.Start(t, url)
}

// What somebody changed in the database is an error, never "absent", and never
// stops what it does not concern.
func TestDamage(t *testing.T) {
	first := string(imageRow(0, "").ID)
	image := func(t *testing.T, s *store.Store) error {
		_, err := s.Image(t.Context(), vitrine.ID(first))
		return err
	}
	for _, test := range []struct {
		name string
		text string
		look func(t *testing.T, s *store.Store) error // of what was damaged
	}{
		{"an image's detail moved", `UPDATE images SET sealed = (SELECT sealed FROM images WHERE id = 'img-000000001') WHERE id = '` + first + `'`, image},
		{"an image's tier changed", `UPDATE images SET tier = tier % 4 + 1 WHERE id = '` + first + `'`, image},
		{"an image given away", `UPDATE images SET owner = 'eve' WHERE id = '` + first + `'`, image},
		{"an image in another dataset", `UPDATE images SET dataset = 'open' WHERE id = '` + first + `'`, image},
		{"an image listed under another tier", `UPDATE images SET cell = cell - 1 WHERE id = '` + first + `'`, image},
		{"a secret's origin changed", `UPDATE credential_secrets SET origin = 'https://evil.example'`,
			func(t *testing.T, s *store.Store) error {
				_, _, err := s.CredentialSecret(t.Context(), "c")
				return err
			}},
		{"a retired secret's end put off", `UPDATE retired_secrets SET until = until + 1`,
			func(t *testing.T, s *store.Store) error {
				_, err := s.RetiredSecret(t.Context(), "c", time.Now())
				return err
			}},
		{"a retired secret's origin changed", `UPDATE retired_secrets SET origin = 'https://evil.example'`,
			func(t *testing.T, s *store.Store) error {
				_, err := s.RetiredSecret(t.Context(), "c", time.Now())
				return err
			}},
		{"a reservation's charges moved", `UPDATE reservations SET sealed = (SELECT sealed FROM reservations WHERE id = 'img-000000001') WHERE id = '` + first + `'`,
			func(t *testing.T, s *store.Store) error {
				_, err := s.Commit(t.Context(), opened(9), func(tx *store.Tx) error { return tx.Release(first) })
				return err
			}},
		{"an entry gone", `DELETE FROM log WHERE seq = 1`,
			func(t *testing.T, s *store.Store) error {
				return s.LogRows(t.Context(), 0, 3, func(store.LogRow) error { return nil })
			}},
		{"an entry's hash cut", `UPDATE log SET hash = leaf WHERE seq = 1`,
			func(t *testing.T, s *store.Store) error {
				return s.LogRows(t.Context(), 0, 3, func(store.LogRow) error { return nil })
			}},
		{"an entry's leaf no leaf", `UPDATE log SET leaf = hash WHERE seq = 1`,
			func(t *testing.T, s *store.Store) error {
				_, err := s.Entries(t.Context(), store.EntryQuery{After: -1})
				return err
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, url string) {
				s := damaged(t, url, test.text)
				if err := test.look(t, s); err == nil || errors.Is(err, vitrine.ErrNotFound) {
					t.Errorf("got %v; want an error that is not absence", err)
				}
				if _, err := s.Commit(t.Context(), opened(4), putImage(4)); err != nil {
					t.Errorf("another act: %v", err)
				}
			})
		})
	}
}

// A head that does not fit the log stops it: what is recorded after it could
// not be proved. Once it was put right, the same store goes on.
func TestDamagedHead(t *testing.T) {
	for _, text := range []string{
		`UPDATE log_head SET size = 2`,
		`UPDATE log_head SET state = root`,
		`DELETE FROM log_head`,
	} {
		t.Run(text, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, url string) {
				s := damaged(t, url, `CREATE TABLE saved AS SELECT * FROM log_head`)
				execute(t, url, text)
				for range 2 {
					if _, err := s.Commit(t.Context(), opened(4), set("x")); !errors.Is(err, store.ErrUnrecorded) {
						t.Errorf("got %v; want unrecorded", err)
					}
				}
				if has(t, s, "x") {
					t.Error("the act stands")
				}
				execute(t, url, `DELETE FROM log_head`)
				execute(t, url, `INSERT INTO log_head SELECT * FROM saved`)
				if r, err := s.Commit(t.Context(), opened(4), set("x")); err != nil || r.Seq != 3 {
					t.Errorf("put right: %+v, %v", r, err)
				}
				storetest.Verify(t, s)
			})
		})
	}
}

// One job that cannot be read must not stop the others.
func TestDamagedJob(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s := damaged(t, url, `UPDATE jobs SET sealed = (SELECT sealed FROM credential_secrets) WHERE run_at = 1`)
		jobs, err := s.LeaseJobs(t.Context(), "mask", 10, time.Hour)
		if err != nil || len(jobs) != 2 || jobs[0].Args[0] != 1 || jobs[1].Args[0] != 2 {
			t.Errorf("got %+v, %v; want the other two", jobs, err)
		}
		var cause string
		if err := raw(t, url).QueryRow(`SELECT last_error FROM jobs WHERE attempts = 0`).Scan(&cause); err != nil || !strings.Contains(cause, "arguments") {
			t.Errorf("the job says %q, %v", cause, err)
		}
	})
}

// A person whose key was damaged can still be recorded, under a new one.
func TestDamagedPerson(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		s, stop := storetest.StartUntil(t, url)
		if _, err := s.Commit(t.Context(), opened(0), nil); err != nil {
			t.Fatal(err)
		}
		stop() // nothing is remembered any more
		execute(t, url, `UPDATE person_keys SET sealed = $1`, []byte("nothing that opens"))
		s = storetest.Start(t, url)
		if _, err := s.Commit(t.Context(), opened(0), nil); err != nil {
			t.Errorf("got %v; the log must go on", err)
		}
		got, err := s.Entries(t.Context(), store.EntryQuery{After: 0})
		if err == nil && (len(got) != 1 || got[0].Personal.Address == "") {
			t.Errorf("the new entry opens as %+v", got)
		}
		if !errors.Is(err, seal.ErrSealed) {
			t.Errorf("what the damaged key sealed: got %v; want %v", err, seal.ErrSealed)
		}
		storetest.Verify(t, s)
	})
}

// One image that does not open takes no others out of a list, and pages go on
// behind it.
func TestDamagedImageInAList(t *testing.T) {
	for _, text := range []string{
		`UPDATE images SET sealed = data_key WHERE id = 'img-000000001'`,
		`UPDATE images SET tier = tier + 256 WHERE id = 'img-000000001'`,
		`UPDATE images SET category = -1 WHERE id = 'img-000000001'`,
	} {
		storetest.Each(t, func(t *testing.T, url string) {
			s := damaged(t, url, text)
			set := store.ImageSet{Datasets: []vitrine.ID{"dataset-1"}, Cells: ^uint32(0)}
			for _, limit := range []int{1, 2, 3, 10} {
				var good, bad []vitrine.ID
				q := store.ImageQuery{Sets: []store.ImageSet{set}, Limit: limit}
				for full := true; full; {
					page, err := s.Images(t.Context(), q)
					if err != nil {
						t.Fatalf("%s: %v", text, err)
					}
					for _, m := range page.Rows {
						good = append(good, m.ID)
					}
					bad, full, q.After = append(bad, page.Damaged...), page.Full, page.Last
				}
				if len(good) != 2 || len(bad) != 1 || bad[0] != "img-000000001" {
					t.Errorf("%s, in pages of %d: got %q and damaged %q; want two and one", text, limit, good, bad)
				}
			}
			if _, err := s.Image(t.Context(), "img-000000001"); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%s: the image itself: got %v; want damaged", text, err)
			}
		})
	}
}
