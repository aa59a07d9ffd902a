// Package cli is the command line: verbs over the API's client, and serve,
// init, recover, doctor and demo over package app. A verb parses, calls, and
// prints; what may be done is decided by the server.
//
// Output is for people as tables and for programs as JSON (--output json), on
// standard output; everything else - errors, questions, progress - goes to
// standard error, so that output can always be piped. Errors say what to do
// next. The exit status says what happened:
//
//	0  done
//	1  failed
//	2  used wrongly
//	3  denied, not authenticated, or not found
//	4  conflict: it changed, or is there already
//	5  done in part: the answer says what was done
//
// Nothing depends on colour. No verb prints a secret but the one that makes it.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/policyfile"
)

// The exit statuses.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitDenied   = 3
	exitConflict = 4
	exitPartly   = 5
)

// Main runs the command line and answers the exit status.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// Run runs one verb.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := Root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	tell(cmd, stderr, err)
	return status(err)
}

// Root is the command with all verbs.
func Root() *cobra.Command {
	root := &cobra.Command{
		Use:   "vitrine",
		Short: "A locked glass case for AI-generated images",
		Long: `Vitrine stands between people, services and AI agents on one side and
image-generation services and stored images on the other, and answers one
question everywhere the same way: may this caller do this to that?

Verbs that speak to a server take --server and --key, or VITRINE_SERVER and
VITRINE_KEY. Prefer the variable, or --key-file: others on the machine can read
a command line.

Exit status: 0 done, 1 failed, 2 used wrongly, 3 denied or not found, 4 conflict,
5 done in part.`,
		Example: `  vitrine demo
  vitrine init --data ./data --owner-email you@example.com --owner-email colleague@example.com
  vitrine serve --data ./data
  vitrine policy apply -f examples/company
  vitrine explain image.open image/img-1 --subject ann`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.PersistentFlags().StringP("output", "o", "table", "table or json")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%v", err) })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if o := output(cmd); o != "table" && o != "json" {
			return usage("--output %s: want table or json", o)
		}
		return nil
	}
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run a server:"}, &cobra.Group{ID: "access", Title: "Who may do what:"},
		&cobra.Group{ID: "images", Title: "Images:"}, &cobra.Group{ID: "people", Title: "People, keys and money:"},
		&cobra.Group{ID: "log", Title: "The log:"})
	add(root, "run", newInit(), newServe(), newDemo(), newDoctor(), newBackup(), newRestore(), newRecover(), newConfig())
	add(root, "access", newPolicy(), newCheck(), newExplain(), newWho(), newMatrix())
	add(root, "images", newImage(), newHold(), newGenerate())
	add(root, "people", newWhoami(), newPrincipal(), newKey(), newSession(), newBudget(), newUsage(), newProvider(), newCredential())
	add(root, "log", newAudit())
	root.AddCommand(newVersion())
	return root
}

func add(root *cobra.Command, group string, verbs ...*cobra.Command) {
	for _, v := range verbs {
		v.GroupID = group
		root.AddCommand(v)
	}
}

// family is a verb that only holds others.
func family(use, short, long string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage("there is no verb %q in vitrine %s", args[0], cmd.Name())
		}
		return cmd.Help()
	}}
	cmd.Example = "  vitrine " + use + " --help"
	if len(verbs) > 0 {
		cmd.Example = verbs[0].Example
	}
	cmd.AddCommand(verbs...)
	return cmd
}

// usageError is a mistake in how a verb was called.
type usageError struct{ text string }

// Error implements error.
func (e *usageError) Error() string { return e.text }

// usage is an error with exit status 2.
func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// flagged is what the server says of a value that a flag gave: a mistake in how
// the verb was called.
type flagged struct{ error }

// Unwrap answers the server's error.
func (f flagged) Unwrap() error { return f.error }

// blame finds the flag that the server refuses, if it was one.
func blame(cmd *cobra.Command, err error) error {
	var e *client.Error
	if !errors.As(err, &e) || !errors.Is(e, vitrine.ErrInvalid) || e.Param == "" {
		return err
	}
	name, _, _ := strings.Cut(e.Param[strings.LastIndexByte(e.Param, '.')+1:], "[")
	name = strings.ReplaceAll(name, "_", "-")
	for _, flag := range []string{name, strings.TrimSuffix(name, "s")} {
		if f := cmd.Flags().Lookup(flag); f != nil && f.Changed {
			return flagged{err}
		}
	}
	return err
}

// oneOf makes a word that a flag does not know a mistake of usage; "" is what
// was not given.
func oneOf[T ~string](flag string, value T, words ...T) error {
	if value == "" || slices.Contains(words, value) {
		return nil
	}
	return usage("--%s %s: want %s", flag, value, join(words, ", "))
}

// partly is the error of a verb that has done some of what it was asked for.
type partly struct{ error }

// Unwrap answers what stopped it.
func (p partly) Unwrap() error { return p.error }

// exactly makes a wrong number of arguments a mistake of usage.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usage("want %s, got %d", count(len(names), "argument")+wanted(names), len(args))
		}
		return nil
	}
}

// atLeast is exactly for a last argument that may be repeated.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usage("want at least %s, got %d", count(len(names), "argument")+wanted(names), len(args))
		}
		return nil
	}
}

func wanted(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// status is the exit status of an error.
func status(err error) int {
	var u *usageError
	var f flagged
	var p partly
	switch {
	case errors.As(err, &p):
		return exitPartly
	case errors.As(err, &u), errors.As(err, &f), isCobraUsage(err):
		return exitUsage
	case errors.Is(err, vitrine.ErrDenied), errors.Is(err, vitrine.ErrNotFound), errors.Is(err, vitrine.ErrUnauthenticated):
		return exitDenied
	case errors.Is(err, vitrine.ErrConflict):
		return exitConflict
	}
	return exitFailed
}

// isCobraUsage knows the mistakes that cobra itself finds and gives no type.
func isCobraUsage(err error) bool {
	s := err.Error()
	return strings.HasPrefix(s, "unknown command") || strings.HasPrefix(s, "required flag") ||
		strings.Contains(s, "none of the others can be") || strings.Contains(s, "at least one of the flags")
}

// tell prints an error and what to do next.
func tell(cmd *cobra.Command, w io.Writer, err error) {
	if errors.Is(err, errSilent) {
		return
	}
	var e *client.Error
	if output(cmd) == "json" {
		report := map[string]any{"error": err.Error()}
		if errors.As(err, &e) {
			report["problem"] = e
		}
		var all policyfile.Problems
		if errors.As(err, &all) {
			report["problems"] = all
		}
		_ = json.NewEncoder(w).Encode(report) // standard error is gone; there is nobody to tell
		return
	}
	fmt.Fprintf(w, "vitrine: %v\n", err)
	if h := hint(cmd, err); h != "" {
		fmt.Fprintf(w, "  %s\n", h)
	}
	if errors.As(err, &e) && e.Request != "" && e.Status >= 400 {
		fmt.Fprintf(w, "  request %s\n", e.Request)
	}
}

// errSilent is wrapped by errors that were told already.
var errSilent = errors.New("told already")

// hint is what to do next.
func hint(cmd *cobra.Command, err error) string {
	var u *usageError
	var f flagged
	var op *net.OpError
	var dns *net.DNSError
	local := cmd.Flags().Lookup("server") == nil
	switch {
	case errors.As(err, &u), errors.As(err, &f), isCobraUsage(err):
		return "See " + cmd.CommandPath() + " --help"
	case errors.As(err, &op) && op.Op == "listen":
		return "Does another program listen there? --listen or VITRINE_LISTEN says where."
	case local && (errors.As(err, &op) || errors.As(err, &dns)):
		return app.NoDatabase
	case errors.As(err, &op), errors.As(err, &dns):
		return "Is the server running there? vitrine serve starts one; --server or VITRINE_SERVER says where."
	case errors.Is(err, vitrine.ErrUnauthenticated):
		return "Is it whole, not expired and not revoked, and may it be used from here?"
	case errors.Is(err, vitrine.ErrDenied):
		return "vitrine explain PERMISSION KIND/ID tells why, and what would be needed."
	case overtaken(err):
		return "Look at what is there now, then try again."
	case errors.Is(err, vitrine.ErrUnavailable):
		return "The server says at /readyz what is wrong."
	}
	return ""
}

// overtaken reports whether somebody else was faster. Of other conflicts the
// error itself says what is in the way.
func overtaken(err error) bool {
	var here *vitrine.Error
	var there *client.Error
	code := ""
	switch {
	case errors.As(err, &there):
		code = there.Code
	case errors.As(err, &here):
		code = here.Code
	}
	return code == "revision" || code == "version" || code == "precondition_failed"
}
