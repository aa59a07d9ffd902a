package vitrine_test

import (
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

// TestRevocationAtEveryNode holds the last line of the decision table: who loses
// a key, a session, a role, a membership or her account is refused by the next
// request on the node where that was done, and on another one by every request
// that begins a second later, in the meantime maybe.
func TestRevocationAtEveryNode(t *testing.T) {
	vitrinetest.Each(t, func(t *testing.T, database vitrinetest.Option) {
		a := vitrinetest.New(t, database, vitrinetest.Policy(`
people:
  kay: {}
  sam: {}
  rob: {}
  mia: {}
  pat: {}
groups:
  readers: {members: [mia]}
bindings:
  - {role: security-auditor, principals: [kay, sam, rob, readers, pat], scope: org}
`))
		nodes := []*vitrinetest.System{a}
		if strings.HasPrefix(a.Config.Database, "postgres") {
			nodes = append(nodes, a.Join())
		}
		owner := a.Owner(0)
		for _, tt := range []struct {
			name, who string
			session   bool
			revoke    func(key identity.Issued) (int64, error)
			want      int
		}{
			{"key", "kay", false, func(k identity.Issued) (int64, error) { return a.Directory.RevokeKey(t.Context(), owner, k.Key.ID) }, 401},
			{"session", "sam", true, func(k identity.Issued) (int64, error) { return a.Directory.RevokeKey(t.Context(), owner, k.Key.ID) }, 401},
			{"binding", "rob", false, func(identity.Issued) (int64, error) { return unbind(t, a, owner, "rob") }, 404},
			{"membership", "mia", false, func(identity.Issued) (int64, error) {
				return a.Directory.SetMember(t.Context(), owner, "readers", "mia", false)
			}, 404},
			{"account", "pat", false, func(identity.Issued) (int64, error) { return a.Directory.SetDisabled(t.Context(), owner, "pat", true) }, 401},
		} {
			t.Run(tt.name, func(t *testing.T) {
				k, err := a.Directory.IssueKey(t.Context(), owner, identity.NewKey{Principal: vitrine.ID(tt.who)})
				if err == nil && tt.session {
					k, err = a.Directory.StartSession(t.Context(), a.Caller(k.Secret), identity.NewSession{All: true})
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range nodes {
					knows(t, n, k)
				}
				if _, err := tt.revoke(k); err != nil {
					t.Fatal(err)
				}
				done := time.Now()
				if got := reads(t, a, k.Secret); got != tt.want {
					t.Errorf("the next request on the same node answers %d, want %d", got, tt.want)
				}
				for _, n := range nodes[1:] {
					refuses(t, n, k.Secret, done, tt.want)
				}
			})
		}
	})
}

// reads asks for the log.
func reads(t *testing.T, n *vitrinetest.System, key vitrine.Secret) int {
	t.Helper()
	c := &cell{&doors{System: n}, t, &asker{key: key}}
	h := c.send("GET /api/v1/log", asked{})
	return h.status
}

// knows waits until a key has arrived at a node.
func knows(t *testing.T, n *vitrinetest.System, k identity.Issued) {
	t.Helper()
	c := &cell{&doors{System: n}, t, &asker{key: k.Secret}}
	for t.Context().Err() == nil {
		switch h := c.send("GET /api/v1/log", asked{}); h.status {
		case 200:
			return
		case 401, 503: // not yet
		default:
			t.Fatalf("before: %d %s", h.status, h.body)
		}
	}
}

// refuses asks a node until it refuses for the reason that it should. Meanwhile
// it may not know, or know that it does not know; a request that begins a second
// after the change was acknowledged is never answered.
func refuses(t *testing.T, n *vitrinetest.System, key vitrine.Secret, done time.Time, want int) {
	t.Helper()
	for t.Context().Err() == nil {
		late := time.Since(done) > time.Second
		got := reads(t, n, key)
		switch {
		case got == want:
			return
		case got == 200 && late:
			t.Fatal("a request that began more than a second after the revocation was answered")
		case got != 200 && got != 503:
			t.Fatalf("%d, want %d", got, want)
		}
	}
}

// unbind takes away the roles of somebody.
func unbind(t *testing.T, n *vitrinetest.System, by access.Caller, who vitrine.ID) (int64, error) {
	set := &vitrine.ChangeSet{}
	all, err := n.Policies.Objects(t.Context(), by, vitrine.KindBinding)
	if err != nil {
		return 0, err
	}
	for _, o := range all {
		if o.(*vitrine.Binding).Principal == who {
			set.Changes = append(set.Changes, vitrine.Delete(o.Ref()))
		}
	}
	done, err := n.Policies.Apply(t.Context(), by, set)
	return done.Revision, err
}
