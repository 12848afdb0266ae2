// Package httpin takes messages from devices over HTTP and answers with success
// only once the sink has called them safe.
//
//	POST /ingest/v1/devices/{id}/messages   one message: the body is the device's own payload
//	POST /ingest/v1/messages                NDJSON: {"device","channel"?,"id"?,"time"?,"payload"} on each line
//
// A sender proves itself with HTTP Basic, user name = device id, password = its
// secret; whoever comes over the local socket is trusted. The device of a line is
// the sender when it is left out. A payload is any JSON value, given to the
// device's profile as it stands; a string stands for its text, and
// {"base64": "…"} for the bytes. Time is RFC 3339. Bodies may be gzip.
//
// The first address takes the query parameter channel and the header
// X-Message-Id. Both take the query parameter historical=1 (trusted senders only:
// a recording) and the header Idempotency-Key.
//
// The answer is {"accepted","repeated","quarantined":[{"line","id","reason"}]}.
// Quarantined messages are safe, but somebody must mend the profile. Its status:
//
//	200  every message is safe
//	202  a single message is safe, in the quarantine
//	207  some lines are safe; those under "refused":[{"line","kind","reason"}] were not kept
//	4xx  nothing was kept (413 while reading: what came before the limit was)
//	503  try again later, 507 no room; lines may have been kept: send all again
//
// Lines stand alone: one that is no envelope, or names a device that the sender
// may not speak for, is refused with its number, and the others go on. A message
// without an id gets one from the Idempotency-Key and its line number, so that
// sending again after an error makes no doubles. Errors are
// application/problem+json.
//
// Under an Idempotency-Key, the answer is remembered for each sender for 30
// days. The same body again is answered from memory, with the header
// Idempotent-Replayed and its messages counted as repeated; this is the only
// thing that counts as repeated here, because repeats among the readings are
// found later. Another body under the same key is refused with 422.
package httpin

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol"
)

// Config says what the handler needs. Auth is required.
type Config struct {
	Auth protocol.Authenticator
	// May tells whether a device may deliver messages for another one; nil asks
	// vigil.Device.MaySpeakFor.
	May func(speaker vigil.Device, other vigil.DeviceID) bool
	// Trusted tells whether a request came over the local socket, and whose it
	// is; nil trusts nobody.
	Trusted func(*http.Request) (vigil.Actor, bool)
	// Answers remembers what was answered under an Idempotency-Key; nil keeps
	// the last 10,000 in memory.
	Answers Answers
	Now     func() time.Time
	Log     *slog.Logger
	// MaxPayload is the most bytes in one message; default 1 MiB.
	MaxPayload int
	// MaxBatch is the most lines in a batch; default 100,000.
	MaxBatch int
	// MaxBody is the most bytes in a batch, unpacked; default 256 MiB. It is
	// never in memory as a whole.
	MaxBody int64
	// MaxRequests is how many requests are served at a time; default 256.
	// Others are told to come again.
	MaxRequests int
	// Idle is how long a sender may pause within a body; default 30 s.
	Idle time.Duration
	// Drain is how long a stop waits for messages that were taken; default 10 s.
	Drain time.Duration
}

// defaults fills in what was left out.
func (c *Config) defaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.May == nil {
		c.May = func(speaker vigil.Device, other vigil.DeviceID) bool { return speaker.MaySpeakFor(other) }
	}
	if c.Trusted == nil {
		c.Trusted = func(*http.Request) (vigil.Actor, bool) { return vigil.Actor{}, false }
	}
	if c.Answers == nil {
		c.Answers = NewMemory(10_000)
	}
	positive(&c.MaxPayload, 1<<20)
	positive(&c.MaxBatch, 100_000)
	positive(&c.MaxBody, 256<<20)
	positive(&c.MaxRequests, 256)
	positive(&c.Idle, 30*time.Second)
	positive(&c.Drain, 10*time.Second)
}

// positive fills in a number that is not positive.
func positive[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// A Handler is the driver of HTTP: an http.Handler for the two routes that works
// while Run does.
type Handler struct {
	c     Config
	mux   *http.ServeMux
	stats counters
	slots chan struct{} // one for each request at work
	calls flights

	mu      sync.Mutex
	sink    vigil.Sink     // nil unless Run is taking messages
	serving sync.WaitGroup // requests that hold the sink
	// gone is done when a stop waits no longer.
	gone   context.Context
	giveUp context.CancelFunc
}

// New returns a handler.
func New(c Config) *Handler {
	c.defaults()
	h := &Handler{
		c: c, mux: http.NewServeMux(), slots: make(chan struct{}, c.MaxRequests),
		calls: flights{m: map[string]chan struct{}{}},
	}
	h.gone, h.giveUp = context.WithCancel(context.Background())
	h.mux.HandleFunc("POST /ingest/v1/devices/{id}/messages", h.serveSingle)
	h.mux.HandleFunc("POST /ingest/v1/messages", h.serveBatch)
	return h
}

// Run gives the handler its sink until ctx is done. Then no new message is taken,
// and it returns nil once every message that was taken is answered; an error
// when some were still with the sink after Config.Drain, which are then answered
// with 503. It runs once.
func (h *Handler) Run(ctx context.Context, sink vigil.Sink) error {
	h.mu.Lock()
	h.sink = sink
	h.mu.Unlock()
	<-ctx.Done()
	h.mu.Lock()
	h.sink = nil
	h.mu.Unlock()
	done := make(chan struct{})
	go func() {
		h.serving.Wait()
		close(done)
	}()
	late := time.NewTimer(h.c.Drain)
	defer late.Stop()
	defer h.giveUp()
	select {
	case <-done:
		return nil
	case <-late.C:
	}
	h.giveUp()
	grace := time.NewTimer(time.Second)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C: // a sink that never returns keeps its goroutines
	}
	return &vigil.Error{Kind: vigil.Unavailable, Op: "stop HTTP ingest", Msg: "messages were still with the sink; they were not acknowledged"}
}

// take returns the sink and counts the request in; false when none is running.
func (h *Handler) take() (vigil.Sink, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sink == nil {
		return nil, false
	}
	h.serving.Add(1)
	return h.sink, true
}

// ServeHTTP answers the two routes.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		h.fail(w, vigil.Errorf(vigil.Overloaded, "too many requests at a time"))
		return
	}
	h.stats.requests.Add(1)
	h.mux.ServeHTTP(w, r)
}

// Stats are what the handler has done since it began.
type Stats struct {
	Requests    uint64
	Messages    uint64 // handed to the sink
	Acked       uint64 // safe, quarantined ones included
	Quarantined uint64 // safe, but not understood
	Refused     uint64 // not kept
	Replayed    uint64 // requests answered from memory
	Turned      uint64 // requests with unknown credentials
}

type counters struct {
	requests, messages, acked, quarantined, refused, replayed, turned atomic.Uint64
}

// Stats returns the counters.
func (h *Handler) Stats() Stats {
	s := &h.stats
	return Stats{
		Requests: s.requests.Load(), Messages: s.messages.Load(), Acked: s.acked.Load(),
		Quarantined: s.quarantined.Load(), Refused: s.refused.Load(), Replayed: s.replayed.Load(), Turned: s.turned.Load(),
	}
}
