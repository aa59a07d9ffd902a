package audit_test

import (
	"bytes"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/audit"
)

// What another service states is signed with the log's key, and never reads as a
// checkpoint.
func TestVouch(t *testing.T) {
	b := newBench(t)
	signed, err := b.log.Vouch("vitrine-backup/1\nsomething\n")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := audit.Vouched(signed, b.log.PublicKey()); err != nil || text != "vitrine-backup/1\nsomething\n" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := audit.OpenCheckpoint(signed, b.log.PublicKey()); err == nil {
		t.Error("a statement passes for a checkpoint")
	}
	if _, err := audit.Vouched(strings.Replace(signed, "something", "anything", 1), b.log.PublicKey()); err == nil {
		t.Error("a changed statement passes")
	}
	for _, text := range []string{"", "vitrine-backup/1", b.log.Origin() + "\n3\nAAAA\n", "vitrine-log/other\n3\nAAAA\n", "something\n"} {
		if _, err := b.log.Vouch(text); err == nil {
			t.Errorf("%q was signed", text)
		}
	}
}

// A log continues another where it says so at the right place and both have the
// same before it.
func TestVerifyLink(t *testing.T) {
	b := newBench(t)
	export := func(from int64) string {
		var out bytes.Buffer
		if err := b.log.ExportUnasked(t.Context(), from, 0, &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	b.grow(7)
	size, root, _, err := b.store.LogSize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	earlier, tail, other := export(0), export(size-2), newBench(t)
	other.grow(7)
	var foreign bytes.Buffer
	if err := other.log.ExportUnasked(t.Context(), 0, 0, &foreign); err != nil {
		t.Fatal(err)
	}
	k := audit.Link{Origin: b.log.Origin(), Size: size, Root: root.String()}
	with := func(k audit.Link) string { // as the log would be, were this its link
		e := k.Entry()
		e.Seq = size
		text, _ := audit.Line(size, e)
		lines := strings.SplitAfter(earlier, "\n")
		return strings.Join(lines[:size+1], "") + text
	}
	wrongRoot, wrongOrigin, wrongSize := k, k, k
	wrongRoot.Root, wrongOrigin.Origin, wrongSize.Size = strings.Repeat("A", 43)+"=", "vitrine-log/none", size-1
	for _, c := range []struct {
		name, export, earlier string
		want                  string // the problem
	}{
		{"the whole of both", with(k), earlier, ""},
		{"the earlier from shortly before", with(k), tail, ""},
		{"no link", earlier, earlier, "nothing in the export says"},
		{"another past of the same name", with(k), foreign.String(), "are not those that the link says"},
		{"another name", with(wrongOrigin), earlier, "nothing in the export says"},
		{"another root", with(wrongRoot), earlier, "what stands before the link"},
		{"another place", with(wrongSize), earlier, "nothing in the export says"},
		{"the earlier ends before", with(k), strings.Join(strings.SplitAfter(earlier, "\n")[:4], ""), "does not reach"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := audit.VerifyLink(strings.NewReader(c.export), strings.NewReader(c.earlier))
			if err != nil || got.OK != (c.want == "") || !strings.Contains(got.Problem, c.want) {
				t.Errorf("got %+v, %v; want %q", got, err, c.want)
			}
		})
	}
}
