package vitrine_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

var update = flag.Bool("update", false, "write the answers that are given into testdata")

// askers is everybody who may stand before a door, with a role bound to each:
// the working roles at the project renders, the others at the organization.
const askers = `
people:
  ursula: {}
  seth: {}
  tina: {}
  ugo: {}
  stella: {}
  audrey: {}
  april: {}
  petra: {}
  oona: {}
  otto: {}
  lou: {}
  bob: {}
  mark: {}
  maker: {}
  keeper: {}
services:
  robot: {kind: agent, owner: bob}
groups:
  nobodies: {}
providers:
  studio: {kind: studio}
projects:
  renders:
    environment: staging
    datasets:
      drafts: {category: generated, birth_tier: internal, restore_window: 7d}
      quiet: {category: generated, birth_tier: internal}
      scans: {category: training, birth_tier: internal}
    deployments:
      hidream: {provider: studio, price: 0.01, edits: true}
  other:
    environment: staging
    datasets:
      elsewhere: {category: generated, birth_tier: internal}
    deployments:
      hidream: {provider: studio, price: 0.01}
budgets:
  all: {kind: organization, window: month, limit: 100}
roles:
  public-steward:
    name: Steward of what is public
    grants:
      - {permissions: [project.view, dataset.view]}
      - permissions: [image.open, image.export, image.create, image.update, image.classify, image.delete, image.hold]
        categories: [generated, evaluation]
        tiers: <= public
bindings:
  - {role: ai-image-user, principals: [ursula, bob, robot, maker], scope: renders}
  - {role: ai-image-user, principal: mark, scope: other}
  - {role: ai-data-scientist, principal: seth, scope: renders}
  - {role: model-tester, principal: tina, scope: renders}
  - {role: usage-reader, principal: ugo, scope: renders}
  - {role: data-steward, principals: [stella, keeper], scope: renders}
  - {role: security-auditor, principal: audrey, scope: org}
  - {role: access-approver, principal: april, scope: org}
  - {role: project-admin, principal: petra, scope: renders}
  - {role: organization-admin, principal: oona, scope: org}
  - {role: data-steward, principal: otto, scope: other}
  - {role: model-tester, principal: otto, scope: other}
  - {role: usage-reader, principal: otto, scope: other}
  - {role: public-steward, principal: lou, scope: renders}
`

// legend stands over every table of answers.
const legend = `# Columns: none shows no key, wrong a key that is none, dead a revoked one. user is
# ai-image-user, scientist ai-data-scientist, tester model-tester, usage
# usage-reader, steward data-steward, each bound at the project renders, where
# everything that is asked about lies unless a row says otherwise; auditor is
# security-auditor, approver access-approver, admin organization-admin, and owner
# one, bound at the organization; project is project-admin of renders. other is
# steward, tester and usage reader in another project; low may do to images of
# renders what a steward may, where they are public; agent acts for a person of
# role user with a key for one dataset alone. A letter after an answer is the code of
# the error, which stands at the end of the row, where it is not the one that goes
# without saying: invalid_key, no_permission, not_found.
#
`

// asker is one of them: a column.
type asker struct {
	name string
	role vitrine.ID // that it has, and could activate
	key  vitrine.Secret
	by   access.Caller // as a service sees it
	// known: the key is good, so that an answer depends on rights.
	known bool
}

// doors is a running system with everybody before it.
type doors struct {
	*vitrinetest.System
	all                  []*asker
	maker, keeper, owner access.Caller
	bob                  access.Caller // for whom the agent acts

	n      atomic.Int64
	shared map[string]vitrine.ID // things that no cell uses up
	token  string                // of a link
	held   string                // a checkpoint
	size   int64                 // of the log at that
}

var picture = providertest.PNG(16, 16, 1)

func openDoors(t *testing.T) *doors {
	t.Helper()
	d := &doors{System: vitrinetest.New(t, vitrinetest.Policy(askers))}
	person := func(name string, id, role vitrine.ID) {
		key := d.Key(identity.NewKey{Principal: id, Name: name})
		d.all = append(d.all, &asker{name, role, key, d.Caller(key), true})
	}
	d.strangers()
	for _, who := range [][3]vitrine.ID{
		{"user", "ursula", "ai-image-user"}, {"scientist", "seth", "ai-data-scientist"}, {"tester", "tina", "model-tester"},
		{"usage", "ugo", "usage-reader"}, {"steward", "stella", "data-steward"}, {"auditor", "audrey", "security-auditor"},
		{"approver", "april", "access-approver"}, {"project", "petra", "project-admin"}, {"admin", "oona", "organization-admin"},
		{"owner", d.Owners[0].ID, "owner"}, {"other", "otto", "data-steward"}, {"low", "lou", "public-steward"},
	} {
		person(string(who[0]), who[1], who[2])
	}
	d.bob = d.As("bob")
	k, err := d.Directory.IssueKey(t.Context(), d.bob, agents)
	if err != nil {
		t.Fatal(err)
	}
	d.all = append(d.all, &asker{"agent", "ai-image-user", k.Secret, d.Caller(k.Secret), true})
	d.maker, d.keeper, d.owner = d.As("maker"), d.As("keeper"), d.Owner(0)
	d.maker.Project, d.maker.Dataset = "renders", "drafts"
	d.share(t)
	return d
}

// agents is the agent's key.
var agents = identity.NewKey{Principal: "robot", For: true, Roles: []vitrine.ID{"ai-image-user"}, Scope: "drafts"}

// strangers are those whose key is good for nothing.
func (d *doors) strangers() {
	d.T.Helper()
	issue := func(principal vitrine.ID) (vitrine.ID, vitrine.Secret, access.Caller) {
		k, err := d.Directory.IssueKey(d.T.Context(), d.Owner(0), identity.NewKey{Principal: principal})
		if err != nil {
			d.T.Fatal(err)
		}
		return k.Key.ID, k.Secret, d.Caller(k.Secret)
	}
	id, overtaken, _ := issue("stella")
	if _, err := d.Directory.RotateKey(d.T.Context(), d.Owner(0), id, 0); err != nil {
		d.T.Fatal(err)
	}
	id, revoked, was := issue("stella")
	if _, err := d.Directory.RevokeKey(d.T.Context(), d.Owner(0), id); err != nil {
		d.T.Fatal(err)
	}
	d.all = append(d.all, &asker{name: "none", role: "owner"}, &asker{name: "wrong", role: "owner", key: overtaken},
		&asker{name: "dead", role: "data-steward", key: revoked, by: was})
}

// share makes what cells only look at.
func (d *doors) share(t *testing.T) {
	c := &cell{doors: d, t: t, who: &asker{known: true}}
	d.shared = map[string]vitrine.ID{
		"image": c.put("quiet", vitrine.Internal), "restricted": c.put("quiet", vitrine.Restricted), "public": c.public("quiet"), "credential": c.credential(),
	}
	user := d.As("mark")
	m, err := d.Vault.Put(t.Context(), user, vault.Upload{Dataset: "elsewhere"}, bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	d.shared["elsewhere"] = m.ID
	if _, err := d.Vault.Hold(t.Context(), d.keeper, vitrine.Ref{Kind: vitrine.KindImage, ID: d.shared["restricted"]}, "case 1"); err != nil {
		t.Fatal(err)
	}
	l, err := d.Vault.Link(t.Context(), d.keeper, d.shared["image"], "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	d.token = strings.TrimPrefix(l.Path, "/l/")
	if d.held, err = d.Log.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.size, err = strconv.ParseInt(strings.Split(d.held, "\n")[1], 10, 64); err != nil {
		t.Fatal(err)
	}
	a, err := d.Gateway.Generate(t.Context(), d.maker, &gateway.Request{Model: "hidream", Prompt: "a cat", Size: "64x64"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

// cell is one question: somebody asks for something. What it asks about is made
// for it alone where it could be used up, by people who are no column; for who
// is turned away for her key any id does.
type cell struct {
	*doors
	t   *testing.T
	who *asker
}

// fresh is an id that nothing has.
func (c *cell) fresh(kind string) vitrine.ID {
	return vitrine.ID(fmt.Sprintf("%s-%d", kind, c.n.Add(1)))
}

// made is what was made, or an id of nothing where that was not needed.
func (c *cell) made(kind string, make func() (vitrine.ID, error)) vitrine.ID {
	c.t.Helper()
	if !c.who.known {
		return c.fresh(kind)
	}
	id, err := make()
	if err != nil {
		c.t.Errorf("make %s: %v", kind, err)
	}
	return id
}

func (c *cell) put(dataset vitrine.ID, tier vitrine.Tier) vitrine.ID {
	return c.made("img", func() (vitrine.ID, error) {
		m, err := c.Vault.Put(c.t.Context(), c.maker, vault.Upload{Dataset: dataset, Tier: tier}, bytes.NewReader(picture))
		if err != nil {
			return "", err
		}
		return m.ID, nil
	})
}

// image is an image of drafts, internal.
func (c *cell) image() vitrine.ID { return c.put("drafts", vitrine.TierUnknown) }

// public is an image that everybody with the right for anything may see.
func (c *cell) public(dataset vitrine.ID) vitrine.ID {
	id := c.put(dataset, vitrine.TierUnknown)
	return c.made("img", func() (vitrine.ID, error) {
		_, err := c.Vault.Classify(c.t.Context(), c.keeper, id, vitrine.Public, "for everybody")
		return id, err
	})
}

func (c *cell) deleted() vitrine.ID {
	id := c.image()
	return c.made("img", func() (vitrine.ID, error) {
		_, err := c.Vault.Delete(c.t.Context(), c.keeper, id, vault.Deleting{})
		return id, err
	})
}

func (c *cell) hold() vitrine.ID {
	on := vitrine.Ref{Kind: vitrine.KindImage, ID: c.image()}
	return c.made("hold", func() (vitrine.ID, error) {
		h, err := c.Vault.Hold(c.t.Context(), c.keeper, on, "case 2")
		if err != nil {
			return "", err
		}
		return h.ID, nil
	})
}

// link is a link to an image.
func (c *cell) link(image vitrine.ID) vitrine.ID {
	return c.made("lnk", func() (vitrine.ID, error) {
		l, err := c.Vault.Link(c.t.Context(), c.keeper, image, "", time.Hour)
		if err != nil {
			return "", err
		}
		return l.ID, nil
	})
}

// object is a new object of the policy.
func (c *cell) object(make func(id vitrine.ID) vitrine.Object) vitrine.ID {
	id := c.fresh("thing")
	return c.made("object", func() (vitrine.ID, error) {
		_, err := c.Policies.Apply(c.t.Context(), c.owner, &vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Put(make(id))}})
		return id, err
	})
}

func newDataset(id vitrine.ID) vitrine.Object {
	return &vitrine.Dataset{ID: id, Project: "renders", Category: vitrine.Generated, BirthTier: vitrine.Internal}
}

func newPerson(id vitrine.ID) vitrine.Object {
	return &vitrine.Principal{ID: id, Kind: vitrine.User, Email: string(id) + "@example.com"}
}

func newGroup(id vitrine.ID) vitrine.Object {
	return &vitrine.Principal{ID: id, Kind: vitrine.Group, Members: []vitrine.ID{"mark"}}
}

func newProvider(id vitrine.ID) vitrine.Object {
	return &vitrine.Provider{ID: id, Kind: vitrine.Studio}
}

// credential is one of a service that is nowhere.
func (c *cell) credential() vitrine.ID {
	id := c.fresh("cred")
	return c.made("credential", func() (vitrine.ID, error) {
		p := &vitrine.Provider{ID: "nowhere-" + id, Kind: vitrine.OpenAI, BaseURL: "http://127.0.0.1:9/v1"}
		_, err := c.Gateway.PutProvider(c.t.Context(), c.owner, p, &vitrine.Credential{ID: id, Provider: p.ID}, "hunter2")
		return id, err
	})
}

// revision is a change that may be undone.
func (c *cell) revision() (n int64) {
	c.made("revision", func() (vitrine.ID, error) {
		done, err := c.Policies.Apply(c.t.Context(), c.owner, &vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Put(newDataset(c.fresh("set")))}})
		n = done.Revision
		return "", err
	})
	return max(n, 1)
}

// keyOf is a new key of somebody: "" is who asks.
func (c *cell) keyOf(principal vitrine.ID) vitrine.ID {
	return c.made("key", func() (vitrine.ID, error) {
		by, n := c.owner, identity.NewKey{Principal: principal}
		switch {
		case principal == "" && c.who.by.For != "":
			by, n = c.bob, agents
		case principal == "":
			by = c.who.by
		}
		k, err := c.Directory.IssueKey(c.t.Context(), by, n)
		return k.Key.ID, err
	})
}

// sessionOf is a new session of somebody.
func (c *cell) sessionOf(by access.Caller, roles ...vitrine.ID) vitrine.ID {
	return c.made("session", func() (vitrine.ID, error) {
		k, err := c.Directory.StartSession(c.t.Context(), by, identity.NewSession{Roles: roles})
		return k.Key.ID, err
	})
}

// together is how many ask at the same time, so that their commits are shared.
const together = 6

// ask has everybody ask, several at the same time unless that makes a
// difference, and answers the cells of the row.
func (d *doors) ask(t *testing.T, alone bool, question func(c *cell) string) []string {
	t.Helper()
	row := make([]string, len(d.all))
	places := make(chan struct{}, together)
	if alone {
		places = make(chan struct{}, 1)
	}
	var all sync.WaitGroup
	for i, who := range d.all {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			row[i] = question(&cell{d, t, who})
		})
	}
	all.Wait()
	return row
}

// answers is a table of who hears what.
type answers struct {
	head string // before the columns
	rows [][]string
}

// golden compares the table with the one in testdata/doors, unless only a part
// of its rows was asked or an answer could not be right anyway.
func (a *answers) golden(t *testing.T, d *doors, name, about string, rows int) {
	t.Helper()
	if t.Failed() || len(a.rows) != rows {
		return
	}
	head := []string{a.head}
	for _, who := range d.all {
		head = append(head, who.name)
	}
	table := [][]string{append(head, "")}
	for _, r := range a.rows {
		table = append(table, noted(r))
	}
	text := about + legend + aligned(table)
	file := filepath.Join("testdata", "doors", name+".golden.txt")
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	was, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, got := lines(string(was)), lines(text)
	for _, l := range want {
		if !slices.Contains(got, l) {
			t.Errorf("%s: want  %s", file, l)
		}
	}
	for _, l := range got {
		if !slices.Contains(want, l) {
			t.Errorf("%s: got   %s", file, l)
		}
	}
	if !t.Failed() && !slices.Equal(want, got) {
		t.Errorf("%s: the rows stand in another order", file)
	}
	if t.Failed() {
		t.Log("Who hears something else than was reviewed? Where that is right, -update writes it.")
	}
}

// lines are the lines of a table, however wide its columns are.
func lines(text string) []string {
	all := strings.Split(text, "\n")
	for i, l := range all {
		all[i] = gaps.ReplaceAllString(l, "  ")
	}
	return all
}

var gaps = regexp.MustCompile(` {2,}`)

// noted is a row whose codes stand at its end, each under a letter that stands
// in their place.
func noted(row []string) []string {
	out := row[:1:1]
	var notes []string
	for _, cell := range row[1:] {
		said, code, ok := strings.Cut(cell, "!")
		if ok {
			i := slices.Index(notes, code)
			if i < 0 {
				i, notes = len(notes), append(notes, code)
			}
			said += string([]rune{' ', rune('a' + i)})
		}
		out = append(out, said)
	}
	for i := range notes {
		notes[i] = string(rune('a'+i)) + " " + notes[i]
	}
	return append(out, strings.Join(notes, ", "))
}

func aligned(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, text := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		line := ""
		for i, text := range r {
			line += text + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// usual are the codes that go without saying.
var usual = map[int][]string{
	401: {"invalid_key", "invalid_api_key"}, 403: {string(vitrine.CodePermission)}, 404: {"not_found"},
}

// said is a status with the code of the error, where it is not the usual one.
func said(status int, code string) string {
	if code == "" || slices.Contains(usual[status], code) {
		return strconv.Itoa(status)
	}
	return strconv.Itoa(status) + "!" + code
}

// complete fails where something has no row, or a row is about nothing.
func complete(t *testing.T, what string, there []string, rows []string) {
	t.Helper()
	for _, name := range there {
		if !slices.Contains(rows, name) {
			t.Errorf("the %s %s has no row: say how it is asked, and look at who may", what, name)
		}
	}
	for _, name := range rows {
		if !slices.Contains(there, name) {
			t.Errorf("there is a row for the %s %s, which is not there", what, name)
		}
	}
}
