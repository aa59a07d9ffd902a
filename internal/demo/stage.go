package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
	"vitrine.dev/vitrine/examples"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/config"
	"vitrine.dev/vitrine/internal/policyfile"
)

// stage is the running installation and who is on it.
type stage struct {
	*voice
	dir, url string
	config   *config.Config
	owners   []*client.Client

	app    *app.App
	stop   context.CancelFunc
	served chan error

	keys map[vitrine.ID]string // by principal
	as   map[vitrine.ID]*client.Client

	// What the scenes tell each other.
	image   vitrine.ID
	picture []byte
}

// open makes an installation in a directory of its own and serves it on a free
// port of loopback.
func open(ctx context.Context, c Config) (_ *stage, err error) {
	s := &stage{voice: newVoice(c), dir: c.Dir, keys: map[vitrine.ID]string{}, as: map[vitrine.ID]*client.Client{}}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "vitrine-demo-"); err != nil {
			return nil, err
		}
	} else if err := emptyDir(s.dir); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	s.url = "http://localhost:" + port
	s.config = config.Default()
	s.config.Data, s.config.KeyFile, s.config.Checkpoints = s.path("data"), s.path("data.kek"), s.path("checkpoints")
	s.config.Listen, s.config.PublicURL = ln.Addr().String(), s.url
	if err := s.start(ctx, ln); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return s, nil
}

func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	all, err := os.ReadDir(dir)
	if err == nil && len(all) > 0 {
		err = fmt.Errorf("%s is not empty: the demo wants a directory of its own", dir)
	}
	return err
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

// start makes the installation, as `vitrine init` does, and serves it, as
// `vitrine serve` does. The process log goes to a file beside it.
func (s *stage) start(ctx context.Context, ln net.Listener) error {
	log, err := os.OpenFile(s.path("server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	made, err := app.Init(ctx, s.config, app.InitRequest{Organization: "Brightwater", Owners: []string{"alice@brightwater.example", "adam@brightwater.example"}, Logger: logger})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	for _, o := range made.Owners {
		c, err := client.New(s.url, o.Secret, client.UserAgent("vitrine-demo"))
		if err != nil {
			return err
		}
		s.owners = append(s.owners, c)
	}
	if s.app, err = app.Open(ctx, s.config, app.Options{Logger: logger}); err != nil {
		return err
	}
	// The server outlives ctx until it is closed, so that what is under way when
	// somebody presses Ctrl-C is answered.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.served = stop, make(chan error, 1)
	go func() { s.served <- s.app.ServeOn(serving, ln) }()
	return nil
}

func (s *stage) close() error {
	s.stop()
	return errors.Join(<-s.served, s.app.Close())
}

// setUp makes the company: owners enrol, one applies the policy, people get
// keys, and pictures come in.
func (s *stage) setUp(ctx context.Context) error {
	for _, o := range s.owners {
		if _, err := o.Whoami(ctx); err != nil {
			return fmt.Errorf("an owner enrols: %w", err)
		}
	}
	s.got("alice and adam, the owners, have enrolled with their first keys at %s", s.url)
	alice := s.owners[0]
	objects, err := policyfile.Parse(examples.Policy("company"))
	if err != nil {
		return err
	}
	set, err := alice.Plan(ctx, objects, false)
	if err != nil {
		return err
	}
	set.Reason = "the company of the demo"
	done, err := alice.Apply(ctx, set)
	if err != nil {
		return err
	}
	s.got("alice applied examples/company as revision %d: %s", done.Revision, census(objects))
	for _, k := range []struct{ who, dataset vitrine.ID }{
		{"ann", "drafts"}, {"ian", "drafts"}, {"bob", ""}, {"carol", ""}, {"dana", ""}, {"sam", ""}, {"eve", ""},
	} {
		if err := s.admit(ctx, k.who, k.dataset); err != nil {
			return err
		}
	}
	return s.fill(ctx)
}

// census counts what a policy declares.
func census(objects []vitrine.Object) string {
	n := map[string]int{}
	for _, o := range objects {
		what := string(o.Ref().Kind)
		if p, ok := o.(*vitrine.Principal); ok {
			what = map[vitrine.PrincipalKind]string{vitrine.User: "people", vitrine.Group: "groups", vitrine.Service: "machines"}[p.Kind]
		}
		n[what]++
	}
	return fmt.Sprintf("%d people, %d machines, %d groups, %d projects, %d datasets, %d models, %d roles, %d budgets",
		n["people"], n["machines"], n["groups"], n["project"], n["dataset"], n["deployment"], n["role"], n["budget"])
}

// admit gives somebody a key, and the stage a client with it.
func (s *stage) admit(ctx context.Context, who, dataset vitrine.ID) error {
	k, err := s.owners[0].IssueKey(ctx, client.NewKey{Principal: who, Name: "demo", Dataset: dataset})
	if err != nil {
		return fmt.Errorf("a key for %s: %w", who, err)
	}
	c, err := client.New(s.url, vitrine.Secret(k.Key), client.UserAgent("vitrine-demo"))
	if err != nil {
		return err
	}
	c.AtLeast(k.Revision)
	s.keys[who], s.as[who] = k.Key, c
	return nil
}

// fill loads pictures into datasets of three tiers.
func (s *stage) fill(ctx context.Context) error {
	tiers := map[string]bool{}
	loads := []struct{ file, dataset string }{
		{"rocket.jpg", "moodboard"}, {"slide.jpg", "briefs"}, {"chat.png", "briefs"}, {"payment-form.png", "orders"}, {"id-card.jpg", "identity"},
	}
	for _, l := range loads {
		f, err := examples.Pictures().Open(l.file)
		if err != nil {
			return err
		}
		m, err := s.as["dana"].Upload(ctx, client.Upload{Dataset: vitrine.ID(l.dataset), Name: l.file}, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("dana uploads %s to %s: %w", l.file, l.dataset, err)
		}
		tiers[m.Tier.String()] = true
	}
	want := "confidential, public, restricted"
	if err := expect("the tiers of what dana uploaded", want, strings.Join(slices.Sorted(maps.Keys(tiers)), ", ")); err != nil {
		return err
	}
	s.got("dana, the data steward, put in %d pictures; each is sealed and has its dataset's birth tier: %s", len(loads), want)
	return nil
}

// get is a plain request, as curl makes one.
func (s *stage) get(ctx context.Context, who vitrine.ID, path string) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, "GET", s.url+path, nil)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.keys[who])
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, errors.Join(err, resp.Body.Close())
}

// save keeps something for the reader to look at.
func (s *stage) save(name string, b []byte) error {
	if err := os.WriteFile(s.path(name), b, 0o600); err != nil {
		return err
	}
	s.aside("saved as %s", s.path(name))
	return nil
}
