package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func newPrincipal() *cobra.Command {
	member := family("member", "Who is in a group", "Put principals into groups and take them out.", newMember(true), newMember(false))
	return family("principal", "People, groups and service accounts", "People, groups and service accounts. Where the policy is kept in files, change the files instead.",
		newPrincipalLs(), newPrincipalShow(), newPrincipalAdd(), newDisable(true), newDisable(false), newPrincipalRm(), member)
}

func newPrincipalLs() *cobra.Command {
	var kind string
	cmd := remote(&cobra.Command{
		Use: "ls", Short: "List principals that you may see",
		Example: "  vitrine principal ls --kind group", Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		if err := oneOf("kind", vitrine.PrincipalKind(kind), vitrine.User, vitrine.Service, vitrine.Group); err != nil {
			return err
		}
		objects, err := c.Objects(ctx, vitrine.KindPrincipal)
		if err != nil {
			return err
		}
		all := []*vitrine.Principal{}
		for _, o := range objects {
			if p, ok := o.(*vitrine.Principal); ok && (kind == "" || string(p.Kind) == kind) {
				all = append(all, p)
			}
		}
		return show(cmd, map[string]any{"principals": all}, func(w io.Writer) {
			g := newGrid("ID", "KIND", "NAME", "STATE", "ABOUT")
			for _, p := range all {
				g.row(string(p.ID), principalKind(p), dash(p.Name), state(p), dash(aboutPrincipal(p)))
			}
			g.print(w, "No principals that you may see.")
		})
	})
	cmd.Flags().StringVar(&kind, "kind", "", "only user, service or group")
	return cmd
}

func principalKind(p *vitrine.Principal) string {
	if p.Kind == vitrine.Service && p.Service != "" {
		return string(p.Service)
	}
	return string(p.Kind)
}

func state(p *vitrine.Principal) string {
	if p.Disabled {
		return "disabled"
	}
	return "active"
}

func aboutPrincipal(p *vitrine.Principal) string {
	switch p.Kind {
	case vitrine.Group:
		return count(len(p.Members), "member")
	case vitrine.Service:
		return strings.Trim(p.Purpose+", owner "+dash(string(p.Owner)), ", ")
	}
	return p.Email
}

func newPrincipalShow() *cobra.Command {
	return remote(&cobra.Command{
		Use: "show ID", Short: "A principal, its groups and its bindings",
		Example: "  vitrine principal show ann", Args: exactly("ID"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		o, revision, err := c.Object(ctx, vitrine.Ref{Kind: vitrine.KindPrincipal, ID: vitrine.ID(args[0])})
		if err != nil {
			return err
		}
		p, ok := o.(*vitrine.Principal)
		if !ok {
			return errors.New("the server answered something else than a principal")
		}
		now, err := c.Policy(ctx)
		if err != nil {
			return err
		}
		groups, bindings := belongs(now.Objects, p.ID)
		out := map[string]any{"principal": p, "revision": revision, "groups": groups, "bindings": bindings}
		return show(cmd, out, func(w io.Writer) {
			pairs(w, "id", string(p.ID), "kind", principalKind(p), "name", p.Name, "e-mail", p.Email, "state", state(p), "owner", string(p.Owner),
				"purpose", p.Purpose, "environment", string(p.Environment), "members", join(p.Members, ", "), "groups", join(groups, ", "),
				"enrolled", stamp(p.Enrolled), "changed", fmt.Sprintf("revision %d", revision))
			fmt.Fprintln(w)
			g := newGrid("ROLE", "SCOPE", "THROUGH", "UNTIL", "CONDITION")
			for _, b := range bindings {
				through := string(b.Principal)
				if b.Principal == p.ID {
					through = "itself"
				}
				g.row(string(b.Role), string(b.Scope), through, dash(stamp(b.Until)), dash(b.Condition))
			}
			g.print(w, "No bindings that you may see.")
		})
	})
}

// belongs finds the groups that a principal is in, directly or through others,
// and the bindings that reach it.
func belongs(objects []vitrine.Object, id vitrine.ID) ([]vitrine.ID, []*vitrine.Binding) {
	reached := map[vitrine.ID]bool{id: true}
	groups := []vitrine.ID{}
	for grown := true; grown; {
		grown = false
		for _, o := range objects {
			g, ok := o.(*vitrine.Principal)
			if !ok || g.Kind != vitrine.Group || reached[g.ID] {
				continue
			}
			for _, m := range g.Members {
				if reached[m] {
					reached[g.ID], grown = true, true
					groups = append(groups, g.ID)
					break
				}
			}
		}
	}
	bindings := []*vitrine.Binding{}
	for _, o := range objects {
		if b, ok := o.(*vitrine.Binding); ok && reached[b.Principal] {
			bindings = append(bindings, b)
		}
	}
	return groups, bindings
}

func newPrincipalAdd() *cobra.Command {
	var p vitrine.Principal
	var id, kind, service, owner, environment string
	var members []string
	cmd := remote(&cobra.Command{
		Use: "add --kind KIND", Short: "Make a principal",
		Long: `Make a person, group or service account. Without --id one is made. For more than
one or two, write a policy file: vitrine policy apply.`,
		Example: `  vitrine principal add --kind user --id ann --email ann@example.com
  vitrine principal add --kind service --id nightly --service pipeline --owner ann --purpose "nightly renders"
  vitrine principal add --kind group --id designers --member ann --member bob`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		p.ID, p.Kind, p.Service = vitrine.ID(id), vitrine.PrincipalKind(kind), vitrine.ServiceKind(service)
		p.Owner, p.Environment, p.Members = vitrine.ID(owner), vitrine.Environment(environment), ids(members)
		if err := errors.Join(oneOf("kind", p.Kind, vitrine.User, vitrine.Service, vitrine.Group),
			oneOf("service", p.Service, vitrine.Pipeline, vitrine.Agent, vitrine.ModelRunner, vitrine.Application),
			oneOf("environment", p.Environment, vitrine.Experimental, vitrine.Staging, vitrine.Production)); err != nil {
			return err
		}
		if p.ID != "" {
			_, _, err := c.Object(ctx, p.Ref())
			switch {
			case err == nil:
				return fmt.Errorf("%w: there is a principal %s already", vitrine.ErrConflict, p.ID)
			case !errors.Is(err, vitrine.ErrNotFound) && !errors.Is(err, vitrine.ErrDenied):
				return err
			}
		}
		made, revision, err := c.PutPrincipal(ctx, &p)
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"id": made, "revision": revision}, func(w io.Writer) { fmt.Fprintf(w, "%s is there now.\n", made) })
	})
	f := cmd.Flags()
	f.StringVar(&id, "id", "", "its id, for ever")
	f.StringVar(&kind, "kind", "", "user, service or group")
	f.StringVar(&p.Name, "name", "", "name for display")
	f.StringVar(&p.Email, "email", "", "e-mail address, of a person")
	f.StringVar(&service, "service", "", "pipeline, agent, model or application, of a service account")
	f.StringVar(&owner, "owner", "", "who answers for it, of a service account")
	f.StringVar(&p.Purpose, "purpose", "", "what it is for, of a service account")
	f.StringVar(&environment, "environment", "", "experimental, staging or production, of a service account")
	f.StringArrayVar(&members, "member", nil, "member, of a group; may be repeated")
	cobra.CheckErr(cmd.MarkFlagRequired("kind"))
	return cmd
}

func newDisable(disabled bool) *cobra.Command {
	verb, short, after := "enable", "Let a principal work again", "active"
	long := "Let a principal work again. Its earlier keys stay dead: issue new ones."
	if disabled {
		verb, short, after = "disable", "Stop a principal at once", "disabled"
		long = "Stop a principal at once: its keys and sessions are dead with the next request on\nthis node, and within a second on every other."
	}
	return remote(&cobra.Command{
		Use: verb + " ID", Short: short, Long: long, Example: "  vitrine principal " + verb + " bob", Args: exactly("ID"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		revision, err := c.SetDisabled(ctx, vitrine.ID(args[0]), disabled)
		if err != nil {
			return err
		}
		out := map[string]any{"id": args[0], "disabled": disabled, "revision": revision}
		note := ""
		if !disabled {
			note = "Keys from before stay dead. A new one: vitrine key create --principal " + clean(args[0])
			out["note"] = note
		}
		return show(cmd, out, func(w io.Writer) {
			fmt.Fprintf(w, "%s is %s.\n", clean(args[0]), after)
			if note != "" {
				fmt.Fprintln(w, note)
			}
		})
	})
}

func newPrincipalRm() *cobra.Command {
	var sure bool
	cmd := remote(&cobra.Command{
		Use: "rm ID", Short: "Delete a principal with its keys and bindings",
		Long: `Delete a principal with its keys and bindings. Its id is never used again. To stop
somebody at once and keep the record together, disable.`,
		Example: "  vitrine principal rm bob --yes", Args: exactly("ID"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		ok, err := confirm(cmd, sure, "Delete "+clean(args[0])+" with all keys and bindings?")
		if err != nil {
			return err
		}
		if !ok {
			return errors.New("nothing was deleted")
		}
		revision, err := c.DeletePrincipal(ctx, vitrine.ID(args[0]))
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"id": args[0], "revision": revision}, func(w io.Writer) { fmt.Fprintf(w, "%s is deleted.\n", clean(args[0])) })
	})
	cmd.Flags().BoolVarP(&sure, "yes", "y", false, "do not ask")
	return cmd
}

func newMember(in bool) *cobra.Command {
	verb, short, after := "rm", "Take principals out of a group", "is not in"
	if in {
		verb, short, after = "add", "Put principals into a group", "is in"
	}
	return remote(&cobra.Command{
		Use: verb + " GROUP MEMBER...", Short: short,
		Example: "  vitrine principal member " + verb + " designers ann", Args: atLeast("GROUP", "MEMBER"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		var revision int64
		for _, m := range args[1:] {
			var err error
			if revision, err = c.SetMember(ctx, vitrine.ID(args[0]), vitrine.ID(m), in); err != nil {
				return fmt.Errorf("%s: %w", m, err)
			}
		}
		return show(cmd, map[string]any{"group": args[0], "members": args[1:], "in": in, "revision": revision}, func(w io.Writer) {
			for _, m := range args[1:] {
				fmt.Fprintf(w, "%s %s %s.\n", clean(m), after, clean(args[0]))
			}
		})
	})
}
