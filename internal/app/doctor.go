package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

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

// Doctor tests an installation from outside in: what it cannot open it says
// why, and goes on with what does not need it. It changes nothing but asks for
// the data directory alone, so the server must be stopped.
func Doctor(ctx context.Context, c *config.Config) []Finding {
	var all []Finding
	add := func(check string, err error, ok, do string) bool {
		f := Finding{Check: check, State: "ok", Detail: ok}
		if err != nil {
			f.State, f.Detail, f.Do = "error", err.Error(), do
		}
		all = append(all, f)
		return err == nil
	}
	add("data directory", checkDir(c.Data), c.Data+" is yours alone", "chmod 700 "+c.Data)
	_, err := keys.OpenFile(c.KeyFile)
	add("key-encryption key", err, c.KeyFile+" is readable by you alone",
		"put back the file from where you keep its copy; without it nothing can be opened")
	all = append(all, checkApart(c)...)
	all = append(all, checkSpace(c.Data)...)
	a, err := Open(ctx, c, Options{})
	if !add("open", err, "store, keys and policy open and fit each other", "see the message; nothing was changed") {
		return all
	}
	defer a.Close() // only read; nothing to lose
	_, err = a.Log.Checkpoint(ctx)
	add("log", err, fmt.Sprintf("the log's %d entries continue what was last signed", a.logSize()),
		"the log was changed outside Vitrine: keep everything as it is, run `vitrine audit verify` on your last export and checkpoint")
	p, err := a.source.Current()
	if add("policy", err, "the policy can be used", "see the message") {
		all = append(all, checkPolicy(p)...)
	}
	return all
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
	} {
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

// ready are the checks behind /readyz.
func (a *App) readyPolicy(context.Context) error {
	_, err := a.source.Current()
	return err
}

func (a *App) readyStore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if a.Store.Ping(ctx) != nil {
		return errors.New("the database does not answer")
	}
	return nil
}
