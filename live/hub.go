// Package live fans readings, events, states and waves out to browsers and
// scripts over WebSockets: one coalesced frame of readings per screen and tick,
// events at once and resumable without a gap, waves that may be dropped but
// never delay anything, and the watch over series that fall silent.
package live

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-iomt/vigil"
)

// What the two streams do, for policy and audit.
const (
	ActionEvents vigil.Action = "live.events"
	ActionWaves  vigil.Action = "live.waves"
)

// Horizon is how far back a series may have been heard last and still be part
// of a screen and of the silence watch.
const Horizon = 24 * time.Hour

// A Snapshot is what the store can say about the present. It reflects every
// frame that was given to Consume.
type Snapshot interface {
	Series(ctx context.Context, q vigil.SeriesQuery) ([]vigil.Series, error)
	// Latest returns the newest standing point of each series.
	Latest(ctx context.Context, ids []vigil.SeriesID) (map[vigil.SeriesID]vigil.Point, error)
}

// A Resolver names the series of readings. A series exists once the store has
// applied the frame with its first reading.
type Resolver interface {
	SeriesFor(s vigil.Subject, d vigil.DeviceID, channel string, m *vigil.Metric) (vigil.SeriesID, bool)
}

// Events reads events as they entered the journal.
type Events interface {
	// EventsAfter returns events behind a position, in order.
	EventsAfter(ctx context.Context, partition int, position uint64, limit int) ([]vigil.StoredEvent, error)
	// Applied is the sequence up to which the store has applied a partition.
	Applied(partition int) uint64
}

// Config says what a hub needs. Zero values of the limits mean the defaults.
type Config struct {
	Snapshot   Snapshot
	Resolver   Resolver
	Events     Events
	Partitions int
	// Epoch names the installation: a cursor of another one is refused.
	Epoch string
	// Serves tells whom or what a device serves at an instant. A series that
	// its device no longer serves is not missed when it falls silent. Nil
	// means that every series is expected for ever.
	Serves func(vigil.DeviceID, vigil.Instant) vigil.Subject
	// Heartbeat is the longest time between two messages of a device that is
	// well, 0 when it may be quiet for ever. Nil watches no device.
	Heartbeat func(vigil.DeviceID) time.Duration
	// Devices are all that are registered. They are read at the start and
	// after a change of a device, see Hub.RegistryChanged.
	Devices func() []vigil.DeviceID
	Now     func() time.Time
	Log     *slog.Logger

	Tick         time.Duration // between frames of readings; 250 ms
	WaveTick     time.Duration // between frames of waves; 50 ms
	WriteTimeout time.Duration // without any progress of a client; 10 s
	Queue        int           // events waiting for one client; 1024
	WaveQueue    int           // wave blocks waiting for one client; 1024
	MaxResume    time.Duration // age of a cursor that can be resumed; 24 h
	MaxSubjects  int           // in one subscription; 20,000
	Origins      []string      // host patterns of further allowed origins
}

// A Hub knows the clients and what they want to see.
type Hub struct {
	c       Config
	started time.Time
	shards  []shard         // one per partition, and one for series unheard since the start
	heads   []atomic.Uint64 // position up to which events were handed to clients
	lanes   [laneCount]lane
	stats   counters

	mu        sync.RWMutex // guards the subscriptions
	groups    map[string]*group
	bySubject map[vigil.Subject][]*group
	forAll    []*group
	clients   map[*client]struct{}
	stopped   bool

	epoch uint32
	waves waveIndex
	beats heartbeats

	// flushing is held while readings are put together, so that a snapshot
	// and a frame never overtake each other.
	flushing sync.Mutex

	registryMu sync.Mutex
	registry   map[change]struct{}
	moved      map[vigil.DeviceID]struct{}

	handlers sync.WaitGroup
	// cut ends every connection at once; it is done when a client does not
	// take its farewell in time.
	cut    context.Context //nolint:containedctx // a signal to handlers that outlive their request
	cutOff context.CancelFunc
}

// New returns a hub. Frames from Events.Applied on are expected.
func New(c Config) *Hub {
	orDuration(&c.Tick, 250*time.Millisecond)
	orDuration(&c.WaveTick, 50*time.Millisecond)
	orDuration(&c.WriteTimeout, 10*time.Second)
	orDuration(&c.MaxResume, Horizon)
	orInt(&c.Queue, 1024)
	orInt(&c.WaveQueue, 1024)
	orInt(&c.MaxSubjects, 20_000)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := &Hub{
		c: c, started: c.Now(), shards: make([]shard, c.Partitions+1), heads: make([]atomic.Uint64, c.Partitions),
		groups: map[string]*group{}, bySubject: map[vigil.Subject][]*group{}, clients: map[*client]struct{}{},
		registry: map[change]struct{}{}, moved: map[vigil.DeviceID]struct{}{},
		epoch: epochOf(c.Epoch, c.Partitions), waves: newWaveIndex(),
	}
	h.cut, h.cutOff = context.WithCancel(context.Background())
	for i := range h.shards {
		h.shards[i].init()
	}
	for i := range h.heads {
		h.heads[i].Store(lastOf(c.Events.Applied(i)))
	}
	for i := range h.lanes {
		h.lanes[i].init()
	}
	h.readHeartbeats(0, vigil.InstantOf(h.started))
	return h
}

// orDuration fills in a default.
func orDuration(d *time.Duration, def time.Duration) {
	if *d == 0 {
		*d = def
	}
}

// orInt fills in a default.
func orInt(n *int, def int) {
	if *n == 0 {
		*n = def
	}
}

// counters are what the hub has done, kept atomically.
type counters struct {
	frames, readings, events, states, behind, waveBlocks, waveDropped, unresolved atomic.Uint64
}

// Stats are the present state of the hub and what it has done since the start.
type Stats struct {
	EventClients, WaveClients, Groups, Series, Silent int
	Frames                                            uint64 // frames of readings handed to clients
	Readings                                          uint64 // readings put into frames
	Events                                            uint64 // events handed to clients
	States                                            uint64 // changes between silent and heard
	Behind                                            uint64 // clients closed because they fell behind
	WaveBlocks                                        uint64 // wave blocks handed to clients
	WaveDropped                                       uint64 // wave blocks dropped for slow clients
	Unresolved                                        uint64 // readings that belong to no stored series
}

// Stats returns the counters.
func (h *Hub) Stats() Stats {
	s := Stats{
		Frames: h.stats.frames.Load(), Readings: h.stats.readings.Load(), Events: h.stats.events.Load(),
		States: h.stats.states.Load(), Behind: h.stats.behind.Load(), WaveBlocks: h.stats.waveBlocks.Load(),
		WaveDropped: h.stats.waveDropped.Load(), Unresolved: h.stats.unresolved.Load(),
	}
	h.mu.RLock()
	s.EventClients, s.Groups = len(h.clients), len(h.groups)
	h.mu.RUnlock()
	s.WaveClients = h.waves.count()
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		s.Series += len(sh.byID)
		s.Silent += len(sh.silent)
		sh.mu.Unlock()
	}
	return s
}

// Run keeps the clocks of the hub until ctx is done, then closes every client
// and waits for them. It returns an error when the series that were heard
// before the start cannot be read.
func (h *Hub) Run(ctx context.Context) error {
	if err := h.expect(ctx); err != nil {
		return err
	}
	defer h.stop()
	tick := time.NewTicker(h.c.Tick)
	defer tick.Stop()
	waveTick := time.NewTicker(h.c.WaveTick)
	defer waveTick.Stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			h.sendRegistry(ctx)
			h.flush(ctx, paced)
		case <-h.lanes[fast].wake:
			h.flush(ctx, fast)
		case <-waveTick.C:
			h.waves.wakeAll()
		case <-second.C:
			h.watch(h.c.Now())
			h.beat()
		}
	}
}

// beat asks every client's writer for a heartbeat.
func (h *Hub) beat() {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for c := range h.clients {
		c.beatNow()
	}
}

// farewell is how long clients may take to say goodbye.
const farewell = 2 * time.Second

// stop closes every client and waits until their handlers have returned.
func (h *Hub) stop() {
	h.mu.Lock()
	h.stopped = true
	for c := range h.clients {
		c.fail(closeGoingAway, "the server stops")
	}
	h.mu.Unlock()
	h.waves.stop()
	timer := time.AfterFunc(farewell, h.cutOff)
	h.handlers.Wait()
	timer.Stop()
	h.cutOff()
}

// positions returns how far events were handed to clients, per partition.
func (h *Hub) positions() []uint64 {
	out := make([]uint64, len(h.heads))
	for i := range h.heads {
		out[i] = h.heads[i].Load()
	}
	return out
}
