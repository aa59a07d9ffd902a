// Package policyfile is policy as files: it reads YAML into the objects of a
// policy and prints objects as YAML, such that reading gives the same back. It
// is pure: no clock, no network, and files come from an fs.FS.
//
// A file has a section for each kind of object. A section maps ids to objects,
// or lists objects that carry their id:
//
//	projects:
//	  renders:
//	    environment: staging
//	    datasets:
//	      drafts: {category: generated, birth_tier: internal}
//	    deployments:
//	      hidream: {provider: studio, price: 0.01}
//	roles:
//	  junior:
//	    grants:
//	      - permissions: [image.open]
//	        categories: all
//	        tiers: <= internal
//	bindings:
//	  - {role: junior, principal: ann, scope: renders}
//
// The whole format stands in docs/policy-files.md. Objects refer to each other
// by id only. A policy may be spread over any number of files; what they
// declare is taken together, and order never matters. Keys, secrets and what
// only the system writes never stand in files.
//
// Read reports everything that is wrong in the text at once, each with file,
// line, column and what to do. Ids that no file declares are not a problem here,
// because they may stand on the server; package rbac finds them on the end
// state, once all text can be read, and Locate says where in the files such a
// problem lies.
//
// Beside a policy stand decision tables that say what it must mean; RunTests asks
// them.
//
// YAML's anchors, aliases, merge keys and tags are refused: a reviewer must see
// what a file says where it says it.
package policyfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"vitrine.dev/vitrine"
)

// Bounds on what is read.
const (
	maxFile     = 1 << 20
	maxFiles    = 1000
	maxProblems = 100
)

// OrganizationID is the id of every installation's organization, so that files
// fit any of them.
const OrganizationID vitrine.ID = "org"

// Parse reads the named files, or all .yaml and .yml files below fsys where
// none is named. The objects come in the order of vitrine.PolicyKinds, then of
// ids. The error is Problems, or says which file cannot be read.
func Parse(fsys fs.FS, names ...string) ([]vitrine.Object, error) {
	f, err := Read(fsys, names...)
	if err != nil {
		return nil, err
	}
	return f.Objects, nil
}

// Files is what files declare, and where.
type Files struct {
	Objects []vitrine.Object
	at      map[vitrine.Ref]map[string]Position // field path → where; "" is the object
}

// Position is a place in a file; line and column count from 1.
type Position struct {
	File         string
	Line, Column int
}

// String is "file:line:column".
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Problem is one thing that is wrong.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
}

// String is "file:line:column: text"; a problem in no file has no line.
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return Position{p.File, p.Line, p.Column}.String() + ": " + p.Text
}

// Problems is every problem found, in the order of files and lines.
type Problems []Problem

// Error is one problem a line.
func (p Problems) Error() string {
	var b strings.Builder
	for i, one := range p {
		if i == maxProblems {
			fmt.Fprintf(&b, "\nand %d more", len(p)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(one.String())
	}
	return b.String()
}

// Read is Parse that also knows where everything stands.
func Read(fsys fs.FS, names ...string) (*Files, error) {
	if len(names) == 0 {
		var err error
		if names, err = find(fsys); err != nil {
			return nil, err
		}
	}
	d := &decoder{
		files:    &Files{at: make(map[vitrine.Ref]map[string]Position)},
		declared: make(map[vitrine.Ref]Position), derived: make(map[vitrine.Ref]bool),
	}
	for _, name := range names {
		text, err := readFile(fsys, name)
		if err != nil {
			return nil, err
		}
		d.file(name, text)
	}
	d.cycles()
	if len(d.problems) > 0 {
		slices.SortStableFunc(d.problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(slices.Index(names, a.File), slices.Index(names, b.File)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, d.problems
	}
	Sort(d.files.Objects)
	return d.files, nil
}

// Sort puts objects in the order of vitrine.PolicyKinds, then of ids.
func Sort(objects []vitrine.Object) {
	slices.SortStableFunc(objects, func(a, b vitrine.Object) int {
		x, y := a.Ref(), b.Ref()
		return cmp.Or(cmp.Compare(slices.Index(vitrine.PolicyKinds, x.Kind), slices.Index(vitrine.PolicyKinds, y.Kind)), cmp.Compare(x.ID, y.ID))
	})
}

// Locate says where a field of an object stands: the field itself, or the
// nearest thing around it that is written down. ok is false for objects that no
// file declares. A field is named as in JSON: "grants[0].permissions".
func (f *Files) Locate(ref vitrine.Ref, field string) (at Position, ok bool) {
	fields, ok := f.at[ref]
	if !ok {
		return at, false
	}
	for {
		if at, ok := fields[field]; ok {
			return at, true
		}
		i := strings.LastIndexAny(field, ".[")
		if i < 0 {
			return fields[""], true
		}
		field = field[:i]
	}
}

func find(fsys fs.FS) ([]string, error) {
	var names []string
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != "." && strings.HasPrefix(e.Name(), ".") {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if ext := path.Ext(name); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
			names = append(names, name)
		}
		if len(names) > maxFiles {
			return fmt.Errorf("more than %d policy files", maxFiles)
		}
		return nil
	})
	if err == nil && len(names) == 0 {
		err = errors.New("no policy files: want .yaml or .yml")
	}
	return names, err
}

func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read policy file: %w", err)
	}
	defer f.Close() // only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read policy file %s: %w", name, err)
	}
	if len(text) > maxFile {
		return nil, Problems{{name, 1, 1, fmt.Sprintf("a policy file has at most %d bytes; split it", maxFile)}}
	}
	if i := invalidUTF8(text); i >= 0 {
		return nil, Problems{{name, 1 + bytes.Count(text[:i], []byte("\n")), 1, "this line is not UTF-8 text"}}
	}
	return text, nil
}

func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 || r == 0 {
			return i
		}
		i += n
	}
	return -1
}
