package policyfile

import (
	"fmt"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
)

// cycles reports roles that include, and groups that hold, each other in a
// circle. Circles through what is on the server are found there.
func (d *decoder) cycles() {
	roles, groups := graph{field: "includes", what: "roles include each other"}, graph{field: "members", what: "groups hold each other"}
	for _, o := range d.files.Objects {
		switch o := o.(type) {
		case *vitrine.Role:
			roles.add(o.Ref(), o.Includes)
		case *vitrine.Principal:
			groups.add(o.Ref(), o.Members)
		}
	}
	for _, g := range []*graph{&roles, &groups} {
		for _, ref := range g.order {
			g.walk(d, ref)
		}
	}
}

type graph struct {
	field, what string
	order       []vitrine.Ref
	next        map[vitrine.Ref][]vitrine.ID
	done        map[vitrine.Ref]bool
	path        []vitrine.Ref
}

func (g *graph) add(ref vitrine.Ref, next []vitrine.ID) {
	if g.next == nil {
		g.next, g.done = make(map[vitrine.Ref][]vitrine.ID), make(map[vitrine.Ref]bool)
	}
	g.order = append(g.order, ref)
	g.next[ref] = next
}

func (g *graph) walk(d *decoder, ref vitrine.Ref) {
	if g.done[ref] {
		return
	}
	g.path = append(g.path, ref)
	for i, id := range g.next[ref] {
		to := vitrine.Ref{Kind: ref.Kind, ID: id}
		from := slices.Index(g.path, to)
		if from < 0 {
			g.walk(d, to)
			continue
		}
		var names []string
		for _, r := range append(slices.Clone(g.path[from:]), to) {
			names = append(names, string(r.ID))
		}
		at, _ := d.files.Locate(ref, fmt.Sprintf("%s[%d]", g.field, i))
		d.problems = append(d.problems, Problem{at.File, at.Line, at.Column,
			fmt.Sprintf("%s in a circle: %s", g.what, strings.Join(names, " → "))})
	}
	g.path = g.path[:len(g.path)-1]
	g.done[ref] = true
}
