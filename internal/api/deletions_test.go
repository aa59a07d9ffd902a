package api_test

import (
	"bytes"
	"image"
	"image/png"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
)

// An image goes, comes back, is held and goes for ever; each step beside a
// refusal, all as the document says.
func TestDeletions(t *testing.T) {
	g := newGallery(t)
	at := g.upload()
	id := at[strings.LastIndex(at, "/")+1:]
	const one, holds = "/api/v1/images/{id}", "/api/v1/holds"
	var hold vitrine.Hold
	steps := []struct {
		name, method, pattern, path, as, body string
		status                                int
		want                                  string // in the answer
	}{
		{"delete, may not", "DELETE", one, at, "mia", "", 403, "no_permission"},
		{"delete", "DELETE", one, at, "ann", "", 200, `"destroyed":false,"until":"`},
		{"see it", "GET", one, at, "ann", "", 404, ""},
		{"see its bytes", "GET", one + "/content", at + "/content", "ann", "", 404, ""},
		{"list", "GET", "/api/v1/images", "/api/v1/images", "ann", "", 200, `{"images":[]`},
		{"list deleted", "GET", "/api/v1/images", "/api/v1/images?deleted=true", "ann", "", 200, `"deleted":{"at":"`},
		{"list deleted, restores none", "GET", "/api/v1/images", "/api/v1/images?deleted=true", "mia", "", 200, `{"images":[]`},
		{"restore, may not know", "POST", one + "/restore", at + "/restore", "mia", "", 404, ""},
		{"restore", "POST", one + "/restore", at + "/restore", "ann", "", 200, id},
		{"restore again", "POST", one + "/restore", at + "/restore", "ann", "", 404, ""},
		{"hold, may not", "POST", holds, holds, "mia", `{"on":{"kind":"image","id":"` + id + `"},"reason":"case 7"}`, 403, "no_permission"},
		{"hold a person", "POST", holds, holds, "ann", `{"on":{"kind":"principal","id":"mia"},"reason":"case 7"}`, 400, `"kind"`},
		{"hold without a reason", "POST", holds, holds, "ann", `{"on":{"kind":"image","id":"` + id + `"},"reason":""}`, 400, "reason_needed"},
		{"hold", "POST", holds, holds, "ann", `{"on":{"kind":"image","id":"` + id + `"},"reason":"case 7"}`, 201, `"reason":"case 7"`},
		{"list holds", "GET", holds, holds, "ann", "", 200, `"reason":"case 7"`},
		{"list holds, lifts none", "GET", holds, holds, "mia", "", 200, `{"holds":[]`},
		{"list holds of half a thing", "GET", holds, holds + "?kind=image", "ann", "", 400, "kind"},
		{"see it held", "GET", one, at, "ann", "", 200, `"hold":"hold-`},
		{"delete what is held", "DELETE", one, at, "ann", "", 409, "legal_hold"},
		{"lift, may not", "POST", holds + "/{id}/lift", holds + "/HOLD/lift", "mia", `{"reason":"x"}`, 403, "no_permission"},
		{"lift what is absent", "POST", holds + "/{id}/lift", holds + "/hold-x/lift", "ann", `{"reason":"x"}`, 404, ""},
		{"lift", "POST", holds + "/{id}/lift", holds + "/HOLD/lift", "ann", `{"reason":"closed"}`, 200, `"lifted_by":"ann"`},
		{"delete what one let go", "DELETE", one, at, "ann", "", 403, "lifted_by_you"},
		{"destroy at once, may not", "DELETE", one, at + "?now=true&reason=x", "ann", "", 403, ""},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			got := g.do(s.method, strings.Replace(s.path, "HOLD", string(hold.ID), 1), s.as, []byte(s.body))
			if got.status != s.status || !strings.Contains(string(got.body), s.want) {
				t.Errorf("%d %s, want %d %s", got.status, got.body, s.status, s.want)
			}
			if got.status == http.StatusCreated {
				got.json(t, &hold)
			}
			g.documented(s.method, s.pattern, got)
		})
	}
}

// Who may see an image whose bytes are lost is told so, by a code; to others it
// is not there.
func TestDamagedImage(t *testing.T) {
	g := newGallery(t)
	got := g.do("POST", "/api/v1/images", "ann", noise(t))
	if got.status != 201 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	at := got.header.Get("Location")
	if err := os.RemoveAll(filepath.Join(g.Config.Data, "blobs")); err != nil {
		t.Fatal(err)
	}
	for as, want := range map[string]int{"ann": 500, "alice": 404} {
		got := g.do("GET", at+"/content", as, nil)
		if got.status != want || want == 500 && !strings.Contains(string(got.body), `"code":"image_damaged"`) {
			t.Errorf("as %s: %d %s", as, got.status, got.body)
		}
		g.documented("GET", "/api/v1/images/{id}/content", got)
	}
}

// noise is a picture too large for its row.
func noise(t *testing.T) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewGray(image.Rect(0, 0, 320, 320))
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32())
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
