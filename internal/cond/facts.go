package cond

import (
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"vitrine.dev/vitrine"
)

// clockSkew is how far in the future the second factor may have been shown:
// nodes do not agree on the time to the millisecond.
const clockSkew = time.Minute

// Errors of facts are made once: reading an absent fact allocates nothing.
var (
	errNow         = absent("the time is not known")
	errMFA         = absent("no second factor was shown")
	errMFAFuture   = absent("the second factor was shown in the future")
	errAddress     = absent("the caller's address is not known")
	errPrincipal   = absent("the caller is not known")
	errScope       = absent("the scope is not known")
	errCategory    = absent("this has no category")
	errEnvironment = absent("this is in no environment")
	errLong        = absent("a fact is too long")
)

func absent(text string) ref.Val { return types.NewErrFromString(text) }

// Values that come from a short list are made once too.
var (
	noText     ref.Val = types.String("")
	categories         = values(vitrine.Categories, func(c vitrine.Category) ref.Val { return types.String(c.String()) })
	tiers              = values(vitrine.Tiers, func(t vitrine.Tier) ref.Val { return types.Int(t) })
)

// values makes the value of each word, at the word's number.
func values[T ~uint8](words []T, value func(T) ref.Val) []ref.Val {
	out := make([]ref.Val, slices.Max(words)+1)
	for _, w := range words {
		out[w] = value(w)
	}
	return out
}

// activation is Facts as CEL looks at them. It is the same memory, so that an
// evaluation needs no map of its own.
type activation Facts

var _ cel.Activation = (*activation)(nil)

// Parent implements cel.Activation: there is nothing else to look at.
func (*activation) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation. An absent fact is an error value: CEL
// lets it win over everything but a true beside || and a false beside &&.
func (f *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "now":
		if f.Now.IsZero() {
			return errNow, true
		}
		return types.Timestamp{Time: f.Now}, true
	case "mfa_age":
		return f.mfaAge(), true
	case "address":
		if !f.Address.IsValid() {
			return errAddress, true
		}
		return types.String(f.Address.Unmap().String()), true
	case "key":
		return text(string(f.Key), noText), true
	case "end_user":
		return text(f.EndUser, noText), true
	case "principal":
		return text(string(f.Principal), errPrincipal), true
	case "scope":
		return text(string(f.Scope), errScope), true
	case "category":
		if f.Category == vitrine.CategoryUnknown || int(f.Category) >= len(categories) {
			return errCategory, true
		}
		return categories[f.Category], true
	case "tier":
		return tiers[f.Tier.Effective()], true
	case "environment":
		return text(string(f.Environment), errEnvironment), true
	case "owner":
		return text(string(f.Owner), noText), true
	}
	return nil, false
}

func (f *activation) mfaAge() ref.Val {
	switch age := f.Now.Sub(f.MFA); {
	case f.Now.IsZero():
		return errNow
	case f.MFA.IsZero():
		return errMFA
	case age < -clockSkew:
		return errMFAFuture
	default:
		return types.Duration{Duration: max(age, 0)}
	}
}

// text is s as a value, or none where s is absent.
func text(s string, none ref.Val) ref.Val {
	switch {
	case s == "":
		return none
	case len(s) > MaxFact:
		return errLong
	}
	return types.String(s)
}
