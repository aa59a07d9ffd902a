package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"vitrine.dev/vitrine/internal/blob"
	"vitrine.dev/vitrine/internal/config"
	"vitrine.dev/vitrine/internal/keys"
	"vitrine.dev/vitrine/internal/rbac"

	"vitrine.dev/vitrine"
)

// Finding is one thing that Doctor looked at.
type Finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, warning, error
	Detail string `json:"detail"`
	Do     string `json:"do,omitempty"` // what to do about it
}

// lowSpace is below which free space is a warning: refusals must still find
// room in the log.
const lowSpace = 1 << 30 // bytes

// DoctorOptions say how thoroughly Doctor looks.
type DoctorOptions struct {
	Quick    bool              // not at every image, blob and entry
	Progress func(what string) // is told where long work is; may be nil
}

// NoDatabase is what to do where no PostgreSQL answers.
const NoDatabase = "does PostgreSQL run there, and does it let this machine and user in? --database or VITRINE_DATABASE says where it is"

// Doctor tests an installation from outside in: what it cannot open it says
// why, and goes on with what does not need it. It repairs nothing and makes no
// directory, but asks for the data directory alone, so the server must be
// stopped; and like a server it brings the tables to this version.
func Doctor(ctx context.Context, c *config.Config, o DoctorOptions) []Finding {
	var all findings
	err := checkDir(c.Data)
	if !all.add("data directory", err, c.Data+" is yours alone", doDir(err, c)) && errors.Is(err, fs.ErrNotExist) {
		return all
	}
	_, err = keys.OpenFile(c.KeyFile)
	all.add("key-encryption key", err, c.KeyFile+" is readable by you alone",
		"put back the file from where you keep its copy; without it nothing can be opened")
	all = append(all, checkApart(c)...)
	all = append(all, checkSpace(c.Data)...)
	a, err := Open(ctx, c, Options{})
	if !all.add("open", err, "store, keys and policy open and fit each other", doOpen(err)) {
		return all
	}
	defer a.Close() // only read; nothing to lose
	all.add("blobs", blob.Probe(ctx, a.bucket), "a probe was written, read and removed where larger images lie", noBlobs)
	e := &examination{App: a, progress: o.Progress}
	if o.Quick {
		all = append(all, e.glance(ctx)...)
	} else {
		all = append(all, e.run(ctx)...)
	}
	all = append(all, a.checkPublishing(ctx)...)
	all = append(all, a.checkBackup(ctx))
	p, err := a.source.Current()
	if all.add("policy", err, "the policy can be used", "see the message") {
		all = append(all, checkPolicy(p)...)
	}
	return all
}

// findings are what Doctor found so far.
type findings []Finding

// add adds a check that failed with err, or is ok; it reports which.
func (all *findings) add(check string, err error, ok, do string) bool {
	f := Finding{Check: check, State: "ok", Detail: ok}
	if err != nil {
		f.State, f.Detail, f.Do = "error", err.Error(), do
	}
	*all = append(*all, f)
	return err == nil
}

// doDir is what to do about a data directory.
func doDir(err error, c *config.Config) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "name the right directory with --data, or make an installation there: vitrine init --data " + c.Data
	}
	return "chmod 700 " + c.Data
}

// doOpen is what to do about what does not open.
func doOpen(err error) string {
	if errors.Is(err, errBlobs) {
		return noBlobs
	}
	var op *net.OpError
	var dns *net.DNSError
	if errors.As(err, &op) || errors.As(err, &dns) {
		return NoDatabase
	}
	return "see the message; nothing was changed"
}

func checkDir(dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if st.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others (mode %o)", dir, st.Mode().Perm())
	}
	return unix.Access(dir, unix.W_OK)
}

// checkApart looks that what protects the data does not lie beside it.
func checkApart(c *config.Config) []Finding {
	var all []Finding
	for _, at := range []struct{ check, path, why string }{
		{"key apart from data", c.KeyFile, "whoever copies the data directory copies the key with it"},
		{"checkpoints apart from data", c.Checkpoints, "whoever rewrites the log can rewrite its checkpoints"},
		{"mirror apart from data", c.CheckpointsMirror, "whoever rewrites the log can rewrite its checkpoints"},
	} {
		if at.path == "" && at.check == "mirror apart from data" || strings.Contains(at.path, "://") {
			continue // nobody asked for one, or it is on another machine
		}
		f := Finding{Check: at.check, State: "ok", Detail: at.path}
		rel, err := filepath.Rel(c.Data, at.path)
		switch {
		case at.path == "":
			f.State, f.Detail, f.Do = "warning", "nowhere", "set it in the configuration"
		case err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)):
			f.State, f.Detail, f.Do = "warning", at.path+" lies inside the data directory: "+at.why, "move it and change the configuration"
		}
		all = append(all, f)
	}
	return all
}

// checkPublishing tells how far checkpoints got where they are published beside
// the directory.
func (a *App) checkPublishing(ctx context.Context) []Finding {
	places, err := a.Log.Published(ctx)
	if err != nil {
		return []Finding{{Check: "publishing", State: "error", Detail: err.Error()}}
	}
	var all []Finding
	for _, p := range places {
		f := Finding{Check: "publishing to the " + p.Place, State: "ok", Detail: fmt.Sprintf("the checkpoint of %d entries is there", p.Size)}
		if !p.Since.IsZero() {
			f.State, f.Do = "warning", "see the error; the log goes on meanwhile, and what is missing is published once it answers"
			f.Detail = fmt.Sprintf("fails since %s, so nothing is there beyond %d entries: %s", p.Since.UTC().Format(time.RFC3339), p.Size, p.Error)
		}
		all = append(all, f)
	}
	return all
}

func checkSpace(dir string) []Finding {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return []Finding{{Check: "space", State: "error", Detail: err.Error()}}
	}
	free := int64(st.Bavail) * st.Bsize
	f := Finding{Check: "space", State: "ok", Detail: fmt.Sprintf("%d MB free", free>>20)}
	if free < lowSpace {
		f.State, f.Do = "warning", "make room: when the log cannot be written every request is refused"
	}
	return []Finding{f}
}

// checkPolicy looks for what is allowed but not wise.
func checkPolicy(p *rbac.Policy) []Finding {
	var all []Finding
	org := p.Organization()
	switch {
	case org == nil:
		return []Finding{{Check: "owners", State: "error", Detail: "no organization", Do: "run `vitrine init`"}}
	case org.Solo:
		all = append(all, Finding{Check: "solo", State: "warning",
			Detail: "one owner who may both administer and look", Do: "for a company start a new installation without --solo"})
	}
	owners := Finding{Check: "owners", State: "ok", Detail: "enrolled"}
	if !p.Enrolled() {
		owners.State, owners.Detail = "warning", "not all have used their first key: only set-up acts work"
		owners.Do = "let each owner run `vitrine whoami` with the key from init; `vitrine recover` makes a new one"
	}
	all = append(all, owners)
	for _, o := range p.Objects(vitrine.KindDeployment) {
		if d, ok := o.(*vitrine.Deployment); ok && d.Price == nil && !d.Disabled {
			all = append(all, Finding{Check: "deployment " + string(d.ID), State: "warning",
				Detail: "has no price, so it is refused", Do: "give it a price in the policy, or disable it"})
		}
	}
	return all
}
