package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/problem"
)

// at is a path of a route with something in its parameters.
func at(pattern string) string {
	return strings.NewReplacer("{id...}", "renders", "{id}", "x1", "{kind}", "project", "{member}", "x2", "{link}", "x3", "{token}", "x4", "{level}", "0", "{tile...}", "000").Replace(pattern)
}

// Nobody gets past any route without a key, whatever is wrong with it; and all
// are told the same.
func TestNoRouteWithoutAKey(t *testing.T) {
	h := newHouse(t, 0)
	h.keys["garbage"] = "vtr_u_aaaaaaaaaaaa_bbbbbbbb"
	h.keys["another checksum"] = h.keys["alice"][:len(h.keys["alice"])-1] + "0"
	var first []byte
	for _, r := range h.api.Routes() {
		if r.Public != "" {
			continue
		}
		for _, as := range []string{"", "garbage", "another checksum"} {
			got := h.do(r.Method, at(r.Pattern), as, `{"some":"body"}`)
			if got.status != 401 || got.header.Get("WWW-Authenticate") == "" || got.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s with %q key: %d %s", r.Method, r.Pattern, as, got.status, got.body)
			}
			var p problem.Problem
			got.json(t, &p)
			p.Request = ""
			text, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = text
			}
			if !bytes.Equal(first, text) {
				t.Errorf("%s %s with %q key says %s, others hear %s", r.Method, r.Pattern, as, text, first)
			}
		}
	}
}

// step is a request and what comes of it.
type step struct {
	name, method, pattern, path, as, body string
	status                                int
	want                                  string // in the answer
	headers                               []string
}

func (h *house) walk(steps []step) {
	for _, s := range steps {
		h.t.Run(s.name, func(t *testing.T) {
			path := s.path
			if path == "" {
				path = s.pattern
			}
			before := len(h.Log())
			got := h.do(s.method, path, s.as, s.body, s.headers...)
			if got.status != s.status || !strings.Contains(string(got.body), s.want) {
				t.Errorf("%s %s as %s: %d %s, want %d %s", s.method, path, s.as, got.status, got.body, s.status, s.want)
			}
			if err := h.doc.answer(s.method, s.pattern, got.status, got.header, got.body); err != nil {
				t.Errorf("%s %s: %v: %s", s.method, path, err, got.body)
			}
			if len(h.Log()) == before {
				t.Errorf("%s %s left no entry", s.method, path)
			}
		})
	}
}

// Each success beside a refusal, all as the document says.
func TestRoutes(t *testing.T) {
	h := newHouse(t, 0)
	h.person("ann", vitrine.Binding{Role: "project-admin", Scope: "renders"})
	h.person("eve")
	const apply, objects = "/api/v1/policy/apply", "/api/v1/objects/{kind}/{id...}"
	h.walk([]step{
		{name: "who am I", method: "GET", pattern: "/api/v1/whoami", as: "eve", status: 200, want: `"principal":"eve"`},
		{name: "apply", method: "POST", pattern: apply, as: "alice", body: `{"changes":[{"kind":"project","id":"other","put":{"id":"other","environment":"staging"}}]}`, status: 200, want: `"revision":`},
		{name: "apply, may not", method: "POST", pattern: apply, as: "eve", body: `{"changes":[{"kind":"project","id":"more","put":{"id":"more","environment":"staging"}}]}`, status: 404},
		{name: "apply what is no kind", method: "POST", pattern: apply, as: "alice", body: `{"changes":[{"kind":"planet","id":"x"}]}`, status: 400},
		{name: "apply an unknown field", method: "POST", pattern: apply, as: "alice", body: `{"changes":[{"kind":"project","id":"x","put":{"id":"x","environment":"staging","colour":"red"}}]}`, status: 400, want: "colour"},
		{name: "apply another id", method: "POST", pattern: apply, as: "alice", body: `{"changes":[{"kind":"project","id":"x","put":{"id":"y","environment":"staging"}}]}`, status: 400, want: "changes[0].put.id"},
		{name: "read", method: "GET", pattern: objects, path: "/api/v1/objects/project/other", as: "alice", status: 200, want: `"environment":"staging"`},
		{name: "read, may not know", method: "GET", pattern: objects, path: "/api/v1/objects/project/other", as: "eve", status: 404},
		{name: "read what is not there", method: "GET", pattern: objects, path: "/api/v1/objects/project/nothing", as: "alice", status: 404},
		{name: "put at an old version", method: "PUT", pattern: objects, path: "/api/v1/objects/project/other", as: "alice", body: `{"id":"other","environment":"production"}`, status: 412, want: "precondition_failed", headers: []string{"If-Match", `"1"`}},
		{name: "put", method: "PUT", pattern: objects, path: "/api/v1/objects/project/other", as: "alice", body: `{"id":"other","environment":"production"}`, status: 200, want: "revision"},
		{name: "put with a tag that is none of ours", method: "PUT", pattern: objects, path: "/api/v1/objects/project/other", as: "alice", body: `{"id":"other","environment":"production"}`, status: 412, headers: []string{"If-Match", `"bogus"`}},
		{name: "put garbage as a tag", method: "PUT", pattern: objects, path: "/api/v1/objects/project/other", as: "alice", body: `{"id":"other","environment":"production"}`, status: 400, want: "If-Match", headers: []string{"If-Match", `bogus`}},
		{name: "list", method: "GET", pattern: "/api/v1/objects/{kind}", path: "/api/v1/objects/role", as: "alice", status: 200, want: `"id":"owner"`},
		{name: "list, sees none", method: "GET", pattern: "/api/v1/objects/{kind}", path: "/api/v1/objects/role", as: "eve", status: 200, want: `{"objects":[]}`},
		{name: "export", method: "GET", pattern: "/api/v1/policy", as: "alice", status: 200, want: `"kind":"binding"`},
		{name: "plan", method: "POST", pattern: "/api/v1/policy/plan", as: "alice", body: `{"objects":[{"kind":"project","object":{"id":"third","environment":"staging"}}]}`, status: 200, want: `"third"`},
		{name: "plan an undo, may not", method: "POST", pattern: "/api/v1/policy/undo/plan", as: "eve", body: `{"revision":1}`, status: 404},
		{name: "plan to undo what was not", method: "POST", pattern: "/api/v1/policy/undo/plan", as: "alice", body: `{"revision":1000}`, status: 404},
		{name: "history", method: "GET", pattern: "/api/v1/policy/history", path: "/api/v1/policy/history?limit=2", as: "alice", status: 200, want: `"next":2`},
		{name: "history, may not", method: "GET", pattern: "/api/v1/policy/history", as: "eve", status: 404},
		{name: "matrix", method: "GET", pattern: "/api/v1/matrix", as: "alice", status: 200, want: `"role":"owner"`},
		{name: "delete", method: "DELETE", pattern: objects, path: "/api/v1/objects/project/other", as: "alice", status: 200},
		{name: "check", method: "POST", pattern: "/api/v1/check", as: "ann", body: `{"permission":"project.view","resource":{"kind":"project","id":"renders"}}`, status: 200, want: `"allow":true`},
		{name: "check somebody", method: "POST", pattern: "/api/v1/check", as: "alice", body: `{"subject":"eve","permission":"project.view","resource":{"kind":"project","id":"renders"}}`, status: 200, want: `"allow":false`},
		{name: "check somebody, may not", method: "POST", pattern: "/api/v1/check", as: "eve", body: `{"subject":"ann","permission":"project.view","resource":{"kind":"project","id":"renders"}}`, status: 404},
		{name: "explain", method: "POST", pattern: "/api/v1/explain", as: "alice", body: `{"subject":"ann","permission":"project.edit","resource":{"kind":"project","id":"renders"}}`, status: 200, want: `"bindings":[{`},
		{name: "who", method: "POST", pattern: "/api/v1/who", as: "alice", body: `{"permission":"project.edit","resource":{"kind":"project","id":"renders"}}`, status: 200, want: `"ann"`},
		{name: "a permission that is none", method: "POST", pattern: "/api/v1/who", as: "alice", body: `{"permission":"fly","resource":{}}`, status: 400},
		{name: "make a person", method: "POST", pattern: "/api/v1/principals", as: "alice", body: `{"kind":"user","email":"new@example.com"}`, status: 200, want: `"id":"usr-`},
		{name: "make a person, may not", method: "POST", pattern: "/api/v1/principals", as: "eve", body: `{"kind":"user","email":"new2@example.com"}`, status: 404},
		{name: "make what is no kind", method: "POST", pattern: "/api/v1/principals", as: "alice", body: `{"kind":"robot"}`, status: 400, want: `"param":"kind"`},
		{name: "make a group", method: "PUT", pattern: "/api/v1/principals/{id}", path: "/api/v1/principals/team", as: "alice", body: `{"kind":"group"}`, status: 200, want: `"id":"team"`},
		{name: "join", method: "PUT", pattern: "/api/v1/groups/{id}/members/{member}", path: "/api/v1/groups/team/members/eve", as: "alice", status: 200},
		{name: "leave", method: "DELETE", pattern: "/api/v1/groups/{id}/members/{member}", path: "/api/v1/groups/team/members/eve", as: "alice", status: 200},
		{name: "disable", method: "POST", pattern: "/api/v1/principals/{id}/disable", path: "/api/v1/principals/team/disable", as: "alice", status: 200},
		{name: "delete a group", method: "DELETE", pattern: "/api/v1/principals/{id}", path: "/api/v1/principals/team", as: "alice", status: 200},
		{name: "issue a key", method: "POST", pattern: "/api/v1/keys", as: "eve", body: `{"name":"mine"}`, status: 201, want: `"key":"vtr_`},
		{name: "issue a key for another, may not", method: "POST", pattern: "/api/v1/keys", as: "eve", body: `{"principal":"ann"}`, status: 404},
		{name: "list keys", method: "GET", pattern: "/api/v1/keys", as: "eve", status: 200, want: `"name":"mine"`},
		{name: "rotate what is not there", method: "POST", pattern: "/api/v1/keys/{id}/rotate", path: "/api/v1/keys/nothing/rotate", as: "eve", body: `{"overlap":"1h"}`, status: 404},
		{name: "search", method: "GET", pattern: "/api/v1/log", path: "/api/v1/log?back=true&limit=3", as: "alice", status: 200, want: `"entries":[{`},
		{name: "search, may not", method: "GET", pattern: "/api/v1/log", as: "eve", status: 404},
		{name: "checkpoint", method: "GET", pattern: "/api/v1/log/checkpoint", as: "eve", status: 200, want: `vitrine-log/test\n`},
		{name: "export the log, may not", method: "GET", pattern: "/api/v1/log/export", as: "eve", status: 404},
		{name: "follow, may not", method: "GET", pattern: "/api/v1/log/follow", as: "eve", status: 404},
		{name: "follow from nowhere", method: "GET", pattern: "/api/v1/log/follow", path: "/api/v1/log/follow?after=x", as: "alice", status: 400},
	})
}

// What is malformed is refused with the field's name, recorded, and nothing of
// its value is repeated.
func TestMalformed(t *testing.T) {
	h := newHouse(t, 0)
	const secret = "hunter2-hunter2"
	h.walk([]step{
		{name: "no JSON", method: "POST", pattern: "/api/v1/keys", as: "alice", body: secret, status: 400},
		{name: "nothing", method: "POST", pattern: "/api/v1/keys", as: "alice", status: 400},
		{name: "unknown field", method: "POST", pattern: "/api/v1/keys", as: "alice", body: `{"nome":"` + secret + `"}`, status: 400, want: `"param":"nome"`},
		{name: "wrong type", method: "POST", pattern: "/api/v1/keys", as: "alice", body: `{"name":["` + secret + `"]}`, status: 400, want: `"param":"name"`},
		{name: "something after it", method: "POST", pattern: "/api/v1/keys", as: "alice", body: `{} {}`, status: 400},
		{name: "not JSON's type", method: "POST", pattern: "/api/v1/keys", as: "alice", body: `{}`, status: 400, want: "Content-Type", headers: []string{"Content-Type", "text/plain"}},
		{name: "unknown parameter", method: "GET", pattern: "/api/v1/keys", path: "/api/v1/keys?principle=" + secret, as: "alice", status: 400, want: "principle"},
		{name: "a parameter out of bounds", method: "GET", pattern: "/api/v1/log", path: "/api/v1/log?limit=1000000", as: "alice", status: 400, want: `"param":"limit"`},
		{name: "too long", method: "POST", pattern: "/api/v1/keys", as: "alice", body: `{"name":"` + strings.Repeat("x", 9<<20) + `"}`, status: 413},
		{name: "a revision that is none", method: "GET", pattern: "/api/v1/whoami", as: "alice", status: 400, headers: []string{"X-Vitrine-Revision", "x"}},
		{name: "a revision that is not here", method: "GET", pattern: "/api/v1/whoami", as: "alice", status: 503, headers: []string{"X-Vitrine-Revision", "999"}},
	})
	for _, e := range h.Log() {
		if text, err := json.Marshal(e); err != nil || strings.Contains(string(text), secret) {
			t.Errorf("the log repeats it: %s, %v", text, err)
		}
	}
	if got := h.do("POST", "/api/v1/keys", "alice", `{"name":["`+secret+`"]}`); strings.Contains(string(got.body), secret) {
		t.Errorf("the answer repeats it: %s", got.body)
	}
}

// A key's life over the wire.
func TestKeyLife(t *testing.T) {
	h := newHouse(t, 0)
	h.person("ann")
	var made struct {
		ID      vitrine.ID
		Key     vitrine.Secret
		Expires time.Time
	}
	read := func(r *reply, status int) {
		t.Helper()
		if r.status != status {
			t.Fatalf("%d %s", r.status, r.body)
		}
		var m struct {
			ID  vitrine.ID `json:"id"`
			Key string     `json:"key"`
		}
		r.json(t, &m)
		made.ID, made.Key = m.ID, vitrine.Secret(m.Key)
	}
	read(h.do("POST", "/api/v1/keys", "ann", `{"name":"laptop"}`), 201)
	h.keys["first"] = made.Key
	read(h.do("POST", "/api/v1/keys/"+string(made.ID)+"/rotate", "first", `{}`), 200)
	h.keys["second"] = made.Key
	if got := h.do("GET", "/api/v1/keys", "second", ""); strings.Contains(string(got.body), "hash") || got.status != 200 {
		t.Errorf("keys: %d %s", got.status, got.body)
	}
	for as, want := range map[string]int{"first": 401, "second": 200} {
		if got := h.do("GET", "/api/v1/whoami", as, ""); got.status != want {
			t.Errorf("after rotation the %s secret answers %d", as, got.status)
		}
	}
	if got := h.do("DELETE", "/api/v1/keys/"+string(made.ID), "ann", ""); got.status != 200 {
		t.Errorf("revoke: %d %s", got.status, got.body)
	}
	if got := h.do("GET", "/api/v1/whoami", "second", ""); got.status != 401 {
		t.Errorf("after revocation: %d", got.status)
	}
}

// What the API exports an outsider verifies.
func TestExportVerifies(t *testing.T) {
	h := newHouse(t, 0)
	held := h.do("GET", "/api/v1/log/checkpoint", "alice", "")
	var head struct {
		Checkpoint string `json:"checkpoint"`
		PublicKey  string `json:"public_key"`
	}
	held.json(t, &head)
	got := h.do("GET", "/api/v1/log/export", "alice", "")
	if got.status != 200 || got.header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	r, err := audit.Verify(audit.VerifyInput{Export: bytes.NewReader(got.body), PublicKey: head.PublicKey, Checkpoints: []string{head.Checkpoint}})
	if err != nil || !r.OK || !strings.Contains(r.Complete, "nothing up to the held checkpoint") {
		t.Errorf("%+v, %v", r, err)
	}
}

// Following goes on as entries come, and ends when the right does.
func TestFollow(t *testing.T) {
	h := newHouse(t, 0)
	h.person("sam", vitrine.Binding{Role: "security-auditor", Scope: "org"})
	resp, err := http.DefaultClient.Do(h.request("GET", "/api/v1/log/follow?after=0", "sam", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	until := func(what func(vitrine.Entry) bool) error {
		for {
			var e vitrine.Entry
			if err := d.Decode(&e); err != nil {
				return err
			}
			if what(e) {
				return nil
			}
		}
	}
	if err := until(func(e vitrine.Entry) bool { return e.Op == "follow" && e.Actor == "sam" }); err != nil {
		t.Fatal(err)
	}
	h.do("GET", "/api/v1/whoami", "alice", "")
	if err := until(func(e vitrine.Entry) bool { return e.Op == "whoami" }); err != nil {
		t.Fatal(err)
	}
	h.Apply(h.Alice, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: "sam-0"}))
	if err := until(func(vitrine.Entry) bool { return false }); err == nil {
		t.Error("it did not end")
	}
	if e := h.Last(); e.Actor != "sam" || e.Outcome != vitrine.Refused {
		t.Errorf("the end of it is not in the log: %+v", e)
	}
}

func TestRateLimit(t *testing.T) {
	h := newHouse(t, 6) // a burst of one
	if got := h.do("GET", "/api/v1/whoami", "alice", ""); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	got := h.do("GET", "/api/v1/whoami", "alice", "")
	if got.status != 429 || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	h.person("ann")
	if got := h.do("GET", "/api/v1/whoami", "ann", ""); got.status != 200 {
		t.Errorf("another principal: %d %s", got.status, got.body)
	}
}
