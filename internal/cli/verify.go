package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine/internal/audit"
)

// maxHeld bounds a file of checkpoints or a key.
const maxHeld = 64 << 20

// trusted is what a verifier has from elsewhere than what is verified.
type trusted struct {
	key, keyFile string
	held         []string
}

func (t *trusted) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.key, "public-key", "", "the log's public key")
	f.StringVar(&t.keyFile, "public-key-file", "", "file that holds it")
}

// public is the log's public key.
func (t *trusted) public() (string, error) {
	if (t.key == "") == (t.keyFile == "") {
		return "", usage("give the public key: --public-key or --public-key-file; vitrine audit key tells it")
	}
	if t.keyFile == "" {
		return t.key, nil
	}
	b, err := readBounded(t.keyFile)
	return strings.TrimSpace(string(b)), err
}

// checkpoints are those that are held.
func (t *trusted) checkpoints() ([]string, error) {
	var all []string
	for _, file := range t.held {
		b, err := readBounded(file)
		if err != nil {
			return nil, err
		}
		all = append(all, audit.ReadCheckpoints(b)...)
	}
	return all, nil
}

func newVerify() *cobra.Command {
	var t trusted
	var proofs []string
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Verify an export of the log or a proof file, offline",
		Long: `Verify an export of the log, or with --proof a proof file, offline: no server is
asked. It needs the public key, got when you trusted the server, and compares with
whatever checkpoints you hold.

Of an export it tells changed, dropped, reordered, truncated and forked logs apart
and names the entry. An export that is older than a checkpoint looks truncated:
export after the checkpoints that you hold. - is standard input.

Of a proof file it tells whether its entries stand in the log as they are shown,
and what that does not prove. A held checkpoint of another size needs a file that
leads from one to the other: vitrine audit prove --from-checkpoint, or vitrine
audit consistency; several --proof are taken together.

The exit status is 1 where anything is wrong.`,
		Example: `  vitrine audit verify log.ndjson --public-key-file log.pub --checkpoint /srv/checkpoints/checkpoint
  vitrine audit verify log.ndjson --public-key "$KEY" --output json
  vitrine audit verify --proof img-7.proof --public-key-file log.pub --checkpoint held`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(proofs) > 0 {
				return exactly()(cmd, args)
			}
			return exactly("FILE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			public, err := t.public()
			if err != nil {
				return err
			}
			held, err := t.checkpoints()
			if err != nil {
				return err
			}
			if len(proofs) > 0 {
				return verifyProofs(cmd, public, proofs, held)
			}
			in := audit.VerifyInput{PublicKey: public, Export: cmd.InOrStdin(), Checkpoints: held}
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close() // only read
				in.Export = f
			}
			return verify(cmd, in)
		},
	}
	t.flags(cmd)
	cmd.Flags().StringArrayVar(&proofs, "proof", nil, "proof file to verify instead of an export; may be repeated")
	cmd.Flags().StringArrayVar(&t.held, "checkpoint", nil, "file with checkpoints that you hold; may be repeated")
	return cmd
}

func readBounded(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxHeld+1))
	if err == nil && len(b) > maxHeld {
		err = fmt.Errorf("%s is larger than %s", file, size(maxHeld))
	}
	return b, err
}

func verify(cmd *cobra.Command, in audit.VerifyInput) error {
	p := newProgress(cmd, "verify")
	in.Export = io.TeeReader(in.Export, p)
	report, err := audit.Verify(in)
	p.done()
	if err != nil {
		return err
	}
	err = show(cmd, report, func(w io.Writer) {
		printProblems(w, report.Problems)
		if report.More > 0 {
			fmt.Fprintf(w, "and %d more\n", report.More)
		}
		if report.OK {
			fmt.Fprintf(w, "ok: %s\n", report.Complete)
		} else {
			fmt.Fprintf(w, "NOT OK: %s\n", report.Complete)
		}
		pairs(w, "entries read", strconv.FormatInt(report.Entries, 10), "log size", strconv.FormatInt(report.Size, 10), "root", report.Root, "last entry", stamp(report.Time))
	})
	if err == nil && !report.OK {
		return errSilent
	}
	return err
}

func printProblems(w io.Writer, all []audit.Problem) {
	for _, x := range all {
		at := ""
		if x.Seq >= 0 {
			at = fmt.Sprintf("entry %d: ", x.Seq)
		}
		fmt.Fprintf(w, "%s: %s%s\n", strings.ToUpper(strings.ReplaceAll(x.Kind, "_", " ")), at, clean(x.Text))
	}
}
