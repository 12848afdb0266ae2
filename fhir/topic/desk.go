package topic

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Log keeps the events of subscriptions; the store is one.
type Log interface {
	NoticePlace(ctx context.Context, source string) (place int64, ok bool, err error)
	// AddNotices numbers and keeps events, with the place up to which they were
	// made of a source; vigil.Conflicting when that is not where it was.
	AddNotices(ctx context.Context, source string, from, place int64, notices []vigil.Notice) error
	Notices(ctx context.Context, subscription string, from, upTo int64, limit int) ([]vigil.Notice, error)
	NoticeLine(ctx context.Context, subscription string) (vigil.NoticeLine, error)
}

// A Ledger keeps how far subscriptions are; the store is one.
type Ledger interface {
	StartNotices(ctx context.Context, l vigil.NoticeLine) error
	EndNotices(ctx context.Context, subscription string) error
	TrimNotices(ctx context.Context, subscription string, below int64) error
	NoticesDelivered(ctx context.Context, subscription string, number int64) error
	HoldNotices(ctx context.Context, subscription, holder string, now, until vigil.Instant) (bool, error)
}

// A Record keeps resources; the store is one.
type Record interface {
	Resource(ctx context.Context, typ, id string) (vigil.Resource, error)
	ResourceVersion(ctx context.Context, typ, id string, version int64) (vigil.Resource, error)
	SelectResources(ctx context.Context, q vigil.ResourceQuery) ([]vigil.ResourceHit, error)
	// ResourceChanges returns versions in the order in which they were written.
	ResourceChanges(ctx context.Context, types []string, after int64, limit int) ([]vigil.Resource, error)
	LastWrite(ctx context.Context) (int64, error)
}

// Config says what a desk needs. Zero values of the limits mean the defaults.
type Config struct {
	Log    Log
	Ledger Ledger
	Record Record
	// Put writes the next version of a Subscription with another body, if edit
	// wants one of the newest; the zero Resource when it does not. The actor is
	// Actor.
	Put func(ctx context.Context, id string, edit func(old vigil.Resource, doc *tree.Doc) []byte) (vigil.Resource, error)
	// Show reads what is shown without being kept; nil when there is nothing.
	Show   func(ctx context.Context, typ, id string, version int64) (vigil.Resource, error)
	Engine func() *search.Engine
	Terms  search.Terms
	// Endpoints are where notifications may be sent to.
	Endpoints Endpoints
	// Key seals headers and tokens. It is made once for an installation.
	Key [16]byte
	// Base is the address of the FHIR base as listeners see it; "" leaves
	// references relative.
	Base func() string
	// Admit says whether who asks for a WebSocket may bind subscriptions by their
	// id alone, as R4 has it; nil admits nobody.
	Admit func(*http.Request) error
	// Holder names this process among those that share the database; "" when it
	// is alone.
	Holder string
	Client *http.Client // for tests; nil reaches only Endpoints
	Now    func() time.Time
	Logger *slog.Logger

	MaxSubscriptions int           // 1,000
	Keep             int64         // events of a subscription; 100,000
	RetryMin         time.Duration // before the second try; 1 s, then twice as long each time
	RetryMax         time.Duration // at most; 5 min
	Attempts         int           // until the status is error; 12
	Poll             time.Duration // between looks when nobody rings; 1 s
}

// Actor is who changes the status of subscriptions.
func Actor() vigil.Actor { return vigil.Actor{Kind: vigil.System, ID: "subscriptions"} }

// A Desk makes events of what happens, and delivers them.
type Desk struct {
	c      Config
	vault  vault
	client *http.Client
	bell   chan struct{} // something was written

	mu     sync.RWMutex
	lines  map[string]*line
	byType map[string][]*line
	wanted map[string]subjects // of each type

	// Of the feed alone:
	compiled *search.Engine
	place    int64 // up to which the record was read
	kept     int64 // up to which that is kept
	keptAt   time.Time
	batch    int // how many versions are read at once

	workers  sync.WaitGroup
	handlers sync.WaitGroup
	stopped  bool // guarded by mu
	stop     context.Context
	halt     context.CancelFunc
	sockets  atomic.Int64
	ready    atomic.Bool
}

// New returns a desk. It does nothing before Run.
func New(c Config) *Desk {
	c.MaxSubscriptions, c.Attempts = or(c.MaxSubscriptions, 1000), or(c.Attempts, 12)
	c.Keep = or(c.Keep, 100_000)
	c.RetryMin, c.RetryMax, c.Poll = or(c.RetryMin, time.Second), or(c.RetryMax, 5*time.Minute), or(c.Poll, time.Second)
	if c.Base == nil {
		c.Base = func() string { return "" }
	}
	d := &Desk{
		c: c, vault: newVault(c.Key), client: c.Client, bell: make(chan struct{}, 1), lines: map[string]*line{}, byType: map[string][]*line{},
	}
	if d.client == nil {
		d.client = c.Endpoints.client()
	}
	d.stop, d.halt = context.WithCancel(context.Background())
	return d
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (d *Desk) engine() *search.Engine { return d.c.Engine() }

func (d *Desk) now() vigil.Instant { return vigil.InstantOf(d.c.Now()) }

// Written says that something was written into the record.
func (d *Desk) Written() {
	select {
	case d.bell <- struct{}{}:
	default:
	}
}

// trimEvery is how often old events are forgotten.
const trimEvery = time.Minute

// Run makes events and delivers them until ctx is done.
func (d *Desk) Run(ctx context.Context) error {
	defer d.close()
	pause := d.c.RetryMin
	for {
		err := d.begin(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		d.c.Logger.ErrorContext(ctx, "subscriptions cannot be read; it is tried again", "error", err)
		wait(ctx, pause)
	}
	d.ready.Store(true)
	poll, trim := time.NewTicker(d.c.Poll), time.NewTicker(trimEvery)
	defer poll.Stop()
	defer trim.Stop()
	failed := false
	for {
		err := d.catchUp(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			d.c.Logger.ErrorContext(ctx, "what was written cannot be read for subscriptions; it is tried again", "error", err)
		}
		failed = err != nil
		bell := d.bell
		if failed {
			bell = nil // the next try is a tick away
		}
		select {
		case <-ctx.Done():
			return d.keep(context.WithoutCancel(ctx))
		case <-poll.C:
		case <-bell:
		case <-trim.C:
			d.trim(ctx)
		}
	}
}

// Ready tells whether the subscriptions that there are were read.
func (d *Desk) Ready() bool { return d.ready.Load() }

// close ends all lines and connections, and waits for them.
func (d *Desk) close() {
	d.mu.Lock()
	d.stopped = true
	list := d.lines
	d.lines, d.byType = map[string]*line{}, map[string][]*line{}
	d.mu.Unlock()
	d.halt()
	for _, l := range list {
		l.end()
	}
	d.workers.Wait()
	d.handlers.Wait()
	d.client.CloseIdleConnections()
}

// wait waits, or until ctx is done.
func wait(ctx context.Context, span time.Duration) {
	t := time.NewTimer(span)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// trim forgets events that are older than what is kept.
func (d *Desk) trim(ctx context.Context) {
	for _, l := range d.all() {
		n, err := d.c.Log.NoticeLine(ctx, l.id)
		if err == nil && n.Events-n.First >= d.c.Keep {
			err = d.c.Ledger.TrimNotices(ctx, l.id, n.Events-d.c.Keep+1)
		}
		if err != nil && ctx.Err() == nil && vigil.KindOf(err) != vigil.NotFound {
			d.c.Logger.ErrorContext(ctx, "old events of a subscription cannot be forgotten", "subscription", l.id, "error", err)
		}
	}
}

// all returns the lines.
func (d *Desk) all() []*line {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := make([]*line, 0, len(d.lines))
	for _, l := range d.lines {
		out = append(out, l)
	}
	return out
}

// line returns the line of a subscription, nil when it has none.
func (d *Desk) line(id string) *line {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.lines[id]
}
