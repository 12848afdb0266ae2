package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/devices/iomt"
	"github.com/vigil-iomt/vigil/fhir/bulk"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/fhir/reindex"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/topic"
	"github.com/vigil-iomt/vigil/fhir/vocabulary"
	"github.com/vigil-iomt/vigil/fleet"
	"github.com/vigil-iomt/vigil/ingest"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/live"
	"github.com/vigil-iomt/vigil/protocol/httpin"
	"github.com/vigil-iomt/vigil/protocol/mqtt"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/stream"
)

// Options are what a run needs beside its configuration.
type Options struct {
	Log *slog.Logger
	// Ready is called once, when everything is open and the consumers have
	// caught up.
	Ready func(Addresses)
	// Demo marks the installation as simulated, on every screen.
	Demo bool
}

// Addresses are where the listeners really are.
type Addresses struct {
	HTTP, MQTT, Socket string
}

// drainTime bounds how long a stop waits for what is in flight.
const drainTime = 15 * time.Second

// A server is everything that runs.
type server struct {
	c       Config
	o       Options
	log     *slog.Logger
	started time.Time

	data      *dataFolder
	install   installation
	mqtt      *mqtt.Driver
	httpin    *httpin.Handler
	db        *store.DB
	posted    *posted // the store, and what is kept elsewhere
	journal   *stream.Journal
	registry  *fleet.Registry
	ingest    *ingest.Ingest
	hub       *live.Hub
	book      *reindex.Book // what resources are found by
	readings  *reading.Source
	roster    *rosterKeeper
	outbox    *outbox
	desk      *topic.Desk // of subscriptions
	bulk      *bulk.Service
	fhir      atomic.Pointer[rest.Server]
	feeder    *feeder
	httpAddr  atomic.Pointer[string]
	profiles  atomic.Pointer[catalog]
	guides    *definitions // of FHIR
	validator *validator
	lexicon   vocabulary.Stored // terminology that clients stored
	watch     *watch
	chain     []consumer
	poison    *poison
	caughtUp  atomic.Bool
	fatal     chan error
}

// catalog is the catalogue of this moment with what is wrong in it.
type catalog struct {
	*devices.Catalog
	problems []devices.Problem
	shapes   *iomt.Shapes // what mappings say of Observations
	byCode   map[vigil.Code]*vigil.Metric
}

// Run opens everything in a data folder and serves until ctx is done. Then it
// stops in the order of the data: listeners, journal, consumers, store.
func Run(ctx context.Context, c Config, o Options) error {
	s := newServer(c, o)
	if err := s.open(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	return errors.Join(s.serve(ctx), s.close())
}

// newServer returns a server with everything still closed.
func newServer(c Config, o Options) *server {
	return &server{c: c, o: o, log: o.Log, started: time.Now(), poison: newPoison(), fatal: make(chan error, 1)}
}

// open opens the rooms in the order in which they need each other.
func (s *server) open(ctx context.Context) error {
	var err error
	if s.data, err = openFolder(s.c.Data); err != nil {
		return err
	}
	s.watch = newWatch(s.c.Data, s.log)
	s.reload(LoadProfiles(s.c.Profiles()))
	if s.guides, err = openDefinitions(&s.c, s.log); err != nil {
		return err
	}
	s.db, err = store.Open(ctx, store.Config{
		Path: s.c.Data, DSN: s.c.DB, Partitions: s.c.Partitions, Sealer: seal.Plain{},
		Now: time.Now, Log: s.log, Checkpoint: s.c.Checkpoint, Shared: s.c.shared(),
		Frames: func(ctx context.Context, partition int, after, upTo uint64, handle func(context.Context, vigil.Frame) error) error {
			return s.journal.Frames(ctx, partition, after, upTo, func(ctx context.Context, f vigil.Frame) error {
				return handle(ctx, s.poison.without(f))
			})
		},
	})
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	s.journal, err = stream.Open(ctx, stream.Config{
		Dir: s.data.journal(), URL: s.c.NATS, Monitor: s.c.NATSMonitor, Replicas: s.c.NATSReplicas, Partitions: s.c.Partitions, MinFree: uint64(s.c.MinFree),
		Sealer: seal.Plain{}, Now: time.Now, Log: s.log, Fatal: s.fail,
	})
	if err != nil {
		return fmt.Errorf("open journal: %w", s.notAlone(err))
	}
	if err := s.alone(ctx); err != nil {
		return err
	}
	s.registry, err = fleet.Open(ctx, fleet.Config{
		Documents: s.db, Now: time.Now, Log: s.log, Changed: s.registryChanged, Move: s.move, Shared: s.c.shared(),
	})
	if err != nil {
		return fmt.Errorf("open registry: %w", err)
	}
	s.ingest = ingest.New(ingest.Config{
		Registry: s.registry, Profiles: func() *devices.Catalog { return s.profiles.Load().Catalog },
		Journal: s.journal, QuarantineOpen: s.db.QuarantineOpen, QuarantineMax: s.c.QuarantineMax, Now: time.Now,
	})
	if s.install, err = s.installed(ctx); err != nil {
		return err
	}
	s.posted = newPosted(s.db, time.Now)
	s.hub = live.New(live.Config{
		Snapshot: s.posted, Events: s.db, Resolver: s.posted, Partitions: s.c.Partitions, Epoch: s.install.ID,
		Serves: s.registry.ServedAt, Heartbeat: s.heartbeat, Devices: s.deviceIDs, Now: time.Now, Log: s.log,
	})
	s.feeder = newFeeder(s)
	s.chain = s.consumers()
	return s.openRecord(ctx)
}

// heartbeat returns the heartbeat of a device in use, 0 when it has none.
func (s *server) heartbeat(id vigil.DeviceID) time.Duration {
	d, ok := s.registry.Device(id)
	if !ok || d.Revoked != 0 {
		return 0
	}
	p, ok := s.profiles.Load().Profile(d.Profile)
	if !ok {
		return 0
	}
	return p.Heartbeat()
}

// deviceIDs returns all registered devices.
func (s *server) deviceIDs() []vigil.DeviceID {
	all := s.registry.Devices()
	ids := make([]vigil.DeviceID, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	return ids
}

// reload puts a new catalogue in place.
func (s *server) reload(c *devices.Catalog, problems []devices.Problem) {
	var wrong []devices.Problem
	for _, p := range problems {
		if p.Warning {
			s.log.Info("device profile is odd", "file", p.File, "position", p.Pos, "oddity", p.Msg)
			continue
		}
		wrong = append(wrong, p)
		s.log.Warn("device profile has a problem", "file", p.File, "position", p.Pos, "problem", p.Msg)
	}
	s.profiles.Store(&catalog{c, wrong, iomt.ShapesOf(c), metricsByCode(c)})
}

// registryChanged tells the screens, and ends the connections of a device whose
// credentials may be void.
func (s *server) registryChanged(kind, id string) {
	d, ok := s.registry.Device(vigil.DeviceID(id))
	void := kind == fleet.ChangedSecret || kind == "device" && d.Revoked != 0
	if ok && void && s.mqtt != nil {
		s.mqtt.Disconnect(d.ID)
	}
	if kind == fleet.ChangedSecret {
		return
	}
	if s.hub != nil {
		s.hub.RegistryChanged(kind, id)
	}
	if s.roster != nil && (kind == "patient" || kind == "device") {
		s.roster.note(rosterName{kind, id})
	}
}

// move carries a reattribution through the journal.
func (s *server) move(ctx context.Context, r vigil.Reattribution) error {
	return s.append(ctx, vigil.Record{Kind: vigil.Reattributed, Subject: r.To, Change: &r,
		Message: vigil.Message{Device: r.Device, Arrived: vigil.InstantOf(time.Now()), Protocol: "registry"}})
}

// fail ends the run because a part that it cannot do without has failed.
func (s *server) fail(err error) {
	select {
	case s.fatal <- err:
	default:
	}
}

// serve runs everything until ctx is done or a part fails.
func (s *server) serve(ctx context.Context) error {
	consumerCtx, stopConsumers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopConsumers()
	consumers, consumerCtx := errgroup.WithContext(consumerCtx)
	consumers.Go(func() error { return s.consumeAll(consumerCtx) })
	unshare := s.share(ctx)
	defer unshare()

	edges, edgeCtx := errgroup.WithContext(ctx)
	edges.Go(func() error {
		select {
		case err := <-s.fatal:
			return err
		case <-consumerCtx.Done():
			return context.Cause(consumerCtx)
		case <-edgeCtx.Done():
			return nil
		}
	})
	if err := s.listen(edgeCtx, edges); err != nil {
		stopConsumers()
		return errors.Join(err, ignoreCanceled(consumers.Wait()))
	}
	edges.Go(func() error { return s.keepHouse(edgeCtx) })
	edges.Go(func() error { return s.keepRecord(edgeCtx) })

	err := ignoreCanceled(edges.Wait())
	s.drain()
	stopConsumers()
	return errors.Join(err, ignoreCanceled(consumers.Wait()))
}

// drain waits until the consumers have what the journal has, for a while.
func (s *server) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if s.reach(ctx, s.heads()) != nil || s.settlePoison(ctx) != nil {
		s.log.Warn("stopped before the consumers had caught up; the journal keeps the rest")
	}
}

// heads returns where the partitions of the journal end now. In a cluster they
// are never still.
func (s *server) heads() []uint64 {
	out := make([]uint64, s.journal.Partitions())
	for p := range out {
		out[p] = s.journal.Head(p)
	}
	return out
}

// reach waits until the store has applied the journal up to these frames.
func (s *server) reach(ctx context.Context, heads []uint64) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for p, head := range heads {
		for s.db.Applied(p) < head {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// close closes what is open, in the order of the data.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*drainTime)
	defer cancel()
	var errs []error
	if s.journal != nil {
		errs = append(errs, s.journal.Close(ctx))
	}
	if s.db != nil {
		errs = append(errs, s.db.Close(ctx))
	}
	if s.data != nil {
		errs = append(errs, s.data.close())
	}
	return errors.Join(errs...)
}

// ignoreCanceled drops the error of an orderly stop.
func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
