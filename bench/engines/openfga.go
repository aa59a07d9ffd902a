package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	parser "github.com/openfga/language/pkg/go/transformer"
	"github.com/openfga/openfga/pkg/server"
	"github.com/openfga/openfga/pkg/storage"
	"github.com/openfga/openfga/pkg/storage/memory"
	"github.com/openfga/openfga/pkg/tuple"

	"vitrine.dev/vitrine/internal/rbac/rbactest"
)

// fgaEngine asks OpenFGA's server as a library, over its store in memory. That
// store reads all tuples for every look-up, so its best encoding has as few as
// can be: who may do what is a relation to the project, and it is asked about
// the project, since each dataset would be a tuple too. Its caches stay off, as
// they are unless told otherwise: they may answer what held before.
type fgaEngine struct {
	server   *server.Server
	requests []*openfgav1.CheckRequest
}

func (e *fgaEngine) load(w *world) error {
	ctx := context.Background()
	store := memory.New(memory.WithMaxTuplesPerWrite(1 << 30))
	var err error
	if e.server, err = server.NewServerWithOpts(server.WithDatastore(store)); err != nil {
		return err
	}
	made, err := e.server.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: "bench"})
	if err != nil {
		return err
	}
	model, err := parser.TransformDSLToProto(fgaModel(w))
	if err != nil {
		return err
	}
	wrote, err := e.server.WriteAuthorizationModel(ctx, &openfgav1.WriteAuthorizationModelRequest{
		StoreId: made.GetId(), TypeDefinitions: model.GetTypeDefinitions(), SchemaVersion: model.GetSchemaVersion(),
	})
	if err != nil {
		return err
	}
	if err := store.Write(ctx, made.GetId(), nil, fgaTuples(w)); err != nil {
		return err
	}
	for _, q := range w.questions {
		e.requests = append(e.requests, &openfgav1.CheckRequest{
			StoreId: made.GetId(), AuthorizationModelId: wrote.GetAuthorizationModelId(),
			TupleKey: &openfgav1.CheckRequestTupleKey{
				User: "user:" + string(q.User), Relation: relation(q.Action()), Object: "project:" + string(w.project[q.Dataset]),
			},
		})
	}
	return nil
}

func relation(action string) string { return strings.NewReplacer(".", "_", ":", "_").Replace(action) }

func fgaModel(w *world) string {
	var all []string
	for _, r := range w.Roles {
		all = append(all, rbactest.Actions(r)...)
	}
	for _, q := range w.questions { // what nobody may do is asked about too
		all = append(all, q.Action())
	}
	slices.Sort(all)
	var b strings.Builder
	b.WriteString("model\n  schema 1.1\ntype user\ntype group\n  relations\n    define member: [user, group#member]\ntype project\n  relations\n")
	for _, a := range slices.Compact(all) {
		fmt.Fprintf(&b, "    define %s: [user, group#member]\n", relation(a))
	}
	return b.String()
}

func fgaTuples(w *world) storage.Writes {
	groups := map[string]bool{}
	for _, g := range w.Groups {
		groups[string(g.ID)] = true
	}
	name := func(id string) string {
		if groups[id] {
			return "group:" + id + "#member"
		}
		return "user:" + id
	}
	var all storage.Writes
	for member, group := range w.up {
		all = append(all, tuple.NewTupleKey("group:"+string(group), "member", name(string(member))))
	}
	for project, actions := range w.holders() {
		for action, who := range actions {
			slices.Sort(who)
			for _, p := range slices.Compact(who) {
				all = append(all, tuple.NewTupleKey("project:"+string(project), relation(action), name(string(p))))
			}
		}
	}
	return all
}

func (e *fgaEngine) ask(i int) (bool, error) {
	r, err := e.server.Check(context.Background(), e.requests[i])
	return r.GetAllowed(), err
}
