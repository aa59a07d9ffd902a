package backup

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/merkle"
)

// Past is what the log says happened after a backup: one or several exports of
// it, verified and found to continue what the backup holds.
type Past struct {
	From int64     // the first entry that the backup has not
	To   int64     // behind the last that the exports have
	Time time.Time // of the last
	Root string    // over To entries

	files []string
}

// span is one export.
type span struct {
	file     string
	from, to int64
	root     merkle.Hash // over to entries
	there    string      // over the entries up to where it was asked, "" where it has it not
}

// ReadPast verifies exports of the log that a backup is of, with the key of that
// log, and refuses what does not continue the backup without a gap. It writes
// nothing.
func (a *Archive) ReadPast(ctx context.Context, public string, files []string, progress func(io.Reader) io.Reader) (*Past, error) {
	if public == "" {
		public = a.PublicKey
	}
	p := &Past{From: a.Size, To: a.Size, Root: a.Root}
	var all []span
	for _, file := range files {
		s, at, err := verifyExport(file, public, a, progress)
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if at.After(p.Time) {
			p.Time = at
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	for _, s := range all {
		if s.to <= p.To {
			continue // older than what is known already
		}
		if err := p.follow(&s); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func badLog(format string, args ...any) error {
	return &vitrine.Error{Kind: vitrine.ErrInvalid, Code: "bad_log", Param: "log", Public: fmt.Sprintf(format, args...)}
}

// verifyExport verifies one export by itself.
func verifyExport(file, public string, a *Archive, progress func(io.Reader) io.Reader) (s span, at time.Time, err error) {
	f, err := os.Open(file)
	if err != nil {
		return s, at, err
	}
	defer f.Close() // only read
	report, err := audit.Verify(audit.VerifyInput{Export: progress(f), PublicKey: public})
	if err != nil {
		return s, at, fmt.Errorf("%s: %w", file, err)
	}
	if !report.OK {
		return s, at, badLog("%s does not verify: %s. See vitrine audit verify.", file, report.Problems[0].Text)
	}
	s, err = measure(file, a.Size)
	return s, report.Time, err
}

// measure finds out where an export begins and ends, and the root at a size.
func measure(file string, at int64) (s span, err error) {
	f, err := os.Open(file)
	if err != nil {
		return s, err
	}
	defer f.Close() // only read
	s = span{file: file, from: -1}
	look := func(tree *merkle.Range) {
		if s.from < 0 {
			s.from = tree.Size()
		}
		if tree.Size() == at {
			s.there = tree.Root().String()
		}
	}
	_, tree, err := audit.ReadExport(f, func(before *merkle.Range, _ audit.Exported) error { look(before); return nil })
	if err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	look(tree)
	s.to, s.root = tree.Size(), tree.Root()
	return s, nil
}

// follow makes sure that an export goes on where what is known ends.
func (p *Past) follow(s *span) error {
	if s.from > p.To {
		return badLog("%s begins with entry %d, but nothing is known of %d and what follows. Give an export from there too.", s.file, s.from, p.To)
	}
	if p.To != p.From { // the root was asked for at the backup's end
		m, err := measure(s.file, p.To)
		if err != nil {
			return err
		}
		s.there = m.there
	}
	if s.there != p.Root {
		return badLog("%s is of another past: its first %d entries are not those of the backup.", s.file, p.To)
	}
	p.files, p.To, p.Root = append(p.files, s.file), s.to, s.root.String()
	return nil
}

// each calls fn with every entry that the backup has not, in order, once.
func (p *Past) each(fn func(audit.Exported) error) error {
	next := p.From
	for _, file := range p.files {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		_, tree, err := audit.ReadExport(f, func(before *merkle.Range, x audit.Exported) error {
			if before.Size() < next {
				return nil
			}
			next++
			return fn(x)
		})
		if err == nil && next == p.To && tree.Root().String() != p.Root {
			err = badLog("%s was changed while it was read.", file)
		}
		if err := closing(f, err); err != nil {
			return fmt.Errorf("replay %s: %w", file, err)
		}
	}
	return nil
}

func closing(c io.Closer, err error) error {
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	return err
}
