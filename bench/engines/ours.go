package main

import (
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/rbactest"
)

// bare is the limit: masks flattened for each user, found by strings.
type bare struct {
	masks     *rbactest.Bare
	questions []rbactest.Question
}

func (e *bare) load(w *world) error {
	e.masks, e.questions = w.Bare(), w.questions
	return nil
}

func (e *bare) ask(i int) (bool, error) {
	q := &e.questions[i]
	return e.masks.Allows(q.User, q.Permission, q.Dataset), nil
}

// ours is the engine as it is, asked as the guard asks it: strings in, the
// whole decision with its reason out.
type ours struct {
	policy    *rbac.Policy
	questions []rbac.Question
}

func (e *ours) load(w *world) (err error) {
	e.questions = make([]rbac.Question, len(w.questions))
	for i := range w.questions {
		w.questions[i].Ask(&e.questions[i])
	}
	e.policy, err = rbac.Compile(1, w.Objects())
	return err
}

func (e *ours) ask(i int) (bool, error) {
	d := e.policy.Decide(&e.questions[i])
	return d.Allow, nil
}
