package api

import (
	"context"
	"net/http"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/web"
)

// proofs are the routes that prove what is in the log.
func (a *API) proofs() {
	type inclusion struct {
		Origin     string   `json:"origin"`
		Index      int64    `json:"index"`
		Leaf       []byte   `json:"leaf" doc:"What was hashed: the entry's bytes"`
		Path       [][]byte `json:"path" doc:"RFC 6962 §2.1.1, from the sibling of the leaf up"`
		Checkpoint string   `json:"checkpoint"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/log/proof/inclusion", Permission: vitrine.LogView, Summary: "Prove that an entry stands in the log", tag: "log", op: "prove"},
		func(ctx context.Context, by access.Caller, in *struct {
			Index int64 `query:"index" required:"true" minimum:"0" doc:"The entry's seq"`
			Size  int64 `query:"size" minimum:"0" doc:"Of the checkpoint to prove it in; the newest otherwise"`
		}) (*struct{ Body inclusion }, error) {
			p, err := a.Log.Inclusion(ctx, by, in.Index, in.Size)
			return &struct{ Body inclusion }{inclusion{a.Log.Origin(), p.Index, p.Leaf, hashList(p.Path), p.Checkpoint}}, err
		})
	type consistency struct {
		Origin string   `json:"origin"`
		From   string   `json:"from" doc:"The earlier checkpoint"`
		To     string   `json:"to" doc:"The later checkpoint, which continues it"`
		Path   [][]byte `json:"path" doc:"RFC 6962 §2.1.2"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/log/proof/consistency", Permission: vitrine.LogView, Summary: "Prove that the log continues an earlier checkpoint", tag: "log", op: "prove"},
		func(ctx context.Context, by access.Caller, in *struct {
			From int64 `query:"from" required:"true" minimum:"1" doc:"Size of the earlier checkpoint"`
			To   int64 `query:"to" minimum:"0" doc:"Size of the later one; the newest otherwise"`
		}) (*struct{ Body consistency }, error) {
			p, err := a.Log.Consistency(ctx, by, in.From, in.To)
			return &struct{ Body consistency }{consistency{a.Log.Origin(), p.From, p.To, hashList(p.Path)}}, err
		})
	file := Route{Method: "GET", Pattern: prefix + "/log/proof", Permission: vitrine.LogView, Summary: "A proof file: entries, and that they stand in the log, for verifying offline", tag: "log", op: "prove"}
	a.plain(file, a.proofFile)
	a.describe(file, "", ndjson, "resource", "entry", "from")
}

// hashList is hashes as JSON has them.
func hashList(all []merkle.Hash) [][]byte {
	list := make([][]byte, len(all))
	for i := range all {
		list[i] = all[i][:]
	}
	return list
}

func (a *API) proofFile(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	q, err := proofQuery(r)
	if err != nil {
		return a.Door.Reject(r, by, access.Act{Permission: vitrine.LogView, Op: "prove"}, err)
	}
	s := &stream{w: w, to: web.NewWriter(w)}
	defer s.to.Done()
	w.Header().Set("Content-Disposition", `attachment; filename="vitrine-proof.ndjson"`)
	err = a.Log.Prove(r.Context(), by, q, s)
	if err != nil && !s.begun {
		w.Header().Del("Content-Disposition")
	}
	return a.end(s, r, err)
}

func proofQuery(r *http.Request) (q audit.ProofQuery, err error) {
	q.Resource = vitrine.ID(r.URL.Query().Get("resource"))
	if q.Entry, err = number(r, "entry", -1); err != nil {
		return q, err
	}
	if (q.Resource == "") == (q.Entry < 0) {
		return q, vitrine.Invalid("resource", "invalid_parameter", "Name what to prove: either a resource or an entry.")
	}
	q.From, err = number(r, "from", 0)
	if err == nil && q.From < 0 {
		err = vitrine.Invalid("from", "invalid_parameter", "It is the size of a checkpoint.")
	}
	return q, err
}
