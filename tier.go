package vitrine

import "fmt"

// Tier says how sensitive data is: public < internal < confidential <
// restricted. The zero Tier is unknown, and unknown counts as restricted.
type Tier uint8

// The tiers, in rising order.
const (
	TierUnknown Tier = iota
	Public
	Internal
	Confidential
	Restricted
)

var tierNames = [...]string{"", "public", "internal", "confidential", "restricted"}

// Tiers lists the four tiers in rising order.
var Tiers = []Tier{Public, Internal, Confidential, Restricted}

// Effective is t itself, or Restricted where t is unknown.
func (t Tier) Effective() Tier {
	if t < Public || t > Restricted {
		return Restricted
	}
	return t
}

// String is the tier's name as it is written in policy files; unknown is "".
func (t Tier) String() string {
	if int(t) < len(tierNames) {
		return tierNames[t]
	}
	return ""
}

// MarshalText implements encoding.TextMarshaler.
func (t Tier) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; "" is unknown.
func (t *Tier) UnmarshalText(b []byte) error {
	for i, name := range tierNames {
		if name == string(b) {
			*t = Tier(i)
			return nil
		}
	}
	return fmt.Errorf("unknown tier %q: want public, internal, confidential or restricted", b)
}

// MaxTier is the more sensitive of all tiers given, unknown counting as
// restricted; of none it is Public.
func MaxTier(tiers ...Tier) Tier {
	most := Public
	for _, t := range tiers {
		most = max(most, t.Effective())
	}
	return most
}

// TiersUpTo lists public to t.
func TiersUpTo(t Tier) []Tier { return Tiers[:t.Effective()] }
