// Package identitytest is the lower half of a system for tests: store, policy,
// guard and directory, with two owners, on SQLite and, where one is named, on
// PostgreSQL. Whole systems, with images and fronts, are vitrinetest's.
//
// When a test ends it fails if a ticket was dropped.
package identitytest

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// Clock is the real time, moved on as a test wants.
type Clock struct{ ahead atomic.Int64 }

// Now is the time.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

// Address is where requests of tests come from.
var Address = netip.MustParseAddr("192.0.2.7")

// Node is one node: its own snapshot, guard and services.
type Node struct {
	T         testing.TB
	Clock     *Clock
	Store     *store.Store
	Source    *policy.Source
	Guard     *access.Guard
	Policies  *policy.Policies
	Directory *identity.Directory
}

// System is a node with an initialized organization.
type System struct {
	*Node
	Seal   seal.Key
	URL    string
	Owners []identity.Owner
	Alice  access.Caller // the owners, enrolled
	Adam   access.Caller
}

// Fresh is a node on a database of its own with nothing in it.
func Fresh(t testing.TB, url string) *System {
	t.Helper()
	if url == "" {
		url = storetest.SQLite(t)
	}
	s := &System{Seal: seal.NewKey(), URL: url}
	s.Node = s.Join(t, new(Clock))
	return s
}

// New is a system whose owners have enrolled.
func New(t testing.TB, url string) *System {
	t.Helper()
	s := Fresh(t, url)
	s.Init()
	s.Alice, s.Adam = s.Owner(0), s.Owner(1)
	return s
}

// Join opens another node on the same database.
func (s *System) Join(t testing.TB, clock *Clock) *Node {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{URL: s.URL, Seal: s.Seal, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	n := open(t, st, clock)
	t.Cleanup(func() {
		if open := n.Guard.Open(); len(open) > 0 {
			t.Errorf("dropped tickets: %v", open)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func open(t testing.TB, st *store.Store, clock *Clock) *Node {
	t.Helper()
	n := &Node{T: t, Clock: clock, Store: st}
	var err error
	if n.Source, err = policy.Open(t.Context(), st, clock.Now); err != nil {
		t.Fatal(err)
	}
	n.Guard, err = access.NewGuard(access.Config{Policy: n.Source.Current, Refresh: n.Source.Refresh, Store: st, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if n.Policies, err = policy.New(n.Source, n.Guard, st); err != nil {
		t.Fatal(err)
	}
	n.Directory, err = identity.New(identity.Config{Policies: n.Policies, Guard: n.Guard, Store: st, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Init initializes with alice and adam as owners.
func (s *System) Init() {
	s.T.Helper()
	_, owners, err := s.Directory.Init(s.T.Context(), "Acme", []string{"alice@example.com", "adam@example.com"}, false)
	if err != nil {
		s.T.Fatal(err)
	}
	s.Owners = owners
}

// Owner is an owner by her first key, which enrols her.
func (s *System) Owner(i int) access.Caller { s.T.Helper(); return s.As(s.Owners[i].Secret) }

// Show is a request with a key.
func (n *Node) Show(key vitrine.Secret) identity.Presented {
	return identity.Presented{Key: key, Address: Address, UserAgent: "test/1", Request: "req-1"}
}

// As is the caller with a key.
func (n *Node) As(key vitrine.Secret) access.Caller {
	n.T.Helper()
	by, err := n.Directory.Authenticate(n.T.Context(), n.Show(key))
	if err != nil {
		n.T.Fatalf("authenticate: %v", err)
	}
	return by
}

// Apply applies changes.
func (n *Node) Apply(by access.Caller, changes ...vitrine.Change) policy.Applied {
	n.T.Helper()
	a, err := n.Policies.Apply(n.T.Context(), by, &vitrine.ChangeSet{Changes: changes})
	if err != nil {
		n.T.Fatalf("apply: %v", err)
	}
	return a
}

// Issue issues a key and answers the caller with it.
func (n *Node) Issue(by access.Caller, k identity.NewKey) (access.Caller, identity.Issued) {
	n.T.Helper()
	i, err := n.Directory.IssueKey(n.T.Context(), by, k)
	if err != nil {
		n.T.Fatalf("issue a key for %s: %v", k.Principal, err)
	}
	return n.As(i.Secret), i
}

// Person makes a person with roles, each written role or role@scope, and
// answers the caller with a new key.
func (s *System) Person(id vitrine.ID, bindings ...vitrine.Binding) access.Caller {
	s.T.Helper()
	changes := []vitrine.Change{vitrine.Put(&vitrine.Principal{ID: id, Kind: vitrine.User, Email: string(id) + "@example.com"})}
	for i, b := range bindings {
		b.ID, b.Principal = vitrine.ID(fmt.Sprintf("%s-%d", id, i)), id
		changes = append(changes, vitrine.Put(&b))
	}
	s.Apply(s.Alice, changes...)
	by, _ := s.Issue(s.Alice, identity.NewKey{Principal: id})
	return by
}

// Renders makes a project with a dataset that images are born internal in.
func (s *System) Renders() {
	s.T.Helper()
	s.Apply(s.Alice,
		vitrine.Put(&vitrine.Project{ID: "renders", Environment: vitrine.Production}),
		vitrine.Put(&vitrine.Dataset{ID: "drafts", Project: "renders", Category: vitrine.Generated, BirthTier: vitrine.Internal}),
	)
}

// Log answers all entries, oldest first.
func (n *Node) Log() []vitrine.Entry {
	n.T.Helper()
	var all []vitrine.Entry
	after := int64(-1)
	for {
		page, err := n.Store.Entries(n.T.Context(), store.EntryQuery{After: after, Limit: 500})
		if err != nil {
			n.T.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1].Seq
	}
}

// Last is the newest entry.
func (n *Node) Last() vitrine.Entry {
	n.T.Helper()
	all := n.Log()
	if len(all) == 0 {
		n.T.Fatal("the log is empty")
	}
	return all[len(all)-1]
}
