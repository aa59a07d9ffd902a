// Package rbactest makes worlds to measure the decision engine with, and the
// least that could answer the same questions: a loop over flattened masks.
//
// A World is a company of a Size: people in teams, teams in departments, roles,
// projects, and resources that lie in the projects. A resource is a dataset of
// its own, so that the policy itself knows all of them, and a question is about
// an image in it. The same size is always the same world, on every machine.
//
// Bare is what is left of deciding when nobody asks for a reason, a time, a
// condition, a key or a deny rule: it is the limit that benchmarks compare
// with, not a product. It shares no code with package rbac, and both must give
// the same answers to every question.
//
// The package is for benchmarks and tests; nothing that is served imports it.
package rbactest

import (
	"time"

	"vitrine.dev/vitrine"
)

// Size is how large a world is.
type Size struct {
	Name      string
	Users     int
	Groups    int // a tenth of them are departments, which hold the others: the teams
	Roles     int
	Projects  int
	Resources int
	Bindings  int // of teams, departments and some users, at projects
	Own       int // bindings of each user besides
}

// The sizes that benchmarks compare.
var (
	Small   = Size{"small", 100, 10, 10, 10, 1_000, 43, 0}
	Medium  = Size{"medium", 10_000, 500, 100, 1_000, 100_000, 4_003, 0}
	Million = Size{"million", 1_000_000, 50_000, 100, 10_000, 1_000_000, 400_000, 0}
	// Crowd is a million people with ten bindings each.
	Crowd = Size{"crowd", 1_000_000, 1_000, 100, 10_000, 100_000, 0, 10}
)

// Organization is the id of every world's organization.
const Organization vitrine.ID = "org"

// Now is the instant at which questions are asked.
var Now = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// Permissions are those that questions ask for.
var Permissions = []vitrine.Permission{
	vitrine.ImageView, vitrine.ImageOpen, vitrine.ImageExport, vitrine.ImageCreate,
	vitrine.ImageUpdate, vitrine.ImageClassify, vitrine.ImageDelete, vitrine.DatasetView,
}
