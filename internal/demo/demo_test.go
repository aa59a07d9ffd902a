package demo

// In the package: to make a scene fail its company has to be changed between
// set-up and scene.

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/policyfile"
)

func TestStory(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-of-the-reader")
	t.Setenv("OPENAI_PROJECT_ID", "proj-of-the-reader")
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "story")
	if err := Run(t.Context(), Config{Out: &out, Width: 50, Dir: dir, Exit: true}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, s := range story {
		if !strings.Contains(out.String(), s.title) {
			t.Errorf("nothing is told of %q", s.title)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("it is coloured though nobody asked")
	}
	if strings.Contains(out.String(), "vtr_") {
		t.Error("a key is shown before the end")
	}
	for _, l := range strings.Split(out.String(), "\n") {
		if words := strings.Fields(l); utf8.RuneCountInString(l) > 50 && len(words) > 2 {
			t.Errorf("a line is broader than the terminal: %s", l)
		}
	}
	if err := Run(t.Context(), Config{Out: &out, Dir: dir, Exit: true}); err == nil {
		t.Error("it went into a directory that somebody uses")
	}
}

// TestServesOn: it ends well when it is told to, and leaves keys to try.
func TestServesOn(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	dir := t.TempDir()
	var out bytes.Buffer
	err := Run(ctx, Config{Out: stopAt{&out, "the log as it grows", stop}, Dir: dir, Command: "bin/vitrine"})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	env, err := os.ReadFile(filepath.Join(dir, "keys.env"))
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(filepath.Join(dir, "keys.env")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("keys.env: %v, %v", st.Mode(), err)
	}
	for _, want := range []string{"export VITRINE_SERVER=http://localhost:", "export ANN=vtr_user_", "export EVE=vtr_user_"} {
		if !strings.Contains(string(env), want) {
			t.Errorf("keys.env lacks %s", want)
		}
	}
	if !strings.Contains(out.String(), "VITRINE_KEY=$SAM bin/vitrine who image.open image/img-") {
		t.Errorf("no line to copy in\n%s", out.String())
	}
}

// stopAt stops the demo once it has said something.
type stopAt struct {
	out  *bytes.Buffer
	what string
	stop func()
}

func (s stopAt) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.what)) {
		s.stop()
	}
	return s.out.Write(p)
}

// TestScenesCanFail changes the company so that a scene would be a lie, and
// the scene says so.
func TestScenesCanFail(t *testing.T) {
	var out bytes.Buffer
	s, err := open(t.Context(), Config{Out: &out, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(s.setUp(t.Context()), s.annDraws(t.Context())); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, policy string
		play         func(*stage, context.Context) error
		want         string
	}{
		{"carol opens originals", "bindings: [{role: art-director, principal: carol, scope: drafts}]", (*stage).carolSees, "the rendition that carol gets: expected masked, got original"},
		{"eve sees masks", "bindings: [{role: reviewer, principal: eve, scope: drafts}]", (*stage).eveLearnsNothing, "the status that eve gets: expected 404, got 200"},
		{"ian has money", "budgets: {ian-trial: {kind: principal, subject: ian, window: total, limit: 5}}", (*stage).ianRunsOut, "what is left of ian's trial: expected 0.005"},
		{"bob is withheld the drafts", "denies: {not-bob: {permissions: [image.open], principals: [bob], scope: drafts}}", (*stage).bobOpens, "the rendition that bob gets: expected original"},
		{"prices rise", "deployments: {renders/flux-kontext: {provider: studio, price: 0.05}}", (*stage).annDraws, "what it cost: expected 0.04, got 0.05"},
		{"ian gets more models", "roles: {more: {grants: [{permissions: [model.generate]}]}}\nbindings: [{role: more, principal: ian, scope: renders}]", (*stage).annAndIanList, "the models that ian sees: expected hidream, got "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			change(t, s, tt.policy)
			if err := tt.play(s, t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func change(t *testing.T, s *stage, policy string) {
	t.Helper()
	objects, err := policyfile.Parse(fstest.MapFS{"policy.yaml": {Data: []byte(policy)}})
	if err != nil {
		t.Fatal(err)
	}
	set := &vitrine.ChangeSet{}
	for _, o := range objects {
		set.Changes = append(set.Changes, vitrine.Put(o))
	}
	done, err := s.owners[0].Apply(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.as {
		c.AtLeast(done.Revision)
	}
}
