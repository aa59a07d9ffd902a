package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func newHold() *cobra.Command {
	return family("hold", "Legal holds: place, ls, lift", `Legal holds on images, datasets and projects. What is held nobody deletes, no
retention reaches and no key is destroyed of, until the hold is lifted.`,
		newHoldPlace(), newHoldLs(), newHoldLift())
}

// target reads what a hold is on.
func target(s string) (vitrine.Ref, error) {
	kind, id, ok := strings.Cut(s, "/")
	ref := vitrine.Ref{Kind: vitrine.Kind(kind), ID: vitrine.ID(id)}
	if !ok || !ref.ID.Valid() || ref.Kind != vitrine.KindImage && ref.Kind != vitrine.KindDataset && ref.Kind != vitrine.KindProject {
		return ref, usage("%q: want image/ID, dataset/ID or project/ID", s)
	}
	return ref, nil
}

func newHoldPlace() *cobra.Command {
	var reason string
	cmd := remote(&cobra.Command{
		Use: "place KIND/ID", Short: "Put an image, a dataset or a project under legal hold",
		Long: `Put an image, a dataset or a project under legal hold. On a dataset or a project
it keeps all images there, those too that come later. It needs image.hold: on an
image as it is, on a dataset or project for restricted data. A deleted image can be
held while it may still be restored.`,
		Example: `  vitrine hold place image/img-1 --reason "case 2027-14"
  vitrine hold place dataset/scans --reason "case 2027-14, asked for by legal"`,
		Args: exactly("KIND/ID"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		on, err := target(args[0])
		if err != nil {
			return err
		}
		h, err := c.Hold(ctx, on, reason)
		if err != nil {
			return err
		}
		return show(cmd, h, func(w io.Writer) { fmt.Fprintf(w, "%s holds %s.\n", h.ID, h.On) })
	})
	cmd.Flags().StringVar(&reason, "reason", "", "the case, or who asked for it")
	return cmd
}

func newHoldLs() *cobra.Command {
	var q client.HoldQuery
	var on string
	cmd := remote(&cobra.Command{
		Use: "ls", Short: "List the legal holds that you could place and lift",
		Example: `  vitrine hold ls
  vitrine hold ls --on dataset/scans --lifted --output json`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) (err error) {
		if on != "" {
			if q.On, err = target(on); err != nil {
				return err
			}
		}
		all := []vitrine.Hold{}
		for h, err := range c.Holds(ctx, q) {
			if err != nil {
				return err
			}
			all = append(all, h)
		}
		return show(cmd, map[string]any{"holds": all}, func(w io.Writer) {
			g := newGrid("HOLD", "ON", "PLACED", "BY", "LIFTED", "LIFTED BY", "REASON")
			for _, h := range all {
				g.row(string(h.ID), h.On.String(), stamp(h.Placed), string(h.By), dash(stamp(h.Lifted)), dash(string(h.LiftedBy)), h.Reason)
			}
			g.print(w, "No holds that you could lift.")
		})
	})
	cmd.Flags().StringVar(&on, "on", "", "only on this KIND/ID")
	cmd.Flags().BoolVar(&q.Lifted, "lifted", false, "lifted ones too")
	return cmd
}

func newHoldLift() *cobra.Command {
	var reason string
	cmd := remote(&cobra.Command{
		Use: "lift HOLD", Short: "Lift a legal hold",
		Long: `Lift a legal hold. It needs what placing it did, and a reason. For 30 days after it
another person than who lifted the hold must delete what it kept.`,
		Example: `  vitrine hold lift hold-1 --reason "case closed"`,
		Args:    exactly("HOLD"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		h, err := c.LiftHold(ctx, vitrine.ID(args[0]), reason)
		if err != nil {
			return err
		}
		return show(cmd, h, func(w io.Writer) { fmt.Fprintf(w, "%s is lifted; it held %s.\n", h.ID, h.On) })
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}
