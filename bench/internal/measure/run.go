package measure

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// Options are what every part of the benchmark is run with.
type Options struct {
	Quick  bool
	Rounds int
	Save   string // directory for the report; "" prints only
	Dir    string // scratch, on the disk that is measured
}

// Main runs one part: it reads the flags, calls part, prints what it found, and
// saves it where told to.
func Main(name string, part func(*Options, *Report) error) {
	o := &Options{}
	flag.BoolVar(&o.Quick, "quick", os.Getenv("QUICK") != "", "a short run")
	flag.IntVar(&o.Rounds, "rounds", 0, "rounds of each contestant; 0 is 5, or 3 where quick")
	flag.StringVar(&o.Save, "save", "", "directory to write the report to")
	flag.Parse()
	if err := run(name, o, part); err != nil {
		fmt.Fprintf(os.Stderr, "bench %s: %v\n", name, err)
		os.Exit(1)
	}
}

func run(name string, o *Options, part func(*Options, *Report) error) (err error) {
	if o.Rounds == 0 {
		if o.Rounds = 5; o.Quick {
			o.Rounds = 3
		}
	}
	if o.Dir, err = os.MkdirTemp("", "vitrine-bench-"); err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(o.Dir); err == nil {
			err = e
		}
	}()
	r := &Report{Part: name, Began: time.Now().UTC().Truncate(time.Second), Quick: o.Quick, Rounds: o.Rounds}
	if r.Machine, err = ThisMachine(o.Dir); err != nil {
		return err
	}
	if err := part(o, r); err != nil {
		return err
	}
	r.Seconds = time.Since(r.Began).Seconds()
	if err := r.Print(os.Stdout); err != nil || o.Save == "" {
		return err
	}
	return r.Save(o.Save)
}

// Progress tells on standard error what is being done.
func Progress(format string, args ...any) { fmt.Fprintf(os.Stderr, "  "+format+"\n", args...) }
