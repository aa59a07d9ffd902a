package vitrine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Binding gives a role to a principal at a scope and everywhere below it.
type Binding struct {
	ID        ID        `json:"id"`
	Role      ID        `json:"role"`
	Principal ID        `json:"principal"`
	Scope     ID        `json:"scope"`
	From      time.Time `json:"from,omitzero"`  // in force from this instant; zero is always
	Until     time.Time `json:"until,omitzero"` // not in force from this instant on; zero is never ending
	Condition string    `json:"condition,omitempty"`
	Reason    string    `json:"reason,omitempty"`
}

// Deny withholds permissions from principals at a scope and everywhere below
// it. It beats every binding.
type Deny struct {
	ID          ID           `json:"id"`
	Permissions []Permission `json:"permissions"`
	Principals  []ID         `json:"principals"`       // Everyone for all
	Except      []ID         `json:"except,omitempty"` // principals, or groups, that it spares
	Scope       ID           `json:"scope"`
	Reason      string       `json:"reason,omitempty"`
}

// ConstraintKind is what a constraint constrains.
type ConstraintKind string

// The kinds of constraint.
const (
	// StaticSoD: no principal may hold, over all its bindings, Max or more of
	// Sets (each a set of roles or of permissions; one held counts).
	StaticSoD ConstraintKind = "static"
	// DynamicSoD: no session or key may have Max or more of Sets active.
	DynamicSoD ConstraintKind = "dynamic"
	// Holders: Role at Scope must have at least Min permanent, unconditional
	// holders that are active people, and never more than Max possible ones.
	Holders ConstraintKind = "holders"
	// MFA: Permissions (or Role) need a second factor at most MaxAge old.
	MFA ConstraintKind = "mfa"
	// Keys: Permissions (or Role) cannot be used with a key.
	Keys ConstraintKind = "keys"
	// Formats: ResponseFormats are forbidden at Scope for Tiers.
	Formats ConstraintKind = "formats"
)

// Constraint is a rule about what may be held or done together.
type Constraint struct {
	ID     ID             `json:"id"`
	Kind   ConstraintKind `json:"kind"`
	Reason string         `json:"reason,omitempty"`

	Sets []RoleSet `json:"sets,omitempty"` // static, dynamic
	Max  int       `json:"max,omitempty"`  // static, dynamic: this many sets is too many; holders: most
	Min  int       `json:"min,omitempty"`  // holders: least

	Role            ID           `json:"role,omitempty"`
	Scope           ID           `json:"scope,omitempty"` // "" is the organization
	Permissions     []Permission `json:"permissions,omitempty"`
	Tiers           []Tier       `json:"tiers,omitempty"`            // mfa, formats: only these; none is all
	ResponseFormats []string     `json:"response_formats,omitempty"` // formats
	MaxAge          Duration     `json:"max_age,omitempty"`          // mfa
}

// RoleSet is one side of a separation of duty: whoever has one of Roles, or
// may use one of Permissions on one of Categories (none is any), holds it.
type RoleSet struct {
	Name        string       `json:"name,omitempty"`
	Roles       []ID         `json:"roles,omitempty"`
	Permissions []Permission `json:"permissions,omitempty"`
	Categories  []Category   `json:"categories,omitempty"`
}

// Duration is a time.Duration that is written as text: "15m", "72h".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDuration(string(b))
	return err
}

// ParseDuration reads what time.ParseDuration reads, and days of 24 hours
// before it: "15m", "90d", "1d12h".
func ParseDuration(s string) (Duration, error) {
	rest, n, v := s, uint64(0), time.Duration(0)
	var err error
	if days, more, ok := strings.Cut(s, "d"); ok {
		rest = more
		n, err = strconv.ParseUint(days, 10, 16)
	}
	if err == nil && (rest != "" || s == "") {
		v, err = time.ParseDuration(rest)
	}
	sum := time.Duration(n)*day + v
	if err != nil || rest != s && (v < 0 || sum < 0) {
		return 0, fmt.Errorf("%q is no length of time: want one such as 15m, 36h or 90d", s)
	}
	return Duration(sum), nil
}

const day = 24 * time.Hour

// String is what ParseDuration reads, whole days as days.
func (d Duration) String() string {
	if d > 0 && time.Duration(d)%day == 0 {
		return strconv.FormatInt(int64(time.Duration(d)/day), 10) + "d"
	}
	return time.Duration(d).String()
}
