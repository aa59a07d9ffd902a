package reference

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitrine.dev/vitrine"
)

// facts is what a condition may look at, by name. What is absent is missing.
type facts map[string]any

// expression is a condition or a part of one: a value, or an error where a fact
// is absent.
type expression func(facts) (any, error)

var errAbsent = errors.New("absent")

func (w *World) facts(q *Question, s seat) facts {
	f := facts{"now": q.At, "key": "", "end_user": q.Caller.EndUser, "principal": string(s.who), "owner": string(q.Resource.Owner), "tier": int(q.Resource.Tier.Effective())}
	if k := w.credential(&q.Caller); k != nil && k.Session() {
		f["key"] = string(k.Parent)
	} else if s.keyed {
		f["key"] = string(q.Caller.Credential)
	}
	if !q.Caller.MFA.IsZero() {
		f["mfa_age"] = q.At.Sub(q.Caller.MFA)
	}
	if q.Caller.Address.IsValid() {
		f["address"] = q.Caller.Address.String()
	}
	if q.Resource.Scope != "" {
		f["scope"] = string(q.Resource.Scope)
	}
	if q.Resource.Category.String() != "" {
		f["category"] = q.Resource.Category.String()
	}
	if p := w.projectOf(q.Resource.Scope); p != nil && p.Environment != "" {
		f["environment"] = string(p.Environment)
	}
	return f
}

// holds evaluates a binding's condition.
func (w *World) holds(b *vitrine.Binding, q *Question, s seat) (bool, error) {
	if b.Condition == "" || s.assume {
		return true, nil
	}
	e, ok := w.conditions[b.Condition]
	if !ok {
		e = read(b.Condition)
		w.conditions[b.Condition] = e
	}
	v, err := e(w.facts(q, s))
	if err != nil {
		return false, err
	}
	return v.(bool), nil
}

// reader reads the part of CEL that tests write: || && ! == != < <= > >= in,
// parentheses, lists, texts, and calls.
type reader struct{ words []string }

var word = regexp.MustCompile(`"[^"]*"|\|\||&&|[=!<>]=|[a-zA-Z_]+|[0-9]+|\S`)

func read(text string) expression {
	r := &reader{word.FindAllString(text, -1)}
	e := r.or()
	if len(r.words) > 0 {
		panic(fmt.Sprintf("condition %q: cannot read %q", text, r.words[0]))
	}
	return e
}

func (r *reader) take(want ...string) string {
	if len(r.words) == 0 || len(want) > 0 && !slices.Contains(want, r.words[0]) {
		return ""
	}
	w := r.words[0]
	r.words = r.words[1:]
	return w
}

func (r *reader) or() expression {
	e := r.and()
	for r.take("||") != "" {
		e = either(e, r.and(), true)
	}
	return e
}

func (r *reader) and() expression {
	e := r.not()
	for r.take("&&") != "" {
		e = either(e, r.not(), false)
	}
	return e
}

// either is a || b where settles is true, a && b where it is false: one side
// that settles it does, whatever became of the other.
func either(a, b expression, settles bool) expression {
	return func(f facts) (any, error) {
		x, err := a(f)
		y, err2 := b(f)
		if err == nil && x == settles || err2 == nil && y == settles {
			return settles, nil
		}
		return !settles, errors.Join(err, err2)
	}
}

func (r *reader) not() expression {
	if r.take("!") == "" {
		return r.comparison()
	}
	e := r.not()
	return func(f facts) (any, error) {
		v, err := e(f)
		if err != nil {
			return nil, err
		}
		return !v.(bool), nil
	}
}

func (r *reader) comparison() expression {
	a := r.value()
	op := r.take("==", "!=", "<", "<=", ">", ">=", "in")
	if op == "" {
		return a
	}
	b := r.value()
	return func(f facts) (any, error) {
		x, err := a(f)
		y, err2 := b(f)
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		return compare(op, x, y), nil
	}
}

func compare(op string, x, y any) bool {
	switch op {
	case "in":
		return slices.Contains(y.([]any), x)
	case "==":
		return order(x, y) == 0
	case "!=":
		return order(x, y) != 0
	case "<":
		return order(x, y) < 0
	case "<=":
		return order(x, y) <= 0
	case ">":
		return order(x, y) > 0
	}
	return order(x, y) >= 0
}

func order(x, y any) int {
	switch x := x.(type) {
	case string:
		return strings.Compare(x, y.(string))
	case int:
		return x - y.(int)
	case time.Time:
		return x.Compare(y.(time.Time))
	}
	return int(x.(time.Duration) - y.(time.Duration))
}

func constant(v any) expression { return func(facts) (any, error) { return v, nil } }

func (r *reader) value() expression {
	w := r.take()
	switch {
	case w == "(":
		e := r.or()
		r.take(")")
		return e
	case w == "[":
		return r.list("]")
	case strings.HasPrefix(w, `"`):
		return constant(strings.Trim(w, `"`))
	case r.take("(") != "":
		return call(w, r.list(")"))
	case r.take(".") != "":
		name, of := r.take(), fact(w)
		r.take("(")
		return method(name, of, r.list(")"))
	}
	if n, err := strconv.Atoi(w); err == nil {
		return constant(n)
	}
	for _, t := range vitrine.Tiers {
		if t.String() == w {
			return constant(int(t))
		}
	}
	return fact(w)
}

func fact(name string) expression {
	return func(f facts) (any, error) {
		if v, ok := f[name]; ok {
			return v, nil
		}
		return nil, errAbsent
	}
}

// list reads values up to what closes them.
func (r *reader) list(end string) expression {
	var all []expression
	for r.take(end) == "" {
		all = append(all, r.or())
		r.take(",")
	}
	return func(f facts) (any, error) {
		var vs []any
		for _, e := range all {
			v, err := e(f)
			if err != nil {
				return nil, err
			}
			vs = append(vs, v)
		}
		return vs, nil
	}
}

func call(name string, args expression) expression {
	return func(f facts) (any, error) {
		v, err := args(f)
		if err != nil {
			return nil, err
		}
		vs := v.([]any)
		switch name {
		case "duration":
			return time.ParseDuration(vs[0].(string))
		case "timestamp":
			return time.Parse(time.RFC3339Nano, vs[0].(string))
		case "inCIDR":
			a, err := netip.ParseAddr(vs[0].(string))
			return slices.ContainsFunc(vs[1:], func(n any) bool { return netip.MustParsePrefix(n.(string)).Contains(a) }), err
		}
		panic("condition calls " + name)
	}
}

func method(name string, of, args expression) expression {
	return func(f facts) (any, error) {
		x, err := of(f)
		v, err2 := args(f)
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		switch name {
		case "getHours":
			return x.(time.Time).UTC().Hour(), nil
		case "startsWith":
			return strings.HasPrefix(x.(string), v.([]any)[0].(string)), nil
		}
		panic("condition calls " + name)
	}
}
