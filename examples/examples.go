// Package examples holds policies that are tests: each directory is a whole
// policy with a decision table beside it, and a test compiles the one and asks
// the other. The demo makes its company from the first; anybody may start from
// any of them with
//
//	vitrine policy apply -f examples/company
//
// company is a studio with three environments, four tiers, people, groups and
// machines. agency keeps clients apart. archive keeps scans that few may see
// whole. Pictures are a handful of small ones to fill the company's datasets
// with; pictures/LICENCES.md says where they come from.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed company agency archive
var policies embed.FS

//go:embed pictures
var pictures embed.FS

// Names are the policies there are.
var Names = []string{"company", "agency", "archive"}

// Policy is the files of one policy. It panics for a name that is not in Names.
func Policy(name string) fs.FS { return sub(policies, name) }

// Pictures are the files of pictures/.
func Pictures() fs.FS { return sub(pictures, "pictures") }

func sub(all embed.FS, dir string) fs.FS {
	if _, err := all.ReadDir(dir); err != nil {
		panic(err) // what is embedded is known when this is compiled
	}
	f, err := fs.Sub(all, dir)
	if err != nil {
		panic(err)
	}
	return f
}
