package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
	"vitrine.dev/vitrine/internal/policyfile"
)

func newPolicy() *cobra.Command {
	return family("policy", "Policy as files: plan, apply, export, diff, test", `Policy as files. docs/policy-files.md says how they are written; examples/ holds
whole ones. Files declare; what they do not declare stays as it is, unless
--prune is given.`,
		newPlan(), newApply(), newDiff(), newExport(), newPolicyTest(), newHistory(), newUndo())
}

// policyDir is a directory, or one file, that holds policy files.
type policyDir struct {
	path string
	fsys fs.FS
	only []string // the one file, if path is one
	base string   // what file names begin with when they are shown
}

func openPolicy(path string) (*policyDir, error) {
	if path == "" {
		return nil, usage("say which files: -f FILE-OR-DIR")
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return &policyDir{path: path, fsys: os.DirFS(path), base: path}, nil
	}
	dir := filepath.Dir(path)
	return &policyDir{path: path, fsys: os.DirFS(dir), only: []string{filepath.Base(path)}, base: dir}, nil
}

// read reads the files; problems name them as they can be opened from here.
func (d *policyDir) read() (*policyfile.Files, error) {
	f, err := policyfile.Read(d.fsys, d.only...)
	return f, d.located(err)
}

func (d *policyDir) located(err error) error {
	var all policyfile.Problems
	if !errors.As(err, &all) {
		return err
	}
	out := slices.Clone(all)
	for i := range out {
		if out[i].Line == 0 {
			continue // in no file
		}
		out[i].File = d.name(out[i].File)
	}
	return out
}

// name is a file of the directory as it can be opened from here.
func (d *policyDir) name(file string) string { return filepath.Join(d.base, file) }

// planned is what plan, apply and diff print.
type planned struct {
	Revision int64            `json:"revision"`
	Add      int              `json:"add"`
	Change   int              `json:"change"`
	Delete   int              `json:"delete"`
	Applied  bool             `json:"applied"`
	Changes  []vitrine.Change `json:"changes"`

	set    *vitrine.ChangeSet
	before map[vitrine.Ref]vitrine.Object
}

// plan reads files and asks the server what would change. What is there now is
// asked too, to show it.
func plan(ctx context.Context, c *client.Client, path string, prune bool) (*planned, *policyDir, *policyfile.Files, error) {
	dir, err := openPolicy(path)
	if err != nil {
		return nil, nil, nil, err
	}
	files, err := dir.read()
	if err != nil {
		return nil, nil, nil, err
	}
	set, err := c.Plan(ctx, files.Objects, prune)
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := against(ctx, c, set)
	return p, dir, files, err
}

// against puts a change set beside what is there now.
func against(ctx context.Context, c *client.Client, set *vitrine.ChangeSet) (*planned, error) {
	p := &planned{Revision: set.IfRevision, Changes: set.Changes, set: set, before: map[vitrine.Ref]vitrine.Object{}}
	now, err := c.Policy(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range now.Objects {
		p.before[o.Ref()] = o
	}
	for _, ch := range set.Changes {
		if k, ok := ch.Object.(*vitrine.Key); ok { // no policy shows keys, and nothing but revoking them is planned
			was := *k
			was.Revoked = time.Time{}
			p.before[ch.Ref] = &was
		}
		switch {
		case ch.Object == nil:
			p.Delete++
		case p.before[ch.Ref] != nil:
			p.Change++
		default:
			p.Add++
		}
	}
	return p, nil
}

// sound is plan for who means to apply it: it finds mistakes that show only on
// the end state, with line and column.
func sound(ctx context.Context, c *client.Client, path string, prune bool) (*planned, error) {
	p, dir, files, err := plan(ctx, c, path, prune)
	if err != nil {
		return nil, err
	}
	return p, dir.located(p.problems(files))
}

// problems are mistakes that show only on the end state, with their places.
// Whoever sees only a part of the policy cannot judge it; then the server does.
func (p *planned) problems(files *policyfile.Files) error {
	if _, err := policyfile.Compile(slices.Collect(maps.Values(p.before))); err != nil || len(p.before) == 0 {
		return nil // a part of a policy need not be a policy
	}
	after := maps.Clone(p.before)
	for _, ch := range p.set.Changes {
		if ch.Object == nil {
			delete(after, ch.Ref)
		} else {
			after[ch.Ref] = ch.Object
		}
	}
	return files.Check(slices.Collect(maps.Values(after)))
}

func (p *planned) print(w io.Writer) {
	for _, ch := range p.Changes {
		was := p.before[ch.Ref]
		switch {
		case ch.Object == nil:
			fmt.Fprintf(w, "- %s\n", ch.Ref)
		case was == nil:
			fmt.Fprintf(w, "+ %s%s\n", ch.Ref, about(ch.Object))
		default:
			fmt.Fprintf(w, "~ %s\n", ch.Ref)
			for _, d := range differences(was, ch.Object) {
				fmt.Fprintf(w, "    %s\n", clean(d))
			}
		}
	}
	if len(p.Changes) > 0 {
		fmt.Fprintln(w)
	}
}

func (p *planned) sum() string {
	if len(p.Changes) == 0 {
		return fmt.Sprintf("Nothing to change: the policy at revision %d is as declared.", p.Revision)
	}
	return fmt.Sprintf("%d to add, %d to change, %d to delete", p.Add, p.Change, p.Delete)
}

// whole is what plan and apply say of objects and of --prune.
const whole = `An object that the files declare becomes what they say, whole: a field that they
leave out is reset, also one that was set by command. What they do not declare
stays. With --prune it is deleted, except what init made and what the files refer
to; keys and credentials of what is deleted go along.`

func newPlan() *cobra.Command {
	var path string
	var prune bool
	cmd := remote(&cobra.Command{
		Use: "plan -f FILE-OR-DIR", Short: "What applying files would change",
		Long: `What applying files would change. Nothing is changed. What is wrong in the text of
the files is told at once, with file, line and column; when that is right, so is
everything that shows only together with what the server has, such as ids that
nobody declares.

` + whole,
		Example: `  vitrine policy plan -f policy/
  vitrine policy plan -f policy/ --prune --output json`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		p, err := sound(ctx, c, path, prune)
		if err != nil {
			return err
		}
		return show(cmd, p, func(w io.Writer) {
			p.print(w)
			fmt.Fprintf(w, "%s\n", p.sum())
		})
	})
	fileFlag(cmd, &path)
	cmd.Flags().BoolVar(&prune, "prune", false, "also delete what the files do not declare")
	return cmd
}

func fileFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "file", "f", "", "policy file, or directory of policy files")
}

func newApply() *cobra.Command {
	var path, reason string
	var prune, yes bool
	cmd := remote(&cobra.Command{
		Use: "apply -f FILE-OR-DIR", Short: "Make the policy as files declare it",
		Long: `Make the policy as files declare it: shows the plan, asks, and applies it whole
or not at all, in one revision. If the policy changed since the plan was made
nothing is applied and the exit status is 4.

` + whole,
		Example: `  vitrine policy apply -f policy/ --reason "new campaign team"
  vitrine policy apply -f policy/company.yaml --yes --output json`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		p, err := sound(ctx, c, path, prune)
		if err != nil {
			return err
		}
		if len(p.Changes) > 0 {
			if output(cmd) != "json" {
				p.print(cmd.ErrOrStderr())
			}
			sure, err := confirm(cmd, yes, p.sum()+". Apply?")
			if err != nil {
				return err
			}
			if !sure {
				return errors.New("nothing was applied")
			}
			p.set.Reason = reason
			done, err := c.Apply(ctx, p.set)
			if err != nil {
				return fmt.Errorf("nothing was applied: %w", err)
			}
			p.Revision, p.Applied = done.Revision, true
		}
		return show(cmd, p, func(w io.Writer) {
			if !p.Applied {
				fmt.Fprintln(w, p.sum())
				return
			}
			fmt.Fprintf(w, "Applied as revision %d: %d added, %d changed, %d deleted.\n", p.Revision, p.Add, p.Change, p.Delete)
		})
	})
	fileFlag(cmd, &path)
	f := cmd.Flags()
	f.BoolVar(&prune, "prune", false, "also delete what the files do not declare")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.StringVar(&reason, "reason", "", "why; it stands in the history")
	return cmd
}

func newDiff() *cobra.Command {
	var path string
	cmd := remote(&cobra.Command{
		Use: "diff -f FILE-OR-DIR", Short: "How files and the server's policy differ, both ways",
		Long: `How files and the server's policy differ, both ways: what only the files have (+),
what only the server has (-), and what differs (~). What init made and what the
files refer to is no difference. The exit status is 1 where they differ, so that a
script can watch for drift.`,
		Example: `  vitrine policy diff -f policy/ || echo somebody changed the policy by hand`,
		Args:    exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		p, _, _, err := plan(ctx, c, path, true)
		if err != nil {
			return err
		}
		err = show(cmd, p, func(w io.Writer) {
			p.print(w)
			if len(p.Changes) == 0 {
				fmt.Fprintf(w, "No difference from revision %d.\n", p.Revision)
			}
		})
		if err == nil && len(p.Changes) > 0 {
			return errSilent
		}
		return err
	})
	fileFlag(cmd, &path)
	return cmd
}

func newExport() *cobra.Command {
	var path string
	var all bool
	cmd := remote(&cobra.Command{
		Use: "export [-f DIR]", Short: "Write the policy as files",
		Long: `Write the policy, as far as you may see it, as files: into a directory, which is
made, or to standard output. Applying them again changes nothing, and applied to
another installation they make it decide the same: the owners whom init made and
the credentials of image services are left out, because every installation has
its own. --all writes them too. Keys and secrets never stand in files, nor who is
disabled.`,
		Example: `  vitrine policy export -f policy/
  vitrine policy export > company.yaml
  vitrine policy export --output json`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		now, err := c.Policy(ctx)
		if err != nil {
			return err
		}
		objects := now.Objects
		if !all {
			objects = policyfile.Portable(objects)
		}
		files := policyfile.Print(objects)
		names := slices.Sorted(maps.Keys(files))
		if path != "" {
			if err := writeFiles(path, files); err != nil {
				return err
			}
		}
		out := struct {
			Revision int64             `json:"revision"`
			Files    map[string]string `json:"files"`
			Disabled []vitrine.ID      `json:"disabled,omitempty"` // which no file says
		}{now.Revision, files, nil}
		for _, o := range objects {
			if p, ok := o.(*vitrine.Principal); ok && p.Disabled {
				out.Disabled = append(out.Disabled, p.ID)
			}
		}
		if len(out.Disabled) > 0 && output(cmd) != "json" {
			fmt.Fprintf(cmd.ErrOrStderr(), "Disabled here, which no file says: %s\n", join(out.Disabled, ", "))
		}
		return show(cmd, out, func(w io.Writer) {
			for _, name := range names {
				if path == "" {
					fmt.Fprintf(w, "# %s\n%s---\n", name, files[name])
				} else {
					fmt.Fprintln(w, filepath.Join(path, name))
				}
			}
		})
	})
	cmd.Flags().StringVarP(&path, "file", "f", "", "directory to write to")
	cmd.Flags().BoolVar(&all, "all", false, "also this installation's own owners and credentials")
	return cmd
}

func writeFiles(dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
