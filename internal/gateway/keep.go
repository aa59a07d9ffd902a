package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/vault"
)

// linkTime is how long a response link lives, unless the vault allows less.
const linkTime = time.Hour

// keep is T2: images, settlement, usage, reply and entry in one transaction.
// Where the store cannot take them for a while, Run goes on trying and the
// caller is told so; the images are not lost.
func (g *Gateway) keep(ctx context.Context, m *generation) (*Answer, error) {
	err := g.insist(ctx, func(ctx context.Context) error { return g.keepOnce(ctx, m) })
	if err != nil {
		m.held = true
		g.late <- m // has room for as many as there are places
		return nil, paid(err, "kept_later", "The images are made and paid for, but cannot be recorded right now. They will be in the vault as soon as that is possible; do not ask again.")
	}
	left := g.left(ctx, m)
	m.answer.Remaining, m.answer.PaymentSource = left.amount, left.source
	return m.answer, nil
}

// paid is the error for what broke on our side after a service was asked. It is
// no ErrUnavailable, not even by its cause: after that, clients ask again by
// themselves, and pay again.
func paid(err error, code, public string) error {
	return &vitrine.Error{Kind: vitrine.ErrUpstream, Code: code, Public: public, Err: errors.New(err.Error())}
}

// insist tries until it succeeds or has failed once more than there are pauses.
func (g *Gateway) insist(ctx context.Context, try func(context.Context) error) error {
	for i := 0; ; i++ {
		err := try(ctx)
		if err == nil || i == len(g.pause) {
			return err
		}
		select {
		case <-time.After(g.pause[i]):
		case <-ctx.Done():
			return err
		}
	}
}

// keepOnce is one attempt. An earlier one may have succeeded without our
// hearing of it; then the images are there, and that is what was wanted.
func (g *Gateway) keepOnce(ctx context.Context, m *generation) error {
	kept := make([]vault.Kept, len(m.made))
	for i := range m.made {
		kept[i] = vault.Kept{Draft: m.made[i].draft, Image: m.image(i)}
		if m.response == "url" {
			kept[i].LinkTTL = linkTime
		}
	}
	e := m.entry()
	err := g.vault.Keep(ctx, m.receipt, e, kept, func(tx *store.Tx) error {
		m.answer = m.answered(kept)
		if err := m.end(tx, e); err != nil {
			return err
		}
		return m.finishReply(tx)
	})
	var taken *vitrine.Error
	before := errors.As(err, &taken) && taken.Code == "id_used" && m.answer != nil
	if err != nil && !before {
		return fmt.Errorf("keep %d images of request %s: %w", len(kept), m.by.Request, err)
	}
	for i := range m.answer.Images {
		if m.answer.Images[i].LinkPath != "" {
			m.made[i].draft.Abort() // kept, and read by the link from now on
		}
	}
	return nil
}

// entry is what the log says of the end.
func (m *generation) entry() *vitrine.Entry {
	e := &vitrine.Entry{Cost: m.bill.cost, Model: m.deployment.Model, PromptHash: m.act.PromptHash}
	if len(m.made) > 0 {
		e.Kind, e.Resource, e.Scope = vitrine.KindImage, m.made[0].draft.ID(), m.dataset.ID
		e.Category, e.Tier = vitrine.Generated, m.tier
	}
	if n := len(m.made); n > 0 && n < m.n {
		note(e, fmt.Sprintf("%d of the %d images asked for came", n, m.n))
	}
	if broken := m.bill.broken; broken != nil {
		note(e, failureText(broken))
		var up *provider.Error
		if errors.As(broken, &up) && up.Code == provider.CodeNotKept {
			e.Raise("paid_image_lost")
		}
	}
	return e
}

// end settles the reservation and counts the use. A reservation that the sweep
// was faster with is spent already.
func (m *generation) end(tx *store.Tx, e *vitrine.Entry) error {
	if m.bill.release {
		return known(tx.Release(m.reservation))
	}
	settled, err := tx.Settle(m.reservation, m.bill.cost)
	swept := errors.Is(err, vitrine.ErrNotFound)
	if err := known(err); err != nil {
		return err
	}
	m.balances = settled.Balances
	alarm(e, settled.Alerts, max(0, m.bill.cost-m.reserved))
	u := &store.UsageRow{Time: m.at, Principal: m.by.Principal, Project: m.deployment.Project, Model: m.deployment.Model,
		EndUser: m.by.EndUser, Images: len(m.made), Cost: m.bill.cost, Request: m.by.Request}
	if m.by.Key {
		u.Key = m.by.Credential
	}
	if swept { // which counted what was set aside
		u.Cost = 0
	}
	return tx.PutUsage(u)
}

// known is err, but nil where there was nothing to be found.
func known(err error) error {
	if errors.Is(err, vitrine.ErrNotFound) {
		return nil
	}
	return err
}

// image is what is known of the i-th image beside what its bytes tell.
func (m *generation) image(i int) vitrine.Image {
	return vitrine.Image{
		Dataset: m.dataset.ID, Project: m.dataset.Project, Category: vitrine.Generated,
		Tier: m.tier, TierBy: m.tierBy, Owner: m.by.Principal,
		Detail: vitrine.ImageDetail{Lineage: vitrine.Lineage{
			Prompt: m.Prompt.Reveal(), PromptHash: m.act.PromptHash, Model: m.deployment.Model, Provider: m.deployment.Provider,
			Seed: m.made[i].seed, Sources: m.lineage, EndUser: m.by.EndUser, Credential: m.by.Credential, Request: m.by.Request,
		}},
	}
}

// answered is the answer, but for what is left of the budgets.
func (m *generation) answered(kept []vault.Kept) *Answer {
	a := &Answer{Created: m.at, Cost: m.bill.cost, PaymentSource: dollars, Request: m.by.Request, Revision: m.receipt.Decision.Revision,
		Usage: m.result.Usage, Echo: m.echo()}
	for i := range m.made {
		p := &m.made[i]
		one := AnswerImage{ID: p.draft.ID(), Size: p.draft.Size(), Format: p.info.Format, RevisedPrompt: p.words, Seed: p.seed, Tier: m.tier}
		if kept[i].Link != nil {
			one.LinkPath = kept[i].Link.Path
		} else {
			one.ReaderAt = p.draft
		}
		a.Images = append(a.Images, one)
	}
	return a
}

// echo are the fields in which the dialect repeats what was made: as the
// service says, but format and size as they are.
func (m *generation) echo() map[string]string {
	e := map[string]string{}
	for _, name := range []string{"background", "quality"} {
		if v := m.result.Echo[name]; v != "" {
			e[name] = v
		}
	}
	if len(m.made) > 0 {
		info := m.made[0].info
		e["output_format"], e["size"] = info.Format, fmt.Sprintf("%dx%d", info.Width, info.Height)
	}
	return e
}

// dollars is the payment source where no budget counts.
const dollars = "USD"

type leftover struct {
	amount *vitrine.Micros
	source string
}

// left is what the budgets hold after the settlement; where that was not ours,
// what they hold now. The images are paid for and kept, so a failing look-up only
// leaves the number out.
func (g *Gateway) left(ctx context.Context, m *generation) leftover {
	all, err := ofAllowances(m.allowances, m.at, m.balances), error(nil)
	if m.balances == nil {
		all, err = g.balances(ctx, m.allowances, m.at)
	}
	least := tightest(all)
	if err != nil || least == nil {
		return leftover{source: dollars}
	}
	amount := least.Left()
	return leftover{&amount, string(least.Budget)}
}
