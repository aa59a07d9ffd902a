package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func newSession() *cobra.Command {
	return family("session", "Sessions: start, activate, drop, ls, end", `A session is a short-lived key of one's own in which roles are made active and dropped.
Where a separation of duty keeps two roles apart one may hold both: a session has one
of them active at a time. It dies with the key that it was started with.`,
		newSessionStart(), newSessionSet("activate", "Make roles active in a session", true),
		newSessionSet("drop", "Drop active roles of a session", false), newSessionLs(), newSessionEnd())
}

// sessionWord says what is active, where the key is that of a session.
func sessionWord(me *client.Self) string {
	switch {
	case !me.Session:
		return ""
	case len(me.Roles) == 0:
		return "no role is active"
	}
	return "active: " + join(me.Roles, ", ")
}

func newSessionStart() *cobra.Command {
	var n client.NewSession
	var roles []string
	var expires time.Duration
	var file string
	cmd := remote(&cobra.Command{
		Use: "start [--role ROLE...|--all]", Short: "Start a session, whose key is shown this once",
		Long: `Start a session with the key in use. Its own key is shown this once. Only the roles that
are named are active. Roles that must not be active together are refused together.`,
		Example: `  vitrine session start --role maker
  export VITRINE_KEY=$(vitrine session start --role checker --expires-in 1h)`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		n.Roles, n.ExpiresIn = ids(roles), vitrine.Duration(expires)
		k, err := c.StartSession(ctx, n)
		if err != nil {
			return err
		}
		return showKey(cmd, k, file)
	})
	f := cmd.Flags()
	f.StringArrayVar(&roles, "role", nil, "active from the start; may be repeated")
	f.BoolVar(&n.All, "all", false, "all roles that you hold and the key has")
	f.StringVar(&n.Name, "name", "", "what it is for")
	f.DurationVar(&expires, "expires-in", 0, "how long it lives: 8h by default, 24h at most")
	f.StringVar(&file, "file", "", "write the session's key to a new file (mode 0600) instead of printing it")
	return cmd
}

// thisSession is the session that was named, or the one in use.
func thisSession(ctx context.Context, c *client.Client, named string) (vitrine.ID, error) {
	if named != "" {
		return vitrine.ID(named), nil
	}
	me, err := c.Whoami(ctx)
	if err != nil {
		return "", err
	}
	if !me.Session {
		return "", usage("the key in use is no session's: name one with --session, or use the session's own key")
	}
	return me.Key, nil
}

func newSessionSet(verb, short string, active bool) *cobra.Command {
	var session string
	cmd := remote(&cobra.Command{
		Use: verb + " ROLE...", Short: short,
		Long:    short + ": the one in use or, with the key that it was started with, another.",
		Example: fmt.Sprintf("  vitrine session %s checker\n  vitrine session %s --session k3x9 maker", verb, verb),
		Args:    atLeast("ROLE"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		id, err := thisSession(ctx, c, session)
		if err != nil {
			return err
		}
		set := c.DropRole
		if active {
			set = c.ActivateRole
		}
		var revision int64
		for i, role := range args {
			if revision, err = set(ctx, id, vitrine.ID(role)); err != nil {
				if err = fmt.Errorf("%s %s (%d of %d done): %w", verb, role, i, len(args), err); i > 0 {
					err = partly{err}
				}
				return err
			}
		}
		return show(cmd, map[string]any{"session": id, "roles": args, "revision": revision}, func(w io.Writer) {
			for _, role := range args {
				fmt.Fprintf(w, "%s is %s in session %s.\n", clean(role), map[bool]string{true: "active", false: "dropped"}[active], id)
			}
		})
	})
	cmd.Flags().StringVar(&session, "session", "", "which; the one in use by default")
	return cmd
}

func newSessionLs() *cobra.Command {
	return remote(&cobra.Command{
		Use: "ls", Short: "List your sessions, never their keys",
		Example: "  vitrine session ls --output json", Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		all, err := listKeys(ctx, c, "")
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(k listedKey) bool { return !k.Session() })
		return show(cmd, map[string]any{"sessions": all}, func(w io.Writer) {
			g := newGrid("ID", "NAME", "STATE", "ACTIVE ROLES", "STARTED", "ENDS", "LAST USED", "WITH KEY")
			for _, k := range all {
				g.row(string(k.ID), dash(k.Name), k.State, dash(join(k.Roles, ", ")), minute(k.Created), stamp(k.Expires), dash(minute(k.LastUsed)), string(k.Parent))
			}
			g.print(w, "No sessions.")
		})
	})
}

func newSessionEnd() *cobra.Command {
	return remote(&cobra.Command{
		Use: "end [SESSION-ID]", Short: "End a session at once: the one in use, or another",
		Example: "  vitrine session end\n  vitrine session end k3x9", Args: cobra.MaximumNArgs(1),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		named := ""
		if len(args) > 0 {
			named = args[0]
		}
		id, err := thisSession(ctx, c, named)
		if err != nil {
			return err
		}
		revision, err := c.RevokeKey(ctx, id)
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"ended": id, "revision": revision}, func(w io.Writer) {
			fmt.Fprintf(w, "Session %s has ended.\n", clean(string(id)))
		})
	})
}
