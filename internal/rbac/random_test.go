package rbac_test

import (
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/reference"
)

// noon is when tests ask.
var noon = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

// worlds is how many random policies each property is held against.
const worlds = 150

func compile(t testing.TB, objects []vitrine.Object) *rbac.Policy {
	t.Helper()
	p, err := rbac.Compile(7, objects)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// each runs fn on random policies that are administered; a failure names the
// seed.
func each(t *testing.T, fn func(t *testing.T, r reference.Random, now told)) {
	t.Helper()
	for seed := range uint64(worlds) {
		r := reference.NewRandom(seed)
		now, err := story{objects: r.Administered(rbac.Predefined())}.tell()
		if err != nil {
			t.Fatal(err)
		}
		if fn(t, r, now); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// frame is what every policy stands in: places, and owners who have enrolled.
func frame() []vitrine.Object {
	objects := []vitrine.Object{
		&vitrine.Organization{ID: "org"},
		&vitrine.Project{ID: "p0", Environment: vitrine.Production},
		&vitrine.Project{ID: "p1", Environment: vitrine.Staging},
		&vitrine.Dataset{ID: "d0", Project: "p0", Category: vitrine.Generated, Owner: "alice"},
		&vitrine.Dataset{ID: "d1", Project: "p0", Category: vitrine.Training, Owner: "adam"},
		&vitrine.Dataset{ID: "d2", Project: "p1", Category: vitrine.Reference},
		&vitrine.Dataset{ID: "d3", Project: "p1", Category: vitrine.Generated},
		&vitrine.Provider{ID: "studio", Kind: vitrine.Studio},
		&vitrine.Deployment{ID: "p0/hidream", Project: "p0", Model: "hidream", Provider: "studio"},
		&vitrine.Deployment{ID: "p0/flux", Project: "p0", Model: "flux", Provider: "studio"},
		&vitrine.Deployment{ID: "p1/hidream", Project: "p1", Model: "hidream", Provider: "studio"},
	}
	for _, r := range rbac.Predefined() {
		if r.ID == rbac.OwnerRole {
			objects = append(objects, r)
		}
	}
	for _, id := range []vitrine.ID{"alice", "adam"} {
		objects = append(objects, &vitrine.Principal{ID: id, Kind: vitrine.User, Enrolled: noon},
			&vitrine.Binding{ID: "owner-" + id, Role: rbac.OwnerRole, Principal: id, Scope: "org"})
	}
	return objects
}
