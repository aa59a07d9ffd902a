package vitrine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Failed names the one of the three conditions of an access that failed.
type Failed string

// The three conditions, and the rule that beats them.
const (
	FailedAssigned   Failed = "role_assigned"   // no binding reaches the caller there
	FailedAuthorized Failed = "role_authorized" // one does, but is not in force for this caller now
	FailedPermission Failed = "permission"      // one is in force, but grants no such thing
	FailedDeny       Failed = "deny"            // a deny rule matched
)

// Code says in one word why a decision fell as it did.
type Code string

// The codes of a decision.
const (
	CodeAllowed     Code = "allowed"
	CodeNoCaller    Code = "no_caller"   // nobody is authenticated
	CodeInactive    Code = "inactive"    // the principal or credential is disabled, revoked or too old
	CodeNoRole      Code = "no_role"     // nothing assigned
	CodeRoleOff     Code = "role_off"    // disabled, or not active in this session or key
	CodeOutOfTime   Code = "out_of_time" // before its start or after its end
	CodeCondition   Code = "condition"   // its condition is false
	CodeCondError   Code = "condition_error"
	CodeNeedsMFA    Code = "needs_mfa"     // confirm your second factor
	CodeKeyRefused  Code = "key_refused"   // not with a key
	CodeOutOfScope  Code = "out_of_scope"  // outside the credential's scope
	CodeSession     Code = "session_roles" // dynamic separation of duty
	CodePermission  Code = "no_permission"
	CodeTier        Code = "tier"
	CodeCategory    Code = "category"
	CodeModel       Code = "model"
	CodeFormat      Code = "format"
	CodeRespFormat  Code = "response_format"
	CodeSize        Code = "size"
	CodeN           Code = "n"
	CodeDenyRule    Code = "deny_rule"
	CodePeopleOnly  Code = "people_only"  // a service account asked for what only people may do
	CodeNotEnrolled Code = "not_enrolled" // set-up is not finished
	CodeAbsent      Code = "absent"       // there is no such thing
)

// The codes of a change to the policy that was refused, besides.
const (
	CodeMayNotGive    Code = "may_not_give"       // who asks may not give what the change gives
	CodeNeedsApproval Code = "needs_approval"     // it gives something to who asks; another person must
	CodeSoD           Code = "separation_of_duty" // somebody would hold what must be apart
	CodeFewHolders    Code = "too_few_holders"    // a role would have fewer holders than it needs
	CodeManyHolders   Code = "too_many_holders"   // a role would have more holders than it may
	CodeFixed         Code = "fixed"              // nobody changes this
)

// Obligation is what must be done on allow.
type Obligation struct {
	Rendition Rendition `json:"rendition,omitempty"` // Masked: nothing but the masked rendition may be given
	Show      []string  `json:"show,omitempty"`      // kinds of finding that the masked rendition may show
}

// Nearest is the nearest miss: the least that would have been needed.
type Nearest struct {
	Role       ID         `json:"role,omitempty"` // a role that has it
	RoleName   string     `json:"role_name,omitempty"`
	Scope      ID         `json:"scope,omitempty"`
	ScopeKind  Kind       `json:"scope_kind,omitempty"`
	Permission Permission `json:"permission,omitempty"`
	Tier       Tier       `json:"tier,omitempty"` // the most sensitive that the caller reaches with the permission
	WantTier   Tier       `json:"want_tier,omitempty"`
	MaxWidth   int        `json:"max_width,omitempty"` // pixels; the largest that the caller may ask for
	MaxHeight  int        `json:"max_height,omitempty"`
	MaxN       int        `json:"max_n,omitempty"`

	// Hint is Text, written out. Decisions leave it empty, since few are read:
	// it is put in where one is sent as JSON.
	Hint string `json:"hint,omitempty"`
}

// Text says it in words: "needs Data Steward at project renders, or a tier ≤
// internal". Of the zero Nearest it is "".
func (n Nearest) Text() string {
	if n.Hint != "" || n.Scope == "" {
		return n.Hint
	}
	what := cmp.Or(n.RoleName, string(n.Role), string(n.Permission))
	s := fmt.Sprintf("needs %s at %s %s", what, n.ScopeKind, n.Scope)
	if n.Tier != TierUnknown {
		s += ", or a tier ≤ " + n.Tier.String()
	}
	switch {
	case n.MaxN > 0:
		s += fmt.Sprintf(", or n ≤ %d", n.MaxN)
	case n.MaxWidth > 0 && n.MaxHeight > 0:
		s += fmt.Sprintf(", or a size ≤ %dx%d", n.MaxWidth, n.MaxHeight)
	case n.MaxWidth > 0:
		s += fmt.Sprintf(", or a width ≤ %d", n.MaxWidth)
	case n.MaxHeight > 0:
		s += fmt.Sprintf(", or a height ≤ %d", n.MaxHeight)
	}
	return s
}

// MarshalJSON implements json.Marshaler.
func (n Nearest) MarshalJSON() ([]byte, error) {
	type plain Nearest
	n.Hint = n.Text()
	return json.Marshal(plain(n))
}

// Decision is the answer to a question. The zero Decision denies.
type Decision struct {
	Allow   bool   `json:"allow"`
	Code    Code   `json:"code"`
	Failed  Failed `json:"failed,omitempty"` // on refusal: the condition that failed
	Hidden  bool   `json:"hidden,omitempty"` // on refusal: the caller may not know that it exists; say not found
	Binding ID     `json:"binding,omitempty"`
	Role    ID     `json:"role,omitempty"`
	Deny    ID     `json:"deny,omitempty"`

	// Erred is a binding whose condition erred on the way, or "".
	Erred ID `json:"erred,omitempty"`

	Permission Permission `json:"permission,omitempty"`
	Obligation Obligation `json:"obligation,omitzero"`
	Nearest    Nearest    `json:"nearest,omitzero"`
	Revision   int64      `json:"revision"`
	At         time.Time  `json:"at,omitzero"`
}

// Reason is the decision in one sentence, without names of what the caller
// may not know.
func (d Decision) Reason() string {
	s, ok := codeText[d.Code]
	if !ok {
		s = "this was not allowed"
	}
	if hint := d.Nearest.Text(); hint != "" && !d.Hidden {
		s += "; " + hint
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

var codeText = map[Code]string{
	CodeAllowed:     "allowed",
	CodeNoCaller:    "nobody is signed in",
	CodeInactive:    "this principal or credential is no longer active",
	CodeNoRole:      "no role is assigned here",
	CodeRoleOff:     "the role is not active in this session or key",
	CodeOutOfTime:   "the binding is not in force now",
	CodeCondition:   "the binding's condition does not hold",
	CodeCondError:   "the binding's condition could not be evaluated",
	CodeNeedsMFA:    "confirm your second factor",
	CodeKeyRefused:  "this may not be done with a key",
	CodeOutOfScope:  "this lies outside the key's scope",
	CodeSession:     "these roles may not be active together",
	CodePermission:  "no role held here has this permission",
	CodeTier:        "no role held here reaches this tier",
	CodeCategory:    "no role held here covers this category of data",
	CodeModel:       "no role held here may use this model",
	CodeFormat:      "this output format is not allowed",
	CodeRespFormat:  "this response format is not allowed",
	CodeSize:        "this size is not allowed",
	CodeN:           "that many images at once are not allowed",
	CodeDenyRule:    "a deny rule withholds this",
	CodePeopleOnly:  "only people may do this",
	CodeNotEnrolled: "set-up is not finished: until the owners have enrolled only set-up acts work",
	CodeAbsent:      "there is no such thing",

	CodeMayNotGive:    "this would give what you may not give",
	CodeNeedsApproval: "this would give something to yourself, and so needs another person",
	CodeSoD:           "separation of duty forbids this",
	CodeFewHolders:    "too few would hold this role",
	CodeManyHolders:   "too many would hold this role",
	CodeFixed:         "nobody may change this",
}
