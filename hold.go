package vitrine

import "time"

// Hold keeps an image, or all images of a dataset or a project, whatever is
// asked of them: while it is in force none is deleted or destroyed.
type Hold struct {
	ID     ID        `json:"id"`
	On     Ref       `json:"on"` // an image, a dataset or a project
	Reason string    `json:"reason"`
	Placed time.Time `json:"placed"`
	By     ID        `json:"by"`

	// Of one that was lifted.
	Lifted     time.Time `json:"lifted,omitzero"`
	LiftedBy   ID        `json:"lifted_by,omitempty"`
	LiftReason string    `json:"lift_reason,omitempty"`
}
