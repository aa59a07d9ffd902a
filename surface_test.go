package vitrine_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"reflect"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

// unguarded lists the service methods that take no Caller, and why none can be
// had or is needed. A method that is not here must take one.
var unguarded = map[string]string{
	"Backups.Known":          "offline, for who holds the machine: doctor, and a backup that is taken",
	"Backups.Rotate":         "offline, for who holds the data directory and the key; recorded and alarmed",
	"Directory.Authenticate": "finds out who the caller is; failures are recorded",
	"Directory.Init":         "makes the first principals; refused once there are any",
	"Directory.Recover":      "offline, for who holds the data directory and the key; recorded and alarmed",
	"Directory.Run":          "a loop; acts for nobody",
	"Gateway.Recount":        "counts, in a restore, what the log says was spent; recorded",
	"Gateway.Run":            "a loop; acts for nobody",
	"Gateway.Wait":           "waits for what is under way; acts for nobody",
	"Log.Broken":             "tells whether the log can be trusted at all",
	"Log.CheckTiles":         "compares the tiles with what was signed, for doctor; tells no entry",
	"Log.Checkpoint":         "signs what stands; reads no entry",
	"Log.Continues":          "compares the log with what was last published, at start",
	"Log.Healthy":            "tells whether the log can be signed",
	"Log.Origin":             "public, as the key that signs for it",
	"Log.PublicKey":          "public",
	"Log.Published":          "tells operators how far publishing is",
	"Log.Run":                "a loop; acts for nobody",
	"Log.Vouch":              "signs what another service says of its own work; reads nothing",
	"Vault.Draft":            "bytes on their way in; nothing is known of them until Keep",
	"Vault.Find":             "answers a question's resource to the gateway, which asks the guard with it",
	"Vault.Keep":             "finishes an act with the receipt of its decision",
	"Vault.PromptHash":       "a pure function of its argument",
	"Vault.Room":             "counts bytes on a disk; tells nothing of images",
	"Vault.Run":              "a loop; acts for nobody",
	"Vault.Source":           "reads for an act whose decision is an argument",
}

// own lists the methods that answer a caller without any role, and with what.
var own = map[string]string{
	"Directory.Whoami":       "what the caller is",
	"Directory.Keys":         "the caller's own keys",
	"Gateway.Balance":        "the caller's own budgets",
	"Gateway.Balances":       "the budgets that it may see: none",
	"Gateway.Models":         "the models that it may use: none",
	"Gateway.Usage":          "the usage that it may see: none",
	"Policies.Export":        "the objects that it may see: none",
	"Policies.Explain":       "why the caller itself may or may not",
	"Policies.Objects":       "the objects that it may see: none",
	"Policies.Plan":          "what would change; reads only what the caller may see",
	"Policies.Matrix":        "the predefined roles",
	"Vault.List":             "the images that it may see: none",
	"Vault.Holds":            "the legal holds that it could lift: none",
	"Directory.IssueKey":     "a key of its own",
	"Directory.StartSession": "a session of its own",
}

// TestEveryMethodIsGuarded finds every exported method of every service. Each
// takes a Caller; with the zero Caller each is refused; with a caller without
// any role each is refused or answers only what `own` says; and each of these
// attempts stands in the log.
func TestEveryMethodIsGuarded(t *testing.T) {
	s := vitrinetest.New(t, vitrinetest.Policy(`
people:
  eve: {email: eve@example.com}
`))
	eve := s.As("eve")
	for name, m := range methods(s) {
		if takesCaller(m.Type()) {
			t.Run(name, func(t *testing.T) { probe(t, s, name, m, eve) })
		} else if unguarded[name] == "" {
			t.Errorf("%s takes no access.Caller and is not listed with a reason", name)
		}
	}
}

// methods yields every exported method of every service.
func methods(s *vitrinetest.System) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		for _, svc := range []any{s.Policies, s.Directory, s.Vault, s.Gateway, s.Log, s.Backups} {
			v := reflect.ValueOf(svc)
			for i := range v.NumMethod() {
				if !yield(v.Elem().Type().Name()+"."+v.Type().Method(i).Name, v.Method(i)) {
					return
				}
			}
		}
	}
}

func takesCaller(m reflect.Type) bool {
	for i := range m.NumIn() {
		if m.In(i) == reflect.TypeFor[access.Caller]() {
			return true
		}
	}
	return false
}

func probe(t *testing.T, s *vitrinetest.System, name string, m reflect.Value, eve access.Caller) {
	if name == "Vault.OpenLink" || name == "Vault.PeekLink" {
		return // the caller says only where from; links have their own tests
	}
	before := logged(t, s)
	if err := call(t, m, access.Caller{Request: "req-zero"}); !errors.Is(err, vitrine.ErrUnauthenticated) {
		t.Errorf("with the zero caller: %v, want not authenticated", err)
	}
	middle := logged(t, s)
	err := call(t, m, eve)
	refused := errors.Is(err, vitrine.ErrDenied) || errors.Is(err, vitrine.ErrNotFound)
	switch {
	case own[name] != "" && err != nil && !refused:
		t.Errorf("with a caller without roles: %v, want an answer or a refusal", err)
	case own[name] == "" && !refused:
		t.Errorf("with a caller without roles: %v, want denied or not found", err)
	}
	if after := logged(t, s); after == middle {
		t.Errorf("the attempt of a caller without roles left no entry (%d before, %d after)", middle, after)
	}
	_ = before // attempts of the unknown are aggregated, so they need not add an entry each
}

func logged(t *testing.T, s *vitrinetest.System) int64 {
	t.Helper()
	n, _, _, err := s.Store.LogSize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// call calls m with the arguments that are given, in their order, plausible ones
// for the others, and answers its error.
func call(t *testing.T, m reflect.Value, by access.Caller, given ...any) error {
	t.Helper()
	args := make([]reflect.Value, m.Type().NumIn())
	for i := range args {
		want := m.Type().In(i)
		if len(given) > 0 && want != reflect.TypeFor[context.Context]() && want != reflect.TypeFor[access.Caller]() {
			args[i], given = reflect.ValueOf(given[0]), given[1:]
			continue
		}
		args[i] = argument(t, want, by)
	}
	out := m.Call(args)
	err, _ := out[len(out)-1].Interface().(error)
	for _, o := range out {
		if c, ok := o.Interface().(io.Closer); ok && !o.IsNil() {
			if e := c.Close(); e != nil {
				t.Error(e)
			}
		}
	}
	return err
}

func argument(t *testing.T, want reflect.Type, by access.Caller) reflect.Value {
	t.Helper()
	known := map[reflect.Type]any{
		reflect.TypeFor[access.Caller]():      by,
		reflect.TypeFor[vitrine.ID]():         vitrine.ID("nothing"),
		reflect.TypeFor[vitrine.Permission](): vitrine.ImageOpen,
		reflect.TypeFor[vitrine.Kind]():       vitrine.KindProject,
		reflect.TypeFor[vitrine.Tier]():       vitrine.Public,
		reflect.TypeFor[vitrine.Ref]():        vitrine.Ref{Kind: vitrine.KindProject, ID: "nothing"},
		reflect.TypeFor[store.EntryQuery]():   store.EntryQuery{Limit: 1},
		reflect.TypeFor[*vitrine.ChangeSet](): &vitrine.ChangeSet{Changes: []vitrine.Change{
			vitrine.Put(&vitrine.Project{ID: "mine", Environment: vitrine.Experimental})}},
		reflect.TypeFor[*vitrine.Principal](): &vitrine.Principal{ID: "mallory", Kind: vitrine.User, Email: "m@example.com"},
		reflect.TypeFor[*vitrine.Provider]():  &vitrine.Provider{ID: "p", Kind: vitrine.Studio},
		reflect.TypeFor[int64]():              int64(1),
		reflect.TypeFor[string]():             "x",
	}
	switch v, ok := known[want]; {
	case want == reflect.TypeFor[context.Context]():
		return reflect.ValueOf(t.Context())
	case want == reflect.TypeFor[io.Reader]():
		return reflect.ValueOf(strings.NewReader("not a picture"))
	case want == reflect.TypeFor[io.Writer]():
		return reflect.ValueOf(io.Discard)
	case ok:
		return reflect.ValueOf(v)
	case want.Kind() == reflect.Pointer && want.Elem().Kind() == reflect.Struct:
		return reflect.New(want.Elem())
	}
	return reflect.Zero(want)
}
