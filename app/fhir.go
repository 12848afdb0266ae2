package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/devices/iomt"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/fhir/reindex"
	"github.com/vigil-iomt/vigil/fhir/search"
)

// openRecord opens what shows readings as resources and what keeps registry and
// record the same.
func (s *server) openRecord(ctx context.Context) error {
	s.readings = reading.New(reading.Config{
		Readings: s.db, Registry: s.registry, Events: s.db, IDKey: [16]byte(s.install.ObservationKey), Now: time.Now,
		Shapes: func() *iomt.Shapes { return s.profiles.Load().shapes },
	})
	s.book = reindex.New(reindex.Config{Record: s.db, Set: s.guides.Set, Key: s.install.key("index"), Grace: s.indexGrace(), Now: time.Now, Log: s.log})
	if err := s.book.Load(ctx); err != nil {
		return fmt.Errorf("read stored search parameters: %w", err)
	}
	s.roster, s.outbox = newRoster(s), newOutbox(s)
	s.validator = &validator{guides: s.guides, stored: &s.lexicon}
	s.desk = s.newDesk(s.validator)
	if err := s.openBulk(); err != nil {
		return err
	}
	if err := s.lexicon.Load(ctx, s.db); err != nil {
		return fmt.Errorf("read stored terminology: %w", err)
	}
	return s.hideAmended(ctx)
}

// searchEngine returns what resources are found by now.
func (s *server) searchEngine() *search.Engine { return s.book.Engine() }

// indexGrace is how long a process goes on writing without knowing of a
// parameter at most: it looks what others wrote every amendedEvery.
func (s *server) indexGrace() time.Duration {
	if s.c.shared() {
		return 3 * amendedEvery
	}
	return time.Second
}

// key derives a key of the installation for one purpose.
func (i *installation) key(purpose string) (out [16]byte) {
	mac := hmac.New(sha256.New, i.ObservationKey)
	mac.Write([]byte("vigil " + purpose))
	copy(out[:], mac.Sum(nil))
	return out
}

// deviceType returns what a profile says about a type of device.
func (s *server) deviceType(profile string) (string, []vigil.Code) {
	if p, ok := s.profiles.Load().Profile(profile); ok {
		return p.Title, p.Codes
	}
	return "", nil
}

// kindAmended is the kind of the documents that name projected resources on
// which somebody has written.
const (
	kindAmended  = "amended"
	amendedEvery = 2 * time.Second
)

// written is told what was written into the record, after it is on disk.
func (s *server) written(ctx context.Context, resources []vigil.Resource) {
	for _, r := range resources {
		if slices.Contains(s.readings.Types(), r.Type) && s.readings.Named(r.ID) {
			s.amended(ctx, r)
		}
	}
	s.lexicon.Written(resources)
	s.book.Written(resources)
	s.outbox.written()
	s.desk.Written()
}

// amended hides a projected resource behind its document, here at once and
// everywhere after a start.
func (s *server) amended(ctx context.Context, r vigil.Resource) {
	s.readings.Hide(r.ID)
	err := s.db.SaveDocuments(context.WithoutCancel(ctx), vigil.Document{
		Kind: kindAmended, ID: r.ID, Body: []byte("{}"), Changed: r.Changed, Actor: r.Actor,
	})
	if err != nil && vigil.KindOf(err) != vigil.Conflicting { // it was amended before
		s.log.ErrorContext(ctx, "an amended reading is found twice after a start", "error", err)
	}
}

// hideAmended hides what was amended, in other processes, too.
func (s *server) hideAmended(ctx context.Context) error {
	docs, err := s.db.Documents(ctx, kindAmended)
	for _, d := range docs {
		s.readings.Hide(d.ID)
	}
	return err
}

// metricsByCode finds for each code the metric that stands for it: one that is
// no wave, of the first profile by name that has it.
func metricsByCode(c *devices.Catalog) map[vigil.Code]*vigil.Metric {
	out := map[vigil.Code]*vigil.Metric{}
	for _, p := range c.Profiles() {
		for _, m := range p.Metrics() {
			for _, code := range m.Codes {
				code.Display = ""
				if out[code] == nil && !m.IsWave() {
					out[code] = m
				}
			}
		}
	}
	return out
}

// settled lets a request see what the registry was told before it.
func (s *server) settled(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.roster.settle(r.Context())
		next.ServeHTTP(w, r)
	})
}

// keepRecord keeps registry and record the same, and passes on what clients
// wrote, until ctx is done.
func (s *server) keepRecord(ctx context.Context) error {
	s.reconcile()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.roster.run(ctx) })
	g.Go(func() error { return s.outbox.run(ctx) })
	g.Go(func() error { return s.desk.Run(ctx) })
	g.Go(func() error { return s.bulk.Run(ctx) })
	for p := range s.journal.Partitions() {
		g.Go(func() error { return s.feeder.run(ctx, p) })
	}
	g.Go(func() error { return s.book.Run(ctx) })
	if s.c.shared() {
		g.Go(func() error {
			return every(ctx, amendedEvery, s.spell(ctx, "search parameters that were stored elsewhere cannot be read", "search parameters that were stored elsewhere can be read again", s.book.Refresh))
		})
		g.Go(func() error {
			return every(ctx, amendedEvery, s.spell(ctx, "what was amended elsewhere cannot be read", "what was amended elsewhere can be read again", s.hideAmended))
		})
		g.Go(func() error {
			return every(ctx, amendedEvery, s.spell(ctx, "terminology that was stored elsewhere cannot be read", "terminology that was stored elsewhere can be read again",
				func(ctx context.Context) error { return s.lexicon.Refresh(ctx, s.db) }))
		})
	}
	return g.Wait()
}
