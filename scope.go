package vitrine

import "time"

// Environment is the stage that a project belongs to.
type Environment string

// The environments.
const (
	Experimental Environment = "experimental"
	Staging      Environment = "staging"
	Production   Environment = "production"
)

// Organization is the root of the tree of scopes.
type Organization struct {
	ID   ID     `json:"id"`
	Name string `json:"name,omitempty"`
	// Solo marks an installation for one person trying it out: one owner, who
	// may both administer and look.
	Solo bool `json:"solo,omitempty"`
}

// Project is a scope below the organization.
type Project struct {
	ID          ID          `json:"id"`
	Name        string      `json:"name,omitempty"`
	Environment Environment `json:"environment"`
}

// Dataset is a named set of images, a scope below its project.
type Dataset struct {
	ID       ID       `json:"id"`
	Project  ID       `json:"project"`
	Name     string   `json:"name,omitempty"`
	Category Category `json:"category"`
	// BirthTier is the tier of what nobody classified. Unknown is restricted.
	BirthTier Tier `json:"birth_tier,omitempty"`
	Owner     ID   `json:"owner,omitempty"`

	// Retention is the age at which an image is deleted; 0 is never.
	Retention Duration `json:"retention,omitempty"`
	// KeepAtLeast is the age before which nobody deletes one.
	KeepAtLeast Duration `json:"keep_at_least,omitempty"`
	// RestoreWindow is for how long a deleted image may be restored, and its key
	// is not destroyed yet. nil is as the installation says; 0 is not at all.
	RestoreWindow *Duration `json:"restore_window,omitempty"`
}

// Deployment is a provider's model offered to a project, a scope below it.
// Its id is DeploymentID(Project, Model).
type Deployment struct {
	ID       ID     `json:"id"`
	Project  ID     `json:"project"`
	Model    string `json:"model"` // what callers ask for
	Provider ID     `json:"provider"`
	Upstream string `json:"upstream,omitempty"` // what the provider calls it; "" is Model
	Price    *Price `json:"price,omitempty"`    // nil is unpriced: refused
	Limits   Limits `json:"limits,omitzero"`
	Edits    bool   `json:"edits,omitempty"` // it can edit pictures too
	Disabled bool   `json:"disabled,omitempty"`
}

// Price is what one image costs: the first rule that matches, else Image.
type Price struct {
	Image Micros      `json:"image"`
	Rules []PriceRule `json:"rules,omitempty"`
}

// PriceRule is the price of one image of a size and quality; "" matches any.
type PriceRule struct {
	Size    string `json:"size,omitempty"`
	Quality string `json:"quality,omitempty"`
	Image   Micros `json:"image"`
}

// Of is the price of one image, in micro-dollars.
func (p *Price) Of(size, quality string) Micros {
	for _, r := range p.Rules {
		if (r.Size == "" || r.Size == size) && (r.Quality == "" || r.Quality == quality) {
			return r.Image
		}
	}
	return p.Image
}

// Limits bound what may be asked of a deployment; zero is the system's bound.
type Limits struct {
	Sizes   []string `json:"sizes,omitempty"`   // WIDTHxHEIGHT; none is any
	Formats []string `json:"formats,omitempty"` // output formats; none is any
	MaxN    int      `json:"max_n,omitempty"`
	Prompt  int      `json:"prompt,omitempty"` // longest prompt, in characters
	// PerMinute bounds requests a minute and principal.
	PerMinute int `json:"per_minute,omitempty"`
}

// ProviderKind is the dialect that an image service speaks.
type ProviderKind string

// The provider dialects.
const (
	OpenAI        ProviderKind = "openai"
	NanoGPT       ProviderKind = "nanogpt"
	Automatic1111 ProviderKind = "automatic1111" // stable-diffusion-webui and its forks
	Stability     ProviderKind = "stability"     // Stability AI's v2beta
	Studio        ProviderKind = "studio"        // built in; not an AI model
)

// Provider is an image service. Its credentials stand elsewhere, sealed.
type Provider struct {
	ID      ID           `json:"id"`
	Kind    ProviderKind `json:"kind"`
	Name    string       `json:"name,omitempty"`
	BaseURL string       `json:"base_url,omitempty"`
	// Hosts are further hosts from which its answers may be fetched when it
	// answers with a URL. The base URL's own host always is one.
	Hosts []string `json:"hosts,omitempty"`
}

// Offered is a model that a provider says it has, with the price that it says
// it takes; nil where it says none.
type Offered struct {
	Model string `json:"model"`
	Price *Price `json:"price,omitempty"`
}

// Credential is a secret for a provider; the secret itself is sealed in the
// store, bound to Origin. A provider may have several, chosen by project or by
// role; one without either serves the rest.
type Credential struct {
	ID       ID     `json:"id"`
	Provider ID     `json:"provider"`
	Origin   string `json:"origin,omitempty"` // scheme://host:port that it may be sent to
	Projects []ID   `json:"projects,omitempty"`
	Roles    []ID   `json:"roles,omitempty"`

	// After a rotation the earlier secret helps out until PreviousUntil where the
	// provider does not know the new one yet.
	PreviousUntil time.Time `json:"previous_until,omitzero"`
}
