package vitrine

import "time"

// Window is the time over which a budget counts.
type Window string

// The windows, in UTC.
const (
	Daily   Window = "day"
	Monthly Window = "month"
	Total   Window = "total"
)

// Start is when the window that holds t began; of Total the zero time.
func (w Window) Start(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	switch w {
	case Daily:
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	case Monthly:
		return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Time{}
}

// BudgetKind is whose spending a budget counts.
type BudgetKind string

// Whose spending a budget counts.
const (
	BudgetOrganization BudgetKind = "organization"
	BudgetProject      BudgetKind = "project"
	BudgetGroup        BudgetKind = "group" // all members together
	BudgetPrincipal    BudgetKind = "principal"
	BudgetKey          BudgetKind = "key"
	BudgetEndUser      BudgetKind = "end-user" // Subject Everyone: each asserted end user alone
)

// Budget is an allowance for a window.
type Budget struct {
	ID      ID         `json:"id"`
	Kind    BudgetKind `json:"kind"`
	Subject string     `json:"subject,omitempty"` // an id, an end user's name, or Everyone for each of the kind alone
	Window  Window     `json:"window"`
	Limit   Micros     `json:"limit"`
}

// BudgetAlerts are the shares of a budget, in percent, at which an alert is
// raised once a window.
var BudgetAlerts = []int{50, 75, 90, 100}

// Balance is the state of one budget's window.
type Balance struct {
	Budget   ID        `json:"budget"`
	Subject  string    `json:"subject,omitempty"`
	Window   Window    `json:"window"`
	Start    time.Time `json:"start,omitzero"`
	Limit    Micros    `json:"limit"`
	Spent    Micros    `json:"spent"`
	Reserved Micros    `json:"reserved"`
	Debt     Micros    `json:"debt,omitempty"` // spent beyond what was reserved; blocks further use until paid off by an operator
}

// Left is what may still be reserved; never below zero, and zero in debt.
func (b Balance) Left() Micros {
	if b.Debt > 0 {
		return 0
	}
	return max(0, b.Limit-b.Spent-b.Reserved)
}
