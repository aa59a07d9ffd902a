package rbac

import (
	"fmt"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
)

// graph walks what includes or holds each other and finds circles.
type graph struct {
	field, what string
	next        func(vitrine.ID) []vitrine.ID
	order       []vitrine.Ref // everything walked, what is reached before what reaches it
	state       map[vitrine.ID]int8
	path        []vitrine.ID
	problems    Problems
}

// The states of a node.
const (
	unseen int8 = iota
	open
	done
)

func newGraph(field, what string, next func(vitrine.ID) []vitrine.ID) *graph {
	return &graph{field: field, what: what, next: next, state: map[vitrine.ID]int8{}}
}

// step is a node and how many of its edges were followed.
type step struct {
	ref  vitrine.Ref
	next []vitrine.ID
	i    int
}

// walk follows everything from ref. It keeps its own stack: how deep roles or
// groups nest is not ours to choose.
func (g *graph) walk(ref vitrine.Ref) {
	if g.state[ref.ID] != unseen {
		return
	}
	stack := []step{g.enter(ref)}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.i == len(top.next) {
			g.state[top.ref.ID] = done
			g.order = append(g.order, top.ref)
			g.path = g.path[:len(g.path)-1]
			stack = stack[:len(stack)-1]
			continue
		}
		to := vitrine.Ref{Kind: ref.Kind, ID: top.next[top.i]}
		top.i++
		switch g.state[to.ID] {
		case unseen:
			stack = append(stack, g.enter(to))
		case open:
			g.circle(top.ref, top.i-1, to.ID)
		}
	}
}

func (g *graph) enter(ref vitrine.Ref) step {
	g.state[ref.ID] = open
	g.path = append(g.path, ref.ID)
	return step{ref: ref, next: g.next(ref.ID)}
}

func (g *graph) circle(ref vitrine.Ref, edge int, to vitrine.ID) {
	var ids []string
	for _, id := range append(slices.Clone(g.path[slices.Index(g.path, to):]), to) {
		ids = append(ids, string(id))
	}
	g.problems = append(g.problems, Problem{ref, fmt.Sprintf("%s[%d]", g.field, edge),
		fmt.Sprintf("%s in a circle: %s", g.what, strings.Join(ids, " → "))})
}
