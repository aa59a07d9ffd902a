package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func newProvider() *cobra.Command {
	return family("provider", "Image services: add, ls, test, prices, rm", "Image services and their credentials, which are sealed by the server and never shown again.",
		newProviderAdd(), newProviderLs(), newProviderTest(), newProviderPrices(), newProviderRm(), newProviderForget())
}

// maxSecret bounds a credential file.
const maxSecret = 8 << 10

func newProviderAdd() *cobra.Command {
	var p vitrine.Provider
	var id, kind, file, credential string
	var projects, roles []string
	cmd := remote(&cobra.Command{
		Use: "add --kind KIND --id ID", Short: "Add or change an image service and its credential",
		Long: `Add or change an image service. Its credential is read from a file (- is standard
input), sealed by the server, bound to the base URL's origin, and never shown
again. A service that moves to another origin loses its credentials.

The credential of automatic1111 is user:password, as its --api-auth has it; without
--api-auth there is none. An address on loopback or in a private network needs a
server that runs with --allow-private-providers.`,
		Example: `  vitrine provider add --kind openai --id openai --base-url https://api.openai.com/v1 --credential-file openai.key
  vitrine provider add --kind nanogpt --id nano --base-url https://nano-gpt.com/api/v1 --credential-file - < nano.key
  vitrine provider add --kind stability --id stability --base-url https://api.stability.ai --credential-file stability.key
  vitrine provider add --kind automatic1111 --id webui --base-url http://127.0.0.1:7860 --credential-file webui.auth
  vitrine provider add --kind studio --id studio`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		p.ID, p.Kind = vitrine.ID(id), vitrine.ProviderKind(kind)
		if err := oneOf("kind", p.Kind, vitrine.OpenAI, vitrine.NanoGPT, vitrine.Automatic1111, vitrine.Stability, vitrine.Studio); err != nil {
			return err
		}
		if p.Kind != vitrine.Studio && p.BaseURL == "" {
			return usage("--base-url is missing: where is the service?")
		}
		secret, err := readSecret(cmd, file)
		if err != nil {
			return err
		}
		var named *client.NewCredential
		if secret != "" {
			named = &client.NewCredential{ID: vitrine.ID(credential), Projects: ids(projects), Roles: ids(roles)}
			if named.ID == "" {
				named.ID = p.ID
			}
		} else if credential != "" || len(projects)+len(roles) > 0 {
			return usage("--credential, --project and --role are about a credential: give --credential-file")
		}
		revision, err := c.PutProvider(ctx, &p, named, secret)
		if err != nil {
			return err
		}
		out := map[string]any{"id": p.ID, "revision": revision}
		if named != nil {
			out["credential"] = named.ID
		}
		empty, all := emptied(ctx, c, p.ID)
		if len(empty) > 0 {
			out["without_secret"] = empty
		}
		return show(cmd, out, func(w io.Writer) {
			fmt.Fprintf(w, "%s is there now.", p.ID)
			if !all {
				fmt.Fprintf(w, " Try it: vitrine provider test %s", p.ID)
			}
			fmt.Fprintln(w)
			for _, id := range empty {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: credential %s has no secret any more, because the service moved: give it again with --credential %s --credential-file FILE\n", id, id)
			}
		})
	})
	f := cmd.Flags()
	f.StringVar(&id, "id", "", "its id, for ever")
	f.StringVar(&kind, "kind", "", "openai (and what speaks like it), nanogpt, automatic1111, stability or studio")
	f.StringVar(&p.BaseURL, "base-url", "", "where it is, such as https://api.openai.com/v1")
	f.StringVar(&p.Name, "name", "", "name for display")
	f.StringArrayVar(&p.Hosts, "host", nil, "further host from which its pictures may be fetched; may be repeated")
	f.StringVar(&file, "credential-file", "", "file that holds its credential; - is standard input")
	f.StringVar(&credential, "credential", "", "id of the credential; the provider's otherwise")
	f.StringArrayVar(&projects, "project", nil, "use the credential for this project; may be repeated")
	f.StringArrayVar(&roles, "role", nil, "use the credential for this role; may be repeated")
	cobra.CheckErr(cmd.MarkFlagRequired("id"))
	cobra.CheckErr(cmd.MarkFlagRequired("kind"))
	return cmd
}

func readSecret(cmd *cobra.Command, file string) (vitrine.Secret, error) {
	if file == "" {
		return "", nil
	}
	from := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close() // only read
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, maxSecret+1))
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(b))
	if len(b) > maxSecret || s == "" || strings.ContainsAny(s, "\r\n") {
		return "", usage("%s: want one line that is the credential", file)
	}
	return vitrine.Secret(s), nil
}

func newProviderTest() *cobra.Command {
	return remote(&cobra.Command{
		Use: "test ID", Short: "Ask an image service for its models",
		Long:    "Ask an image service for its models, with its credential. Nothing is generated.",
		Example: "  vitrine provider test openai", Args: exactly("ID"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		models, err := c.TestProvider(ctx, vitrine.ID(args[0]))
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"provider": args[0], "models": models}, func(w io.Writer) {
			g := newGrid("MODEL", "PRICE")
			for _, m := range models {
				g.row(clean(m.Model), priceText(m.Price))
			}
			g.print(w, "It names no model.")
			fmt.Fprintf(cmd.ErrOrStderr(), "%s answers, with %s\n", clean(args[0]), count(len(models), "model"))
		})
	})
}
