package vitrine

import (
	"strings"
	"time"
)

// Outcome is how an attempt ended.
type Outcome string

// The outcomes.
const (
	Allowed Outcome = "allowed" // decided, recorded, done
	Refused Outcome = "refused" // decided against, or refused by a check after the decision
	Broken  Outcome = "failed"  // allowed, but the act failed; nothing of it stands
)

// Entry is one line of the log: who, for whom, what, on which data, when, why
// and under which revision. Ids are opaque. The fields in Personal are sealed
// under the person's own key in the leaf, so that a person can be forgotten
// without breaking a proof.
type Entry struct {
	Seq  int64     `json:"seq"` // place in the log, from 0; set when it is committed
	Time time.Time `json:"time"`

	Act     string  `json:"act"`          // what was tried: a permission, or "authenticate", "recover"
	Op      string  `json:"op,omitempty"` // how: "list", "generate", "rendition masked"
	Outcome Outcome `json:"outcome"`
	Code    string  `json:"code,omitempty"`   // why, in one word
	Detail  string  `json:"detail,omitempty"` // why, in a sentence; never a prompt, name or secret

	Actor      ID            `json:"actor,omitempty"` // principal; "" is unknown
	ActorKind  PrincipalKind `json:"actor_kind,omitempty"`
	For        ID            `json:"for,omitempty"`        // the person that an agent acted for
	Credential ID            `json:"credential,omitempty"` // key or session

	Kind     Kind     `json:"kind,omitempty"`
	Resource ID       `json:"resource,omitempty"`
	Scope    ID       `json:"scope,omitempty"`
	Category Category `json:"category,omitempty"`
	Tier     Tier     `json:"tier,omitempty"`
	Binding  ID       `json:"binding,omitempty"` // what allowed it
	Revision int64    `json:"revision,omitempty"`
	Request  string   `json:"request,omitempty"`

	Model      string `json:"model,omitempty"`
	PromptHash string `json:"prompt_hash,omitempty"` // keyed: equal prompts are equal, nothing else is told
	Cost       Micros `json:"cost,omitempty"`
	Count      int64  `json:"count,omitempty"` // of an aggregate: how many attempts it stands for
	Alert      string `json:"alert,omitempty"` // raised with it: "first_key_used", "budget_90"; several with commas between

	Personal Personal `json:"personal,omitzero"`
}

// Raise adds an alert; alerts stand in Alert with commas between.
func (e *Entry) Raise(alert string) {
	switch {
	case e.Raised(alert):
	case e.Alert == "":
		e.Alert = alert
	default:
		e.Alert += "," + alert
	}
}

// Raised reports whether an alert was raised with the entry.
func (e *Entry) Raised(alert string) bool {
	for one := range strings.SplitSeq(e.Alert, ",") {
		if one == alert && one != "" {
			return true
		}
	}
	return false
}

// Personal is the part of an entry that says something about a person beyond
// an opaque id.
type Personal struct {
	Address   string `json:"address,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	EndUser   string `json:"end_user,omitempty"` // asserted by the caller
}
