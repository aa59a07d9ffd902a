package policyfile

import (
	"bufio"
	"bytes"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// A decision table says in plain lines who may do what. It stands beside policy
// files, in a file whose name ends in .test.txt:
//
//	at 2027-01-15T12:00:00Z
//
//	# who  asks            about                          answer
//	ann    see             drafts confidential         -> masked
//	ann    image.export    drafts                      -> denied tier
//	ann    model.generate  renders/hidream size=512x512 -> allow
//	eve    see             drafts                      -> not found
//
// Who is a principal. What is asked is a permission, or see: what a door answers
// that was asked for an image without naming a rendition. About is a scope; a
// model is written project/model, as it is. The words after it are a tier, a
// category, or name=value with owner, size, n, format, response_format, model,
// and of the caller mfa (how long ago), address, end_user, for and at. For
// images the dataset's category and birth tier count where none is said.
//
// An answer is allow, or for see original or masked; or denied or not found,
// and then maybe the code of the decision.
const tableSuffix = ".test.txt"

// tableTime is when questions are asked before a line says at: tables have no
// clock, so that they answer the same for ever.
var tableTime = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// TestResult is one question of a decision table and how it was answered.
type TestResult struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Question string `json:"question"`
	Want     string `json:"want"`
	Got      string `json:"got"` // where it is not what was wanted, with the reason
	OK       bool   `json:"ok"`
}

// RunTests puts the questions of all decision tables below fsys to p, in the
// order of files and lines. The error is Problems where a line cannot be
// understood; then no question was asked.
func RunTests(fsys fs.FS, p *rbac.Policy) ([]TestResult, error) {
	names, err := findTables(fsys)
	if err != nil {
		return nil, err
	}
	var all []asked
	var problems Problems
	for _, name := range names {
		text, err := readFile(fsys, name)
		if err != nil {
			return nil, err
		}
		t := &table{policy: p, file: name, at: tableTime}
		t.read(text)
		all = append(all, t.asked...)
		problems = append(problems, t.problems...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	var results []TestResult
	for _, a := range all {
		results = append(results, a.put(p))
	}
	return results, nil
}

func findTables(fsys fs.FS) ([]string, error) {
	var names []string
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != "." && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		case !e.IsDir() && strings.HasSuffix(path.Base(name), tableSuffix):
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// asked is one line: a question with the answer that it should have.
type asked struct {
	TestResult
	question rbac.Question
	see      bool
}

// put asks.
func (a *asked) put(p *rbac.Policy) TestResult {
	q := a.question
	d := p.Decide(&q)
	if a.see && !d.Allow {
		q.Permission = vitrine.ImageView
		if view := p.Decide(&q); view.Allow {
			d = view
		}
	}
	r := a.TestResult
	word, code := a.word(d), ""
	if !d.Allow {
		code = " " + string(d.Code)
	}
	r.OK = r.Want == word || r.Want == word+code
	r.Got = word + code
	if !r.OK && !d.Allow {
		r.Got += ": " + d.Reason()
	}
	return r
}

// word is a decision as tables write it.
func (a *asked) word(d vitrine.Decision) string {
	switch {
	case !d.Allow && d.Hidden:
		return "not found"
	case !d.Allow:
		return "denied"
	case !a.see:
		return "allow"
	case d.Permission == vitrine.ImageView || d.Obligation.Rendition == vitrine.Masked:
		return string(vitrine.Masked)
	}
	return string(vitrine.Original)
}

// table reads one file.
type table struct {
	policy   *rbac.Policy
	file     string
	line     int
	at       time.Time
	asked    []asked
	problems Problems
}

func (t *table) bad(column int, text string) {
	t.problems = append(t.problems, Problem{t.file, t.line, column, text})
}

// cell is a word of a line and where it begins.
type cell struct {
	text   string
	column int
}

func (t *table) read(text []byte) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxFile+1)
	for lines.Scan() {
		t.line++
		cells := split(lines.Text())
		switch {
		case len(cells) == 0:
		case cells[0].text == "at" && len(cells) == 2:
			if at, ok := tableInstant(cells[1].text); ok {
				t.at = at
			} else {
				t.bad(cells[1].column, "want an instant such as 2027-01-31T18:00:00Z, or a day")
			}
		default:
			t.ask(cells)
		}
	}
}

// split takes a line apart; # begins a comment where a word could begin.
func split(line string) []cell {
	var cells []cell
	for i := 0; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' || line[i] == '\r' {
			i++
			continue
		}
		if line[i] == '#' {
			break
		}
		n := strings.IndexAny(line[i:], " \t\r")
		if n < 0 {
			n = len(line) - i
		}
		cells = append(cells, cell{line[i : i+n], i + 1})
		i += n
	}
	return cells
}

func join(cells []cell) string {
	words := make([]string, len(cells))
	for i, c := range cells {
		words[i] = c.text
	}
	return strings.Join(words, " ")
}

// ask reads WHO PERMISSION ABOUT WORDS... -> ANSWER.
func (t *table) ask(cells []cell) {
	arrow := slices.IndexFunc(cells, func(c cell) bool { return c.text == "->" || c.text == "→" })
	if arrow < 3 || arrow == len(cells)-1 {
		t.bad(cells[0].column, "want WHO PERMISSION WHERE ... -> ANSWER")
		return
	}
	before := len(t.problems)
	a := asked{
		TestResult: TestResult{File: t.file, Line: t.line, Question: join(cells[:arrow]), Want: join(cells[arrow+1:])},
		question:   rbac.Question{Subject: rbac.Subject{Principal: vitrine.ID(cells[0].text)}, At: t.at},
	}
	if _, ok := t.policy.Principal(a.question.Subject.Principal); !ok {
		t.bad(cells[0].column, "the policy knows no principal "+cells[0].text)
	}
	t.permission(&a, cells[1])
	known := t.where(&a, cells[2])
	for _, c := range cells[3:arrow] {
		t.word(&a, c)
	}
	if known {
		t.complete(&a, cells[2])
	}
	t.answer(&a, cells[arrow+1])
	if len(t.problems) == before {
		t.asked = append(t.asked, a)
	}
}

func (t *table) permission(a *asked, c cell) {
	if c.text == "see" {
		a.see, a.question.Permission = true, vitrine.ImageOpen
	} else {
		a.question.Permission = vitrine.Permission(c.text)
	}
	info, ok := a.question.Permission.Info()
	if !ok {
		text := "unknown permission " + c.text
		if near := nearest(c.text, permissionNames); near != "" {
			text += "; did you mean " + near + "?"
		}
		t.bad(c.column, text)
	}
	a.question.Resource.Kind = info.Kind
}

// where finds the scope that a line is about.
func (t *table) where(a *asked, c cell) (known bool) {
	r := &a.question.Resource
	if project, model, ok := strings.Cut(c.text, "/"); ok {
		id := vitrine.DeploymentID(vitrine.ID(project), model)
		r.ID, r.Scope, r.Model = id, id, model
		if _, known = t.policy.Deployment(id); !known {
			t.bad(c.column, "the policy knows no model "+model+" in a project "+project)
		}
		return known
	}
	r.ID, r.Scope = vitrine.ID(c.text), vitrine.ID(c.text)
	_, project := t.policy.Project(r.Scope)
	_, dataset := t.policy.Dataset(r.Scope)
	org := t.policy.Organization()
	if known = project || dataset || org != nil && org.ID == r.Scope; !known {
		t.bad(c.column, "the policy knows no project or dataset "+c.text)
	}
	return known
}

// word reads a tier, a category, or name=value.
func (t *table) word(a *asked, c cell) {
	r, s := &a.question.Resource, &a.question.Subject
	name, value, named := strings.Cut(c.text, "=")
	ok := false
	switch {
	case !named:
		ok = c.text != "" && (r.Tier.UnmarshalText([]byte(c.text)) == nil || r.Category.UnmarshalText([]byte(c.text)) == nil)
	case name == "size":
		r.Width, r.Height, ok = splitSize(value)
	case name == "n":
		r.N, ok = small(value)
	case name == "at":
		a.question.At, ok = tableInstant(value)
	case name == "mfa":
		age, err := time.ParseDuration(value)
		s.MFA, ok = a.question.At.Add(-age), err == nil
	case name == "address":
		address, err := netip.ParseAddr(value)
		s.Address, ok = address, err == nil
	default:
		if text, known := t.texts(a)[name]; known && value != "" {
			text(value)
			ok = true
		}
	}
	if !ok {
		t.bad(c.column, c.text+": want a tier, a category, or name=value with owner, model, size, n, format, response_format, mfa, address, end_user, for or at")
	}
}

func (t *table) texts(a *asked) map[string]func(string) {
	r, s := &a.question.Resource, &a.question.Subject
	return map[string]func(string){
		"owner":           func(v string) { r.Owner = vitrine.ID(v) },
		"model":           func(v string) { r.Model = v },
		"format":          func(v string) { r.Format = v },
		"response_format": func(v string) { r.ResponseFormat = v },
		"end_user":        func(v string) { s.EndUser = v },
		"for":             func(v string) { s.For = vitrine.ID(v) },
	}
}

// complete takes what a line about images does not say from the dataset.
func (t *table) complete(a *asked, c cell) {
	r := &a.question.Resource
	info, _ := a.question.Permission.Info()
	if !info.Data {
		return
	}
	r.ID = "an-image"
	if d, ok := t.policy.Dataset(r.Scope); ok {
		if r.Category == vitrine.CategoryUnknown {
			r.Category = d.Category
		}
		if r.Tier == vitrine.TierUnknown {
			r.Tier = d.BirthTier.Effective()
		}
	}
	if r.Category == vitrine.CategoryUnknown || r.Tier == vitrine.TierUnknown {
		t.bad(c.column, c.text+" is no dataset: say a category and a tier, too")
	}
}

// answer checks that a question can be answered so.
func (t *table) answer(a *asked, c cell) {
	words := strings.Fields(a.Want)
	allows := []string{"allow"}
	if a.see {
		allows = []string{string(vitrine.Original), string(vitrine.Masked)}
	}
	switch {
	case len(words) == 1 && slices.Contains(allows, words[0]):
	case words[0] == "denied" && len(words) <= 2:
	case words[0] == "not" && len(words) <= 3 && len(words) > 1 && words[1] == "found":
	default:
		t.bad(c.column, a.Want+": want "+strings.Join(allows, ", ")+", denied or not found, the last two maybe with a code")
	}
}

func small(s string) (int, bool) {
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' || n > 1000 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n > 0
}

func tableInstant(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}
