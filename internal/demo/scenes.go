package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // pictures may be of these kinds
	_ "image/png"
	"io"
	"net/http"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

const prompt = "a lighthouse on a cliff at dusk, storm clouds, warm light in the lantern room"

// annDraws: an unchanged OpenAI client makes an image, which is kept.
func (s *stage) annDraws(ctx context.Context) error {
	s.ask("openai.Images.Generate(flux-kontext, 1024x1024, %q) with base URL %s/v1", prompt, s.url)
	d, err := draw(ctx, s.url, s.keys["ann"], "flux-kontext", "1024x1024", prompt)
	if err != nil {
		return fmt.Errorf("ann draws: %w", err)
	}
	if err := errors.Join(
		expect("what it cost", "0.04", d.cost),
		expect("what ann has left today", "2.46", d.left),
		expect("that the image has an id", true, d.id.Valid()),
	); err != nil {
		return err
	}
	s.image, s.picture = d.id, d.picture
	s.got("%s, cost $%s, $%s left of her day", about(d.picture), d.cost, d.left)
	m, err := s.as["ann"].Image(ctx, d.id)
	if err != nil {
		return err
	}
	if err := expect("the tier that the image was born with", vitrine.Internal, m.Tier); err != nil {
		return err
	}
	s.say("It is in the vault as %s: sealed under its own key, in dataset %s, tier %s.", d.id, m.Dataset, m.Tier)
	if err := s.save("ann-original.png", d.picture); err != nil {
		return err
	}
	return s.annAndIanList(ctx)
}

// annAndIanList: the list of models is what one may use.
func (s *stage) annAndIanList(ctx context.Context) error {
	for _, list := range []struct {
		who  vitrine.ID
		want string
	}{{"ann", "flux-kontext, gpt-4o-image, hidream"}, {"ian", "hidream"}} {
		got, err := models(ctx, s.url, s.keys[list.who])
		if err != nil {
			return fmt.Errorf("%s lists models: %w", list.who, err)
		}
		if err := expect("the models that "+string(list.who)+" sees", list.want, got); err != nil {
			return err
		}
	}
	s.aside("models.list() answers ann with three models, and ian, a junior, with hidream alone.")
	return nil
}

// bobOpens: another person gets the original, exactly as it was made.
func (s *stage) bobOpens(ctx context.Context) error {
	s.ask("GET /api/v1/images/%s/content", s.image)
	b, v, err := content(ctx, s.as["bob"], s.image, "")
	if err != nil {
		return fmt.Errorf("bob opens the image: %w", err)
	}
	if err := errors.Join(
		expect("the rendition that bob gets", vitrine.Original, v.Rendition),
		expect("that bob has ann's bytes", true, bytes.Equal(b, s.picture)),
	); err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	s.got("original, %s, byte for byte ann's (sha256 %s…)", about(b), hex.EncodeToString(sum[:6]))
	return nil
}

// carolSees: who may only view gets blocks, and no fact that gives more away.
func (s *stage) carolSees(ctx context.Context) error {
	s.ask("GET /api/v1/images/%s/content, as carol, a reviewer", s.image)
	b, v, err := content(ctx, s.as["carol"], s.image, "")
	if err != nil {
		return fmt.Errorf("carol looks at the image: %w", err)
	}
	_, _, named := content(ctx, s.as["carol"], s.image, vitrine.Original)
	m, err := s.as["carol"].Image(ctx, s.image)
	if err != nil {
		return err
	}
	if err := errors.Join(
		expect("the rendition that carol gets", vitrine.Masked, v.Rendition),
		expect("that carol has ann's bytes", false, bytes.Equal(b, s.picture)),
		expect("the original, when carol asks for it by name", true, errors.Is(named, vitrine.ErrDenied)),
		expect("name, size, hash and prompt that carol is told", "", m.Detail.Name+m.Detail.SHA256+m.Detail.Lineage.Prompt),
	); err != nil {
		return err
	}
	s.got("masked, %s; no name, no hash, no prompt", about(b))
	s.no("with ?rendition=original: 403 %s", named)
	return s.save("carol-masked."+v.Format, b)
}

// eveLearnsNothing: for who has no right there, it is not there.
func (s *stage) eveLearnsNothing(ctx context.Context) error {
	s.ask("GET /api/v1/images/%s, as eve of the print shop, and the same for an image that never was", s.image)
	here, err := s.problem(ctx, "eve", "/api/v1/images/"+string(s.image))
	if err != nil {
		return err
	}
	nowhere, err := s.problem(ctx, "eve", "/api/v1/images/img-never-was")
	if err != nil {
		return err
	}
	if err := errors.Join(
		expect("the status that eve gets", http.StatusNotFound, here.Status),
		expect("the answer for an image that is there", nowhere, here),
	); err != nil {
		return err
	}
	images, _, err := s.as["eve"].ImagePage(ctx, client.ImageQuery{})
	if err != nil {
		return err
	}
	if err := expect("images in eve's list", 0, len(images)); err != nil {
		return err
	}
	s.no("404 %s, twice, word for word", here.Title)
	s.say("Her list of images is empty, and counts nothing. The log knows that she asked.")
	return nil
}

// answer is a problem without what differs between any two requests.
type answer struct {
	Status              int
	Title, Detail, Code string
}

func (s *stage) problem(ctx context.Context, who vitrine.ID, path string) (answer, error) {
	status, body, err := s.get(ctx, who, path)
	if err != nil {
		return answer{}, err
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("the answer to %s: %w", path, err)
	}
	a.Status = status
	return a, nil
}

// ianRunsOut: money is set aside before a provider is called, so the request
// that would exceed the budget is never sent.
func (s *stage) ianRunsOut(ctx context.Context) error {
	s.ask("openai.Images.Generate(hidream) twice, as ian, whose trial is $0.015")
	d, err := draw(ctx, s.url, s.keys["ian"], "hidream", "512x512", "a paper boat on a puddle")
	if err != nil {
		return fmt.Errorf("ian draws for the first time: %w", err)
	}
	if err := errors.Join(expect("the first cost", "0.01", d.cost), expect("what is left of ian's trial", "0.005", d.left)); err != nil {
		return err
	}
	s.got("%s, cost $%s, $%s left", about(d.picture), d.cost, d.left)
	_, err = draw(ctx, s.url, s.keys["ian"], "hidream", "512x512", "another paper boat")
	var r *refusal
	if !errors.As(err, &r) {
		return &surprise{"the second picture", "429 insufficient_quota", fmt.Sprint(err)}
	}
	if err := expect("the second picture", "429 insufficient_quota", fmt.Sprintf("%d %s", r.status, r.code)); err != nil {
		return err
	}
	s.no("%d %s: %s", r.status, r.code, r.message)
	_, err = draw(ctx, s.url, s.keys["ian"], "flux-kontext", "512x512", "a paper boat, but better")
	if !errors.As(err, &r) {
		return &surprise{"ian asks a model of the seniors", "403", fmt.Sprint(err)}
	}
	if err := expect("ian asks a model of the seniors", "403 model_not_allowed", fmt.Sprintf("%d %s", r.status, r.code)); err != nil {
		return err
	}
	s.no("with flux-kontext: %d %s", r.status, r.message)
	return nil
}

// why: the same engine that decided explains.
func (s *stage) why(ctx context.Context) error {
	for _, q := range []struct {
		who    vitrine.ID
		perm   vitrine.Permission
		allow  bool
		hidden bool
	}{{"bob", vitrine.ImageOpen, true, false}, {"carol", vitrine.ImageOpen, false, false}, {"eve", vitrine.ImageView, false, true}} {
		s.ask("vitrine explain %s image/%s --subject %s", q.perm, s.image, q.who)
		x, err := s.as["sam"].Explain(ctx, client.Question{Subject: q.who, Permission: q.perm, Resource: vitrine.Resource{Kind: vitrine.KindImage, ID: s.image}})
		if err != nil {
			return fmt.Errorf("sam asks why: %w", err)
		}
		if err := errors.Join(
			expect(fmt.Sprintf("whether %s may %s", q.who, q.perm), q.allow, x.Decision.Allow),
			expect(fmt.Sprintf("whether %s may know of the image", q.who), !q.hidden, !x.Decision.Hidden),
		); err != nil {
			return err
		}
		s.explain(q.who, x)
	}
	return nil
}

func (s *stage) explain(who vitrine.ID, x *client.Explanation) {
	d := x.Decision
	if !d.Allow {
		s.no("%s (failed: %s)", d.Reason(), strings.ReplaceAll(string(d.Failed), "_", " "))
		return
	}
	for _, b := range x.Bindings {
		if b.Binding != d.Binding {
			continue
		}
		var path []string
		for _, id := range b.Path {
			path = append(path, string(id))
		}
		s.got("role %s at %s, by way of %s", d.Role, b.Scope, strings.Join(path, " → "))
		return
	}
	s.got("role %s", d.Role)
}

// content reads a picture.
func content(ctx context.Context, c *client.Client, id vitrine.ID, r vitrine.Rendition) ([]byte, *client.Content, error) {
	v, err := c.Content(ctx, id, r)
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(v)
	return b, v, errors.Join(err, v.Close())
}

// about says what a picture is.
func about(b []byte) string {
	c, format, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return fmt.Sprintf("%d bytes that are no picture", len(b))
	}
	return fmt.Sprintf("%s %dx%d, %d KB", format, c.Width, c.Height, (len(b)+512)/1024)
}
