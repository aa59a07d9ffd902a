package cond_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/cond"
)

// monday is a working day, 17:30 in Berlin.
var monday = time.Date(2026, 3, 2, 16, 30, 0, 0, time.UTC)

// ann asks, from the office, about a picture of hers.
var ann = cond.Facts{
	Now: monday, MFA: monday.Add(-5 * time.Minute), Address: netip.MustParseAddr("10.1.2.3"),
	Key: "k1", EndUser: "customer-7", Principal: "ann",
	Scope: "renders", Category: vitrine.Generated, Tier: vitrine.Internal, Environment: vitrine.Production, Owner: "ann",
}

func with(change func(*cond.Facts)) cond.Facts {
	f := ann
	change(&f)
	return f
}

func compile(t testing.TB, text string) *cond.Program {
	t.Helper()
	p, err := cond.Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func TestEval(t *testing.T) {
	for _, c := range []struct {
		condition string
		want      bool
	}{
		{`true`, true},
		{`tier <= internal`, true},
		{`tier <= public`, false},
		{`tier < confidential && tier > public && tier != restricted`, true},
		{`tier in [public, internal]`, true},
		{`category == "generated"`, true},
		{`category in ["training", "reference"]`, false},
		{`environment != "production"`, false},
		{`"production" == environment`, true},
		{`owner == principal`, true},
		{`owner == "bob"`, false},
		{`scope == "renders"`, true},
		{`scope.startsWith("ren")`, true},
		{`key == ""`, false},
		{`end_user.matches("^customer-[0-9]+$")`, true},
		{`mfa_age <= duration("15m")`, true},
		{`mfa_age <= duration("4m59s")`, false},
		{`inCIDR(address, "10.0.0.0/8")`, true},
		{`inCIDR(address, "192.168.0.0/16", "10.1.0.0/16")`, true},
		{`!inCIDR(address, "10.0.0.0/8")`, false},
		{`inCIDR(address, "2001:db8::/32")`, false},
		{`now < timestamp("2026-04-01T00:00:00Z")`, true},
		{`now.getHours() == 16`, true},
		{`now.getHours("Europe/Berlin") == 17`, true},
		{`now.getHours("+05:30") == 22 && now.getMinutes("+05:30") == 0`, true},
		{`now.getDayOfWeek("Europe/Berlin") in [1, 2, 3, 4, 5]`, true},
		{`environment == "production" ? tier <= internal : true`, true},
	} {
		got, err := compile(t, c.condition).Eval(&ann)
		if err != nil || got != c.want {
			t.Errorf("%s: got %v, %v; want %v", c.condition, got, err, c.want)
		}
	}
}

// Each zone function answers as CEL specifies it: months and the plain day of
// the month from zero, dates from one, Sunday is zero.
func TestTimeInAZone(t *testing.T) {
	f := with(func(f *cond.Facts) { f.Now = time.Date(2026, 12, 31, 23, 59, 58, 7e6, time.UTC) })
	for call, want := range map[string]int{
		"getFullYear": 2027, "getMonth": 0, "getDayOfYear": 0, "getDayOfMonth": 0, "getDate": 1,
		"getDayOfWeek": 5, "getHours": 0, "getMinutes": 59, "getSeconds": 58, "getMilliseconds": 7,
	} {
		text := fmt.Sprintf("now.%s('Europe/Berlin') == %d", call, want)
		if got, err := compile(t, text).Eval(&f); err != nil || !got {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
}

// An absent fact errs where it is read, so that no comparison holds, nor its
// negation; where "" means something it is "".
func TestAbsentFacts(t *testing.T) {
	none := func(change func(*cond.Facts)) cond.Facts { return with(change) }
	noMFA := none(func(f *cond.Facts) { f.MFA = time.Time{} })
	early := none(func(f *cond.Facts) { f.MFA = monday.Add(10 * time.Minute) })
	skewed := none(func(f *cond.Facts) { f.MFA = monday.Add(time.Second) })
	noAddress := none(func(f *cond.Facts) { f.Address = netip.Addr{} })
	noTier := none(func(f *cond.Facts) { f.Tier = vitrine.TierUnknown })
	bare := cond.Facts{}
	long := none(func(f *cond.Facts) { f.EndUser = strings.Repeat("x", cond.MaxFact+1) })
	for _, c := range []struct {
		name      string
		facts     cond.Facts
		condition string
		want      bool
		err       string
	}{
		{"no second factor", noMFA, `mfa_age < duration("15m")`, false, "no second factor was shown"},
		{"no second factor, negated", noMFA, `!(mfa_age < duration("15m"))`, false, "no second factor was shown"},
		{"no second factor, but another way", noMFA, `mfa_age < duration("15m") || tier <= internal`, true, ""},
		{"no second factor, and another demand", noMFA, `mfa_age < duration("15m") && tier <= internal`, false, "no second factor was shown"},
		{"no second factor, but false anyway", noMFA, `mfa_age < duration("15m") && tier <= public`, false, ""},
		{"second factor from the future", early, `mfa_age < duration("15m")`, false, "in the future"},
		{"second factor by a faster clock", skewed, `mfa_age == duration("0s")`, true, ""},
		{"no address", noAddress, `!inCIDR(address, "10.0.0.0/8")`, false, "address is not known"},
		{"unknown tier is restricted", noTier, `tier == restricted`, true, ""},
		{"unknown tier is not internal", noTier, `tier <= internal`, false, ""},
		{"no time", bare, `now > timestamp("2020-01-01T00:00:00Z")`, false, "time is not known"},
		{"no time for the age", bare, `mfa_age < duration("15m")`, false, "time is not known"},
		{"nobody", bare, `principal != "eve"`, false, "caller is not known"},
		{"no scope", bare, `scope != "secret"`, false, "scope is not known"},
		{"no category", bare, `category != "training"`, false, "no category"},
		{"no environment", bare, `environment != "production"`, false, "in no environment"},
		{"by session", bare, `key == ""`, true, ""},
		{"no end user", bare, `end_user == ""`, true, ""},
		{"no owner", bare, `owner == ""`, true, ""},
		{"too long", long, `end_user != "x"`, false, "too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := compile(t, c.condition).Eval(&c.facts)
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, %v; want %v, %q", c.condition, got, err, c.want, c.err)
			}
		})
	}
}

func TestAddressForms(t *testing.T) {
	for _, c := range []struct {
		address, network string
		want             bool
	}{
		{"::ffff:10.1.2.3", "10.0.0.0/8", true},
		{"fe80::1%eth0", "fe80::/10", true},
		{"10.1.2.3", "::/0", false},
		{"11.0.0.0", "10.0.0.0/8", false},
	} {
		f := with(func(f *cond.Facts) { f.Address = netip.MustParseAddr(c.address) })
		got, err := compile(t, `inCIDR(address, "`+c.network+`")`).Eval(&f)
		if err != nil || got != c.want {
			t.Errorf("%s in %s: got %v, %v; want %v", c.address, c.network, got, err, c.want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, c := range []struct {
		name, condition string
		line, column    int
		want            string
	}{
		{"nothing", "  ", 1, 1, "empty"},
		{"not text", "\xff", 1, 1, "UTF-8"},
		{"syntax", `tier <=`, 1, 8, "Syntax error"},
		{"unknown name", `tier <= internal &&` + "\n" + ` user == "ann"`, 2, 2, "undeclared reference to 'user'"},
		{"unknown function", `readFile("/etc/passwd") == ""`, 1, 9, "undeclared reference to 'readFile'"},
		{"not true or false", `tier`, 1, 1, "true or false; this is int"},
		{"true or false only when run", `dyn(true)`, 1, 1, "true or false; this is dyn"},
		{"tier in quotes", `tier == "internal"`, 1, 6, "no matching overload"},
		{"unknown environment", `environment != "prodution"`, 1, 16, `"prodution" is no environment`},
		{"unknown category", `"image" == category`, 1, 1, `"image" is no category`},
		{"unknown category in a list", `category in ["training", "image"]`, 1, 26, `"image" is no category`},
		{"unknown word behind a dot", `.environment == "test"`, 1, 17, `"test" is no environment`},
		{"no network", `inCIDR(address, "10.0.0.0")`, 1, 17, "no network"},
		{"bits beyond the network", `inCIDR(address, "10.0.0.1/8")`, 1, 17, "10.0.0.0/8 is the network"},
		{"mapped network", `inCIDR(address, "::ffff:10.0.0.0/104")`, 1, 17, "as IPv4"},
		{"computed network", `inCIDR(address, end_user)`, 1, 17, "write the network out"},
		{"no time zone", `now.getHours("Mars/Phobos") < 18`, 1, 14, "no time zone"},
		{"the machine's time zone", `now.getHours("Local") < 18`, 1, 14, "no time zone"},
		{"computed time zone", `now.getHours(end_user) < 18`, 1, 14, "write the time zone out"},
		{"computed pattern", `scope.matches(end_user)`, 1, 15, "write the pattern out"},
		{"computed pattern, as a function", `matches(scope, end_user)`, 1, 16, "write the pattern out"},
		{"broken pattern", `scope.matches("(")`, 1, 15, "regex"},
		{"huge pattern", `scope.matches("(a{100}){10}")`, 1, 15, "regex"},
		{"a loop", `[1, 2].all(x, x > 0)`, 1, 11, "undeclared reference"},
		{"deep", strings.Repeat("(", 60) + "true" + strings.Repeat(")", 60), 1, 1, "recursion"},
		{"long", `owner == "` + strings.Repeat("x", cond.MaxText) + `"`, 1, 1, "at most 2048 bytes"},
		{"expensive", `(end_user + end_user + end_user + end_user).matches("(a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p)*z")`, 1, 1, "could cost"},
		{"a set of facts", `{"a": owner}.a == "b" && {}`, 1, 26, "expected type 'bool'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := cond.Compile(c.condition)
			var e *cond.Error
			if !errors.As(err, &e) {
				t.Fatalf("%s: got %v; want a *cond.Error", c.condition, err)
			}
			if !strings.Contains(e.Text, c.want) || e.Line != c.line || e.Column != c.column {
				t.Errorf("%s: got %v; want line %d, column %d: ...%s...", c.condition, e, c.line, c.column, c.want)
			}
			if strings.ContainsAny(e.Error(), "\n\r") {
				t.Errorf("%s: the error has more than one line: %q", c.condition, e.Error())
			}
		})
	}
}

func TestUses(t *testing.T) {
	for _, c := range []struct {
		condition       string
		owner, resource bool
	}{
		{`true`, false, false},
		{`now.getHours() < 18 && inCIDR(address, "10.0.0.0/8")`, false, false},
		{`end_user == "owner" && key != "tier"`, false, false},
		{`internal < restricted`, false, false},
		{`tier <= internal`, false, true},
		{`scope == "a" || category == "training"`, false, true},
		{`principal == owner`, true, true},
		{`principal == "ann" ? true : .owner == "bob"`, true, true},
		{`[principal, owner] == ["ann", "ann"]`, true, true},
	} {
		p := compile(t, c.condition)
		if p.UsesOwner() != c.owner || p.UsesResource() != c.resource {
			t.Errorf("%s: got owner %v, resource %v; want %v, %v", c.condition, p.UsesOwner(), p.UsesResource(), c.owner, c.resource)
		}
		if p.String() != c.condition {
			t.Errorf("String: got %q; want %q", p, c.condition)
		}
	}
}

func TestEvalConcurrently(t *testing.T) {
	p := compile(t, `tier <= internal && owner == principal && end_user.matches("^customer") && now.getHours("Europe/Berlin") < 18`)
	var wg sync.WaitGroup
	for i := range 8 {
		mine := with(func(f *cond.Facts) {
			if i%2 == 1 {
				f.Owner = "bob"
			}
		})
		wg.Go(func() {
			for range 200 {
				if got, err := p.Eval(&mine); err != nil || got != (i%2 == 0) {
					t.Errorf("caller %d: got %v, %v", i, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Whatever the text, compiling and evaluating end, without a panic, and what
// compiled answers the same twice.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		`true`, `tier <= internal && mfa_age < duration("15m")`, `inCIDR(address, "10.0.0.0/8")`,
		`now.getHours("Europe/Berlin") < 18`, `end_user.matches("^a(b|c)*$")`, `owner == principal || environment in ["staging"]`,
		`[[[[]]]]`, `{"a": 1}`, `"\u00e9" == owner`, `1 / 0 == 1`, `b"\xff" == b""`, `((((`, `a.b.c`, `dyn(1) in [1u]`, `-9223372036854775808 == 0`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := cond.Compile(text)
		if err != nil {
			if p != nil {
				t.Errorf("%q: a program beside the error %v", text, err)
			}
			return
		}
		for _, facts := range []cond.Facts{ann, {}} {
			got, err := p.Eval(&facts)
			if err != nil && got {
				t.Errorf("%q: allowed with error %v", text, err)
			}
			if err != nil && strings.Contains(err.Error(), "cost limit") {
				t.Errorf("%q: the estimate let through what the count stops: %v", text, err)
			}
			if again, _ := p.Eval(&facts); again != got {
				t.Errorf("%q: answered %v, then %v", text, got, again)
			}
		}
	})
}

func BenchmarkEval(b *testing.B) {
	for _, c := range []struct{ name, condition string }{
		{"tier", `tier <= internal`},
		{"owner", `owner == principal`},
		{"mfa", `mfa_age < duration("15m")`},
		{"network", `inCIDR(address, "10.0.0.0/8")`},
		{"hours", `now.getHours("Europe/Berlin") < 18`},
		{"three", `tier <= internal && mfa_age < duration("15m") && environment == "production"`},
		{"absent", `mfa_age < duration("15m") || true`},
	} {
		p := compile(b, c.condition)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := p.Eval(&ann); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		compile(b, `tier <= internal && mfa_age < duration("15m")`)
	}
}
