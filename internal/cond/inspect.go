package cond

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"vitrine.dev/vitrine"
)

// words are the values that a fact from a short list can have.
var words = map[string][]string{
	"environment": {string(vitrine.Experimental), string(vitrine.Staging), string(vitrine.Production)},
	"category":    names(vitrine.Categories),
}

func names[T fmt.Stringer](of []T) []string {
	var out []string
	for _, v := range of {
		out = append(out, v.String())
	}
	return out
}

// inspect walks a checked condition: it notes which facts it reads and refuses
// literals that can mean nothing.
func (p *Program) inspect(a *ast.AST) (err error) {
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if err != nil {
			return
		}
		switch e.Kind() {
		case ast.IdentKind:
			p.note(identifier(e))
		case ast.CallKind:
			if at, text := checkCall(e.AsCall()); at != nil {
				where := a.SourceInfo().GetStartLocation(at.ID())
				err = &Error{max(where.Line(), 1), max(where.Column()+1, 1), text}
			}
		}
	}))
	return err
}

func (p *Program) note(name string) {
	for _, f := range resourceFacts {
		p.resource = p.resource || f.name == name
	}
	p.owner = p.owner || name == "owner"
}

// identifier is the name that e reads, or "". A leading dot is CEL's way to say
// that a name is meant from the root.
func identifier(e ast.Expr) string {
	if e.Kind() != ast.IdentKind {
		return ""
	}
	return strings.TrimPrefix(e.AsIdent(), ".")
}

// checkCall answers the argument that is wrong, and why.
func checkCall(c ast.CallExpr) (at ast.Expr, text string) {
	switch name := c.FunctionName(); {
	case name == "inCIDR":
		return checkAll(c.Args()[1:], checkNetwork)
	case name == overloads.Matches:
		return checkAll(c.Args()[len(c.Args())-1:], checkPattern)
	case isZoneFunc(name):
		return checkAll(c.Args(), checkZone)
	case name == operators.Equals, name == operators.NotEquals:
		x, y := c.Args()[0], c.Args()[1]
		if at, text = checkWord(x, y); at == nil {
			at, text = checkWord(y, x)
		}
		return at, text
	case name == operators.In && c.Args()[1].Kind() == ast.ListKind:
		return checkAll(c.Args()[1].AsList().Elements(), func(e ast.Expr) string {
			_, text := checkWord(c.Args()[0], e)
			return text
		})
	}
	return nil, ""
}

func checkAll(args []ast.Expr, check func(ast.Expr) string) (ast.Expr, string) {
	for _, e := range args {
		if text := check(e); text != "" {
			return e, text
		}
	}
	return nil, ""
}

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

func checkNetwork(e ast.Expr) string {
	s, ok := literal(e)
	if !ok {
		return "write the network out, as in \"10.0.0.0/8\""
	}
	n, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return fmt.Sprintf("%q is no network: want an address, a slash and a number of bits", s)
	case n != n.Masked():
		return fmt.Sprintf("%q has bits set beyond its length: %s is the network", s, n.Masked())
	case n.Addr().Is4In6():
		return fmt.Sprintf("%q: write the network as IPv4", s)
	}
	return ""
}

func checkPattern(e ast.Expr) string {
	s, ok := literal(e)
	if !ok {
		return "write the pattern out: it is compiled once"
	}
	if _, err := regexp.Compile(s); err != nil {
		return clip(err.Error())
	}
	return ""
}

func isZoneFunc(name string) bool {
	for _, f := range zoneFuncs {
		if f.name == name {
			return true
		}
	}
	return false
}

func checkZone(e ast.Expr) string {
	s, ok := literal(e)
	if !ok {
		return "write the time zone out, as in \"Europe/Berlin\" or \"+01:00\""
	}
	if _, err := zoneOf(s); err != nil {
		return err.Error() + ": want a name such as \"Europe/Berlin\" or an offset such as \"+01:00\""
	}
	return ""
}

// checkWord refuses to compare a fact from a short list with a word that is not
// on it.
func checkWord(fact, with ast.Expr) (ast.Expr, string) {
	name := identifier(fact)
	s, ok := literal(with)
	list := words[name]
	if !ok || list == nil || slices.Contains(list, s) {
		return nil, ""
	}
	return with, fmt.Sprintf("%q is no %s: want one of %s", s, name, strings.Join(list, ", "))
}
