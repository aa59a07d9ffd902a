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
// of bindings has a table by scope. Memory grows with the number of bindings and
// memberships, never with their product.
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
	kinds    [kindCount]objects

	scopeOf names
	scopes  []*scope // by number; nil was deleted
	roleOf  names
	roles   []*role
	whoOf   names
	who     []*principal
	held    []*held // bindings by number of the principal that holds them; nil is none
	keys    layered[*key]

	rules     rules
	programs  map[string]*cond.Program
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

// Organization is the root scope; nil before init.
func (p *Policy) Organization() *vitrine.Organization { return p.org }

// Object is the object that ref names.
func (p *Policy) Object(ref vitrine.Ref) (vitrine.Object, bool) {
	i := kindNumber(ref.Kind)
	if i < 0 {
		return nil, false
	}
	e, _ := p.kinds[i].get(ref.ID)
	return e.object, e.object != nil
}

// ChangedAt is the revision at which the object last changed (for If-Match); 0
// where there is none.
func (p *Policy) ChangedAt(ref vitrine.Ref) int64 {
	i := kindNumber(ref.Kind)
	if i < 0 {
		return 0
	}
	e, _ := p.kinds[i].get(ref.ID)
	if e.object == nil {
		return 0
	}
	return e.changed
}

// Objects lists all objects of a kind, ordered by id. The list is shared and
// must not be changed.
func (p *Policy) Objects(k vitrine.Kind) []vitrine.Object {
	i := kindNumber(k)
	if i < 0 {
		return nil
	}
	return p.kinds[i].sorted()
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
	groups := make([]vitrine.ID, 0, len(w.reach)-1)
	for _, g := range w.reach[1:] {
		groups = append(groups, p.who[g].object.ID)
	}
	return groups
}

// within reports whether a scope is top or lies below it.
func (p *Policy) within(id, top vitrine.ID) bool {
	i, ok := p.scope(id)
	j, ok2 := p.scope(top)
	return ok && ok2 && p.scopes[i].in(j)
}

// reaching lists the bindings that reach a principal: its own, then those of
// all its groups.
func (p *Policy) reaching(id vitrine.ID) []*vitrine.Binding {
	w := p.principal(id)
	if w == nil {
		return nil
	}
	var all []*vitrine.Binding
	for _, h := range w.reach {
		all = append(all, p.held[h].bindings()...)
	}
	return all
}

// principal is the compiled principal, or nil.
func (p *Policy) principal(id vitrine.ID) *principal {
	i, ok := p.whoOf.get(id)
	if !ok {
		return nil
	}
	return p.who[i]
}

// role is the compiled role, or nil.
func (p *Policy) role(id vitrine.ID) *role {
	i, ok := p.roleOf.get(id)
	if !ok {
		return nil
	}
	return p.roles[i]
}

// scope is the number of a scope that there is.
func (p *Policy) scope(id vitrine.ID) (int32, bool) {
	i, ok := p.scopeOf.get(id)
	return i, ok && p.scopes[i] != nil
}
