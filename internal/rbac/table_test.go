package rbac_test

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/policyfile"
	"vitrine.dev/vitrine/internal/rbac"
)

var update = flag.Bool("update", false, "write the answers that are given into testdata")

// TestTables asks the questions of every testdata/*.txt. A table is a text file
// with three parts, of which the first is a policy as files have it:
//
//	-- policy --
//	projects: {renders: {environment: staging}}
//	-- state --
//	enrol alice
//	key k1 principal=ann roles=usage-reader
//	-- questions --
//	at 2027-01-15T12:00:00Z
//
//	# who  asks        about                  answer
//	ann    image.open  drafts confidential -> denied permission tier: No role held here reaches this tier.
//	alice  bind ai-image-user ann renders  -> allow
//
// The policy gets what every installation has besides. State is what does not
// stand in files: who has enrolled, who is disabled, keys. A question is one of
// the decision tables of policy files (package policyfile), with more words for
// the caller: ann/k1 is ann with the key k1, roles= the active roles of a
// session. Or it is what a list with a permission holds: ann list image.view.
// Or it is a change set, its changes joined by &, of which nothing is kept: the
// next line asks about the same policy.
//
// An allow names the role and the scope of the binding that it rests on; a
// refusal the condition that failed, the code, and, where the caller is told
// more than "not found", the text.
func TestTables(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".golden.txt") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			b := readTable(t, name, string(text))
			if *update {
				if err := os.WriteFile(name, []byte(b.ask(t)), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			b.ask(t)
		})
	}
}

// table is one file.
type table struct {
	name   string
	lines  []string
	first  int // of the questions
	policy *rbac.Policy
	at     time.Time
}

func readTable(t *testing.T, name, text string) *table {
	t.Helper()
	b := &table{name: name, lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n"), at: time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)}
	parts := map[string][]string{}
	part := "comment"
	for i, line := range b.lines {
		if head, ok := strings.CutPrefix(line, "-- "); ok {
			part = strings.TrimSuffix(head, " --")
			b.first = i + 1
			continue
		}
		parts[part] = append(parts[part], line)
	}
	objects, err := policyfile.Parse(fstest.MapFS{"policy.yaml": {Data: []byte(strings.Join(parts["policy"], "\n"))}})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if b.policy, err = policyfile.Compile(objects); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var state []vitrine.Change
	for _, line := range parts["state"] {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			state = append(state, b.change(t, words)...)
		}
	}
	if b.policy, err = b.policy.Apply(1, state); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

// ask asks all questions and answers the file with the answers that were given.
func (b *table) ask(t *testing.T) string {
	out := slices.Clone(b.lines)
	asked := 0
	for i := b.first; i < len(b.lines); i++ {
		line := b.lines[i]
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if words[0] == "at" {
			b.at = instant(t, words[1])
			continue
		}
		question, want, ok := strings.Cut(line, " -> ")
		if !ok {
			t.Fatalf("%s:%d: no answer: %s", b.name, i+1, line)
		}
		asked++
		got := b.answer(t, strings.Fields(question))
		if got != strings.TrimSpace(want) && !*update {
			t.Errorf("%s:%d: %s\n\tgot  %s\n\twant %s", b.name, i+1, strings.TrimSpace(question), got, want)
		}
		out[i] = question + " -> " + got
	}
	if asked == 0 {
		t.Errorf("%s asks nothing", b.name)
	}
	return strings.Join(out, "\n") + "\n"
}

// answer asks one line.
func (b *table) answer(t *testing.T, words []string) string {
	t.Helper()
	s := b.subject(words[0])
	switch {
	case words[1] == "list":
		return b.list(t, s, words[2:])
	case words[1] != "see" && !strings.Contains(words[1], "."):
		return b.admit(t, s, words[1:])
	}
	q := rbac.Question{Subject: s, At: b.at, Permission: vitrine.Permission(words[1])}
	if words[1] == "see" {
		q.Permission = vitrine.ImageOpen
	}
	b.about(t, &q, words[2:])
	d := b.policy.Decide(&q)
	if words[1] == "see" && !d.Allow {
		q.Permission = vitrine.ImageView
		if view := b.policy.Decide(&q); view.Allow {
			d = view
		}
	}
	return b.say(d, words[1] == "see")
}

// subject is who or who/key.
func (b *table) subject(word string) rbac.Subject {
	who, key, ok := strings.Cut(word, "/")
	s := rbac.Subject{Principal: vitrine.ID(who)}
	switch who {
	case "nobody":
		s.Principal = ""
	case "system":
		s.Principal, s.System = "", true
	}
	if ok {
		s.Credential, s.Key = vitrine.ID(key), true
		if k, ok := b.policy.Key(s.Credential); ok {
			s.For = k.For
		}
	}
	return s
}

// about reads what a question is about and under what circumstances.
func (b *table) about(t *testing.T, q *rbac.Question, words []string) {
	t.Helper()
	r, s := &q.Resource, &q.Subject
	info, ok := q.Permission.Info()
	if !ok {
		t.Fatalf("unknown permission %s", q.Permission)
	}
	r.Kind = info.Kind
	r.ID, r.Scope = vitrine.ID(words[0]), vitrine.ID(words[0])
	if project, model, ok := strings.Cut(words[0], "/"); ok {
		r.ID = vitrine.DeploymentID(vitrine.ID(project), model)
		r.Scope, r.Model = r.ID, model
	}
	if d, ok := b.policy.Dataset(r.Scope); ok && info.Data {
		r.ID, r.Category, r.Tier = "an-image", d.Category, d.BirthTier.Effective()
	}
	for _, w := range words[1:] {
		name, value, named := strings.Cut(w, "=")
		var err error
		switch {
		case !named:
			if r.Tier.UnmarshalText([]byte(w)) != nil && r.Category.UnmarshalText([]byte(w)) != nil {
				t.Fatalf("%q is neither tier nor category", w)
			}
		case name == "id":
			r.ID = vitrine.ID(value)
		case name == "owner":
			r.Owner = vitrine.ID(value)
		case name == "format":
			r.Format = value
		case name == "response_format":
			r.ResponseFormat = value
		case name == "n":
			r.N, err = strconv.Atoi(value)
		case name == "size":
			_, err = fmt.Sscanf(value, "%dx%d", &r.Width, &r.Height)
		case name == "mfa":
			var age time.Duration
			age, err = time.ParseDuration(value)
			s.MFA = b.at.Add(-age)
		case name == "address":
			s.Address, err = netip.ParseAddr(value)
		case name == "end_user":
			s.EndUser = value
		case name == "for":
			s.For = vitrine.ID(value)
		case name == "roles":
			s.Roles = ids(value)
		case name == "at":
			q.At = instant(t, value)
		default:
			t.Fatalf("unknown word %q", w)
		}
		if err != nil {
			t.Fatalf("%s: %v", w, err)
		}
	}
}

// say writes a decision as tables do.
func (b *table) say(d vitrine.Decision, see bool) string {
	erred := ""
	if d.Erred != "" {
		erred = " (a condition erred)"
	}
	switch {
	case d.Allow:
		word := "allow"
		if see {
			word = string(vitrine.Original)
		}
		if d.Obligation.Rendition != "" {
			word = strings.TrimSpace(string(d.Obligation.Rendition) + " " + strings.Join(d.Obligation.Show, " "))
		}
		o, _ := b.policy.Object(vitrine.Ref{Kind: vitrine.KindBinding, ID: d.Binding})
		by, _ := o.(*vitrine.Binding)
		return fmt.Sprintf("%s by %s at %s%s", word, by.Role, by.Scope, erred)
	case d.Hidden:
		return fmt.Sprintf("not found, %s %s%s", d.Failed, d.Code, erred)
	}
	return strings.Join(strings.Fields(fmt.Sprintf("denied, %s %s%s: %s", d.Failed, d.Code, erred, d.Reason())), " ")
}

// list says what a list holds: of images the datasets, each with its cells, of
// other kinds the ids.
func (b *table) list(t *testing.T, s rbac.Subject, words []string) string {
	t.Helper()
	perm := vitrine.Permission(words[0])
	info, ok := perm.Info()
	if !ok {
		t.Fatalf("unknown permission %s", perm)
	}
	var out []string
	if !info.Data {
		for _, id := range b.policy.Visible(&s, perm, info.Kind, b.at) {
			out = append(out, string(id))
		}
		slices.Sort(out)
	} else {
		f := b.policy.Filter(&s, perm, b.at)
		for _, set := range f.Sets {
			for _, id := range set.Datasets {
				out = append(out, string(id)+" "+cells(set))
			}
		}
		slices.Sort(out)
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

func cells(set rbac.FilterSet) string {
	var out []string
	for _, c := range vitrine.Categories {
		for _, tier := range vitrine.Tiers {
			if set.Cells&rbac.Cell(c, tier) != 0 {
				out = append(out, c.String()+"/"+tier.String())
			}
		}
	}
	if set.Residual {
		out = append(out, "asking for each")
	}
	return "(" + strings.Join(out, " ") + ")"
}

// admit asks whether a change set may be applied.
func (b *table) admit(t *testing.T, s rbac.Subject, words []string) string {
	t.Helper()
	set := &vitrine.ChangeSet{}
	for len(words) > 0 {
		end := slices.Index(words, "&")
		if end < 0 {
			end = len(words)
		}
		set.Changes = append(set.Changes, b.change(t, words[:end])...)
		words = words[min(end+1, len(words)):]
	}
	after, d, err := b.policy.Admit(&s, b.at, set)
	if (err == nil) != d.Allow || (after != nil) != d.Allow {
		t.Errorf("%v: the decision is %+v, the error %v, the policy %v", words, d, err, after)
	}
	var e *vitrine.Error
	switch {
	case err == nil:
		return "allow"
	case !errors.As(err, &e):
		t.Errorf("%v: %v is not a *vitrine.Error", words, err)
		return err.Error()
	case d.Hidden:
		return fmt.Sprintf("not found, %s %s", d.Failed, d.Code)
	case e.Code != string(d.Code):
		t.Errorf("%v: the error says %s, the decision %s", words, e.Code, d.Code)
	}
	kind := "denied"
	if !errors.Is(err, vitrine.ErrDenied) {
		kind = e.Kind.Error()
	}
	return fmt.Sprintf("%s, %s: %s", kind, e.Code, e.Public)
}

func ids(list string) []vitrine.ID {
	out := []vitrine.ID{}
	for w := range strings.SplitSeq(list, ",") {
		if w != "" {
			out = append(out, vitrine.ID(w))
		}
	}
	return out
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	t.Fatalf("%q is no instant", s)
	return time.Time{}
}
