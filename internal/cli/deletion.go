package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func newImageRm() *cobra.Command {
	var sure bool
	var how client.Deleting
	cmd := remote(&cobra.Command{
		Use: "rm IMAGE...", Aliases: []string{"delete"}, Short: "Delete images; for a time they may be restored",
		Long: `Delete images. They vanish at once for everybody, and their links are dead. Until
the restore window has passed - 7 days, unless the installation or the dataset
says otherwise - whoever may delete an image may restore it; then its key is
destroyed, and nobody can bring it back from this installation. Copies in backups
end with the backups.

--now destroys the key at once, of what was deleted before too. It needs
dataset.edit as well, and a reason.`,
		Example: `  vitrine image rm img-1 --yes
  vitrine image delete img-1 --now --reason "erasure request 42" --yes`,
		Args: atLeast("IMAGE"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		if how.Now && how.Reason == "" {
			return usage("--now needs --reason")
		}
		question := "Delete " + count(len(args), "image") + "?"
		if how.Now {
			question = "Destroy " + count(len(args), "image") + " for ever?"
		}
		ok, err := confirm(cmd, sure, question)
		if err != nil {
			return err
		}
		if !ok {
			return errors.New("nothing was deleted")
		}
		return deleteAll(ctx, cmd, c, args, how)
	})
	f := cmd.Flags()
	f.BoolVarP(&sure, "yes", "y", false, "do not ask")
	f.BoolVar(&how.Now, "now", false, "destroy the key at once")
	f.StringVar(&how.Reason, "reason", "", "why")
	return cmd
}

// deleteAll deletes one image after the other and stops at the first that is
// refused.
func deleteAll(ctx context.Context, cmd *cobra.Command, c *client.Client, ids []string, how client.Deleting) error {
	out := []*client.Deleted{}
	for i, id := range ids {
		d, err := c.DeleteImage(ctx, vitrine.ID(id), how)
		if err != nil {
			err = fmt.Errorf("%s (%d of %d are deleted): %w", id, i, len(ids), err)
			if i > 0 {
				err = partly{err}
			}
			return err
		}
		out = append(out, d)
	}
	return show(cmd, map[string]any{"deleted": out}, func(w io.Writer) {
		for _, d := range out {
			if d.Destroyed {
				fmt.Fprintf(w, "%s is deleted, and its key destroyed.\n", clean(string(d.ID)))
			} else {
				fmt.Fprintf(w, "%s is deleted. Until %s: vitrine image restore %[1]s\n", clean(string(d.ID)), stamp(d.Until))
			}
		}
	})
}

func newImageRestore() *cobra.Command {
	return remote(&cobra.Command{
		Use: "restore IMAGE...", Short: "Restore images that were deleted",
		Long: `Restore images that were deleted, while their restore window lasts. Whoever may
delete an image may restore it. Its links stay dead.`,
		Example: `  vitrine image ls --deleted
  vitrine image restore img-1`,
		Args: atLeast("IMAGE"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		out := []*client.Image{}
		for i, id := range args {
			m, err := c.RestoreImage(ctx, vitrine.ID(id))
			if err != nil {
				err = fmt.Errorf("%s (%d of %d are restored): %w", id, i, len(args), err)
				if i > 0 {
					err = partly{err}
				}
				return err
			}
			out = append(out, m)
		}
		return show(cmd, map[string]any{"restored": out}, func(w io.Writer) {
			for _, m := range out {
				fmt.Fprintf(w, "%s is in %s again.\n", m.ID, m.Dataset)
			}
		})
	})
}

// deletedGrid lists deleted images.
func deletedGrid(all []client.Image) *grid {
	g := newGrid("ID", "DATASET", "TIER", "DELETED", "BY", "RESTORE UNTIL", "NAME")
	for _, m := range all {
		d := m.Deleted
		if d == nil {
			d = new(vitrine.Deletion)
		}
		g.row(string(m.ID), string(m.Dataset), m.Tier.String(), stamp(d.At), dash(string(d.By)), stamp(d.Until), dash(m.Detail.Name))
	}
	return g
}
