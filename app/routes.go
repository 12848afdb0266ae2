package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/api"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/fhir/pages"
	"github.com/vigil-iomt/vigil/fhir/topic"
	"github.com/vigil-iomt/vigil/ingest"
	"github.com/vigil-iomt/vigil/live"
	"github.com/vigil-iomt/vigil/protocol/httpin"
	"github.com/vigil-iomt/vigil/web"
)

// routes lists every HTTP route of the server. Devices prove themselves to
// httpin; everybody else passes the guard.
func (s *server) routes() http.Handler {
	s.httpin = httpin.New(httpin.Config{
		Auth: s.gate(), May: s.gate().MaySpeak, Trusted: trusted, Answers: answers{s.db}, Now: time.Now, Log: s.log,
	})
	records := pages.New(s.settled(s.rest()), s.guides.Set)
	inner := http.NewServeMux()
	inner.Handle("/api/v1/", s.api())
	inner.Handle("/fhir", records)
	inner.Handle("/fhir/", records)
	inner.Handle("/ws/events", permitted(live.ActionEvents, http.HandlerFunc(s.hub.ServeEvents)))
	inner.Handle("/ws/waves", permitted(live.ActionWaves, http.HandlerFunc(s.hub.ServeWaves)))
	inner.Handle("/metrics", permitted("system.metrics", s.metrics()))

	outer := http.NewServeMux()
	outer.Handle("/ingest/v1/", s.httpin)
	outer.Handle(topic.SocketPath, s.desk) // a token of the FHIR API is the proof
	outer.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	outer.HandleFunc("/readyz", s.ready)
	for _, path := range []string{"/api/", "/fhir", "/fhir/", "/ws/", "/metrics"} {
		outer.Handle(path, guard(s.registry.Bearer, inner))
	}
	outer.Handle("/", web.Handler())
	return outer
}

// api is /api/v1.
func (s *server) api() http.Handler {
	return api.New(api.Config{
		Registry: s.registry, Tokens: s.registry, Readings: s.posted, Events: s.db, Quarantine: s.db,
		Replay: func(ctx context.Context, entry string) (ingest.Replay, error) {
			return s.ingest.Replay(ctx, s.db, entry)
		},
		ReplayAll: func(ctx context.Context, device vigil.DeviceID) ([]ingest.Replay, error) {
			return s.ingest.ReplayAll(ctx, s.db, device)
		},
		Profiles: func() (*devices.Catalog, []devices.Problem) {
			c := s.profiles.Load()
			return c.Catalog, c.problems
		},
		Health: s.health, ObservationID: func(id vigil.SeriesID, p vigil.Point) string {
			if document, ok := s.posted.document(id, p.Taken); ok {
				return document
			}
			return s.readings.ObservationID(id, p)
		},
		Permit:  permit,
		Version: Version().Vigil, Demo: s.o.Demo, Started: s.started, Now: time.Now, Log: s.log,
	})
}
