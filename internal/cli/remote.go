package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
	"vitrine.dev/vitrine/internal/app"
)

// defaultServer is where a server listens that nobody told anything.
const defaultServer = "http://localhost:8420"

// remote makes a verb that speaks to a server.
func remote(cmd *cobra.Command, run func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error) *cobra.Command {
	f := cmd.Flags()
	f.String("server", "", "URL of the server (VITRINE_SERVER, else "+defaultServer+")")
	f.String("key", "", "key to show (VITRINE_KEY)")
	f.String("key-file", "", "file that holds the key")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect(cmd)
		if err != nil {
			return err
		}
		return refused(cmd, blame(cmd, run(cmd.Context(), cmd, c, args)))
	}
	return cmd
}

// connect makes the client that flags and environment describe.
func connect(cmd *cobra.Command) (*client.Client, error) {
	server, key, file := text(cmd, "server"), text(cmd, "key"), text(cmd, "key-file")
	if server == "" {
		if server = os.Getenv("VITRINE_SERVER"); server == "" {
			server = defaultServer
		}
	}
	if key != "" && file != "" {
		return nil, usage("either --key or --key-file")
	}
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		key = strings.TrimSpace(string(b))
	}
	if key == "" {
		key = os.Getenv("VITRINE_KEY")
	}
	if key == "" {
		if os.Getenv("VITRINE_KEY_FILE") != "" {
			return nil, usage("no key: set VITRINE_KEY, or give --key-file or --key; VITRINE_KEY_FILE names the file of the server's key-encryption key, not of yours")
		}
		return nil, usage("no key: set VITRINE_KEY, or give --key-file or --key")
	}
	c, err := client.New(server, vitrine.Secret(key), client.UserAgent("vitrine-cli/"+app.Version()))
	if err != nil {
		return nil, usage("%v", err)
	}
	return c, nil
}

// refusedKey is the error of a verb whose key the server does not take. The
// server tells how to send one; here it counts where it came from.
type refusedKey struct {
	error
	text string
}

func (r refusedKey) Error() string { return r.text }

// Unwrap answers what the server said.
func (r refusedKey) Unwrap() error { return r.error }

func refused(cmd *cobra.Command, err error) error {
	var e *client.Error
	if !errors.As(err, &e) || !errors.Is(e, vitrine.ErrUnauthenticated) {
		return err
	}
	from := "in VITRINE_KEY"
	switch {
	case text(cmd, "key-file") != "":
		from = "in " + text(cmd, "key-file")
	case text(cmd, "key") != "":
		from = "that --key gave"
	}
	return refusedKey{err, strings.Replace(err.Error(), e.Error(), "the key "+from+" was refused", 1)}
}

// text is the value of a flag, or "" where the verb has no such flag.
func text(cmd *cobra.Command, flag string) string {
	if f := cmd.Flags().Lookup(flag); f != nil {
		return f.Value.String()
	}
	return ""
}

// ids are arguments or flags as ids.
func ids(all []string) []vitrine.ID {
	var out []vitrine.ID
	for _, s := range all {
		out = append(out, vitrine.ID(s))
	}
	return out
}

// confirm asks on standard error, unless --yes was given. Where nobody can
// answer it is a mistake of usage.
func confirm(cmd *cobra.Command, yes bool, question string) (bool, error) {
	if yes {
		return true, nil
	}
	nobody := usage("nobody is here to confirm: give --yes")
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !terminal(in) {
		return false, nobody
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	var answer [64]byte
	n, err := in.Read(answer[:])
	if err != nil || n == 0 || answer[n-1] != '\n' {
		fmt.Fprintln(cmd.ErrOrStderr()) // what comes next is not an answer
	}
	switch {
	case err == io.EOF && n == 0: // /dev/null looks like a terminal
		return false, nobody
	case err != nil && err != io.EOF:
		return false, err
	}
	s := strings.ToLower(strings.TrimSpace(string(answer[:n])))
	return s == "y" || s == "yes", nil
}

// terminal reports whether a person sees what is written to f.
func terminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
