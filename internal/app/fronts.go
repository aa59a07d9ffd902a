package app

import (
	"net/http"
	"strings"

	"vitrine.dev/vitrine/internal/api"
	"vitrine.dev/vitrine/internal/openai"
	"vitrine.dev/vitrine/internal/ops"
	"vitrine.dev/vitrine/internal/web"
)

// places is where each front lies: at a path, or below one that ends with a
// slash; the longest counts. What no front claims is the API's to refuse, in a
// form that every program reads.
var places = map[string][]string{
	"openai": {"/v1/", "/api/v1/images/generations", "/api/v1/images/edits", "/api/v1/images/edit", "/api/v1/image-models", "/api/v1/models/", "/api/check-balance"},
	"api":    {"/api/v1/", "/l/", "/"},
	"ops":    {"/healthz", "/readyz", "/metrics"},
}

// Route is one route of the HTTP surface.
type Route struct {
	Method, Pattern string
	Front           string
	Public          string // why it identifies nobody; "" is that it does
}

// Routes lists every route of every front. The fronts serve nothing else.
func (a *App) Routes() []Route { return a.routes }

// listRoutes puts the fronts' lists together.
func listRoutes(programs *api.API) []Route {
	var all []Route
	for _, r := range openai.Routes() {
		all = append(all, Route{r.Method, r.Pattern, "openai", ""})
	}
	for _, r := range programs.Routes() {
		all = append(all, Route{r.Method, r.Pattern, "api", r.Public})
	}
	for _, r := range ops.Routes() {
		all = append(all, Route{r.Method, r.Pattern, "ops", r.Public})
	}
	return all
}

// buildFronts makes the doors and puts them side by side on one handler.
func (a *App) buildFronts() error {
	c := a.config
	door, err := web.New(web.Config{
		Directory: a.Directory, Guard: a.Guard, Proxies: c.TrustedProxies, PerMinute: c.RatePerMinute, Logger: a.logger,
	})
	if err != nil {
		return err
	}
	images, err := openai.New(openai.Config{Door: door, Gateway: a.Gateway, PublicURL: c.PublicURL})
	if err != nil {
		return err
	}
	programs, err := api.New(api.Config{
		Door: door, Guard: a.Guard, Policies: a.Policies, Directory: a.Directory, Vault: a.Vault, Gateway: a.Gateway, Log: a.Log, Backups: a.Backups, Store: a.Store,
		PublicURL: c.PublicURL, MaxUpload: c.MaxUpload, Version: Version(),
	})
	if err != nil {
		return err
	}
	a.ops, err = ops.New(ops.Config{
		Checks: a.checks(), Logger: a.logger,
		Version: Version(), LogSize: a.logSize, Revision: a.revision,
	})
	if err != nil {
		return err
	}
	a.routes = listRoutes(programs)
	a.front = a.sideBySide(map[string]http.Handler{"openai": images, "api": programs, "ops": a.ops})
	return nil
}

// sideBySide gives each request to the front where its path lies. It is no
// ServeMux, which would answer a path that is not clean by itself, with a
// redirect; that is for the front to refuse, in its own words.
func (a *App) sideBySide(fronts map[string]http.Handler) http.Handler {
	counted := make(map[string]http.Handler)
	for name, h := range fronts {
		if counted[name] = h; name != "ops" {
			counted[name] = a.ops.Count(name, h)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, clean := web.CleanPath(r)
		name := frontAt(path)
		if name == "ops" && !clean {
			name = "api"
		}
		counted[name].ServeHTTP(w, r)
	})
}

// frontAt is the name of the front where a path lies.
func frontAt(path string) string {
	front, longest := "api", ""
	for name, all := range places {
		for _, place := range all {
			if lies := path == place || strings.HasSuffix(place, "/") && strings.HasPrefix(path, place); lies && len(place) > len(longest) {
				front, longest = name, place
			}
		}
	}
	return front
}
