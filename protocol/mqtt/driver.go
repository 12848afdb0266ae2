// Package mqtt takes messages from devices over MQTT 3.1.1 and 5 and
// acknowledges each only after the sink has called it safe.
//
// Sessions, subscriptions and commands are the work of mochi-mqtt, which runs in
// process. Publishing is not: a front inside each connection takes PUBLISH and
// PUBREL out of the byte stream before the broker reads them, hands the message
// to the sink, and writes PUBACK, PUBREC and PUBCOMP itself, in the order of the
// publishes, many in one write. So a slow disk never stops a gateway's stream,
// nothing is ever acknowledged that was not kept, and no message can reach
// another client or be retained.
//
// A device logs in with its id as user name and its secret as password. Topics:
//
//	devices/{id}/messages            its messages
//	devices/{id}/messages/{channel}  the same, of one channel
//	v1/devices/me/telemetry          the same as devices/{own id}/messages
//	devices/{id}/commands            what it may subscribe to
//
// The message id for repeats is the MQTT 5 user property "id". A retain flag is
// ignored: telemetry is never retained, for whoever subscribes later. Client ids
// live in a name space of their own for each device, so that one device cannot
// take over the session of another; the id of a device that is connected is
// refused to all others.
//
// QoS 2: packet ids that were received and not yet released are remembered as
// long as the session lives, in memory. After a restart of the server a
// message may therefore come twice; the identity of its readings drops it.
package mqtt

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol"
)

// Config says what the driver needs. Auth is required.
type Config struct {
	// Addr is listened on when there are no Listeners.
	Addr string
	// Listeners are served as they are (TLS, sockets made earlier). The driver
	// closes them.
	Listeners []net.Listener
	Auth      protocol.Authenticator
	// May tells whether a device may deliver messages for another one; nil asks
	// vigil.Device.MaySpeakFor. It is asked for every message that is not the
	// speaker's own.
	May func(speaker vigil.Device, other vigil.DeviceID) bool
	Now func() time.Time
	Log *slog.Logger
	// MaxPayload is the most bytes in one message; default 1 MiB.
	MaxPayload int
	// InFlight is how many messages of one connection may be unacknowledged
	// (MQTT 5: Receive Maximum); default 1024. After that the connection is not
	// read until one is acknowledged.
	InFlight int
	// MaxConnections is the most connections at a time; default 50,000.
	MaxConnections int
	// Handshake is how long a connection may take to log in; default 10 s.
	Handshake time.Duration
	// WriteTimeout is how long a client may leave its acknowledgements unread;
	// default 10 s.
	WriteTimeout time.Duration
	// Drain is how long a stop waits for messages that were taken; default 10 s.
	Drain time.Duration
	// CommandExpiry is how long a command may wait for a device that fell
	// silent; default 1 min.
	CommandExpiry time.Duration
}

// defaults fills in what was left out.
func (c *Config) defaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	setPositive(&c.MaxPayload, 1<<20)
	setPositive(&c.InFlight, 1024)
	c.InFlight = min(c.InFlight, math.MaxUint16)
	setPositive(&c.MaxConnections, 50_000)
	setPositive(&c.Handshake, 10*time.Second)
	setPositive(&c.WriteTimeout, 10*time.Second)
	setPositive(&c.Drain, 10*time.Second)
	setPositive(&c.CommandExpiry, time.Minute)
	if c.May == nil {
		c.May = func(speaker vigil.Device, other vigil.DeviceID) bool { return speaker.MaySpeakFor(other) }
	}
}

// setPositive fills in a number that is not positive.
func setPositive[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// A Driver serves MQTT. It runs once.
type Driver struct {
	c       Config
	stats   counters
	started chan struct{} // closed once the listeners are open
	addr    string
	sink    vigil.Sink
	ctx     context.Context // of Run: for authentication
	broker  *mochi.Server
	self    *mochi.Client // who publishes commands
	loose   bestEffort
	seed    maphash.Seed
	running sync.WaitGroup // wills on their way, writers of acknowledgements

	mu       sync.Mutex
	stopping bool
	conns    map[*conn]struct{}
	devices  map[vigil.DeviceID]*presence
	sessions map[string]*session
}

// A presence is what a device has here.
type presence struct {
	conns   map[*conn]struct{}
	offline []string // client ids of sessions without a connection, oldest first
}

// New returns a driver.
func New(c Config) *Driver {
	c.defaults()
	return &Driver{
		c: c, started: make(chan struct{}), seed: maphash.MakeSeed(),
		conns:    map[*conn]struct{}{},
		devices:  map[vigil.DeviceID]*presence{},
		sessions: map[string]*session{},
	}
}

// Addr waits until the driver listens, or ctx is done, and returns the address
// of the first listener.
func (d *Driver) Addr(ctx context.Context) string {
	select {
	case <-d.started:
		return d.addr
	case <-ctx.Done():
		return ""
	}
}

// Run serves until ctx is done. Then no new message is taken, and it returns nil
// once every message that was taken is acknowledged or refused. It returns an
// error when it cannot listen, or when messages were still with the sink after
// Config.Drain: those were not acknowledged.
func (d *Driver) Run(ctx context.Context, sink vigil.Sink) error {
	if err := d.listen(ctx); err != nil {
		return err
	}
	d.sink = sink
	d.ctx = context.WithoutCancel(ctx)
	d.broker = d.newBroker()
	d.loose.start(d)
	l := &listener{d: d, ended: make(chan error, len(d.c.Listeners))}
	if err := d.broker.AddListener(l); err != nil {
		return fmt.Errorf("start mqtt: %w", err)
	}
	if err := d.broker.Serve(); err != nil {
		return fmt.Errorf("start mqtt: %w", err)
	}
	d.addr = d.c.Listeners[0].Addr().String()
	close(d.started)
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-l.ended:
	}
	return errors.Join(failed, d.stop(l))
}

// listen opens Config.Addr when no listeners were given.
func (d *Driver) listen(ctx context.Context) error {
	if len(d.c.Listeners) > 0 {
		return nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", d.c.Addr)
	if err != nil {
		return &vigil.Error{Kind: vigil.Unavailable, Op: "listen for MQTT", Msg: "cannot listen on " + d.c.Addr, Err: err}
	}
	d.c.Listeners = []net.Listener{l}
	return nil
}

// stop ends the driver in order: the listeners, then each connection once its
// messages are answered, then the broker.
func (d *Driver) stop(l *listener) error {
	l.shut()
	d.mu.Lock()
	d.stopping = true
	open := make([]*conn, 0, len(d.conns))
	for c := range d.conns {
		open = append(open, c)
	}
	d.mu.Unlock()
	for _, c := range open {
		c.stop()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.serving.Wait()
		d.loose.stop()
		d.running.Wait()
		_ = d.broker.Close() // it waits for the clients, which have gone
	}()
	late := time.NewTimer(d.c.Drain)
	defer late.Stop()
	select {
	case <-done:
		return nil
	case <-late.C:
	}
	for _, c := range open {
		_ = c.Close()
	}
	grace := time.NewTimer(time.Second)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C: // a sink that never returns keeps its goroutines
	}
	return &vigil.Error{Kind: vigil.Unavailable, Op: "stop MQTT", Msg: "messages were still with the sink; they were not acknowledged"}
}

// newBroker makes the part that keeps sessions and subscriptions.
func (d *Driver) newBroker() *mochi.Server {
	caps := mochi.NewDefaultServerCapabilities()
	caps.MaximumClients = math.MaxInt64 // the listener counts
	caps.MaximumClientWritesPending = 16
	caps.MaximumMessageExpiryInterval = int64(d.c.CommandExpiry / time.Second)
	caps.MaximumSessionExpiryInterval = sessionExpiry
	caps.ReceiveMaximum = uint16(d.c.InFlight) // #nosec G115 -- bounded in defaults
	caps.MaximumInflight = maxCommands
	caps.TopicAliasMaximum = 0 // the front keeps the aliases
	caps.SharedSubAvailable = 0
	caps.RetainAvailable = 0
	s := mochi.New(&mochi.Options{
		Capabilities: caps,
		// The broker's own log lines carry whole packets, and so patient data:
		// the driver logs what matters itself.
		Logger:                   slog.New(slog.DiscardHandler),
		ClientNetReadBufferSize:  512,
		ClientNetWriteBufferSize: 512,
		SysTopicResendInterval:   int64(24 * time.Hour / time.Second), // nobody may read $SYS, and each round stops the world
	})
	_ = s.AddHook(&hook{d: d}, nil) // its Init cannot fail
	d.self = s.NewClient(nil, mochi.LocalListener, "vigil", true)
	return s
}

const (
	// sessionExpiry is how many seconds the session of a device that is away
	// is kept.
	sessionExpiry = 24 * 60 * 60
	// maxCommands is how many unconfirmed commands a session holds.
	maxCommands = 64
	// maxOffline is how many sessions of a device are kept without a
	// connection; the oldest goes first.
	maxOffline = 64
)

// Stats are what the driver has done since it began.
type Stats struct {
	Connections int       // open now
	Connected   uint64    // logins accepted
	Turned      uint64    // logins refused
	Messages    [3]uint64 // taken, by QoS
	Acked       uint64    // acknowledged as safe, quarantined ones included
	Quarantined uint64    // safe, but not understood
	Refused     uint64    // not kept: answered with a reason or a disconnect
	Dropped     uint64    // QoS 0 that the sink had no room for
	Repeated    uint64    // QoS 2 retransmissions of what was kept already
	Wills       uint64    // will messages taken
	Commands    uint64    // commands sent
}

type counters struct {
	connected, turned, acked, quarantined, refused, dropped, repeated, wills, commands atomic.Uint64
	messages                                                                           [3]atomic.Uint64
}

// Stats returns the counters.
func (d *Driver) Stats() Stats {
	d.mu.Lock()
	open := len(d.conns)
	d.mu.Unlock()
	s := &d.stats
	return Stats{
		Connections: open, Connected: s.connected.Load(), Turned: s.turned.Load(),
		Messages: [3]uint64{s.messages[0].Load(), s.messages[1].Load(), s.messages[2].Load()},
		Acked:    s.acked.Load(), Quarantined: s.quarantined.Load(), Refused: s.refused.Load(),
		Dropped: s.dropped.Load(), Repeated: s.repeated.Load(), Wills: s.wills.Load(), Commands: s.commands.Load(),
	}
}
