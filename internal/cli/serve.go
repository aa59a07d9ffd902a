package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/config"
)

// local are the flags of the verbs that work on an installation itself, not
// over the network. A flag overrides the environment, which overrides the file.
type local struct {
	file, data, listen, database, publicURL, tlsCert, tlsKey, level string
	private                                                         bool
}

// register adds the flags that every such verb has.
func (l *local) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.file, "config", "", "configuration file (see vitrine config check)")
	f.StringVar(&l.data, "data", "", "data directory")
	f.StringVar(&l.database, "database", "", "postgres:// URL; without it SQLite in the data directory")
}

// load reads the configuration with the flags on top.
func (l *local) load() (*config.Config, error) {
	var flags []string
	for _, set := range []struct{ name, value string }{
		{"DATA", l.data}, {"LISTEN", l.listen}, {"DATABASE", l.database}, {"PUBLIC_URL", l.publicURL},
		{"TLS_CERT", l.tlsCert}, {"TLS_KEY", l.tlsKey}, {"LOG_LEVEL", l.level},
	} {
		if set.value != "" {
			flags = append(flags, "VITRINE_"+set.name+"="+set.value)
		}
	}
	if l.private {
		flags = append(flags, "VITRINE_ALLOW_PRIVATE_PROVIDERS=true")
	}
	return config.Load(l.file, os.Environ(), flags...)
}

// logger is the process log: text for people, on standard error.
func logger(w io.Writer, c *config.Config) (*slog.Logger, error) {
	var level slog.Level
	if c.LogLevel != "" {
		if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
			return nil, fmt.Errorf("log level %q: want debug, info, warn or error", c.LogLevel)
		}
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), nil
}

func newServe() *cobra.Command {
	var l local
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server on an installation that init made.

It listens on loopback unless told otherwise. On SIGTERM or Ctrl-C it takes no
new request, lets those under way end, and exits 0.`,
		Example: `  vitrine serve --data ./data
  vitrine serve --data ./data --listen :8443 --tls-cert cert.pem --tls-key key.pem`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := l.load()
			if err != nil {
				return err
			}
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(200) // what lives is little, so collecting half as often costs some megabytes
			}
			log, err := logger(cmd.ErrOrStderr(), c)
			if err != nil {
				return err
			}
			return app.Serve(cmd.Context(), c, log, func(at net.Addr) {
				fmt.Fprintf(cmd.OutOrStdout(), "Vitrine listens on %s\n", address(c, at))
				if c.PublicURL != "" {
					fmt.Fprintf(cmd.OutOrStdout(), "Its public URL is %s\n", c.PublicURL)
				}
			})
		},
	}
	l.register(cmd)
	f := cmd.Flags()
	f.StringVar(&l.listen, "listen", "", "address to listen on (default 127.0.0.1:8420)")
	f.StringVar(&l.publicURL, "public-url", "", "URL under which clients reach this server; links are made with it")
	f.StringVar(&l.tlsCert, "tls-cert", "", "certificate file; with it the server speaks HTTPS")
	f.StringVar(&l.tlsKey, "tls-key", "", "key file of the certificate")
	f.StringVar(&l.level, "log-level", "", "debug, info, warn or error (default info)")
	f.BoolVar(&l.private, "allow-private-providers", false, "let providers have loopback and private addresses")
	return cmd
}

// address is where a person on this machine reaches the server: by name on
// loopback, because browsers refuse passkeys on bare addresses.
func address(c *config.Config, at net.Addr) string {
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return scheme + "://" + at.String()
	}
	ip, more := net.ParseIP(host), ""
	switch {
	case ip.IsLoopback():
		host = "localhost"
	case ip.IsUnspecified():
		host, more = "localhost", " and on every address of this machine"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + more
}

func newRecover() *cobra.Command {
	var l local
	var owner string
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Issue an owner another first key, offline",
		Long: `Issue an owner another first key when the old ones are lost.

It works on the data directory itself, with the server stopped and the
key-encryption key at hand. It is recorded and raises an alert. The key ends
after 72 hours: issue an ordinary one with it.`,
		Example: `  vitrine recover --data ./data --owner you@example.com`,
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := l.load()
			if err != nil {
				return err
			}
			o, err := recoverOwner(cmd.Context(), c, strings.TrimSpace(owner))
			if err != nil {
				return err
			}
			return show(cmd, map[string]string{"id": string(o.ID), "email": o.Email, "key": o.Secret.Reveal()}, func(w io.Writer) {
				fmt.Fprintf(w, "A first key for %s, shown this once, good for 72 hours:\n\n  %s\n", o.Email, o.Secret.Reveal())
			})
		},
	}
	l.register(cmd)
	cmd.Flags().StringVar(&owner, "owner", "", "id or e-mail address of the owner")
	cobra.CheckErr(cmd.MarkFlagRequired("owner"))
	return cmd
}

func recoverOwner(ctx context.Context, c *config.Config, owner string) (o ownerKey, err error) {
	made, err := app.Recover(ctx, c, owner, nil)
	if err != nil {
		return o, err
	}
	return *made, nil
}
