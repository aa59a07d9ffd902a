package rbac_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var plant = flag.String("mutants", "", "plant the bugs in the engine whose names match, one after the other, and want each found")

// mutant is a bug that somebody might make: in a file of the engine one text in
// place of another, which must stand there once.
type mutant struct {
	name, file, old, new string
}

// mutants are the bugs that are planted. Who changes what one of them names
// changes it here too.
var mutants = []mutant{
	{"a binding holds at its end", "held.go", "at.Before(t.until))", "!at.After(t.until))"},
	{"a binding does not hold at its start", "held.go", "!at.Before(t.from)", "at.After(t.from)"},
	{"a key opens at its end", "live.go", "at.Before(o.Expires)", "!at.After(o.Expires)"},
	{"a revoked key opens", "live.go", "return o.Revoked.IsZero() && ", "return "},
	{"a key of an older epoch opens", "live.go", "o.Epoch >= w.object.Epoch && ", ""},
	{"what a person gave outlives her keys", "live.go", "k.object.ForEpoch >= w.object.Epoch", "k.object.ForEpoch >= 0"},
	{"anybody's key opens for anybody", "live.go", "k.principal != i || !k.live", "i < 0 || !k.live"},
	{"a session outlives its key", "session.go", "k.person == session.person && k.live(p.who.at(k.principal), at)", "k.person == session.person"},
	{"a session without roles has all", "ask.go", "(len(k.roles) > 0 || k.object.Session())", "len(k.roles) > 0"},
	{"of many bindings the last is lost", "held.go", "spans[i] = span{scope, int32(from), int32(end)}", "spans[i] = span{scope, int32(from), int32(max(from+1, end-1))}"},
	{"a mark is missing", "held.go", "w.marks |= mark(h.list[i].scope)", "w.marks |= mark(h.list[i/2].scope)"},
	{"a session activates what nobody gave", "session.go", "case !a.after.Holds(now.Principal, id):", "case !a.after.Holds(now.Principal, id) && id == now.Principal:"},
	{"a session is wider than its key", "session.go", "now.Scope != k.Scope || ", ""},
	{"a condition that errs holds", "ask.go", "return conditionErred\n", "return granted\n"},
	{"a key is not narrowed to its scope", "ask.go", "a.outside = a.key != nil && a.key.scope != none && !s.in(a.key.scope)", "a.outside = false"},
	{"a service works in every environment", "ask.go", "e != \"\" && e != w.Environment", "e == \"\" && e == w.Environment"},
	{"no active roles are all", "ask.go", "if a.subject.Roles == nil {", "if len(a.subject.Roles) == 0 {"},
	{"a session widens its key", "ask.go", "(!a.narrowed || contains(a.active, i))", "true"},
	{"a second factor is fresh a microsecond too long", "ask.go", "age <= most &&", "age <= most+time.Microsecond &&"},
	{"one side more may be active", "ask.go", "bits.OnesCount64(sides) >= d.max", "bits.OnesCount64(sides) > d.max"},
	{"a constraint forgets the roles that include its own", "ask.go", "r.includes(g.role)", "len(r.has) == 1 && r.has[0] == g.role"},
	{"an agent may what either may", "decide.go", "case d.Allow && !other.Allow:", "case false:"},
	{"a deny does not withhold what contains what it names", "rule.go", "permissions: setOf(d.Permissions, including)", "permissions: setOf(d.Permissions, exactly)"},
	{"a disabled group lifts its denies", "rule.go", "slices.ContainsFunc(d.principals, w.reaches)", "slices.ContainsFunc(d.principals, w.bears)"},
	{"a disabled group spares", "rule.go", "slices.ContainsFunc(d.except, w.bears)", "slices.ContainsFunc(d.except, w.reaches)"},
	{"an unknown tier is public", "cell.go", "int(t.Effective()) - 1", "int(max(t, 1)-1)%4"},
	{"a disabled role lets through what it includes", "role.go", "if r.has = append(r.has, o.has...); o.on {", "if r.has = append(r.has, o.has...); true {"},
	{"a grant not to use is used", "role.go", "if g.NoUse {\n\t\treturn\n", "if false {\n\t\treturn\n"},
	{"the number is compared with the width", "role.go", "case g.MaxN > 0 && r.N > g.MaxN:", "case g.MaxN > 0 && r.N > g.MaxWidth:"},
	{"a masked view shows what all roles show", "decide.go", "!slices.Contains(other.Obligation.Show, s)", "false"},
	{"machines do what people do", "decide.go", "peoplePermissions.has(a.perm) && !a.who.object.Human()", "false"},
	{"what is hidden is told of to machines", "refuse.go", "usable &^= peoplePermissions", "usable &^= 0"},
	{"the key of a constraint is no secret", "refuse.go", "s &^= g.permissions", "s &^= 0"},
	{"lists leave denies out", "filter.go", "if withheld, _ := l.denied(1 << l.perm); withheld != 0 {", "if false {"},
	{"lists do not look at the owner", "filter.go", "case c.b.program().UsesOwner():\n\t\t\tmaybe |= bit", "case c.b.program().UsesOwner():\n\t\t\tsure |= bit"},
	{"who may forgets the second factor", "ask.go", "\tif a.assume.on {\n\t\ta.assume.used = true\n\t}\n\treturn a.assume.on", "\treturn a.assume.on"},
	{"a binding that moves stays where it was", "apply.go", "if _, touched := changed[b.id]; !touched {", "if true {"},
	{"an end may be taken off one's own binding", "give.go", "(was.Until.IsZero() || !now.Until.IsZero() && !now.Until.After(was.Until))", "true"},
	{"what one uses one may give", "authority.go", "return use && !g.NoUse || !use && g.Give", "return true"},
	{"one may give to one's groups", "give.go", "range p.who.at(n).groups.reach {", "range p.who.at(n).groups.reach[:0] {"},
	{"a fourth owner", "constraint.go", "c.Max > 0 && len(possible) > c.Max", "c.Max > 0 && len(possible) > c.Max+1"},
	{"static separation forgets groups", "duty.go", "p.anyBound(w, func(b *bound) bool {", "w.held.any(func(b *bound) bool {"},
}

var foundAfter = regexp.MustCompile(`found after (\S+)`)

// Each bug is found within a minute. It takes minutes, so it is asked for.
func TestMutantsAreFound(t *testing.T) {
	if *plant == "" {
		t.Skip("plants bugs only with -mutants")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	which, err := regexp.Compile(*plant)
	if err != nil {
		t.Fatal(err)
	}
	planted, found, slowest := 0, 0, time.Duration(0)
	for _, m := range mutants {
		if !which.MatchString(m.name) {
			continue
		}
		planted++
		after, ok := m.plant(t, dir)
		if t.Logf("%8s  %s", after, m.name); !ok {
			continue
		}
		found++
		if d, err := time.ParseDuration(after); err == nil {
			slowest = max(slowest, d)
		}
	}
	t.Logf("%d bugs planted, %d found, the slowest after %s", planted, found, slowest)
}

// plant runs the comparison on an engine with the bug. It answers after how long
// that was found.
func (m *mutant) plant(t *testing.T, dir string) (after string, ok bool) {
	t.Helper()
	file := filepath.Join(dir, m.file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		t.Errorf("%s: what it changes stands %d times in %s, want once: %q", m.name, n, m.file, m.old)
		return "no fit", false
	}
	planted := filepath.Join(t.TempDir(), m.file)
	if err := os.WriteFile(planted, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: planted}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(filepath.Dir(planted), "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", list, "-vet=off", "-count=1", "-run", "^TestTheEngineIsTheModel$",
		".", "-questions", "100000000", "-most", "1m", "-whole")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	match := foundAfter.FindSubmatch(out)
	if err == nil || match == nil {
		t.Errorf("%s: not found: %v\n%.3000s", m.name, err, out)
		return "survives", false
	}
	return string(match[1]), true
}
