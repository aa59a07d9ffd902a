package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/render"
)

// open builds what is asked of the service: the sources are opened where they
// lie, or inspected where they came with the request. An end user is a keyed
// hash to the service, another one for each, so that no two can compare.
func (g *Gateway) open(ctx context.Context, m *generation, d vitrine.Decision) error {
	m.ask = provider.Request{
		Model: cmp.Or(m.deployment.Upstream, m.deployment.Model), Prompt: m.Prompt, N: m.n,
		Size: m.size, Quality: m.Quality, Format: m.format, Extra: m.Extra,
	}
	if m.Stream != nil {
		m.ask.Previews = m.Stream.Previews
	}
	if m.by.EndUser != "" {
		h := g.users.Derive(string(m.deployment.Provider)).Mac([]byte(m.by.EndUser))
		m.ask.EndUser = fmt.Sprintf("%x", h[:16])
	}
	var first render.Info
	for i, s := range m.Sources {
		src, info, err := g.source(ctx, m, d, s)
		if err != nil {
			return err
		}
		if i == 0 {
			first = info
		}
		m.ask.Sources = append(m.ask.Sources, src)
	}
	if m.Mask == nil {
		return nil
	}
	src, info, err := g.source(ctx, m, d, *m.Mask)
	if err != nil {
		return err
	}
	if info.Width != first.Width || info.Height != first.Height {
		return vitrine.Invalid(cmp.Or(m.Mask.Param, "mask"), "invalid_mask_size",
			fmt.Sprintf("A mask has the size of the first image: %dx%d, not %dx%d.", first.Width, first.Height, info.Width, info.Height))
	}
	m.ask.Mask = &src
	return nil
}

func (g *Gateway) source(ctx context.Context, m *generation, d vitrine.Decision, s Source) (provider.Source, render.Info, error) {
	if s.Image != "" {
		v, err := g.vault.Source(ctx, d, s.Image)
		if err != nil {
			return provider.Source{}, render.Info{}, fmt.Errorf("open source %s: %w", s.Image, err)
		}
		m.views = append(m.views, v)
		return provider.Source{ReaderAt: v, Size: v.Size, Format: v.Format}, render.Info{Format: v.Format, Width: v.Width, Height: v.Height}, nil
	}
	param := cmp.Or(s.Param, "image")
	if s.Body == nil {
		return provider.Source{}, render.Info{}, vitrine.Invalid(param, "missing_image_input", "There is no picture in it.")
	}
	info, err := render.Inspect(s.Body, s.Size, g.bounds)
	if err != nil {
		return provider.Source{}, render.Info{}, at(param, err)
	}
	return provider.Source{ReaderAt: s.Body, Size: s.Size, Format: info.Format}, info, nil
}

// at names the field that an error is about.
func at(param string, err error) error {
	var e *vitrine.Error
	if !errors.As(err, &e) {
		return err
	}
	named := *e
	named.Param = param
	return &named
}
