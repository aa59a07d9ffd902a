package api

import (
	"context"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/store"
)

// deployed is a model that may be used.
type deployed struct {
	ID       string         `json:"id"`
	Project  vitrine.ID     `json:"project"`
	Provider vitrine.ID     `json:"provider"`
	Price    *vitrine.Price `json:"price,omitempty"`
	Limits   vitrine.Limits `json:"limits,omitzero"`
	Edits    bool           `json:"edits,omitempty"`
}

// listedModel is a model as clients of OpenAI and NanoGPT list it.
type listedModel struct {
	ID      string     `json:"id"`
	Object  string     `json:"object" enum:"model"`
	Created int64      `json:"created" doc:"Seconds since 1970; 0 is not known"`
	OwnedBy vitrine.ID `json:"owned_by"`
}

// spending are the routes about models, budgets, usage and providers.
func (a *API) spending() {
	type modelList struct {
		Models []deployed    `json:"models"`
		Object string        `json:"object" enum:"list"`
		Data   []listedModel `json:"data" doc:"The same by id, for clients of NanoGPT, whose base is this too"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/models", Permission: vitrine.ModelView, Summary: "The models that you may use", tag: "models", op: "list models"},
		func(ctx context.Context, by access.Caller, _ *none) (*struct{ Body modelList }, error) {
			all, err := a.Gateway.Models(ctx, by)
			out := modelList{make([]deployed, len(all)), "list", []listedModel{}}
			for i, m := range all {
				out.Models[i] = deployed{m.ID, m.Project, m.Provider, m.Price, m.Limits, m.Edits}
				if i == 0 || all[i-1].ID != m.ID {
					out.Data = append(out.Data, listedModel{m.ID, "model", max(0, m.Created.Unix()), m.Provider})
				}
			}
			return &struct{ Body modelList }{out}, err
		})
	a.budgets()
	a.usage()
	a.providers()
}

func (a *API) budgets() {
	type ownBalance struct {
		Left     *vitrine.Micros   `json:"left,omitempty" doc:"Least left of the budgets that bound you; without it none does"`
		Balances []vitrine.Balance `json:"balances"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/balance", Summary: "What is left of your own budgets", tag: "budgets", op: "balance"},
		func(ctx context.Context, by access.Caller, _ *none) (*struct{ Body ownBalance }, error) {
			left, all, err := a.Gateway.Balance(ctx, by)
			return &struct{ Body ownBalance }{ownBalance{left, list(all)}}, err
		})
	type balances struct {
		Balances []vitrine.Balance `json:"balances"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/balances", Permission: vitrine.BudgetView, Summary: "What is left of the budgets that you may see", tag: "budgets", op: "balances"},
		func(ctx context.Context, by access.Caller, _ *none) (*struct{ Body balances }, error) {
			all, err := a.Gateway.Balances(ctx, by)
			return &struct{ Body balances }{balances{list(all)}}, err
		})
	add(a, Route{Method: "POST", Pattern: prefix + "/budgets/{id}/pay-debt", Permission: vitrine.BudgetEdit, Summary: "Clear the debt of a budget", tag: "budgets", op: "pay debt", status: 204},
		func(ctx context.Context, by access.Caller, in *struct {
			ByID
			Body struct {
				Subject string `json:"subject,omitempty" doc:"Whose, where the budget counts each alone"`
			}
		}) (*none, error) {
			return &none{}, a.Gateway.PayDebt(ctx, by, vitrine.ID(in.ID), in.Body.Subject)
		})
}

func (a *API) usage() {
	type sum struct {
		Group    string         `json:"group,omitempty"`
		Images   int64          `json:"images"`
		Cost     vitrine.Micros `json:"cost"`
		Requests int64          `json:"requests"`
	}
	type sums struct {
		Usage []sum `json:"usage"`
	}
	add(a, Route{Method: "GET", Pattern: prefix + "/usage", Permission: vitrine.UsageView, Summary: "What was made and spent", tag: "budgets", op: "usage"},
		func(ctx context.Context, by access.Caller, in *struct {
			From    time.Time `query:"from"`
			To      time.Time `query:"to"`
			Project string    `query:"project"`
			By      string    `query:"by" enum:"principal,project,model,key,end_user,day"`
		}) (*struct{ Body sums }, error) {
			q := store.UsageQuery{From: in.From, To: in.To, By: in.By}
			if in.Project != "" {
				q.Projects = []vitrine.ID{vitrine.ID(in.Project)}
			}
			all, err := a.Gateway.Usage(ctx, by, q)
			out := sums{make([]sum, len(all))}
			for i, s := range all {
				out.Usage[i] = sum(s)
			}
			return &struct{ Body sums }{out}, err
		})
}

func (a *API) rotation() {
	type rotated struct {
		ETag     string `header:"ETag"`
		Revision int64  `header:"X-Vitrine-Revision"`
		Body     struct {
			Revision int64     `json:"revision" doc:"The policy revision that holds the change"`
			Until    time.Time `json:"previous_until,omitzero" doc:"The earlier secret helps out until then, and is deleted after"`
		}
	}
	add(a, Route{Method: "POST", Pattern: prefix + "/credentials/{id}/rotate", Permission: vitrine.ProviderEdit, Summary: "Give a provider's credential a new secret", tag: "providers", op: "rotate credential", versioned: true},
		func(ctx context.Context, by access.Caller, in *struct {
			ByID
			Body struct {
				Secret  string           `json:"secret" doc:"The new secret; sealed, bound to the base URL's origin, never shown again" maxLength:"8192"`
				Overlap vitrine.Duration `json:"overlap,omitempty" doc:"How long the earlier secret helps out where the provider answers 401 to the new one: 1h"`
			}
		}) (*rotated, error) {
			done, err := a.Gateway.RotateCredential(ctx, by, vitrine.ID(in.ID), vitrine.Secret(in.Body.Secret), time.Duration(in.Body.Overlap))
			if err != nil {
				return nil, err
			}
			out := &rotated{Revision: done.Revision}
			out.Body.Revision, out.Body.Until = done.Revision, done.Until
			return out, nil
		})
}

func (a *API) providers() {
	type newCredential struct {
		ID       vitrine.ID   `json:"id"`
		Projects []vitrine.ID `json:"projects,omitempty"`
		Roles    []vitrine.ID `json:"roles,omitempty"`
	}
	type newProvider struct {
		Provider   vitrine.Provider `json:"provider"`
		Credential *newCredential   `json:"credential,omitempty"`
		Secret     string           `json:"secret,omitempty" doc:"The credential itself; sealed, bound to the base URL's origin, never shown again" maxLength:"8192"`
	}
	add(a, Route{Method: "PUT", Pattern: prefix + "/providers/{id}", Permission: vitrine.ProviderEdit, Summary: "Add or change a provider and its credential", tag: "providers", op: "put provider", versioned: true, makes: vitrine.KindProvider},
		func(ctx context.Context, by access.Caller, in *struct {
			ByID
			Body newProvider
		}) (*revised, error) {
			p := in.Body.Provider
			if p.ID == "" {
				p.ID = vitrine.ID(in.ID)
			}
			if p.ID != vitrine.ID(in.ID) {
				return nil, a.malformed(ctx, by, vitrine.Invalid("provider.id", "id", "The provider is not the one that the path names."))
			}
			var c *vitrine.Credential
			if in.Body.Credential != nil {
				c = &vitrine.Credential{ID: in.Body.Credential.ID, Provider: p.ID, Projects: in.Body.Credential.Projects, Roles: in.Body.Credential.Roles}
			}
			return at(a.Gateway.PutProvider(ctx, by, &p, c, vitrine.Secret(in.Body.Secret)))
		})
	a.rotation()
	type offers struct {
		Models []vitrine.Offered `json:"models"`
	}
	add(a, Route{Method: "POST", Pattern: prefix + "/providers/{id}/test", Permission: vitrine.ProviderEdit, Summary: "Ask a provider for its models and what it takes for them", tag: "providers", op: "test provider", errors: []int{502, 504}},
		func(ctx context.Context, by access.Caller, in *ByID) (*struct{ Body offers }, error) {
			all, err := a.Gateway.TestProvider(ctx, by, vitrine.ID(in.ID))
			return &struct{ Body offers }{offers{list(all)}}, err
		})
}
