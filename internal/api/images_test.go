package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/problem"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

const picturePolicy = `
projects:
  renders:
    environment: staging
    datasets:
      drafts: {category: reference, birth_tier: internal, restore_window: 7d}
      other: {category: reference, birth_tier: internal}
people:
  ann: {email: ann@example.com}
  mia: {email: mia@example.com}
roles:
  keeper:
    grants:
      - permissions: [image.create, image.open, image.update, image.classify, image.delete, image.hold, image.export]
        categories: [reference]
        tiers: <= confidential
  glancer:
    grants:
      - permissions: [image.view, image.update]
        categories: [reference]
        tiers: <= confidential
bindings:
  - {id: ann-keeps, role: keeper, principal: ann, scope: renders}
  - {role: glancer, principal: mia, scope: renders}
`

// gallery is a running system with ann, who keeps pictures, and mia, who sees
// them masked.
type gallery struct {
	t *testing.T
	*vitrinetest.System
	doc  *described
	keys map[string]vitrine.Secret
}

func newGallery(t *testing.T) *gallery {
	t.Helper()
	g := &gallery{t: t, System: vitrinetest.New(t, vitrinetest.Policy(picturePolicy)), keys: make(map[string]vitrine.Secret)}
	g.keys["alice"] = g.Key(identity.NewKey{Principal: g.Owner(0).Principal})
	for _, who := range []vitrine.ID{"ann", "mia"} {
		g.keys[string(who)] = g.Key(identity.NewKey{Principal: who, Project: "renders", Dataset: "drafts"})
	}
	g.doc = describe(t, g.do("GET", "/api/v1/openapi.json", "", nil).body)
	return g
}

func (g *gallery) do(method, path, as string, body []byte, headers ...string) *reply {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.URL+path, bytes.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if len(body) > 0 && body[0] == '{' {
		r.Header.Set("Content-Type", "application/json")
	}
	if as != "" {
		r.Header.Set("Authorization", "Bearer "+g.keys[as].Reveal())
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	// A redirect is not followed: it would be an answer that nobody documented.
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return &reply{resp.StatusCode, resp.Header, text, text}
}

// picture is one of so many pixels a side.
func picture(t *testing.T, side int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side+7))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload is the path of a new image of ann's.
func (g *gallery) upload() string {
	g.t.Helper()
	got := g.do("POST", "/api/v1/images?name=plan.png", "ann", picture(g.t, 31))
	if got.status != 201 {
		g.t.Fatalf("%d %s", got.status, got.body)
	}
	return got.header.Get("Location")
}

// documented checks an answer against the document.
func (g *gallery) documented(method, pattern string, got *reply) {
	g.t.Helper()
	if err := g.doc.answer(method, pattern, got.status, got.header, got.body); err != nil {
		g.t.Errorf("%s %s: %v: %s", method, pattern, err, got.body)
	}
}

// What one changes is what one has read, or nothing is changed.
func TestIfMatchOnImages(t *testing.T) {
	g := newGallery(t)
	const one = "/api/v1/images/{id}"
	for _, tt := range []struct{ name, method, pattern, below, body string }{
		{"update", "PATCH", one, "", `{"name":"new.png"}`},
		{"classify", "PUT", one + "/tier", "/tier", `{"tier":"confidential"}`},
		{"link", "POST", one + "/links", "/links", `{}`},
		{"delete", "DELETE", one, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := g.upload()
			old := g.do("GET", at, "ann", nil).header.Get("ETag")
			if got := g.do("PATCH", at, "ann", []byte(`{"labels":["a"]}`), "If-Match", old); got.status != 200 || got.header.Get("ETag") == old {
				t.Fatalf("with the tag of before: %d %s, tag %s", got.status, got.body, got.header.Get("ETag"))
			}
			now := g.do("GET", at, "ann", nil)
			for _, bad := range []struct {
				tag    string
				status int
			}{{old, 412}, {`"bogus"`, 412}, {`"1", "2"`, 400}, {`bogus`, 400}} {
				got := g.do(tt.method, at+tt.below, "ann", []byte(tt.body), "If-Match", bad.tag)
				g.documented(tt.method, tt.pattern, got)
				var p problem.Problem
				got.json(t, &p)
				if got.status != bad.status || got.status == 412 && p.Code != "precondition_failed" {
					t.Errorf("with %s: %d %s, want %d", bad.tag, got.status, got.body, bad.status)
				}
				if after := g.do("GET", at, "ann", nil); !bytes.Equal(after.body, now.body) {
					t.Errorf("with %s it was changed to %s", bad.tag, after.body)
				}
			}
			if got := g.do(tt.method, at+tt.below, "ann", []byte(tt.body), "If-Match", now.header.Get("ETag")); got.status > 299 {
				t.Errorf("with its tag: %d %s", got.status, got.body)
			}
		})
	}
	t.Run("who may not is told so first", func(t *testing.T) {
		if got := g.do("DELETE", g.upload(), "mia", nil, "If-Match", `"bogus"`); got.status != 403 {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("what has no tag", func(t *testing.T) {
		if got := g.do("POST", "/api/v1/images", "ann", picture(t, 9), "If-Match", `"1"`); got.status != 412 {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}

// The same for what stands in the policy, whichever route changes it.
func TestIfMatchOnThePolicy(t *testing.T) {
	g := newGallery(t)
	g.do("PUT", "/api/v1/principals/team", "alice", []byte(`{"kind":"group"}`))
	var issued struct{ ID string }
	g.do("POST", "/api/v1/keys", "ann", []byte(`{"name":"x"}`)).json(t, &issued)
	studio := `{"provider":{"id":"studio","kind":"studio"}}`
	g.do("PUT", "/api/v1/providers/studio", "alice", []byte(studio))
	for _, tt := range []struct{ name, method, pattern, path, object, as, body string }{
		{"member", "PUT", "/api/v1/groups/{id}/members/{member}", "/api/v1/groups/team/members/mia", "principal/team", "alice", ""},
		{"put a principal", "PUT", "/api/v1/principals/{id}", "/api/v1/principals/team", "principal/team", "alice", `{"kind":"group","name":"Team"}`},
		{"disable", "POST", "/api/v1/principals/{id}/disable", "/api/v1/principals/team/disable", "principal/team", "alice", ""},
		{"enable", "POST", "/api/v1/principals/{id}/enable", "/api/v1/principals/team/enable", "principal/team", "alice", ""},
		{"delete a principal", "DELETE", "/api/v1/principals/{id}", "/api/v1/principals/team", "principal/team", "alice", ""},
		{"rotate", "POST", "/api/v1/keys/{id}/rotate", "/api/v1/keys/" + issued.ID + "/rotate", "key/" + issued.ID, "ann", `{}`},
		{"revoke", "DELETE", "/api/v1/keys/{id}", "/api/v1/keys/" + issued.ID, "key/" + issued.ID, "ann", ""},
		{"put a provider", "PUT", "/api/v1/providers/{id}", "/api/v1/providers/studio", "provider/studio", "alice", studio},
		{"put an object", "PUT", "/api/v1/objects/{kind}/{id...}", "/api/v1/objects/project/renders", "project/renders", "alice", `{"id":"renders","environment":"staging"}`},
		{"delete an object", "DELETE", "/api/v1/objects/{kind}/{id...}", "/api/v1/objects/binding/ann-keeps", "binding/ann-keeps", "alice", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			read := g.do("GET", "/api/v1/objects/"+tt.object, "alice", nil)
			for _, stale := range []string{`"1"`, `"bogus"`} {
				got := g.do(tt.method, tt.path, tt.as, []byte(tt.body), "If-Match", stale)
				g.documented(tt.method, tt.pattern, got)
				if got.status != 412 {
					t.Errorf("with %s: %d %s, want 412", stale, got.status, got.body)
				}
			}
			got := g.do(tt.method, tt.path, tt.as, []byte(tt.body), "If-Match", read.header.Get("ETag"))
			g.documented(tt.method, tt.pattern, got)
			if got.status != 200 {
				t.Errorf("with %s: %d %s, want 200", read.header.Get("ETag"), got.status, got.body)
			}
			var made struct{ Revision int64 }
			got.json(t, &made)
			if got.header.Get("X-Vitrine-Revision") != fmt.Sprint(made.Revision) {
				t.Errorf("revision %d, the header says %q", made.Revision, got.header.Get("X-Vitrine-Revision"))
			}
		})
	}
	for path, body := range map[string]string{
		"/api/v1/objects/project/third": `{"id":"third","environment":"staging"}`, "/api/v1/principals/third": `{"kind":"group"}`, "/api/v1/providers/third": `{"provider":{"id":"third","kind":"studio"}}`,
	} {
		if got := g.do("PUT", path, "alice", []byte(body), "If-Match", "*"); got.status != 412 {
			t.Errorf("PUT %s of what is not there, if it is there: %d %s", path, got.status, got.body)
		}
		if got := g.do("PUT", path, "alice", []byte(body)); got.status != 200 {
			t.Errorf("PUT %s: %d %s", path, got.status, got.body)
		}
		if got := g.do("PUT", path, "alice", []byte(body), "If-Match", "*"); got.status != 200 {
			t.Errorf("PUT %s of what is there: %d %s", path, got.status, got.body)
		}
	}
}

// Who has it already is told no more than that; it is an attempt all the same.
func TestIfNoneMatch(t *testing.T) {
	g := newGallery(t)
	at := g.upload()
	for path, pattern := range map[string]string{at: "/api/v1/images/{id}", at + "/content": "/api/v1/images/{id}/content", "/api/v1/objects/project/renders": "/api/v1/objects/{kind}/{id...}"} {
		as := "ann"
		if strings.Contains(path, "objects") {
			as = "alice"
		}
		first := g.do("GET", path, as, nil)
		tag := first.header.Get("ETag")
		before, _, _, err := g.Store.LogSize(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, given := range []string{tag, `"x", W/` + tag, "*"} {
			if got := g.do("GET", path, as, nil, "If-None-Match", given); got.status != 304 || len(got.body) != 0 || got.header.Get("ETag") != tag {
				t.Errorf("GET %s, if not %s: %d %s", path, given, got.status, got.body)
			} else {
				g.documented("GET", pattern, got)
			}
		}
		if after, _, _, err := g.Store.LogSize(t.Context()); err != nil || after-before != 3 {
			t.Errorf("GET %s: %d entries, %v, want 3", path, after-before, err)
		}
		if got := g.do("GET", path, as, nil, "If-None-Match", `"x"`); got.status != 200 || !bytes.Equal(got.body, first.body) {
			t.Errorf("GET %s, if not another: %d", path, got.status)
		}
	}
	masked, open := g.do("GET", at, "mia", nil).header.Get("ETag"), g.do("GET", at, "ann", nil).header.Get("ETag")
	if masked == open || masked == "" {
		t.Errorf("masked and open metadata have the tags %q and %q", masked, open)
	}
	if got := g.do("PATCH", at, "mia", []byte(`{"labels":["seen"]}`), "If-Match", masked); got.status != 200 || !strings.HasSuffix(got.header.Get("ETag"), `-masked"`) {
		t.Errorf("with the masked tag: %d %s", got.status, got.body)
	}
}

// Who sees an image masked is told nothing of the original: no size, name, hash
// or number of pixels, by no route.
func TestMaskedTellsNoSize(t *testing.T) {
	g := newGallery(t)
	at := g.upload()
	var all struct {
		Images []map[string]any `json:"images"`
	}
	g.do("GET", "/api/v1/images", "mia", nil).json(t, &all)
	if len(all.Images) != 1 {
		t.Fatalf("she sees %v", all.Images)
	}
	answers := map[string]map[string]any{"list": all.Images[0]}
	for name, got := range map[string]*reply{"info": g.do("GET", at, "mia", nil), "update": g.do("PATCH", at, "mia", []byte(`{"labels":["seen"]}`))} {
		var m map[string]any
		got.json(t, &m)
		answers[name] = m
	}
	known := []string{"category", "created", "dataset", "id", "owner", "project", "sees", "tier", "tier_by", "version"}
	for name, m := range answers {
		for key := range m {
			if !slices.Contains(known, key) {
				t.Errorf("%s tells %s: %v", name, key, m[key])
			}
		}
	}
	got := g.do("GET", at+"/content", "mia", nil)
	if got.status != 200 || got.header.Get("X-Vitrine-Rendition") != "masked" || strings.Contains(fmt.Sprint(got.header), "plan") {
		t.Errorf("content: %d %v", got.status, got.header)
	}
	var detail struct {
		Detail vitrine.ImageDetail `json:"detail"`
	}
	if g.do("GET", at, "ann", nil).json(t, &detail); detail.Detail.Width != 31 || detail.Detail.Name != "plan.png" {
		t.Errorf("who may open it is told %+v", detail)
	}
}

// Bytes of images run nowhere, are kept nowhere and belong to no other page, unless
// it has a link.
func TestBytesAreHarmless(t *testing.T) {
	g := newGallery(t)
	at := g.do("POST", "/api/v1/images?name="+"%3Cscript%3E.html", "ann", picture(t, 12)).header.Get("Location")
	var l struct{ URL string }
	g.do("POST", at+"/links", "ann", []byte(`{}`)).json(t, &l)
	link := strings.TrimPrefix(l.URL, g.URL)
	always := map[string]string{
		"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox",
		"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "private, no-store",
	}
	linked := maps.Clone(always)
	linked["Referrer-Policy"] = "no-referrer"
	linked["Cross-Origin-Resource-Policy"] = "cross-origin" // a page shows what its client was answered
	for _, tt := range []struct {
		method, path string
		status       int
		want         map[string]string
	}{
		{"GET", at + "/content", 200, always},
		{"HEAD", at + "/content", 200, always},
		{"GET", at + "/content?download", 200, always},
		{"GET", at + "/content?rendition=thumbnail", 200, map[string]string{"Content-Type": "image/jpeg"}},
		{"GET", link, 200, linked},
		{"HEAD", link, 200, linked},
		{"GET", "/l/nothing", 404, map[string]string{"Referrer-Policy": "no-referrer", "Content-Type": "application/problem+json"}},
	} {
		got := g.do(tt.method, tt.path, "ann", nil)
		if got.status != tt.status {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, got.status, got.body)
		}
		for name, value := range tt.want {
			if got.header.Get(name) != value {
				t.Errorf("%s %s: %s is %q, want %q", tt.method, tt.path, name, got.header.Get(name), value)
			}
		}
		kind := "inline"
		if strings.Contains(tt.path, "download") {
			kind = "attachment"
		}
		if d := got.header.Get("Content-Disposition"); tt.status == 200 && (!strings.HasPrefix(d, kind+";") || strings.ContainsAny(d, "<>")) {
			t.Errorf("%s %s: disposition %q", tt.method, tt.path, d)
		}
	}
}

// Chat programs look at a link before anybody opens it. They get what a GET
// would say of it, and that is no use.
func TestLookingAtALinkIsNoUse(t *testing.T) {
	g := newGallery(t)
	at := g.upload()
	var l struct{ ID, URL string }
	g.do("POST", at+"/links", "ann", []byte(`{}`)).json(t, &l)
	path := strings.TrimPrefix(l.URL, g.URL)
	uses := func() (n int64) {
		var all struct{ Links []struct{ Uses int64 } }
		g.do("GET", at+"/links", "ann", nil).json(t, &all)
		return all.Links[0].Uses
	}
	before, _, _, err := g.Store.LogSize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	head := g.do("HEAD", path, "", nil)
	if after, _, _, err := g.Store.LogSize(t.Context()); err != nil || after != before+1 {
		t.Errorf("looking left %d entries, %v", after-before, err)
	}
	if n := uses(); n != 0 || head.status != 200 || len(head.body) != 0 {
		t.Errorf("after looking: %d uses, %d", n, head.status)
	}
	got := g.do("GET", path, "", nil)
	if n := uses(); n != 1 || got.status != 200 {
		t.Errorf("after opening: %d uses, %d %s", n, got.status, got.body)
	}
	for _, h := range []*reply{head, got} {
		h.header.Del("X-Request-Id")
		h.header.Del("Date")
	}
	if !maps.EqualFunc(head.header, got.header, slices.Equal) {
		t.Errorf("HEAD says %v, GET %v", head.header, got.header)
	}
	g.do("DELETE", at+"/links/"+l.ID, "ann", nil)
	if head := g.do("HEAD", path, "", nil); head.status != 404 {
		t.Errorf("a revoked link answers HEAD with %d", head.status)
	}
}

func TestRanges(t *testing.T) {
	g := newGallery(t)
	at := g.upload() + "/content"
	whole := g.do("GET", at, "ann", nil)
	part := g.do("GET", at, "ann", nil, "Range", "bytes=1-3")
	if part.status != 206 || string(part.body) != "PNG" {
		t.Errorf("%d %q", part.status, part.body)
	}
	none := g.do("GET", at, "ann", nil, "Range", "bytes=999999-")
	g.documented("GET", "/api/v1/images/{id}/content", part)
	g.documented("GET", "/api/v1/images/{id}/content", none)
	var p problem.Problem
	none.json(t, &p)
	if none.status != 416 || p.Code != "range_not_satisfiable" || none.header.Get("Content-Range") != fmt.Sprintf("bytes */%d", len(whole.body)) || none.header.Get("Content-Disposition") != "" {
		t.Errorf("%d %v %s", none.status, none.header, none.body)
	}
}

// Every answer to somebody who is known tells the revision that it was made
// under, refusals too; to nobody else.
func TestRevisionIsTold(t *testing.T) {
	g := newGallery(t)
	at := g.upload()
	now, _, err := g.Policies.Export(t.Context(), g.Owner(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, path, as, body string
		status                 int
	}{
		{"GET", at, "ann", "", 200},
		{"GET", at + "/content", "mia", "", 200},
		{"PATCH", at, "ann", `{"name":"b.png"}`, 200},
		{"GET", "/api/v1/images", "mia", "", 200},
		{"DELETE", at, "mia", "", 403},
		{"GET", "/api/v1/images/img-none", "mia", "", 404},
		{"POST", "/v1/images/generations", "ann", `{"prompt":"x"}`, 404},
		{"GET", "/v1/models", "ann", "", 200},
		{"GET", "/api/v1/whoami", "", "", 401},
	} {
		want := fmt.Sprint(now)
		if tt.as == "" {
			want = ""
		}
		if got := g.do(tt.method, tt.path, tt.as, []byte(tt.body)); got.status != tt.status || got.header.Get("X-Vitrine-Revision") != want {
			t.Errorf("%s %s: %d %s, revision %q, want %s", tt.method, tt.path, got.status, got.body, got.header.Get("X-Vitrine-Revision"), want)
		}
	}
}

// A path that is written in another way than routes are is nowhere, in the words
// of the front whose it would be; and nobody is sent elsewhere.
func TestUncleanPaths(t *testing.T) {
	g := newGallery(t)
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "//api/v1/images", `"code":"unknown_route"`},
		{"GET", "/api/v1//images", `"code":"unknown_route"`},
		{"GET", "/api/v1/../v1/images", `"code":"unknown_route"`},
		{"GET", "/l/", `"code":"unknown_route"`},
		{"GET", "/l", `"code":"unknown_route"`},
		{"GET", "/v1", `"code":"unknown_route"`},
		{"GET", "//healthz", `"code":"unknown_route"`},
		{"POST", "//v1/images/generations", `{"error":`},
		{"POST", "/v1//images/generations", `{"error":`},
		{"GET", "/v1/./models", `{"error":`},
		{"POST", "/api/v1/images//generations", `{"error":`},
	} {
		got := g.do(tt.method, tt.path, "ann", []byte(`{}`))
		if got.status != 404 || !strings.Contains(string(got.body), tt.want) || !json.Valid(got.body) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, got.status, got.body)
		}
	}
}
