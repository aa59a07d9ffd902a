package gateway

import (
	"slices"
	"strings"

	"vitrine.dev/vitrine"
)

// upper is the most that one image may cost. What is not known yet, because
// the service chooses it, counts as whatever costs most. What no rule names
// costs at least what less than it costs: who writes prices for 1024x1024 and
// high did not mean that 4096x4096 and xhigh are cheaper.
func upper(p *vitrine.Price, size, quality string) vitrine.Micros {
	sizes, qualities := []string{size}, []string{quality}
	if open(size) {
		sizes[0] = other
	}
	if open(quality) {
		qualities[0] = other
	}
	for _, r := range p.Rules {
		if open(size) || !names(p, size, "") && pixels(r.Size) <= pixels(size) {
			sizes = append(sizes, r.Size)
		}
		if open(quality) || !names(p, "", quality) && rank(r.Quality) <= rank(quality) {
			qualities = append(qualities, r.Quality)
		}
	}
	var most vitrine.Micros
	for _, s := range sizes {
		for _, q := range qualities {
			most = max(most, p.Of(s, q))
		}
	}
	return most
}

// names reports whether a rule is about exactly this size or quality.
func names(p *vitrine.Price, size, quality string) bool {
	return slices.ContainsFunc(p.Rules, func(r vitrine.PriceRule) bool {
		return size != "" && r.Size == size || quality != "" && r.Quality == quality
	})
}

func pixels(size string) int {
	w, h, _ := parseSize(size)
	return w * h
}

// rank orders the qualities that services have words for. A word of which
// nobody knows what the service makes of it ranks highest.
func rank(quality string) int {
	switch strings.ToLower(strings.TrimSpace(quality)) {
	case "low":
		return 0
	case "medium", "standard":
		return 1
	case "high", "hd":
		return 2
	case "xhigh":
		return 3
	}
	return 4
}

// open reports whether a size or quality leaves the choice to the service.
func open(s string) bool { return s == "" || s == "auto" }

// other stands for any size or quality that no rule names.
const other = "\x00"

// bill is what n delivered images cost, by the price of the deployment: what
// was asked for counts, and where it left a choice, what the service says it
// chose.
func bill(p *vitrine.Price, n int, size, quality string, echo map[string]string) vitrine.Micros {
	if open(size) {
		size = echo["size"]
	}
	if open(quality) {
		quality = echo["quality"]
	}
	return upper(p, size, quality) * vitrine.Micros(n)
}
