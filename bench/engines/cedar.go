package main

import (
	"errors"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"vitrine.dev/vitrine"
)

// cedarEngine asks cedar-go. It evaluates every policy for every question, so
// its best encoding is one policy, with the grants as tags of the projects:
// action to the set of those who may do it there. (Tried and slower: a policy
// for each binding, 200 times; sets of a user's groups instead of the hierarchy,
// 1.6 times.)
type cedarEngine struct {
	policies *cedar.PolicySet
	entities types.EntityMap
	requests []cedar.Request
}

const cedarPolicy = `permit(principal, action, resource) when {
	resource.project.hasTag(context.need) && principal in resource.project.getTag(context.need)
};`

func (e *cedarEngine) load(w *world) (err error) {
	if e.policies, err = cedar.NewPolicySetFromBytes("policy.cedar", []byte(cedarPolicy)); err != nil {
		return err
	}
	uid := func(kind types.EntityType, id vitrine.ID) types.EntityUID {
		return types.NewEntityUID(kind, types.String(id))
	}
	e.entities = make(types.EntityMap, len(w.Users)+len(w.Groups)+len(w.Projects)+len(w.Resources))
	put := func(x types.Entity) { e.entities[x.UID] = x }
	for _, all := range [][]*vitrine.Principal{w.Users, w.Groups} {
		for _, p := range all {
			x := types.Entity{UID: uid("Principal", p.ID)}
			if g, ok := w.up[p.ID]; ok {
				x.Parents = types.NewEntityUIDSet(uid("Principal", g))
			}
			put(x)
		}
	}
	for project, actions := range w.holders() {
		tags := types.RecordMap{}
		for action, who := range actions {
			var set []types.Value
			for _, p := range who {
				set = append(set, uid("Principal", p))
			}
			tags[types.String(action)] = types.NewSet(set...)
		}
		put(types.Entity{UID: uid("Project", project), Tags: types.NewRecord(tags)})
	}
	for _, o := range w.Resources {
		put(types.Entity{UID: uid("Dataset", o.ID), Attributes: types.NewRecord(types.RecordMap{"project": uid("Project", o.Project)})})
	}
	for _, q := range w.questions {
		e.requests = append(e.requests, cedar.Request{
			Principal: uid("Principal", q.User), Action: uid("Action", "do"), Resource: uid("Dataset", q.Dataset),
			Context: types.NewRecord(types.RecordMap{"need": types.String(q.Action())}),
		})
	}
	return nil
}

func (e *cedarEngine) ask(i int) (bool, error) {
	d, diagnostic := cedar.Authorize(e.policies, e.entities, e.requests[i])
	if len(diagnostic.Errors) > 0 {
		return false, errors.New(diagnostic.Errors[0].Message)
	}
	return d == cedar.Allow, nil
}
