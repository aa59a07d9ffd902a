package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/config"
)

func newBackup() *cobra.Command {
	var l local
	var file string
	var force bool
	cmd := remote(&cobra.Command{
		Use: "backup -f FILE", Short: "Take a backup that only the recovery identity opens",
		Long: `Take a backup of everything - images, policy, log, keys - into one file, from a
running server that goes on meanwhile. It is encrypted to the recovery recipient,
whose identity was shown at init, so the file may be kept anywhere. It needs
system.backup, and tells who takes it nothing of what is inside.

-f names a file, a directory in which it gets a name of its own, or - for standard
output. A file appears whole, after it was checked, or not at all. With --data the
backup is taken of an installation whose server is stopped.`,
		Example: `  vitrine backup -f /mnt/backups
  vitrine backup -f - | ssh elsewhere 'cat > vitrine.backup'
  vitrine backup -f before-upgrade.backup --data ./data`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		return takeBackup(cmd, file, force, func(w io.Writer) error {
			_, err := c.Backup(ctx, w)
			return err
		})
	})
	online := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !l.given() {
			return online(cmd, args)
		}
		c, err := l.load()
		if err != nil {
			return err
		}
		return takeBackup(cmd, file, force, func(w io.Writer) error {
			_, err := app.Backup(cmd.Context(), c, w, nil)
			return err
		})
	}
	l.register(cmd)
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "file or directory to write to; - is standard output")
	f.BoolVar(&force, "force", false, "replace a file that is there")
	cmd.AddCommand(newBackupVerify(), newBackupStatus(), newEpoch())
	return cmd
}

// given reports whether an installation was named.
func (l *local) given() bool { return l.file != "" || l.data != "" || l.database != "" }

// tookBackup is what backup prints as JSON.
type tookBackup struct {
	File string `json:"file"`
	app.Verified
}

// takeBackup writes a backup to where it should be. Under its name it appears
// only when it was read again and found whole.
func takeBackup(cmd *cobra.Command, file string, force bool, take func(io.Writer) error) (err error) {
	switch file {
	case "":
		return usage("say where to: -f FILE, -f DIRECTORY, or -f - for standard output")
	case "-":
		return take(cmd.OutOrStdout())
	}
	dir, name := filepath.Split(file)
	if st, serr := os.Stat(file); serr == nil && st.IsDir() {
		dir, name = file, ""
	}
	if dir == "" {
		dir = "."
	}
	temp, err := os.CreateTemp(dir, ".vitrine-backup-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreGone(os.Remove(temp.Name())))
		}
	}()
	p := newProgress(cmd, "backup")
	defer p.done()
	if err := errors.Join(take(io.MultiWriter(temp, p)), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	v, err := app.VerifyBackup(cmd.Context(), temp.Name(), "", "", p.say)
	if err != nil {
		return fmt.Errorf("what was written is no whole backup: %w", err)
	}
	if name == "" {
		name = fmt.Sprintf("vitrine-%s-epoch-%d.backup", v.Taken.UTC().Format("20060102T150405Z"), v.Epoch)
	}
	at := filepath.Join(dir, name)
	if err := publish(temp.Name(), at, force); err != nil {
		return err
	}
	p.done()
	return show(cmd, tookBackup{at, *v}, func(w io.Writer) {
		fmt.Fprintf(w, "%s  %s, epoch %d, %d entries of the log\nTry the recovery identity now and then: vitrine backup verify %s --identity FILE\n", at, size(v.Bytes), v.Epoch, v.Size, at)
	})
}

func ignoreGone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// publish gives a finished file its name, durably.
func publish(temp, at string, force bool) error {
	if force {
		if err := os.Rename(temp, at); err != nil {
			return err
		}
	} else {
		err := os.Link(temp, at) // which never replaces
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s is there already: --force replaces it, -f writes elsewhere", at)
		}
		if err := errors.Join(err, os.Remove(temp)); err != nil {
			return err
		}
	}
	dir, err := os.Open(filepath.Dir(at))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// trust are the flags for a log's public key.
type trust struct{ key, file string }

func (t *trust) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.key, "public-key", "", "public key of the log that the backup is of, from elsewhere than the backup")
	f.StringVar(&t.file, "public-key-file", "", "file that holds it")
}

func (t *trust) read() (string, error) {
	if t.key != "" && t.file != "" {
		return "", usage("either --public-key or --public-key-file")
	}
	if t.file == "" {
		return t.key, nil
	}
	b, err := readBounded(t.file)
	return strings.TrimSpace(string(b)), err
}

// readIdentity reads the recovery identity.
func readIdentity(cmd *cobra.Command, file string) (vitrine.Secret, error) {
	if file == "-" {
		b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxHeld))
		return vitrine.Secret(b), err
	}
	b, err := readBounded(file)
	return vitrine.Secret(b), err
}

func newBackupVerify() *cobra.Command {
	var t trust
	var identity string
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Verify a backup, offline",
		Long: `Verify a backup, offline: no server is asked, nothing is written. Without the
identity every byte is compared with what the log's key has signed; with it
everything inside is read too, as a restore would read it. Give the log's public
key, got when you trusted the server: without it the backup's own word counts.`,
		Example: `  vitrine backup verify vitrine.backup --public-key-file log.pub
  vitrine backup verify vitrine.backup --identity recovery.txt --output json`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			public, err := t.read()
			if err != nil {
				return err
			}
			var secret vitrine.Secret
			if identity != "" {
				if secret, err = readIdentity(cmd, identity); err != nil {
					return err
				}
			}
			p := newProgress(cmd, "verify:")
			v, err := app.VerifyBackup(cmd.Context(), args[0], public, secret, p.say)
			p.done()
			if err != nil {
				return err
			}
			err = show(cmd, v, func(w io.Writer) { tellVerified(w, v) })
			if err == nil && v.Contents != nil && len(v.Contents.Damaged) > 0 {
				return errSilent
			}
			return err
		},
	}
	t.register(cmd)
	cmd.Flags().StringVar(&identity, "identity", "", "file that holds the recovery identity; - is standard input")
	return cmd
}

func tellVerified(w io.Writer, v *app.Verified) {
	switch {
	case v.Contents == nil:
		fmt.Fprintln(w, "ok: every byte is what was signed; what is inside was not looked at")
	case len(v.Contents.Damaged) > 0:
		fmt.Fprintf(w, "NOT OK: %d blobs could not be read when it was taken, %s among them\n", len(v.Contents.Damaged), clean(v.Contents.Damaged[0]))
	default:
		fmt.Fprintln(w, "ok: every byte is what was signed, and everything inside can be read")
	}
	if !v.Trusted {
		fmt.Fprintln(w, "The key that signed it is named by the backup itself: give --public-key to know whose it is.")
	}
	var images, blobs string
	if c := v.Contents; c != nil {
		images, blobs = strconv.FormatInt(c.Tables["images"], 10), strconv.FormatInt(c.Blobs, 10)
	}
	pairs(w, "taken", stamp(v.Taken), "epoch", strconv.FormatInt(v.Epoch, 10), "log", fmt.Sprintf("%s, %d entries", v.Origin, v.Size),
		"policy revision", strconv.FormatInt(v.Revision, 10), "images", images, "larger blobs", blobs, "size", size(v.Bytes), "sha256", v.SHA256, "signed by", v.PublicKey)
}

func newBackupStatus() *cobra.Command {
	return remote(&cobra.Command{
		Use: "status", Short: "The epoch, its recipients and the last backup",
		Example: "  vitrine backup status\n  vitrine backup status --output json | jq .last.taken", Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		s, err := c.BackupStatus(ctx)
		if err != nil {
			return err
		}
		return show(cmd, s, func(w io.Writer) { tellBackups(w, s) })
	})
}

func tellBackups(w io.Writer, s *client.BackupStatus) {
	if s.Epoch == nil {
		fmt.Fprintln(w, "There is no recovery recipient, so no backup can be taken.\nOn the server's machine: vitrine backup epoch rotate")
		return
	}
	var prints []string
	for _, r := range s.Epoch.Recipients {
		prints = append(prints, backup.Fingerprint(r))
	}
	last, n := "never", ""
	if s.Last != nil {
		last, n = stamp(s.Last.Taken), fmt.Sprintf("epoch %d, %s, %d images", s.Last.Epoch, size(s.Last.Bytes), s.Last.Images)
	}
	pairs(w, "epoch", strconv.FormatInt(s.Epoch.Number, 10), "since", stamp(s.Epoch.Since), "recipients", strings.Join(prints, ", "), "last backup", last, "", n)
}

func newEpoch() *cobra.Command {
	return family("epoch", "Whose identity opens backups", `An epoch is a span of time in which backups are encrypted to the same recovery
recipient. Deleting an image destroys its key here; copies of it in backups end
with their epoch: rotate it, take a new backup, verify that with the new identity,
then destroy every copy of the old identity. docs/backup.md says more.`, newRotate())
}

func newRotate() *cobra.Command {
	var l local
	var recipients []string
	cmd := &cobra.Command{
		Use: "rotate", Short: "Begin an epoch with a new recovery identity, offline",
		Long: `Begin an epoch: backups from now on are encrypted to a new recipient, whose
identity is shown this once. Keep it offline, apart from backups; whoever has both
has everything. With --recipient they are encrypted to recipients that you made
yourself, as with age-keygen, and no identity is shown.

It works on the data directory itself, with the server stopped: whoever chooses
the recipient can read everything, so nobody does it over the network. It is
recorded and raises an alert. Earlier backups still open with the earlier
identity, until that is destroyed.`,
		Example: `  vitrine backup epoch rotate --data ./data
  vitrine backup epoch rotate --data ./data --recipient age1pq1…`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := l.load()
			if err != nil {
				return err
			}
			r, err := app.RotateEpoch(cmd.Context(), c, recipients, nil)
			if err != nil {
				return err
			}
			return show(cmd, recovery{r.Number, r.Recipients, r.Identity.Reveal()}, func(w io.Writer) {
				fmt.Fprintf(w, "Backups are of epoch %d from now on.\n", r.Number)
				tellIdentity(w, r.Identity)
				fmt.Fprintln(w, "\nNext: take a backup, verify it with the new identity, and then destroy the old one.")
			})
		},
	}
	l.register(cmd)
	cmd.Flags().StringArrayVar(&recipients, "recipient", nil, "public recipient of age; may be repeated")
	return cmd
}

// recovery is an epoch as it is printed once.
type recovery struct {
	Epoch      int64    `json:"epoch"`
	Recipients []string `json:"recipients"`
	Identity   string   `json:"identity,omitempty"`
}

// tellIdentity shows a recovery identity, if one was made.
func tellIdentity(w io.Writer, identity vitrine.Secret) {
	if identity == "" {
		return
	}
	fmt.Fprintf(w, "Recovery identity, shown this once: it opens backups, and nothing else does.\nKeep it offline, apart from them:\n\n  %s\n", identity.Reveal())
}

func newRestore() *cobra.Command {
	var l local
	var t trust
	var r app.RestoreRequest
	var identity string
	cmd := &cobra.Command{
		Use: "restore --from FILE --identity FILE", Short: "Restore a backup on an empty machine",
		Long: `Restore a backup into an empty data directory, or an empty PostgreSQL and an empty
bucket. The database need not be of the kind that the backup was taken of. Nothing
is written before the whole backup was read and found good.

Give every export of the log from after the backup with --log: images that were
deleted, keys that were revoked, principals that were disabled since are so again,
and what was spent is counted. What the log says was changed, but not how, is
locked until an owner looks, and is told. Without --log everything that was
revoked or deleted since is alive again: --hold then lets nobody act but the
owners.

Keys of before go on working, sessions and links end. The log goes on under a new
name and key, linked to the old one: keep what is told at the end.`,
		Example: `  vitrine restore --from vitrine.backup --identity recovery.txt --log log.ndjson --data ./data
  vitrine restore --from vitrine.backup --identity - --hold --data ./data --database postgres://vitrine@db/vitrine`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if r.From == "" || identity == "" {
				return usage("say from what: --from FILE, and --identity FILE with the recovery identity")
			}
			c, err := l.load()
			if err != nil {
				return err
			}
			if r.PublicKey, err = t.read(); err != nil {
				return err
			}
			if r.Identity, err = readIdentity(cmd, identity); err != nil {
				return err
			}
			return restore(cmd, c, r)
		},
	}
	l.register(cmd)
	t.register(cmd)
	f := cmd.Flags()
	f.StringVar(&r.From, "from", "", "file that holds the backup")
	f.StringVar(&identity, "identity", "", "file that holds the recovery identity; - is standard input")
	f.StringArrayVar(&r.Logs, "log", nil, "file with an export of the log from after the backup; may be repeated")
	f.BoolVar(&r.Hold, "hold", false, "let nobody act but the owners, until one has looked")
	return cmd
}

func restore(cmd *cobra.Command, c *config.Config, r app.RestoreRequest) error {
	p := newProgress(cmd, "restore:")
	r.Progress = p.say
	done, err := app.Restore(cmd.Context(), c, r)
	p.done()
	if err != nil {
		return err
	}
	if err := show(cmd, done, func(w io.Writer) { tellRestored(w, c.Data, c.KeyFile, done) }); err != nil {
		return err
	}
	if done.DamagedCount > 0 {
		return partly{fmt.Errorf("%s cannot be opened", count(done.DamagedCount, "image or form"))}
	}
	return nil
}

func tellRestored(w io.Writer, data, kek string, d *app.Restored) {
	fmt.Fprintf(w, "Restored into %s, as of %s.\n\n", data, stamp(d.Backup.Taken))
	pairs(w, "images", strconv.FormatInt(d.Images, 10), "entries of the log", strconv.FormatInt(d.Entries, 10), "key-encryption key", kek+", new: keep a copy elsewhere",
		"the log goes on as", d.Origin, "with public key", d.PublicKey, "it continues", fmt.Sprintf("%s after %d entries", d.Link.Origin, d.Link.Size),
		"sessions ended", strconv.Itoa(d.Sessions))
	fmt.Fprintln(w)
	if !d.Known {
		fmt.Fprintf(w, "No log was given, so nothing is known of the time after %s:\nwhat was revoked, disabled or deleted since is alive again. Revoke and delete\nit again before you let anybody in.\n", stamp(d.Backup.Taken))
	} else {
		fmt.Fprintf(w, "%d entries of the log replayed, up to %s: %d images deleted again, %d tiers raised,\n%d changes to the policy, $%s of %d requests counted. %d images made since are lost.\nNothing is known of what came after that.\n",
			d.Replayed, stamp(d.Until), d.Deleted, d.Raised, d.Revoked, d.Cost, d.Requests, d.Lost)
	}
	notes(w, "Locked, because the log says that it was changed and not how:", d.Locked)
	notes(w, "Look at:", d.Look)
	if d.Hold != "" {
		fmt.Fprintf(w, "\nNobody may act but the owners. When one has looked: delete deny/%s.\n", d.Hold)
	}
	for _, x := range d.Damaged {
		fmt.Fprintf(w, "DAMAGED %s\n", clean(x))
	}
	fmt.Fprintf(w, "\nNext: vitrine doctor --data %s, then vitrine serve --data %[1]s\n", data)
}

// shownNotes is how many notes of a kind are printed; JSON has all.
const shownNotes = 50

func notes(w io.Writer, head string, all []backup.Note) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", head)
	for _, n := range all[:min(len(all), shownNotes)] {
		fmt.Fprintf(w, "  entry %-8d %s: %s\n", n.Seq, clean(dash(n.On)), clean(n.Text))
	}
	if more := len(all) - shownNotes; more > 0 {
		fmt.Fprintf(w, "  and %d more: --output json\n", more)
	}
}
