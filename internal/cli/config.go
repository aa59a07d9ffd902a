package cli

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine/internal/config"
)

func newConfig() *cobra.Command {
	var file string
	check := &cobra.Command{
		Use: "check", Short: "Read the configuration, say what is wrong, print what is in force",
		Long: `Read the configuration as serve would, say everything that is wrong with it, and
print each setting in force and where its value comes from. Passwords are shown
as [set]. Nothing is opened or changed.`,
		Example: `  vitrine config check
  vitrine config check --config /etc/vitrine/vitrine.yaml --output json`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file, os.Environ())
			if err != nil {
				return err
			}
			all := c.Settings()
			return show(cmd, all, func(w io.Writer) {
				g := newGrid("SETTING", "VALUE", "FROM")
				for _, s := range all {
					g.row(s.Name, dash(s.Value), s.From)
				}
				g.print(w, "no settings")
			})
		},
	}
	check.Flags().StringVar(&file, "config", "", "configuration file (VITRINE_CONFIG)")
	return family("config", "The configuration", "The configuration of a server. docs/config.md lists every setting.", check)
}
