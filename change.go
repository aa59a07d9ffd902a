package vitrine

import (
	"encoding/json"
	"fmt"
)

// Kind is a kind of object: what stands in the policy, and what is protected.
type Kind string

// The kinds of object. All but the image stand in the policy, and change only
// through change sets.
const (
	KindOrganization Kind = "organization"
	KindProject      Kind = "project"
	KindDataset      Kind = "dataset"
	KindDeployment   Kind = "deployment"
	KindProvider     Kind = "provider"
	KindCredential   Kind = "credential"
	KindPrincipal    Kind = "principal"
	KindKey          Kind = "key"
	KindRole         Kind = "role"
	KindBinding      Kind = "binding"
	KindDeny         Kind = "deny"
	KindConstraint   Kind = "constraint"
	KindBudget       Kind = "budget"
	KindImage        Kind = "image"
	KindLog          Kind = "log"
	KindUsage        Kind = "usage"
	KindSystem       Kind = "system"
)

// PolicyKinds lists the kinds that stand in the policy, in an order in which
// each refers only to earlier ones.
var PolicyKinds = []Kind{
	KindOrganization, KindProject, KindDataset, KindProvider, KindCredential, KindDeployment,
	KindRole, KindPrincipal, KindKey, KindBinding, KindDeny, KindConstraint, KindBudget,
}

// Ref names an object.
type Ref struct {
	Kind Kind `json:"kind"`
	ID   ID   `json:"id"`
}

// String is "kind/id".
func (r Ref) String() string { return string(r.Kind) + "/" + string(r.ID) }

// Object is something that stands in the policy: a pointer to one of the
// types of this package that have a policy kind.
type Object interface {
	Ref() Ref
}

// Ref implements Object.
func (o *Organization) Ref() Ref { return Ref{KindOrganization, o.ID} }

// Ref implements Object.
func (o *Project) Ref() Ref { return Ref{KindProject, o.ID} }

// Ref implements Object.
func (o *Dataset) Ref() Ref { return Ref{KindDataset, o.ID} }

// Ref implements Object.
func (o *Deployment) Ref() Ref { return Ref{KindDeployment, o.ID} }

// Ref implements Object.
func (o *Provider) Ref() Ref { return Ref{KindProvider, o.ID} }

// Ref implements Object.
func (o *Credential) Ref() Ref { return Ref{KindCredential, o.ID} }

// Ref implements Object.
func (o *Principal) Ref() Ref { return Ref{KindPrincipal, o.ID} }

// Ref implements Object.
func (o *Key) Ref() Ref { return Ref{KindKey, o.ID} }

// Ref implements Object.
func (o *Role) Ref() Ref { return Ref{KindRole, o.ID} }

// Ref implements Object.
func (o *Binding) Ref() Ref { return Ref{KindBinding, o.ID} }

// Ref implements Object.
func (o *Deny) Ref() Ref { return Ref{KindDeny, o.ID} }

// Ref implements Object.
func (o *Constraint) Ref() Ref { return Ref{KindConstraint, o.ID} }

// Ref implements Object.
func (o *Budget) Ref() Ref { return Ref{KindBudget, o.ID} }

// NewObject is an empty object of a policy kind, or nil for other kinds.
func NewObject(k Kind) Object {
	switch k {
	case KindOrganization:
		return new(Organization)
	case KindProject:
		return new(Project)
	case KindDataset:
		return new(Dataset)
	case KindDeployment:
		return new(Deployment)
	case KindProvider:
		return new(Provider)
	case KindCredential:
		return new(Credential)
	case KindPrincipal:
		return new(Principal)
	case KindKey:
		return new(Key)
	case KindRole:
		return new(Role)
	case KindBinding:
		return new(Binding)
	case KindDeny:
		return new(Deny)
	case KindConstraint:
		return new(Constraint)
	case KindBudget:
		return new(Budget)
	}
	return nil
}

// Change is one typed edit to the policy: put Object in place of what has its
// kind and id, or, where Object is nil, delete what Ref names. The id of what
// was deleted is never used again.
type Change struct {
	Ref    Ref
	Object Object // nil deletes

	// IfRevision, where not zero, is the revision at which the object must
	// last have changed; otherwise the change set is a conflict.
	IfRevision int64
}

// Put is a change that puts o.
func Put(o Object) Change { return Change{Ref: o.Ref(), Object: o} }

// Delete is a change that deletes what ref names.
func Delete(ref Ref) Change { return Change{Ref: ref} }

type changeJSON struct {
	Kind       Kind            `json:"kind"`
	ID         ID              `json:"id"`
	Put        json.RawMessage `json:"put,omitempty"`
	IfRevision int64           `json:"if_revision,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (c Change) MarshalJSON() ([]byte, error) {
	j := changeJSON{Kind: c.Ref.Kind, ID: c.Ref.ID, IfRevision: c.IfRevision}
	if c.Object != nil {
		b, err := json.Marshal(c.Object)
		if err != nil {
			return nil, err
		}
		j.Put = b
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Change) UnmarshalJSON(b []byte) error {
	var j changeJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*c = Change{Ref: Ref{j.Kind, j.ID}, IfRevision: j.IfRevision}
	if len(j.Put) == 0 {
		return nil
	}
	o := NewObject(j.Kind)
	if o == nil {
		return fmt.Errorf("kind %q does not stand in the policy", j.Kind)
	}
	if err := json.Unmarshal(j.Put, o); err != nil {
		return err
	}
	if o.Ref() != c.Ref {
		return fmt.Errorf("change names %s but puts %s", c.Ref, o.Ref())
	}
	c.Object = o
	return nil
}

// ChangeSet is a set of edits that is applied whole or not at all.
type ChangeSet struct {
	Reason  string   `json:"reason,omitempty"`
	Changes []Change `json:"changes"`
	// IfRevision, where not zero, is the policy revision that it was made on.
	IfRevision int64 `json:"if_revision,omitempty"`
}
