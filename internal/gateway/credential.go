package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/rbac"
)

// providerOf is a provider of the policy. A deployment cannot name one that is
// not there, so its absence is our fault.
func (g *Gateway) providerOf(now *rbac.Policy, id vitrine.ID) (*vitrine.Provider, error) {
	o, ok := now.Object(vitrine.Ref{Kind: vitrine.KindProvider, ID: id})
	p, isProvider := o.(*vitrine.Provider)
	if !ok || !isProvider {
		return nil, fmt.Errorf("provider %s is not in the policy", id)
	}
	return p, nil
}

// serviceFor is the service of a generation with the credential to use for it.
func (g *Gateway) serviceFor(ctx context.Context, m *generation, p *vitrine.Provider) (line, error) {
	return g.connect(ctx, m.policy, p, m.deployment.Project, func() map[vitrine.ID]bool { return m.roles() })
}

// connect is a service with the credential for a project and roles. It dials
// nothing.
func (g *Gateway) connect(ctx context.Context, now *rbac.Policy, p *vitrine.Provider, project vitrine.ID, roles func() map[vitrine.ID]bool) (line, error) {
	l := line{of: p}
	var secret vitrine.Secret
	var err error
	if p.Kind != vitrine.Studio {
		if l.credential, secret, err = g.secret(ctx, now, p, project, roles); err != nil {
			return line{}, err
		}
	}
	if l.Provider, err = provider.New(g.configOf(p, secret)); err != nil {
		return line{}, unusable(p.ID, err)
	}
	return l, nil
}

func (g *Gateway) configOf(p *vitrine.Provider, secret vitrine.Secret) provider.Config {
	return provider.Config{Kind: p.Kind, BaseURL: p.BaseURL, Hosts: p.Hosts, AllowPrivate: g.private, MaxBytes: g.bounds.Bytes, Secret: secret}
}

// unusable is the error for a provider that an operator has to look at. The
// caller's request is right, and repeating it will not help.
func unusable(id vitrine.ID, err error) error {
	return &vitrine.Error{Kind: vitrine.ErrUpstream, Code: "provider_unusable", Err: err,
		Public: fmt.Sprintf("The image service %s cannot be used as it is set up. An operator has to look at it.", id)}
}

// secret unseals the credential to use, if the provider has any. One that was
// bound to another origin than the provider's present one is never sent.
func (g *Gateway) secret(ctx context.Context, now *rbac.Policy, p *vitrine.Provider, project vitrine.ID, roles func() map[vitrine.ID]bool) (*vitrine.Credential, vitrine.Secret, error) {
	all := credentials(now, p.ID)
	if len(all) == 0 {
		return nil, "", nil
	}
	c := choose(all, project, roles)
	if c == nil {
		return nil, "", unusable(p.ID, errors.New("no credential is for this project or role"))
	}
	origin, err := provider.Origin(p.BaseURL)
	if err != nil {
		return nil, "", unusable(p.ID, err)
	}
	known, err := g.secretOf(ctx, now, c.ID)
	switch {
	case errors.Is(err, vitrine.ErrNotFound):
		return nil, "", unusable(p.ID, fmt.Errorf("credential %s has no secret", c.ID))
	case err != nil:
		return nil, "", err
	case known.origin != origin:
		return nil, "", unusable(p.ID, fmt.Errorf("credential %s is bound to another origin", c.ID))
	}
	return c, known.secret, nil
}

// credentials are a provider's, ordered by id.
func credentials(now *rbac.Policy, id vitrine.ID) []*vitrine.Credential {
	var all []*vitrine.Credential
	for _, o := range now.Objects(vitrine.KindCredential) {
		if c, ok := o.(*vitrine.Credential); ok && c.Provider == id {
			all = append(all, c)
		}
	}
	return all
}

// choose is the credential for a project, else for a role, else the one that
// serves the rest; among equals the first by id. One that names both projects
// and roles is for these roles in these projects.
func choose(all []*vitrine.Credential, project vitrine.ID, roles func() map[vitrine.ID]bool) *vitrine.Credential {
	var best *vitrine.Credential
	var held map[vitrine.ID]bool
	most := -1
	for _, c := range all {
		rank := 0
		if len(c.Projects) > 0 {
			if !slices.Contains(c.Projects, project) {
				continue
			}
			rank += 2
		}
		if len(c.Roles) > 0 {
			if held == nil {
				held = roles()
			}
			if !slices.ContainsFunc(c.Roles, func(r vitrine.ID) bool { return held[r] }) {
				continue
			}
			rank++
		}
		if rank > most {
			best, most = c, rank
		}
	}
	return best
}

// roles are the roles that let the caller generate this, and those that they
// include.
func (m *generation) roles() map[vitrine.ID]bool {
	held := map[vitrine.ID]bool{}
	var add func(vitrine.ID)
	add = func(id vitrine.ID) {
		if held[id] {
			return
		}
		held[id] = true
		o, _ := m.policy.Object(vitrine.Ref{Kind: vitrine.KindRole, ID: id})
		if r, ok := o.(*vitrine.Role); ok {
			for _, inner := range r.Includes {
				add(inner)
			}
		}
	}
	x := m.policy.Explain(&rbac.Question{Subject: m.by.Subject, Permission: m.act.Permission, Resource: m.act.Resource, At: m.at})
	for _, b := range x.Bindings {
		if b.Code == vitrine.CodeAllowed {
			add(b.Role)
		}
	}
	return held
}
