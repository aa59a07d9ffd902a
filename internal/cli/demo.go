package cli

import (
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"vitrine.dev/vitrine/internal/demo"
)

func newDemo() *cobra.Command {
	var c demo.Config
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A small company, one image, and who sees what of it",
		Long: `Make an installation in a temporary directory, serve it on a free port, set up a
small company from examples/company, and tell with real answers what Vitrine does:
a caller generates an image through OpenAI's own client, another opens it, a third
sees it masked, a fourth learns nothing of it, a fifth is over budget, and the log
proves all of it. Then it serves on, with keys to try, until Ctrl-C.

The exit status is 1 where an answer is not the one that the story tells. What was
made is left where it is. NO_COLOR is respected.`,
		Example: `  vitrine demo
  vitrine demo --exit --dir /tmp/story`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output(cmd) == "json" {
				return usage("the demo tells a story and has no JSON; leave --output json out")
			}
			c.Out = cmd.OutOrStdout()
			c.Colour, c.Width = sight(c.Out)
			c.Command = called()
			return demo.Run(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&c.Exit, "exit", false, "end with the story instead of serving on")
	f.StringVar(&c.Dir, "dir", "", "directory to put everything in, empty or not there yet; a temporary one otherwise")
	return cmd
}

// called is how this program was called, so that a line to copy works.
func called() string {
	if name := os.Args[0]; strings.Contains(name, "/") && !strings.ContainsAny(name, " '\"\\$") {
		return name
	}
	return "vitrine"
}

// sight is whether whoever reads w sees colours, and how many columns; 0 is
// not known.
func sight(w io.Writer) (colour bool, width int) {
	f, ok := w.(*os.File)
	if !ok || !terminal(f) {
		return false, 0
	}
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
		width = int(size.Col)
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		width = n
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", width
}
