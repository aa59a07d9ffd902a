package api

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/problem"
	"vitrine.dev/vitrine/internal/vault"
)

// An entity tag is the version of an image, or the revision at which an object
// of the policy last changed. An image looks different to who may not open it,
// so its tag does too; either stands for the same version.
const maskedTag = "-masked"

var (
	oneTag = regexp.MustCompile(`^(?:W/)?"([\x21\x23-\x7e]*)"$`) // proxies weaken tags that are strong
	ourTag = regexp.MustCompile(`^([1-9][0-9]{0,17})(?:` + maskedTag + `)?$`)
)

// nobodys is a version that nothing has.
const nobodys = -1

func versionTag(n int64) string { return `"` + strconv.FormatInt(n, 10) + `"` }

// imageTag is the tag of an image as it is told to a caller.
func imageTag(m *vitrine.Image, sees vitrine.Rendition) string {
	if sees == vitrine.Masked {
		return `"` + strconv.FormatInt(m.Version, 10) + maskedTag + `"`
	}
	return versionTag(m.Version)
}

// tagged is an answer about one thing, with its entity tag.
type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

func taggedInfo(info *vault.Info, err error) (*tagged[vault.Info], error) {
	if err != nil {
		return nil, err
	}
	return &tagged[vault.Info]{imageTag(&info.Image, info.Sees), *info}, nil
}

// taggedImage is an image after a change. Who may not open it hears no detail,
// and every picture has a format.
func taggedImage(m *vitrine.Image, err error) (*tagged[vitrine.Image], error) {
	if err != nil {
		return nil, err
	}
	sees := vitrine.Original
	if m.Detail.Format == "" {
		sees = vitrine.Masked
	}
	return &tagged[vitrine.Image]{imageTag(m, sees), *m}, nil
}

// demanded is the version that a request demands of what it changes; 0 is any.
// A tag that is none of ours is the version of nothing. Where nothing has a
// version none can be right.
func (a *API) demanded(route Route, r *http.Request, by access.Caller) (int64, error) {
	text := strings.TrimSpace(strings.Join(r.Header.Values("If-Match"), ","))
	switch {
	case text == "" || r.Method == http.MethodGet || r.Method == http.MethodHead:
		return 0, nil
	case text == "*":
		return a.exists(route, r, by), nil
	case !route.versioned:
		return 0, &vitrine.Error{Kind: vitrine.ErrConflict, Code: "version", Param: "If-Match", Public: "What this changes has no entity tag."}
	}
	tag := oneTag.FindStringSubmatch(text)
	if tag == nil {
		return 0, vitrine.Invalid("If-Match", "etag", `Name one entity tag, as in If-Match: "7".`)
	}
	if n := ourTag.FindStringSubmatch(tag[1]); n != nil {
		return strconv.ParseInt(n[1], 10, 64)
	}
	return nobodys, nil
}

// exists is any version for what is there, and otherwise one that nothing has.
// Only where a request would make what is not there it is a question: whatever
// else is absent is not found.
func (a *API) exists(route Route, r *http.Request, by access.Caller) int64 {
	if !route.versioned || route.Method != http.MethodPut || route.makes == "" {
		return 0
	}
	ref := vitrine.Ref{Kind: route.makes, ID: vitrine.ID(r.PathValue("id"))}
	if route.makes == anyKind {
		ref.Kind = vitrine.Kind(r.PathValue("kind"))
	}
	now, err := a.Guard.Policy(by)
	if err != nil {
		return 0 // nor will anything be changed
	}
	if _, ok := now.Object(ref); !ok {
		return nobodys
	}
	return 0
}

// anyKind stands for the kind that the path names.
const anyKind vitrine.Kind = "*"

// unmet reports whether a problem is that what was to be changed had not the
// version that the request demanded, and makes it say so.
func unmet(p *problem.Problem, r *http.Request) {
	if p.Status != http.StatusConflict || r.Header.Get("If-Match") == "" || p.Code != "version" && p.Code != "revision" {
		return
	}
	p.Status, p.Type, p.Code, p.Title = http.StatusPreconditionFailed, "", "precondition_failed", "Changed since it was read"
}

// unchanged reports whether the caller has what the answer would tell already.
func unchanged(r *http.Request, h http.Header) bool {
	tag := h.Get("ETag")
	if tag == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	for one := range strings.SplitSeq(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}
