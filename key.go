package vitrine

import "time"

// Key is a credential of one principal. Its rights are the principal's,
// narrowed. Of the secret only SHA-256 is kept.
type Key struct {
	ID        ID     `json:"id"`
	Principal ID     `json:"principal"`
	Name      string `json:"name,omitempty"`
	Hash      string `json:"hash,omitempty"` // hex SHA-256 of the secret

	// After a rotation the earlier secret works until PreviousUntil.
	Previous      string    `json:"previous,omitempty"`
	PreviousUntil time.Time `json:"previous_until,omitzero"`

	Roles   []ID     `json:"roles,omitempty"`   // only these roles are active; none means all
	Scope   ID       `json:"scope,omitempty"`   // only here and below; "" means everywhere
	Project ID       `json:"project,omitempty"` // default project
	Dataset ID       `json:"dataset,omitempty"` // default dataset
	CIDRs   []string `json:"cidrs,omitempty"`   // only from these networks; none means any

	// For is the person that an agent acts for with this key: the person who
	// issued it. Rights are then the intersection of both.
	For ID `json:"for,omitempty"`
	// ForEpoch is that person's epoch at issue: what she gave dies with her own keys.
	ForEpoch int64 `json:"for_epoch,omitempty"`
	// Parent is the key that a session was started with, and without which it is
	// dead. Roles of a session are its active ones, and none means none.
	Parent ID `json:"parent,omitempty"`
	// First marks an owner's first key: short-lived, and each use is alarmed.
	First bool `json:"first,omitempty"`

	IssuedBy ID        `json:"issued_by,omitempty"`
	Created  time.Time `json:"created,omitzero"`
	Expires  time.Time `json:"expires,omitzero"` // zero is never
	Revoked  time.Time `json:"revoked,omitzero"` // zero is not revoked
	Epoch    int64     `json:"epoch,omitempty"`  // the principal's at issue; dead once the principal's is higher
}

// Session reports whether the key is that of a session: short-lived, started
// with another key, with roles that are activated and dropped.
func (k *Key) Session() bool { return k.Parent != "" }
