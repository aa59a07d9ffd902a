package vitrine_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/merkle"
	"vitrine.dev/vitrine/internal/problem"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

// methodRow is a way to call a service method that takes a Caller: args are its
// arguments after the context and the caller, such that who may gets an answer.
type methodRow struct {
	method, also string
	args         func(c *cell) []any
	alone        bool // see httpRow
}

func (r *methodRow) name() string {
	if r.also == "" {
		return r.method
	}
	return r.method + "  " + r.also
}

// errEnough ends what would go on for ever.
var errEnough = errors.New("enough")

// values are arguments that no cell uses up.
func values(all ...any) func(*cell) []any { return func(*cell) []any { return all } }

// TestMethodDoor calls every service method that takes a Caller as everybody.
// The fronts may err in what they ask; what is decided is decided here.
func TestMethodDoor(t *testing.T) {
	d := openDoors(t)
	guarded := make(map[string]reflect.Value)
	var there, names []string
	for name, m := range methods(d.System) {
		if takesCaller(m.Type()) {
			there, guarded[name] = append(there, name), m
		}
	}
	rows := methodRows()
	for _, r := range rows {
		names = append(names, r.method)
	}
	complete(t, "method", there, names)
	table := &answers{head: "method"}
	k := &keeper{of: make(map[string]string)}
	for _, r := range rows {
		m, ok := guarded[r.method]
		if !ok {
			continue
		}
		t.Run(r.name(), func(t *testing.T) {
			row := d.ask(t, r.alone, func(c *cell) string { return k.method(c, &r, m) })
			table.rows = append(table.rows, append([]string{r.name()}, row...))
		})
	}
	table.golden(t, d, "methods", aboutMethods, len(rows))
	k.recorded(t, d)
}

const aboutMethods = `# What every service method that takes a caller answers to everybody: done, or the
# kind of the error. A service is not shown keys: here none and wrong are both
# nobody, and dead is a caller whose key was revoked after she had shown it.
#
`

// kinds are the words for the statuses of errors.
var kinds = map[int]string{400: "invalid", 401: "nobody", 403: "denied", 404: "hidden", 409: "conflict", 402: "exhausted"}

func (k *keeper) method(c *cell, r *methodRow, m reflect.Value) string {
	var args []any
	if r.args != nil {
		args = r.args(c)
	}
	by := c.who.by
	by.Request = string(c.fresh("req"))
	if by.Principal != "" {
		by.Project, by.Dataset = "renders", "drafts"
	}
	link := r.method == "Vault.OpenLink" || r.method == "Vault.PeekLink"
	err := call(c.t, m, by, args...)
	if c.who.known && !link {
		k.mu.Lock()
		k.of[by.Request] = r.name() + " as " + c.who.name
		k.mu.Unlock()
	}
	if !c.who.known && !link && !errors.Is(err, vitrine.ErrUnauthenticated) {
		c.t.Errorf("%s as %s: %v, want not authenticated", r.name(), c.who.name, err)
	}
	if err == nil || errors.Is(err, errEnough) {
		return "done"
	}
	p := problem.Of(err, "")
	if kinds[p.Status] == "" {
		c.t.Errorf("%s as %s: %v", r.name(), c.who.name, err)
	}
	return kinds[p.Status] + said(p.Status, p.Code)[3:]
}

// methodRows call every method of every service.
func methodRows() []methodRow {
	all := append(policyMethods(), directoryMethods()...)
	return append(append(all, vaultMethods()...), otherMethods()...)
}

func policyMethods() []methodRow {
	set := func(make func(c *cell) vitrine.Object) func(*cell) []any {
		return func(c *cell) []any {
			return []any{&vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Put(make(c))}}}
		}
	}
	dataset := func(c *cell) vitrine.Object { return newDataset(c.fresh("set")) }
	role := func(c *cell) vitrine.Object { return &vitrine.Role{ID: c.fresh("role"), Name: "A role"} }
	binding := func(c *cell) vitrine.Object {
		return &vitrine.Binding{ID: c.fresh("b"), Role: "data-steward", Principal: "nobodies", Scope: "renders"}
	}
	image := func(c *cell) vitrine.Resource {
		return vitrine.Resource{Kind: vitrine.KindImage, ID: c.shared["image"], Scope: "quiet", Category: vitrine.Generated, Tier: vitrine.Internal}
	}
	revision := func(c *cell) []any { return []any{c.revision()} }
	return []methodRow{
		{method: "Policies.Apply", also: "a dataset", args: set(dataset)},
		{method: "Policies.Apply", also: "a role", args: set(role)},
		{method: "Policies.Apply", also: "a binding", args: set(binding)},
		{method: "Policies.ApplyAs", also: "a dataset", args: set(dataset)},
		{method: "Policies.ApplyWith", also: "a dataset", args: func(c *cell) []any {
			return append(set(dataset)(c), func(*store.Tx) error { return nil })
		}},
		{method: "Policies.Explain", args: func(c *cell) []any { return []any{vitrine.ID(""), vitrine.ImageOpen, image(c)} }},
		{method: "Policies.Explain", also: "another", args: func(c *cell) []any { return []any{vitrine.ID("maker"), vitrine.ImageOpen, image(c)} }},
		{method: "Policies.Export"},
		{method: "Policies.History", args: values(int64(0), 10)},
		{method: "Policies.Matrix"},
		{method: "Policies.Object", args: func(c *cell) []any { return []any{vitrine.Ref{Kind: vitrine.KindDataset, ID: "drafts"}} }},
		{method: "Policies.Objects", args: values(vitrine.KindRole)},
		{method: "Policies.Plan", args: values([]vitrine.Object{newDataset("planned")}, false)},
		{method: "Policies.PlanUndo", args: revision},
		{method: "Policies.Undo", args: revision},
		{method: "Policies.Who", args: func(c *cell) []any { return []any{vitrine.ImageOpen, image(c)} }},
	}
}

func directoryMethods() []methodRow {
	one := func(make func(vitrine.ID) vitrine.Object, more ...any) func(*cell) []any {
		return func(c *cell) []any { return append([]any{c.object(make)}, more...) }
	}
	return []methodRow{
		{method: "Directory.DeletePrincipal", args: one(newPerson)},
		{method: "Directory.IssueKey", also: "its own", args: values(identity.NewKey{})},
		{method: "Directory.IssueKey", also: "another's", args: values(identity.NewKey{Principal: "mark"})},
		{method: "Directory.Keys", args: values(vitrine.ID(vitrine.Everyone))},
		{method: "Directory.PutPrincipal", args: func(c *cell) []any { return []any{newPerson(c.fresh("p")), int64(0)} }},
		{method: "Directory.RevokeKey", also: "its own", args: func(c *cell) []any { return []any{c.keyOf("")} }},
		{method: "Directory.RevokeKey", also: "another's", args: func(c *cell) []any { return []any{c.keyOf("mark")} }},
		{method: "Directory.RotateKey", also: "its own", args: func(c *cell) []any { return []any{c.keyOf("")} }},
		{method: "Directory.RotateKey", also: "another's", args: func(c *cell) []any { return []any{c.keyOf("mark")} }},
		{method: "Directory.SetActive", also: "its own", args: func(c *cell) []any { return []any{c.sessionOf(c.who.by), c.who.role, true} }},
		{method: "Directory.SetActive", also: "another's", args: func(c *cell) []any { return []any{c.sessionOf(c.keeper), vitrine.ID("data-steward"), true} }},
		{method: "Directory.SetDisabled", args: one(newPerson, true)},
		{method: "Directory.SetMember", args: one(newGroup, vitrine.ID("keeper"), true)},
		{method: "Directory.StartSession", args: values(identity.NewSession{All: true})},
		{method: "Directory.Whoami"},
	}
}

func vaultMethods() []methodRow {
	image := func(more ...any) func(*cell) []any {
		return func(c *cell) []any { return append([]any{c.image()}, more...) }
	}
	look := func(what string, more ...any) func(*cell) []any {
		return func(c *cell) []any { return append([]any{c.shared[what]}, more...) }
	}
	name := "new.png"
	return []methodRow{
		{method: "Vault.Classify", args: image(vitrine.Public, "for the web site")},
		{method: "Vault.Delete", args: image(vault.Deleting{})},
		{method: "Vault.Delete", also: "at once", args: image(vault.Deleting{Now: true, Reason: "erasure"})},
		{method: "Vault.Hold", args: func(c *cell) []any { return []any{vitrine.Ref{Kind: vitrine.KindImage, ID: c.image()}, "case 3"} }},
		{method: "Vault.Holds"},
		{method: "Vault.Info", args: look("image")},
		{method: "Vault.Lift", args: func(c *cell) []any { return []any{c.hold(), "closed"} }},
		{method: "Vault.Link", args: look("image")},
		{method: "Vault.Links", args: look("image")},
		{method: "Vault.List"},
		{method: "Vault.Open", args: look("image", vitrine.Rendition(""))},
		{method: "Vault.Open", also: "masked", args: look("image", vitrine.Masked)},
		{method: "Vault.Open", also: "restricted", args: look("restricted", vitrine.Rendition(""))},
		{method: "Vault.Open", also: "public", args: look("public", vitrine.Rendition(""))},
		{method: "Vault.Open", also: "in other", args: look("elsewhere", vitrine.Rendition(""))},
		{method: "Vault.Open", also: "absent", args: values(vitrine.ID("img-absent"), vitrine.Rendition(""))},
		{method: "Vault.OpenLink", args: func(c *cell) []any { return []any{c.token} }},
		{method: "Vault.PeekLink", args: func(c *cell) []any { return []any{c.token} }},
		{method: "Vault.Put", args: func(*cell) []any { return []any{vault.Upload{Dataset: "drafts"}, bytes.NewReader(picture)} }},
		{method: "Vault.Restore", args: func(c *cell) []any { return []any{c.deleted()} }},
		{method: "Vault.RevokeLink", args: func(c *cell) []any { image := c.image(); return []any{image, c.link(image)} }},
		{method: "Vault.Update", args: image(&name, (*[]string)(nil))},
	}
}

func otherMethods() []methodRow {
	generate := func(change func(c *cell, r *gateway.Request)) func(*cell) []any {
		return func(c *cell) []any {
			r := &gateway.Request{Model: "hidream", Prompt: "a cat", Size: "64x64"}
			if change != nil {
				change(c, r)
			}
			return []any{r}
		}
	}
	return []methodRow{
		{method: "Gateway.Balance"},
		{method: "Gateway.Balances"},
		{method: "Gateway.Generate", args: generate(nil)},
		{method: "Gateway.Generate", also: "an edit of a restricted image", args: generate(func(c *cell, r *gateway.Request) {
			r.Edit, r.Sources = true, []gateway.Source{{Image: c.shared["restricted"], Param: "image"}}
		})},
		{method: "Gateway.Model", args: values("hidream")},
		{method: "Gateway.Models"},
		{method: "Gateway.PayDebt", args: values(vitrine.ID("all"), "")},
		{method: "Gateway.PutProvider", args: func(c *cell) []any {
			return []any{&vitrine.Provider{ID: c.fresh("provider"), Kind: vitrine.Studio}}
		}},
		{method: "Gateway.RotateCredential", args: func(c *cell) []any { return []any{c.credential(), vitrine.Secret("hunter3")} }},
		{method: "Gateway.TestProvider", args: values(vitrine.ID("studio"))},
		{method: "Gateway.Usage"},
		{method: "Log.Bundle", args: values(merkle.Tile{Width: 1})},
		{method: "Log.Consistency", args: func(c *cell) []any { return []any{c.size, int64(0)} }},
		{method: "Log.Export", args: values(int64(0), int64(3), io.Discard)},
		{method: "Log.Follow", args: values(int64(-1), func([]vitrine.Entry) error { return errEnough })},
		{method: "Log.Inclusion", args: values(int64(1), int64(0))},
		{method: "Log.Prove", args: values(audit.ProofQuery{Entry: 1})},
		{method: "Log.Search"},
		{method: "Log.Tile", args: values(merkle.Tile{Width: 1})},
		{method: "Backups.Status"},
		{method: "Backups.Take", alone: true},
	}
}
