package main

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"vitrine.dev/vitrine"
)

// opaEngine asks OPA as a library: a prepared query, a store that answers with
// parsed values, and input that is parsed before the clock runs. Its best
// encoding looks up, and searches nothing but the user's groups.
type opaEngine struct {
	query  rego.PreparedEvalQuery
	inputs []ast.Value
}

const opaPolicy = `package vitrine

default allow := false

allow if {
	holders := data.can[data.project[input.dataset]][input.action]
	some group in data.groups[input.user]
	holders[group]
}`

func (e *opaEngine) load(w *world) error {
	ctx := context.Background()
	data := map[string]any{"can": opaGrants(w), "project": texts(w.project), "groups": opaGroups(w)}
	store := inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true), inmem.OptRoundTripOnWrite(false))
	var err error
	e.query, err = rego.New(rego.Query("data.vitrine.allow"), rego.Module("policy.rego", opaPolicy), rego.Store(store)).PrepareForEval(ctx)
	if err != nil {
		return err
	}
	for _, q := range w.questions {
		input, err := ast.InterfaceToValue(map[string]any{"user": string(q.User), "dataset": string(q.Dataset), "action": q.Action()})
		if err != nil {
			return err
		}
		e.inputs = append(e.inputs, input)
	}
	return nil
}

func texts(m map[vitrine.ID]vitrine.ID) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[string(k)] = string(v)
	}
	return out
}

// opaGrants is project, action, holder.
func opaGrants(w *world) map[string]any {
	can := map[string]any{}
	for project, actions := range w.holders() {
		at := map[string]any{}
		for action, who := range actions {
			set := map[string]any{}
			for _, p := range who {
				set[string(p)] = true
			}
			at[action] = set
		}
		can[string(project)] = at
	}
	return can
}

// opaGroups are, of each user, itself and all its groups.
func opaGroups(w *world) map[string]any {
	groups := map[string]any{}
	for _, u := range w.Users {
		var all []any
		for who := u.ID; who != ""; who = w.up[who] {
			all = append(all, string(who))
		}
		groups[string(u.ID)] = all
	}
	return groups
}

func (e *opaEngine) ask(i int) (bool, error) {
	rs, err := e.query.Eval(context.Background(), rego.EvalParsedInput(e.inputs[i]))
	return rs.Allowed(), err
}
