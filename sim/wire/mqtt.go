package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/vigil-iomt/vigil"
)

// MQTTConfig says how devices connect.
type MQTTConfig struct {
	// URL is the broker's address: tcp://127.0.0.1:1883 or ssl://host:8883.
	URL string
	// Secret gives a device's password.
	Secret func(vigil.DeviceID) string
	TLS    *tls.Config
	// Queue is how many messages a device keeps while it has no connection;
	// 4096 if 0. The oldest are dropped, and counted.
	Queue int
	// Window is how many messages of a device may be unacknowledged; 32 if 0.
	Window int
	Log    *slog.Logger
}

// MQTT sends each device's lines over its own connection to
// devices/{id}/messages, QoS 1, in order; what was not acknowledged when a
// connection broke is sent again on the next one.
type MQTT struct {
	c      MQTTConfig
	ctx    context.Context //nolint:containedctx // the life of the connections that Close ends
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	links  map[vigil.DeviceID]*link
	stats  counters
}

type counters struct{ sent, acked, dropped, connects atomic.Int64 }

// Stats counts what happened so far.
type Stats struct {
	Sent, Acknowledged, Dropped, Connects int64
}

// NewMQTT makes a sender; Close ends it.
func NewMQTT(c MQTTConfig) *MQTT {
	if c.Queue == 0 {
		c.Queue = 4096
	}
	if c.Window == 0 {
		c.Window = 32
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &MQTT{c: c, ctx: ctx, cancel: cancel, links: map[vigil.DeviceID]*link{}}
}

// Send queues the message for its device, and connects the device if this is its
// first one. It never blocks: a device that cannot keep up drops its oldest.
func (m *MQTT) Send(_ context.Context, l vigil.Message) error {
	if m.ctx.Err() != nil {
		return vigil.Errorf(vigil.Unavailable, "the sender is closed")
	}
	m.link(l.Device).push(l)
	return nil
}

// Connect makes the device's connection before its first line, so that the
// server knows it is there.
func (m *MQTT) Connect(device vigil.DeviceID) { m.link(device) }

// Cut breaks the connection of a device, or lets it come back. While it is cut
// its lines wait.
func (m *MQTT) Cut(device vigil.DeviceID, cut bool) { m.link(device).setCut(cut) }

func (m *MQTT) link(device vigil.DeviceID) *link {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.links[device]
	if k == nil {
		k = &link{m: m, device: device, wake: make(chan struct{}, 1)}
		m.links[device] = k
		m.wg.Go(k.run)
	}
	return k
}

// Flush waits until every line was acknowledged or dropped. Lines of a device
// that is cut are not waited for.
func (m *MQTT) Flush(ctx context.Context) error {
	for {
		m.mu.Lock()
		left := 0
		for _, k := range m.links {
			left += k.left()
		}
		m.mu.Unlock()
		if left == 0 {
			return nil
		}
		if err := hold(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("flush: %d messages not acknowledged: %w", left, err)
		}
	}
}

// Close breaks all connections; what was not acknowledged is lost.
func (m *MQTT) Close() {
	m.cancel()
	m.wg.Wait()
}

// Stats returns the counters.
func (m *MQTT) Stats() Stats {
	return Stats{m.stats.sent.Load(), m.stats.acked.Load(), m.stats.dropped.Load(), m.stats.connects.Load()}
}

// A link is one device's connection and the lines that wait for it.
type link struct {
	m      *MQTT
	device vigil.DeviceID
	wake   chan struct{}

	mu      sync.Mutex
	queue   []vigil.Message // not acknowledged; the first `flying` of them are under way
	flying  int
	cut     bool
	session mqtt.Client
}

func (k *link) push(l vigil.Message) {
	k.mu.Lock()
	if len(k.queue) >= k.m.c.Queue && len(k.queue) > k.flying {
		k.queue = append(k.queue[:k.flying], k.queue[k.flying+1:]...)
		k.m.stats.dropped.Add(1)
	}
	k.queue = append(k.queue, l)
	k.mu.Unlock()
	k.signal()
}

func (k *link) signal() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *link) setCut(cut bool) {
	k.mu.Lock()
	k.cut = cut
	session := k.session
	k.mu.Unlock()
	if cut && session != nil {
		session.Disconnect(0)
	}
	k.signal()
}

func (k *link) left() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cut {
		return 0
	}
	return len(k.queue)
}

// run connects, sends, and connects again until the sender is closed.
func (k *link) run() {
	ctx := k.m.ctx
	wait := 250 * time.Millisecond
	for ctx.Err() == nil {
		if k.isCut() {
			k.idle(ctx)
			continue
		}
		began := time.Now()
		err := k.serve(ctx)
		if ctx.Err() != nil || k.isCut() {
			continue
		}
		k.m.c.Log.Debug("device connection ended", "device", string(k.device), "error", err)
		if time.Since(began) > 10*time.Second {
			wait = 250 * time.Millisecond
		}
		// Jitter, so that a ward does not come back in one moment.
		_ = hold(ctx, wait/2+rand.N(wait)) // #nosec G404 -- jitter; the loop looks at ctx
		wait = min(wait*2, 15*time.Second)
	}
}

func (k *link) isCut() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cut
}

func (k *link) idle(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-k.wake:
	}
}

// serve holds one connection until it breaks.
func (k *link) serve(ctx context.Context) error {
	lost := make(chan error, 1)
	client := mqtt.NewClient(k.options(lost))
	if t := client.Connect(); !t.WaitTimeout(20*time.Second) || t.Error() != nil {
		client.Disconnect(0)
		return fmt.Errorf("connect: %w", errors.Join(t.Error(), ctx.Err()))
	}
	k.m.stats.connects.Add(1)
	k.mu.Lock()
	k.flying, k.session = 0, client // nothing of the last session is under way any more
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		k.session = nil
		k.mu.Unlock()
		client.Disconnect(50)
	}()
	return k.pump(ctx, client, lost)
}

func (k *link) options(lost chan<- error) *mqtt.ClientOptions {
	o := mqtt.NewClientOptions().AddBroker(k.m.c.URL).SetClientID(string(k.device)).SetUsername(string(k.device))
	if k.m.c.Secret != nil {
		o.SetPassword(k.m.c.Secret(k.device))
	}
	if k.m.c.TLS != nil {
		o.SetTLSConfig(k.m.c.TLS)
	}
	o.SetAutoReconnect(false).SetCleanSession(true).SetConnectTimeout(10 * time.Second).SetKeepAlive(20 * time.Second)
	o.SetProtocolVersion(4).SetOrderMatters(false)
	// The library's Publish waits for its writer, which is gone once the
	// connection broke: without a limit it stalls for half a minute.
	o.SetWriteTimeout(2 * time.Second)
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
	return o
}

// pump publishes the queue and takes lines out of it as they are acknowledged,
// in order.
func (k *link) pump(ctx context.Context, client mqtt.Client, lost <-chan error) error {
	var tokens []mqtt.Token
	for {
		for len(tokens) < k.m.c.Window {
			l, ok := k.take()
			if !ok {
				break
			}
			tokens = append(tokens, client.Publish(topic(l), 1, false, l.Payload))
			k.m.stats.sent.Add(1)
		}
		var oldest <-chan struct{}
		if len(tokens) > 0 {
			oldest = tokens[0].Done()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-lost:
			return err
		case <-k.wake:
			if k.isCut() {
				return nil
			}
		case <-oldest:
			if err := tokens[0].Error(); err != nil {
				return err
			}
			tokens = tokens[1:]
			k.acknowledge()
		}
	}
}

func topic(l vigil.Message) string {
	t := "devices/" + string(l.Device) + "/messages"
	if l.Channel != "" {
		t += "/" + l.Channel
	}
	return t
}

// take returns the next line that is not under way.
func (k *link) take() (vigil.Message, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cut || k.flying >= len(k.queue) {
		return vigil.Message{}, false
	}
	k.flying++
	return k.queue[k.flying-1], true
}

// acknowledge drops the oldest line.
func (k *link) acknowledge() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flying > 0 && len(k.queue) > 0 {
		k.queue[0] = vigil.Message{}
		k.queue = k.queue[1:]
		k.flying--
		k.m.stats.acked.Add(1)
	}
}
