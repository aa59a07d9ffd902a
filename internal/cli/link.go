package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine/internal/audit"
)

func newLink() *cobra.Command {
	var key, keyFile, earlierKey, earlierKeyFile string
	cmd := &cobra.Command{
		Use: "link FILE EARLIER", Short: "Verify that the log of a restored installation continues the earlier one, offline",
		Long: `Verify that a log continues an earlier one: the log of an installation that was
restored from a backup begins with the entries that the backup held, and goes on
under a name and a key of its own. FILE is an export of it, EARLIER one of the log
before. Both are verified whole, each with its own key, and then compared up to the
link. The exit status is 1 where anything is wrong.`,
		Example: `  vitrine audit link log.ndjson old-log.ndjson --public-key-file log.pub --earlier-key-file old-log.pub`,
		Args:    exactly("FILE", "EARLIER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for i, from := range []struct{ key, file, flag string }{{key, keyFile, "public-key"}, {earlierKey, earlierKeyFile, "earlier-key"}} {
				public, err := publicKey(from.key, from.file, from.flag)
				if err != nil {
					return err
				}
				if err := verifyAlone(cmd, args[i], public); err != nil {
					return err
				}
			}
			return verifyLink(cmd, args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.StringVar(&key, "public-key", "", "public key of the log")
	f.StringVar(&keyFile, "public-key-file", "", "file that holds it")
	f.StringVar(&earlierKey, "earlier-key", "", "public key of the earlier log")
	f.StringVar(&earlierKeyFile, "earlier-key-file", "", "file that holds it")
	return cmd
}

// publicKey is a key that one of two flags gives.
func publicKey(key, file, flag string) (string, error) {
	if (key == "") == (file == "") {
		return "", usage("give the key of each log: --%s or --%[1]s-file", flag)
	}
	if file == "" {
		return key, nil
	}
	b, err := readBounded(file)
	return strings.TrimSpace(string(b)), err
}

// verifyAlone verifies one export, and says nothing where all is well.
func verifyAlone(cmd *cobra.Command, file, public string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	p := newProgress(cmd, "verify "+file)
	report, err := audit.Verify(audit.VerifyInput{Export: io.TeeReader(f, p), PublicKey: public})
	p.done()
	if err != nil {
		return err
	}
	if !report.OK {
		return fmt.Errorf("%s: %s: %s: see vitrine audit verify", file, report.Problems[0].Kind, report.Problems[0].Text)
	}
	return nil
}

func verifyLink(cmd *cobra.Command, file, earlier string) error {
	now, err := os.Open(file)
	if err != nil {
		return err
	}
	defer now.Close() // only read
	before, err := os.Open(earlier)
	if err != nil {
		return err
	}
	defer before.Close() // only read
	out, err := audit.VerifyLink(now, before)
	if err != nil {
		return err
	}
	err = show(cmd, out, func(w io.Writer) {
		if out.OK {
			fmt.Fprintf(w, "ok: %s\n", out.Complete)
			return
		}
		fmt.Fprintf(w, "%s\nNOT OK: %s\n", clean(out.Problem), out.Complete)
	})
	if err == nil && !out.OK {
		return errSilent
	}
	return err
}
