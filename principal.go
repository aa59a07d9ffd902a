package vitrine

import "time"

// PrincipalKind is what a principal is.
type PrincipalKind string

// The kinds of principal.
const (
	User    PrincipalKind = "user"
	Service PrincipalKind = "service" // a service account: a machine
	Group   PrincipalKind = "group"
)

// ServiceKind is what a service account stands for.
type ServiceKind string

// The kinds of service account.
const (
	Pipeline    ServiceKind = "pipeline"
	Agent       ServiceKind = "agent"
	ModelRunner ServiceKind = "model"
	Application ServiceKind = "application"
)

// Principal is who can be granted something.
type Principal struct {
	ID          ID            `json:"id"`
	Kind        PrincipalKind `json:"kind"`
	Name        string        `json:"name,omitempty"`
	Email       string        `json:"email,omitempty"`       // users
	Service     ServiceKind   `json:"service,omitempty"`     // service accounts
	Owner       ID            `json:"owner,omitempty"`       // service accounts: who answers for it
	Purpose     string        `json:"purpose,omitempty"`     // service accounts
	Environment Environment   `json:"environment,omitempty"` // service accounts: where they work; "" is anywhere
	Members     []ID          `json:"members,omitempty"`     // groups; groups may nest, never in a circle

	// Disabled principals can do nothing; their keys and sessions are dead.
	Disabled bool `json:"disabled,omitempty"`
	// Epoch rises when all earlier sessions and keys must die.
	Epoch int64 `json:"epoch,omitempty"`
	// Enrolled is when a person first proved to be there; zero is never.
	Enrolled time.Time `json:"enrolled,omitzero"`
}

// Human reports whether p is a person.
func (p *Principal) Human() bool { return p.Kind == User }
