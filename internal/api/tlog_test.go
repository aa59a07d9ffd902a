package api_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/audit"
)

// tiled is the log as a client of C2SP tlog-tiles sees it.
type tiled struct {
	*house
	as string
}

const tlogPrefix = "/api/v1/tlog/"

func (c tiled) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		got := c.do("GET", tlogPrefix+strings.Replace(t.Path(), "tile/8/", "tile/", 1), c.as, "")
		if got.status != 200 || got.header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(got.header.Get("Cache-Control"), "immutable") {
			c.t.Errorf("%s: %d %v", t.Path(), got.status, got.header)
		}
		all = append(all, got.raw)
	}
	return all, nil
}

func (c tiled) Height() int                     { return 8 }
func (c tiled) SaveTiles([]tlog.Tile, [][]byte) {}

// A client of another making reads and verifies the whole log: hashes, entries,
// and that they belong together.
func TestTiledLog(t *testing.T) {
	h := newHouse(t, 0)
	for range 270 {
		h.do("GET", "/api/v1/whoami", "alice", "")
	}
	head := h.do("GET", tlogPrefix+"checkpoint", "alice", "")
	if head.status != 200 || head.header.Get("Content-Type") != "text/plain; charset=utf-8" || head.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", head.status, head.header)
	}
	c, err := audit.OpenCheckpoint(string(head.raw), h.log.PublicKey())
	if err != nil || c.Size < 270 {
		t.Fatalf("%+v, %v", c, err)
	}
	r := tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: tlog.Hash(c.Root)}, tiled{h, "alice"})
	var at []int64
	for i := range c.Size {
		at = append(at, tlog.StoredHashIndex(0, i))
	}
	hashes, err := r.ReadHashes(at)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range []string{"000", "001.p/" + itoa(c.Size-256)} {
		got := h.do("GET", tlogPrefix+"tile/entries/"+name, "alice", "")
		if got.status != 200 {
			t.Fatalf("%s: %d %s", name, got.status, got.body)
		}
		for in := bytes.NewReader(got.raw); in.Len() > 0; n++ {
			var size uint16
			if err := binary.Read(in, binary.BigEndian, &size); err != nil {
				t.Fatal(err)
			}
			leaf := make([]byte, size)
			if _, err := io.ReadFull(in, leaf); err != nil {
				t.Fatal(err)
			}
			if tlog.RecordHash(leaf) != hashes[n] {
				t.Errorf("entry %d does not have its hash", n)
			}
		}
	}
	if int64(n) != c.Size {
		t.Errorf("%d of %d entries", n, c.Size)
	}
}

// Who may see what of it; what is not there is not found, also for its form.
func TestTiledLogIsGuarded(t *testing.T) {
	h := newHouse(t, 0)
	h.person("eve")
	h.person("sam", vitrine.Binding{Role: "security-auditor", Scope: "org"})
	const tile = tlogPrefix + "tile/{level}/{tile}"
	h.walk([]step{
		{name: "checkpoint", method: "GET", pattern: tlogPrefix + "checkpoint", as: "eve", status: 200, want: "vitrine-log/test"},
		{name: "tile", method: "GET", pattern: tile, path: tlogPrefix + "tile/0/000.p/1", as: "sam", status: 200},
		{name: "tile, may not", method: "GET", pattern: tile, path: tlogPrefix + "tile/0/000.p/1", as: "eve", status: 404},
		{name: "entries", method: "GET", pattern: tile, path: tlogPrefix + "tile/entries/000.p/1", as: "sam", status: 200},
		{name: "entries, may not", method: "GET", pattern: tile, path: tlogPrefix + "tile/entries/000.p/1", as: "eve", status: 404},
		{name: "a tile that is not full", method: "GET", pattern: tile, path: tlogPrefix + "tile/0/000", as: "sam", status: 404},
		{name: "a tile beyond", method: "GET", pattern: tile, path: tlogPrefix + "tile/0/007.p/3", as: "sam", status: 404},
		{name: "a level beyond", method: "GET", pattern: tile, path: tlogPrefix + "tile/9/000.p/3", as: "sam", status: 404},
		{name: "no name of a tile", method: "GET", pattern: tile, path: tlogPrefix + "tile/0/0", as: "sam", status: 404},
		{name: "no width", method: "GET", pattern: tile, path: tlogPrefix + "tile/0/000.p/256", as: "sam", status: 404},
	})
}

// What the API proves, an outsider verifies; and each sees what they may.
func TestProofs(t *testing.T) {
	h := newHouse(t, 0)
	h.person("eve")
	h.person("ann", vitrine.Binding{Role: "project-admin", Scope: "renders"})
	h.Apply(h.Alice, vitrine.Put(&vitrine.Binding{ID: "ann-log", Role: "security-auditor", Principal: "ann", Scope: "renders"}))
	h.do("PUT", "/api/v1/objects/project/renders", "ann", `{"id":"renders","environment":"experimental","name":"Renders"}`)
	h.do("GET", "/api/v1/objects/project/renders", "ann", "")
	var old struct{ Checkpoint string }
	h.do("GET", "/api/v1/log/checkpoint", "eve", "").json(t, &old)
	held, err := audit.PeekCheckpoint(old.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	var seen, hidden int64 = -1, -1
	for _, e := range h.Log() {
		switch {
		case e.Scope == "renders":
			seen = e.Seq
		case hidden < 0:
			hidden = e.Seq
		}
	}
	if seen < 0 || hidden < 0 {
		t.Fatalf("no entry to see (%d) or to hide (%d)", seen, hidden)
	}
	const file, inclusion, consistency = "/api/v1/log/proof", "/api/v1/log/proof/inclusion", "/api/v1/log/proof/consistency"
	h.walk([]step{
		{name: "inclusion", method: "GET", pattern: inclusion, path: inclusion + "?index=" + itoa(seen), as: "ann", status: 200, want: `"path":[`},
		{name: "inclusion in an older checkpoint", method: "GET", pattern: inclusion, path: inclusion + "?index=" + itoa(seen) + "&size=" + itoa(held.Size), as: "ann", status: 200, want: `\n` + itoa(held.Size) + `\n`},
		{name: "inclusion elsewhere", method: "GET", pattern: inclusion, path: inclusion + "?index=" + itoa(hidden), as: "ann", status: 404},
		{name: "inclusion of what is not there", method: "GET", pattern: inclusion, path: inclusion + "?index=999999", as: "ann", status: 404},
		{name: "inclusion in what was not signed", method: "GET", pattern: inclusion, path: inclusion + "?index=0&size=1", as: "alice", status: 404, want: "no_checkpoint"},
		{name: "inclusion, may not", method: "GET", pattern: inclusion, path: inclusion + "?index=" + itoa(seen), as: "eve", status: 404},
		{name: "inclusion of nothing", method: "GET", pattern: inclusion, as: "alice", status: 400},
		{name: "consistency", method: "GET", pattern: consistency, path: consistency + "?from=" + itoa(held.Size), as: "ann", status: 200, want: `"path":[`},
		{name: "consistency from what was not signed", method: "GET", pattern: consistency, path: consistency + "?from=1", as: "ann", status: 404},
		{name: "consistency backwards", method: "GET", pattern: consistency, path: consistency + "?from=999999&to=" + itoa(held.Size), as: "ann", status: 400, want: `"param":"from"`},
		{name: "consistency, may not", method: "GET", pattern: consistency, path: consistency + "?from=" + itoa(held.Size), as: "eve", status: 404},
		{name: "file of an entry elsewhere", method: "GET", pattern: file, path: file + "?entry=" + itoa(hidden), as: "ann", status: 404},
		{name: "file of what nothing is about", method: "GET", pattern: file, path: file + "?resource=nothing", as: "ann", status: 404},
		{name: "file of two things", method: "GET", pattern: file, path: file + "?resource=renders&entry=1", as: "ann", status: 400},
		{name: "file of no thing", method: "GET", pattern: file, as: "ann", status: 400},
		{name: "file, may not", method: "GET", pattern: file, path: file + "?resource=renders", as: "eve", status: 404},
	})
	got := h.do("GET", file+"?resource=renders&from="+itoa(held.Size), "ann", "")
	if got.status != 200 || got.header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	r, err := audit.VerifyProof(audit.ProofInput{Files: []io.Reader{bytes.NewReader(got.raw)}, PublicKey: h.log.PublicKey(), Checkpoints: []string{old.Checkpoint}})
	if err != nil || !r.OK || len(r.Entries) == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, e := range r.Entries {
		if e.Scope != "renders" {
			t.Errorf("a proof of what ann may not see: %+v", e)
		}
	}
}
