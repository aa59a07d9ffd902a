package vitrine_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/types"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/web"
)

// asked is a request but for who makes it.
type asked struct {
	ids    []string // of the path's parameters, in order
	query  string
	body   string // JSON, or what kind says
	kind   string
	header map[string]string
	line   bool // the answer does not end: its first line is enough
	// about is what of the request names the thing that may be hidden; "" is the
	// last of ids, or the first where the others are about that.
	about string
}

// byID asks about one thing.
func byID(id vitrine.ID, body string) asked { return asked{ids: []string{string(id)}, body: body} }

// httpRow is a way to ask a route.
type httpRow struct {
	route, also string
	ask         func(c *cell) asked
	// tell says, of an answer that is no refusal, what belongs into the table.
	tell func(c *cell, body []byte) string
	// alone is that two of these requests at a time get in each other's way.
	alone bool
}

func (r *httpRow) name() string { return strings.TrimSpace(r.route + "  " + r.also) }

// heard is an answer.
type heard struct {
	status int
	header http.Header
	body   []byte
}

func (h *heard) code() string {
	var p struct {
		Code  string
		Error struct{ Code string }
	}
	if h.status < 400 || json.Unmarshal(h.body, &p) != nil {
		return ""
	}
	return p.Code + p.Error.Code
}

// picture reports whether the answer holds a picture, as bytes or in base64.
func (h *heard) picture() bool {
	for _, magic := range []string{"\x89PNG\r\n\x1a\n", "\xff\xd8\xff", "RIFF", "GIF8"} {
		text := base64.StdEncoding.EncodeToString([]byte(magic))
		if bytes.HasPrefix(h.body, []byte(magic)) || bytes.Contains(h.body, []byte(`"`+text[:len(magic)*4/3])) {
			return true
		}
	}
	return strings.HasPrefix(h.header.Get("Content-Type"), "image/")
}

// fill puts ids into the parameters of a pattern.
func fill(pattern string, ids []string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(pattern, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		id := "nothing"
		if len(ids) > 0 {
			id, ids = ids[0], ids[1:]
		}
		if !strings.HasSuffix(name, "...") {
			id = url.PathEscape(id)
		}
		b.WriteString(id)
		pattern = after
	}
}

var doorClient = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (c *cell) send(route string, a asked) heard {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	method, pattern, _ := strings.Cut(route, " ")
	path := fill(pattern, a.ids)
	if a.query != "" {
		path += "?" + a.query
	}
	r, err := http.NewRequestWithContext(ctx, method, c.URL+path, strings.NewReader(a.body))
	if err != nil {
		c.t.Errorf("%s: %v", route, err)
		return heard{}
	}
	if a.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.kind != "" {
		r.Header.Set("Content-Type", a.kind)
	}
	for name, value := range a.header {
		r.Header.Set(name, value)
	}
	if c.who.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.who.key.Reveal())
	}
	resp, err := doorClient.Do(r)
	if err != nil {
		c.t.Errorf("%s: %v", route, err)
		return heard{}
	}
	defer resp.Body.Close() // only read
	h := heard{status: resp.StatusCode, header: resp.Header}
	if a.line && h.status < 300 {
		h.body, err = bufio.NewReader(resp.Body).ReadBytes('\n')
	} else {
		h.body, err = io.ReadAll(resp.Body)
	}
	if err != nil {
		c.t.Errorf("%s: %v", route, err)
	}
	return h
}

// TestHTTPDoor asks every route as everybody. Beside the table, which people
// review, it holds what no table may say: who is not known gets past no route
// that asks who it is; who administers or counts gets no picture; who may not
// know of a thing hears what it hears of one that is not there; and every
// request of somebody known stands in the log.
func TestHTTPDoor(t *testing.T) {
	d := openDoors(t)
	table := &answers{head: "route"}
	public := make(map[string]string)
	var there, names []string
	for _, r := range d.Routes() {
		there = append(there, r.Method+" "+r.Pattern)
		public[r.Method+" "+r.Pattern] = r.Public
	}
	rows := httpRows()
	for _, r := range rows {
		names = append(names, r.route)
	}
	complete(t, "route", there, names)
	k := &keeper{of: make(map[string]string)}
	for _, r := range rows {
		t.Run(r.name(), func(t *testing.T) {
			row := d.ask(t, r.alone, func(c *cell) string { return k.cell(c, &r, public[r.route] != "") })
			table.rows = append(table.rows, append([]string{r.name()}, row...))
		})
	}
	table.golden(t, d, "http", aboutHTTP, len(rows))
	k.recorded(t, d)
}

const aboutHTTP = `# What every HTTP route answers to everybody: the status; some or none where the
# answer is a list; the rendition of a picture; what a decision says.
#
`

// keeper remembers requests that must stand in the log.
type keeper struct {
	mu sync.Mutex
	of map[string]string // what was asked, by request id
}

// sightless are those whose role gives them no picture of renders.
var sightless = []string{"usage", "auditor", "approver", "project", "admin", "owner", "other"}

func (k *keeper) cell(c *cell, r *httpRow, public bool) string {
	var a asked
	if r.ask != nil {
		a = r.ask(c)
	}
	h := c.send(r.route, a)
	if c.who.known && !public {
		k.mu.Lock()
		k.of[h.header.Get(web.HeaderRequest)] = r.name() + " as " + c.who.name
		k.mu.Unlock()
	}
	switch {
	case h.status >= 500:
		c.t.Errorf("%s as %s: %d %s", r.name(), c.who.name, h.status, h.body)
	case public && h.status == 401:
		c.t.Errorf("%s as %s: the route is public, and answers 401", r.name(), c.who.name)
	case !public && !c.who.known && h.status != 401:
		c.t.Errorf("%s as %s: %d, want 401", r.name(), c.who.name, h.status)
	case !public && slices.Contains(sightless, c.who.name) && h.picture() && (c.who.name != "other" || r.also != "in other"):
		c.t.Errorf("%s as %s: the answer holds a picture", r.name(), c.who.name)
	case h.header.Get("X-Vitrine-Rendition")+h.header.Get("X-Vitrine-Image-Ids") != "" && r.also != "as url" && !h.picture():
		c.t.Errorf("%s as %s: the answer holds no picture, or it is not known for one", r.name(), c.who.name)
	}
	if strings.HasPrefix(r.route, "GET ") && !public && !c.who.known {
		if head := c.send("HEAD"+strings.TrimPrefix(r.route, "GET"), a); head.status != 401 {
			c.t.Errorf("HEAD of %s as %s: %d, want 401", r.name(), c.who.name, head.status)
		}
	}
	if h.status == 404 && h.code() == "not_found" {
		k.absent(c, r, a, h)
	}
	said := said(h.status, h.code())
	if rendition := h.header.Get("X-Vitrine-Rendition"); rendition != "" {
		said += " " + rendition
	}
	if r.tell != nil && h.status < 300 {
		said += " " + r.tell(c, h.body)
	}
	return said
}

// absent holds that what is hidden and what is absent are answered alike.
func (k *keeper) absent(c *cell, r *httpRow, a asked, hidden heard) {
	there := a.named(r.route)
	if there == "" {
		return
	}
	other := func(text string) string { return strings.ReplaceAll(text, there, "absent") }
	a.query, a.body = other(a.query), other(a.body)
	a.ids, a.header = slices.Clone(a.ids), maps.Clone(a.header)
	for i := range a.ids {
		a.ids[i] = other(a.ids[i])
	}
	for name, value := range a.header {
		a.header[name] = other(value)
	}
	h := c.send(r.route, a)
	if h.status != hidden.status || !reflect.DeepEqual(plainHeader(h), plainHeader(hidden)) || !bytes.Equal(plainBody(h), plainBody(hidden)) {
		c.t.Errorf("%s as %s: hidden is answered\n%d %v %s\nand absent\n%d %v %s", r.name(), c.who.name,
			hidden.status, plainHeader(hidden), plainBody(hidden), h.status, plainHeader(h), plainBody(h))
	}
}

// named is what a request names that may be hidden.
func (a *asked) named(route string) string {
	switch {
	case a.about != "" || len(a.ids) == 0:
		return a.about
	case strings.Contains(route, "{kind}"):
		return a.ids[len(a.ids)-1]
	}
	return a.ids[0]
}

// plainHeader is without what every answer has of its own, and without the
// policy revision, which goes on all the time.
func plainHeader(h heard) http.Header {
	out := maps.Clone(h.header)
	for _, name := range []string{web.HeaderRequest, web.HeaderRevision, "Date"} {
		out.Del(name)
	}
	return out
}

func plainBody(h heard) []byte {
	return bytes.ReplaceAll(h.body, []byte(h.header.Get(web.HeaderRequest)), []byte("req"))
}

// recorded holds that every request stands in the log.
func (k *keeper) recorded(t *testing.T, d *doors) {
	t.Helper()
	for after := int64(-1); ; {
		page, err := d.Log.Search(t.Context(), d.owner, store.EntryQuery{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			delete(k.of, e.Request)
			after = e.Seq
		}
		if len(page) < 1000 {
			break
		}
	}
	for _, what := range slices.Sorted(maps.Values(k.of)) {
		t.Errorf("%s stands not in the log", what)
	}
}

// some tells whether a list in the answer holds anything.
func some(field string) func(*cell, []byte) string {
	return func(c *cell, body []byte) string {
		var all map[string]any
		if err := json.Unmarshal(body, &all); err != nil {
			c.t.Errorf("%v: %s", err, body)
		}
		if list, _ := all[field].([]any); len(list) > 0 {
			return "some"
		}
		return "none"
	}
}

// tells is a member of the answer.
func tells(field string) func(*cell, []byte) string {
	return func(c *cell, body []byte) string {
		var all map[string]any
		if err := json.Unmarshal(body, &all); err != nil {
			c.t.Errorf("%v: %s", err, body)
		}
		return fmt.Sprint(all[field])
	}
}

// allowed is what the decision in the answer says.
func allowed(c *cell, body []byte) string {
	var d struct {
		Allow    *bool
		Decision struct{ Allow bool }
	}
	if err := json.Unmarshal(body, &d); err != nil {
		c.t.Errorf("%v: %s", err, body)
	}
	if d.Decision.Allow || d.Allow != nil && *d.Allow {
		return "allow"
	}
	return "deny"
}

// TestRoutesAreListed holds that a front registers what stands in its list and
// nothing else: only these functions register anything with a mux, each from
// the list.
func TestRoutesAreListed(t *testing.T) {
	may := map[string]string{
		"internal/api.serve":       "puts the route into the list",
		"internal/api.nothingElse": "what no route is there for",
		"internal/openai.New":      "from the list, and what no route is there for",
		"internal/ops.New":         "from the list",
	}
	found := make(map[string]bool)
	for _, s := range sources(t) {
		if _, room := floor(s.dir); s.test || !slices.Contains([]string{"internal/api", "internal/openai", "internal/ops", "internal/web", "internal/app"}, room) {
			continue
		}
		for _, at := range registrations(s) {
			if found[at] = true; may[at] == "" {
				t.Errorf("%s: %s registers a route beside the list", s.path, at)
			}
		}
	}
	for at := range may {
		if !found[at] {
			t.Errorf("%s registers nothing; take it from the list", at)
		}
	}
}

// registrations are the functions of a file that register something with a mux.
func registrations(s source) []string {
	var all []string
	for _, decl := range s.file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 2 {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "HandleFunc" && sel.Sel.Name != "Handle" {
				return true
			}
			if name := types.ExprString(sel.X); strings.HasSuffix(name, "mux") || strings.HasSuffix(name, "Mux") || name == "http" {
				all = append(all, s.dir+"."+f.Name.Name)
			}
			return true
		})
	}
	return all
}
