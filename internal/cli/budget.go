package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func newBudget() *cobra.Command {
	return family("budget", "Budgets: ls, mine, pay", "Budgets and what is left of them. They are set in the policy.", newBudgetLs(), newBudgetMine(), newBudgetPay())
}

func newBudgetLs() *cobra.Command {
	return remote(&cobra.Command{
		Use: "ls", Short: "What is left of the budgets that you may see",
		Example: "  vitrine budget ls", Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		all, err := c.Balances(ctx)
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"balances": all}, func(w io.Writer) { printBalances(w, all, "No budgets that you may see.") })
	})
}

func newBudgetMine() *cobra.Command {
	return remote(&cobra.Command{
		Use: "mine", Short: "What is left of the budgets that bound you",
		Example: "  vitrine budget mine", Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		left, all, err := c.Balance(ctx)
		if err != nil {
			return err
		}
		out := struct {
			Left     *vitrine.Micros   `json:"left,omitempty"`
			Balances []vitrine.Balance `json:"balances"`
		}{left, all}
		return show(cmd, out, func(w io.Writer) {
			printBalances(w, all, "No budget bounds you.")
			if left != nil {
				fmt.Fprintf(w, "\n%s left\n", dollars(*left))
			}
		})
	})
}

func printBalances(w io.Writer, all []vitrine.Balance, nothing string) {
	g := newGrid("BUDGET", "WHOSE", "WINDOW", "SINCE", "LIMIT", "SPENT", "RESERVED", "LEFT", "USED", "DEBT").numbers(4, 5, 6, 7, 8, 9)
	for _, b := range all {
		used := "-"
		if b.Limit > 0 {
			used = strconv.FormatInt(int64((b.Spent+b.Reserved)*100/b.Limit), 10) + "%"
		}
		debt := "-"
		if b.Debt > 0 {
			debt = dollars(b.Debt)
		}
		start := "-"
		if !b.Start.IsZero() {
			start = b.Start.UTC().Format(time.DateOnly)
		}
		g.row(string(b.Budget), dash(b.Subject), string(b.Window), start, dollars(b.Limit), dollars(b.Spent), dollars(b.Reserved), dollars(b.Left()), used, debt)
	}
	g.print(w, nothing)
}

func newBudgetPay() *cobra.Command {
	var subject string
	var all bool
	cmd := remote(&cobra.Command{
		Use: "pay BUDGET | --all", Short: "Clear the debt of a budget, or every debt",
		Long: `Clear the debt of a budget. A debt arises where a provider charged more than was
set aside for a request; it blocks further use until somebody looks at it. One
excess leaves a debt on each budget that counted the request: --all clears every
debt that you may see, and says which it could not; the debts of single end
users, who are known by hashes only, are not among them. The exit status is 5
where some were cleared and some not.`,
		Example: "  vitrine budget pay renders-month\n  vitrine budget pay each-person --subject ann\n  vitrine budget pay --all",
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		if all {
			return payAll(ctx, cmd, c)
		}
		if err := c.PayDebt(ctx, vitrine.ID(args[0]), subject); err != nil {
			return err
		}
		return show(cmd, map[string]any{"budget": args[0], "subject": subject}, func(w io.Writer) { fmt.Fprintf(w, "%s has no debt.\n", clean(args[0])) })
	})
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case !all:
			return exactly("BUDGET")(cmd, args)
		case len(args) > 0 || subject != "":
			return usage("either a budget or --all")
		}
		return nil
	}
	cmd.Flags().StringVar(&subject, "subject", "", "whose, where the budget counts each alone")
	cmd.Flags().BoolVar(&all, "all", false, "every debt that you may see")
	return cmd
}

// debt is one that was to be paid.
type debt struct {
	Budget  vitrine.ID     `json:"budget"`
	Subject string         `json:"subject,omitempty"`
	Debt    vitrine.Micros `json:"debt"`
	Error   string         `json:"error,omitempty"`
}

// payAll clears every debt that the caller sees. One that it may not clear does
// not stop the others.
func payAll(ctx context.Context, cmd *cobra.Command, c *client.Client) error {
	balances, err := c.Balances(ctx)
	if err != nil {
		return err
	}
	paid, left := []debt{}, []debt{}
	var why error
	for _, b := range balances {
		if b.Debt <= 0 {
			continue
		}
		d := debt{Budget: b.Budget, Subject: b.Subject, Debt: b.Debt}
		if err := c.PayDebt(ctx, b.Budget, b.Subject); err != nil {
			d.Error, why = err.Error(), err
			left = append(left, d)
			continue
		}
		paid = append(paid, d)
	}
	err = show(cmd, map[string]any{"paid": paid, "left": left}, func(w io.Writer) {
		for _, d := range paid {
			fmt.Fprintf(w, "%s  %s  %s cleared\n", d.Budget, dash(clean(d.Subject)), dollars(d.Debt))
		}
		for _, d := range left {
			fmt.Fprintf(w, "%s  %s  %s stays: %s\n", d.Budget, dash(clean(d.Subject)), dollars(d.Debt), clean(d.Error))
		}
		if len(paid)+len(left) == 0 {
			fmt.Fprintln(w, "No debt that you may see.")
		}
	})
	switch {
	case err != nil || why == nil:
		return err
	case len(paid) > 0:
		return partly{fmt.Errorf("%d of %d debts stay: %w", len(left), len(left)+len(paid), why)}
	}
	return why
}

func newUsage() *cobra.Command {
	var q client.UsageQuery
	var from, until, project string
	cmd := remote(&cobra.Command{
		Use: "usage", Short: "What was made and spent",
		Example: `  vitrine usage --by model
  vitrine usage --by principal --from 720h --project renders --output json`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		var err error
		if q.From, err = since(from, time.Now()); err != nil {
			return usage("--from: %v", err)
		}
		if q.To, err = since(until, time.Now()); err != nil {
			return usage("--to: %v", err)
		}
		if err := oneOf("by", q.By, "principal", "project", "model", "key", "end_user", "day"); err != nil {
			return err
		}
		q.Project = vitrine.ID(project)
		all, err := c.Usage(ctx, q)
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"usage": all}, func(w io.Writer) {
			g := newGrid("GROUP", "REQUESTS", "IMAGES", "COST").numbers(1, 2, 3)
			for _, u := range all {
				group := u.Group
				if q.By == "" {
					group = "all"
				}
				g.row(dash(group), strconv.FormatInt(u.Requests, 10), strconv.FormatInt(u.Images, 10), dollars(u.Cost))
			}
			g.print(w, "No use that you may see.")
		})
	})
	f := cmd.Flags()
	f.StringVar(&q.By, "by", "", "principal, project, model, key, end_user or day; all in one otherwise")
	f.StringVar(&from, "from", "", "since when: 24h ago, 2027-01-31, or an instant")
	f.StringVar(&until, "to", "", "until when")
	f.StringVar(&project, "project", "", "only of this project")
	return cmd
}
