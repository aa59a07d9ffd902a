package vitrine

import (
	"net/url"
	"strings"
)

// ID names an object for ever. Names are for display and may change; an id
// never does, and once it was used it is never used again.
//
// An id is 1 to 128 characters of a-z, A-Z, 0-9, '.', '_' and '-', starting
// with a letter or digit. The id of a deployment is its project's id, a slash
// and the percent-encoded model id (see DeploymentID).
type ID string

// MaxID is the longest plain id, in bytes.
const MaxID = 128

// Valid reports whether id is a plain id.
func (id ID) Valid() bool {
	if len(id) == 0 || len(id) > MaxID || !alnum(id[0]) {
		return false
	}
	for i := 1; i < len(id); i++ {
		if c := id[i]; !alnum(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func alnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// DeploymentID is the scope id of a model in a project. Model ids of providers
// hold characters such as / : @, so the model part is percent-encoded.
func DeploymentID(project ID, model string) ID {
	return project + "/" + ID(url.QueryEscape(model))
}

// SplitDeployment takes a deployment's id apart. ok is false for any id that
// DeploymentID cannot have made.
func SplitDeployment(id ID) (project ID, model string, ok bool) {
	p, m, found := strings.Cut(string(id), "/")
	model, err := url.QueryUnescape(m)
	if !found || err != nil || model == "" || !ID(p).Valid() || DeploymentID(ID(p), model) != id {
		return "", "", false
	}
	return ID(p), model, true
}

// Everyone stands for all principals where a list of principals is asked for.
const Everyone ID = "*"
