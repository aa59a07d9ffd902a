// Package cond compiles and evaluates conditions: what must hold, besides the
// role, for a binding to count. A condition is one CEL expression that is true
// or false, over a closed set of facts about the caller and about the indexed
// attributes of a resource:
//
//	now        timestamp  the instant of the decision
//	mfa_age    duration   how long ago the second factor was shown
//	address    string     where the request came from
//	key        string     id of the key used; "" in a session
//	end_user   string     whom the caller says it acts for; "" is nobody
//	principal  string     id of the caller
//
//	scope        string   id of the dataset, project, deployment or organization
//	category     string   "training", "reference", "generated", ...
//	tier         int      public < internal < confidential < restricted
//	environment  string   "experimental", "staging" or "production"
//	owner        string   id of the owner; "" has none
//
// with the standard functions of CEL, without macros, and one more:
//
//	inCIDR(address, "10.0.0.0/8", ...)   whether an address lies in a network
//
// So: tier <= internal && mfa_age < duration("15m"), or
// inCIDR(address, "10.0.0.0/8") && now.getHours("Europe/Berlin") < 18. The
// guide is docs/conditions.md.
//
// The package does not decide: package rbac asks it about each binding. Nothing
// that a condition can say reads a file, opens a connection, waits, or differs
// between two nodes given the same facts.
//
// The invariant: an error never allows. A fact that is absent and for which ""
// has no meaning (no second factor was shown; the organization is in no
// environment) is an error when it is read, so that neither a comparison nor
// its negation holds by accident. As in all CEL, a || b holds where b does,
// even if a errs.
//
// The surprising choices: networks, patterns and time zones must be written out
// as literals, and environments, categories and tiers are checked against the
// words that exist, so that a mistake is found when the condition is written
// and not when it silently fails to match. Cost is bounded twice, by an
// estimate at Compile that assumes the longest facts, and by a count at Eval.
package cond

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"vitrine.dev/vitrine"
)

// MaxText is the longest condition, in bytes.
const MaxText = 2 << 10

// MaxFact is the longest text of a fact, in bytes. A longer one is an error
// where it is read: the estimate of costs would not hold for it.
const MaxFact = 1 << 10

// Facts are what a condition may look at. The zero value of a field is a fact
// that is absent.
type Facts struct {
	// Of the caller.
	Now       time.Time  // absent: an error where it is read
	MFA       time.Time  // when the second factor was shown; absent: an error
	Address   netip.Addr // absent: an error
	Key       vitrine.ID // absent: "", not by key
	EndUser   string     // absent: "", none was asserted
	Principal vitrine.ID // absent: an error
	// Of the resource: indexed attributes only, so that lists stay exact.
	Scope       vitrine.ID          // absent: an error
	Category    vitrine.Category    // absent: an error
	Tier        vitrine.Tier        // absent: restricted, as everywhere
	Environment vitrine.Environment // absent: an error
	Owner       vitrine.ID          // absent: "", nobody owns it
}

// Program is a compiled condition. It is immutable and safe for concurrent use.
type Program struct {
	text     string
	program  cel.Program
	owner    bool
	resource bool
}

// Error is what is wrong with the text of a condition, and where.
type Error struct {
	Line, Column int // from 1; column counts characters
	Text         string
}

// Error says the place first.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Text)
}

// Compile parses a condition, checks its types, that it can only be true or
// false, that its literals mean something and that its estimated cost is
// bounded. The error is an *Error with the first problem found.
func Compile(text string) (p *Program, err error) {
	defer func() {
		// The parser is not ours and conditions come from files: one that breaks
		// it is a broken condition, not a broken server.
		if r := recover(); r != nil {
			p, err = nil, &Error{1, 1, fmt.Sprintf("this cannot be understood (%v)", r)}
		}
	}()
	l, err := theLanguage()
	if err != nil {
		return nil, err
	}
	return l.compile(text)
}

// String is the text of the condition.
func (p *Program) String() string { return p.text }

// Eval reports whether the condition holds. An error means that it could not be
// told: it must count as false, and be noted. Eval keeps nothing of f.
func (p *Program) Eval(f *Facts) (holds bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			holds, err = false, fmt.Errorf("evaluate condition: %v", r)
		}
	}()
	out, _, err := p.program.Eval((*activation)(f))
	if err != nil {
		return false, fmt.Errorf("evaluate condition: %w", err)
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, errors.New("evaluate condition: the answer is neither true nor false")
	}
	return bool(b), nil
}

// UsesOwner reports whether the answer may depend on the owner, which differs
// from image to image in a dataset.
func (p *Program) UsesOwner() bool { return p.owner }

// UsesResource reports whether the answer may depend on any attribute of the
// resource, the owner included. Otherwise it is the same for all resources.
func (p *Program) UsesResource() bool { return p.resource }
