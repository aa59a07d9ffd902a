package openai

import (
	"net/http"
	"reflect"

	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/web"
)

type model struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	OwnedBy string   `json:"owned_by"`
	Pricing *pricing `json:"pricing,omitempty"` // as NanoGPT tells it
}

type pricing struct {
	PerImage map[string]float64 `json:"per_image"` // dollars by size; "auto" is any other
	Currency string             `json:"currency"`
}

func modelOf(m *gateway.Model) model {
	out := model{ID: m.ID, Object: "model", OwnedBy: string(m.Provider)}
	if !m.Created.IsZero() {
		out.Created = m.Created.Unix()
	}
	if m.Price == nil {
		return out
	}
	out.Pricing = &pricing{PerImage: map[string]float64{"auto": m.Price.Image.Dollars()}, Currency: "USD"}
	for _, r := range m.Price.Rules {
		if r.Quality == "" && r.Size != "" {
			out.Pricing.PerImage[r.Size] = r.Image.Dollars()
		}
	}
	return out
}

func (f *Front) models(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	all, err := f.gateway.Models(r.Context(), by)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}{"list", listed(all)})
	return nil
}

// listed are models as clients know them: by id alone. A caller without a
// project may find the same one in several; where their prices differ, which is
// in force depends on the project that is chosen, so none is told.
func listed(all []gateway.Model) []model {
	out := make([]model, 0, len(all))
	at := make(map[string]int, len(all))
	for i := range all {
		m := modelOf(&all[i])
		first, twice := at[m.ID]
		if !twice {
			at[m.ID] = len(out)
			out = append(out, m)
		} else if !reflect.DeepEqual(out[first].Pricing, m.Pricing) {
			out[first].Pricing = nil
		}
	}
	return out
}

// model answers one model; its id may hold slashes.
func (f *Front) model(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	m, err := f.gateway.Model(r.Context(), by, r.PathValue("id"))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, modelOf(m))
	return nil
}

// balance is NanoGPT's: what is left of the caller's own budgets, as text.
// Where no budget bounds the caller there is no number to tell.
func (f *Front) balance(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	web.Drain(w, r)
	left, _, err := f.gateway.Balance(r.Context(), by)
	if err != nil {
		return err
	}
	out := struct {
		USD       *string `json:"usd_balance"`
		Nano      string  `json:"nano_balance"`
		Deposit   string  `json:"nanoDepositAddress"`
		Unlimited bool    `json:"unlimited,omitempty"`
	}{Nano: "0", Unlimited: left == nil}
	if left != nil {
		text := left.String()
		out.USD = &text
	}
	write(w, http.StatusOK, out)
	return nil
}
