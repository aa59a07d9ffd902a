package identity

import (
	"context"
	"fmt"
	"net/netip"
	"time"
	"unicode"
	"unicode/utf8"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/rbac"
)

// Presented is what a request shows.
type Presented struct {
	Key       vitrine.Secret
	Address   netip.Addr
	UserAgent string
	Request   string
	EndUser   string
	Project   vitrine.ID // OpenAI-Project header
	Dataset   vitrine.ID // X-Vitrine-Dataset header
	AtLeast   int64      // X-Vitrine-Revision header
}

// Why a key is not good, for the log alone.
const (
	badNoKey   = "no_key"
	badKey     = "invalid_key"
	badOld     = "old_secret" // of before a rotation, after its overlap
	badRevoked = "revoked_key"
	badExpired = "expired_key"
	badAddress = "foreign_address"
	badOther   = "inactive"
)

// maxEndUser bounds the name of an asserted end user.
const maxEndUser = 256

// Authenticate answers who it is. ErrUnauthenticated, recorded, is the one
// answer for every key that is not good; ErrNotFound for a project or dataset
// outside the key's scope, or where the caller holds nothing; ErrUnavailable when the policy cannot be confirmed
// or what must be recorded cannot be. The first use of an owner's first key
// enrols her, and each raises an alert.
func (d *Directory) Authenticate(ctx context.Context, p Presented) (access.Caller, error) {
	by := access.Caller{
		Subject: rbac.Subject{Address: p.Address, EndUser: p.EndUser},
		Request: p.Request, UserAgent: p.UserAgent, AtLeast: p.AtLeast,
	}
	at := d.now()
	now, err := d.guard.Policy(access.Caller{})
	if err != nil {
		return access.Caller{}, err
	}
	k, who, bad := verify(now, p.Key.Reveal(), p.Address, at)
	if bad == badKey && p.AtLeast > now.Revision() {
		// A key as new as the revision that the request demands.
		if now, err = d.guard.Snapshot(ctx, by); err == nil {
			k, who, bad = verify(now, p.Key.Reveal(), p.Address, at)
		}
	}
	if bad != "" {
		if k != nil { // the secret was right, so the log may say whose
			by.Principal, by.Credential, by.For = k.Principal, k.ID, k.For
		}
		if err := d.guard.Unknown(ctx, by, bad); err != nil {
			return access.Caller{}, err
		}
		return access.Caller{}, access.Unauthenticated()
	}
	by.Principal, by.Credential, by.Key, by.For, by.Kind = who.ID, k.ID, true, k.For, who.Kind
	if err := d.place(ctx, &by, now, k, p, at); err != nil {
		return access.Caller{}, err
	}
	if k.First {
		if err := d.firstUse(ctx, by, who); err != nil {
			return access.Caller{}, err
		}
	}
	d.uses.touch(k.ID, at, p.Address, p.UserAgent)
	return by, nil
}

// nobody is what an unknown id is compared with, so that it takes as long.
var nobody = &vitrine.Key{}

// verify finds the key and says what is wrong with it; "" is nothing. It
// answers the key wherever the secret was right. The same is done, in the same
// order, whether the text is no key at all, the id unknown or the secret wrong.
func verify(now *rbac.Policy, text string, from netip.Addr, at time.Time) (*vitrine.Key, *vitrine.Principal, string) {
	kind, id, formed := ParseKey(text)
	sum := digest(text)
	k, known := now.Key(id)
	if !known {
		k = nobody
	}
	current := matches(k.Hash, &sum)
	previous := matches(k.Previous, &sum)
	who, there := now.Principal(k.Principal)
	switch {
	case text == "":
		return nil, nil, badNoKey
	case !formed, !known, !there, !current && !previous, kind != kindOf(k, who):
		return nil, nil, badKey
	case !current && !at.Before(k.PreviousUntil):
		return k, who, badOld
	case !k.Revoked.IsZero():
		return k, who, badRevoked
	case !k.Expires.IsZero() && !at.Before(k.Expires):
		return k, who, badExpired
	case !inside(k.CIDRs, from):
		return k, who, badAddress
	}
	s := rbac.Subject{Principal: k.Principal, Credential: k.ID, Key: true, For: k.For}
	if _, live := now.Live(&s, at); !live {
		return k, who, badOther
	}
	if person, ok := now.Principal(k.For); k.For != "" && (!ok || person.Disabled) {
		return k, who, badOther
	}
	return k, who, ""
}

func kindOf(k *vitrine.Key, p *vitrine.Principal) string {
	switch {
	case k.First:
		return kindFirst
	case k.Session():
		return kindSession
	case p.Kind == vitrine.User:
		return kindUser
	}
	return kindService
}

// inside reports whether an address lies in one of the networks; no networks
// is everywhere. A network that cannot be read holds nobody.
func inside(cidrs []string, from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	for _, c := range cidrs {
		if n, err := netip.ParsePrefix(c); err == nil && n.Contains(from) {
			return true
		}
	}
	return len(cidrs) == 0
}

// place sets the caller's project and dataset: the key's own, or others that
// the request chose inside the key's scope, where the caller holds something: to
// choose must not be a way to find out what there is.
func (d *Directory) place(ctx context.Context, by *access.Caller, now *rbac.Policy, k *vitrine.Key, p Presented, at time.Time) error {
	if len(p.EndUser) > maxEndUser || !utf8.ValidString(p.EndUser) || !all(p.EndUser, printable) {
		by.EndUser = ""
		return d.guard.Reject(ctx, *by, access.Act{Op: "key"},
			vitrine.Invalid("user", "end_user", fmt.Sprintf("An end user's name has at most %d bytes of text.", maxEndUser)))
	}
	by.Project, by.Dataset = k.Project, k.Dataset
	if p.Project != "" && p.Project != by.Project {
		if !within(now, k.Scope, vitrine.Ref{Kind: vitrine.KindProject, ID: p.Project}) || !now.Reaches(&by.Subject, p.Project, at) {
			return d.absent(ctx, *by, access.Act{Permission: vitrine.ProjectView, Op: "choose", Resource: vitrine.Resource{ID: p.Project}})
		}
		by.Project, by.Dataset = p.Project, ""
	}
	if p.Dataset != "" && p.Dataset != by.Dataset {
		if !within(now, k.Scope, vitrine.Ref{Kind: vitrine.KindDataset, ID: p.Dataset}) || !now.Reaches(&by.Subject, p.Dataset, at) {
			return d.absent(ctx, *by, access.Act{Permission: vitrine.DatasetView, Op: "choose", Resource: vitrine.Resource{ID: p.Dataset}})
		}
		by.Dataset = p.Dataset
		if set, ok := now.Dataset(p.Dataset); ok && p.Project == "" {
			by.Project = set.Project
		}
	}
	return nil
}

func printable(c byte) bool { return c >= utf8.RuneSelf || !unicode.IsControl(rune(c)) }

// within reports whether a project or dataset exists and lies in a key's
// scope. A key for one dataset or model lives in that one's project.
func within(now *rbac.Policy, scope vitrine.ID, ref vitrine.Ref) bool {
	project := ref.ID
	if ref.Kind == vitrine.KindDataset {
		set, ok := now.Dataset(ref.ID)
		if !ok {
			return false
		}
		project = set.Project
	} else if _, ok := now.Project(ref.ID); !ok {
		return false
	}
	if org := now.Organization(); scope == "" || scope == ref.ID || scope == project || org != nil && scope == org.ID {
		return true
	}
	if set, ok := now.Dataset(scope); ok {
		return ref.Kind == vitrine.KindProject && set.Project == ref.ID
	}
	m, ok := now.Deployment(scope)
	return ok && m.Project == project
}

// firstUse records the use of a first key, and enrols its owner if she has not
// been here before.
func (d *Directory) firstUse(ctx context.Context, by access.Caller, who *vitrine.Principal) error {
	if who.Enrolled.IsZero() {
		return d.enrol(ctx, by)
	}
	return d.guard.Alarm(ctx, by, "first_key_used")
}

func (d *Directory) enrol(ctx context.Context, by access.Caller) error {
	d.enrolling.Lock()
	defer d.enrolling.Unlock()
	system := by
	system.System = true
	a := access.Act{Permission: vitrine.PrincipalEdit, Op: "enrol", Resource: vitrine.Resource{Kind: vitrine.KindPrincipal, ID: by.Principal}}
	o := policy.Options{Act: "authenticate", Alert: "first_key_used"}
	_, err := d.change(ctx, system, a, o, func(now *rbac.Policy) (*vitrine.ChangeSet, error) {
		who, ok := now.Principal(by.Principal)
		if !ok {
			return nil, missing(refOf(a))
		}
		p := *who
		if p.Enrolled.IsZero() {
			p.Enrolled = d.now().UTC().Truncate(time.Microsecond)
		}
		return &vitrine.ChangeSet{Reason: "first key used", Changes: []vitrine.Change{vitrine.Put(&p)}}, nil
	})
	if err != nil {
		return fmt.Errorf("enrol %s: %w", by.Principal, err)
	}
	return nil
}
