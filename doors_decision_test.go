package vitrine_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/policyfile"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

// decisionTable is the decision table of the access model, which package rbac
// puts to the engine. Here the same lines are put to every door of a running
// system.
const decisionTable = "internal/rbac/testdata/decision_table.txt"

// question is a line of the table.
type question struct {
	line       int
	text, want string
	who        string // a principal, maybe with a key: ann/narrow
	verb       string // a permission, see, list, or how a change begins
	words      []string
	at         time.Time
}

// kind sorts questions by who can be asked them.
func (q *question) kind() string {
	switch {
	case q.verb == "list" && q.words[0] == string(vitrine.ModelGenerate):
		return "list of models"
	case q.verb == "list":
		return "list of images"
	case q.verb == "see", strings.HasPrefix(q.verb, "image."):
		return "image"
	case q.verb == string(vitrine.ModelGenerate):
		return "model"
	case strings.Contains(q.verb, "."):
		return "other"
	}
	return "change"
}

// verdict is an answer, as far as a door tells it.
type verdict struct {
	word       string // allow, original, masked, denied, not found, nobody; of a list what it holds
	code, text string // why not
	by         string // which role at which scope allowed it
	erred      bool   // a condition did
}

var (
	tableAllow  = regexp.MustCompile(`^(allow|original|masked)(?: by (\S+ at \S+))?$`)
	tableHidden = regexp.MustCompile(`^not found, \w+ (\w+)( \(a condition erred\))?$`)
	tableDenied = regexp.MustCompile(`^denied, (?:\w+ )?(\w+): (.*)$`)
)

// wanted is the answer that a line wants.
func (q *question) wanted(t *testing.T) verdict {
	if m := tableAllow.FindStringSubmatch(q.want); m != nil {
		return verdict{word: m[1], by: m[2]}
	}
	if m := tableHidden.FindStringSubmatch(q.want); m != nil {
		return verdict{word: "not found", code: m[1], erred: m[2] != ""}
	}
	if m := tableDenied.FindStringSubmatch(q.want); m != nil {
		return verdict{word: "denied", code: m[1], text: m[2]}
	}
	if q.verb != "list" {
		t.Fatalf("line %d: %s is no answer", q.line, q.want)
	}
	return verdict{word: q.want}
}

// fits compares what a door tells with what the line wants. A caller whose key
// is dead is nobody at every door but the engine, which knows no keys' secrets.
func (v verdict) fits(want verdict, engine bool) bool {
	if want.code == string(vitrine.CodeInactive) && !engine {
		want.word, want.code = "nobody", v.code
	}
	told := func(got, want string) bool { return got == "" || got == want }
	return v.word == want.word && told(v.code, want.code) && told(v.text, want.text) && told(v.by, want.by) &&
		(v.word != "denied" || v.code != "" && v.text != "")
}

// readTable reads the policy and the questions of the table.
func readTable(t *testing.T) (text string, all []question) {
	t.Helper()
	file, err := os.ReadFile(decisionTable)
	if err != nil {
		t.Fatal(err)
	}
	part, at := "", time.Time{}
	for i, line := range strings.Split(string(file), "\n") {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "-- "):
			part = words[1]
		case part == "policy":
			text += line + "\n"
		case part != "questions" || len(words) == 0 || words[0][0] == '#':
		case words[0] == "at":
			at = moment(t, words[1])
		default:
			asks, want, ok := strings.Cut(line, " -> ")
			if !ok {
				t.Fatalf("%s:%d: no answer", decisionTable, i+1)
			}
			words = strings.Fields(asks)
			q := question{line: i + 1, text: strings.Join(words, " "), want: strings.TrimSpace(want), who: words[0], verb: words[1], words: words[2:], at: at}
			if n := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "at=") }); n >= 0 {
				q.at = moment(t, words[n][3:])
			}
			all = append(all, q)
		}
	}
	return text, all
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	t.Fatalf("%q is no instant", text)
	return time.Time{}
}

// court is a running system with the table's policy, people and images, at the
// table's time.
type court struct {
	*vitrinetest.System
	t      *testing.T
	now    atomic.Pointer[time.Time]
	keys   map[string]*shown
	images map[string]vitrine.ID // by dataset and tier
	fresh  atomic.Int64
	spent  vitrine.Micros
}

// shown is a key and who it makes of its holder.
type shown struct {
	secret vitrine.Secret
	by     access.Caller
}

func openCourt(t *testing.T, text string, questions []question) *court {
	t.Helper()
	c := &court{t: t, images: make(map[string]vitrine.ID), keys: make(map[string]*shown)}
	c.at(questions[0].at.Add(-time.Second))
	c.System = vitrinetest.New(t, vitrinetest.Clock(func() time.Time { return *c.now.Load() }))
	objects, err := policyfile.Parse(fstest.MapFS{"policy.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	objects = slices.DeleteFunc(objects, func(o vitrine.Object) bool {
		b, owner := o.(*vitrine.Binding)
		return o.Ref().ID == "alice" || o.Ref().ID == "adam" || owner && b.Role == rbac.OwnerRole // are there already
	})
	objects = append(objects, &vitrine.Budget{ID: "all", Kind: vitrine.BudgetOrganization, Window: vitrine.Monthly, Limit: 100 * vitrine.Dollar})
	set, err := c.Policies.Plan(t.Context(), c.Owner(0), objects, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Policies.Apply(t.Context(), c.Owner(0), set); err != nil {
		t.Fatal(err)
	}
	c.pictures(questions)
	return c
}

func (c *court) at(now time.Time) { c.now.Store(&now) }

// pictures makes an image wherever a question is about one.
func (c *court) pictures(questions []question) {
	c.t.Helper()
	temporary := vitrine.Put(&vitrine.Binding{ID: "temporary", Role: "maker", Principal: "gen", Scope: "other"})
	done, err := c.Policies.Apply(c.t.Context(), c.Owner(0), &vitrine.ChangeSet{Changes: []vitrine.Change{temporary}})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, q := range questions {
		if q.kind() != "image" {
			continue
		}
		r, _ := c.resource(&q)
		name := string(r.Scope) + " " + r.Tier.String()
		if c.images[name] != "" {
			continue
		}
		by := c.who("edith").by
		if r.Scope == "covers" || r.Scope == "elsewhere" {
			by = c.who("gen").by
		}
		m, err := c.Vault.Put(c.t.Context(), by, vault.Upload{Dataset: r.Scope, Tier: r.Tier}, strings.NewReader(string(picture)))
		if err != nil {
			c.t.Fatalf("put %s: %v", name, err)
		}
		c.images[name] = m.ID
	}
	if _, err := c.Policies.Undo(c.t.Context(), c.Owner(0), done.Revision); err != nil {
		c.t.Fatal(err)
	}
}

// real is the id that a name of the table has here.
func (c *court) real(name string) vitrine.ID {
	if i := slices.Index([]string{"alice", "adam"}, name); i >= 0 {
		return c.Owners[i].ID
	}
	return vitrine.ID(name)
}

// named puts the table's names into what a door says.
func (c *court) named(text string) string {
	return strings.NewReplacer(string(c.Owners[0].ID), "alice", string(c.Owners[1].ID), "adam").Replace(text)
}

// who is somebody of the table with a key.
func (c *court) who(name string) *shown {
	c.t.Helper()
	if name == "system" {
		return &shown{by: access.Caller{Subject: rbac.Subject{System: true}}}
	}
	if c.keys[name] != nil {
		return c.keys[name]
	}
	principal, key, _ := strings.Cut(name, "/")
	by, n := c.Owner(0), identity.NewKey{Principal: c.real(principal)}
	switch key {
	case "narrow":
		n.Roles = []vitrine.ID{"usage-reader"}
	case "agent":
		by, n.For = c.who("bob").by, true
	}
	k, err := c.Directory.IssueKey(c.t.Context(), by, n)
	if err != nil {
		c.t.Fatalf("a key for %s: %v", name, err)
	}
	c.keys[name] = &shown{k.Secret, c.Caller(k.Secret)}
	if key == "gone" {
		if _, err := c.Directory.RevokeKey(c.t.Context(), c.Owner(0), k.Key.ID); err != nil {
			c.t.Fatal(err)
		}
	}
	return c.keys[name]
}

// caller is who asks, as a service sees it, with a request of its own.
func (c *court) caller(q *question) access.Caller {
	by := c.who(q.who).by
	by.Request = fmt.Sprintf("req-%d-%d", q.line, c.fresh.Add(1))
	if age, ok := q.word("mfa"); ok {
		d, err := time.ParseDuration(age)
		if err != nil {
			c.t.Fatal(err)
		}
		by.MFA = q.at.Add(-d)
	}
	return by
}

// word is the value of a word such as mfa=20m.
func (q *question) word(name string) (string, bool) {
	for _, w := range q.words {
		if value, ok := strings.CutPrefix(w, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// resource is what a question about a permission is about.
func (c *court) resource(q *question) (vitrine.Resource, vitrine.Permission) {
	p := vitrine.Permission(q.verb)
	if q.verb == "see" {
		p = vitrine.ImageOpen
	}
	info, ok := p.Info()
	if !ok {
		c.t.Fatalf("line %d: %s is no permission", q.line, p)
	}
	r := vitrine.Resource{Kind: info.Kind, ID: vitrine.ID(q.words[0]), Scope: vitrine.ID(q.words[0])}
	if project, model, ok := strings.Cut(q.words[0], "/"); ok {
		r.Model = model
		r.ID = vitrine.DeploymentID(vitrine.ID(project), model)
		r.Scope = r.ID
	}
	now, err := c.Guard.Policy(access.Caller{})
	if err != nil {
		c.t.Fatal(err)
	}
	if d, ok := now.Dataset(r.Scope); ok && info.Data {
		r.ID, r.Category, r.Tier = "", d.Category, d.BirthTier.Effective()
	}
	for _, w := range q.words[1:] {
		if !strings.Contains(w, "=") && r.Tier.UnmarshalText([]byte(w)) != nil {
			c.t.Fatalf("line %d: %s is no tier", q.line, w)
		}
	}
	r.ResponseFormat, _ = q.word("response_format")
	return r, p
}

// image is the image that a question is about.
func (c *court) image(q *question) vitrine.ID {
	r, _ := c.resource(q)
	return c.images[string(r.Scope)+" "+r.Tier.String()]
}

// doorsOf are the doors of a running system. Each is asked and tells what it
// hears, once or in several ways, or says why the question makes no sense there.
var doorsOf = []struct {
	name string
	ask  func(*court, *question) (heard []verdict, why string)
}{
	{"engine", (*court).engine},
	{"guard", (*court).guard},
	{"API", (*court).api},
	{"gateway", (*court).gateway},
	{"CLI", (*court).cli},
}

// TestDecisionTableAtEveryDoor puts the decision table to the engine, the guard,
// the API, the gateway and the command line of a running system: they say the
// same, as far as each tells it.
func TestDecisionTableAtEveryDoor(t *testing.T) {
	text, questions := readTable(t)
	for _, name := range []string{"VITRINE_KEY", "VITRINE_KEY_FILE", "VITRINE_SERVER"} {
		t.Setenv(name, "")
	}
	c := openCourt(t, text, questions)
	slices.SortStableFunc(questions, func(a, b question) int { return a.at.Compare(b.at) })
	asked, reasons := make(map[string]int), make(map[string]int)
	for _, q := range questions {
		c.at(q.at)
		want := q.wanted(t)
		for _, door := range doorsOf {
			answers, why := door.ask(c, &q)
			if (len(answers) == 0) == (why == "") {
				t.Errorf("line %d: the %s neither answers nor says why not, or both: %s", q.line, door.name, why)
			}
			for _, got := range answers {
				if asked[door.name]++; !got.fits(want, door.name == "engine") {
					t.Errorf("%s:%d: %s\nwant           %s\nthe %s says %+v", decisionTable, q.line, q.text, q.want, door.name, got)
				}
			}
			if why != "" {
				reasons[door.name+": "+why]++
			}
		}
	}
	c.nothingMoved()
	t.Logf("%d lines; answers compared: %v; not asked: %v", len(questions), asked, reasons)
	for _, door := range doorsOf {
		if asked[door.name] == 0 {
			t.Errorf("the %s was asked nothing", door.name)
		}
	}
}

// nothingMoved holds that only what was allowed was paid for.
func (c *court) nothingMoved() {
	_, all, err := c.Gateway.Balance(c.t.Context(), c.who("gen").by)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, b := range all {
		if b.Reserved != 0 || b.Spent != c.spent {
			c.t.Errorf("budget %s: reserved %s, spent %s; want none and %s", b.Budget, b.Reserved, b.Spent, c.spent)
		}
	}
}

// decided is a decision as a verdict.
func (c *court) decided(d vitrine.Decision, see bool) verdict {
	switch {
	case d.Allow:
		v := verdict{word: "allow"}
		if see {
			v.word = string(vitrine.Original)
		}
		if d.Obligation.Rendition != "" {
			v.word = string(d.Obligation.Rendition)
		}
		now, err := c.Guard.Policy(access.Caller{})
		if err != nil {
			c.t.Fatal(err)
		}
		if o, ok := now.Object(vitrine.Ref{Kind: vitrine.KindBinding, ID: d.Binding}); ok {
			v.by = fmt.Sprintf("%s at %s", d.Role, o.(*vitrine.Binding).Scope)
		}
		return v
	case d.Hidden:
		return verdict{word: "not found", code: string(d.Code), erred: d.Erred != ""}
	}
	return verdict{word: "denied", code: string(d.Code), text: d.Reason(), erred: d.Erred != ""}
}

// refused is an error of a service as a verdict.
func (c *court) refused(err error) verdict {
	var e *vitrine.Error
	switch {
	case err == nil:
		return verdict{word: "allow"}
	case errors.Is(err, vitrine.ErrNotFound):
		return verdict{word: "not found"}
	case errors.Is(err, vitrine.ErrUnauthenticated):
		return verdict{word: "nobody"}
	case errors.As(err, &e) && errors.Is(err, vitrine.ErrDenied):
		return verdict{word: "denied", code: e.Code, text: c.named(e.Public)}
	}
	return verdict{word: err.Error()}
}

// engine asks the pure function, on the policy in use.
func (c *court) engine(q *question) ([]verdict, string) {
	by := c.caller(q)
	now, err := c.Guard.Policy(by)
	if err != nil {
		c.t.Fatal(err)
	}
	switch q.kind() {
	case "list of models":
		return []verdict{{word: strings.Join(texts(now.Visible(&by.Subject, vitrine.ModelGenerate, vitrine.KindDeployment, q.at)), ", ")}}, ""
	case "list of images":
		seen := make(map[vitrine.ID]bool)
		for _, set := range now.Filter(&by.Subject, vitrine.Permission(q.words[0]), q.at).Sets {
			for name, id := range c.images {
				dataset, cell := place(name)
				seen[id] = seen[id] || slices.Contains(set.Datasets, dataset) && set.Cells&cell != 0
			}
		}
		return []verdict{c.sees(q, seen)}, ""
	case "change":
		_, d, err := now.Admit(&by.Subject, q.at, c.changes(q))
		if d.Hidden {
			return []verdict{c.decided(d, false)}, ""
		}
		return []verdict{c.refused(err)}, ""
	}
	r, p := c.resource(q)
	d := now.Decide(&rbac.Question{Subject: by.Subject, Permission: p, Resource: r, At: q.at})
	if q.verb == "see" && !d.Allow {
		if view := now.Decide(&rbac.Question{Subject: by.Subject, Permission: vitrine.ImageView, Resource: r, At: q.at}); view.Allow {
			d = view
		}
	}
	return []verdict{c.decided(d, q.verb == "see")}, ""
}

// place is the dataset and the cell of what is called "drafts internal".
func place(name string) (vitrine.ID, rbac.Cells) {
	dataset, text, _ := strings.Cut(name, " ")
	var tier vitrine.Tier
	if err := tier.UnmarshalText([]byte(text)); err != nil {
		panic(err) // the names are ours
	}
	return vitrine.ID(dataset), rbac.Cell(vitrine.Generated, tier)
}

func texts(ids []vitrine.ID) []string {
	var out []string
	for _, id := range ids {
		out = append(out, string(id))
	}
	slices.Sort(out)
	return out
}

// guard asks the one door of services, or a service for what only a service
// asks it, and looks into the log: each attempt
// stands there once, with the same answer.
func (c *court) guard(q *question) ([]verdict, string) {
	by := c.caller(q)
	switch q.kind() {
	case "list of models":
		all, err := c.Gateway.Models(c.t.Context(), by)
		if err != nil {
			return []verdict{c.refused(err)}, ""
		}
		var ids []vitrine.ID
		for _, m := range all {
			ids = append(ids, vitrine.DeploymentID(m.Project, m.ID))
		}
		return []verdict{{word: strings.Join(texts(ids), ", ")}}, ""
	case "list of images":
		seen := make(map[vitrine.ID]bool)
		page, err := c.Vault.List(c.t.Context(), by, vault.Query{})
		if err != nil {
			return []verdict{c.refused(err)}, ""
		}
		for _, m := range page.Images {
			seen[m.ID] = true
		}
		return []verdict{c.sees(q, seen)}, ""
	case "change":
		got := c.refused(c.changed(q, by))
		c.entry(q, by.Request, &got)
		return []verdict{got}, ""
	}
	a := access.Act{Op: "ask"}
	if a.Resource, a.Permission = c.resource(q); q.verb == "see" {
		a.OrElse = []vitrine.Permission{vitrine.ImageView}
	}
	ticket, err := c.Guard.Check(c.t.Context(), by, a)
	got := c.refused(err)
	if err == nil {
		got = c.decided(ticket.Decision(), q.verb == "see")
		if _, err := ticket.Record(c.t.Context()); err != nil {
			c.t.Error(err)
		}
	}
	c.entry(q, by.Request, &got)
	return []verdict{got}, ""
}

// changed makes a change by the service that makes it, and takes it back.
func (c *court) changed(q *question, by access.Caller) error {
	var revision int64
	var err error
	switch words := c.steps(q)[0]; words[0] {
	case "disable":
		revision, err = c.Directory.SetDisabled(c.t.Context(), by, c.real(words[1]), true)
	case "delete":
		revision, err = c.Directory.DeletePrincipal(c.t.Context(), by, c.deleted(words))
	default:
		var done policy.Applied
		done, err = c.Policies.Apply(c.t.Context(), by, c.changes(q))
		revision = done.Revision
	}
	c.restore(revision, err)
	return err
}

// entry finds the one entry of a request. It tells what the caller is not told:
// why what is hidden is not there for her.
func (c *court) entry(q *question, request string, got *verdict) {
	all, err := c.Log.Search(c.t.Context(), c.Owner(0), store.EntryQuery{Request: request, Limit: 10})
	if err != nil {
		c.t.Fatal(err)
	}
	if len(all) != 1 {
		c.t.Errorf("line %d: %d entries, want one", q.line, len(all))
		return
	}
	e, want := all[0], q.wanted(c.t)
	allowed := !slices.Contains([]string{"denied", "not found", "nobody"}, got.word)
	if (e.Outcome == vitrine.Allowed) != allowed {
		c.t.Errorf("line %d: the log says %s, the guard %s", q.line, e.Outcome, got.word)
	}
	if !allowed && got.word != "nobody" {
		got.code = e.Code
	}
	if erred := strings.Contains(e.Detail, "erred"); erred != want.erred {
		c.t.Errorf("line %d: the entry says that a condition erred: %v, want %v", q.line, erred, want.erred)
	}
}
