package cli

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine/client"
	"vitrine.dev/vitrine/internal/app"
)

func newWhoami() *cobra.Command {
	return remote(&cobra.Command{
		Use: "whoami", Short: "Whose key this is",
		Long: `Whose key this is. It is also how an owner enrols: the first use of a first key
with any verb counts, and this one changes nothing.`,
		Example: `  vitrine whoami
  VITRINE_KEY=vtr_first_… vitrine whoami --server https://images.example.com`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		me, err := c.Whoami(ctx)
		if err != nil {
			return err
		}
		return show(cmd, me, func(w io.Writer) {
			pairs(w, "principal", string(me.Principal), "kind", string(me.Kind), "name", me.Name, "acts for", string(me.For),
				"key", string(me.Key), "session", sessionWord(me), "expires", stamp(me.Expires), "server", c.Server(), "revision", fmt.Sprint(me.Revision))
		})
	})
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "The version of this program", Args: exactly(),
		Example: "  vitrine version --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := map[string]string{"version": app.Version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			return show(cmd, v, func(w io.Writer) {
				fmt.Fprintf(w, "vitrine %s (%s, %s)\n", v["version"], v["go"], v["platform"])
			})
		},
	}
}
