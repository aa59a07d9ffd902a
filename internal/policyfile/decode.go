package policyfile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitrine.dev/vitrine"
)

// decoder gathers objects and problems over all files.
type decoder struct {
	name     string // of the file being read
	files    *Files
	problems Problems
	declared map[vitrine.Ref]Position
	derived  map[vitrine.Ref]bool // bindings whose id nobody wrote
}

// value is a node with the object that it is part of and its path in it.
type value struct {
	*node
	d    *decoder
	ref  vitrine.Ref
	path string
}

func (d *decoder) file(name string, text []byte) {
	d.name = name
	docs, problems := parse(name, text)
	d.problems = append(d.problems, problems...)
	if len(problems) > 0 {
		return
	}
	for _, doc := range docs {
		d.document(value{node: doc, d: d})
	}
}

func (v value) position() Position { return Position{v.d.name, v.line, v.column} }

func (v value) bad(format string, args ...any) {
	v.d.problems = append(v.d.problems, Problem{v.d.name, v.line, v.column, fmt.Sprintf(format, args...)})
}

// at is a part of v, whose place is remembered.
func (v value) at(path string, n *node) value {
	if v.path != "" && !strings.HasPrefix(path, "[") {
		path = "." + path
	}
	out := value{n, v.d, v.ref, v.path + path}
	out.remember()
	return out
}

func (v value) remember() {
	if v.ref.ID == "" {
		return
	}
	fields := v.d.files.at[v.ref]
	if fields == nil {
		fields = make(map[string]Position)
		v.d.files.at[v.ref] = fields
	}
	if _, twice := fields[v.path]; !twice {
		fields[v.path] = v.position()
	}
}

// add takes an object that v describes, unless there is one with its id.
func (v value) add(o vitrine.Object) {
	ref := o.Ref()
	if first, twice := v.d.declared[ref]; twice {
		if v.d.derived[ref] {
			v.bad("this role is bound to this principal at this scope already in %s; give both an id if you mean it", first)
		} else {
			v.bad("there is a %s %q already in %s", ref.Kind, ref.ID, first)
		}
		return
	}
	v.d.declared[ref] = v.position()
	v.d.files.Objects = append(v.d.files.Objects, o)
}

// fields hands each field of a mapping to its setter.
func (v value) fields(set map[string]func(value)) {
	if v.form == formNull {
		return
	}
	if v.form != formMap {
		v.bad("want a mapping with %s, not %s", listWords(slices.Sorted(maps.Keys(set))), v.form)
		return
	}
	for _, e := range v.node.fields {
		f, ok := set[e.key.text]
		if !ok {
			value{node: e.key, d: v.d}.unknown("field", e.key.text, slices.Sorted(maps.Keys(set)))
			continue
		}
		part := v.at(e.key.text, e.value)
		if part.form == formNull {
			value{node: e.key, d: v.d}.bad("%s has no value", e.key.text)
			continue
		}
		f(part)
	}
}

// has reports whether a mapping has the field.
func (v value) has(name string) bool {
	return slices.ContainsFunc(v.node.fields, func(e entry) bool { return e.key.text == name })
}

// needs reports the fields that are missing.
func (v value) needs(names ...string) {
	var missing []string
	for _, n := range names {
		if !v.has(n) {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 && (v.form == formMap || v.form == formNull) {
		v.bad("%s is missing", strings.Join(missing, ", "))
	}
}

// without is v as if a field were not there, and the field.
func (v value) without(name string) (rest value, field *node) {
	rest = v
	i := slices.IndexFunc(v.node.fields, func(e entry) bool { return e.key.text == name })
	if i < 0 {
		return rest, nil
	}
	n := *v.node
	n.fields = slices.Delete(slices.Clone(n.fields), i, i+1)
	rest.node = &n
	return rest, v.node.fields[i].value
}

// unknown reports a word that means nothing here.
func (v value) unknown(what, word string, known []string) {
	if what == "field" && secretWords[strings.ToLower(word)] {
		v.bad("%s: secrets never stand in policy files; add them with vitrine provider add --credential-file", word)
		return
	}
	if near := nearest(word, known); near != "" {
		v.bad("unknown %s %q; did you mean %q?", what, word, near)
		return
	}
	v.bad("unknown %s %q; want %s", what, word, listWords(known))
}

var secretWords = map[string]bool{
	"secret": true, "secrets": true, "password": true, "token": true, "api_key": true, "apikey": true, "api-key": true,
	"key": true, "credential": true, "hash": true,
}

func listWords(words []string) string {
	if len(words) > 12 {
		return strings.Join(words[:12], ", ") + " …"
	}
	return strings.Join(words, ", ")
}

// one is the setter of a field with a single value.
func one[T any](dst *T, read func(value) (T, bool)) func(value) {
	return func(v value) {
		if x, ok := read(v); ok {
			*dst = x
		}
	}
}

// many is the setter of a field with a list; a single value is a list of one.
func many[T any](dst *[]T, read func(value) (T, bool)) func(value) {
	return func(v value) {
		if v.form != formList {
			if x, ok := read(v); ok {
				*dst = append(*dst, x)
			}
			return
		}
		for i, n := range v.items {
			if x, ok := read(v.at("["+strconv.Itoa(i)+"]", n)); ok {
				*dst = append(*dst, x)
			}
		}
	}
}

func asText(v value) (string, bool) {
	if v.form != formText {
		v.bad("want text, not %s", v.form)
		return "", false
	}
	return v.text, true
}

// asWord is text that is not empty.
func asWord(v value) (string, bool) {
	s, ok := asText(v)
	if ok && strings.TrimSpace(s) == "" {
		v.bad("this is empty")
		return "", false
	}
	return s, ok
}

func asID(v value) (vitrine.ID, bool) {
	s, ok := asText(v)
	if ok && !vitrine.ID(s).Valid() {
		v.bad("%q is no id: want up to %d letters, digits, '.', '_' and '-', first a letter or digit", s, vitrine.MaxID)
		return "", false
	}
	return vitrine.ID(s), ok
}

// asScope is a plain id, the id of a deployment, or a project and a model.
func asScope(v value) (vitrine.ID, bool) {
	if v.form == formMap {
		var project vitrine.ID
		var model string
		v.fields(map[string]func(value){"project": one(&project, asID), "model": one(&model, asWord)})
		v.needs("project", "model")
		return vitrine.DeploymentID(project, model), project != "" && model != ""
	}
	if v.form == formText {
		if _, _, ok := vitrine.SplitDeployment(vitrine.ID(v.text)); ok {
			return vitrine.ID(v.text), true
		}
		if project, model, ok := strings.Cut(v.text, "/"); ok {
			v.bad("a model is written as {project: %s, model: %q}", project, model)
			return "", false
		}
	}
	return asID(v)
}

func asBool(v value) (bool, bool) {
	switch v.text {
	case "true", "false":
		return v.text == "true", true
	}
	v.bad("want true or false")
	return false, false
}

// asCount is a whole number from 0 to a million.
func asCount(v value) (int, bool) {
	n, err := strconv.Atoi(v.text)
	if v.form != formText || err != nil || n < 0 || n > 1_000_000 {
		v.bad("want a whole number from 0 to 1000000")
		return 0, false
	}
	return n, true
}

func asMoney(v value) (vitrine.Micros, bool) {
	m, err := vitrine.ParseMicros(strings.TrimPrefix(v.text, "$"))
	if v.form != formText || err != nil {
		v.bad("want dollars such as 12 or 0.04, at most six decimals")
		return 0, false
	}
	return m, true
}

// asTime is an instant, or a day, which begins at midnight UTC.
func asTime(v value) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, v.text); err == nil && t.Year() > 0 {
			return t.UTC().Truncate(time.Microsecond), true
		}
	}
	v.bad("want a day such as 2027-01-31 or an instant such as 2027-01-31T18:00:00Z")
	return time.Time{}, false
}

func asDuration(v value) (vitrine.Duration, bool) {
	d, err := vitrine.ParseDuration(v.text)
	if err != nil || d <= 0 {
		v.bad("want a time such as 15m, 72h or 90d")
		return 0, false
	}
	return d, true
}

// asWindow is a time that may be 0, which is something else than none.
func asWindow(v value) (*vitrine.Duration, bool) {
	d, err := vitrine.ParseDuration(v.text)
	if err != nil || d < 0 {
		v.bad("want a time such as 7d, or 0")
		return nil, false
	}
	return &d, true
}

// asEnum is one of a few words.
func asEnum[T ~string](words ...T) func(value) (T, bool) {
	return func(v value) (T, bool) {
		if v.form == formText && slices.Contains(words, T(v.text)) {
			return T(v.text), true
		}
		known := make([]string, len(words))
		for i, w := range words {
			known[i] = string(w)
		}
		if s, ok := asText(v); ok {
			v.unknown("word", s, known)
		}
		return "", false
	}
}
