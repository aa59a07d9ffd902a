package rbac

import (
	"strings"

	"vitrine.dev/vitrine"
)

// Problem is one thing that is wrong with a policy.
type Problem struct {
	Ref   vitrine.Ref // of the object at fault
	Field string      // the field at fault as policy files write it: "grants[0].permissions[1]"; "" is the object
	Text  string      // what is wrong
}

// String is "kind/id: field: text".
func (p Problem) String() string {
	if p.Field == "" {
		return p.Ref.String() + ": " + p.Text
	}
	return p.Ref.String() + ": " + p.Field + ": " + p.Text
}

// Problems is everything that is wrong with a policy. It is an ErrInvalid.
type Problems []Problem

// maxShown is how many problems an error text holds.
const maxShown = 100

// Error is a line for each problem.
func (ps Problems) Error() string {
	var lines []string
	for _, p := range ps[:min(len(ps), maxShown)] {
		lines = append(lines, p.String())
	}
	if len(ps) > maxShown {
		lines = append(lines, "and more")
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes it an ErrInvalid.
func (ps Problems) Unwrap() error { return vitrine.ErrInvalid }
