package vitrine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/cli"
	"vitrine.dev/vitrine/internal/policyfile"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// changes is the change set that a line asks for.
func (c *court) changes(q *question) *vitrine.ChangeSet {
	set := &vitrine.ChangeSet{}
	for _, words := range c.steps(q) {
		if words[0] == "delete" { // as identity does: keys go along
			for _, o := range c.policy().Objects(vitrine.KindKey) {
				if k := o.(*vitrine.Key); k.Principal == c.deleted(words) {
					set.Changes = append(set.Changes, vitrine.Delete(k.Ref()))
				}
			}
		}
		set.Changes = append(set.Changes, c.change(words))
	}
	return set
}

// policy is the snapshot in use.
func (c *court) policy() *rbac.Policy {
	now, err := c.Guard.Policy(access.Caller{})
	if err != nil {
		c.t.Fatal(err)
	}
	return now
}

// deleted is who a change deletes: principal/NAME.
func (c *court) deleted(words []string) vitrine.ID {
	return c.real(strings.TrimPrefix(words[1], "principal/"))
}

// steps are the changes of a line, which & joins.
func (c *court) steps(q *question) (all [][]string) {
	step := []string{q.verb}
	for _, w := range q.words {
		if w == "&" {
			all, step = append(all, step), nil
			continue
		}
		step = append(step, w)
	}
	return append(all, step)
}

func (c *court) change(words []string) vitrine.Change {
	now := c.policy()
	switch words[0] {
	case "bind":
		return vitrine.Put(c.binding(now, words))
	case "unbind":
		return vitrine.Delete(c.binding(now, words).Ref())
	case "disable":
		p, ok := now.Principal(c.real(words[1]))
		if !ok {
			c.t.Fatalf("there is no %s", words[1])
		}
		off := *p
		off.Disabled = true
		return vitrine.Put(&off)
	case "delete":
		return vitrine.Delete(vitrine.Ref{Kind: vitrine.KindPrincipal, ID: c.deleted(words)})
	}
	c.t.Fatalf("%v is no change", words)
	return vitrine.Change{}
}

// binding is the one that is there, changed, or a new one.
func (c *court) binding(now *rbac.Policy, words []string) *vitrine.Binding {
	b := &vitrine.Binding{Role: vitrine.ID(words[1]), Principal: c.real(words[2]), Scope: vitrine.ID(words[3])}
	b.ID = policyfile.BindingID(b.Role, b.Principal, b.Scope)
	for _, o := range now.Objects(vitrine.KindBinding) {
		if was := o.(*vitrine.Binding); was.Role == b.Role && was.Principal == b.Principal && was.Scope == b.Scope {
			b.ID = was.ID
		}
	}
	for _, w := range words[4:] {
		switch name, value, _ := strings.Cut(w, "="); name {
		case "until":
			b.Until = moment(c.t, value)
		case "if":
			b.Condition = value
		default:
			c.t.Fatalf("%v: unknown word %s", words, w)
		}
	}
	return b
}

// restore takes back what was allowed: the next line asks about the same
// policy. Keys of who was disabled stay dead, so everybody gets new ones.
func (c *court) restore(revision int64, err error) {
	if err != nil {
		return
	}
	if _, err := c.Policies.Undo(c.t.Context(), c.Owner(0), revision); err != nil {
		c.t.Fatalf("undo: %v", err)
	}
	clear(c.keys)
}

// over is what a program hears, by its error.
func (c *court) over(err error) verdict {
	var e *client.Error
	if !errors.As(err, &e) {
		return c.refused(err)
	}
	return c.told(e.Status, e.Code, e.Detail)
}

// told is a refusal as a verdict.
func (c *court) told(status int, code, text string) verdict {
	switch {
	case status == http.StatusUnauthorized && code == "invalid_key":
		return verdict{word: "nobody"}
	case status == http.StatusNotFound && code == "not_found":
		return verdict{word: "not found"}
	case status == http.StatusForbidden:
		return verdict{word: "denied", code: code, text: c.named(text)}
	}
	return verdict{word: fmt.Sprint(status, " ", code, " ", text)}
}

// noFactor is why what depends on a second factor is asked at the lower doors
// alone.
const noFactor = "no door takes a second factor from who shows a key"

// unreachable says why a question cannot come over the wire.
func (q *question) unreachable() string {
	if _, ok := q.word("mfa"); ok {
		return noFactor
	}
	if q.who == "system" {
		return "the system itself comes in by no key"
	}
	return ""
}

// api asks over HTTP: /check for what was asked, and beside it the route that
// does it.
func (c *court) api(q *question) (all []verdict, why string) {
	if why := q.unreachable(); why != "" {
		return nil, why
	}
	api, err := client.New(c.URL, c.who(q.who).secret)
	if err != nil {
		c.t.Fatal(err)
	}
	switch q.kind() {
	case "list of models":
		models, err := api.Models(c.t.Context())
		if err != nil {
			return []verdict{c.over(err)}, ""
		}
		var ids []vitrine.ID
		for _, m := range models {
			ids = append(ids, vitrine.DeploymentID(m.Project, m.ID))
		}
		return []verdict{{word: strings.Join(texts(ids), ", ")}}, ""
	case "list of images":
		seen := make(map[vitrine.ID]bool)
		for m, err := range api.Images(c.t.Context(), client.ImageQuery{Limit: 2}) {
			if err != nil {
				return []verdict{c.over(err)}, ""
			}
			seen[m.ID] = true
		}
		return []verdict{c.sees(q, seen)}, ""
	case "change":
		return []verdict{c.applies(q, api)}, ""
	case "image":
		if q.verb == string(vitrine.ImageCreate) {
			if _, ok := q.word("response_format"); !ok {
				r, _ := c.resource(q)
				_, err := api.Upload(c.t.Context(), client.Upload{Dataset: r.Scope, Tier: r.Tier}, bytes.NewReader(picture))
				all = append(all, c.over(err))
			}
		} else {
			all = append(all, c.content(q, api))
		}
	}
	if q.verb != "see" {
		all = append(all, c.checks(q, api))
	}
	return all, ""
}

// sees compares which images a list shows with what the line wants of each:
// a list says no more.
func (c *court) sees(q *question, seen map[vitrine.ID]bool) verdict {
	for name, id := range c.images {
		dataset, tier, _ := strings.Cut(name, " ")
		want := false
		for part := range strings.SplitSeq(q.want, "), ") {
			where, cells, _ := strings.Cut(part, " (")
			want = want || where == dataset && slices.Contains(strings.Fields(strings.TrimSuffix(cells, ")")), "generated/"+tier)
		}
		if seen[id] != want {
			return verdict{word: fmt.Sprintf("image of %s listed: %v, want %v", name, seen[id], want)}
		}
	}
	return verdict{word: q.want}
}

func (c *court) applies(q *question, api *client.Client) verdict {
	var revision int64
	var err error
	switch words := c.steps(q)[0]; words[0] {
	case "disable":
		revision, err = api.SetDisabled(c.t.Context(), c.real(words[1]), true)
	case "delete":
		revision, err = api.DeletePrincipal(c.t.Context(), c.deleted(words))
	default:
		var done *client.Applied
		done, err = api.Apply(c.t.Context(), c.changes(q))
		revision = done.Revision
	}
	c.restore(revision, err)
	return c.over(err)
}

// content opens the picture. One attempt is one entry, however many renditions
// were tried.
func (c *court) content(q *question, api *client.Client) verdict {
	named := map[string]vitrine.Rendition{string(vitrine.ImageOpen): vitrine.Original, string(vitrine.ImageView): vitrine.Masked}[q.verb]
	before := c.entries(c.image(q))
	v, err := api.Content(c.t.Context(), c.image(q), named)
	got := c.over(err)
	if err == nil {
		got.word = string(v.Rendition)
		if named == vitrine.Original && v.Rendition == vitrine.Original {
			got.word = "allow" // as the table says of what was asked by its permission
		}
		if _, err := io.Copy(io.Discard, v); err != nil {
			c.t.Error(err)
		}
		if err := v.Close(); err != nil {
			c.t.Error(err)
		}
	}
	if n := c.entries(c.image(q)) - before; n != 1 && got.word != "nobody" {
		c.t.Errorf("line %d: the log has %d entries more about the image, want one", q.line, n)
	}
	return got
}

func (c *court) entries(image vitrine.ID) int {
	all, err := c.Log.Search(c.t.Context(), c.Owner(0), store.EntryQuery{Resource: image, Limit: 1000})
	if err != nil {
		c.t.Fatal(err)
	}
	return len(all)
}

// checked is what a question asks of /check: of images by their id.
func (c *court) checked(q *question) client.Question {
	r, p := c.resource(q)
	if id := c.image(q); r.Kind == vitrine.KindImage && id != "" && q.verb != string(vitrine.ImageCreate) {
		r = vitrine.Resource{Kind: vitrine.KindImage, ID: id}
	}
	return client.Question{Permission: p, Resource: r}
}

func (c *court) checks(q *question, api *client.Client) verdict {
	a, err := api.Check(c.t.Context(), c.checked(q))
	if err != nil {
		return c.over(err)
	}
	return c.answered(&a.Decision, a.Reason)
}

// answered is what /check says: a decision, with its reason beside.
func (c *court) answered(d *vitrine.Decision, reason string) verdict {
	got := c.decided(*d, false)
	if got.word == "denied" {
		got.text = reason
	}
	return got
}

// cli asks the command line, by its exit status and what it prints.
func (c *court) cli(q *question) (all []verdict, why string) {
	if why := q.unreachable(); why != "" {
		return nil, why
	}
	switch q.kind() {
	case "list of models":
		return nil, "no verb lists models"
	case "list of images":
		_, out, _ := c.run(q, "image", "ls")
		var list struct{ Images []client.Image }
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			c.t.Fatalf("%v: %s", err, out)
		}
		seen := make(map[vitrine.ID]bool)
		for _, m := range list.Images {
			seen[m.ID] = true
		}
		return []verdict{c.sees(q, seen)}, ""
	case "change":
		return c.commands(q)
	}
	if q.kind() == "image" && q.verb != string(vitrine.ImageCreate) {
		args := []string{"image", "get", string(c.image(q)), "-f", filepath.Join(c.t.TempDir(), "picture")}
		named := map[string]string{"image.open": "original", "image.view": "masked"}[q.verb]
		if named != "" {
			args = append(args, "--rendition", named)
		}
		got, out, _ := c.run(q, args...)
		if got.word == "allow" && named != "original" {
			var saved struct{ Rendition string }
			if err := json.Unmarshal([]byte(out), &saved); err != nil {
				c.t.Fatalf("%v: %s", err, out)
			}
			got.word = saved.Rendition
		}
		all = append(all, got)
	}
	if q.verb != "see" {
		all = append(all, c.checkVerb(q))
	}
	return all, ""
}

// checkVerb asks vitrine check.
func (c *court) checkVerb(q *question) verdict {
	asks := c.checked(q)
	r := asks.Resource
	args := []string{"check", string(asks.Permission)}
	if r.ID != "" {
		args = append(args, string(r.Kind)+"/"+string(r.ID))
	}
	for flag, value := range map[string]string{"scope": string(r.Scope), "category": r.Category.String(), "tier": r.Tier.String(), "response-format": r.ResponseFormat, "model": r.Model} {
		if value != "" {
			args = append(args, "--"+flag, value)
		}
	}
	got, out, _ := c.run(q, args...)
	if out == "" {
		return got
	}
	var d client.Answer
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
	said := c.answered(&d.Decision, d.Reason)
	if (got.word == "allow") != d.Allow {
		c.t.Errorf("line %d: vitrine check says %v and answers %s", q.line, d.Allow, got.word)
	}
	return said
}

// commands makes the change by the verbs that make it.
func (c *court) commands(q *question) ([]verdict, string) {
	steps := c.steps(q)
	var args []string
	switch {
	case steps[0][0] == "disable":
		args = []string{"principal", "disable", string(c.real(steps[0][1]))}
	case steps[0][0] == "delete":
		args = []string{"principal", "rm", string(c.deleted(steps[0])), "--yes"}
	case slices.ContainsFunc(steps, func(s []string) bool { return s[0] != "bind" }):
		return nil, "no verb takes one binding away; policy apply --prune takes all that files do not declare"
	default:
		dir := c.t.TempDir()
		for name, text := range policyfile.Print(putsOf(c.changes(q))) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				c.t.Fatal(err)
			}
		}
		args = []string{"policy", "apply", "--yes", "-f", dir}
	}
	got, out, _ := c.run(q, args...)
	if got.word == "allow" {
		var done struct{ Revision int64 }
		if err := json.Unmarshal([]byte(out), &done); err != nil {
			c.t.Fatalf("%v: %s", err, out)
		}
		c.restore(done.Revision, nil)
	}
	return []verdict{got}, ""
}

func putsOf(set *vitrine.ChangeSet) (all []vitrine.Object) {
	for _, one := range set.Changes {
		all = append(all, one.Object)
	}
	return all
}

// run runs the command line as who asks. Its exit status and the problem that
// it prints say the same.
func (c *court) run(q *question, args ...string) (got verdict, stdout, stderr string) {
	var out, errs bytes.Buffer
	args = append(args, "--output", "json", "--server", c.URL, "--key", c.who(q.who).secret.Reveal())
	status := cli.Run(c.t.Context(), args, strings.NewReader(""), &out, &errs)
	if status == 0 {
		return verdict{word: "allow"}, out.String(), errs.String()
	}
	var report struct{ Problem *client.Error }
	if err := json.Unmarshal(errs.Bytes(), &report); err == nil && report.Problem != nil {
		got = c.told(report.Problem.Status, report.Problem.Code, report.Problem.Detail)
	}
	if status != 3 {
		c.t.Errorf("line %d: vitrine %v: exit status %d, want 0 or 3: %s%s", q.line, args[:2], status, out.String(), errs.String())
	}
	return got, out.String(), errs.String()
}
