package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/identity"
)

type ownerKey = identity.Owner

// initialized is what init prints as JSON.
type initialized struct {
	Organization string       `json:"organization"`
	Owners       []initOwners `json:"owners"`
	Recovery     recovery     `json:"recovery"`
}

type initOwners struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Key   string `json:"key"`
}

func newInit() *cobra.Command {
	var l local
	var r app.InitRequest
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a new installation",
		Long: `Make a new installation: keys, database, predefined roles, shipped constraints,
and two owners with a first key each.

The first keys are shown once and end after 72 hours; the recovery identity, which
opens backups and nothing else does, is shown once and never ends. Until both owners have used
theirs, only set-up works: no image is made or read. Running init again changes
nothing and is an error.`,
		Example: `  vitrine init --data ./data --owner-email you@example.com --owner-email colleague@example.com
  vitrine init --data ./try --solo --owner-email you@example.com`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			want := 2
			if r.Solo {
				want = 1
			}
			if len(r.Owners) != want {
				return usage("want %d --owner-email, got %d: an installation has two owners, a --solo one has one", want, len(r.Owners))
			}
			c, err := l.load()
			if err != nil {
				return err
			}
			made, err := app.Init(cmd.Context(), c, r)
			if err != nil {
				return err
			}
			b := made.Recovery
			out := initialized{Organization: string(made.Organization), Recovery: recovery{b.Number, b.Recipients, b.Identity.Reveal()}}
			for _, o := range made.Owners {
				out.Owners = append(out.Owners, initOwners{string(o.ID), o.Email, o.Secret.Reveal()})
			}
			return show(cmd, out, func(w io.Writer) { tellInit(w, out, c.Data, c.KeyFile, c.Checkpoints, r.Solo) })
		},
	}
	l.register(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&r.Owners, "owner-email", nil, "e-mail address of an owner; give it twice")
	f.StringVar(&r.Organization, "organization", "", "name of the organization")
	f.StringArrayVar(&r.Recipients, "recovery-recipient", nil, "public recipient of age that backups are encrypted to; may be repeated; without it one is made")
	f.BoolVar(&r.Solo, "solo", false, "one owner who may also look at pictures: for trying it out alone")
	return cmd
}

func tellInit(w io.Writer, out initialized, data, kek, checkpoints string, solo bool) {
	fmt.Fprintf(w, "A new installation stands in %s.\n\n", data)
	fmt.Fprintf(w, "  key-encryption key   %s\n                       keep a copy elsewhere; without it nothing can be opened\n", kek)
	fmt.Fprintf(w, "  checkpoints          %s\n                       send them elsewhere; they prove the log\n\n", checkpoints)
	fmt.Fprintln(w, "First keys, shown this once, good for 72 hours:")
	for _, o := range out.Owners {
		fmt.Fprintf(w, "\n  %s (%s)\n  %s\n", o.Email, o.ID, o.Key)
	}
	if out.Recovery.Identity != "" {
		fmt.Fprintln(w)
		tellIdentity(w, vitrine.Secret(out.Recovery.Identity))
	}
	if solo {
		fmt.Fprintln(w, "\nThis is a solo installation: one owner who may both administer and look. Not for a company.")
	}
	fmt.Fprintf(w, "\nNext: vitrine serve --data %s\nThen each owner, once: vitrine whoami --key <first key>\n", data)
}

func newDoctor() *cobra.Command {
	var l local
	var o app.DoctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Test an installation and say what is wrong",
		Long: `Test an installation from outside in: directories, keys, database, every image,
the log from its first entry, and the policy. It repairs nothing, makes no
directory and reveals nothing of an image. --quick leaves out what takes long:
the pages of the database, the images and their bytes, and the entries of the log.

The server must be stopped; of a running server ask /readyz. Like a server of
this version it brings the tables of an older one up to date. It exits 1 when
something is wrong, 0 when all is well or only worth a look.`,
		Example: `  vitrine doctor --data ./data
  vitrine doctor --data ./data --quick
  vitrine doctor --data ./data --output json`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := l.load()
			if err != nil {
				return err
			}
			p := newProgress(cmd, "doctor:")
			o.Progress = p.say
			found := app.Doctor(cmd.Context(), c, o)
			p.done()
			if err := show(cmd, found, func(w io.Writer) { tellDoctor(w, found) }); err != nil {
				return err
			}
			bad := 0
			for _, f := range found {
				if f.State == "error" {
					bad++
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d checks failed", bad, len(found))
			}
			return nil
		},
	}
	l.register(cmd)
	cmd.Flags().BoolVar(&o.Quick, "quick", false, "do not look at every image and entry")
	return cmd
}

func tellDoctor(w io.Writer, found []app.Finding) {
	for _, f := range found {
		detail := strings.Split(f.Detail, "\n")
		fmt.Fprintf(w, "%-8s %-28s %s\n", f.State, f.Check, clean(detail[0]))
		for _, more := range detail[1:] {
			fmt.Fprintf(w, "%-8s %-28s %s\n", "", "", clean(more))
		}
		if f.Do != "" {
			fmt.Fprintf(w, "%-8s %-28s → %s\n", "", "", f.Do)
		}
	}
}
