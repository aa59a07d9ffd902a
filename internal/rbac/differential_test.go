package rbac_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/reference"
)

var (
	questions = flag.Int64("questions", 200_000, "how many questions the engine and the reference are asked")
	seed      = flag.Uint64("seed", 1, "the first of the seeds of random worlds")
	longest   = flag.Duration("most", 0, "how long they are asked at most; 0 is until all are")
	whole     = flag.Bool("whole", false, "tell what goes wrong as it was found, and not as small as it can be")
	progress  = flag.Bool("progress", false, "tell every ten seconds how far the questions have come")
)

// tally counts what was compared.
type tally struct {
	worlds, asked, allowed, rows, lists, who, admitted, refused, applied atomic.Int64
}

func (n *tally) String() string {
	return fmt.Sprintf("%d questions (%d allowed) in %d worlds; %d rows of filters, %d other lists; %d times who may; %d change sets admitted, %d refused, %d applied",
		n.asked.Load(), n.allowed.Load(), n.worlds.Load(), n.rows.Load(), n.lists.Load(), n.who.Load(), n.admitted.Load(), n.refused.Load(), n.applied.Load())
}

// wrong is a check that failed, and the story that it failed of.
type wrong struct {
	seed  uint64
	story story
	check check
}

// The engine says what the access model says, read word by word by a program that
// shares no code with it: to every question, of every list, about every change
// set, and after any number of them.
func TestTheEngineIsTheModel(t *testing.T) {
	n, most := new(tally), *questions
	if testing.Short() {
		most = min(most, 20_000)
	}
	began := time.Now()
	var found atomic.Pointer[wrong]
	var next atomic.Uint64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for found.Load() == nil && n.asked.Load() < most && (*longest == 0 || time.Since(began) < *longest) {
				s := *seed + next.Add(1) - 1
				if w := compare(s, n); w != nil {
					found.CompareAndSwap(nil, w)
				}
			}
		})
	}
	stop := watch(n, began)
	all.Wait()
	stop()
	if w := found.Load(); w != nil {
		t.Logf("found after %s", time.Since(began).Round(time.Millisecond))
		report(t, w)
	}
	t.Logf("seeds %d to %d: %s, in %s", *seed, *seed+next.Load()-1, n, time.Since(began).Round(time.Second))
	if !t.Failed() && (n.allowed.Load()*5 < n.asked.Load() || n.admitted.Load()*20 < n.refused.Load()) {
		t.Errorf("too little is allowed: this tests too little")
	}
}

// watch tells how far it is, until it is stopped.
func watch(n *tally, began time.Time) (stop func()) {
	if !*progress {
		return func() {}
	}
	tick, done := time.NewTicker(10*time.Second), make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				fmt.Fprintf(os.Stderr, "%6s %s\n", time.Since(began).Round(time.Second), n)
			}
		}
	}()
	return func() { tick.Stop(); close(done) }
}

// report tells the smallest story that still goes wrong.
func report(t *testing.T, w *wrong) {
	t.Helper()
	small := w.story
	if !*whole {
		small = small.shrink(w.check)
	}
	told, err := small.tell()
	if err != nil {
		t.Fatal(err)
	}
	t.Errorf("seed %d: run with -seed %d -questions 1. Of this policy\n\n%s\n%s", w.seed, w.seed, small, w.check.try(told))
}

// compare makes a world and asks about it, changes it and asks again.
func compare(seed uint64, n *tally) *wrong {
	r := reference.NewRandom(seed)
	s := story{objects: r.Objects(rbac.Predefined())}
	if seed%2 == 0 {
		s.objects = r.Administered(rbac.Predefined())
	}
	n.worlds.Add(1)
	now, err := s.tell()
	if err != nil {
		return &wrong{seed, s, func(told) string { return err.Error() }}
	}
	c := &comparison{Random: r, n: n, story: s, now: now, seed: seed}
	c.ask(100)
	for range 3 {
		for range 4 {
			c.admit()
		}
		c.apply()
		c.ask(40)
	}
	return c.wrong
}

// comparison is a story as it goes on.
type comparison struct {
	reference.Random
	n     *tally
	story story
	now   told
	seed  uint64
	wrong *wrong
}

func (c *comparison) hold(k check) {
	if c.wrong == nil && k.try(c.now) != "" {
		c.wrong = &wrong{c.seed, c.story, k}
	}
}

// ask asks so many questions, and for lists along with them.
func (c *comparison) ask(many int) {
	for i := range many {
		q := c.Question(c.now.world)
		c.n.asked.Add(1)
		if c.now.policy.Decide(asked(q)).Allow {
			c.n.allowed.Add(1)
		}
		c.hold(decides(q))
		switch i % 10 {
		case 0:
			c.hold(explains(q))
			c.hold(lives(q.Caller, q.At))
		case 1:
			c.n.who.Add(1)
			c.hold(tells(q.Permission, q.Resource, q.At))
		case 2:
			rows := make([]vitrine.Resource, 12)
			for i := range rows {
				rows[i] = c.Image()
			}
			c.n.rows.Add(int64(len(rows)))
			c.hold(lists(q.Caller, reference.Pick(c.Random, vitrine.ImageView, vitrine.ImageOpen, vitrine.ImageExport, vitrine.ImageCreate), q.At, rows))
		case 3:
			c.n.lists.Add(1)
			info := reference.Pick(c.Random, vitrine.Catalogue...)
			c.hold(sees(q.Caller, info.Permission, info.Kind, q.At))
		}
	}
}

// admit lets an administrator try some changes, and makes them if they may.
func (c *comparison) admit() {
	by, at := c.Administrator(c.now.world), c.Instant()
	changes := c.ChangesBy(c.now.world, by)
	c.hold(admits(by, at, changes))
	s := rbac.Subject(by)
	if _, _, err := c.now.policy.Admit(&s, at, &vitrine.ChangeSet{Changes: changes}); err != nil {
		c.n.refused.Add(1)
		return
	}
	c.n.admitted.Add(1)
	c.make(changes)
}

// apply makes any changes that come to a policy, whoever may make them.
func (c *comparison) apply() {
	changes := c.Changes(c.now.world)
	c.hold(applies(changes))
	if _, err := c.now.policy.Apply(1, changes); err == nil {
		c.n.applied.Add(1)
		c.make(changes)
	}
}

func (c *comparison) make(changes []vitrine.Change) {
	next, err := c.now.then(changes)
	if err != nil || c.wrong != nil {
		return
	}
	c.story.sets = append(c.story.sets[:len(c.story.sets):len(c.story.sets)], changes)
	c.now = next
	if c.Odds(2) {
		return // to compile all of it takes longer than to ask
	}
	qs := []reference.Question{c.Question(next.world), c.Question(next.world)}
	c.hold(compiles(qs, c.Administrator(next.world), c.Changes(next.world)))
}
