// Package storetest is the suite that a database passes to be used by package
// store, and what tests of other packages need to have one.
//
// Each gives a test every database there is to test on, each time an empty one:
// SQLite in a temporary directory and, where VITRINE_TEST_POSTGRES names a
// database, a schema of its own there. Start opens a store in it and runs the
// committer until the test ends.
//
// Run holds what package store promises and a caller can see from outside. What
// only shows when the database fails, package store tests itself.
package storetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// Each runs fn on every database, each time an empty one. In CI PostgreSQL must
// be there.
func Each(t *testing.T, fn func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite(t)) })
	base := os.Getenv("VITRINE_TEST_POSTGRES")
	if base == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("VITRINE_TEST_POSTGRES must name a database in CI")
		}
		return
	}
	t.Run("postgres", func(t *testing.T) { fn(t, Schema(t, base)) })
}

// SQLite is the URL of a database that is not there yet.
func SQLite(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "vitrine.db")
}

// Schema is the URL of a PostgreSQL database with a schema of its own, that is
// not there yet.
func Schema(t testing.TB, base string) string {
	t.Helper()
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("VITRINE_TEST_POSTGRES: %v", err)
	}
	q := u.Query()
	q.Set("search_path", "t"+hex.EncodeToString(b[:]))
	u.RawQuery = q.Encode()
	return u.String()
}

// Key is the installation key of every store that Start opens.
var Key = seal.Key{'v', 'i', 't', 'r', 'i', 'n', 'e'}

// Start opens a store and runs it until the test ends.
func Start(t testing.TB, url string) *store.Store {
	t.Helper()
	s, stop := StartUntil(t, url)
	t.Cleanup(stop)
	return s
}

// StartUntil opens a store and runs it until stop is called.
func StartUntil(t testing.TB, url string) (s *store.Store, stop func()) {
	t.Helper()
	s, err := store.Open(context.Background(), store.Config{URL: url, Seal: Key, Node: t.Name()})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	return s, func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("run the store: %v", err)
		}
	}
}

// Run tests what a store promises. empty answers the URL of an empty database
// for each test.
func Run(t *testing.T, empty func(t testing.TB) string) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s *store.Store)
	}{
		{"commit answers its place", testCommit},
		{"a refused act leaves its entry alone", testRefused},
		{"an act that went on after a failure", testSwallowed},
		{"hostile entries", testHostileEntries},
		{"savepoints nest", testNested},
		{"maintenance leaves no entry", testMaintain},
		{"an act that was queued is taken back", testLeave},
		{"an act that has started is carried through", testCarriedThrough},
		{"the order is dense", testDense},
		{"search the log", testSearch},
		{"pages of the log", testLogPages},
		{"more scopes than a statement takes", testManyScopes},
		{"who waits for the log is woken", testAppended},
		{"checkpoints", testCheckpoints},
		{"tiles of the log", testTiles},
		{"the tile at the edge of the log", testEdgeTile},
		{"a person is forgotten", testForget},
		{"forgetting that was undone", testForgetUndone},
		{"images keep what they were given", testImage},
		{"ids compare by bytes", testImageOrder},
		{"one change of an image wins", testImageSwap},
		{"destroy an image", testDeleteImage},
		{"delete an image and restore it", testRestoreImage},
		{"images whose time has come", testDueImages},
		{"legal holds", testHolds},
		{"leases", testLeases},
		{"cells of lists", testCells},
		{"pages of images", testImagePages},
		{"lists of many datasets", testManyDatasets},
		{"blobs", testBlobs},
		{"links", testLinks},
		{"reserve and settle", testMoney},
		{"a budget is never overspent", testOverspend},
		{"debt", testDebt},
		{"alerts", testAlerts},
		{"expired reservations", testExpired},
		{"sums of usage", testUsage},
		{"end users of usage", testEndUsers},
		{"replies", testReplies},
		{"jobs", testJobs},
		{"a job is leased once", testLease},
		{"secrets of credentials", testSecrets},
		{"rotated secrets", testRotatedSecrets},
		{"uses of keys", testKeyUses},
		{"meta", testMeta},
		{"texts that only one engine holds", testBadText},
		{"policy", testPolicy},
		{"an id is never used again", testIDUsed},
		{"conflicts of policy", testPolicyConflicts},
		{"any past policy", testPolicyAt},
		{"deleting a credential deletes its secret", testPolicyCleans},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := Start(t, empty(t))
			test.run(t, s)
			Verify(t, s)
		})
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T, url string)
	}{
		{"two nodes take turns", testNodes},
		{"one forgets, the other's keys too", testNodesForget},
		{"a restart goes on", testRestart},
		{"many start together", testStartTogether},
		{"another key is refused", testOtherKey},
		{"nothing before and after", testNotRunning},
		{"meta without the key", testReadMeta},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, empty(t)) })
	}
}

// epoch is a time that microseconds can hold and milliseconds cannot.
var epoch = time.Date(2026, 3, 1, 12, 30, 0, 123_456_000, time.UTC)

// act is an entry to commit.
func act(name string) *vitrine.Entry {
	return &vitrine.Entry{Act: name, Outcome: vitrine.Allowed, Actor: "ann", ActorKind: vitrine.User, Time: epoch}
}

// do commits an act that must not fail.
func do(t testing.TB, s *store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if _, err := s.Commit(t.Context(), act("test"), fn); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// try commits an act and answers its error.
func try(t testing.TB, s *store.Store, fn func(*store.Tx) error) error {
	t.Helper()
	_, err := s.Commit(t.Context(), act("test"), fn)
	return err
}

// isError checks that err is of a kind and has a code.
func isError(t testing.TB, what string, err, kind error, code string) {
	t.Helper()
	var e *vitrine.Error
	if !errors.Is(err, kind) || !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: got %v; want %v with code %q", what, err, kind, code)
	}
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
