package vitrine

import "time"

// Rendition is a form in which an image is given.
type Rendition string

// The renditions. The thumbnail is of what the caller may see.
const (
	Original  Rendition = "original"
	Masked    Rendition = "masked"
	Thumbnail Rendition = "thumbnail"
	// MaskedThumbnail is the thumbnail of the masked view; callers ask for
	// Thumbnail and get the one they may see.
	MaskedThumbnail Rendition = "masked-thumbnail"
)

// TierSource says who gave an image its tier.
type TierSource string

// Who gave an image its tier.
const (
	TierByBirth   TierSource = "birth"
	TierByPerson  TierSource = "person"
	TierByMachine TierSource = "machine"
	TierBySource  TierSource = "source" // inherited from the sources of an edit
)

// Image is the metadata of protected bytes. The fields above Detail are in
// clear in the store, because lists and decisions need them; Detail is sealed.
type Image struct {
	ID       ID          `json:"id"`
	Dataset  ID          `json:"dataset"`
	Project  ID          `json:"project"`
	Category Category    `json:"category"`
	Tier     Tier        `json:"tier"`
	TierBy   TierSource  `json:"tier_by,omitempty"`
	Owner    ID          `json:"owner,omitempty"`
	Created  time.Time   `json:"created"`
	Version  int64       `json:"version"`
	Detail   ImageDetail `json:"detail,omitzero"`
}

// Deletion is what is known of an image that was deleted and may be restored.
type Deletion struct {
	At    time.Time `json:"at"`
	By    ID        `json:"by,omitempty"` // "system" where the dataset's retention did
	Until time.Time `json:"until"`        // then its key is destroyed
}

// ImageDetail is what only those who may open the original are told.
type ImageDetail struct {
	Name   string   `json:"name,omitempty"` // file name
	Labels []string `json:"labels,omitempty"`
	Format string   `json:"format,omitempty"` // png, jpeg, webp, gif
	Width  int      `json:"width,omitempty"`  // pixels
	Height int      `json:"height,omitempty"` // pixels
	Size   int64    `json:"size,omitempty"`   // bytes
	SHA256 string   `json:"sha256,omitempty"` // hex, of the original

	Lineage Lineage `json:"lineage,omitzero"`
}

// Lineage is where an image came from.
type Lineage struct {
	Prompt     string `json:"prompt,omitempty"`
	PromptHash string `json:"prompt_hash,omitempty"` // keyed, as in the log
	Model      string `json:"model,omitempty"`
	Provider   ID     `json:"provider,omitempty"`
	Seed       string `json:"seed,omitempty"`
	Sources    []ID   `json:"sources,omitempty"` // images it was made from
	EndUser    string `json:"end_user,omitempty"`
	Credential ID     `json:"credential,omitempty"` // key it was made with
	Request    string `json:"request,omitempty"`
}

// Resource is what a question is about: where it lies, what kind of data it
// is and, for a generation, what is asked of the model. The zero Resource
// stands for something absent.
type Resource struct {
	Kind     Kind     `json:"kind,omitempty"`
	ID       ID       `json:"id,omitempty"`
	Scope    ID       `json:"scope,omitempty"` // where it lies; for a scope, itself
	Category Category `json:"category,omitempty"`
	Tier     Tier     `json:"tier,omitempty"`
	Owner    ID       `json:"owner,omitempty"`

	Model          string `json:"model,omitempty"`
	Format         string `json:"format,omitempty"`          // output format asked for; "" is not asked
	ResponseFormat string `json:"response_format,omitempty"` // "" is not asked
	Width          int    `json:"width,omitempty"`
	Height         int    `json:"height,omitempty"`
	N              int    `json:"n,omitempty"`
}

// Resource is what a decision about the image looks at.
func (m *Image) Resource() Resource {
	return Resource{Kind: KindImage, ID: m.ID, Scope: m.Dataset, Category: m.Category, Tier: m.Tier, Owner: m.Owner}
}
