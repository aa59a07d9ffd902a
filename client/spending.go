package client

import (
	"context"
	"net/url"
	"time"

	"vitrine.dev/vitrine"
)

// Model is a model that the caller may use.
type Model struct {
	ID       string         `json:"id"`
	Project  vitrine.ID     `json:"project"`
	Provider vitrine.ID     `json:"provider"`
	Price    *vitrine.Price `json:"price,omitempty"`
	Limits   vitrine.Limits `json:"limits,omitzero"`
	Edits    bool           `json:"edits,omitempty"`
}

// Models lists the models that the caller may use.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	var out struct {
		Models []Model `json:"models"`
	}
	err := c.do(ctx, call{method: "GET", path: "/models"}, &out)
	return out.Models, err
}

// Balance is what is left of the caller's own budgets: the least of all, nil
// where none counts, and each.
func (c *Client) Balance(ctx context.Context) (left *vitrine.Micros, each []vitrine.Balance, err error) {
	var out struct {
		Left     *vitrine.Micros   `json:"left"`
		Balances []vitrine.Balance `json:"balances"`
	}
	err = c.do(ctx, call{method: "GET", path: "/balance"}, &out)
	return out.Left, out.Balances, err
}

// Balances is what is left of the budgets that the caller may see.
func (c *Client) Balances(ctx context.Context) ([]vitrine.Balance, error) {
	var out struct {
		Balances []vitrine.Balance `json:"balances"`
	}
	err := c.do(ctx, call{method: "GET", path: "/balances"}, &out)
	return out.Balances, err
}

// PayDebt clears the debt of a budget; subject says whose, where the budget
// counts each alone.
func (c *Client) PayDebt(ctx context.Context, budget vitrine.ID, subject string) error {
	in := struct {
		Subject string `json:"subject,omitempty"`
	}{subject}
	return c.do(ctx, call{method: "POST", path: to("budgets", string(budget), "pay-debt"), in: in}, nil)
}

// UsageQuery says which use to sum up; what is empty is any.
type UsageQuery struct {
	From, To time.Time
	Project  vitrine.ID
	By       string // principal, project, model, key, end_user, day; "" is all in one
}

// Usage is the use of one group.
type Usage struct {
	Group    string         `json:"group,omitempty"`
	Images   int64          `json:"images"`
	Cost     vitrine.Micros `json:"cost"`
	Requests int64          `json:"requests"`
}

// Usage sums up what was made and spent.
func (c *Client) Usage(ctx context.Context, uq UsageQuery) ([]Usage, error) {
	q := url.Values{}
	times(q, uq.From, uq.To)
	if uq.Project != "" {
		q.Set("project", string(uq.Project))
	}
	if uq.By != "" {
		q.Set("by", uq.By)
	}
	var out struct {
		Usage []Usage `json:"usage"`
	}
	err := c.do(ctx, call{method: "GET", path: "/usage", query: q}, &out)
	return out.Usage, err
}

func times(q url.Values, from, to time.Time) {
	if !from.IsZero() {
		q.Set("from", from.UTC().Format(time.RFC3339Nano))
	}
	if !to.IsZero() {
		q.Set("to", to.UTC().Format(time.RFC3339Nano))
	}
}

// NewCredential names the credential that a secret becomes.
type NewCredential struct {
	ID       vitrine.ID   `json:"id"`
	Projects []vitrine.ID `json:"projects,omitempty"`
	Roles    []vitrine.ID `json:"roles,omitempty"`
}

// PutProvider makes or changes a provider and, with a secret, its credential.
func (c *Client) PutProvider(ctx context.Context, p *vitrine.Provider, cred *NewCredential, secret vitrine.Secret) (int64, error) {
	in := struct {
		Provider   *vitrine.Provider `json:"provider"`
		Credential *NewCredential    `json:"credential,omitempty"`
		Secret     string            `json:"secret,omitempty"`
	}{p, cred, secret.Reveal()}
	return c.change(ctx, call{method: "PUT", path: to("providers", string(p.ID)), in: in}, nil)
}

// RotateCredential gives a provider's credential a new secret. The earlier one
// helps out for the overlap where the provider does not know the new one; until
// is when that ends.
func (c *Client) RotateCredential(ctx context.Context, id vitrine.ID, secret vitrine.Secret, overlap time.Duration) (revision int64, until time.Time, err error) {
	in := struct {
		Secret  string           `json:"secret"`
		Overlap vitrine.Duration `json:"overlap,omitempty"`
	}{secret.Reveal(), vitrine.Duration(overlap)}
	var out struct {
		Until time.Time `json:"previous_until"`
	}
	revision, err = c.change(ctx, call{method: "POST", path: to("credentials", string(id), "rotate"), in: in}, &out)
	return revision, out.Until, err
}

// TestProvider asks a provider for its models and what it takes for them.
func (c *Client) TestProvider(ctx context.Context, id vitrine.ID) ([]vitrine.Offered, error) {
	var out struct {
		Models []vitrine.Offered `json:"models"`
	}
	err := c.do(ctx, call{method: "POST", path: to("providers", string(id), "test")}, &out)
	return out.Models, err
}
