package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

// asking are the flags and arguments of a question: PERMISSION [KIND/ID].
type asking struct {
	subject, scope, category, tier, owner string
	model, size, format, responseFormat   string
	n                                     int
}

func (a *asking) register(cmd *cobra.Command, subject bool) {
	f := cmd.Flags()
	if subject {
		f.StringVar(&a.subject, "subject", "", "who; you by default")
	}
	f.StringVar(&a.scope, "scope", "", "where it would lie, if it is not there yet")
	f.StringVar(&a.category, "category", "", "training, reference, generated, evaluation, model-file or configuration")
	f.StringVar(&a.tier, "tier", "", "public, internal, confidential or restricted")
	f.StringVar(&a.owner, "owner", "", "whose it would be")
	f.StringVar(&a.model, "model", "", "model that would be asked")
	f.StringVar(&a.size, "size", "", "size that would be asked for, such as 1024x1024")
	f.StringVar(&a.format, "format", "", "output format: png, jpeg, webp or gif")
	f.StringVar(&a.responseFormat, "response-format", "", "b64_json or url")
	f.IntVar(&a.n, "n", 0, "images at once")
}

// arguments are what every question takes.
func questionArgs(_ *cobra.Command, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return usage("want PERMISSION and KIND/ID, such as image.open image/img-1; got %s", count(len(args), "argument"))
	}
	if _, ok := vitrine.Permission(args[0]).Info(); !ok {
		return usage("there is no permission %q; docs/model.md lists them", args[0])
	}
	return nil
}

func (a *asking) question(args []string) (client.Question, error) {
	q := client.Question{Subject: vitrine.ID(a.subject), Permission: vitrine.Permission(args[0])}
	r := &q.Resource
	if info, _ := q.Permission.Info(); len(args) == 1 {
		r.Kind = info.Kind
		if a.scope == "" {
			return q, usage("say about what: KIND/ID, or --scope with --category and --tier")
		}
	} else {
		kind, id, ok := strings.Cut(args[1], "/")
		if !ok || id == "" {
			return q, usage("%q: want KIND/ID, such as image/img-1 or project/renders", args[1])
		}
		r.Kind, r.ID = vitrine.Kind(kind), vitrine.ID(id)
	}
	r.Scope, r.Owner, r.Model, r.N = vitrine.ID(a.scope), vitrine.ID(a.owner), a.model, a.n
	r.Format, r.ResponseFormat = a.format, a.responseFormat
	if err := r.Category.UnmarshalText([]byte(a.category)); err != nil {
		return q, usage("--category: %v", err)
	}
	if err := r.Tier.UnmarshalText([]byte(a.tier)); err != nil {
		return q, usage("--tier: %v", err)
	}
	if a.size != "" {
		if n, err := fmt.Sscanf(a.size, "%dx%d", &r.Width, &r.Height); n != 2 || err != nil {
			return q, usage("--size %s: want a size such as 1024x1024", a.size)
		}
	}
	return q, nil
}

func newCheck() *cobra.Command {
	var a asking
	cmd := remote(&cobra.Command{
		Use: "check PERMISSION [KIND/ID]", Short: "May you, or somebody, do something",
		Long: `May you, or somebody, do something. Prints allow or deny with the reason; the
exit status is 0 where it is allowed and 3 where it is not.`,
		Example: `  vitrine check image.open image/img-1
  vitrine check model.generate deployment/renders/hidream --subject ann --size 1024x1024
  vitrine check image.open --scope renders --category generated --tier internal`,
		Args: questionArgs,
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		q, err := a.question(args)
		if err != nil {
			return err
		}
		d, err := c.Check(ctx, q)
		if err != nil {
			return err
		}
		err = show(cmd, d, func(w io.Writer) {
			if d.Allow {
				fmt.Fprintf(w, "allow: role %s by binding %s%s\n", d.Role, d.Binding, rendition(d.Obligation))
			} else {
				fmt.Fprintf(w, "deny: %s\n", d.Reason)
			}
		})
		if err == nil && !d.Allow {
			return fmt.Errorf("%w: %w", errSilent, vitrine.ErrDenied)
		}
		return err
	})
	a.register(cmd, true)
	return cmd
}

func rendition(o vitrine.Obligation) string {
	if o.Rendition == "" {
		return ""
	}
	if len(o.Show) > 0 {
		return ", " + string(o.Rendition) + " showing " + strings.Join(o.Show, ", ")
	}
	return ", " + string(o.Rendition)
}

func newExplain() *cobra.Command {
	var a asking
	cmd := remote(&cobra.Command{
		Use: "explain PERMISSION [KIND/ID]", Short: "Why you, or somebody, may or may not do something",
		Long: `Why you, or somebody, may or may not do something: the decision, every binding
that was considered, and for each the condition that failed - no role assigned,
role not authorized, or permission not held - and what would have been enough.`,
		Example: `  vitrine explain image.open image/img-1
  vitrine explain image.open image/img-1 --subject ann --output json`,
		Args: questionArgs,
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		q, err := a.question(args)
		if err != nil {
			return err
		}
		x, err := c.Explain(ctx, q)
		if err != nil {
			return err
		}
		return show(cmd, x, func(w io.Writer) { printExplanation(w, x) })
	})
	a.register(cmd, true)
	return cmd
}

func printExplanation(w io.Writer, x *client.Explanation) {
	d := x.Decision
	verdict := "deny"
	if d.Allow {
		verdict = "allow"
	}
	fmt.Fprintf(w, "%s: %s\n\n", verdict, clean(d.Reason()))
	if d.Code == vitrine.CodeAbsent { // no binding can be the reason
		pairs(w, "permission", string(d.Permission), "revision", fmt.Sprint(d.Revision))
		return
	}
	pairs(w, "permission", string(d.Permission), "failed", strings.ReplaceAll(string(d.Failed), "_", " "), "role", string(d.Role),
		"binding", string(d.Binding), "deny", string(d.Deny), "gives", strings.TrimPrefix(rendition(d.Obligation), ", "),
		"nearest", d.Nearest.Text(), "revision", fmt.Sprint(d.Revision))
	fmt.Fprintln(w)
	g := newGrid("BINDING", "ROLE", "SCOPE", "HOW", "RESULT", "DETAIL")
	for _, b := range x.Bindings {
		g.row(string(b.Binding), string(b.Role), string(b.Scope), join(b.Path, " → "), string(b.Code), b.Detail)
	}
	g.print(w, "No binding reaches there.")
	if len(x.Denies) > 0 {
		fmt.Fprintf(w, "\nWithheld by %s.\n", join(x.Denies, ", "))
	}
}

func newWho() *cobra.Command {
	var a asking
	cmd := remote(&cobra.Command{
		Use: "who PERMISSION [KIND/ID]", Short: "Who may do something",
		Long: `Who may do something to something, and how each came by it. Conditional says
that it also depends on a time, an address, or the like.`,
		Example: `  vitrine who image.open image/img-1
  vitrine who image.export --scope campaign --category generated --tier confidential`,
		Args: questionArgs,
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		q, err := a.question(args)
		if err != nil {
			return err
		}
		all, err := c.Who(ctx, q.Permission, q.Resource)
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"holders": all}, func(w io.Writer) {
			g := newGrid("PRINCIPAL", "KIND", "ROLE", "HOW", "BINDING", "CONDITIONAL")
			for _, h := range all {
				g.row(string(h.Principal), string(h.Kind), string(h.Role), join(h.Path, " → "), string(h.Binding), dash(yes(h.Conditional)))
			}
			g.print(w, "Nobody.")
		})
	})
	a.register(cmd, false)
	return cmd
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func newMatrix() *cobra.Command {
	var format string
	var sees bool
	cmd := remote(&cobra.Command{
		Use: "matrix", Short: "The access control matrix: role × category × tier",
		Long: `The access control matrix: what each role makes of each category and tier of
data - nothing, the masked view, the original, or changes. It is computed from
the policy in use, never typed. --sees leaves out what is nothing: roles, and
categories of a role.`,
		Example: `  vitrine matrix
  vitrine matrix --sees
  vitrine matrix --format markdown > docs/matrix.md
  vitrine matrix --format csv`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		if format != "table" && format != "csv" && format != "markdown" && format != "json" {
			return usage("--format %s: want table, csv, markdown or json", format)
		}
		rows, err := c.Matrix(ctx)
		if err != nil {
			return err
		}
		if sees {
			rows = seeing(rows)
		}
		if format == "json" {
			if err := cmd.Flags().Set("output", "json"); err != nil {
				return err
			}
		}
		var bad error
		err = show(cmd, map[string]any{"rows": rows}, func(w io.Writer) { bad = printMatrix(w, rows, format) })
		if err == nil {
			err = bad
		}
		return err
	})
	cmd.Flags().StringVar(&format, "format", "table", "table, csv, markdown or json")
	cmd.Flags().BoolVar(&sees, "sees", false, "only roles and categories where something is seen or changed")
	return cmd
}

// seeing leaves out the categories in which a role sees nothing, and the roles
// that see nothing at all.
func seeing(rows []client.MatrixRow) []client.MatrixRow {
	for _, r := range rows {
		maps.DeleteFunc(r.Cells, func(_ vitrine.Category, of map[vitrine.Tier]string) bool {
			for _, cell := range of {
				if cell != "" && cell != "nothing" {
					return false
				}
			}
			return true
		})
	}
	return slices.DeleteFunc(rows, func(r client.MatrixRow) bool { return len(r.Cells) == 0 })
}

func printMatrix(w io.Writer, rows []client.MatrixRow, format string) error {
	head := []string{"ROLE", "CATEGORY"}
	for _, t := range vitrine.Tiers {
		head = append(head, strings.ToUpper(t.String()))
	}
	g := newGrid(head...)
	for _, r := range rows {
		for _, c := range vitrine.Categories {
			if r.Cells[c] == nil {
				continue
			}
			cells := []string{string(r.Role), c.String()}
			for _, t := range vitrine.Tiers {
				cell := r.Cells[c][t]
				if cell == "" || cell == "nothing" {
					cell = "-"
				}
				cells = append(cells, cell)
			}
			g.row(cells...)
		}
	}
	switch format {
	case "csv":
		out := csv.NewWriter(w)
		return out.WriteAll(append([][]string{head}, g.rows...))
	case "markdown":
		line := func(cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
		line(head)
		fmt.Fprintln(w, strings.Repeat("|---", len(head))+"|")
		for _, r := range g.rows {
			for i := range r {
				r[i] = strings.ReplaceAll(r[i], "|", `\|`)
			}
			line(r)
		}
	default:
		g.print(w, "There are no roles that you may see.")
	}
	return nil
}
