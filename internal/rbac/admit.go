package rbac

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"vitrine.dev/vitrine"
)

// Admit answers whether by may make these changes at that instant, and the
// policy after them at the next revision; p is unchanged. What by may is judged
// on p, what the changes lead to on the policy after them, so that no change of
// a set can rest on a right that the same set gives. In order:
//
//   - by is active and holds, for each change, the permission for its kind where
//     the object lies, and where it lay;
//   - the changes make a policy that compiles;
//   - whatever they give, in whatever disguise - a binding, a membership, a
//     grant added to a role that is bound, a deny relaxed, a key for another -
//     by holds role.bind and may give there;
//   - nothing that is always so is undone: the role Owner, a revoked key;
//   - the constraints hold in the end state: how many hold a role, always; a
//     separation of duty, for whoever did not break it before;
//   - by gives nothing to itself, to a group that it is in or to a service
//     account that it owns.
//
// The system itself (Subject.System) is asked only for the constraints. The
// refusal is a *vitrine.Error - ErrDenied with the Decision, ErrInvalid or
// ErrConflict - whose text says which rule and what to do; the decision is what
// the guard records.
func (p *Policy) Admit(by *Subject, at time.Time, set *vitrine.ChangeSet) (*Policy, vitrine.Decision, error) {
	a := admission{before: p, by: by, at: at, set: set, put: make(map[vitrine.Ref]vitrine.Object, len(set.Changes))}
	for _, c := range set.Changes {
		a.put[c.Ref] = c.Object
	}
	err := a.run()
	if err == nil {
		d := a.allowed
		d.Allow, d.Code, d.Revision, d.At = true, vitrine.CodeAllowed, p.revision, at
		return a.after, d, nil
	}
	d := vitrine.Decision{Code: "invalid"}
	var e *vitrine.Error
	if errors.As(err, &e) {
		if d.Code = vitrine.Code(e.Code); e.Decision != nil {
			d = *e.Decision
		}
	}
	d.Allow, d.Revision, d.At = false, p.revision, at
	return nil, d, err
}

// admission is one change set on its way in.
type admission struct {
	before, after *Policy
	by            *Subject
	at            time.Time
	set           *vitrine.ChangeSet
	put           map[vitrine.Ref]vitrine.Object // by what they change; nil deletes
	allowed       vitrine.Decision               // the first question's

	mine    map[vitrine.ID]bool // by, its groups, its service accounts and theirs
	waiting error               // for another person: told if nothing worse is wrong
	may     map[power]*authority
}

func (a *admission) run() error {
	if !a.by.System {
		if err := a.ask(); err != nil {
			return err
		}
	}
	after, err := a.before.Apply(a.before.revision+1, a.set.Changes)
	if err != nil {
		return invalid(err)
	}
	a.after = after
	if !a.by.System {
		a.mine = a.own()
		for _, c := range a.set.Changes {
			if err := a.gives(c); err != nil {
				return err
			}
		}
	}
	if err := a.constraints(); err != nil {
		return err
	}
	return a.waiting
}

// ask asks for the permissions that the changes need.
func (a *admission) ask() error {
	if code, ok := a.before.Live(a.by, a.at); !ok {
		d := vitrine.Decision{Code: code}
		return &vitrine.Error{Kind: vitrine.ErrUnauthenticated, Code: string(code), Public: d.Reason(), Decision: &d}
	}
	for i, c := range a.set.Changes {
		was, _ := a.before.Object(c.Ref)
		needs, err := a.needs(c, was)
		if err != nil {
			return err
		}
		for _, n := range needs {
			d, err := a.decide(n)
			if err != nil {
				return err
			}
			if i == 0 {
				a.allowed = d
			}
		}
		if err := fixed(c, was); err != nil {
			return err
		}
	}
	return nil
}

// need is a permission on a resource.
type need struct {
	perm vitrine.Permission
	on   vitrine.Resource
}

func (a *admission) decide(n need) (vitrine.Decision, error) {
	d := a.before.Decide(&Question{Subject: *a.by, Permission: n.perm, Resource: n.on, At: a.at})
	if d.Allow {
		return d, nil
	}
	d.Permission = n.perm
	return d, &vitrine.Error{Kind: vitrine.ErrDenied, Code: string(d.Code), Param: ref(n.on), Public: d.Reason(), Decision: &d}
}

func ref(r vitrine.Resource) string { return vitrine.Ref{Kind: r.Kind, ID: r.ID}.String() }

// needs is what a change needs: the permission for its kind, where the object
// lies and where it lay. was is nil where there was none.
func (a *admission) needs(c vitrine.Change, was vitrine.Object) ([]need, error) {
	if a.bereaved(was, c.Object) {
		return nil, nil
	}
	perm := edits[c.Ref.Kind]
	switch {
	case perm == "" && c.Ref.Kind != vitrine.KindKey:
		return nil, vitrine.Invalid(c.Ref.String(), "unknown_kind", "This kind does not stand in the policy.")
	case was == nil && c.Object == nil:
		return nil, a.absent(c.Ref, cmp.Or(perm, vitrine.KeyRevoke))
	case c.Ref.Kind == vitrine.KindKey:
		return a.needsOfKey(c, was)
	}
	var places []vitrine.ID
	if was != nil {
		places = append(places, a.place(was, true))
	}
	if c.Object != nil {
		if place := a.place(c.Object, was != nil); len(places) == 0 || places[0] != place {
			places = append(places, place)
		}
	}
	if restaged(was, c.Object) {
		places = append(places, a.root())
	}
	var all []need
	for _, place := range places {
		r := vitrine.Resource{Kind: c.Ref.Kind, ID: c.Ref.ID, Scope: place}
		switch {
		case c.Ref.Kind == vitrine.KindDeployment:
			_, r.Model, _ = vitrine.SplitDeployment(c.Ref.ID)
		case c.Ref.Kind == vitrine.KindBinding && was == nil:
			if b, ok := c.Object.(*vitrine.Binding); ok {
				r.ID = b.Scope // whoever asks to bind somewhere knows the place, if there is one
			}
		}
		all = append(all, need{perm, r})
	}
	return all, nil
}

// absent is the refusal to delete what is not there. Whoever could not delete it
// anywhere is told what is said of what is hidden; others, that it is not there.
func (a *admission) absent(at vitrine.Ref, perm vitrine.Permission) error {
	_, err := a.decide(need{perm, vitrine.Resource{Kind: at.Kind, ID: at.ID, Scope: a.root()}})
	if err == nil {
		return nil
	}
	d := vitrine.Decision{Permission: perm, Code: vitrine.CodeAbsent, Failed: vitrine.FailedAssigned, Hidden: true}
	return &vitrine.Error{Kind: vitrine.ErrDenied, Code: string(d.Code), Param: at.String(), Decision: &d, Err: err}
}

// edits is the permission that a change of a kind needs. Keys have their own
// rules.
var edits = map[vitrine.Kind]vitrine.Permission{
	vitrine.KindOrganization: vitrine.SystemEdit,
	vitrine.KindProject:      vitrine.ProjectEdit,
	vitrine.KindDataset:      vitrine.DatasetEdit,
	vitrine.KindDeployment:   vitrine.ModelDeploy,
	vitrine.KindProvider:     vitrine.ProviderEdit,
	vitrine.KindCredential:   vitrine.ProviderEdit,
	vitrine.KindPrincipal:    vitrine.PrincipalEdit,
	vitrine.KindRole:         vitrine.RoleEdit,
	vitrine.KindBinding:      vitrine.RoleBind,
	vitrine.KindDeny:         vitrine.DenyEdit,
	vitrine.KindConstraint:   vitrine.ConstraintEdit,
	vitrine.KindBudget:       vitrine.BudgetEdit,
}

// bereaved reports whether a change deletes what a principal leaves behind that
// the same set deletes: whoever may delete the one may delete the other.
func (a *admission) bereaved(was, now vitrine.Object) bool {
	if was == nil || now != nil {
		return false
	}
	gone := func(id vitrine.ID) bool {
		o, changed := a.put[vitrine.Ref{Kind: vitrine.KindPrincipal, ID: id}]
		return changed && o == nil
	}
	switch o := was.(type) {
	case *vitrine.Binding:
		return gone(o.Principal)
	case *vitrine.Key:
		return gone(o.Principal) || o.For != "" && gone(o.For)
	case *vitrine.Budget:
		return (o.Kind == vitrine.BudgetPrincipal || o.Kind == vitrine.BudgetGroup) && gone(vitrine.ID(o.Subject))
	}
	return false
}

// restaged reports whether a project changes its environment, on which
// conditions and service accounts depend that are not its own.
func restaged(was, now vitrine.Object) bool {
	w, ok := was.(*vitrine.Project)
	n, ok2 := now.(*vitrine.Project)
	return ok && ok2 && w.Environment != n.Environment
}

// place is where an object lies: for a scope that there is, itself; for a new
// one, where it will lie.
func (a *admission) place(o vitrine.Object, there bool) vitrine.ID {
	scope := a.root()
	switch o := o.(type) {
	case *vitrine.Project:
		if there {
			scope = o.ID
		}
	case *vitrine.Dataset:
		if scope = o.Project; there {
			scope = o.ID
		}
	case *vitrine.Deployment:
		if scope = o.Project; there {
			scope = o.ID
		}
	case *vitrine.Binding:
		scope = o.Scope
	case *vitrine.Deny:
		scope = o.Scope
	case *vitrine.Constraint:
		scope = o.Scope
	case *vitrine.Budget:
		if o.Kind == vitrine.BudgetProject && vitrine.ID(o.Subject) != vitrine.Everyone {
			scope = vitrine.ID(o.Subject)
		}
	}
	return a.present(scope)
}

// root is the organization's id.
func (a *admission) root() vitrine.ID {
	if a.before.org == nil {
		return ""
	}
	return a.before.org.ID
}

// present is the scope itself where it is there already, or the nearest one
// above that is.
func (a *admission) present(scope vitrine.ID) vitrine.ID {
	if _, ok := a.before.scope(scope); ok {
		return scope
	}
	project, _, _ := vitrine.SplitDeployment(scope)
	if d, ok := a.put[vitrine.Ref{Kind: vitrine.KindDataset, ID: scope}].(*vitrine.Dataset); ok {
		project = d.Project
	}
	if _, ok := a.before.scope(project); ok {
		return project
	}
	return a.root()
}

// invalid is the error for changes that make no policy.
func invalid(err error) error {
	var e *vitrine.Error
	if errors.As(err, &e) {
		return err
	}
	e = &vitrine.Error{Kind: vitrine.ErrInvalid, Code: "invalid_policy", Public: "These changes make no policy.", Err: err}
	var problems Problems
	if errors.As(err, &problems) && len(problems) > 0 {
		first := problems[0]
		if e.Param = first.Ref.String(); first.Field != "" {
			e.Param += "." + first.Field
		}
		e.Public = sentence(first.Text)
	}
	return e
}

func sentence(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// refused is the error for a change that a rule forbids.
func refused(code vitrine.Code, at vitrine.Ref, format string, args ...any) error {
	return &vitrine.Error{Kind: vitrine.ErrDenied, Code: string(code), Param: at.String(),
		Public: fmt.Sprintf(format, args...), Decision: &vitrine.Decision{Code: code}}
}
