package policyfile

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// Installed is what files declare together with what every installation has
// besides: the organization, the predefined roles, the shipped constraints, and
// owners who have enrolled. Where files declare one of these, theirs counts. So
// a policy can be compiled, and decisions tried, without a server.
func Installed(objects []vitrine.Object) []vitrine.Object {
	all := slices.Clone(objects)
	here := make(map[vitrine.Ref]bool, len(all))
	org := &vitrine.Organization{ID: OrganizationID}
	for _, o := range all {
		here[o.Ref()] = true
		if x, ok := o.(*vitrine.Organization); ok {
			org = x
		}
	}
	add := func(o vitrine.Object) {
		if !here[o.Ref()] {
			here[o.Ref()] = true
			all = append(all, o)
		}
	}
	add(org)
	for _, r := range rbac.Predefined() {
		add(r)
	}
	for _, c := range rbac.Shipped(org.ID, org.Solo) {
		add(c)
	}
	if owned(all) {
		return all
	}
	owners := 2
	if org.Solo {
		owners = 1
	}
	for i := range owners {
		id := vitrine.ID(fmt.Sprintf("owner-%d", i+1))
		add(&vitrine.Principal{ID: id, Kind: vitrine.User, Name: "Owner", Enrolled: time.Unix(0, 0).UTC()})
		add(&vitrine.Binding{ID: "owner-" + id, Role: rbac.OwnerRole, Principal: id, Scope: org.ID})
	}
	return all
}

// owned reports whether somebody is an owner already, as in an export.
func owned(objects []vitrine.Object) bool {
	return slices.ContainsFunc(objects, func(o vitrine.Object) bool {
		b, ok := o.(*vitrine.Binding)
		return ok && b.Role == rbac.OwnerRole
	})
}

// Compile is a policy of objects alone, as Installed completes them.
func Compile(objects []vitrine.Object) (*rbac.Policy, error) {
	return rbac.Compile(1, Installed(objects))
}

// Compile is the policy that the files alone make, as Installed completes
// them. Whether somebody enrolled does not stand in files: here everybody has.
// The error is Problems, with places, wherever that can be said.
func (f *Files) Compile() (*rbac.Policy, error) {
	all := slices.Clone(f.Objects)
	for i, o := range all {
		if p, ok := o.(*vitrine.Principal); ok && p.Human() {
			here := *p
			here.Enrolled = time.Unix(0, 0).UTC()
			all[i] = &here
		}
	}
	p, err := Compile(all)
	return p, f.locate(err)
}

// Check reports what is wrong with a whole policy that the files are part of;
// what lies outside the files is told without a place.
func (f *Files) Check(whole []vitrine.Object) error {
	_, err := Compile(whole)
	return f.locate(err)
}

// locate turns problems of package rbac into problems with places. What lies
// outside the files comes first, under the name of its object.
func (f *Files) locate(err error) error {
	var found rbac.Problems
	if !errors.As(err, &found) {
		return err
	}
	var out Problems
	for _, p := range found {
		text := p.Text
		if p.Field != "" {
			text = p.Field + ": " + text
		}
		at, ok := f.Locate(p.Ref, p.Field)
		if !ok {
			at = Position{File: "(server)"}
			text = p.Ref.String() + ": " + text
		}
		out = append(out, Problem{at.File, at.Line, at.Column, text})
	}
	return out
}
