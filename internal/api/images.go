package api

import (
	"context"
	"net/url"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/vault"
)

// images are the routes about the metadata of images.
func (a *API) images() {
	a.imageList()
	route := func(method, pattern string, p vitrine.Permission, summary, op string) Route {
		return Route{Method: method, Pattern: prefix + "/images/{id}" + pattern, Permission: p, Summary: summary, tag: "images", op: op, versioned: true}
	}
	add(a, route("GET", "", vitrine.ImageView, "What you may know of an image", "info"),
		func(ctx context.Context, by access.Caller, in *ByID) (*tagged[vault.Info], error) {
			return taggedInfo(a.Vault.Info(ctx, by, vitrine.ID(in.ID)))
		})
	add(a, route("PATCH", "", vitrine.ImageUpdate, "Change an image's name and labels", "update"),
		func(ctx context.Context, by access.Caller, in *struct {
			ByID
			Body struct {
				Name   *string   `json:"name,omitempty"`
				Labels *[]string `json:"labels,omitempty"`
			}
		}) (*tagged[vitrine.Image], error) {
			return taggedImage(a.Vault.Update(ctx, by, vitrine.ID(in.ID), in.Body.Name, in.Body.Labels))
		})
	add(a, route("PUT", "/tier", vitrine.ImageClassify, "Change an image's tier", "classify"),
		func(ctx context.Context, by access.Caller, in *struct {
			ByID
			Body struct {
				Tier   vitrine.Tier `json:"tier"`
				Reason string       `json:"reason,omitempty" doc:"Needed where the tier is lowered"`
			}
		}) (*tagged[vitrine.Image], error) {
			return taggedImage(a.Vault.Classify(ctx, by, vitrine.ID(in.ID), in.Body.Tier, in.Body.Reason))
		})
	a.deletions(route)
	a.links()
}

func (a *API) imageList() {
	type imagePage struct {
		Images []vault.Info `json:"images"`
		Next   string       `json:"next,omitempty" doc:"Ask for what comes after this"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/images", Summary: "The images that you may see, newest first", tag: "images", op: "list"},
		func(ctx context.Context, by access.Caller, in *struct {
			Project  string `query:"project"`
			Dataset  string `query:"dataset"`
			Category string `query:"category" enum:"training,reference,generated,evaluation,model-file,configuration"`
			Tier     string `query:"tier" enum:"public,internal,confidential,restricted"`
			Deleted  bool   `query:"deleted" doc:"Those instead that were deleted and that you may restore"`
			After    string `query:"after" maxLength:"512"`
			Limit    int    `query:"limit" minimum:"0" maximum:"1000"`
		}) (*struct{ Body imagePage }, error) {
			q := vault.Query{Project: vitrine.ID(in.Project), Dataset: vitrine.ID(in.Dataset), Deleted: in.Deleted, After: in.After, Limit: in.Limit}
			if err := q.Category.UnmarshalText([]byte(in.Category)); err != nil {
				return nil, a.malformed(ctx, by, vitrine.Invalid("category", "category", sentence(err.Error())))
			}
			if err := q.Tier.UnmarshalText([]byte(in.Tier)); err != nil {
				return nil, a.malformed(ctx, by, vitrine.Invalid("tier", "tier", sentence(err.Error())))
			}
			p, err := a.Vault.List(ctx, by, q)
			if err != nil {
				return nil, err
			}
			return &struct{ Body imagePage }{imagePage{list(p.Images), p.Next}}, nil
		})
}

// link is vault.Link with the whole address.
type link struct {
	ID        vitrine.ID        `json:"id"`
	URL       string            `json:"url,omitempty" doc:"Whoever has it sees the image until it ends; shown this once"`
	Image     vitrine.ID        `json:"image"`
	Rendition vitrine.Rendition `json:"rendition"`
	Expires   time.Time         `json:"expires"`
	Uses      int64             `json:"uses"`
}

func (a *API) links() {
	const pattern = prefix + "/images/{id}/links"
	add(a, Route{Method: "POST", Pattern: pattern, Permission: vitrine.ImageExport, Summary: "Make a link to an image that ends by itself", tag: "images", op: "link", status: 201, versioned: true, once: true, secret: true},
		func(ctx context.Context, by access.Caller, in *struct {
			ByID
			Body struct {
				Rendition vitrine.Rendition `json:"rendition,omitempty" enum:"original,masked,thumbnail"`
				TTL       vitrine.Duration  `json:"ttl,omitempty" doc:"How long it works: 15m"`
			}
		}) (*struct{ Body link }, error) {
			l, err := a.Vault.Link(ctx, by, vitrine.ID(in.ID), in.Body.Rendition, time.Duration(in.Body.TTL))
			if err != nil {
				return nil, err
			}
			address, err := url.JoinPath(a.base(requestOf(ctx).r), l.Path)
			return &struct{ Body link }{link{l.ID, address, l.Image, l.Rendition, l.Expires, l.Uses}}, err
		})
	type linkList struct {
		Links []link `json:"links"`
	}
	add(a, Route{Method: "GET", Pattern: pattern, Permission: vitrine.ImageExport, Summary: "The links to an image", tag: "images", op: "list links"},
		func(ctx context.Context, by access.Caller, in *ByID) (*struct{ Body linkList }, error) {
			all, err := a.Vault.Links(ctx, by, vitrine.ID(in.ID))
			out := linkList{make([]link, len(all))}
			for i, l := range all {
				out.Links[i] = link{ID: l.ID, Image: l.Image, Rendition: l.Rendition, Expires: l.Expires, Uses: l.Uses}
			}
			return &struct{ Body linkList }{out}, err
		})
	add(a, Route{Method: "DELETE", Pattern: pattern + "/{link}", Permission: vitrine.ImageExport, Summary: "End a link", tag: "images", op: "revoke link", status: 204},
		func(ctx context.Context, by access.Caller, in *struct {
			ByID
			Link string `path:"link"`
		}) (*none, error) {
			return &none{}, a.Vault.RevokeLink(ctx, by, vitrine.ID(in.ID), vitrine.ID(in.Link))
		})
}

// fileName is a name that is safe in a header and on any disk.
func fileName(name, id, format string) string {
	name = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || strings.ContainsRune(`/\:*?"<>|`, c) {
			return '_'
		}
		return c
	}, name)
	if name = strings.TrimLeft(name, "."); name == "" {
		name = id + "." + format
	}
	if r := []rune(name); len(r) > 120 {
		name = string(r[:120])
	}
	return name
}
