package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func newAudit() *cobra.Command {
	return family("audit", "The log: tail, search, export, prove, verify", `The log: every attempt, allowed or refused, in a Merkle tree with signed
checkpoints. docs/log.md says what verifying proves, and what it does not.`,
		newTail(), newSearch(), newLogExport(), newProve(), newConsistency(), newVerify(), newLink(), newCheckpoint(), newLogKey())
}

func newTail() *cobra.Command {
	var n int
	var follow bool
	cmd := remote(&cobra.Command{
		Use: "tail", Short: "The last entries, and with --follow those to come",
		Example: "  vitrine audit tail -n 50\n  vitrine audit tail --follow --output json | jq .act", Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		if n < 1 || n > 1000 {
			return usage("-n %d: want 1 to 1000", n)
		}
		entries, _, err := c.Log(ctx, client.LogQuery{After: -1, Back: true, Limit: n})
		if err != nil {
			return err
		}
		for i, j := 0, len(entries)-1; i < j; i, j = i+1, j-1 {
			entries[i], entries[j] = entries[j], entries[i]
		}
		if !follow {
			return show(cmd, map[string]any{"entries": entries}, func(w io.Writer) { printEntries(w, entries) })
		}
		line := func(e vitrine.Entry) error { return printLine(cmd, &e) }
		last := int64(-1)
		for _, e := range entries {
			if err := line(e); err != nil {
				return err
			}
			last = e.Seq
		}
		err = c.FollowLog(ctx, last, line)
		if ctx.Err() != nil {
			return nil // told to stop
		}
		return err
	})
	cmd.Flags().IntVarP(&n, "lines", "n", 20, "how many")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with entries as they come; JSON is then a line each")
	return cmd
}

// entryCells are the columns of an entry.
func entryCells(e *vitrine.Entry) []string {
	who := string(e.Actor)
	if e.For != "" {
		who += " for " + string(e.For)
	}
	if who == "" && e.Personal.Address != "" {
		who = "unknown at " + e.Personal.Address
	}
	on := string(e.Resource)
	if e.Kind != "" && on != "" {
		on = string(e.Kind) + "/" + on
	}
	why := e.Code
	if e.Outcome == vitrine.Allowed && why == string(vitrine.CodeAllowed) {
		why = ""
	}
	if e.Count > 1 {
		why = strings.TrimSpace(why + " ×" + strconv.FormatInt(e.Count, 10))
	}
	if e.Alert != "" {
		why = strings.TrimSpace(why + " ! " + e.Alert)
	}
	act := e.Act
	if e.Op != "" {
		act += " (" + e.Op + ")"
	}
	return []string{strconv.FormatInt(e.Seq, 10), stamp(e.Time), string(e.Outcome), dash(who), act, dash(on), dash(e.Tier.String()), dash(why)}
}

func printEntries(w io.Writer, entries []vitrine.Entry) {
	g := newGrid("SEQ", "TIME", "OUTCOME", "WHO", "ACT", "ON", "TIER", "WHY").numbers(0)
	for i := range entries {
		g.row(entryCells(&entries[i])...)
	}
	g.print(w, "No entries that you may see.")
}

// printLine prints an entry by itself, while more are to come.
func printLine(cmd *cobra.Command, e *vitrine.Entry) error {
	if output(cmd) == "json" {
		return encodeLine(cmd.OutOrStdout(), e)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), clean(strings.Join(entryCells(e), "  ")))
	return err
}

func newSearch() *cobra.Command {
	var q client.LogQuery
	var actor, outcome, resource, scope, credential, from, until, alert string
	var after int64
	cmd := remote(&cobra.Command{
		Use: "search", Short: "Find entries, newest first",
		Long: `Find entries, newest first. With --alert the entries that the other flags leave
are read through from the newest; --from bounds that.`,
		Example: `  vitrine audit search --actor eve --outcome refused --from 24h
  vitrine audit search --resource img-1 --output json
  vitrine audit search --request req_abc
  vitrine audit search --alert budget_90 --from 720h
  vitrine audit search --alert any --from 24h`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		q.Actor, q.Outcome, q.Resource = vitrine.ID(actor), vitrine.Outcome(outcome), vitrine.ID(resource)
		q.Scope, q.Credential, q.After, q.Back = vitrine.ID(scope), vitrine.ID(credential), after, true
		var err error
		if q.From, err = since(from, time.Now()); err != nil {
			return usage("--from: %v", err)
		}
		if q.To, err = since(until, time.Now()); err != nil {
			return usage("--to: %v", err)
		}
		if err := oneOf("outcome", q.Outcome, vitrine.Allowed, vitrine.Refused, vitrine.Broken); err != nil {
			return err
		}
		entries, next, err := find(ctx, cmd, c, q, alert)
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"entries": entries, "next": next}, func(w io.Writer) {
			printEntries(w, entries)
			if q.Limit > 0 && len(entries) == q.Limit {
				fmt.Fprintf(w, "There may be more: --before %d\n", next)
			}
		})
	})
	f := cmd.Flags()
	f.StringVar(&actor, "actor", "", "only by this principal")
	f.StringVar(&q.Act, "act", "", "only this act, such as image.open")
	f.StringVar(&outcome, "outcome", "", "only allowed, refused or failed")
	f.StringVar(&resource, "resource", "", "only about this id")
	f.StringVar(&scope, "scope", "", "only what lies in this project, dataset or model")
	f.StringVar(&q.Request, "request", "", "only of this request")
	f.StringVar(&credential, "credential", "", "only with this key")
	f.StringVar(&alert, "alert", "", "only with this alert; any is with any")
	f.StringVar(&from, "from", "", "since when: 24h ago, 2027-01-31, or an instant")
	f.StringVar(&until, "to", "", "until when")
	f.Int64Var(&after, "before", -1, "only before this entry")
	f.IntVar(&q.Limit, "limit", 100, "at most this many")
	return cmd
}

// find lists a page of entries. Alerts are looked for here, page by page,
// because the server has no index of them.
func find(ctx context.Context, cmd *cobra.Command, c *client.Client, q client.LogQuery, alert string) ([]vitrine.Entry, int64, error) {
	if alert == "" {
		return c.Log(ctx, q)
	}
	limit, seen := q.Limit, 0
	q.Limit = 1000
	found := []vitrine.Entry{}
	p := newProgress(cmd, "search")
	defer p.done()
	for {
		page, next, err := c.Log(ctx, q)
		if err != nil {
			return nil, 0, err
		}
		for _, e := range page {
			if e.Raised(alert) || alert == "any" && e.Alert != "" {
				if found = append(found, e); len(found) == limit {
					return found, e.Seq, nil
				}
			}
		}
		seen += len(page)
		p.say(fmt.Sprintf("%d entries read, %d found", seen, len(found)))
		if len(page) < q.Limit || next <= 0 {
			return found, 0, nil
		}
		q.After = next
	}
}

func newLogExport() *cobra.Command {
	var from, until int64
	var file string
	var force bool
	cmd := remote(&cobra.Command{
		Use: "export -f FILE", Short: "Write the log with its proof, for verifying offline",
		Long: `Write the log with its proof, for verifying offline: a line of JSON for each entry,
and a signed checkpoint that covers them. --from and --to take a part, which can
be verified too.`,
		Example: `  vitrine audit export -f log.ndjson
  vitrine audit export --from 100000 -f - | gzip > log.ndjson.gz`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		if file == "-" {
			_, err := c.ExportLog(ctx, from, until, cmd.OutOrStdout())
			return err
		}
		if file == "" {
			return usage("say where to: -f FILE, or -f - for standard output")
		}
		p := newProgress(cmd, "export")
		defer p.done()
		r, w := io.Pipe()
		go func() {
			_, err := c.ExportLog(ctx, from, until, w)
			w.CloseWithError(err)
		}()
		n, err := save(file, io.TeeReader(r, p), force)
		if err != nil {
			r.CloseWithError(err)
			return err
		}
		p.done()
		return show(cmd, map[string]any{"file": file, "bytes": n}, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s\nNext: vitrine audit verify %s --public-key-file KEY\n", file, size(n), file)
		})
	})
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "file to write to; - is standard output")
	f.Int64Var(&from, "from", 0, "first entry")
	f.Int64Var(&until, "to", 0, "before which entry; up to now otherwise")
	f.BoolVar(&force, "force", false, "overwrite a file that is there")
	return cmd
}

func newCheckpoint() *cobra.Command {
	return remote(&cobra.Command{
		Use: "checkpoint", Short: "The signed head of the log",
		Long: `The signed head of the log. Whoever keeps it can prove later that no entry before
it was changed. Keep it elsewhere than the log.`,
		Example: "  vitrine audit checkpoint > checkpoints/$(date +%F)", Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		head, err := c.Checkpoint(ctx)
		if err != nil {
			return err
		}
		return show(cmd, head, func(w io.Writer) { fmt.Fprint(w, head.Checkpoint) })
	})
}

func newLogKey() *cobra.Command {
	return remote(&cobra.Command{
		Use: "key", Short: "The public key that checkpoints are verified with",
		Long: `The public key that checkpoints are verified with. Get it once, when you trust the
server, and keep it elsewhere than the log.`,
		Example: "  vitrine audit key > log.pub", Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		head, err := c.Checkpoint(ctx)
		if err != nil {
			return err
		}
		out := map[string]string{"public_key": head.PublicKey, "origin": head.Origin}
		return show(cmd, out, func(w io.Writer) { fmt.Fprintln(w, head.PublicKey) })
	})
}
