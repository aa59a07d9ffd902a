package cond

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"vitrine.dev/vitrine"
)

// The bounds of a condition. A unit of cost is about one operation, and one
// tenth of a unit is about one character looked at.
const (
	maxCost    = 2_000 // estimated at Compile, counted at Eval
	maxDepth   = 50    // of nesting
	maxNodes   = 1_000 // of the expression
	maxRegex   = 500   // instructions of a compiled pattern
	maxMessage = 300   // of a problem, in bytes
)

// language is CEL with our words. It is made once.
type language struct{ env *cel.Env }

var theLanguage = sync.OnceValues(newLanguage)

// resourceFacts are the facts that belong to the resource.
var resourceFacts = []struct {
	name string
	kind *cel.Type
}{
	{"scope", cel.StringType},
	{"category", cel.StringType},
	{"tier", cel.IntType},
	{"environment", cel.StringType},
	{"owner", cel.StringType},
}

func newLanguage() (*language, error) {
	options := []cel.EnvOption{
		cel.StdLib(),
		cel.ClearMacros(), // nothing to iterate over
		cel.ParserExpressionSizeLimit(MaxText),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegex),
		cel.Variable("now", cel.TimestampType),
		cel.Variable("mfa_age", cel.DurationType),
		cel.Variable("address", cel.StringType),
		cel.Variable("key", cel.StringType),
		cel.Variable("end_user", cel.StringType),
		cel.Variable("principal", cel.StringType),
		inCIDR(),
	}
	for _, f := range resourceFacts {
		options = append(options, cel.Variable(f.name, f.kind))
	}
	for _, t := range vitrine.Tiers {
		options = append(options, cel.Constant(t.String(), cel.IntType, types.Int(t)))
	}
	env, err := cel.NewCustomEnv(append(options, zones()...)...)
	if err != nil {
		return nil, fmt.Errorf("make the language of conditions: %w", err)
	}
	return &language{env}, nil
}

func (l *language) compile(text string) (*Program, error) {
	switch {
	case len(text) > MaxText:
		return nil, &Error{1, 1, fmt.Sprintf("a condition has at most %d bytes", MaxText)}
	case !utf8.ValidString(text):
		return nil, &Error{1, 1, "this is not UTF-8 text"}
	case strings.TrimSpace(text) == "":
		return nil, &Error{1, 1, "an empty condition says nothing; leave it out"}
	}
	checked, issues := l.env.Compile(text)
	if issues.Err() != nil {
		return nil, firstIssue(issues)
	}
	if checked.OutputType() != cel.BoolType {
		return nil, &Error{1, 1, fmt.Sprintf("a condition is true or false; this is %s", checked.OutputType())}
	}
	p := &Program{text: text}
	if err := p.inspect(checked.NativeRep()); err != nil {
		return nil, err
	}
	most, err := l.env.EstimateCost(checked, sizes{})
	if err != nil {
		return nil, &Error{1, 1, "its cost cannot be estimated: " + clip(err.Error())}
	}
	if most.Max > maxCost {
		return nil, &Error{1, 1, fmt.Sprintf("it could cost %d to evaluate; the limit is %d", most.Max, maxCost)}
	}
	p.program, err = l.env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		return nil, &Error{1, 1, clip(err.Error())}
	}
	return p, nil
}

// firstIssue is what CEL says first, in one line. What comes after it is often
// only a consequence.
func firstIssue(issues *cel.Issues) *Error {
	all := issues.Errors()
	if len(all) == 0 {
		return &Error{1, 1, clip(issues.Err().Error())}
	}
	e := all[0]
	return &Error{max(e.Location.Line(), 1), max(e.Location.Column()+1, 1), clip(e.Message)}
}

func clip(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + "..."
}

// sizes tells the estimator how long a fact may be.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	if n.Type() == nil || n.Type().Kind() != types.StringKind || len(n.Path()) != 1 {
		return nil
	}
	return &cost.SizeEstimate{Min: 0, Max: MaxFact}
}

// EstimateCallCost implements cost.Estimator: the standard costs.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// maxNetworks is how many networks one call of inCIDR may name.
const maxNetworks = 8

func inCIDR() cel.EnvOption {
	args := []*cel.Type{cel.StringType}
	var overloads []cel.FunctionOpt
	for n := range maxNetworks {
		args = append(args, cel.StringType)
		overloads = append(overloads, cel.Overload(fmt.Sprintf("in_cidr_%d", n+1), append([]*cel.Type(nil), args...), cel.BoolType,
			cel.FunctionBinding(inNetworks)))
	}
	return cel.Function("inCIDR", overloads...)
}

func inNetworks(args ...ref.Val) ref.Val {
	a, err := netip.ParseAddr(string(args[0].(types.String)))
	if err != nil {
		return types.NewErrFromString("this is no address")
	}
	a = a.Unmap().WithZone("")
	for _, arg := range args[1:] {
		network, err := netip.ParsePrefix(string(arg.(types.String)))
		if err != nil {
			return types.NewErrFromString("this is no network")
		}
		if network.Contains(a) {
			return types.True
		}
	}
	return types.False
}
