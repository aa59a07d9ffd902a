// Command engines compares the decision engine with its peers: the same
// policy, the same questions, in the same process and the same run.
//
// Each peer gets the encoding in which it was found fastest, and its requests
// are made before the clock runs; so a peer is never slower here than where it
// is used with care. What each is asked is said beside it. The bare loop at the
// top is the limit: no product, as it gives no reasons and knows no expiry,
// conditions, keys or denies.
//
// A comparison of engines that answer differently compares nothing, so the
// command asks every question of all of them first and stops at the first
// difference; a test does the same for the small world.
package main

import (
	"fmt"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/bench/internal/measure"
	"vitrine.dev/vitrine/internal/rbac/rbactest"
)

// engine is one contestant. ask answers the i-th of the questions that it was
// loaded with; it may be called from many goroutines.
type engine interface {
	load(w *world) error
	ask(i int) (bool, error)
}

// contestant is an engine's name and how to make one.
type contestant struct {
	name string
	role measure.Role
	make func() engine
	most int // bindings beyond which it is not asked; 0 is any number
}

var contestants = []contestant{
	{"bare loop over flat masks", measure.Limit, func() engine { return new(bare) }, 0},
	{"vitrine", measure.Ours, func() engine { return new(ours) }, 0},
	{"cedar-go, grants as data", measure.Peer, func() engine { return new(cedarEngine) }, 0},
	{"Casbin, cached: hits only", measure.Peer, func() engine { return &casbinEngine{cached: true} }, 4_003},
	{"OPA, prepared query", measure.Peer, func() engine { return new(opaEngine) }, 40_000},
	{"OpenFGA, embedded", measure.Peer, func() engine { return new(fgaEngine) }, 4_003},
	{"Casbin", measure.Peer, func() engine { return new(casbinEngine) }, 4_003},
}

// world is a policy, questions about it, and what encodings need to know of it.
type world struct {
	*rbactest.World
	questions []rbactest.Question
	project   map[vitrine.ID]vitrine.ID // of each dataset
	up        map[vitrine.ID]vitrine.ID // the group that each user and group is in
	actions   map[vitrine.ID][]string   // that each role lets do
}

func newWorld(s rbactest.Size, questions int) *world {
	w := &world{World: rbactest.New(s), project: map[vitrine.ID]vitrine.ID{}, up: map[vitrine.ID]vitrine.ID{}, actions: map[vitrine.ID][]string{}}
	w.questions = w.Questions(questions)
	for _, o := range w.Resources {
		w.project[o.ID] = o.Project
	}
	for _, g := range w.Groups {
		for _, m := range g.Members {
			w.up[m] = g.ID
		}
	}
	for _, r := range w.Roles {
		w.actions[r.ID] = rbactest.Actions(r)
	}
	return w
}

// holders are, for each project and action, who may do it there.
func (w *world) holders() map[vitrine.ID]map[string][]vitrine.ID {
	all := map[vitrine.ID]map[string][]vitrine.ID{}
	for _, b := range w.Bindings {
		at := all[b.Scope]
		if at == nil {
			at = map[string][]vitrine.ID{}
			all[b.Scope] = at
		}
		for _, a := range w.actions[b.Role] {
			at[a] = append(at[a], b.Principal)
		}
	}
	return all
}

// agree asks every question and reports the first answer that is not the one
// that stands with it.
func agree(e engine, w *world) error {
	for i, q := range w.questions {
		got, err := e.ask(i)
		if err != nil {
			return fmt.Errorf("question %d: %w", i, err)
		}
		if got != q.Allow {
			return fmt.Errorf("question %d, may %s do %s at %s: got %v, want %v", i, q.User, q.Action(), q.Dataset, got, q.Allow)
		}
	}
	return nil
}
