package api

import (
	"context"
	"net/http"

	"github.com/vigil-iomt/vigil"
)

// health is how the installation is.
type health struct {
	OK     bool    `json:"ok"`
	Checks []Check `json:"checks"`
}

// about says what this installation is.
type about struct {
	Version string        `json:"version"`
	Demo    bool          `json:"demo" doc:"Everything in it is simulated."`
	Started vigil.Instant `json:"started"`
	Time    vigil.Instant `json:"time"`
}

// system registers the routes about the installation itself.
func (s *server) system() {
	handle(s, route{"health.read", http.MethodGet, "/health", "Check the installation"},
		func(ctx context.Context, _ *struct{}) (*answer[health], error) {
			out := health{OK: true, Checks: s.c.Health(ctx)}
			for _, c := range out.Checks {
				out.OK = out.OK && c.OK
			}
			if out.Checks == nil {
				out.Checks = []Check{}
			}
			return said(out), nil
		})
	handle(s, route{"system.read", http.MethodGet, "/system", "What this installation is, and its time"},
		func(context.Context, *struct{}) (*answer[about], error) {
			return said(about{s.c.Version, s.c.Demo, vigil.InstantOf(s.c.Started), s.now()}), nil
		})
}
