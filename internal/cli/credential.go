package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func newCredential() *cobra.Command {
	return family("credential", "Credentials of image services: ls, rotate", "Credentials of image services. The server seals them and shows them to nobody; vitrine provider add gives the first.",
		newCredentialLs(), newCredentialRotate())
}

func newCredentialLs() *cobra.Command {
	return remote(&cobra.Command{
		Use: "ls", Short: "List credentials that you may see, never their secrets",
		Long: `List credentials that you may see, never their secrets: whose they are, for which
projects and roles, where their secret may be sent, and after a rotation until when
the earlier one helps out.`,
		Example: "  vitrine credential ls", Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		all, err := credentials(ctx, c)
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"credentials": all}, func(w io.Writer) {
			g := newGrid("ID", "PROVIDER", "SECRET FOR", "PROJECTS", "ROLES", "EARLIER ONE UNTIL")
			for _, x := range all {
				to, until := x.Origin, ""
				if to == "" {
					to = "(no secret)"
				}
				if x.PreviousUntil.After(time.Now()) {
					until = stamp(x.PreviousUntil)
				}
				g.row(string(x.ID), string(x.Provider), to, dash(join(x.Projects, ", ")), dash(join(x.Roles, ", ")), dash(until))
			}
			g.print(w, "No credentials that you may see.")
		})
	})
}

func newCredentialRotate() *cobra.Command {
	var file string
	var overlap time.Duration
	cmd := remote(&cobra.Command{
		Use: "rotate ID --file FILE", Short: "Give an image service's credential a new secret",
		Long: `Give an image service's credential a new secret, read from a file (- is standard
input). Calls use it at once; those under way finish with the earlier one.

For the --overlap the earlier one helps out where the service answers 401 to the new
one; each time raises the alert credential_refused. Then it is deleted. With
--overlap 0 it is deleted at once. vitrine provider test tries the new one alone.`,
		Example: `  vitrine credential rotate openai --file new.key --overlap 1h
  vitrine credential rotate nano --file - --overlap 0 < new.key
  vitrine provider test openai && vitrine audit search --alert credential_refused --from 2h`,
		Args: exactly("ID"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		secret, err := readSecret(cmd, file)
		if err != nil {
			return err
		}
		revision, until, err := c.RotateCredential(ctx, vitrine.ID(args[0]), secret, overlap)
		if err != nil {
			return err
		}
		out := struct {
			ID       string    `json:"id"`
			Revision int64     `json:"revision"`
			Until    time.Time `json:"previous_until,omitzero"`
		}{args[0], revision, until}
		return show(cmd, out, func(w io.Writer) {
			if until.IsZero() {
				fmt.Fprintf(w, "%s has its new secret; the earlier one is deleted.\n", clean(args[0]))
				return
			}
			fmt.Fprintf(w, "%s has its new secret; the earlier one helps out until %s.\n", clean(args[0]), stamp(until))
		})
	})
	cmd.Flags().StringVar(&file, "file", "", "file that holds the new secret; - is standard input")
	cmd.Flags().DurationVar(&overlap, "overlap", time.Hour, "how long the earlier secret helps out, 720h at most; 0 is not at all")
	cobra.CheckErr(cmd.MarkFlagRequired("file"))
	return cmd
}

// credentials lists those that the caller may see.
func credentials(ctx context.Context, c *client.Client) ([]*vitrine.Credential, error) {
	objects, err := c.Objects(ctx, vitrine.KindCredential)
	if err != nil {
		return nil, err
	}
	all := []*vitrine.Credential{}
	for _, o := range objects {
		if x, ok := o.(*vitrine.Credential); ok {
			all = append(all, x)
		}
	}
	return all, nil
}

// emptied names the credentials of a provider that lost their secret, and says
// whether all did. It is asked after a change that stands, so what cannot be
// seen is not told.
func emptied(ctx context.Context, c *client.Client, provider vitrine.ID) (empty []vitrine.ID, all bool) {
	seen, err := credentials(ctx, c)
	if err != nil {
		return nil, false
	}
	kept := 0
	for _, x := range seen {
		switch {
		case x.Provider != provider:
		case x.Origin == "":
			empty = append(empty, x.ID)
		default:
			kept++
		}
	}
	return empty, kept == 0 && len(empty) > 0
}

func newProviderLs() *cobra.Command {
	return remote(&cobra.Command{
		Use: "ls", Short: "List image services that you may see",
		Long: `List image services that you may see, with their credentials. One that is bound to
no origin has no secret any more, because its service moved; give it again with
vitrine provider add.`,
		Example: "  vitrine provider ls", Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		providers, err := c.Objects(ctx, vitrine.KindProvider)
		if err != nil {
			return err
		}
		all, err := credentials(ctx, c)
		if err != nil {
			return err
		}
		has := map[vitrine.ID][]string{}
		for _, x := range all {
			text := string(x.ID)
			if x.Origin == "" {
				text += " (no secret)"
			}
			has[x.Provider] = append(has[x.Provider], text)
		}
		out := map[string]any{"providers": providers, "credentials": all}
		return show(cmd, out, func(w io.Writer) {
			g := newGrid("ID", "KIND", "NAME", "BASE URL", "CREDENTIALS")
			for _, o := range providers {
				if p, ok := o.(*vitrine.Provider); ok {
					g.row(string(p.ID), string(p.Kind), dash(p.Name), dash(p.BaseURL), dash(strings.Join(has[p.ID], ", ")))
				}
			}
			g.print(w, "No providers that you may see.")
		})
	})
}

func newProviderRm() *cobra.Command {
	var sure bool
	cmd := remote(&cobra.Command{
		Use: "rm ID", Short: "Delete an image service with its credentials",
		Long: `Delete an image service with its credentials and their secrets, in one revision.
Its id is never used again. While a deployment is served by it, it stays: change
or delete that first.`,
		Example: "  vitrine provider rm local --yes", Args: exactly("ID"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		id := vitrine.ID(args[0])
		all, err := credentials(ctx, c)
		if err != nil {
			return err
		}
		set := &vitrine.ChangeSet{}
		gone := []vitrine.ID{}
		for _, x := range all {
			if x.Provider == id {
				gone = append(gone, x.ID)
				set.Changes = append(set.Changes, vitrine.Delete(x.Ref()))
			}
		}
		set.Changes = append(set.Changes, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindProvider, ID: id}))
		if err := unused(ctx, c, id); err != nil {
			return err
		}
		ok, err := confirm(cmd, sure, "Delete "+clean(args[0])+with(" with ", gone)+"?")
		if err != nil {
			return err
		}
		if !ok {
			return errors.New("nothing was deleted")
		}
		done, err := c.Apply(ctx, set)
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"id": id, "credentials": gone, "revision": done.Revision}, func(w io.Writer) {
			fmt.Fprintf(w, "%s is deleted%s.\n", clean(args[0]), with(", with ", gone))
		})
	})
	cmd.Flags().BoolVarP(&sure, "yes", "y", false, "do not ask")
	return cmd
}

// with tells how many credentials go along, if any do.
func with(before string, credentials []vitrine.ID) string {
	if len(credentials) == 0 {
		return ""
	}
	return before + count(len(credentials), "credential")
}

// unused says which deployments a provider serves. What one does not see the
// server finds.
func unused(ctx context.Context, c *client.Client, provider vitrine.ID) error {
	objects, err := c.Objects(ctx, vitrine.KindDeployment)
	if err != nil {
		return err
	}
	var by []vitrine.ID
	for _, o := range objects {
		if d, ok := o.(*vitrine.Deployment); ok && d.Provider == provider {
			by = append(by, d.ID)
		}
	}
	if len(by) > 0 {
		return fmt.Errorf("%w: %s serves %s; give these another provider, or delete them first", vitrine.ErrConflict, provider, join(by, ", "))
	}
	return nil
}

func newProviderForget() *cobra.Command {
	var sure bool
	cmd := remote(&cobra.Command{
		Use: "forget CREDENTIAL", Short: "Delete a credential and its secret",
		Long: `Delete a credential and its secret. The image service stays, and is used with its
other credentials, or not at all. The credential's id is never used again: give a
new one another, with provider add --credential.`,
		Example: "  vitrine provider forget openai --yes", Args: exactly("CREDENTIAL"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		ok, err := confirm(cmd, sure, "Delete the credential "+clean(args[0])+"?")
		if err != nil {
			return err
		}
		if !ok {
			return errors.New("nothing was deleted")
		}
		revision, err := c.Remove(ctx, vitrine.Ref{Kind: vitrine.KindCredential, ID: vitrine.ID(args[0])}, 0)
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"id": args[0], "revision": revision}, func(w io.Writer) {
			fmt.Fprintf(w, "The credential %s is deleted.\n", clean(args[0]))
		})
	})
	cmd.Flags().BoolVarP(&sure, "yes", "y", false, "do not ask")
	return cmd
}
