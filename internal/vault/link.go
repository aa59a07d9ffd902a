package vault

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// Link is a response link: bearer, pinned rendition, minutes, dies with the
// credential that made it.
type Link struct {
	ID        vitrine.ID        `json:"id"`
	Token     string            `json:"-"`    // shown once
	Path      string            `json:"path"` // /l/{token}; "" when listed
	Image     vitrine.ID        `json:"image"`
	Rendition vitrine.Rendition `json:"rendition"`
	Expires   time.Time         `json:"expires"`
	Uses      int64             `json:"uses"`
}

// The id of a link says what it rests on. Whoever makes a link takes the image
// out, in whatever form: that is image.export, asked when it is made and at each
// use. The link in an answer to a generation is the answer itself, which the
// generator had the right to get: that rests on image.open, asked with the
// generation and at each use.
const (
	exported = "lnk-"
	answered = "ans-"
)

const (
	tokenSize  = 32 // bytes
	defaultTTL = 15 * time.Minute
)

// newLink makes a link of the caller's, and what is kept of it.
func (v *Vault) newLink(by *access.Caller, prefix string, image vitrine.ID, r vitrine.Rendition, ttl time.Duration) (*Link, *store.Link) {
	var b [tokenSize]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process where it would
	token := base64.RawURLEncoding.EncodeToString(b[:])
	l := &Link{ID: newID(prefix, v.now()), Token: token, Path: "/l/" + token, Image: image, Rendition: r, Expires: v.now().UTC().Add(ttl)}
	return l, &store.Link{ID: l.ID, Hash: hashToken(token), Image: image, Rendition: r,
		Principal: by.Principal, Credential: by.Credential, Created: v.now(), Expires: l.Expires}
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Link makes a link that shows one rendition to whoever has it, until ttl has
// passed (0 is 15 minutes; never beyond the vault's bound), it is revoked, or
// its maker or the credential that made it may no longer. It needs image.export,
// whichever rendition it shows.
func (v *Vault) Link(ctx context.Context, by access.Caller, id vitrine.ID, r vitrine.Rendition, ttl time.Duration) (*Link, error) {
	_, _, bad := asks(r)
	m, t, err := v.ask(ctx, by, id, access.Act{Permission: vitrine.ImageExport, Op: "link"}, nil)
	if err != nil {
		return nil, err
	}
	if ttl == 0 {
		ttl = min(defaultTTL, v.linkTTL)
	}
	switch {
	case bad != nil:
		err = bad
	case ttl < 0 || ttl > v.linkTTL:
		err = vitrine.Invalid("ttl", "ttl", fmt.Sprintf("A link lives at most %s.", v.linkTTL))
	default:
		r, err = given(r, t.Decision())
	}
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	l, row := v.newLink(&by, exported, m.ID, r, ttl)
	t.Entry().Detail = describe(row)
	if _, err := t.Spend(ctx, func(tx *store.Tx) error { return tx.PutLink(row) }); err != nil {
		return nil, err
	}
	return l, nil
}

func describe(l *store.Link) string {
	return fmt.Sprintf("link %s, rendition %s, until %s", l.ID, l.Rendition, l.Expires.UTC().Format(time.RFC3339))
}

// OpenLink answers what a link shows. from says only where the request comes
// from; the policy is asked for who made the link, with the credential that made
// it, at this instant and from this address, and the use is recorded and
// counted before anything leaves. Every refusal is ErrNotFound, whatever it is
// about: who holds a link is told nothing of its maker. A key that is narrowed
// to networks narrows its links too.
func (v *Vault) OpenLink(ctx context.Context, from access.Caller, token string) (*View, error) {
	return v.follow(ctx, from, token, "open link", (*store.Tx).UseLink)
}

// PeekLink is OpenLink for whoever only looks what there would be to see, as
// chat programs do: it is decided and recorded alike, and is no use of the link.
func (v *Vault) PeekLink(ctx context.Context, from access.Caller, token string) (*View, error) {
	return v.follow(ctx, from, token, "peek at link", func(*store.Tx, vitrine.ID) error { return nil })
}

// follow decides on a link, and counts the use in the transaction of the entry.
func (v *Vault) follow(ctx context.Context, from access.Caller, token, op string, count func(*store.Tx, vitrine.ID) error) (*View, error) {
	from = access.Caller{Subject: rbac.Subject{Address: from.Address}, Request: from.Request, UserAgent: from.UserAgent}
	l, err := v.link(ctx, &from, token)
	if err != nil {
		return nil, err
	}
	by, err := v.maker(ctx, &from, l)
	if err != nil {
		return nil, err
	}
	w := v.watch(l.Image)
	t, err := v.look(ctx, by, w, access.Act{Permission: restsOn(l), Op: op}, l.Rendition)
	if err == nil {
		t.Entry().Detail = describe(l)
		_, err = t.Spend(ctx, func(tx *store.Tx) error { return count(tx, l.ID) })
	}
	if err != nil {
		return nil, w.abandon(hide(err))
	}
	return w, nil
}

// link finds a link that is alive. A token that is none is the attempt of
// somebody unknown; one that was right once may name whose it was.
func (v *Vault) link(ctx context.Context, from *access.Caller, token string) (*store.Link, error) {
	code := "unknown_link"
	var l *store.Link
	if b, err := base64.RawURLEncoding.Strict().DecodeString(token); err == nil && len(b) == tokenSize {
		l, err = v.store.LinkByHash(ctx, hashToken(token))
		if err != nil && !errors.Is(err, vitrine.ErrNotFound) {
			return nil, err
		}
	}
	if l != nil {
		switch {
		case !l.Revoked.IsZero():
			code = "revoked_link"
		case !v.now().Before(l.Expires):
			code = "expired_link"
		default:
			return l, nil
		}
		from.Principal, from.Credential = l.Principal, l.Credential
	}
	if err := v.guard.Unknown(ctx, *from, code); err != nil {
		return nil, err
	}
	return nil, access.NotFound()
}

// maker is who made a link, as the caller that asks now.
func (v *Vault) maker(ctx context.Context, from *access.Caller, l *store.Link) (access.Caller, error) {
	by := *from
	by.Principal, by.Credential = l.Principal, l.Credential
	p, err := v.guard.Snapshot(ctx, by)
	if err != nil {
		return by, v.guard.Reject(ctx, by, access.Act{Permission: restsOn(l), Op: "open link"}, err)
	}
	if who, ok := p.Principal(l.Principal); ok {
		by.Kind = who.Kind
	}
	// Every caller has come by a key so far. One that is there no more is dead
	// like a revoked one, and the guard says so.
	by.Key = l.Credential != ""
	k, ok := p.Key(l.Credential)
	if !ok {
		return by, nil
	}
	by.For = k.For
	if !within(k.CIDRs, from.Address) {
		if err := v.guard.Unknown(ctx, by, "link_from_foreign_address"); err != nil {
			return by, err
		}
		return by, access.NotFound()
	}
	return by, nil
}

// within reports whether an address lies in one of the networks; no networks is
// everywhere. A network that cannot be read holds nobody.
func within(cidrs []string, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, c := range cidrs {
		if n, err := netip.ParsePrefix(c); err == nil && n.Contains(a) {
			return true
		}
	}
	return len(cidrs) == 0
}

// restsOn is what a link's maker must still be allowed.
func restsOn(l *store.Link) vitrine.Permission {
	if strings.HasPrefix(string(l.ID), answered) {
		return vitrine.ImageOpen
	}
	return vitrine.ImageExport
}

// hide turns every refusal into the one for what is absent.
func hide(err error) error {
	for _, kind := range []error{vitrine.ErrDenied, vitrine.ErrUnauthenticated, vitrine.ErrNotFound} {
		if errors.Is(err, kind) {
			return access.NotFound()
		}
	}
	return err
}

// Links lists the links to an image, the newest first, without their tokens:
// all of them for who may export it, else the caller's own.
func (v *Vault) Links(ctx context.Context, by access.Caller, id vitrine.ID) ([]Link, error) {
	_, t, err := v.ask(ctx, by, id, access.Act{
		Permission: vitrine.ImageExport, OrElse: []vitrine.Permission{vitrine.ImageView}, Op: "list links",
	}, nil)
	if err != nil {
		return nil, err
	}
	rows, err := v.store.Links(ctx, id)
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	all := t.Decision().Permission == vitrine.ImageExport
	links := []Link{}
	for _, l := range rows {
		alive := l.Revoked.IsZero() && v.now().Before(l.Expires)
		if alive && (all || own(&by, &l)) {
			links = append(links, Link{ID: l.ID, Image: l.Image, Rendition: l.Rendition, Expires: l.Expires, Uses: l.Uses})
		}
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return links, nil
}

// own reports whether a link is the caller's. An agent's links are those of the
// person for whom it made them: another who lets it act for her has her own.
func own(by *access.Caller, l *store.Link) bool {
	return l.Principal == by.Principal && (by.For == "" || l.Credential == by.Credential)
}

// RevokeLink ends a link. Its maker may; of others' links who may export the
// image. ErrNotFound where there is none that is alive.
func (v *Vault) RevokeLink(ctx context.Context, by access.Caller, image, link vitrine.ID) error {
	a := access.Act{Permission: vitrine.ImageExport, Op: "revoke link"}
	l, err := v.linkOf(ctx, image, link)
	if err != nil {
		a.Resource = vitrine.Resource{ID: image}
		return v.guard.Reject(ctx, by, a, err)
	}
	var t *access.Ticket
	if l != nil && own(&by, l) {
		a.Resource = vitrine.Resource{Kind: vitrine.KindImage, ID: image}
		t, err = v.guard.Self(ctx, by, a)
	} else {
		_, t, err = v.ask(ctx, by, image, a, nil)
	}
	if err != nil {
		return err
	}
	if l == nil {
		return refuse(ctx, t, access.NotFound())
	}
	t.Entry().Detail = describe(l)
	_, err = t.Spend(ctx, func(tx *store.Tx) error { return tx.RevokeLink(l.ID, v.now()) })
	return err
}

// linkOf is an image's link, or nil.
func (v *Vault) linkOf(ctx context.Context, image, link vitrine.ID) (*store.Link, error) {
	if !image.Valid() || !link.Valid() {
		return nil, nil
	}
	all, err := v.store.Links(ctx, image)
	for i := range all {
		if all[i].ID == link {
			return &all[i], nil
		}
	}
	return nil, err
}
