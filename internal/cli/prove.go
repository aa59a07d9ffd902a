package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/merkle"
)

func newProve() *cobra.Command {
	var q client.ProofQuery
	var image, resource, from, file string
	var force bool
	cmd := remote(&cobra.Command{
		Use: "prove -f FILE", Short: "Write a file that proves what happened to an image",
		Long: `Write a file that proves to anybody, without this server, what happened to an
image: every entry about it that you may see, and of how it was made; each with
the proof that it stands in the log that was signed. --entry proves a single
entry. With --from-checkpoint the file also proves that the log continues the
checkpoint in that file, such as one that the reader holds. What is personal stays
sealed.`,
		Example: `  vitrine audit prove --image img-7 -f img-7.proof
  vitrine audit prove --entry 4711 --from-checkpoint held -f entry.proof
  vitrine audit prove --resource role-1 -f - | gzip > role.proof.gz`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		named := 0
		for _, flag := range []string{"image", "resource", "entry"} {
			if cmd.Flags().Changed(flag) {
				named++
			}
		}
		q.Resource = vitrine.ID(image + resource)
		switch {
		case named != 1 || q.Resource == "" && !cmd.Flags().Changed("entry"):
			return usage("name what to prove: --image, --resource or --entry")
		case q.Entry < 0:
			return usage("--entry %d: want the number of an entry", q.Entry)
		case file == "":
			return usage("say where to: -f FILE, or -f - for standard output")
		}
		if from != "" {
			held, err := largest(from)
			if err != nil {
				return err
			}
			q.From = held.Size
		}
		if file == "-" {
			_, err := c.ProveLog(ctx, q, cmd.OutOrStdout())
			return err
		}
		n, err := download(file, force, func(w io.Writer) error {
			_, err := c.ProveLog(ctx, q, w)
			return err
		})
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"file": file, "bytes": n}, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s\nNext: vitrine audit verify --proof %s --public-key-file KEY\n", file, size(n), file)
		})
	})
	f := cmd.Flags()
	f.StringVar(&image, "image", "", "everything about this image")
	f.StringVar(&resource, "resource", "", "everything about this id, whatever it is")
	f.Int64Var(&q.Entry, "entry", 0, "this entry")
	f.StringVar(&from, "from-checkpoint", "", "file with a checkpoint that the log is proved to continue")
	f.StringVarP(&file, "file", "f", "", "file to write to; - is standard output")
	f.BoolVar(&force, "force", false, "overwrite a file that is there")
	return cmd
}

// download saves what fn writes, or nothing.
func download(file string, force bool, fn func(io.Writer) error) (int64, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(fn(w)) }()
	n, err := save(file, r, force)
	if err != nil {
		r.CloseWithError(err)
	}
	return n, err
}

// largest is the checkpoint of the most entries in a file of checkpoints. Who
// signed it is not looked at: it only says what to ask for.
func largest(file string) (audit.Checkpoint, error) {
	b, err := readBounded(file)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	var most audit.Checkpoint
	for _, text := range audit.ReadCheckpoints(b) {
		c, err := audit.PeekCheckpoint(text)
		if err != nil {
			return most, fmt.Errorf("%s: %w", file, err)
		}
		if c.Size > most.Size {
			most = c
		}
	}
	if most.Size == 0 {
		return most, fmt.Errorf("%s holds no checkpoint of a log that has entries", file)
	}
	return most, nil
}

func newConsistency() *cobra.Command {
	var t trusted
	var file string
	var force bool
	cmd := remote(&cobra.Command{
		Use: "consistency OLD [NEW]", Short: "Prove that the log continues a checkpoint that you hold",
		Long: `Ask the server to prove that the log continues the checkpoint in the file OLD:
that nothing before it was changed, dropped or moved. The proof leads to the
checkpoint in the file NEW, or to the newest; it is verified here, and with -f kept
for vitrine audit verify --proof. Of a file of several checkpoints the largest
counts. The exit status is 1 where it is not proved.`,
		Example: `  vitrine audit consistency held --public-key-file log.pub
  vitrine audit consistency january june --public-key-file log.pub -f half-year.proof`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return exactly("OLD")(cmd, args)
		},
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		public, err := t.public()
		if err != nil {
			return err
		}
		var sizes [2]int64
		for i, arg := range args {
			at, err := largest(arg)
			if err != nil {
				return err
			}
			sizes[i] = at.Size
		}
		t.held = args
		held, err := t.checkpoints()
		if err != nil {
			return err
		}
		held = slices.DeleteFunc(held, func(text string) bool { // the smaller ones of a history
			at, err := audit.PeekCheckpoint(text)
			return err == nil && !slices.Contains(sizes[:], at.Size)
		})
		proof, err := consistency(ctx, c, public, sizes[0], sizes[1])
		if err != nil {
			return err
		}
		report, err := audit.VerifyProof(audit.ProofInput{Files: []io.Reader{bytes.NewReader(proof)}, PublicKey: public, Checkpoints: held})
		if err != nil {
			return err
		}
		if file != "" && report.OK {
			if _, err := save(file, bytes.NewReader(proof), force); err != nil {
				return err
			}
		}
		return showProof(cmd, report)
	})
	t.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "file to keep the proof in")
	f.BoolVar(&force, "force", false, "overwrite a file that is there")
	return cmd
}

// consistency is a proof file from one checkpoint to another.
func consistency(ctx context.Context, c *client.Client, public string, from, to int64) ([]byte, error) {
	p, err := c.Consistency(ctx, from, to)
	if err != nil {
		return nil, err
	}
	proof := audit.Consistency{From: p.From, To: p.To}
	for _, h := range p.Path {
		if len(h) != len(merkle.Hash{}) {
			return nil, errors.New("the server's proof holds what is no hash")
		}
		proof.Path = append(proof.Path, merkle.Hash(h))
	}
	var b bytes.Buffer
	err = audit.WriteConsistency(&b, public, proof)
	return b.Bytes(), err
}

// verifyProofs verifies proof files; - is standard input.
func verifyProofs(cmd *cobra.Command, public string, files, held []string) error {
	in := audit.ProofInput{PublicKey: public, Checkpoints: held}
	for _, file := range files {
		if file == "-" {
			in.Files = append(in.Files, cmd.InOrStdin())
			continue
		}
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close() // only read
		in.Files = append(in.Files, f)
	}
	report, err := audit.VerifyProof(in)
	if err != nil {
		return err
	}
	return showProof(cmd, report)
}

// showProof tells what was proved, and what not.
func showProof(cmd *cobra.Command, r audit.ProofReport) error {
	err := show(cmd, r, func(w io.Writer) {
		printProblems(w, r.Problems)
		if len(r.Entries) > 0 && r.OK {
			printEntries(w, r.Entries)
			fmt.Fprintln(w)
		}
		for _, text := range r.Proven {
			fmt.Fprintf(w, "proven: %s\n", clean(text))
		}
		for _, text := range r.Unproven {
			fmt.Fprintf(w, "not proven: %s\n", clean(text))
		}
		if r.OK {
			fmt.Fprintln(w, "ok: everything that the file says was verified")
		} else {
			fmt.Fprintln(w, "NOT OK: nothing is proved")
		}
		if r.Root != "" {
			pairs(w, "log", r.Origin, "log size", strconv.FormatInt(r.Size, 10), "root", r.Root)
		}
	})
	if err == nil && !r.OK {
		return errSilent
	}
	return err
}
