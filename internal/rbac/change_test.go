package rbac_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/policyfile"
)

// change reads a change as tables write it:
//
//	bind ROLE WHO SCOPE [from=T] [until=T] [if=CONDITION]   unbind ROLE WHO SCOPE
//	join GROUP WHO    leave GROUP WHO
//	disable WHO       enable WHO       enrol WHO      delete KIND/ID
//	key ID principal=WHO [for=WHO] [roles=A,B] [scope=S] [hash=X] [revoked|restored] [expires=T]
//	put YAML          an object as policy files have it, on one line
//
// Binding the same role to the same principal at the same scope again changes
// the binding.
func (b *table) change(t *testing.T, words []string) []vitrine.Change {
	t.Helper()
	arg := func(i int) vitrine.ID {
		if i >= len(words) {
			t.Fatalf("%v: something is missing", words)
		}
		return vitrine.ID(words[i])
	}
	one := func(o vitrine.Object) []vitrine.Change { return []vitrine.Change{vitrine.Put(o)} }
	switch words[0] {
	case "bind":
		return one(b.binding(t, words))
	case "unbind":
		return []vitrine.Change{vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: policyfile.BindingID(arg(1), arg(2), arg(3))})}
	case "join":
		g := b.principal(t, arg(1))
		g.Members = append(slices.Clone(g.Members), arg(2))
		return one(g)
	case "leave":
		g := b.principal(t, arg(1))
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(id vitrine.ID) bool { return id == arg(2) })
		return one(g)
	case "disable", "enable":
		p := b.principal(t, arg(1))
		p.Disabled = words[0] == "disable"
		return one(p)
	case "enrol":
		p := b.principal(t, arg(1))
		p.Enrolled = b.at
		return one(p)
	case "delete":
		kind, id, _ := strings.Cut(words[1], "/")
		return []vitrine.Change{vitrine.Delete(vitrine.Ref{Kind: vitrine.Kind(kind), ID: vitrine.ID(id)})}
	case "key":
		return one(b.key(t, words))
	case "put":
		objects, err := policyfile.Parse(fstest.MapFS{"p.yaml": {Data: []byte(strings.Join(words[1:], " "))}})
		if err != nil {
			t.Fatalf("%v: %v", words, err)
		}
		var all []vitrine.Change
		for _, o := range objects {
			all = append(all, vitrine.Put(b.keep(o)))
		}
		return all
	}
	t.Fatalf("%v: unknown change", words)
	return nil
}

// keep is a declared object with what only the system writes.
func (b *table) keep(o vitrine.Object) vitrine.Object {
	if x, ok := o.(*vitrine.Principal); ok {
		if was, ok := b.policy.Principal(x.ID); ok {
			x.Enrolled, x.Disabled, x.Epoch = was.Enrolled, was.Disabled, was.Epoch
		}
	}
	return o
}

func (b *table) principal(t *testing.T, id vitrine.ID) *vitrine.Principal {
	t.Helper()
	p, ok := b.policy.Principal(id)
	if !ok {
		t.Fatalf("there is no principal %s", id)
	}
	c := *p
	return &c
}

func (b *table) binding(t *testing.T, words []string) *vitrine.Binding {
	t.Helper()
	if len(words) < 4 {
		t.Fatalf("%v: want bind ROLE WHO SCOPE", words)
	}
	x := &vitrine.Binding{Role: vitrine.ID(words[1]), Principal: vitrine.ID(words[2]), Scope: vitrine.ID(words[3])}
	x.ID = policyfile.BindingID(x.Role, x.Principal, x.Scope)
	for _, w := range words[4:] {
		switch name, value, _ := strings.Cut(w, "="); name {
		case "from":
			x.From = instant(t, value)
		case "until":
			x.Until = instant(t, value)
		case "if":
			x.Condition = value
		default:
			t.Fatalf("%v: unknown word %s", words, w)
		}
	}
	return x
}

// key is a new key, or with the same id a changed one.
func (b *table) key(t *testing.T, words []string) *vitrine.Key {
	t.Helper()
	k := &vitrine.Key{ID: vitrine.ID(words[1]), Hash: strings.Repeat("0", 64)}
	if was, ok := b.policy.Key(k.ID); ok {
		*k = *was
	}
	for _, w := range words[2:] {
		switch name, value, _ := strings.Cut(w, "="); name {
		case "principal":
			k.Principal = vitrine.ID(value)
		case "for":
			k.For = vitrine.ID(value)
		case "roles":
			k.Roles = ids(value)
		case "scope":
			k.Scope = vitrine.ID(value)
		case "hash":
			k.Hash = strings.Repeat(value, 64)
		case "revoked":
			k.Revoked = b.at
		case "restored":
			k.Revoked = time.Time{}
		case "expires":
			k.Expires = instant(t, value)
		default:
			t.Fatalf("%v: unknown word %s", words, w)
		}
	}
	return k
}
