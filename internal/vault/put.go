package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// Bounds on what stands beside a picture.
const (
	maxName    = 255 // bytes
	maxLabels  = 32
	maxLabel   = 64 // bytes
	maxSources = 16
)

// Upload is what an uploader says of a picture.
type Upload struct {
	Dataset vitrine.ID   // "" is the caller's default
	Tier    vitrine.Tier // unknown: the dataset's birth tier
	Name    string
	Labels  []string
	Sources []vitrine.ID // images that it was made from
}

// Put adds an image: the picture is read from body after the decision, kept
// exactly, and is durable with its entry at return. It is born with the tier
// that the uploader names, or its dataset's, and never below a source's. It
// needs image.create in the dataset at that tier; to name one below the birth
// tier, image.classify there at both; and image.open on each source. ErrInvalid
// and ErrTooLarge, with Param, say what is wrong with what came.
func (v *Vault) Put(ctx context.Context, by access.Caller, u Upload, body io.Reader) (*vitrine.Image, error) {
	a := access.Act{Permission: vitrine.ImageCreate, Op: "upload"}
	p, err := v.guard.Snapshot(ctx, by)
	if err != nil {
		return nil, v.guard.Reject(ctx, by, a, err)
	}
	m, counted, err := v.born(ctx, by, p, &u, &a)
	if err != nil {
		return nil, v.guard.Reject(ctx, by, a, err)
	}
	t, err := v.guard.Check(ctx, by, a)
	if err != nil {
		return nil, unnamed(&u, err)
	}
	if err = u.clean(); err == nil && !counted { // the policy changed between the two questions
		err = access.NotFound()
	}
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	m.Detail.Name, m.Detail.Labels = u.Name, u.Labels
	leave, err := v.Room(1)
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	defer leave()
	d, err := v.Draft(ctx)
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	defer d.Abort()
	if err := d.fill(body); err != nil {
		return nil, refuse(ctx, t, err)
	}
	if err := d.describe(m); err != nil {
		return nil, refuse(ctx, t, err)
	}
	if err := v.stands(ctx, by, m); err != nil {
		return nil, refuse(ctx, t, err)
	}
	t.Entry().Resource = m.ID
	_, err = t.Spend(ctx, func(tx *store.Tx) error {
		// Nothing stands between this look and the commit.
		if gone, err := tx.Deleted(vitrine.Ref{Kind: vitrine.KindDataset, ID: m.Dataset}); err != nil || gone {
			return errors.Join(err, datasetChanged(gone))
		}
		return d.put(tx, m)
	})
	d.settled(err)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// born is the image that an upload asks for, and completes the questions that
// it raises. An unknown dataset leaves the act without a resource, and an
// unknown source is a question about nothing: the guard answers both. A source
// that the caller may not open does not count for the tier, since then the
// answer about the tier would tell of it; counted is false, and the guard, asked
// about it too, refuses.
func (v *Vault) born(ctx context.Context, by access.Caller, p *rbac.Policy, u *Upload, a *access.Act) (m *vitrine.Image, counted bool, err error) {
	if u.Dataset == "" {
		u.Dataset = by.Dataset
	}
	m, counted = &vitrine.Image{Dataset: u.Dataset, Owner: by.Principal, TierBy: vitrine.TierByBirth}, true
	m.Detail.Lineage = vitrine.Lineage{EndUser: by.EndUser, Credential: by.Credential, Request: by.Request}
	set, ok := p.Dataset(u.Dataset)
	a.Resource = vitrine.Resource{ID: u.Dataset}
	if ok {
		m.Project, m.Category = set.Project, set.Category
		m.Tier = set.BirthTier.Effective()
		if u.Tier != vitrine.TierUnknown {
			m.Tier, m.TierBy = u.Tier.Effective(), vitrine.TierByPerson
		}
	}
	for _, id := range u.Sources[:min(len(u.Sources), maxSources)] {
		src, err := v.row(ctx, id)
		if err != nil {
			return m, false, err
		}
		a.More = append(a.More, access.Question{Permission: vitrine.ImageOpen, Resource: resource(src, id)})
		switch {
		case src == nil || !p.Decide(question(by, vitrine.ImageOpen, &src.Image, v.now())).Allow:
			counted = false
		case src.Tier.Effective() > m.Tier:
			m.Tier, m.TierBy = src.Tier.Effective(), vitrine.TierBySource
		}
	}
	if ok {
		a.Resource = m.Resource()
	}
	if ok && m.Tier < set.BirthTier.Effective() {
		a.More = append(a.More, retier(a.Resource, set.BirthTier.Effective(), m.Tier)...)
	}
	m.Detail.Lineage.Sources = u.Sources
	return m, counted, nil
}

// unnamed says to who named no dataset and has none by default that this is
// missing; it tells nothing of what is there.
func unnamed(u *Upload, err error) error {
	var e *vitrine.Error
	if u.Dataset != "" || !errors.As(err, &e) || e.Kind != vitrine.ErrNotFound {
		return err
	}
	return &vitrine.Error{Kind: vitrine.ErrNotFound, Code: "no_dataset", Param: "dataset",
		Public: "Name a dataset: the key that you use has none by default."}
}

// stands makes sure that the dataset did not go while the picture came.
func (v *Vault) stands(ctx context.Context, by access.Caller, m *vitrine.Image) error {
	p, err := v.guard.Snapshot(ctx, by)
	if err != nil {
		return err
	}
	set, ok := p.Dataset(m.Dataset)
	return datasetChanged(!ok || set.Project != m.Project || set.Category != m.Category)
}

func datasetChanged(changed bool) error {
	if !changed {
		return nil
	}
	return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "dataset_changed", Public: "The dataset changed meanwhile. Look at it again and repeat."}
}

// copySize is how much of a body is read at once.
const copySize = 32 << 10

// fill reads a body into the draft and finishes it. A body that cannot be read
// is its sender's fault.
func (d *Draft) fill(body io.Reader) error {
	buf := make([]byte, copySize)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, err := d.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			_, err = d.Finish()
			return err
		}
		if err != nil {
			return unread(err)
		}
	}
}

func unread(err error) error {
	var e *vitrine.Error
	if errors.As(err, &e) {
		return err
	}
	return &vitrine.Error{Kind: vitrine.ErrInvalid, Code: "body_cut", Param: "image", Public: "The picture ended early, or came too slowly.", Err: err}
}

// clean brings name and labels into their one form, and refuses what is out of
// bounds.
func (u *Upload) clean() (err error) {
	if len(u.Sources) > maxSources {
		return vitrine.Invalid("source", "too_many", fmt.Sprintf("At most %d sources.", maxSources))
	}
	if u.Name, err = cleanName(u.Name); err != nil {
		return err
	}
	u.Labels, err = cleanLabels(u.Labels)
	return err
}

func cleanName(s string) (string, error) {
	s, err := cleanText("name", s, maxName)
	return s, err
}

// cleanLabels trims labels, leaves out empty ones and ones given twice, and
// keeps their order.
func cleanLabels(given []string) ([]string, error) {
	var labels []string
	seen := map[string]bool{"": true}
	for _, l := range given {
		l, err := cleanText("labels", l, maxLabel)
		if err != nil {
			return nil, err
		}
		if !seen[l] {
			seen[l] = true
			labels = append(labels, l)
		}
		if len(labels) > maxLabels {
			return nil, vitrine.Invalid("labels", "too_many", fmt.Sprintf("At most %d labels.", maxLabels))
		}
	}
	return labels, nil
}

func cleanText(param, s string, most int) (string, error) {
	s = strings.TrimSpace(s)
	if len(s) > most {
		return "", vitrine.Invalid(param, "too_long", fmt.Sprintf("At most %d bytes.", most))
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unprintable) {
		return "", vitrine.Invalid(param, "invalid_text", "Only printable text.")
	}
	return s, nil
}

// unprintable also refuses what turns the direction of text around: a name is
// read by people who decide by it.
func unprintable(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) }
