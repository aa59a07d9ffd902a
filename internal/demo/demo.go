// Package demo tells, with real answers, what Vitrine is for: a small company
// from examples/company, an image that one of its people makes, and what
// everybody else gets to see of it.
//
// Nothing here is staged. The installation is made by package app as init and
// serve make one, the company is set up over the API, images are generated with
// an official OpenAI client that knows nothing of Vitrine, and each scene
// compares what the server answered with what it should: a demo that tells
// another story than the code fails, so it is a test as well.
//
// The directory with the installation, the pictures and the exported log is
// left where it is when the demo ends, for whoever wants to look.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Config is how the story is told.
type Config struct {
	Out    io.Writer
	Colour bool
	Width  int    // columns; 0 is 78
	Dir    string // where everything is put, empty or not there yet; "" is a temporary directory
	Exit   bool   // end with the story instead of serving on
	// Command is how the reader calls this program; "" is vitrine.
	Command string
}

// scene is a part of the story. It fails where an answer is not the one that
// the story tells.
type scene struct {
	title string
	play  func(*stage, context.Context) error
}

var story = []scene{
	{"Ann draws, with OpenAI's own client", (*stage).annDraws},
	{"Bob opens it", (*stage).bobOpens},
	{"Carol sees it masked", (*stage).carolSees},
	{"Eve learns nothing", (*stage).eveLearnsNothing},
	{"Ian's budget ends", (*stage).ianRunsOut},
	{"Why", (*stage).why},
	{"The log proves it", (*stage).logProves},
}

// Run tells the story. It fails at the first answer that is not the expected
// one. Without Exit it then serves until ctx is done.
func Run(ctx context.Context, c Config) (err error) {
	begun := time.Now()
	s, err := open(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.title("Vitrine", "a small company, one image, and who sees what of it")
	if err := s.setUp(ctx); err != nil {
		return fmt.Errorf("set up the company: %w", err)
	}
	for i, scene := range story {
		s.scene(i+1, scene.title)
		if err := scene.play(s, ctx); err != nil {
			return fmt.Errorf("scene %d, %s: %w", i+1, scene.title, err)
		}
	}
	s.blank()
	s.say("%d scenes in %.1f s, all as they should be. Everything lies in %s", len(story), time.Since(begun).Seconds(), s.dir)
	if c.Exit {
		return nil
	}
	if err := s.invite(cmp.Or(c.Command, "vitrine")); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		s.blank()
		s.say("Stopped. What was made is left in %s", s.dir)
		return nil
	case err := <-s.served:
		return fmt.Errorf("the server stopped: %w", err)
	}
}

// surprise is an answer that the story does not expect.
type surprise struct{ asked, want, got string }

// Error says what was asked, what should have come, and what did.
func (s *surprise) Error() string {
	return fmt.Sprintf("%s: expected %s, got %s", s.asked, s.want, s.got)
}

// expect compares an answer with the one that the story tells.
func expect[T comparable](asked string, want, got T) error {
	if want == got {
		return nil
	}
	return &surprise{asked, fmt.Sprint(want), fmt.Sprint(got)}
}
