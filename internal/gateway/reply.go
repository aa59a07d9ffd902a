package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/store"
)

// keepReplies is how long an idempotency key is remembered.
const keepReplies = 24 * time.Hour

// The states of a stored reply beyond 0, which is running. They are no HTTP
// statuses: a dialect is the front's business, and what is kept is the answer
// itself, small, with the images left in the vault.
const (
	replyAnswered = 1
	replyFailed   = 2
)

// reply is an answer as it is kept, sealed, under an idempotency key.
type reply struct {
	Created time.Time         `json:"created"`
	Cost    vitrine.Micros    `json:"cost"`
	Usage   json.RawMessage   `json:"usage,omitempty"`
	Echo    map[string]string `json:"echo,omitempty"`
	Request string            `json:"request"`
	Images  []replyImage      `json:"images,omitempty"`

	Code    string `json:"code,omitempty"` // of a failure
	Message string `json:"message,omitempty"`
}

type replyImage struct {
	ID            vitrine.ID   `json:"id"`
	Format        string       `json:"format"`
	Link          string       `json:"link,omitempty"`
	RevisedPrompt string       `json:"revised_prompt,omitempty"`
	Seed          string       `json:"seed,omitempty"`
	Tier          vitrine.Tier `json:"tier"`
}

// requestHash is what makes two requests the same: the body, and what the
// caller chose beside it.
func (m *generation) requestHash() string {
	h := sha256.New()
	for _, s := range []string{m.BodyHash, string(m.deployment.ID), string(m.by.Dataset), string(m.by.For), m.act.Op} {
		fmt.Fprintf(h, "%d:%s", len(s), s) // writing to a hash cannot fail
	}
	return hex.EncodeToString(h.Sum(nil))
}

// claim takes the idempotency key in T1.
func (m *generation) claim(tx *store.Tx) error {
	if m.IdempotencyKey == "" {
		return nil
	}
	err := tx.ClaimReply(&store.Reply{Key: m.IdempotencyKey, Principal: m.by.Principal, Request: m.requestHash(), Created: m.at})
	if errors.Is(err, vitrine.ErrConflict) {
		return errRunning
	}
	return err
}

var errRunning = &vitrine.Error{Kind: vitrine.ErrConflict, Code: "idempotency_key_in_use", RetryAfter: 1,
	Public: "A request with this idempotency key is still running."}

// replay answers a request whose idempotency key was answered before. It was
// decided anew; each image is opened anew too, because the caller's rights to
// it may have changed. done is false where the key is new.
func (g *Gateway) replay(ctx context.Context, m *generation, t *access.Ticket) (a *Answer, done bool, err error) {
	if m.IdempotencyKey == "" {
		return nil, false, nil
	}
	r, err := g.store.Reply(ctx, m.by.Principal, m.IdempotencyKey)
	switch {
	case errors.Is(err, vitrine.ErrNotFound):
		return nil, false, nil
	case err != nil:
		return nil, true, refuse(ctx, t, err)
	case r.Request != m.requestHash():
		return nil, true, refuse(ctx, t, &vitrine.Error{Kind: vitrine.ErrConflict, Code: "idempotency_key_reused", Param: "Idempotency-Key",
			Public: "This idempotency key was used with another request."})
	case r.Status == 0 && g.now().Before(r.Created.Add(g.timeout+grace)):
		return nil, true, refuse(ctx, t, errRunning)
	case r.Status == 0:
		return nil, true, refuse(ctx, t, &vitrine.Error{Kind: vitrine.ErrConflict, Code: "idempotency_outcome_unknown", Param: "Idempotency-Key",
			Public: "What became of the request with this idempotency key is not known; it counts as paid. Use a new key to ask again."})
	}
	var old reply
	if err := json.Unmarshal(r.Body, &old); err != nil {
		return nil, true, refuse(ctx, t, fmt.Errorf("stored reply: %w", err))
	}
	t.Entry().Op = "replay"
	if r.Status == replyFailed {
		return nil, true, refuse(ctx, t, &vitrine.Error{Kind: vitrine.ErrUpstream, Code: old.Code, Public: old.Message})
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, true, err
	}
	a, err = g.again(ctx, m, &old)
	return a, true, err
}

// again is the answer of before.
func (g *Gateway) again(ctx context.Context, m *generation, old *reply) (*Answer, error) {
	m.allowances = allowances(m.policy, m.by, m.deployment.Project)
	left := g.left(ctx, m)
	a := &Answer{Created: old.Created, Cost: old.Cost, Remaining: left.amount, PaymentSource: left.source,
		Usage: old.Usage, Echo: old.Echo, Request: old.Request, Revision: m.policy.Revision(), Replayed: true}
	for _, was := range old.Images {
		one := AnswerImage{ID: was.ID, Format: was.Format, LinkPath: was.Link, RevisedPrompt: was.RevisedPrompt, Seed: was.Seed, Tier: was.Tier}
		// A link opens for whoever made it. Another key of the same principal
		// may be narrower, so it too has to be able to open the image itself.
		v, err := g.vault.Open(ctx, m.by, was.ID, vitrine.Original)
		if err != nil {
			return nil, errors.Join(err, a.Close())
		}
		if one.LinkPath == "" {
			one.ReaderAt, one.Size = v, v.Size
		} else if err := v.Close(); err != nil {
			return nil, errors.Join(err, a.Close())
		}
		a.Images = append(a.Images, one)
	}
	return a, nil
}

// finishReply keeps the answer in T2.
func (m *generation) finishReply(tx *store.Tx) error {
	old := reply{Created: m.answer.Created, Cost: m.answer.Cost, Usage: m.answer.Usage, Echo: m.answer.Echo, Request: m.by.Request}
	for _, one := range m.answer.Images {
		old.Images = append(old.Images, replyImage{one.ID, one.Format, one.LinkPath, one.RevisedPrompt, one.Seed, one.Tier})
	}
	return m.putReply(tx, replyAnswered, old)
}

// failReply keeps a failure that may have cost something, so that the same
// request is not paid twice. Where it cost nothing the key is free again.
func (m *generation) failReply(tx *store.Tx, cause error) error {
	if m.IdempotencyKey == "" {
		return nil
	}
	if m.bill.release {
		return tx.DropReply(m.by.Principal, m.IdempotencyKey)
	}
	old := reply{Created: m.at, Cost: m.bill.cost, Request: m.by.Request, Code: codeOf(cause),
		Message: "The request with this idempotency key failed, and may have been paid for. Use a new key to ask again."}
	return m.putReply(tx, replyFailed, old)
}

func (m *generation) putReply(tx *store.Tx, status int, old reply) error {
	if m.IdempotencyKey == "" {
		return nil
	}
	body, err := json.Marshal(old)
	if err != nil {
		return fmt.Errorf("encode a reply: %w", err)
	}
	return known(tx.FinishReply(&store.Reply{Key: m.IdempotencyKey, Principal: m.by.Principal, Request: m.requestHash(), Status: status, Body: body}))
}
