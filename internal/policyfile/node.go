package policyfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// node is what a policy file may consist of: text, lists and mappings. Numbers
// and booleans are their text; what they mean depends on the field.
type node struct {
	form         form
	text         string
	items        []*node // list
	fields       []entry // mapping, in order; keys are text
	line, column int
}

type form uint8

const (
	formNull form = iota
	formText
	formList
	formMap
)

var formNames = [...]string{"nothing", "text", "a list", "a mapping"}

func (f form) String() string { return formNames[f] }

type entry struct {
	key   *node
	value *node
}

// maxDepth bounds how deep collections may nest. The format needs nine.
const maxDepth = 40

// parse makes nodes of a file, one of each document. A syntax error is one
// problem: what comes after it cannot be understood.
func parse(file string, text []byte) (docs []*node, problems Problems) {
	defer func() {
		// The parser is not ours and has had panics on odd input. A policy file
		// may be anything, and one that breaks the parser is a broken file.
		if r := recover(); r != nil {
			docs, problems = nil, Problems{{file, 1, 1, fmt.Sprintf("this is no YAML that can be understood (%v)", r)}}
		}
	}()
	tokens := lexer.Tokenize(string(text))
	if at := tooDeep(tokens); at != nil {
		return nil, Problems{{file, at.Position.Line, at.Position.Column, "this is nested too deeply"}}
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, Problems{syntaxProblem(file, err)}
	}
	c := &converter{file: file}
	for _, d := range f.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			docs = append(docs, c.node(d.Body))
		}
	}
	return docs, c.problems
}

// tooDeep answers a token that nests deeper than maxDepth, before a recursive
// parser meets it. Collections in block style nest by column.
func tooDeep(tokens token.Tokens) *token.Token {
	depth := 0
	entries, line := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.TagType, token.AnchorType:
			if t.Position.Line != line {
				entries, line = 0, t.Position.Line
			}
			entries++
		}
		if depth > maxDepth || depth == 0 && entries > maxDepth ||
			t.Type == token.SequenceEntryType && t.Position.Column > 4*maxDepth {
			return t
		}
	}
	return nil
}

func syntaxProblem(file string, err error) Problem {
	p := Problem{file, 1, 1, "this is no YAML: " + err.Error()}
	var e yaml.Error
	if errors.As(err, &e) {
		p.Text = "this is no YAML: " + e.GetMessage()
		if t := e.GetToken(); t != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
	}
	p.Text = strings.ReplaceAll(p.Text, "\n", " ")
	return p
}

type converter struct {
	file     string
	problems Problems
}

func (c *converter) bad(n ast.Node, text string) *node {
	at := place(n)
	c.problems = append(c.problems, Problem{c.file, at.line, at.column, text})
	return at
}

func place(n ast.Node) *node {
	out := &node{line: 1, column: 1}
	if t := n.GetToken(); t != nil && t.Position != nil {
		out.line, out.column = t.Position.Line, t.Position.Column
	}
	return out
}

func (c *converter) node(n ast.Node) *node {
	out := place(n)
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		out.form, out.text = formText, n.Value
	case *ast.LiteralNode:
		out.form, out.text = formText, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		out.form, out.text = formText, n.GetToken().Value
	case *ast.SequenceNode:
		out.form = formList
		for _, v := range n.Values {
			out.items = append(out.items, c.node(v))
		}
	case *ast.MappingNode:
		out.form = formMap
		for _, v := range n.Values {
			c.field(out, v)
		}
		if len(out.fields) > 0 && !n.IsFlowStyle {
			out.line, out.column = out.fields[0].key.line, out.fields[0].key.column
		}
	case *ast.MappingValueNode:
		out.form = formMap
		c.field(out, n)
		if len(out.fields) > 0 {
			out.line, out.column = out.fields[0].key.line, out.fields[0].key.column
		}
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return c.bad(n, "anchors, aliases and merge keys are not used in policy files: write out what you mean (a * needs quotes)")
	case *ast.TagNode:
		return c.bad(n, "tags are not used in policy files (a ! needs quotes)")
	default:
		return c.bad(n, "want text, a list or a mapping")
	}
	return out
}

func (c *converter) field(to *node, v *ast.MappingValueNode) {
	key := c.node(v.Key)
	if key.form != formText {
		if _, merge := v.Key.(*ast.MergeKeyNode); !merge {
			c.bad(v.Key, "want text as a key")
		}
		return
	}
	for _, e := range to.fields {
		if e.key.text == key.text {
			c.bad(v.Key, fmt.Sprintf("%q stands here twice; first in line %d", key.text, e.key.line))
			return
		}
	}
	to.fields = append(to.fields, entry{key, c.node(v.Value)})
}
