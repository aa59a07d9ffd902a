package cli

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// Hurry makes verbs wait for nothing, and answers how long they meant to.
func Hurry(t testing.TB) *[]time.Duration {
	was, waits := pause, new([]time.Duration)
	pause = func(_ context.Context, d time.Duration) error {
		*waits = append(*waits, d)
		return nil
	}
	t.Cleanup(func() { pause = was })
	return waits
}

// Current says what is wrong with the commands of this program on a line of
// shell: verbs that are not there, unknown flags, too few arguments. It runs
// nothing.
func Current(line string) []string {
	var problems []string
	for _, part := range commands(line) {
		root := Root()
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		cmd, rest, err := root.Find(part)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		cmd.InitDefaultHelpFlag()
		if err := cmd.ParseFlags(rest); err != nil {
			problems = append(problems, err.Error())
			continue
		}
		args := cmd.Flags().Args()
		if help := cmd.Flags().Lookup("help"); help != nil && help.Changed {
			continue
		}
		if cmd.HasSubCommands() && len(args) > 0 {
			problems = append(problems, "there is no verb "+args[0]+" in "+cmd.CommandPath())
			continue
		}
		if err := cmd.ValidateArgs(args); err != nil {
			problems = append(problems, err.Error())
		}
		if err := cmd.ValidateRequiredFlags(); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return problems
}

// commands are the words after vitrine of each command on a line.
func commands(line string) [][]string {
	var all [][]string
	var now []string
	ours, begun := false, false
	end := func() {
		if ours {
			all = append(all, now)
		}
		now, ours, begun = nil, false, false
	}
	for _, w := range words(line) {
		switch {
		case w == "|" || w == "||" || w == "&&" || w == ";" || w == "<" || w == ">":
			end()
		case strings.HasPrefix(w, "#"):
			end()
			return all
		case ours && w != "…":
			now = append(now, w)
		case !begun && !strings.Contains(w, "="): // the first word but for variables
			begun, ours = true, w == "vitrine" || w == "bin/vitrine"
		}
	}
	end()
	return all
}

// words takes a line of shell apart, as far as documentation goes.
func words(line string) []string {
	var all []string
	var w strings.Builder
	quote, any := rune(0), false
	flush := func() {
		if any {
			all = append(all, w.String())
		}
		w.Reset()
		any = false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			w.WriteRune(r)
		case r == '"' || r == '\'':
			quote, any = r, true
		case r == ' ':
			flush()
		default:
			w.WriteRune(r)
			any = true
		}
	}
	flush()
	return all
}
