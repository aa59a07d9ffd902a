package vitrine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/cli"
)

// local lists the verbs that speak to no server, and so know no caller, and why.
var local = map[string]string{
	"init":                "makes an installation; for who holds the machine",
	"serve":               "is the server",
	"demo":                "makes an installation of its own to show",
	"doctor":              "looks at an installation; for who holds the data directory and the key",
	"recover":             "offline, for who holds the data directory and the key; recorded and alarmed",
	"restore":             "makes an installation of a backup; for who holds the recovery identity",
	"config check":        "reads a file of settings",
	"version":             "says what this program is",
	"backup verify":       "reads a file, offline",
	"backup epoch rotate": "offline, for who holds the data directory and the key; recorded and alarmed",
	"audit verify":        "reads a file, offline",
	"audit link":          "reads files, offline",
}

// verbRow is a way to call a verb.
type verbRow struct {
	verb, also string
	args       func(c *cell, dir string) []string
	alone      bool // see httpRow
}

func (r *verbRow) name() string { return strings.TrimSpace(r.verb + "  " + r.also) }

// verbs are the verbs that can be called, by whether they speak to a server.
func verbs() (remote, offline []string) {
	todo := cli.Root().Commands()
	for len(todo) > 0 {
		c := todo[0]
		todo = append(todo[1:], c.Commands()...)
		path := strings.TrimPrefix(c.CommandPath(), "vitrine ")
		switch {
		case c.Flags().Lookup("server") != nil:
			remote = append(remote, path)
		case !c.HasSubCommands() && !help(c):
			offline = append(offline, path)
		}
	}
	return remote, offline
}

// help knows the verbs that are not ours.
func help(c *cobra.Command) bool { return c.Name() == "help" || c.Name() == "completion" }

// TestCommandDoor calls every verb of the command line as everybody, in this
// process, against a server.
func TestCommandDoor(t *testing.T) {
	for _, name := range []string{"VITRINE_KEY", "VITRINE_KEY_FILE", "VITRINE_SERVER"} {
		t.Setenv(name, "")
	}
	d := openDoors(t)
	rows := verbRows()
	var names, reasons []string
	for _, r := range rows {
		names = append(names, r.verb)
	}
	for verb := range local {
		reasons = append(reasons, verb)
	}
	remote, offline := verbs()
	complete(t, "verb", remote, names)
	complete(t, "local verb", offline, reasons)
	table := &answers{head: "verb"}
	for _, r := range rows {
		t.Run(r.name(), func(t *testing.T) {
			row := d.ask(t, r.alone, func(c *cell) string { return c.verb(&r) })
			table.rows = append(table.rows, append([]string{r.name()}, row...))
		})
	}
	table.golden(t, d, "cli", aboutCLI, len(rows))
}

const aboutCLI = `# The exit status of every verb that speaks to a server: 0 done, 1 failed, 2 used
# wrongly, 3 denied, not authenticated or not found, 4 conflict, 5 done in part.
#
`

// verb calls a verb and answers its exit status, and the code of the error.
func (c *cell) verb(r *verbRow) string {
	dir, err := os.MkdirTemp(c.t.TempDir(), c.who.name)
	if err != nil {
		c.t.Error(err)
	}
	args := strings.Fields(r.verb)
	if r.args != nil {
		args = append(args, r.args(c, dir)...)
	}
	status, stdout, stderr := c.vitrine(append(args, "--output", "json")...)
	want := 3
	switch {
	case c.who.known:
		want = status
	case c.who.key == "":
		want = 2 // a key is missing, which needs no server
	}
	if status != want || !c.who.known && stdout != "" {
		c.t.Errorf("%s as %s: exit status %d, want %d: %s%s", r.name(), c.who.name, status, want, stdout, stderr)
	}
	h := heard{body: []byte(stdout)}
	if slices.Contains(sightless, c.who.name) && h.picture() {
		c.t.Errorf("%s as %s prints a picture", r.name(), c.who.name)
	}
	var report struct{ Problem struct{ Code string } }
	code := ""
	if status != 0 && json.Unmarshal([]byte(stderr), &report) == nil {
		code = report.Problem.Code
	}
	for _, usual := range usual {
		if slices.Contains(usual, code) {
			code = ""
		}
	}
	if code != "" {
		code = "!" + code
	}
	return strconv.Itoa(status) + code
}

// vitrine runs the command line with the key of who asks.
func (c *cell) vitrine(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	args = append(args, "--server", c.URL)
	if c.who.key != "" {
		args = append(args, "--key", c.who.key.Reveal())
	}
	status = cli.Run(c.t.Context(), args, strings.NewReader("hunter3\n"), &out, &errs)
	return status, out.String(), errs.String()
}

// words are arguments that no cell uses up.
func words(text string) func(*cell, string) []string {
	return func(*cell, string) []string { return strings.Fields(text) }
}

// about are arguments of which ID is what is asked about.
func about(text string, id func(c *cell) vitrine.ID) func(*cell, string) []string {
	return func(c *cell, dir string) []string {
		text := strings.NewReplacer("ID", string(id(c)), "DIR", dir).Replace(text)
		return strings.Fields(text)
	}
}

// file is about a file that is written before.
func (c *cell) file(dir, name, text string) string {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Error(err)
	}
	return path
}

func verbRows() []verbRow {
	return slices.Concat(imageVerbs(), peopleVerbs(), policyVerbs(), moneyVerbs(), logVerbs())
}

func imageVerbs() []verbRow {
	shared := func(what string) func(*cell) vitrine.ID { return func(c *cell) vitrine.ID { return c.shared[what] } }
	return []verbRow{
		{verb: "generate", args: func(_ *cell, dir string) []string {
			return []string{"--model", "hidream", "--project", "renders", "--dataset", "drafts", "--size", "64x64", "-f", dir, "a cat"}
		}},
		{verb: "image put", args: func(c *cell, dir string) []string {
			return []string{"--dataset", "drafts", c.file(dir, "a.png", string(picture))}
		}},
		{verb: "image get", args: about("ID -f -", shared("image"))},
		{verb: "image get", also: "restricted", args: about("ID -f -", shared("restricted"))},
		{verb: "image get", also: "in other", args: about("ID -f DIR/a.png", shared("elsewhere"))},
		{verb: "image get", also: "absent", args: words("img-absent -f -")},
		{verb: "image ls"},
		{verb: "image show", args: about("ID", shared("image"))},
		{verb: "image tier", args: about("ID public --reason web", (*cell).image)},
		{verb: "image rm", args: about("ID --yes", (*cell).image)},
		{verb: "image restore", args: about("ID", (*cell).deleted)},
		{verb: "image link", args: about("ID", shared("image"))},
		{verb: "image links", args: about("ID", shared("image"))},
		{verb: "image unlink", args: func(c *cell, _ string) []string {
			image := c.image()
			return []string{string(image), string(c.link(image))}
		}},
		{verb: "hold place", args: about("image/ID --reason case", (*cell).image)},
		{verb: "hold ls"},
		{verb: "hold lift", args: about("ID --reason closed", (*cell).hold)},
	}
}

func peopleVerbs() []verbRow {
	make := func(o func(vitrine.ID) vitrine.Object) func(*cell) vitrine.ID {
		return func(c *cell) vitrine.ID { return c.object(o) }
	}
	key := func(of vitrine.ID) func(*cell) vitrine.ID { return func(c *cell) vitrine.ID { return c.keyOf(of) } }
	own := func(c *cell) vitrine.ID { return c.sessionOf(c.who.by) }
	fresh := func(c *cell) vitrine.ID { return c.fresh("p") }
	activate := func(c *cell, _ string) []string { return []string{string(c.who.role), "--session", string(own(c))} }
	return []verbRow{
		{verb: "whoami"},
		{verb: "principal ls"},
		{verb: "principal show", args: words("mark")},
		{verb: "principal add", args: about("--kind user --id ID --email ID@example.com", fresh)},
		{verb: "principal disable", args: about("ID", make(newPerson))},
		{verb: "principal enable", args: about("ID", make(newPerson))},
		{verb: "principal rm", args: about("ID --yes", make(newPerson))},
		{verb: "principal member add", args: about("ID keeper", make(newGroup))},
		{verb: "principal member rm", args: about("ID mark", make(newGroup))},
		{verb: "key create", also: "its own"},
		{verb: "key create", also: "another's", args: words("--principal mark")},
		{verb: "key ls", args: words("--all")},
		{verb: "key rotate", also: "its own", args: about("ID", key(""))},
		{verb: "key rotate", also: "another's", args: about("ID", key("mark"))},
		{verb: "key revoke", also: "its own", args: about("ID", key(""))},
		{verb: "key revoke", also: "another's", args: about("ID", key("mark"))},
		{verb: "session start", args: words("--all")},
		{verb: "session ls"},
		{verb: "session activate", args: activate},
		{verb: "session drop", args: activate},
		{verb: "session end", also: "its own", args: about("ID", own)},
		{verb: "session end", also: "another's", args: about("ID", func(c *cell) vitrine.ID { return c.sessionOf(c.keeper) })},
	}
}

func policyVerbs() []verbRow {
	files := func(more ...string) func(*cell, string) []string {
		return func(c *cell, dir string) []string {
			path := c.file(dir, "p.yaml", fmt.Sprintf("datasets: {%s: {project: renders, category: generated}}\n", c.fresh("set")))
			return append([]string{"-f", path}, more...)
		}
	}
	question := func(text string) func(*cell, string) []string {
		return about(text, func(c *cell) vitrine.ID { return c.shared["image"] })
	}
	return []verbRow{
		{verb: "policy plan", args: files()},
		{verb: "policy apply", alone: true, args: files("--yes")},
		{verb: "policy apply", also: "a role", alone: true, args: func(c *cell, dir string) []string {
			return []string{"--yes", "-f", c.file(dir, "p.yaml", fmt.Sprintf("roles: {%s: {name: A role}}\n", c.fresh("role")))}
		}},
		{verb: "policy diff", args: files()},
		{verb: "policy export"},
		{verb: "policy test", also: "live", args: func(c *cell, dir string) []string {
			c.file(dir, "a.test.txt", "maker see quiet -> original\n")
			return append(files("--live")(c, dir)[2:], "-f", dir)
		}},
		{verb: "policy history"},
		{verb: "policy undo", args: func(c *cell, _ string) []string { return []string{strconv.FormatInt(c.revision(), 10), "--yes"} }},
		{verb: "check", args: question("image.open image/ID")},
		{verb: "check", also: "about another", args: question("image.open image/ID --subject maker")},
		{verb: "explain", args: question("image.open image/ID")},
		{verb: "explain", also: "about another", args: question("image.open image/ID --subject maker")},
		{verb: "who", args: question("image.open image/ID")},
		{verb: "matrix"},
	}
}

func moneyVerbs() []verbRow {
	provider := func(c *cell) vitrine.ID { return c.object(newProvider) }
	return []verbRow{
		{verb: "budget ls"},
		{verb: "budget mine"},
		{verb: "budget pay", args: words("all")},
		{verb: "budget pay", also: "every debt", args: words("--all")},
		{verb: "usage"},
		{verb: "provider ls"},
		{verb: "provider add", args: about("--kind studio --id ID", func(c *cell) vitrine.ID { return c.fresh("provider") })},
		{verb: "provider test", args: words("studio")},
		{verb: "provider prices", args: words("studio --yes")},
		{verb: "provider rm", args: about("ID --yes", provider)},
		{verb: "provider forget", args: about("ID --yes", (*cell).credential)},
		{verb: "credential ls"},
		{verb: "credential rotate", args: about("ID --file -", (*cell).credential)},
	}
}

func logVerbs() []verbRow {
	return []verbRow{
		{verb: "audit tail"},
		{verb: "audit search", args: words("--outcome refused")},
		{verb: "audit export", args: words("-f - --to 3")},
		{verb: "audit checkpoint"},
		{verb: "audit key"},
		{verb: "audit prove", args: words("--entry 1 -f -")},
		{verb: "audit consistency", args: func(c *cell, dir string) []string {
			return []string{c.file(dir, "held", c.held), "--public-key", c.Log.PublicKey()}
		}},
		{verb: "backup", args: about("-f DIR", func(*cell) vitrine.ID { return "" }), alone: true},
		{verb: "backup status"},
	}
}
