package api

import (
	"context"
	"net/http"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/web"
)

// backup are the routes about backups.
func (a *API) backup() {
	add(a, Route{Method: "GET", Pattern: prefix + "/backup/status", Permission: vitrine.SystemBackup, Summary: "The backup epoch and the last backup", tag: "backup", op: "status"},
		func(ctx context.Context, by access.Caller, _ *none) (*struct{ Body backup.Status }, error) {
			s, err := a.Backups.Status(ctx, by)
			if err != nil {
				return nil, err
			}
			return &struct{ Body backup.Status }{*s}, nil
		})
	take := Route{Method: "GET", Pattern: prefix + "/backup", Permission: vitrine.SystemBackup, tag: "backup", op: "take",
		Summary: "A backup of everything, encrypted to the recovery recipient"}
	a.plain(take, a.takeBackup)
	a.describe(take, "", octets)
}

func (a *API) takeBackup(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	s := &stream{w: w, to: web.NewWriter(w), kind: octets}
	defer s.to.Done()
	w.Header().Set("Content-Disposition", `attachment; filename="vitrine.backup"`)
	_, err := a.Backups.Take(r.Context(), by, s)
	if err != nil && !s.begun {
		w.Header().Del("Content-Disposition")
	}
	return a.end(s, r, err)
}
