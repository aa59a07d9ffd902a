package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
	"vitrine.dev/vitrine/internal/audit"
)

// logProves: everything above stands in a log that can be checked away from
// the server, against what was published outside its data directory.
func (s *stage) logProves(ctx context.Context) error {
	hers, err := s.told(ctx)
	if err != nil {
		return err
	}
	head, err := s.as["sam"].Checkpoint(ctx)
	if err != nil {
		return err
	}
	published, err := os.ReadFile(s.path("checkpoints/checkpoints"))
	if err != nil {
		return fmt.Errorf("the published checkpoints: %w", err)
	}
	var export bytes.Buffer
	if _, err := s.as["sam"].ExportLog(ctx, 0, 0, &export); err != nil {
		return fmt.Errorf("sam exports the log: %w", err)
	}
	s.ask("vitrine audit verify log.ndjson --public-key-file log.pub --checkpoint held.checkpoints")
	in := audit.VerifyInput{PublicKey: head.PublicKey, Checkpoints: audit.ReadCheckpoints(published), Export: bytes.NewReader(export.Bytes())}
	report, err := audit.Verify(in)
	if err != nil {
		return err
	}
	if !report.OK {
		return &surprise{"the log", "whole", fmt.Sprint(report.Problems)}
	}
	s.got("whole: %d entries, root %s", report.Size, report.Root)
	s.aside("%s", report.Complete)
	// Checkpoints go on; what sam holds is what was published when he exported.
	if err := errors.Join(os.WriteFile(s.path("held.checkpoints"), published, 0o644), s.save("log.ndjson", export.Bytes()), os.WriteFile(s.path("log.pub"), []byte(head.PublicKey+"\n"), 0o644)); err != nil {
		return err
	}
	return s.forge(in, export.Bytes(), hers)
}

// told shows what the log says of the image, and answers the entry of eve's
// attempt.
func (s *stage) told(ctx context.Context) (int64, error) {
	s.ask("vitrine audit search --resource %s", s.image)
	entries, _, err := s.as["sam"].Log(ctx, client.LogQuery{After: -1, Resource: s.image})
	if err != nil {
		return 0, fmt.Errorf("sam reads the log: %w", err)
	}
	hers := int64(-1)
	seen := map[string]bool{}
	for _, e := range entries {
		what := fmt.Sprintf("%s %s", e.Actor, e.Outcome)
		switch {
		case e.Actor == "eve" && e.Outcome == vitrine.Refused:
			hers = e.Seq
		case seen[what] || e.Actor == "sam":
			continue
		}
		seen[what] = true
		s.say("%4d %s %-8s %s", e.Seq, e.Time.UTC().Format("15:04:05"), e.Outcome, fmt.Sprintf("%s %s %s", e.Actor, e.Act, e.Op))
	}
	if hers < 0 {
		return 0, &surprise{"eve's attempt in the log", "an entry", "none"}
	}
	return hers, nil
}

// forge takes one line out of the export and verifies again: a proof that
// nothing can fail proves nothing.
func (s *stage) forge(in audit.VerifyInput, export []byte, entry int64) error {
	lines := bytes.SplitAfter(export, []byte("\n"))
	mark := fmt.Appendf(nil, `{"seq":%d,`, entry)
	var forged []byte
	for _, l := range lines {
		if !bytes.HasPrefix(l, mark) {
			forged = append(forged, l...)
		}
	}
	in.Export = bytes.NewReader(forged)
	report, err := audit.Verify(in)
	if err != nil {
		return err
	}
	if report.OK || len(report.Problems) == 0 {
		return &surprise{"the log without eve's attempt", "not whole", "whole"}
	}
	p := report.Problems[0]
	if err := errors.Join(expect("what is wrong with the forged log", audit.Dropped, p.Kind), expect("where", entry, p.Seq)); err != nil {
		return err
	}
	s.bad("the same log without eve's attempt: %s, entry %d: %s", p.Kind, p.Seq, p.Text)
	return nil
}
