// Package vitrinetest is a running system for tests: owners, policy, people and
// images in one call each. It is built through package app on a directory of
// its own, served over real HTTP on loopback, and torn down with the test.
//
// When the test ends it fails if a ticket was dropped: an act that was allowed
// and neither recorded, spent nor refused is a hole.
package vitrinetest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/config"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/policyfile"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// System is a running installation.
type System struct {
	*app.App
	T      testing.TB
	Config *config.Config
	URL    string // http://127.0.0.1:PORT
	Owners []identity.Owner

	stop func() error
}

// Option changes how a system is made.
type Option func(*options)

type options struct {
	solo, unenrolled bool
	policy           string
	database         string
	blobs, secrets   string
	now              func() time.Time
}

// Solo makes an installation for one person.
func Solo() Option { return func(o *options) { o.solo = true } }

// Unenrolled leaves the owners' first keys unused, so that only set-up works.
func Unenrolled() Option { return func(o *options) { o.unenrolled = true } }

// Policy applies a policy file's text as the first owner.
func Policy(text string) Option { return func(o *options) { o.policy = text } }

// Database names a database other than SQLite in the data directory.
func Database(url string) Option { return func(o *options) { o.database = url } }

// Blobs puts larger images into a bucket, with a file of credentials for it.
func Blobs(url, credentials string) Option {
	return func(o *options) { o.blobs, o.secrets = url, credentials }
}

// Clock sets the system's time.
func Clock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// Each runs fn on every database.
func Each(t *testing.T, fn func(t *testing.T, database Option)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, url string) { fn(t, Database(url)) })
}

// New makes and starts a system. The owners have enrolled unless told
// otherwise; provider addresses on loopback are allowed.
func New(t testing.TB, opts ...Option) *System {
	t.Helper()
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	dir := t.TempDir()
	c := &config.Config{
		Data: filepath.Join(dir, "data"), KeyFile: filepath.Join(dir, "kek"), Checkpoints: filepath.Join(dir, "checkpoints"),
		Database: o.database, AllowPrivateProviders: true, Blobs: o.blobs, BlobsCredentials: o.secrets,
	}
	emails := []string{"alice@example.com", "adam@example.com"}
	if o.solo {
		emails = emails[:1]
	}
	made, err := app.Init(t.Context(), c, app.InitRequest{Organization: "acme", Owners: emails, Solo: o.solo, Now: o.now})
	if err != nil {
		t.Fatal(err)
	}
	s := &System{T: t, Config: c, Owners: made.Owners}
	s.Start(o.now)
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	if !o.unenrolled {
		for i := range s.Owners {
			s.Owner(i)
		}
	}
	if o.policy != "" {
		s.Apply(o.policy)
	}
	return s
}

// Start opens and serves the installation; New has done so already.
func (s *System) Start(now func() time.Time) {
	s.T.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.T.Fatal(err)
	}
	s.URL = "http://" + ln.Addr().String()
	s.Config.Listen, s.Config.PublicURL = ln.Addr().String(), s.URL
	s.App, err = app.Open(ctx, s.Config, app.Options{Now: now, Logger: slog.New(slog.NewTextHandler(logTo{s.T}, nil))})
	if err != nil {
		s.T.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.ServeOn(ctx, ln) }()
	s.stop = func() error {
		cancel()
		err := <-done
		if open := s.Guard.Open(); len(open) > 0 {
			s.T.Errorf("tickets dropped: %s", strings.Join(open, "; "))
		}
		if e := s.App.Close(); err == nil {
			err = e
		}
		return err
	}
}

// Join starts another node on the same database and bucket, with a directory of
// its own.
func (s *System) Join() *System {
	s.T.Helper()
	dir := s.T.TempDir()
	c := *s.Config
	c.Data, c.Checkpoints = filepath.Join(dir, "data"), filepath.Join(dir, "checkpoints")
	if err := os.Mkdir(c.Data, 0o700); err != nil {
		s.T.Fatal(err)
	}
	n := &System{T: s.T, Config: &c, Owners: s.Owners}
	n.Start(nil)
	s.T.Cleanup(func() {
		if err := n.Stop(); err != nil {
			s.T.Error(err)
		}
	})
	return n
}

// Stop drains and closes the system. Stopping twice does nothing.
func (s *System) Stop() error {
	if s.stop == nil {
		return nil
	}
	stop := s.stop
	s.stop = nil
	return stop()
}

type logTo struct{ t testing.TB }

func (l logTo) Write(p []byte) (int, error) {
	fmt.Fprintf(l.t.Output(), "%s", p)
	return len(p), nil
}

// Owner is the i-th owner as a caller.
func (s *System) Owner(i int) access.Caller {
	s.T.Helper()
	return s.Caller(s.Owners[i].Secret)
}

// Caller authenticates a key from loopback.
func (s *System) Caller(key vitrine.Secret) access.Caller {
	s.T.Helper()
	by, err := s.Directory.Authenticate(s.T.Context(), identity.Presented{
		Key: key, Address: netip.MustParseAddr("127.0.0.1"), Request: "req-test",
	})
	if err != nil {
		s.T.Fatalf("authenticate: %v", err)
	}
	return by
}

// Key issues a key of a principal, as the first owner; fill more than the
// principal to narrow it.
func (s *System) Key(n identity.NewKey) vitrine.Secret {
	s.T.Helper()
	k, err := s.Directory.IssueKey(s.T.Context(), s.Owner(0), n)
	if err != nil {
		s.T.Fatalf("issue a key for %s: %v", n.Principal, err)
	}
	return k.Secret
}

// As is a principal as a caller, with a key of its own.
func (s *System) As(principal vitrine.ID) access.Caller {
	s.T.Helper()
	return s.Caller(s.Key(identity.NewKey{Principal: principal}))
}

// Apply applies a policy file's text as the first owner and answers the revision.
func (s *System) Apply(text string) int64 {
	s.T.Helper()
	rev, err := s.TryApply(s.Owner(0), text)
	if err != nil {
		s.T.Fatalf("apply policy: %v", err)
	}
	return rev
}

// TryApply applies a policy file's text as by.
func (s *System) TryApply(by access.Caller, text string) (int64, error) {
	objects, err := policyfile.Parse(fstest.MapFS{"policy.yaml": {Data: []byte(text)}}, "policy.yaml")
	if err != nil {
		return 0, err
	}
	set, err := s.Policies.Plan(s.T.Context(), by, objects, false)
	if err != nil {
		return 0, err
	}
	done, err := s.Policies.Apply(s.T.Context(), by, set)
	return done.Revision, err
}
