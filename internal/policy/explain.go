package policy

import (
	"context"
	"slices"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
)

// Explain answers why subject may or may not use perm on r, with every binding
// that was considered. Asking about oneself is free and recorded; asking about
// somebody else needs access.explain where r lies. Of a thing that the caller
// may not know of it says what is said of what is absent.
func (p *Policies) Explain(ctx context.Context, by access.Caller, subject vitrine.ID, perm vitrine.Permission, r vitrine.Resource) (rbac.Explanation, error) {
	now, err := p.question(ctx, by, "explain", perm)
	if err != nil {
		return rbac.Explanation{}, err
	}
	self := subject == "" || subject == by.Principal
	t, err := p.about(ctx, by, now, self, "explain", r)
	if err != nil {
		return rbac.Explanation{}, err
	}
	q := rbac.Question{Subject: by.Subject, Permission: perm, Resource: r, At: t.Entry().Time}
	if !self {
		if _, ok := now.Principal(subject); !ok {
			return rbac.Explanation{}, t.Refuse(ctx, string(vitrine.CodeAbsent), access.NotFound())
		}
		q.Subject = rbac.Subject{Principal: subject}
	}
	x := now.Explain(&q)
	if self && x.Decision.Hidden && r.ID != "" {
		return rbac.Explanation{}, t.Refuse(ctx, string(x.Decision.Code), access.NotFound())
	}
	if agent, ok := now.Principal(by.Principal); self && by.For != "" && ok && agent.Owner != by.For {
		x = hers(x, by.For)
	}
	if _, err := t.Record(ctx); err != nil {
		return rbac.Explanation{}, err
	}
	return x, nil
}

// hers leaves of what is explained to an agent the part of the person for whom it
// acts. Anybody may let an agent act for her; what it holds itself, and where, is
// for its owner to know.
func hers(x rbac.Explanation, person vitrine.ID) rbac.Explanation {
	x.Bindings = slices.DeleteFunc(x.Bindings, func(c rbac.Considered) bool { return len(c.Path) == 0 || c.Path[0] != person })
	x.Denies = nil
	x.Decision.Binding, x.Decision.Role, x.Decision.Deny, x.Decision.Erred = "", "", "", ""
	return x
}

// Who lists who may use perm on r. It needs access.explain where r lies.
func (p *Policies) Who(ctx context.Context, by access.Caller, perm vitrine.Permission, r vitrine.Resource) ([]rbac.Holder, error) {
	now, err := p.question(ctx, by, "who", perm)
	if err != nil {
		return nil, err
	}
	t, err := p.about(ctx, by, now, false, "who", r)
	if err != nil {
		return nil, err
	}
	holders := now.Who(perm, r, t.Entry().Time)
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return holders, nil
}

// question is the snapshot to answer a question about a permission from.
func (p *Policies) question(ctx context.Context, by access.Caller, op string, perm vitrine.Permission) (*rbac.Policy, error) {
	if _, ok := perm.Info(); !ok {
		return nil, p.guard.Reject(ctx, by, access.Act{Permission: vitrine.AccessExplain, Op: op},
			vitrine.Invalid("permission", "unknown_permission", "There is no such permission."))
	}
	return p.snapshot(ctx, by, vitrine.AccessExplain, op)
}

// about asks whether by may be told about access to r. What is absent lies
// nowhere: who may not be told about everything is answered as for what is hidden.
func (p *Policies) about(ctx context.Context, by access.Caller, now *rbac.Policy, self bool, op string, r vitrine.Resource) (*access.Ticket, error) {
	at := system(now)
	switch {
	case r.Scope != "":
		at.Scope = r.Scope
	case r.ID != "" && !now.Decide(&rbac.Question{Subject: by.Subject, Permission: vitrine.AccessExplain, Resource: at, At: p.source.now()}).Allow:
		at = vitrine.Resource{ID: r.ID}
	}
	a := access.Act{Permission: vitrine.AccessExplain, Op: op, Resource: at}
	var t *access.Ticket
	var err error
	if self {
		t, err = p.guard.Self(ctx, by, a)
	} else {
		t, err = p.guard.Check(ctx, by, a)
	}
	if err != nil {
		return nil, err
	}
	e := t.Entry()
	e.Kind, e.Resource, e.Category, e.Tier = r.Kind, r.ID, r.Category, r.Tier
	return t, nil
}

// Matrix is the access control matrix: what each role may do with each category
// and tier. It needs role.view for the whole organization.
func (p *Policies) Matrix(ctx context.Context, by access.Caller) ([]rbac.MatrixRow, error) {
	now, err := p.snapshot(ctx, by, vitrine.RoleView, "matrix")
	if err != nil {
		return nil, err
	}
	t, err := p.guard.Check(ctx, by, access.Act{Permission: vitrine.RoleView, Op: "matrix", Resource: system(now)})
	if err != nil {
		return nil, err
	}
	rows := now.Matrix()
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return rows, nil
}
