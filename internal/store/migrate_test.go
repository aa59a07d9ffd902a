package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// old is the URL of a database as an old version of the program left it.
func old(t *testing.T, version string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", version+".sql"))
	if err != nil {
		t.Fatal(err)
	}
	url := storetest.SQLite(t)
	execute(t, url, string(text))
	return url
}

// A database of the first version opens, keeps everything and goes on.
func TestUpgrade(t *testing.T) {
	s := storetest.Start(t, old(t, "version-1"))
	storetest.Verify(t, s)
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

	entries, err := s.Entries(t.Context(), store.EntryQuery{After: -1})
	if err != nil || len(entries) != 4 {
		t.Fatalf("%d entries, %v; want 4", len(entries), err)
	}
	want := *opened(3)
	want.Seq, want.Time, want.Personal.EndUser = 3, at.Add(3*time.Second), "Zoë"
	if diff := cmp.Diff(want, entries[3]); diff != "" {
		t.Errorf("the last entry (-want +got):\n%s", diff)
	}

	image := imageRow(1, "d")
	image.Version, image.Created = 1, image.Created.UTC()
	got, err := s.Image(t.Context(), image.ID)
	if diff := cmp.Diff(image, got); err != nil || diff != "" {
		t.Errorf("image: %v (-want +got):\n%s", err, diff)
	}
	if b, err := s.Blob(t.Context(), string(image.ID)+"/original"); err != nil || string(b.Inline) != "\x00\x01\xff'" {
		t.Errorf("blob: %+v, %v", b, err)
	}
	if l, err := s.LinkByHash(t.Context(), "h"); err != nil || l.Image != image.ID || !l.Expires.Equal(at) {
		t.Errorf("link: %+v, %v", l, err)
	}
	if secret, origin, err := s.CredentialSecret(t.Context(), "c"); err != nil || secret.Reveal() != "secret" || origin != "https://a.example" {
		t.Errorf("secret: %s, %v", origin, err)
	}
	if u, err := s.KeyUse(t.Context(), "k"); err != nil || u.Address != "192.0.2.1" || !u.Last.Equal(at) {
		t.Errorf("key use: %+v, %v", u, err)
	}
	if r, err := s.Reply(t.Context(), "ann", "i"); err != nil || r.Status != 200 || string(r.Body) != "body" {
		t.Errorf("reply: %+v, %v", r, err)
	}
	charges := []store.Charge{{Budget: "b", Subject: "ann", Start: vitrine.Daily.Start(at)}}
	if b, err := s.Balances(t.Context(), charges); err != nil || b[0].Spent != 7 || b[0].Reserved != 5 {
		t.Errorf("balance: %+v, %v", b, err)
	}
	if u, err := s.Usage(t.Context(), store.UsageQuery{By: "end_user"}); err != nil || len(u) != 1 || u[0].Group != "Zoë" || u[0].Cost != 7 {
		t.Errorf("usage: %+v, %v", u, err)
	}
	if n, note, err := s.LatestCheckpoint(t.Context()); n != 2 || note != "note" || err != nil {
		t.Errorf("checkpoint: %d, %q, %v", n, note, err)
	}
	rev, objects, _, err := s.Policy(t.Context())
	if diff := cmp.Diff([]vitrine.Object{&vitrine.Project{ID: "p", Name: "Renders"}}, objects); rev != 2 || err != nil || diff != "" {
		t.Errorf("policy %d, %v (-want +got):\n%s", rev, err, diff)
	}
	if objects, err := s.PolicyAt(t.Context(), 1); err != nil || len(objects) != 2 {
		t.Errorf("policy at 1: %v, %v", objects, err)
	}

	jobs, err := s.LeaseJobs(t.Context(), "mask", 1, time.Hour)
	if err != nil || len(jobs) != 1 || string(jobs[0].Args) != "args" {
		t.Errorf("jobs: %+v, %v", jobs, err)
	}
	if r, err := s.Commit(t.Context(), opened(4), func(tx *store.Tx) error { return tx.Release("r-2") }); err != nil || r.Seq != 4 {
		t.Errorf("a new act: %+v, %v", r, err)
	}
	storetest.Verify(t, s)
}

// A database of a newer program is refused, and left as it is.
func TestFutureIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		_, stop := storetest.StartUntil(t, url)
		stop()
		execute(t, url, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, TRUE)`)
		execute(t, url, `DROP TABLE meta`) // would be missed
		s, err := store.Open(t.Context(), store.Config{URL: url, Seal: storetest.Key})
		if err == nil || !strings.Contains(err.Error(), "the database has version 99") || !strings.Contains(err.Error(), "newer program") {
			t.Errorf("got %v; want a refusal that names version 99", err)
		}
		if err == nil {
			t.Error(s.Close())
		}
		if _, ok, err := store.ReadMeta(t.Context(), url, "x"); ok || err != nil {
			t.Errorf("the table that was gone: %v, %v", ok, err)
		}
	})
}
