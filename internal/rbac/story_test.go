package rbac_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/policyfile"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/reference"
)

// story is how a policy came about: some objects, and change sets one after the
// other.
type story struct {
	objects []vitrine.Object
	sets    [][]vitrine.Change
}

// told is a story once more: the engine's policy, which applied each set to the
// one before, and the reference's world, which was made anew.
type told struct {
	policy *rbac.Policy
	world  *reference.World
}

func (s story) tell() (told, error) {
	p, err := rbac.Compile(7, s.objects)
	if err != nil {
		return told{}, err
	}
	t := told{p, reference.New(s.objects)}
	for _, set := range s.sets {
		if t, err = t.then(set); err != nil {
			return told{}, err
		}
	}
	return t, nil
}

// then is what comes of one more set. What each says of it must be known to be
// the same.
func (t told) then(set []vitrine.Change) (told, error) {
	p, err := t.policy.Apply(t.policy.Revision()+1, set)
	if err != nil {
		return told{}, err
	}
	return told{p, t.world.After(set)}, nil
}

// check is something that must hold of a told story; "" is that it does.
type check func(told) string

// try is a check that finds what crashes too.
func (c check) try(t told) (wrong string) {
	defer func() {
		if x := recover(); x != nil {
			wrong = fmt.Sprintf("panics: %v", x)
		}
	}()
	return c(t)
}

// shrink takes away from a story what can be taken away while it still goes
// wrong: first whole objects and sets, then what objects hold.
func (s story) shrink(c check) story {
	wrong := func(s story) bool {
		t, err := s.tell()
		return err == nil && c.try(t) != ""
	}
	for again := true; again; {
		again = false
		for _, less := range s.less() {
			if wrong(less) {
				s, again = less, true
				break
			}
		}
	}
	return s
}

// less lists stories that are one step smaller.
func (s story) less() []story {
	var all []story
	for i := range s.sets {
		all = append(all, story{s.objects, slices.Delete(slices.Clone(s.sets), i, i+1)})
		for j := range s.sets[i] {
			sets := slices.Clone(s.sets)
			sets[i] = slices.Delete(slices.Clone(sets[i]), j, j+1)
			all = append(all, story{s.objects, sets})
		}
	}
	for i := range s.objects {
		all = append(all, story{slices.Delete(slices.Clone(s.objects), i, i+1), s.sets})
	}
	for i, o := range s.objects {
		for _, smaller := range thinner(o) {
			objects := slices.Clone(s.objects)
			objects[i] = smaller
			all = append(all, story{objects, s.sets})
		}
	}
	return all
}

// thinner lists objects that hold a little less.
func thinner(o vitrine.Object) []vitrine.Object {
	var all []vitrine.Object
	switch o := o.(type) {
	case *vitrine.Role:
		for _, l := range without(o.Includes) {
			c := *o
			c.Includes = l
			all = append(all, &c)
		}
		for _, l := range without(o.Grants) {
			c := *o
			c.Grants = l
			all = append(all, &c)
		}
		for i := range o.Grants {
			for _, g := range slighter(o.Grants[i]) {
				c := *o
				c.Grants = slices.Clone(c.Grants)
				c.Grants[i] = g
				all = append(all, &c)
			}
		}
	case *vitrine.Principal:
		for _, l := range without(o.Members) {
			c := *o
			c.Members = l
			all = append(all, &c)
		}
	case *vitrine.Key:
		for _, l := range without(o.Roles) {
			c := *o
			c.Roles = l
			all = append(all, &c)
		}
	case *vitrine.Constraint:
		for i := range o.Sets {
			for _, l := range without(o.Sets[i].Permissions) {
				c := *o
				c.Sets = slices.Clone(c.Sets)
				c.Sets[i].Permissions = l
				all = append(all, &c)
			}
		}
	}
	return all
}

func slighter(g vitrine.Grant) []vitrine.Grant {
	var all []vitrine.Grant
	for _, l := range without(g.Permissions) {
		c := g
		c.Permissions = l
		all = append(all, c)
	}
	for _, l := range without(g.Categories) {
		c := g
		c.Categories = l
		all = append(all, c)
	}
	for _, l := range without(g.Tiers) {
		c := g
		c.Tiers = l
		all = append(all, c)
	}
	if plain := (vitrine.Grant{Permissions: g.Permissions, Categories: g.Categories, Tiers: g.Tiers, NoUse: g.NoUse, Give: g.Give}); fmt.Sprint(plain) != fmt.Sprint(g) {
		all = append(all, plain)
	}
	return all
}

// without lists a list without each of its items.
func without[T any](list []T) [][]T {
	var all [][]T
	for i := range list {
		all = append(all, slices.Delete(slices.Clone(list), i, i+1))
	}
	return all
}

// String is the story as an auditor reads it: a policy file, what policy files
// leave out, and the change sets.
func (s story) String() string {
	var b strings.Builder
	files := policyfile.Print(s.objects)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b.WriteString(files[name])
	}
	for _, o := range s.objects {
		switch x := o.(type) {
		case *vitrine.Principal:
			if x.Disabled || x.Epoch > 0 {
				b.WriteString("# " + tellObject(o) + "\n")
			}
		case *vitrine.Key:
			b.WriteString("# " + tellObject(o) + "\n")
		}
	}
	for i, set := range s.sets {
		fmt.Fprintf(&b, "# change set %d:%s\n", i+1, tell(&vitrine.ChangeSet{Changes: set}))
	}
	return b.String()
}

func tellObject(o vitrine.Object) string {
	text, err := json.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return o.Ref().String() + " " + string(text)
}

func tell(s *vitrine.ChangeSet) string {
	out := ""
	for _, c := range s.Changes {
		if out += "\n#   delete " + c.Ref.String(); c.Object != nil {
			out = strings.TrimSuffix(out, "delete "+c.Ref.String()) + "put " + tellObject(c.Object)
		}
	}
	return out
}
