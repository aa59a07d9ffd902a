package vitrine

import (
	"fmt"
	"strconv"
	"strings"
)

// Micros is money in millionths of a US dollar.
type Micros int64

// Dollar is one US dollar.
const Dollar Micros = 1_000_000

// String is the amount in dollars with as many of six decimals as it needs,
// at least two: "0.04", "12.50", "0.000125".
func (m Micros) String() string {
	sign := ""
	u := uint64(m)
	if m < 0 {
		sign, u = "-", -u
	}
	s := fmt.Sprintf("%s%d.%06d", sign, u/1_000_000, u%1_000_000)
	for strings.HasSuffix(s, "0") && s[len(s)-3] != '.' {
		s = s[:len(s)-1]
	}
	return s
}

// Dollars is the amount as a floating-point number, for dialects that carry
// money as a JSON number. Never calculate with it.
func (m Micros) Dollars() float64 { return float64(m) / 1e6 }

// ParseMicros reads an amount in dollars: digits, at most one dot, at most six
// decimals, no sign and no exponent. It refuses what does not fit.
func ParseMicros(s string) (Micros, error) {
	whole, frac, dotted := strings.Cut(s, ".")
	if whole == "" || len(frac) > 6 || dotted && frac == "" || strings.ContainsAny(s, "+-_") {
		return 0, fmt.Errorf("amount %q: want dollars such as 12 or 0.04, at most six decimals", s)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 6-len(frac)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("amount %q: want dollars such as 12 or 0.04", s)
	}
	return Micros(n), nil
}

// MarshalText implements encoding.TextMarshaler.
func (m Micros) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Micros) UnmarshalText(b []byte) error {
	v, err := ParseMicros(string(b))
	*m = v
	return err
}
