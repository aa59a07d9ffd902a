// Package rbac is the decision engine: who may do what to which image, model
// or dataset, and how much of it they may see.
//
// A Policy is an immutable snapshot of everything that access depends on:
// roles, groups, bindings, denies, constraints, scopes, and the status of every
// principal and key. Compile makes one of objects, Apply makes the next one of
// changes. All questions are asked of a snapshot, with the instant as an
// argument, so that the answer to a question is the same on every node, in a
// simulation and in a test.
//
// # How a question is decided
//
// An access is allowed if and only if three conditions hold, and a refusal
// names the one that failed:
//
//  1. role_assigned: a binding reaches the caller, directly or through nested
//     groups, at the scope where the resource lies or above it.
//  2. role_authorized: that binding's role is enabled and active in this session
//     or key, the binding is inside its times, its condition is true, a second
//     factor is fresh where one is demanded, a key may be used for this, and no
//     dynamic separation of duty is broken.
//  3. permission: one grant of the role holds the permission for this category
//     and tier, and for the model, formats, size and n that were asked for. All
//     limits must be met by one and the same grant.
//
// Then deny rules: one match refuses. Denying a permission withholds it and
// every permission that includes it: who is denied image.view may not open or
// export either, who is denied image.open may still view. Constraints that name
// permissions (mfa, keys) reach in the same way. What is not allowed is refused.
//
// A key narrows its principal to some roles and to a scope. With a key that acts
// for a person both must be allowed, and each is asked with its own bindings. A
// service account that works in one environment may do nothing in a project of
// another.
//
// # Denied or not found
//
// A refusal is Hidden where the caller may not even know that the thing exists.
// It may if it could use some permission on things of that kind there: for an
// image one that covers its category and tier, under a binding that is in force
// and not withheld by a deny. A second factor that is not fresh does not hide.
// Deployments are known to whoever may generate with any of the project, and the
// organization to whoever may do anywhere what is asked about it.
//
// # What it does not do
//
// The package is pure: no clock, no I/O, no log, no identity. It records nothing
// and shows nothing; package access is the door that asks it. It does not know
// images, only what questions say of them.
//
// The invariant: whatever is unknown refuses. An unknown id, permission or
// category covers nothing, an unknown tier is restricted, a condition that errs
// is as if its binding were not there, the zero Subject may do nothing.
//
// The surprising choice: a decision takes no lock and allocates nothing, because
// it is asked for every picture and every row. So Compile turns ids into small
// numbers, permissions into bits and category × tier into cells, and each holder
// of bindings has a table by scope. All that a decision reads of a principal or
// a scope stands in one cache line. Memory grows with the number of bindings and
// memberships, never with their product. Tables are lists of pages, which the
// next snapshot shares but for those that a change touches: so that a change
// costs as little in a large policy as in a small one. Nothing is remembered of
// a question; there is no cache that could be wrong.
package rbac

import (
	"net/netip"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/cond"
)

// Policy is an immutable snapshot; it is safe for concurrent use. The objects
// that it was made of belong to it and must not be changed any more.
type Policy struct {
	revision int64
	org      *vitrine.Organization
	orgScope int32 // none before init
	kinds    [kindCount]table[entry]
	lists    [kindCount]*sortedList

	scopes   table[scope]
	projects []int32 // by id
	roleIDs  table[struct{}]
	roles    []*role // by number; nil was deleted
	who      table[principal]
	bindings index       // the holder of each
	keys     table[*key] // nil was deleted

	rules     rules
	least     [][nowhere + 1]int32   // by permission and cell: the role that grants least among those that grant it
	limited   set                    // permissions that some role grants within limits
	watched   map[int32][]int32      // by role of which somebody counts the holders: those who have it by a binding of their own
	owned     map[vitrine.ID][]int32 // service accounts by owner
	programs  map[string]*cond.Program
	used      int  // of programs, when that was last looked at
	settingUp bool // until the owners have enrolled only set-up acts work
}

// Subject is who asks and how. The zero Subject may do nothing.
type Subject struct {
	Principal  vitrine.ID
	Credential vitrine.ID   // key or session
	Key        bool         // by key, not by session
	Roles      []vitrine.ID // active roles of a session; nil is all. (A key's own Roles and Scope are read from the policy by Credential.)
	For        vitrine.ID   // person acted for ("" none). Read from the key in the policy for keys.
	MFA        time.Time    // when the second factor was shown; zero is never
	Address    netip.Addr
	EndUser    string
	System     bool // the system itself at init or recovery: may do what Admit allows to nobody else
}

// Question is one question: may this subject use this permission on this
// resource at that instant.
type Question struct {
	Subject    Subject
	Permission vitrine.Permission
	Resource   vitrine.Resource
	At         time.Time
}

// Revision is the number of the snapshot.
func (p *Policy) Revision() int64 { return p.revision }

// Size is about how many objects stand in the policy.
func (p *Policy) Size() int {
	n := p.who.n + int32(p.bindings.used)
	for i := range p.kinds {
		n += p.kinds[i].n
	}
	return int(n)
}

// Organization is the root scope; nil before init.
func (p *Policy) Organization() *vitrine.Organization { return p.org }

// Object is the object that ref names.
func (p *Policy) Object(ref vitrine.Ref) (vitrine.Object, bool) {
	i := kindNumber(ref.Kind)
	if i < 0 {
		return nil, false
	}
	o := p.entry(i, ref.ID).object
	return o, o != nil
}

// ChangedAt is the revision at which the object last changed (for If-Match); 0
// where there is none.
func (p *Policy) ChangedAt(ref vitrine.Ref) int64 {
	i := kindNumber(ref.Kind)
	if i < 0 {
		return 0
	}
	return p.entry(i, ref.ID).changed
}

// Objects lists all objects of a kind, ordered by id. The list is shared and
// must not be changed.
func (p *Policy) Objects(k vitrine.Kind) []vitrine.Object {
	i := kindNumber(k)
	if i < 0 {
		return nil
	}
	return p.sorted(i)
}

// Principal is the user, service account or group with that id.
func (p *Policy) Principal(id vitrine.ID) (*vitrine.Principal, bool) {
	return object[*vitrine.Principal](p, vitrine.KindPrincipal, id)
}

// Key is the key with that id.
func (p *Policy) Key(id vitrine.ID) (*vitrine.Key, bool) {
	return object[*vitrine.Key](p, vitrine.KindKey, id)
}

// Dataset is the dataset with that id.
func (p *Policy) Dataset(id vitrine.ID) (*vitrine.Dataset, bool) {
	return object[*vitrine.Dataset](p, vitrine.KindDataset, id)
}

// Project is the project with that id.
func (p *Policy) Project(id vitrine.ID) (*vitrine.Project, bool) {
	return object[*vitrine.Project](p, vitrine.KindProject, id)
}

// Deployment is the deployment with that id.
func (p *Policy) Deployment(id vitrine.ID) (*vitrine.Deployment, bool) {
	return object[*vitrine.Deployment](p, vitrine.KindDeployment, id)
}

func object[T vitrine.Object](p *Policy, k vitrine.Kind, id vitrine.ID) (T, bool) {
	o, _ := p.Object(vitrine.Ref{Kind: k, ID: id})
	t, ok := o.(T)
	return t, ok
}

// Groups lists all groups that a principal is in, directly or through others,
// ordered by id.
func (p *Policy) Groups(id vitrine.ID) []vitrine.ID {
	w := p.principal(id)
	if w == nil {
		return nil
	}
	groups := make([]vitrine.ID, 0, len(w.groups.reach))
	for _, g := range w.groups.reach {
		groups = append(groups, p.who.id(g))
	}
	return groups
}

// within reports whether a scope is top or lies below it.
func (p *Policy) within(id, top vitrine.ID) bool {
	i, ok := p.scope(id)
	j, ok2 := p.scope(top)
	return ok && ok2 && p.scopes.at(i).in(j)
}

// reaching lists the bindings that reach a principal: its own, then those of
// all its groups.
func (p *Policy) reaching(id vitrine.ID) []*bound {
	var all []*bound
	if w := p.principal(id); w != nil {
		p.anyBound(w, func(b *bound) bool {
			all = append(all, b)
			return false
		})
	}
	return all
}

// principal is the compiled principal, or nil.
func (p *Policy) principal(id vitrine.ID) *principal {
	if _, w := p.who.find(id); w.there() {
		return w
	}
	return nil
}

// role is the compiled role, or nil.
func (p *Policy) role(id vitrine.ID) *role {
	if n, ok := p.roleNumber(id); ok {
		return p.roles[n]
	}
	return nil
}

// roleNumber is the number of a role, also of one that was deleted.
func (p *Policy) roleNumber(id vitrine.ID) (int32, bool) {
	n, _ := p.roleIDs.find(id)
	return n, n != none
}

// roleID is the id of the role with a number.
func (p *Policy) roleID(n int32) vitrine.ID { return p.roleIDs.id(n) }

// scope is the number of a scope that there is.
func (p *Policy) scope(id vitrine.ID) (int32, bool) {
	i, s := p.scopes.find(id)
	return i, s != nil && s.depth > 0
}
