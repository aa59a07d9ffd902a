package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine/internal/policyfile"
	"vitrine.dev/vitrine/internal/rbac"
)

// tested is what policy test prints.
type tested struct {
	Passed  int                     `json:"passed"`
	Failed  int                     `json:"failed"`
	Results []policyfile.TestResult `json:"results"`
}

func newPolicyTest() *cobra.Command {
	var path string
	var live, verbose bool
	cmd := remote(&cobra.Command{
		Use: "test -f DIR", Short: "Run the decision tables beside policy files",
		Long: `Run the decision tables (*.test.txt) that stand beside policy files. Each line
asks one question and says the answer. The policy is what the files declare with
the predefined roles and shipped constraints; no server is needed. With --live
the tables are put to the policy that the server has now. docs/policy-files.md
says how tables are written.

The exit status is 1 where an answer is not the one wanted.`,
		Example: `  vitrine policy test -f policy/
  vitrine policy test -f policy/ --live --server https://images.example.com`,
		Args: exactly(),
	}, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := openPolicy(path)
		if err != nil {
			return err
		}
		p, err := tablesPolicy(cmd.Context(), cmd, dir, live)
		if err != nil {
			return err
		}
		results, err := policyfile.RunTests(dir.fsys, p)
		if err != nil {
			return dir.located(err)
		}
		out := tested{Results: results}
		for _, r := range results {
			if r.OK {
				out.Passed++
			} else {
				out.Failed++
			}
		}
		if err := show(cmd, out, func(w io.Writer) { out.print(w, dir, verbose) }); err != nil {
			return err
		}
		switch {
		case len(results) == 0:
			return fmt.Errorf("no decision tables in %s: want files that end in .test.txt", path)
		case out.Failed > 0:
			return errSilent
		}
		return nil
	}
	fileFlag(cmd, &path)
	cmd.Flags().BoolVar(&live, "live", false, "ask the policy that the server has now")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print questions that were answered as wanted, too")
	return cmd
}

// tablesPolicy is the policy that tables are put to.
func tablesPolicy(ctx context.Context, cmd *cobra.Command, dir *policyDir, live bool) (*rbac.Policy, error) {
	if !live {
		files, err := dir.read()
		if err != nil {
			return nil, err
		}
		p, err := files.Compile()
		return p, dir.located(err)
	}
	c, err := connect(cmd)
	if err != nil {
		return nil, err
	}
	now, err := c.Policy(ctx)
	if err != nil {
		return nil, err
	}
	p, err := policyfile.Compile(now.Objects)
	if err != nil {
		return nil, fmt.Errorf("you see only a part of the server's policy, and it cannot be tested without the rest: %w", err)
	}
	return p, nil
}

func (t *tested) print(w io.Writer, dir *policyDir, verbose bool) {
	for _, r := range t.Results {
		if r.OK && !verbose {
			continue
		}
		mark := "ok  "
		if !r.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(w, "%s  %s:%d: %s\n", mark, dir.name(r.File), r.Line, clean(r.Question))
		if !r.OK {
			fmt.Fprintf(w, "        want %s\n        got  %s\n", clean(r.Want), clean(r.Got))
		}
	}
	fmt.Fprintf(w, "%s as wanted, %d not\n", count(t.Passed, "answer"), t.Failed)
}
