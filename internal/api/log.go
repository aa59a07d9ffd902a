package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/web"
)

var (
	imageType   = reflect.TypeFor[vitrine.Image]()
	failureType = reflect.TypeFor[failure]()
)

// log are the routes about the log.
func (a *API) log() {
	a.search()
	a.proofs()
	a.tiles()
	type head struct {
		Checkpoint string `json:"checkpoint" doc:"A signed note: keep it, and no earlier entry can be changed unseen"`
		PublicKey  string `json:"public_key"`
		Origin     string `json:"origin"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/log/checkpoint", Summary: "The signed head of the log", tag: "log", op: "checkpoint"},
		func(ctx context.Context, by access.Caller, _ *none) (*struct{ Body head }, error) {
			text, err := a.head(ctx, by)
			return &struct{ Body head }{head{text, a.Log.PublicKey(), a.Log.Origin()}}, err
		})
	follow := Route{Method: "GET", Pattern: prefix + "/log/follow", Permission: vitrine.LogView, Summary: "Entries as they come, a line of JSON each", tag: "log", op: "follow"}
	a.plain(follow, a.follow)
	a.describe(follow, "", ndjson, "after")
	export := Route{Method: "GET", Pattern: prefix + "/log/export", Permission: vitrine.LogExport, Summary: "The log with its proof, for verifying offline", tag: "log", op: "export"}
	a.plain(export, a.export)
	a.describe(export, "", ndjson, "from", "to")
}

// head signs the log and answers its checkpoint, which every live caller may
// have: the more people hold one, the better.
func (a *API) head(ctx context.Context, by access.Caller) (string, error) {
	t, err := a.Guard.Self(ctx, by, access.Act{Permission: vitrine.LogView, Op: "checkpoint", Resource: vitrine.Resource{Kind: vitrine.KindLog}})
	if err != nil {
		return "", err
	}
	if _, err := t.Record(ctx); err != nil {
		return "", err
	}
	return a.Log.Checkpoint(ctx)
}

const ndjson = "application/x-ndjson"

func (a *API) search() {
	type logPage struct {
		Entries []vitrine.Entry `json:"entries"`
		Next    int64           `json:"next,omitempty" doc:"Ask for what comes after this"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/log", Permission: vitrine.LogView, Summary: "Entries of the log", tag: "log", op: "search"},
		func(ctx context.Context, by access.Caller, in *struct {
			After      int64     `query:"after" minimum:"-1" default:"-1" doc:"The entry after which to list; with back before which"`
			Back       bool      `query:"back" doc:"Newest first"`
			Limit      int       `query:"limit" minimum:"0" maximum:"1000"`
			Actor      string    `query:"actor"`
			Act        string    `query:"act"`
			Outcome    string    `query:"outcome" enum:"allowed,refused,failed"`
			Resource   string    `query:"resource"`
			Scope      string    `query:"scope"`
			Request    string    `query:"request"`
			Credential string    `query:"credential"`
			From       time.Time `query:"from"`
			To         time.Time `query:"to"`
		}) (*struct{ Body logPage }, error) {
			q := store.EntryQuery{After: in.After, Back: in.Back, Limit: in.Limit, Actor: vitrine.ID(in.Actor), Act: in.Act,
				Outcome: vitrine.Outcome(in.Outcome), Resource: vitrine.ID(in.Resource), Request: in.Request,
				Credential: vitrine.ID(in.Credential), From: in.From, To: in.To}
			if in.Scope != "" {
				q.Scopes = []vitrine.ID{vitrine.ID(in.Scope)}
			}
			all, err := a.Log.Search(ctx, by, q)
			out := logPage{Entries: list(all)}
			if len(all) > 0 {
				out.Next = all[len(all)-1].Seq
			}
			return &struct{ Body logPage }{out}, err
		})
}

// stream is an answer of lines that begins with its first: what is refused
// before that is still a proper error.
type stream struct {
	w     http.ResponseWriter
	to    *web.Writer
	kind  string // of its bytes; "" is lines of JSON
	begun bool
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", cmp.Or(s.kind, ndjson))
		s.w.WriteHeader(http.StatusOK)
	}
	return s.to.Write(p)
}

// end answers what was wrong, or cuts the connection where the answer has
// begun: a part of a log must not look like all of it.
func (a *API) end(s *stream, r *http.Request, err error) error {
	if err == nil || !s.begun {
		return err
	}
	a.Door.Unexpected(s.w, r, err)
	panic(http.ErrAbortHandler)
}

func (a *API) follow(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	after, err := number(r, "after", -1)
	if err != nil {
		return a.Door.Reject(r, by, access.Act{Permission: vitrine.LogView, Op: "follow"}, err)
	}
	s := &stream{w: w, to: web.NewWriter(w)}
	defer s.to.Done()
	enc := json.NewEncoder(s)
	err = a.Log.Follow(r.Context(), by, after, func(all []vitrine.Entry) error {
		for i := range all {
			if err := enc.Encode(&all[i]); err != nil {
				return err
			}
		}
		return s.to.Flush()
	})
	return a.end(s, r, err)
}

func (a *API) export(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	from, err := number(r, "from", 0)
	if err != nil {
		return a.Door.Reject(r, by, access.Act{Permission: vitrine.LogExport, Op: "export"}, err)
	}
	to, err := number(r, "to", 0)
	if err != nil {
		return a.Door.Reject(r, by, access.Act{Permission: vitrine.LogExport, Op: "export"}, err)
	}
	s := &stream{w: w, to: web.NewWriter(w)}
	defer s.to.Done()
	w.Header().Set("Content-Disposition", `attachment; filename="vitrine-log.ndjson"`)
	err = a.Log.Export(r.Context(), by, from, to, s)
	if err != nil && !s.begun {
		w.Header().Del("Content-Disposition")
	}
	return a.end(s, r, err)
}

// number reads a number of the address.
func number(r *http.Request, name string, otherwise int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < -1 {
		return 0, vitrine.Invalid(name, "invalid_parameter", "It is a number.")
	}
	return n, nil
}
