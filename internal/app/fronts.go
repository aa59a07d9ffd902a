package app

import (
	"net/http"

	"vitrine.dev/vitrine/internal/api"
	"vitrine.dev/vitrine/internal/openai"
	"vitrine.dev/vitrine/internal/ops"
	"vitrine.dev/vitrine/internal/web"
)

// places is where each front lies. What no front claims is the API's to
// refuse, in a form that every program reads.
var places = map[string][]string{
	"openai": {"/v1/", "/api/v1/images/generations", "/api/v1/images/edits", "/api/check-balance"},
	"api":    {"/api/v1/", "/l/", "/"},
	"ops":    {"/healthz", "/readyz", "/metrics"},
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
		Door: door, Guard: a.Guard, Policies: a.Policies, Directory: a.Directory, Vault: a.Vault, Gateway: a.Gateway, Log: a.Log,
		PublicURL: c.PublicURL, MaxUpload: c.MaxUpload, Version: Version(),
	})
	if err != nil {
		return err
	}
	a.ops, err = ops.New(ops.Config{
		Checks:  []ops.Check{{Name: "policy", Run: a.readyPolicy}, {Name: "store", Run: a.readyStore}, {Name: "log", Run: a.Log.Healthy}},
		Version: Version(), LogSize: a.logSize, Revision: a.revision,
	})
	if err != nil {
		return err
	}
	a.front = a.sideBySide(map[string]http.Handler{"openai": images, "api": programs, "ops": a.ops})
	return nil
}

func (a *App) sideBySide(fronts map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	for name, h := range fronts {
		if name != "ops" {
			h = a.ops.Count(name, h)
		}
		for _, place := range places[name] {
			mux.Handle(place, h)
		}
	}
	return mux
}
