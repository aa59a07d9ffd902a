package audit

import (
	"fmt"
	"io"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/merkle"
)

// Link says that a log continues another one: it was restored from a backup,
// begins with that one's first Size entries, and then goes on by itself under a
// name and a key of its own. It stands in the first entry that is its own, which
// has the number Size.
type Link struct {
	Origin string `json:"origin"` // of the log that it continues
	Size   int64  `json:"size"`
	Root   string `json:"root"`
}

// linkOp is the op of the entry that holds a link.
const linkOp = "link"

// Entry is the link's entry.
func (k Link) Entry() *vitrine.Entry {
	return &vitrine.Entry{
		Act: "restore", Op: linkOp, Outcome: vitrine.Allowed, Code: string(vitrine.CodeAllowed), Actor: access.SystemActor,
		Kind: vitrine.KindLog, Alert: "restored",
		Detail: fmt.Sprintf("continues %s of %d entries with root %s", k.Origin, k.Size, k.Root),
	}
}

// linkOf reads a link from its entry; ok is false where the entry is none.
func linkOf(e *vitrine.Entry) (k Link, ok bool) {
	if e.Act != "restore" || e.Op != linkOp || e.Actor != access.SystemActor || e.Outcome != vitrine.Allowed {
		return k, false
	}
	n, err := fmt.Sscanf(e.Detail, "continues %s of %d entries with root %s", &k.Origin, &k.Size, &k.Root)
	return k, err == nil && n == 3 && k.Size == e.Seq
}

// Linked is what comparing two exports found.
type Linked struct {
	OK       bool   `json:"ok"`
	Link     Link   `json:"link"`
	After    int64  `json:"after"` // entries that the earlier log has beyond the link
	Problem  string `json:"problem,omitempty"`
	Complete string `json:"complete"` // what was proved, in a sentence
}

// VerifyLink compares the export of a log with that of the log that it says to
// continue: what stands before the link must be the same in both. Both must have
// been verified by themselves, with the key of each.
func VerifyLink(export, earlier io.Reader) (Linked, error) {
	links, err := findLinks(export)
	if err != nil {
		return Linked{}, err
	}
	roots := make(map[int64]string) // of the earlier log, where a link may begin
	note := func(tree *merkle.Range) {
		for _, k := range links {
			if k.Size == tree.Size() {
				roots[k.Size] = tree.Root().String()
			}
		}
	}
	origin, tree, err := ReadExport(earlier, func(before *merkle.Range, _ Exported) error { note(before); return nil })
	if err != nil {
		return Linked{}, err
	}
	note(tree)
	var out Linked
	for _, k := range links { // of several restores the last one counts
		if k.Origin == origin {
			out.Link = k.Link
			out.Problem = k.problem(roots[k.Size])
		}
	}
	if out.Link.Origin == "" {
		out.Problem = "nothing in the export says that it continues " + origin
	}
	if out.Problem != "" {
		out.Complete = "not proved to be continued"
		return out, nil
	}
	out.OK, out.After = true, tree.Size()-out.Link.Size
	out.Complete = fmt.Sprintf("continues %s after its first %d entries, which are the same in both; %d more are in the earlier log alone", origin, out.Link.Size, out.After)
	return out, nil
}

// found is a link and the root over what stands before it.
type found struct {
	Link
	root string
}

func findLinks(export io.Reader) (all []found, err error) {
	_, _, err = ReadExport(export, func(before *merkle.Range, x Exported) error {
		if k, ok := linkOf(x.Entry); ok && k.Size == before.Size() {
			all = append(all, found{k, before.Root().String()})
		}
		return nil
	})
	return all, err
}

// problem is what is wrong with a link to a log that has this root there; "" is
// nothing.
func (k found) problem(there string) string {
	switch {
	case k.root != k.Root:
		return "what stands before the link is not what the link says"
	case there == "":
		return fmt.Sprintf("the export of the earlier log does not reach from before entry %d to it", k.Size)
	case there != k.Root:
		return fmt.Sprintf("the first %d entries of the earlier log are not those that the link says", k.Size)
	}
	return ""
}
