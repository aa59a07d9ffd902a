package policyfile

import (
	"slices"
	"strconv"
	"strings"

	"vitrine.dev/vitrine"
)

var permissionNames = func() []string {
	var all []string
	for _, p := range vitrine.Catalogue {
		all = append(all, string(p.Permission))
	}
	return all
}()

func asPermission(v value) (vitrine.Permission, bool) {
	s, ok := asText(v)
	if !ok {
		return "", false
	}
	if _, known := vitrine.Permission(s).Info(); !known {
		v.unknown("permission", s, permissionNames)
		return "", false
	}
	return vitrine.Permission(s), true
}

func asCategory(v value) (vitrine.Category, bool) {
	s, ok := asText(v)
	for _, c := range vitrine.Categories {
		if ok && c.String() == s {
			return c, true
		}
	}
	if ok {
		v.unknown("category", s, names(vitrine.Categories))
	}
	return 0, false
}

func asTier(v value) (vitrine.Tier, bool) {
	s, ok := asText(v)
	for _, t := range vitrine.Tiers {
		if ok && t.String() == s {
			return t, true
		}
	}
	if ok {
		v.unknown("tier", s, names(vitrine.Tiers))
	}
	return 0, false
}

func names[T interface{ String() string }](all []T) []string {
	out := make([]string, len(all))
	for i, x := range all {
		out[i] = x.String()
	}
	return out
}

// categories is the setter of a list of categories, or "all".
func categories(dst *[]vitrine.Category) func(value) {
	return func(v value) {
		if v.form == formText && v.text == "all" {
			*dst = slices.Clone(vitrine.Categories)
			return
		}
		many(dst, asCategory)(v)
	}
}

// tiers is the setter of a list of tiers, "all", or "<= TIER". A single tier is
// refused: nobody could tell whether the lower ones are meant too.
func tiers(dst *[]vitrine.Tier) func(value) {
	return func(v value) {
		if v.form != formText {
			many(dst, asTier)(v)
			return
		}
		if v.text == "all" {
			*dst = slices.Clone(vitrine.Tiers)
			return
		}
		rest, upTo := strings.CutPrefix(v.text, "<=")
		if !upTo {
			rest, upTo = strings.CutPrefix(v.text, "≤")
		}
		word := *v.node
		word.text = strings.TrimSpace(rest)
		v.node = &word
		t, ok := asTier(v)
		switch {
		case !ok:
		case !upTo:
			v.bad("write \"<= %s\" for this tier and those below, or [%s] for this one alone", t, t)
		default:
			*dst = slices.Clone(vitrine.TiersUpTo(t))
		}
	}
}

// principals is the setter of a list of principals, or "everyone".
func principals(dst *[]vitrine.ID) func(value) {
	return func(v value) {
		if v.form == formText && (v.text == "everyone" || v.text == string(vitrine.Everyone)) {
			*dst = []vitrine.ID{vitrine.Everyone}
			return
		}
		many(dst, asID)(v)
	}
}

// asSize is WIDTHxHEIGHT.
func asSize(v value) (string, bool) {
	if _, _, ok := splitSize(v.text); v.form != formText || !ok {
		v.bad("want a size such as 1024x1024")
		return "", false
	}
	return v.text, true
}

func splitSize(s string) (width, height int, ok bool) {
	w, h, found := strings.Cut(s, "x")
	width, errW := strconv.Atoi(w)
	height, errH := strconv.Atoi(h)
	ok = found && errW == nil && errH == nil && width > 0 && height > 0 && width <= 65535 && height <= 65535 &&
		strconv.Itoa(width)+"x"+strconv.Itoa(height) == s
	return width, height, ok
}

// nearest is the known word that was most likely meant, or "".
func nearest(word string, known []string) string {
	best, limit := "", max(1, min(len(word)/3, 4))
	for _, k := range known {
		if d := distance(strings.ToLower(word), k, limit); d <= limit {
			best, limit = k, d-1
		}
		if limit < 0 {
			break
		}
	}
	return best
}

// distance is how many letters must be inserted, dropped, replaced or swapped
// with their neighbour to make b of a; anything beyond limit is limit+1.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(a) > 64 {
		return limit + 1
	}
	two, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now := make([]int, len(b)+1)
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(now[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], two[j-2]+1)
			}
		}
		two, last = last, now
	}
	return last[len(b)]
}
