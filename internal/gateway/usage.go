package gateway

import (
	"context"
	"slices"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// Balance is the state of the budgets that bound the caller in its project, and
// the least left of them; nil where none does.
func (g *Gateway) Balance(ctx context.Context, by access.Caller) (left *vitrine.Micros, all []vitrine.Balance, err error) {
	t, err := g.guard.Self(ctx, by, access.Act{Permission: vitrine.BudgetView, Op: "balance", Resource: vitrine.Resource{Kind: vitrine.KindBudget}})
	if err != nil {
		return nil, nil, err
	}
	now, err := g.guard.Policy(by)
	if err != nil {
		return nil, nil, refuse(ctx, t, err)
	}
	project := place(now, by)
	if !now.Reaches(&by.Subject, project, g.now()) {
		project = "" // a key's default may outlive what its holder had there
	}
	all, err = g.balances(ctx, allowances(now, by, project), g.now())
	if err != nil {
		return nil, nil, refuse(ctx, t, err)
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, nil, err
	}
	if least := tightest(all); least != nil {
		amount := least.Left()
		left = &amount
	}
	return left, all, nil
}

// maxBalances bounds how many subjects Balances looks at.
const maxBalances = 2000

// Balances is the state of the budgets that the caller may see. A budget that
// counts each subject alone has a line for itself, whose subject is Everyone,
// and one for each subject of the policy that has used it; end users are known
// by their hashes only, so there are none of theirs.
func (g *Gateway) Balances(ctx context.Context, by access.Caller) ([]vitrine.Balance, error) {
	now, err := g.snapshot(ctx, by, access.Act{Permission: vitrine.BudgetView, Op: "balances"})
	if err != nil {
		return nil, err
	}
	ids, t, err := g.guard.Visible(ctx, by, vitrine.BudgetView, vitrine.KindBudget, "balances")
	if err != nil {
		return nil, err
	}
	var wanted []allowance
	for _, id := range slices.Sorted(slices.Values(ids)) {
		o, _ := now.Object(vitrine.Ref{Kind: vitrine.KindBudget, ID: id})
		if b, ok := o.(*vitrine.Budget); ok {
			wanted = append(wanted, lines(now, b)...)
		}
	}
	all, err := g.balances(ctx, wanted[:min(len(wanted), maxBalances)], g.now())
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	all = slices.DeleteFunc(all, func(b vitrine.Balance) bool {
		return b.Spent == 0 && b.Reserved == 0 && b.Debt == 0 && each(now, &b)
	})
	t.Entry().Count = int64(len(all))
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return all, nil
}

// each reports whether a balance is one subject's part of a budget that counts
// each alone.
func each(now *rbac.Policy, b *vitrine.Balance) bool {
	o, _ := now.Object(vitrine.Ref{Kind: vitrine.KindBudget, ID: b.Budget})
	budget, ok := o.(*vitrine.Budget)
	return ok && budget.Subject == string(vitrine.Everyone) && b.Subject != budget.Subject
}

// subjectKinds are where the subjects of a kind of budget stand.
var subjectKinds = map[vitrine.BudgetKind]vitrine.Kind{
	vitrine.BudgetProject: vitrine.KindProject, vitrine.BudgetGroup: vitrine.KindPrincipal,
	vitrine.BudgetPrincipal: vitrine.KindPrincipal, vitrine.BudgetKey: vitrine.KindKey,
}

// lines are the allowances of a budget whose subjects the policy knows.
func lines(now *rbac.Policy, b *vitrine.Budget) []allowance {
	if b.Kind == vitrine.BudgetOrganization {
		return []allowance{{b, ""}}
	}
	all := []allowance{{b, b.Subject}}
	if b.Subject != string(vitrine.Everyone) {
		return all
	}
	for _, o := range now.Objects(subjectKinds[b.Kind]) {
		if p, ok := o.(*vitrine.Principal); ok && (p.Kind == vitrine.Group) != (b.Kind == vitrine.BudgetGroup) {
			continue
		}
		all = append(all, allowance{b, string(o.Ref().ID)})
	}
	return all
}

// PayDebt clears the debt of a budget, of whichever window; subject says whose,
// where the budget counts each alone. It needs budget.edit; ErrNotFound where
// there is no debt.
func (g *Gateway) PayDebt(ctx context.Context, by access.Caller, budget vitrine.ID, subject string) error {
	a := access.Act{Permission: vitrine.BudgetEdit, Op: "pay debt", Resource: vitrine.Resource{ID: budget}}
	now, err := g.snapshot(ctx, by, a)
	if err != nil {
		return err
	}
	o, ok := now.Object(vitrine.Ref{Kind: vitrine.KindBudget, ID: budget})
	if ok {
		a.Resource = now.Resource(o)
	}
	t, err := g.guard.Check(ctx, by, a)
	if err != nil {
		return err
	}
	b, ok := o.(*vitrine.Budget)
	if !ok {
		return t.Refuse(ctx, string(vitrine.CodeAbsent), access.NotFound())
	}
	if b.Subject != string(vitrine.Everyone) {
		subject = b.Subject
	}
	if b.Kind == vitrine.BudgetOrganization {
		subject = ""
	}
	_, err = t.Spend(ctx, func(tx *store.Tx) error {
		paid := false
		for _, c := range charges([]allowance{{b, subject}}, g.now()) {
			err := tx.PayDebt(c.Budget, c.Subject, c.Start)
			if known(err) != nil {
				return err
			}
			paid = paid || err == nil
		}
		if !paid {
			return &vitrine.Error{Kind: vitrine.ErrNotFound, Code: "no_debt", Public: "There is no such debt."}
		}
		return nil
	})
	return err
}

// Usage sums up what was made and spent, as far as the caller may see: in the
// whole organization, or in the projects where it holds usage.view. What was spent
// on a call of which nobody knows what came counts with no images.
func (g *Gateway) Usage(ctx context.Context, by access.Caller, q store.UsageQuery) ([]store.UsageSum, error) {
	_, seen, t, err := g.guard.Views(ctx, by, []access.View{
		{Kind: vitrine.KindOrganization, Permission: vitrine.UsageView}, {Kind: vitrine.KindProject, Permission: vitrine.UsageView},
	}, "usage")
	if err != nil {
		return nil, err
	}
	e := t.Entry()
	e.Act, e.Kind = string(vitrine.UsageView), vitrine.KindUsage
	if len(seen[vitrine.KindOrganization]) == 0 {
		q.Projects = within(q.Projects, seen[vitrine.KindProject])
	}
	sums, err := g.store.Usage(ctx, q)
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	e.Count = int64(len(sums))
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return sums, nil
}

// within are the projects asked for that may be seen; nil asks for all.
func within(asked, seen []vitrine.ID) []vitrine.ID {
	out := []vitrine.ID{}
	for _, id := range seen {
		if asked == nil || slices.Contains(asked, id) {
			out = append(out, id)
		}
	}
	return out
}
