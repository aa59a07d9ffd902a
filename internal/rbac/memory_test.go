package rbac_test

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/reference"
)

// Engines have been wrong by what they remembered: an answer that was given to
// another question, a fast way that refused wrongly, a grant that had ended and
// was still in a cache. Here stands that this one remembers nothing.

// Answers do not depend on what was asked before, nor on who asks at the same
// time.
func TestAnswersDoNotDependOnOtherQuestions(t *testing.T) {
	for seed := range uint64(8) {
		r := reference.NewRandom(seed)
		objects := r.Objects(rbac.Predefined())
		p, w := compile(t, objects), reference.New(objects)
		qs := make([]*rbac.Question, 60)
		want := make([]vitrine.Decision, len(qs))
		for i := range qs {
			if qs[i] = asked(r.Question(w)); i%2 == 1 { // the same question but for one thing
				*qs[i] = *qs[i-1]
				vary(r, qs[i])
			}
			want[i] = compile(t, objects).Decide(qs[i])
		}
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() {
				order := slices.Collect(func(yield func(int) bool) {
					for i := range qs {
						if n%2 == 1 {
							i = len(qs) - 1 - i
						}
						if !yield(i) {
							return
						}
					}
				})
				for _, i := range order {
					if got := p.Decide(qs[i]); !reflect.DeepEqual(got, want[i]) {
						t.Errorf("seed %d: %+v\nfirst %+v\nlater %+v", seed, qs[i], want[i], got)
						return
					}
					s := qs[i].Subject
					f := p.Filter(&s, qs[i].Permission, qs[i].At)
					f.Allows(qs[i].Resource)
					p.Who(qs[i].Permission, qs[i].Resource, qs[i].At)
					p.Explain(qs[i])
				}
			})
		}
		all.Wait()
	}
}

// vary changes one thing about a question.
func vary(r reference.Random, q *rbac.Question) {
	switch r.IntN(9) {
	case 0:
		q.Subject.Principal = reference.Pick(r, "u0", "u1", "s0", vitrine.ID("s1"))
	case 1:
		q.Subject.Roles = []vitrine.ID{reference.Pick(r, "r0", vitrine.ID("r1"))}
	case 2:
		q.Subject.MFA = noon
	case 3:
		q.Subject.Credential, q.Subject.Key = reference.Pick(r, "k0", vitrine.ID("k1")), true
	case 4:
		q.Resource.Tier = vitrine.Tier(r.IntN(5))
	case 5:
		q.Resource.Owner = q.Subject.Principal
	case 6:
		q.Resource.Scope = reference.Pick(r, "d0", "d1", vitrine.ID("d2"))
	case 7:
		q.Permission = reference.Pick(r, vitrine.ImageView, vitrine.ImageOpen)
	default:
		q.At = q.At.Add(time.Duration(r.IntN(5)-2) * time.Microsecond)
	}
}

// A snapshot holds nothing back from the clock: what begins and ends does so at
// the instant that is asked about, whatever was asked about before.
func TestTimeIsTheQuestions(t *testing.T) {
	begins, ends, tick := noon, noon.Add(time.Hour), time.Microsecond
	b := bind("seer", "ann", "p0")
	b.From, b.Until = begins, ends
	p := house(t, user("ann"), &vitrine.Role{ID: "seer", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}}, b,
		&vitrine.Key{ID: "k", Principal: "ann", Expires: ends.Add(-tick)},
		&vitrine.Constraint{ID: "fresh", Kind: vitrine.MFA, Permissions: []vitrine.Permission{vitrine.ImageExport}, MaxAge: vitrine.Duration(time.Minute)})
	tests := []struct {
		at           time.Time
		session, key bool
	}{
		{begins.Add(-tick), false, false}, {begins, true, true}, {ends.Add(-2 * tick), true, true},
		{ends.Add(-tick), true, false}, {ends, false, false}, {ends.Add(-2 * tick), true, true}, {begins.Add(-tick), false, false}, {begins, true, true},
	}
	for _, tt := range tests {
		q := by("ann", vitrine.ImageOpen, picture(vitrine.Internal))
		q.At = tt.at
		who := slices.ContainsFunc(p.Who(q.Permission, q.Resource, tt.at), func(h rbac.Holder) bool { return h.Principal == "ann" })
		if got := p.Decide(q).Allow; got != tt.session || who != tt.session {
			t.Errorf("in a session at %s: allowed %v, listed %v, want %v", tt.at, got, who, tt.session)
		}
		q.Subject.Credential, q.Subject.Key = "k", true
		f := p.Filter(&q.Subject, q.Permission, tt.at)
		if got, listed := p.Decide(q).Allow, len(f.Sets) > 0; got != tt.key || listed != tt.key {
			t.Errorf("with the key at %s: allowed %v, listed %v, want %v", tt.at, got, listed, tt.key)
		}
	}
}

// What is asked in parts is compared in parts: no character joins two of them
// into one, or cuts one short.
func TestNothingSeparatesWords(t *testing.T) {
	p := house(t, user("ann"), bind("seer", "ann", "d0"), bind("drawer", "ann", "p0/hidream"), &vitrine.Key{ID: "k", Principal: "ann"},
		&vitrine.Role{ID: "seer", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}},
		&vitrine.Role{ID: "drawer", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.ModelGenerate}, Models: []string{"hidream"}, Formats: []string{"png"}}}})
	open := *by("ann", vitrine.ImageOpen, picture(vitrine.Internal))
	draw := *by("ann", vitrine.ModelGenerate, vitrine.Resource{Kind: vitrine.KindDeployment, Scope: "p0/hidream", Model: "hidream", Format: "png"})
	if !p.Decide(&open).Allow || !p.Decide(&draw).Allow {
		t.Fatal("what is meant is not allowed")
	}
	for _, c := range []string{"\x00", "\x1f", "\n", "|", "/", ":", ",", " ", "\u2028", "\xff", "%00"} {
		for name, change := range map[string]func(open, draw *rbac.Question){
			"principal": func(o, d *rbac.Question) { o.Subject.Principal += vitrine.ID(c); d.Subject.Principal += vitrine.ID(c) },
			"before it": func(o, d *rbac.Question) {
				o.Subject.Principal = vitrine.ID(c) + "ann"
				d.Subject.Principal = o.Subject.Principal
			},
			"permission": func(o, d *rbac.Question) {
				o.Permission += vitrine.Permission(c)
				d.Permission += vitrine.Permission(c)
			},
			"scope": func(o, d *rbac.Question) { o.Resource.Scope += vitrine.ID(c); d.Resource.Scope += vitrine.ID(c) },
			"scope and all": func(o, d *rbac.Question) {
				o.Resource.Scope = "d0" + vitrine.ID(c) + "d0"
				d.Resource.Scope = "p0" + vitrine.ID(c)
			},
			"key": func(o, d *rbac.Question) {
				o.Subject.Credential, o.Subject.Key = "k"+vitrine.ID(c), true
				d.Subject = o.Subject
			},
			"roles": func(o, d *rbac.Question) {
				o.Subject.Roles = []vitrine.ID{"seer" + vitrine.ID(c) + "drawer"}
				d.Subject = o.Subject
			},
			"person": func(o, d *rbac.Question) { o.Subject.For = "ann" + vitrine.ID(c); d.Subject = o.Subject },
			"format": func(o, d *rbac.Question) { d.Resource.Format += c; o.Resource.Scope = "" },
			"several at once": func(o, d *rbac.Question) {
				o.Permission, o.Resource.Scope = "image.open"+vitrine.Permission(c+"d0"), ""
				*d = *o
			},
		} {
			t.Run(fmt.Sprintf("%s %q", name, c), func(t *testing.T) {
				o, d := open, draw
				change(&o, &d)
				for _, q := range []*rbac.Question{&o, &d} {
					if got := p.Decide(q); got.Allow {
						t.Errorf("%+v\nis allowed: %+v", q, got)
					}
				}
			})
		}
	}
	if _, err := rbac.Compile(1, append(frame(), user("ann\x00bob"))); err == nil {
		t.Error("an id with a control character was compiled")
	}
}

// The nearest miss is true: a role would let do it that is given where it says,
// and one that is held lets do it at the tier that it says. What withholds it
// besides is another matter.
func TestNearestMissIsTrue(t *testing.T) {
	given, reached := 0, 0
	further := []vitrine.Code{vitrine.CodeDenyRule, vitrine.CodeNeedsMFA, vitrine.CodeSession, vitrine.CodeNotEnrolled, vitrine.CodeRespFormat}
	each(t, func(t *testing.T, r reference.Random, now told) {
		for range 40 {
			q := question(r, now.world, reference.Pick(r, "u0", "u1", vitrine.ID("u2")))
			d := now.policy.Decide(q)
			if n := d.Nearest; n.Role != "" {
				given++
				next, err := now.policy.Apply(8, []vitrine.Change{vitrine.Put(&vitrine.Binding{ID: "given", Role: n.Role, Principal: q.Subject.Principal, Scope: n.Scope})})
				if err != nil {
					t.Fatal(err)
				}
				then := next.Decide(q)
				if !then.Allow && !slices.Contains(further, then.Code) {
					t.Errorf("%+v\nwas %+v\nis %+v", q, d, then)
				}
			}
			if d.Nearest.Tier != vitrine.TierUnknown {
				reached++
				lower := *q
				lower.Resource.Tier = d.Nearest.Tier
				if then := now.policy.Decide(&lower); !then.Allow && !slices.Contains(further, then.Code) {
					t.Errorf("%+v\nwas %+v\nand of that tier %+v", q, d, then)
				}
			}
		}
	})
	if given == 0 || reached == 0 {
		t.Errorf("%d roles named, %d tiers", given, reached)
	}
}
