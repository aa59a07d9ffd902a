package second_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go/types"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/bench/second"
	"vitrine.dev/vitrine/internal/rbac"
)

const (
	seed      = 1
	policies  = 500
	questions = 200 // of each policy
)

// TestTheSecondOpinionIsTheSame asks a hundred thousand questions of 500 random
// policies, of the engine and of Cedar.
func TestTheSecondOpinionIsTheSame(t *testing.T) {
	asked := map[vitrine.Code]int{}
	for n := range policies {
		if err := compare(seed, n, questions, nil, asked); err != nil {
			t.Fatal(err)
		}
	}
	// What is never asked is never found.
	for _, code := range []vitrine.Code{
		vitrine.CodeAllowed, vitrine.CodeNoRole, vitrine.CodePermission, vitrine.CodeCategory, vitrine.CodeTier, vitrine.CodeModel, vitrine.CodeFormat,
		vitrine.CodeRespFormat, vitrine.CodeSize, vitrine.CodeN, vitrine.CodeOutOfTime, vitrine.CodeRoleOff, vitrine.CodeOutOfScope, vitrine.CodeDenyRule,
		vitrine.CodePeopleOnly, vitrine.CodeInactive,
	} {
		if asked[code] < 50 {
			t.Errorf("only %d questions were answered with %s", asked[code], code)
		}
	}
	t.Logf("%d questions: %v", policies*questions, asked)
}

// bugs are errors in a copy of the mapping.
var bugs = []struct {
	name  string
	plant func(m *second.Mapping)
}{
	{"an end includes its instant", replaces("context.now < ", "context.now <= ")},
	{"a beginning excludes its instant", replaces("context.now >= ", "context.now > ")},
	{"denies are forgotten", drops(`@deny[^;]*;\n`)},
	{"nobody is spared by a deny", drops(` unless \{ principal (==|in)[^}]*\}`)},
	{"a deny of a part leaves the whole", func(m *second.Mapping) {
		leaves(m, "Action", func(child, parent types.EntityUID) bool { return parent.Type != "Withheld" || parent.ID == child.ID })
	}},
	{"a grant of the whole is none of its parts", func(m *second.Mapping) {
		leaves(m, "Action", func(child, parent types.EntityUID) bool { return parent.Type != "Holds" || parent.ID == child.ID })
	}},
	{"groups in groups do not count", func(m *second.Mapping) { leaves(m, "Bears", none) }},
	{"groups in groups are not denied", func(m *second.Mapping) { leaves(m, "In", none) }},
	{"groups that are disabled give", bearAll},
	{"included roles do not count", drops(`@included[^;]*;\n`)},
	{"datasets do not lie in projects", func(m *second.Mapping) {
		leaves(m, "Scope", func(child, _ types.EntityUID) bool { return !strings.HasPrefix(string(child.ID), "d") })
	}},
	{"an unknown tier is below all", replaces(", 0]", "]")},
	{"unknown tiers are nobody's business", replaces("[1", "[0, 1")},
	{"restricted is confidential", replaces("3]", "3, 4]")},
	{"categories are not compared", changes(`\[[^\]]*\]\.contains\(resource\.category\)`, "true")},
	{"models are not compared", changes(`\[[^\]]*\]\.contains\(context\.model\)`, "true")},
	{"one image more is allowed", changes(`context\.n <= `, "context.n <= 1 + ")},
	{"who is disabled may", replaces("unless { principal has active && principal.active }", "when { false }")},
	{"services may what people may", replaces("unless { principal has human && principal.human }", "when { false }")},
	{"services work anywhere", replaces(`principal.environment != ""`, "false")},
}

// TestPlantedBugsAreFound holds that the comparison can fail: each error is
// found, and within a fifth of the questions.
func TestPlantedBugsAreFound(t *testing.T) {
	for _, bug := range bugs {
		t.Run(bug.name, func(t *testing.T) {
			for n := range policies / 5 {
				err := compare(seed, n, questions, bug.plant, nil)
				if d := (*difference)(nil); errors.As(err, &d) {
					return
				}
				if err != nil {
					t.Fatal(err) // it was planted so that Cedar noticed itself
				}
			}
			t.Error("not found")
		})
	}
}

// compare asks questions of one random policy and reports the first on which the
// two engines differ. It counts why, if it is given somewhere to.
func compare(seed uint64, n, questions int, plant func(*second.Mapping), asked map[vitrine.Code]int) error {
	w := world{rand.New(rand.NewPCG(seed, uint64(n)))}
	objects := w.policy()
	p, err := rbac.Compile(1, objects)
	if err != nil {
		return fmt.Errorf("policy %d: %w", n, err)
	}
	m := second.Map(objects)
	if plant != nil {
		plant(m)
	}
	if err := m.Compile(); err != nil {
		return fmt.Errorf("policy %d: %w", n, err)
	}
	for i := range questions {
		q := w.question()
		got := p.Decide(&q)
		want, err := m.Ask(&q)
		if err != nil {
			return fmt.Errorf("policy %d, question %d, %+v: Cedar: %w", n, i, q, err)
		}
		if got.Allow != want {
			return &difference{n, i, q, got, m.Text}
		}
		if asked != nil {
			asked[got.Code]++
		}
	}
	return nil
}

// difference is a question on which the two engines differ.
type difference struct {
	policy, number int
	question       rbac.Question
	ours           vitrine.Decision
	cedar          string // the policy
}

func (d *difference) Error() string {
	return fmt.Sprintf("policy %d, question %d, %+v: the engine says %v (%s by binding %q), Cedar does not, of\n%s",
		d.policy, d.number, d.question, d.ours.Allow, d.ours.Code, d.ours.Binding, d.cedar)
}

func replaces(old, with string) func(*second.Mapping) {
	return func(m *second.Mapping) { m.Text = strings.ReplaceAll(m.Text, old, with) }
}

func changes(old, with string) func(*second.Mapping) {
	re := regexp.MustCompile(old)
	return func(m *second.Mapping) { m.Text = re.ReplaceAllString(m.Text, with) }
}

func drops(old string) func(*second.Mapping) { return changes(old, "") }

func none(_, _ types.EntityUID) bool { return false }

// leaves keeps some of what entities of a kind lie in.
func leaves(m *second.Mapping, kind types.EntityType, keep func(child, parent types.EntityUID) bool) {
	for id, e := range m.Entities {
		if id.Type == kind {
			e.Parents = types.NewEntityUIDSet(slices.DeleteFunc(slices.Collect(e.Parents.All()), func(p types.EntityUID) bool { return !keep(id, p) })...)
			m.Entities[id] = e
		}
	}
}

// bearAll lets bindings come through every group.
func bearAll(m *second.Mapping) {
	for id, e := range maps.Clone(m.Entities) {
		if id.Type != "Principal" && id.Type != "Bears" {
			continue
		}
		in := e
		if id.Type == "Bears" {
			in = m.Entities[types.NewEntityUID("In", id.ID)]
		}
		all := slices.Collect(e.Parents.All())
		for p := range in.Parents.All() {
			if p.Type == "In" {
				all = append(all, types.NewEntityUID("Bears", p.ID))
			}
		}
		e.Parents = types.NewEntityUIDSet(all...)
		m.Entities[id] = e
	}
}
