package openai

import (
	"net/http"

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
	out := struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}{"list", make([]model, len(all))}
	for i := range all {
		out.Data[i] = modelOf(&all[i])
	}
	write(w, http.StatusOK, out)
	return nil
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
