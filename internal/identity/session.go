package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/rbac"
)

// How long sessions live.
const (
	sessionLife    = 8 * time.Hour
	longestSession = 24 * time.Hour
	sessionKept    = 24 * time.Hour // after its end it is still shown
	maxSessions    = 200            // of one key at a time
)

// NewSession is what starting a session asks; zero fields are defaults.
type NewSession struct {
	Name    string        `json:"name,omitempty"`
	Roles   []vitrine.ID  `json:"roles,omitempty"` // active from the start
	All     bool          `json:"all,omitempty"`   // all roles of the key's holder, as far as the key has them
	Expires time.Duration `json:"-"`               // 8 hours by default, 24 at most, and never after the key
}

// StartSession starts a session of the caller with the key in use, and answers
// its secret (CreateSession of ANSI INCITS 359). Roles that break a dynamic
// separation of duty together are refused with CodeSession, and so is a role
// that the caller does not hold. Of a session, roles are active by name alone: a
// role that is given to its holder later must be activated.
func (d *Directory) StartSession(ctx context.Context, by access.Caller, n NewSession) (Issued, error) {
	id := newID("")
	a := sessionAct("start", id, by.Principal)
	var out Issued
	applied, err := d.change(ctx, by, a, policy.Options{Issuing: true}, func(now *rbac.Policy) (*vitrine.ChangeSet, error) {
		parent, ok := now.Key(by.Credential)
		if !ok || parent.Session() {
			return nil, vitrine.Invalid("key", "no_key", "A session is started with a key, not with another session.")
		}
		k, err := d.newSession(now, parent, n)
		if err != nil {
			return nil, err
		}
		k.ID = id
		out.Secret = newKeyText(kindSession, id)
		k.Hash = hash(out.Secret)
		out.Key = *k
		return &vitrine.ChangeSet{Reason: "session started", Changes: []vitrine.Change{vitrine.Put(k)}}, nil
	})
	return out.done(applied, err)
}

func sessionAct(op string, id, owner vitrine.ID) access.Act {
	return access.Act{Permission: vitrine.KeyIssue, Op: "session " + op, Resource: vitrine.Resource{Kind: vitrine.KindKey, ID: id, Owner: owner}}
}

// newSession is a session of a key, without a secret yet.
func (d *Directory) newSession(now *rbac.Policy, parent *vitrine.Key, n NewSession) (*vitrine.Key, error) {
	switch {
	case n.Expires < 0 || n.Expires > longestSession:
		return nil, vitrine.Invalid("expires_in", "out_of_bounds", "A session lives 24 hours at most.")
	case n.All && len(n.Roles) > 0:
		return nil, vitrine.Invalid("roles", "roles", "Either some roles or all.")
	case len(n.Name) > maxName || len(n.Roles) > maxRoles:
		return nil, vitrine.Invalid("name", "too_long", fmt.Sprintf("At most %d bytes of name and %d roles.", maxName, maxRoles))
	}
	if n.Expires == 0 {
		n.Expires = sessionLife
	}
	at := d.now().UTC().Truncate(time.Microsecond)
	if sessionsOf(now, parent.ID, at) >= maxSessions {
		return nil, &vitrine.Error{Kind: vitrine.ErrConflict, Code: "too_many_sessions",
			Public: fmt.Sprintf("This key has %d sessions. End some first: vitrine session ls.", maxSessions)}
	}
	k := *parent
	k.Parent, k.First, k.Name, k.Previous, k.PreviousUntil = parent.ID, false, n.Name, "", time.Time{}
	k.IssuedBy, k.Created, k.Expires = parent.Principal, at, at.Add(n.Expires)
	if !parent.Expires.IsZero() && parent.Expires.Before(k.Expires) {
		k.Expires = parent.Expires
	}
	if k.Roles = dedup(n.Roles); slices.ContainsFunc(k.Roles, func(id vitrine.ID) bool { return !now.Holds(k.Principal, id) }) {
		return nil, notHeld()
	}
	if n.All {
		k.Roles = parent.Roles
		if len(parent.Roles) == 0 {
			k.Roles = now.Roles(parent.Principal)
		}
	}
	return &k, nil
}

// sessionsOf counts the sessions of a key that have not ended.
func sessionsOf(now *rbac.Policy, key vitrine.ID, at time.Time) (n int) {
	for _, o := range now.Objects(vitrine.KindKey) {
		if k, ok := o.(*vitrine.Key); ok && k.Parent == key && k.Revoked.IsZero() && at.Before(k.Expires) {
			n++
		}
	}
	return n
}

// notHeld is the one answer for a role that is not there and one that the
// caller does not hold.
func notHeld() error {
	return vitrine.Invalid("roles", "unknown_role", "There is no such role, or it is not assigned to whose session this is.")
}

func dedup(ids []vitrine.ID) []vitrine.ID {
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}

// SetActive makes a role active in a session, or drops it (AddActiveRole and
// DropActiveRole of ANSI INCITS 359): with the session itself or with the key
// that it was started with. "" is the session in use.
func (d *Directory) SetActive(ctx context.Context, by access.Caller, session, role vitrine.ID, active bool) (int64, error) {
	if session == "" {
		session = by.Credential
	}
	op, reason := "drop", "role dropped"
	if active {
		op, reason = "activate", "role activated"
	}
	a := sessionAct(op, session, "")
	applied, err := d.change(ctx, by, a, policy.Options{Issuing: true}, func(now *rbac.Policy) (*vitrine.ChangeSet, error) {
		was, ok := now.Key(session)
		if !ok || !was.Session() {
			return nil, missing(refOf(a))
		}
		if active && !now.Holds(was.Principal, role) {
			return nil, notHeld()
		}
		k := *was
		switch i := slices.Index(was.Roles, role); {
		case active == (i >= 0):
			return &vitrine.ChangeSet{}, nil
		case active:
			k.Roles = append(slices.Clone(was.Roles), role)
		default:
			k.Roles = slices.Delete(slices.Clone(was.Roles), i, i+1)
		}
		if len(k.Roles) > maxRoles {
			return nil, vitrine.Invalid("roles", "too_many", fmt.Sprintf("At most %d active roles.", maxRoles))
		}
		return &vitrine.ChangeSet{Reason: reason, Changes: []vitrine.Change{vitrine.Put(&k)}}, nil
	})
	return applied.Revision, err
}

// overtakes ends what was started with the earlier secret of a key when that
// secret ends.
func overtakes(now *rbac.Policy, k *vitrine.Key) []vitrine.Change {
	var all []vitrine.Change
	for _, o := range now.Objects(vitrine.KindKey) {
		s, ok := o.(*vitrine.Key)
		if !ok || s.Parent != k.ID || !s.Revoked.IsZero() || !s.Expires.After(k.PreviousUntil) {
			continue
		}
		c := *s
		c.Expires = k.PreviousUntil
		all = append(all, vitrine.Put(&c))
	}
	return all
}

// sweptAtOnce bounds the sessions that one change set clears away.
const sweptAtOnce = 500

// sweep deletes sessions that ended a day ago: their lives stand in the log.
func (d *Directory) sweep(ctx context.Context) error {
	now, err := d.guard.Policy(access.Caller{})
	if err != nil {
		return err
	}
	set := &vitrine.ChangeSet{Reason: "ended sessions cleared away"}
	for _, o := range now.Objects(vitrine.KindKey) {
		k, ok := o.(*vitrine.Key)
		if !ok || !k.Session() || !k.Expires.Add(sessionKept).Before(d.now()) || len(set.Changes) == sweptAtOnce {
			continue
		}
		c := vitrine.Delete(k.Ref())
		c.IfRevision = now.ChangedAt(k.Ref())
		set.Changes = append(set.Changes, c)
	}
	if len(set.Changes) == 0 {
		return nil
	}
	system := access.Caller{Subject: rbac.Subject{System: true}, Request: "system"}
	_, err = d.policies.ApplyAs(ctx, system, set, policy.Options{Op: "session sweep", Issuing: true})
	return err
}
