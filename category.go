package vitrine

import "fmt"

// Category says what kind of data something is. The zero Category is unknown
// and is covered by no grant.
type Category uint8

// The categories.
const (
	CategoryUnknown Category = iota
	Training
	Reference
	Generated
	Evaluation
	ModelFile
	Configuration
)

var categoryNames = [...]string{"", "training", "reference", "generated", "evaluation", "model-file", "configuration"}

// Categories lists all categories.
var Categories = []Category{Training, Reference, Generated, Evaluation, ModelFile, Configuration}

// String is the category's name as it is written in policy files.
func (c Category) String() string {
	if int(c) < len(categoryNames) {
		return categoryNames[c]
	}
	return ""
}

// MarshalText implements encoding.TextMarshaler.
func (c Category) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; "" is unknown.
func (c *Category) UnmarshalText(b []byte) error {
	for i, name := range categoryNames {
		if name == string(b) {
			*c = Category(i)
			return nil
		}
	}
	return fmt.Errorf("unknown category %q: want one of %v", b, categoryNames[1:])
}
