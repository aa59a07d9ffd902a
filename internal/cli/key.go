package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func newKey() *cobra.Command {
	return family("key", "Keys: create, ls, rotate, revoke", "Keys of principals. A key's rights are its principal's, narrowed by roles and scope.",
		newKeyCreate(), newKeyLs(), newKeyRotate(), newKeyRevoke())
}

func newKeyCreate() *cobra.Command {
	var n client.NewKey
	var principal, scope, project, dataset, expires, file string
	var roles []string
	cmd := remote(&cobra.Command{
		Use: "create [--principal ID]", Short: "Issue a key, shown this once",
		Long: `Issue a key. It is shown this once; only its hash is kept. It ends after 90 days
unless --expires says otherwise. --role and --scope narrow what can be done with it.`,
		Example: `  vitrine key create --principal ann --output json
  vitrine key create --principal nightly --role ai-image-user --scope renders --dataset drafts --cidr 10.0.0.0/8 --expires 720h
  vitrine key create --principal helper-agent --for-me --file agent.key`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		n.Principal, n.Scope, n.Project, n.Dataset = vitrine.ID(principal), vitrine.ID(scope), vitrine.ID(project), vitrine.ID(dataset)
		n.Roles = ids(roles)
		var err error
		if n.Expires, err = when(expires, time.Now()); err != nil {
			return usage("--expires: %v", err)
		}
		for _, s := range n.CIDRs {
			if _, err := netip.ParsePrefix(s); err != nil {
				return usage("--cidr %s: want a network such as 192.0.2.0/24", s)
			}
		}
		if file != "" {
			if _, err := os.Lstat(file); err == nil {
				return usage("--file %s is there already", file)
			}
		}
		k, err := c.IssueKey(ctx, n)
		if err != nil {
			return err
		}
		return showKey(cmd, k, file)
	})
	f := cmd.Flags()
	f.StringVar(&principal, "principal", "", "whose; yours by default")
	f.StringVar(&n.Name, "name", "", "what it is for")
	f.StringArrayVar(&roles, "role", nil, "only this role is active; may be repeated")
	f.StringVar(&scope, "scope", "", "only here and below")
	f.StringVar(&project, "project", "", "default project")
	f.StringVar(&dataset, "dataset", "", "default dataset")
	f.StringArrayVar(&n.CIDRs, "cidr", nil, "only from this network; may be repeated")
	f.BoolVar(&n.For, "for-me", false, "a key with which a service account acts for you")
	f.StringVar(&expires, "expires", "", "when it ends: 720h from now, 2027-01-31, or an instant")
	f.BoolVar(&n.NoExpiry, "no-expiry", false, "it does not end; service accounts only")
	f.StringVar(&file, "file", "", "write the key to a new file (mode 0600) instead of printing it")
	return cmd
}

// showKey prints a new key, or writes it to a file and prints the rest.
func showKey(cmd *cobra.Command, k *client.IssuedKey, file string) error {
	if file != "" {
		if _, err := save(file, strings.NewReader(k.Key+"\n"), false); err != nil {
			return fmt.Errorf("key %s was issued but could not be written; revoke it: %w", k.ID, err)
		}
		k.Key = ""
	}
	return show(cmd, k, func(w io.Writer) {
		if file == "" {
			fmt.Fprintf(w, "%s\n", k.Key)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "key %s of %s, shown this once%s\n", k.ID, k.Principal, ends(k.Expires))
		if k.PreviousUntil.After(time.Now()) {
			fmt.Fprintf(cmd.ErrOrStderr(), "the old secret works until %s\n", stamp(k.PreviousUntil))
		}
	})
}

func ends(t time.Time) string {
	if t.IsZero() {
		return ", does not end"
	}
	return ", ends " + stamp(t)
}

// when reads a duration from now, a day, or an instant.
func when(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q: want 720h, 2027-01-31 or 2027-01-31T18:00:00Z", s)
}

// since reads a time in the past: a duration ago, a day, or an instant.
func since(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	return when(s, now)
}

func newKeyLs() *cobra.Command {
	var principal string
	var all bool
	cmd := remote(&cobra.Command{
		Use: "ls", Short: "List keys, never their secrets",
		Long: `List keys, never their secrets, with what has become of each: active, first key,
revoked, ended, or dead, because whoever it is of - or for - is disabled or was
since it was issued. After a rotation it says until when the old secret works.`,
		Example: "  vitrine key ls\n  vitrine key ls --all --output json", Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		if all && principal != "" {
			return usage("--all and --principal say different things: give one")
		}
		if all {
			principal = string(vitrine.Everyone)
		}
		keys, err := listKeys(ctx, c, vitrine.ID(principal))
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"keys": keys}, func(w io.Writer) {
			g := newGrid("ID", "PRINCIPAL", "NAME", "STATE", "ENDS", "LAST USED", "FROM", "NARROWED TO")
			for _, k := range keys {
				g.row(string(k.ID), string(k.Principal), dash(k.Name), k.State, dash(stamp(k.Expires)), dash(minute(k.LastUsed)),
					dash(k.LastAddress), dash(narrowed(&k.KeyInfo)))
			}
			g.print(w, "No keys that you may see.")
		})
	})
	cmd.Flags().StringVar(&principal, "principal", "", "whose; yours by default")
	cmd.Flags().BoolVar(&all, "all", false, "of everybody that you may see")
	return cmd
}

// listedKey is a key and what has become of it.
type listedKey struct {
	client.KeyInfo
	State string `json:"state"`
}

// listKeys asks for keys and for those whom they are of: a key dies with its
// principal's epoch, of which it says nothing itself.
func listKeys(ctx context.Context, c *client.Client, principal vitrine.ID) ([]listedKey, error) {
	keys, err := c.Keys(ctx, principal)
	if err != nil {
		return nil, err
	}
	people := map[vitrine.ID]*vitrine.Principal{}
	objects, err := c.Objects(ctx, vitrine.KindPrincipal)
	if err != nil && !errors.Is(err, vitrine.ErrDenied) && !errors.Is(err, vitrine.ErrNotFound) {
		return nil, err
	}
	for _, o := range objects {
		if p, ok := o.(*vitrine.Principal); ok {
			people[p.ID] = p
		}
	}
	all := make([]listedKey, len(keys))
	for i := range keys {
		all[i] = listedKey{keys[i], keyState(&keys[i], people, time.Now())}
	}
	return all, nil
}

// keyState is what has become of a key, as far as one sees whom it is of.
func keyState(k *client.KeyInfo, people map[vitrine.ID]*vitrine.Principal, now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "ended"
	}
	for _, holder := range []struct {
		id    vitrine.ID
		epoch int64
	}{{k.Principal, k.Epoch}, {k.For, k.ForEpoch}} {
		switch p := people[holder.id]; {
		case p == nil:
		case p.Disabled:
			return "dead: " + string(p.ID) + " is disabled"
		case holder.epoch < p.Epoch:
			return "dead: " + string(p.ID) + " was disabled"
		}
	}
	state := "active"
	if k.First {
		state = "first key"
	}
	if now.Before(k.PreviousUntil) {
		state += ", old secret until " + stamp(k.PreviousUntil)
	}
	return state
}

func narrowed(k *client.KeyInfo) string {
	var parts []string
	for _, s := range []string{join(k.Roles, ","), string(k.Scope), strings.Join(k.CIDRs, ",")} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if k.For != "" {
		parts = append(parts, "for "+string(k.For))
	}
	return strings.Join(parts, "; ")
}

func newKeyRotate() *cobra.Command {
	var overlap time.Duration
	var file string
	cmd := remote(&cobra.Command{
		Use: "rotate KEY-ID", Short: "Give a key a new secret, shown this once",
		Long:    "Give a key a new secret. The old one still works for the overlap, then ends.",
		Example: "  vitrine key rotate k3x9 --overlap 24h", Args: exactly("KEY-ID"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		k, err := c.RotateKey(ctx, vitrine.ID(args[0]), overlap)
		if err != nil {
			return err
		}
		return showKey(cmd, k, file)
	})
	cmd.Flags().DurationVar(&overlap, "overlap", 0, "how long the old secret still works")
	cmd.Flags().StringVar(&file, "file", "", "write the key to a new file (mode 0600) instead of printing it")
	return cmd
}

func newKeyRevoke() *cobra.Command {
	return remote(&cobra.Command{
		Use: "revoke KEY-ID...", Short: "End keys at once",
		Example: "  vitrine key revoke k3x9", Args: atLeast("KEY-ID"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		var revision int64
		for i, id := range args {
			var err error
			if revision, err = c.RevokeKey(ctx, vitrine.ID(id)); err != nil {
				err = fmt.Errorf("revoke %s (%d of %d are revoked): %w", id, i, len(args), err)
				if i > 0 {
					err = partly{err}
				}
				return err
			}
		}
		return show(cmd, map[string]any{"revoked": args, "revision": revision}, func(w io.Writer) {
			for _, id := range args {
				fmt.Fprintf(w, "%s is revoked.\n", clean(id))
			}
		})
	})
}
