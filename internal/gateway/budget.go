package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// allowance is one budget as it counts for one subject.
type allowance struct {
	*vitrine.Budget
	subject string
}

// window is the allowance's present window.
func (a allowance) window(at time.Time) store.Charge {
	return store.Charge{Budget: a.ID, Subject: a.subject, Window: a.Window, Start: a.Window.Start(at), Limit: a.Limit}
}

// noLimit is more than can ever be spent.
const noLimit vitrine.Micros = 1 << 62

// lifetime counts without limit and without end. It is charged beside a daily
// or monthly window so that a debt of yesterday still blocks today: a debt
// ends when somebody pays it, not at midnight.
func (a allowance) lifetime() store.Charge {
	return store.Charge{Budget: a.ID, Subject: a.subject, Window: vitrine.Total, Limit: noLimit}
}

// lasting reports whether the window never ends, so that it is its own
// lifetime.
func (a allowance) lasting() bool { return a.Window != vitrine.Daily && a.Window != vitrine.Monthly }

// charges are all rows that the allowances count in.
func charges(all []allowance, at time.Time) []store.Charge {
	var rows []store.Charge
	for _, a := range all {
		rows = append(rows, a.window(at))
		if !a.lasting() {
			rows = append(rows, a.lifetime())
		}
	}
	return rows
}

// allowances are the budgets that bound what by spends in a project. An agent
// that acts for a person spends from both.
func allowances(now *rbac.Policy, by access.Caller, project vitrine.ID) []allowance {
	subjects := map[vitrine.BudgetKind][]string{vitrine.BudgetOrganization: {""}}
	add := func(k vitrine.BudgetKind, id vitrine.ID) {
		if id != "" && !slices.Contains(subjects[k], string(id)) {
			subjects[k] = append(subjects[k], string(id))
		}
	}
	add(vitrine.BudgetProject, project)
	for _, p := range []vitrine.ID{by.Principal, by.For} {
		add(vitrine.BudgetPrincipal, p)
		if p != "" {
			for _, group := range now.Groups(p) {
				add(vitrine.BudgetGroup, group)
			}
		}
	}
	if by.Key {
		add(vitrine.BudgetKey, now.KeyOf(by.Credential))
	}
	add(vitrine.BudgetEndUser, vitrine.ID(by.EndUser))
	var all []allowance
	for _, o := range now.Objects(vitrine.KindBudget) {
		b, ok := o.(*vitrine.Budget)
		if !ok {
			continue
		}
		for _, s := range subjects[b.Kind] {
			if b.Kind == vitrine.BudgetOrganization || b.Subject == s || b.Subject == string(vitrine.Everyone) {
				all = append(all, allowance{b, s})
			}
		}
	}
	return all
}

// balances answers the state of each allowance, in their order.
func (g *Gateway) balances(ctx context.Context, all []allowance, at time.Time) ([]vitrine.Balance, error) {
	rows, err := g.store.Balances(ctx, charges(all, at))
	if err != nil {
		return nil, err
	}
	return ofAllowances(all, at, rows), nil
}

// ofAllowances are the balances of allowances, in their order, from those of
// their charges. A debt counts whenever it was made.
func ofAllowances(all []allowance, at time.Time, rows []vitrine.Balance) []vitrine.Balance {
	row := func(c store.Charge) vitrine.Balance {
		i := slices.IndexFunc(rows, func(b vitrine.Balance) bool {
			return b.Budget == c.Budget && b.Subject == c.Subject && b.Start.Equal(c.Start)
		})
		if i < 0 {
			return vitrine.Balance{Budget: c.Budget, Subject: c.Subject, Window: c.Window, Start: c.Start, Limit: c.Limit}
		}
		return rows[i]
	}
	out := make([]vitrine.Balance, 0, len(all))
	for _, a := range all {
		b := row(a.window(at))
		if !a.lasting() {
			b.Debt = max(b.Debt, row(a.lifetime()).Debt)
		}
		out = append(out, b)
	}
	return out
}

// tightest is the balance with the least left; nil of none.
func tightest(all []vitrine.Balance) *vitrine.Balance {
	var least *vitrine.Balance
	for i := range all {
		if least == nil || all[i].Left() < least.Left() {
			least = &all[i]
		}
	}
	return least
}

// reserve sets the upper bound aside in every budget that counts.
func (m *generation) reserve(tx *store.Tx) error {
	return tx.Reserve(m.reservation, m.reserved, charges(m.allowances, m.at), m.expires)
}

// inDebt tells a budget that does not cover a request from one that a debt
// blocks. What the store said was recorded; this is for the caller.
func (g *Gateway) inDebt(ctx context.Context, m *generation, err error) error {
	var e *vitrine.Error
	if !errors.As(err, &e) || e.Code != "budget_exhausted" {
		return err
	}
	all, berr := g.balances(ctx, m.allowances, m.at)
	if berr != nil {
		return err // which is true, if not the whole of it
	}
	for _, b := range all {
		if b.Debt > 0 && string(b.Budget) == e.Param {
			return &vitrine.Error{Kind: vitrine.ErrExhausted, Code: "budget_in_debt", Param: e.Param, Err: err,
				Public: fmt.Sprintf("A service charged more than was set aside from the budget %s. It can be used again once an operator has cleared its debt of $%s.", b.Budget, b.Debt)}
		}
	}
	return err
}

// alarm puts into an entry which shares of which budgets were reached. A
// budget's subject may be somebody's name, so it is left out.
func alarm(e *vitrine.Entry, alerts []store.BudgetAlert, debt vitrine.Micros) {
	most := 0
	var parts []string
	for _, a := range alerts {
		most = max(most, a.Percent)
		parts = append(parts, fmt.Sprintf("budget %s reached %d %%", a.Budget, a.Percent))
	}
	if most > 0 {
		e.Raise(fmt.Sprintf("budget_%d", most))
	}
	if debt > 0 {
		e.Raise("budget_debt")
		parts = append(parts, fmt.Sprintf("the service charged $%s more than was set aside", debt))
	}
	note(e, parts...)
}

// note adds to an entry's detail.
func note(e *vitrine.Entry, parts ...string) {
	if e.Detail != "" {
		parts = slices.Insert(parts, 0, e.Detail)
	}
	e.Detail = strings.Join(parts, "; ")
}
