package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine/client"
)

func newHistory() *cobra.Command {
	var after int64
	var limit int
	cmd := remote(&cobra.Command{
		Use: "history", Short: "What was changed, when and by whom",
		Example: "  vitrine policy history --limit 20\n  vitrine policy history --after 41 --output json",
		Args:    exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		sets, err := c.History(ctx, after, limit)
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"sets": sets}, func(w io.Writer) {
			g := newGrid("REVISION", "TIME", "ACTOR", "CHANGES", "REASON").numbers(0, 3)
			for _, s := range sets {
				g.row(strconv.FormatInt(s.Revision, 10), stamp(s.Time), dash(string(s.Actor)), strconv.Itoa(len(s.Changes)), dash(s.Reason))
			}
			g.print(w, "Nothing was changed after that revision.")
		})
	})
	cmd.Flags().Int64Var(&after, "after", 0, "only after this revision")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most this many")
	return cmd
}

func newUndo() *cobra.Command {
	var yes bool
	cmd := remote(&cobra.Command{
		Use: "undo REVISION", Short: "Make what a revision changed as it was before",
		Long: `Make what a revision changed as it was before it: shows what that changes, asks,
and applies it as a change set of its own. If something of it has changed again
since, nothing is done and the exit status is 4.`,
		Example: "  vitrine policy undo 42\n  vitrine policy undo 42 --yes --output json",
		Args:    exactly("REVISION"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		revision, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil || revision < 1 {
			return usage("REVISION %q: want a number from vitrine policy history", args[0])
		}
		set, err := c.PlanUndo(ctx, revision)
		if err != nil {
			return err
		}
		p, err := against(ctx, c, set)
		if err != nil {
			return err
		}
		if output(cmd) != "json" {
			p.print(cmd.ErrOrStderr())
		}
		sure, err := confirm(cmd, yes, fmt.Sprintf("%s. Undo revision %d?", p.sum(), revision))
		if err != nil {
			return err
		}
		if !sure {
			return errors.New("nothing was undone")
		}
		done, err := c.Undo(ctx, revision)
		if err != nil {
			return fmt.Errorf("nothing was undone: %w", err)
		}
		return show(cmd, done, func(w io.Writer) {
			fmt.Fprintf(w, "Undid revision %d as revision %d.\n", revision, done.Revision)
		})
	})
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
