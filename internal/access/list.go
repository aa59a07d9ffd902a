package access

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// Filter decides for a list of images: the answer holds exactly those that
// Check would allow one by one. A caller who may see none gets an empty filter,
// not a refusal. The ticket is recorded before rows leave.
func (g *Guard) Filter(ctx context.Context, by Caller, perm vitrine.Permission, op string) (rbac.Filter, *Ticket, error) {
	t, p, err := g.list(ctx, by, perm, vitrine.KindImage, op)
	if err != nil {
		return rbac.Filter{}, nil, err
	}
	return p.Filter(&t.by.Subject, perm, t.entry.Time), t, nil
}

// Visible is the same for lists of what stands in the policy.
func (g *Guard) Visible(ctx context.Context, by Caller, perm vitrine.Permission, k vitrine.Kind, op string) ([]vitrine.ID, *Ticket, error) {
	t, p, err := g.list(ctx, by, perm, k, op)
	if err != nil {
		return nil, nil, err
	}
	return p.Visible(&t.by.Subject, perm, k, t.entry.Time), t, nil
}

// View is one kind of a list over several kinds.
type View struct {
	Kind       vitrine.Kind
	Permission vitrine.Permission
}

// Views is Visible for several kinds at once: one attempt, one snapshot, which
// it answers too.
func (g *Guard) Views(ctx context.Context, by Caller, views []View, op string) (*rbac.Policy, map[vitrine.Kind][]vitrine.ID, *Ticket, error) {
	t, p, err := g.list(ctx, by, vitrine.RoleView, vitrine.KindSystem, op)
	if err != nil {
		return nil, nil, nil, err
	}
	seen := make(map[vitrine.Kind][]vitrine.ID, len(views))
	for _, v := range views {
		seen[v.Kind] = p.Visible(&t.by.Subject, v.Permission, v.Kind, t.entry.Time)
	}
	return p, seen, t, nil
}

func (g *Guard) list(ctx context.Context, by Caller, perm vitrine.Permission, k vitrine.Kind, op string) (*Ticket, *rbac.Policy, error) {
	t := g.attempt(&by, Act{Permission: perm, Op: op, Resource: vitrine.Resource{Kind: k}})
	p, err := g.ready(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	d := vitrine.Decision{Code: vitrine.CodeAllowed, Permission: perm, Revision: p.Revision(), At: t.entry.Time}
	if code, live := p.Live(&t.by.Subject, t.entry.Time); !live {
		d.Code = code
		return nil, nil, g.refused(ctx, t, d, Unauthenticated())
	}
	d.Allow = true
	g.allowed(t, d)
	return t, p, nil
}

// Admitted is a change set that may be applied.
type Admitted struct {
	Before, After *rbac.Policy
	Ticket        *Ticket
}

// Admit is Check for a change set: package rbac asks all the questions that it
// raises and validates the state that it ends in. also, may be nil, is asked
// after it, of those who may: what else speaks against it. The system itself may be the caller.
func (g *Guard) Admit(ctx context.Context, by Caller, set *vitrine.ChangeSet, op string, also func(*rbac.Policy) error) (*Admitted, error) {
	t := g.attempt(&by, changeAct(set, op))
	t.note(changes(set))
	begin := g.ready
	if by.System {
		begin = g.fresh
	}
	p, err := begin(ctx, t)
	if err != nil {
		return nil, err
	}
	after, d, err := p.Admit(&t.by.Subject, t.entry.Time, set)
	d.Revision, d.At = p.Revision(), t.entry.Time
	if err != nil || !d.Allow {
		return nil, g.notAdmitted(ctx, t, d, err)
	}
	if also != nil {
		if err := also(p); err != nil {
			d := vitrine.Decision{Code: vitrine.Code(codeOf(err, codeFailed))}
			return nil, g.refused(ctx, t, d, err)
		}
	}
	g.allowed(t, d)
	return &Admitted{Before: p, After: after, Ticket: t}, nil
}

func (g *Guard) notAdmitted(ctx context.Context, t *Ticket, d vitrine.Decision, cause error) error {
	switch {
	case cause == nil:
		cause = refusal(d)
	case d.Code == vitrine.CodeInactive || d.Code == vitrine.CodeNoCaller:
		cause = Unauthenticated()
	case d.Hidden && errors.Is(cause, vitrine.ErrDenied):
		cause = NotFound()
	}
	var told *vitrine.Error
	if errors.As(cause, &told) && told.Decision != nil {
		told.Decision.Revision, told.Decision.At = d.Revision, d.At
	}
	if code := codeOf(cause, codeFailed); d.Code == "" || d.Code == vitrine.CodeAllowed || d.Allow {
		d.Code = vitrine.Code(code)
	}
	return g.refused(ctx, t, d, cause)
}

// changeAct is a change set as an act on the first thing that it changes.
func changeAct(set *vitrine.ChangeSet, op string) Act {
	a := Act{Op: op, Permission: vitrine.SystemEdit}
	if len(set.Changes) > 0 {
		ref := set.Changes[0].Ref
		a.Permission = edits[ref.Kind]
		a.Resource = vitrine.Resource{Kind: ref.Kind, ID: ref.ID}
	}
	return a
}

// edits is the permission that stands in the log for a change of a kind.
var edits = map[vitrine.Kind]vitrine.Permission{
	vitrine.KindOrganization: vitrine.SystemEdit,
	vitrine.KindProject:      vitrine.ProjectEdit,
	vitrine.KindDataset:      vitrine.DatasetEdit,
	vitrine.KindDeployment:   vitrine.ModelDeploy,
	vitrine.KindProvider:     vitrine.ProviderEdit,
	vitrine.KindCredential:   vitrine.ProviderEdit,
	vitrine.KindPrincipal:    vitrine.PrincipalEdit,
	vitrine.KindKey:          vitrine.KeyIssue,
	vitrine.KindRole:         vitrine.RoleEdit,
	vitrine.KindBinding:      vitrine.RoleBind,
	vitrine.KindDeny:         vitrine.DenyEdit,
	vitrine.KindConstraint:   vitrine.ConstraintEdit,
	vitrine.KindBudget:       vitrine.BudgetEdit,
}

// listed is how many changes an entry names one by one.
const listed = 16

// changes tells what a change set holds, by opaque ids.
func changes(set *vitrine.ChangeSet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d changes", len(set.Changes))
	for i, c := range set.Changes {
		if i == listed {
			fmt.Fprintf(&b, ", and %d more", len(set.Changes)-listed)
			break
		}
		verb := "put"
		if c.Object == nil {
			verb = "delete"
		}
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s %s/%s", sep, verb, c.Ref.Kind, clip(string(c.Ref.ID), 64))
	}
	return b.String()
}
