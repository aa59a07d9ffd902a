package provider

import (
	"encoding/json"
	"regexp"
	"slices"

	"vitrine.dev/vitrine"
)

// modelList is a list of models in any of the shapes seen.
type modelList struct {
	Data []struct {
		ID        string          `json:"id"`
		Pricing   json.RawMessage `json:"pricing"`
		Endpoints json.RawMessage `json:"endpoints"` // a URL, or what is behind it
	} `json:"data"`
}

func (l *modelList) models() []Model {
	all := make([]Model, 0, len(l.Data))
	for _, d := range l.Data {
		if d.ID == "" || len(d.ID) > 200 {
			continue
		}
		price := readPrice(d.Pricing)
		var inside []struct {
			Pricing json.RawMessage `json:"pricing"`
		}
		if price == nil && json.Unmarshal(d.Endpoints, &inside) == nil && len(inside) > 0 {
			price = readPrice(inside[0].Pricing)
		}
		all = append(all, Model{ID: d.ID, Price: price})
	}
	return all
}

// readPrice reads {"per_image": 0.005}, {"per_image": {"1024*1024": 0.005}} and
// [{"billable": "output_image", "cost_usd": 0.06, "resolution": "1024x1024"}].
// A model whose price has another unit has no price here: what cannot be
// foreseen cannot be reserved.
func readPrice(raw json.RawMessage) *vitrine.Price {
	sizes := map[string]vitrine.Micros{}
	var object struct {
		PerImage json.RawMessage `json:"per_image"`
		Currency string          `json:"currency"`
	}
	var lines []struct {
		Billable, Unit, Resolution string
		Cost                       json.RawMessage `json:"cost_usd"`
	}
	var table map[string]json.RawMessage
	switch {
	case json.Unmarshal(raw, &object) == nil && (object.Currency == "" || object.Currency == "USD"):
		if json.Unmarshal(object.PerImage, &table) != nil {
			table = map[string]json.RawMessage{"": object.PerImage}
		}
		for size, cost := range table {
			addPrice(sizes, size, cost)
		}
	case json.Unmarshal(raw, &lines) == nil:
		for _, l := range lines {
			if l.Billable == "output_image" && l.Unit == "image" {
				addPrice(sizes, l.Resolution, l.Cost)
			}
		}
	}
	return price(sizes)
}

func addPrice(sizes map[string]vitrine.Micros, size string, cost json.RawMessage) {
	text, ok := scalarText(cost)
	if m := micros(text); ok && m != nil {
		size = starred.ReplaceAllString(size, "${1}x${2}")
		sizes[size] = max(sizes[size], *m)
	}
}

var starred = regexp.MustCompile(`^(\d+)[*×](\d+)$`)

// price makes rules of sizes. What no rule names costs as much as the dearest,
// so that a reservation is never too small.
func price(sizes map[string]vitrine.Micros) *vitrine.Price {
	if len(sizes) == 0 {
		return nil
	}
	p := &vitrine.Price{}
	for _, m := range sizes {
		p.Image = max(p.Image, m)
	}
	for size, m := range sizes {
		if size != "" && m != p.Image {
			p.Rules = append(p.Rules, vitrine.PriceRule{Size: size, Image: m})
		}
	}
	slices.SortFunc(p.Rules, func(a, b vitrine.PriceRule) int {
		if a.Size < b.Size {
			return -1
		}
		return 1
	})
	return p
}
