package vitrine

// Role is a named set of grants. Files and scripts refer to it by id only.
type Role struct {
	ID          ID      `json:"id"`
	Name        string  `json:"name,omitempty"`
	Description string  `json:"description,omitempty"`
	Includes    []ID    `json:"includes,omitempty"` // roles whose grants it has too; never in a circle
	Grants      []Grant `json:"grants,omitempty"`
	Disabled    bool    `json:"disabled,omitempty"` // a disabled role authorizes nothing
}

// Grant is what a role allows: permissions × categories × tiers, within
// limits. For a permission that is not data-bearing categories and tiers are
// not compared.
type Grant struct {
	Permissions []Permission `json:"permissions"`
	Categories  []Category   `json:"categories,omitempty"` // data-bearing: none covers nothing
	Tiers       []Tier       `json:"tiers,omitempty"`      // data-bearing: none covers nothing

	// Limits on generation; empty or zero is no limit by this grant.
	Models          []string `json:"models,omitempty"`           // model ids, exact
	Formats         []string `json:"formats,omitempty"`          // output formats: png, jpeg, webp, gif
	ResponseFormats []string `json:"response_formats,omitempty"` // b64_json, url
	MaxWidth        int      `json:"max_width,omitempty"`        // pixels
	MaxHeight       int      `json:"max_height,omitempty"`       // pixels
	MaxN            int      `json:"max_n,omitempty"`            // images a request

	// Findings are the kinds of finding that a masked view under this grant
	// shows: "face", "text", "name". None shows none.
	Findings []string `json:"findings,omitempty"`

	// NoUse withholds the use of what is granted: together with Give it makes
	// an administrator who can hand out what she cannot do.
	NoUse bool `json:"no_use,omitempty"`
	// Give lets the holder bind roles that grant no more than this.
	Give bool `json:"give,omitempty"`
}
