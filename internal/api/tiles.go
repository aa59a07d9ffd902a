package api

import (
	"net/http"
	"strconv"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/web"
)

// tiled is the prefix under which the log lies as C2SP tlog-tiles has it. Whoever
// speaks that finds checkpoint, tile/<L>/<N> and tile/entries/<N> below it.
const tiled = prefix + "/tlog"

// octets is the kind of bytes that only programs read.
const octets = "application/octet-stream"

// forever is what may be kept of what never changes: by the caller, who alone was
// shown it.
const forever = "private, max-age=31536000, immutable"

// tiles are the routes of a tiled log.
func (a *API) tiles() {
	head := Route{Method: "GET", Pattern: tiled + "/checkpoint", Summary: "The signed head of the log, as C2SP tlog-tiles has it", tag: "log", op: "checkpoint"}
	a.plain(head, func(w http.ResponseWriter, r *http.Request, by access.Caller) error {
		text, err := a.head(r.Context(), by)
		if err == nil {
			sendPlain(w, "text/plain; charset=utf-8", []byte(text))
		}
		return err
	})
	a.describe(head, "", "text/plain")
	tile := Route{Method: "GET", Pattern: tiled + "/tile/{level}/{tile...}", Permission: vitrine.LogView, Summary: "A tile of the log: hashes; of the level entries, leaves, which needs log.export", tag: "log", op: "tile"}
	a.plain(tile, a.tile)
	a.describe(tile, "", octets)
}

func (a *API) tile(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	read, act, level := a.Log.Tile, access.Act{Permission: vitrine.LogView, Op: "tile"}, r.PathValue("level")
	if level == "entries" {
		read, act, level = a.Log.Bundle, access.Act{Permission: vitrine.LogExport, Op: "bundle"}, "0"
	}
	t, err := merkle.ParseTile(level, r.PathValue("tile"))
	if err != nil {
		return a.Door.Reject(r, by, act, access.NotFound())
	}
	b, err := read(r.Context(), by, t)
	return sendForever(w, b, err)
}

// sendForever sends what never changes.
func sendForever(w http.ResponseWriter, b []byte, err error) error {
	if err == nil {
		w.Header().Set("Cache-Control", forever)
		sendPlain(w, octets, b)
	}
	return err
}

func sendPlain(w http.ResponseWriter, kind string, b []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(http.StatusOK)
	out := web.NewWriter(w)
	defer out.Done()
	_, _ = out.Write(b) // the client has gone; there is nobody to tell
}
