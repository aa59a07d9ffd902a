package rbac_test

import (
	"errors"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// To let the images of a dataset go sooner is to delete them: it takes
// image.delete there on every tier, or the right to give it. To keep them longer
// takes dataset.edit alone, and so does making a dataset that holds none.
func TestKeeping(t *testing.T) {
	day := func(n int) vitrine.Duration { return vitrine.Duration(time.Duration(n) * 24 * time.Hour) }
	window := func(n int) *vitrine.Duration { d := day(n); return &d }
	edit := vitrine.Grant{Permissions: []vitrine.Permission{vitrine.DatasetEdit}}
	gives := grant(vitrine.Restricted, vitrine.ImageDelete)
	gives.NoUse, gives.Give = true, true
	objects := []vitrine.Object{
		&vitrine.Dataset{ID: "kept", Project: "p0", Category: vitrine.Generated, Retention: day(90), KeepAtLeast: day(30), RestoreWindow: window(7)},
		&vitrine.Dataset{ID: "free", Project: "p0", Category: vitrine.Generated},
		&vitrine.Role{ID: "editor", Grants: []vitrine.Grant{edit}},
		&vitrine.Role{ID: "half", Grants: []vitrine.Grant{edit, grant(vitrine.Confidential, vitrine.ImageDelete)}},
		&vitrine.Role{ID: "deleter", Grants: []vitrine.Grant{edit, grant(vitrine.Restricted, vitrine.ImageDelete)}},
		&vitrine.Role{ID: "giver", Grants: []vitrine.Grant{edit, gives}},
	}
	for _, who := range []vitrine.ID{"editor", "half", "deleter", "giver"} {
		objects = append(objects, user(who+"-er"), bind(who, who+"-er", "p0"))
	}
	p := house(t, objects...)
	kept := func(change func(*vitrine.Dataset)) *vitrine.Dataset {
		d := vitrine.Dataset{ID: "kept", Project: "p0", Category: vitrine.Generated, Retention: day(90), KeepAtLeast: day(30), RestoreWindow: window(7)}
		change(&d)
		return &d
	}
	free := func(change func(*vitrine.Dataset)) *vitrine.Dataset {
		d := vitrine.Dataset{ID: "free", Project: "p0", Category: vitrine.Generated}
		change(&d)
		return &d
	}
	tests := []struct {
		name   string
		put    *vitrine.Dataset
		sooner bool
	}{
		{"another name", kept(func(d *vitrine.Dataset) { d.Name = "x" }), false},
		{"a longer retention", kept(func(d *vitrine.Dataset) { d.Retention = day(91) }), false},
		{"no retention", kept(func(d *vitrine.Dataset) { d.Retention = 0 }), false},
		{"a shorter retention", kept(func(d *vitrine.Dataset) { d.Retention = day(89) }), true},
		{"a first retention", free(func(d *vitrine.Dataset) { d.Retention = day(1000) }), true},
		{"kept longer at least", kept(func(d *vitrine.Dataset) { d.KeepAtLeast = day(31) }), false},
		{"kept for the first time", free(func(d *vitrine.Dataset) { d.KeepAtLeast = day(1) }), false},
		{"kept shorter at least", kept(func(d *vitrine.Dataset) { d.KeepAtLeast = 0 }), true},
		{"a longer window", kept(func(d *vitrine.Dataset) { d.RestoreWindow = window(8) }), false},
		{"a shorter window", kept(func(d *vitrine.Dataset) { d.RestoreWindow = window(0) }), true},
		{"the installation's window", kept(func(d *vitrine.Dataset) { d.RestoreWindow = nil }), true},
		{"a window of its own", free(func(d *vitrine.Dataset) { d.RestoreWindow = window(100) }), true},
		{"a new dataset", &vitrine.Dataset{ID: "new", Project: "p0", Category: vitrine.Generated, Retention: day(1), RestoreWindow: window(0)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			may := vitrine.Code("")
			if tt.sooner {
				may = vitrine.CodeMayNotGive
			}
			for who, want := range map[vitrine.ID]vitrine.Code{"editor-er": may, "half-er": may, "deleter-er": "", "giver-er": ""} {
				wantCode(t, p, rbac.Subject{Principal: who}, set(vitrine.Put(tt.put)), want)
			}
		})
	}
}

// How long images are kept has bounds, and what contradicts itself is no policy.
func TestKeepingIsChecked(t *testing.T) {
	long, below := vitrine.Duration(200*365*24*time.Hour), vitrine.Duration(-1)
	for name, d := range map[string]*vitrine.Dataset{
		"below nothing":        {Retention: -1},
		"for centuries":        {Retention: long},
		"kept for centuries":   {KeepAtLeast: long},
		"a window below":       {RestoreWindow: &below},
		"a window too long":    {RestoreWindow: &long},
		"gone before its time": {Retention: vitrine.Duration(time.Hour), KeepAtLeast: vitrine.Duration(2 * time.Hour)},
	} {
		d.ID, d.Project, d.Category = "d1", "p0", vitrine.Generated
		_, err := rbac.Compile(1, append(frame(), d))
		var problems rbac.Problems
		if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Ref != d.Ref() {
			t.Errorf("%s: %v", name, err)
		}
	}
}
