// Package protocoltest is the contract that every driver keeps, as a test suite
// that runs through real clients: what is acknowledged is safe, whatever the
// sink does; strangers and liars get nowhere; one bad connection harms no other;
// a stop loses nothing that was promised.
package protocoltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol"
)

// A Speaker is a real client that is logged in as one device.
type Speaker interface {
	// Send delivers one message and waits. Nil means that the server
	// acknowledged it as safe.
	Send(ctx context.Context, m Message) error
	Close()
}

// A Message is what a client sends. An empty Device is the speaker itself.
type Message struct {
	Device  vigil.DeviceID
	Channel string
	ID      string
	Payload []byte
}

// A Server is a driver that runs.
type Server struct {
	// Dial logs a client in. Protocols that log in with each message may return
	// no error here and one from Send.
	Dial func(device vigil.DeviceID, secret string) (Speaker, error)
	// Stop ends the driver and returns what its Run returned.
	Stop func() error
	// Raw opens a bare connection to the driver.
	Raw func() (net.Conn, error)
}

// Options are what a driver under test is made with.
type Options struct {
	Sink       vigil.Sink
	Auth       protocol.Authenticator
	MaxPayload int
	Drain      time.Duration
	Now        func() time.Time
}

// A Suite runs the contract against one kind of driver and client.
type Suite struct {
	// Start runs a driver. It registers its own clean-up, to which Stop may
	// have come first.
	Start func(t *testing.T, o Options) Server
	// NoID says that the client cannot send a message id.
	NoID bool
}

const maxPayload = 4096

// now is when all messages of the suite arrive.
func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// Run runs the contract.
func (s Suite) Run(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Suite)
	}{
		{"hands over the message as it was sent", handsOver},
		{"acknowledges only after done", onlyAfterDone},
		{"acknowledges what is in the quarantine", quarantined},
		{"never acknowledges what was not kept", refuses},
		{"takes again what was refused", takesAgain},
		{"survives a sink that panics", panics},
		{"serves others while the sink blocks one", blocks},
		{"keeps the order of a client", ordered},
		{"lets the sink own the payload", owned},
		{"knows no stranger", strangers},
		{"lets nobody speak for another without leave", speaksFor},
		{"refuses what is too large", oversize},
		{"survives rubbish", rubbish},
		{"answers what it took before it stops", stopsInOrder},
		{"acknowledges nothing when it stops without an answer", stopsUnanswered},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

// start runs a driver with the devices of the suite.
func (s Suite) start(t *testing.T, sink *Sink) Server {
	t.Helper()
	return s.Start(t, Options{Sink: sink.Take, Auth: NewDevices(), MaxPayload: maxPayload, Drain: 10 * time.Second, Now: now})
}

// dial logs in as pump-1.
func dial(t *testing.T, s Server) Speaker { return dialAs(t, s, "pump-1", "secret-1") }

// dialAs logs in.
func dialAs(t *testing.T, s Server, id vigil.DeviceID, secret string) Speaker {
	t.Helper()
	c, err := s.Dial(id, secret)
	if err != nil {
		t.Fatalf("dial as %s: %v", id, err)
	}
	t.Cleanup(c.Close)
	return c
}

// send sends and fails the test when it is not acknowledged.
func send(t *testing.T, c Speaker, m Message) {
	t.Helper()
	if err := attempt(c, m); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// attempt sends with a time limit.
func attempt(c Speaker, m Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return c.Send(ctx, m)
}

func handsOver(t *testing.T, s Suite) {
	sink := NewSink(nil)
	c := dial(t, s.start(t, sink))
	in := Message{Channel: "ecg", ID: "m-17", Payload: []byte("{\"p\": 72,\n \"x\": \"\x00\xff\"}")}
	if s.NoID {
		in.ID = ""
	}
	send(t, c, in)
	m := sink.Next(t)
	if m.Device != "pump-1" || m.Gateway != "" || m.Channel != "ecg" || m.ID != in.ID || !bytes.Equal(m.Payload, in.Payload) {
		t.Errorf("got device %q gateway %q channel %q id %q payload %q", m.Device, m.Gateway, m.Channel, m.ID, m.Payload)
	}
	if m.Arrived != vigil.InstantOf(now()) || m.Protocol == "" || m.BestEffort || m.Historical || m.Replay != "" {
		t.Errorf("got arrived %s protocol %q best effort %v historical %v replay %q", m.Arrived, m.Protocol, m.BestEffort, m.Historical, m.Replay)
	}
	send(t, c, Message{Payload: []byte("1")})
	if m := sink.Next(t); m.Channel != "" || string(m.Payload) != "1" {
		t.Errorf("got channel %q payload %q, want none and 1", m.Channel, m.Payload)
	}
}

func onlyAfterDone(t *testing.T, s Suite) {
	dones := make(chan func(error), 1)
	sink := NewSink(func(_ vigil.Message, done func(error)) { dones <- done })
	c := dial(t, s.start(t, sink))
	answer := make(chan error, 1)
	go func() { answer <- attempt(c, Message{Payload: []byte("1")}) }()
	done := taken(t, dones, answer)
	select {
	case err := <-answer:
		t.Fatalf("answered before done: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	done(nil)
	if err := <-answer; err != nil {
		t.Errorf("not acknowledged after done(nil): %v", err)
	}
}

func quarantined(t *testing.T, s Suite) {
	sink := NewSink(func(_ vigil.Message, done func(error)) {
		done(fmt.Errorf("wrapped: %w", &vigil.Refusal{Pos: "/p", Reason: "not a number", Entry: "q-1"}))
	})
	c := dial(t, s.start(t, sink))
	send(t, c, Message{Payload: []byte("rubbish")})
}

func refuses(t *testing.T, s Suite) {
	for kind := vigil.Internal; kind <= vigil.Unavailable; kind++ {
		t.Run(kind.String(), func(t *testing.T) {
			sink := NewSink(func(_ vigil.Message, done func(error)) { go done(vigil.Errorf(kind, "no")) })
			c := dial(t, s.start(t, sink))
			if err := attempt(c, Message{Payload: []byte("1")}); err == nil {
				t.Error("acknowledged, although the sink refused")
			}
		})
	}
	t.Run("unclassified", func(t *testing.T) {
		sink := NewSink(func(_ vigil.Message, done func(error)) { done(errors.New("disk on fire")) })
		c := dial(t, s.start(t, sink))
		if err := attempt(c, Message{Payload: []byte("1")}); err == nil {
			t.Error("acknowledged, although the sink refused")
		}
	})
}

func takesAgain(t *testing.T, s Suite) {
	calls := 0
	sink := NewSink(func(_ vigil.Message, done func(error)) {
		calls++
		if calls == 1 {
			done(vigil.Errorf(vigil.Overloaded, "later"))
			return
		}
		done(nil)
	})
	server := s.start(t, sink)
	c := dial(t, server)
	m := Message{Payload: []byte("1")}
	if err := attempt(c, m); err == nil || len(sink.Messages()) != 1 {
		t.Fatalf("the sink was to refuse the message; it got %d and the sender %v", len(sink.Messages()), err)
	}
	send(t, dial(t, server), m)
	if n := len(sink.Messages()); n != 2 {
		t.Errorf("the sink got %d messages, want 2", n)
	}
}

func panics(t *testing.T, s Suite) {
	sink := NewSink(func(m vigil.Message, done func(error)) {
		if string(m.Payload) == "boom" {
			panic("boom")
		}
		done(nil)
	})
	server := s.start(t, sink)
	other := dialAs(t, server, "pump-2", "secret-2")
	if err := attempt(dial(t, server), Message{Payload: []byte("boom")}); err == nil {
		t.Error("acknowledged, although the sink panicked")
	}
	send(t, other, Message{Payload: []byte("1")})
	send(t, dial(t, server), Message{Payload: []byte("1")})
}

func blocks(t *testing.T, s Suite) {
	free := make(chan struct{})
	sink := NewSink(func(m vigil.Message, done func(error)) {
		if m.Device == "pump-1" {
			<-free
		}
		done(nil)
	})
	server := s.start(t, sink)
	blocked := dial(t, server)
	answer := make(chan error, 1)
	go func() { answer <- attempt(blocked, Message{Payload: []byte("1")}) }()
	sink.Next(t)
	other := dialAs(t, server, "pump-2", "secret-2")
	for range 20 {
		send(t, other, Message{Payload: []byte("2")})
	}
	close(free)
	if err := <-answer; err != nil {
		t.Errorf("not acknowledged once the sink was free: %v", err)
	}
}

func ordered(t *testing.T, s Suite) {
	sink := NewSink(nil)
	c := dial(t, s.start(t, sink))
	const n = 100
	for i := range n {
		send(t, c, Message{Payload: fmt.Append(nil, i)})
	}
	for i, m := range sink.Messages() {
		if string(m.Payload) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, m.Payload)
		}
	}
	if got := len(sink.Messages()); got != n {
		t.Errorf("the sink got %d messages, want %d", got, n)
	}
}

func owned(t *testing.T, s Suite) {
	sink := NewSink(nil)
	c := dial(t, s.start(t, sink))
	var want [][]byte
	for i := range 50 {
		p := bytes.Repeat([]byte{byte('a' + i%26)}, 1+i*40)
		want = append(want, p)
		send(t, c, Message{Payload: p})
	}
	for i, m := range sink.Messages() {
		if !bytes.Equal(m.Payload, want[i]) {
			t.Fatalf("payload %d changed after it was handed over", i)
		}
	}
}

func strangers(t *testing.T, s Suite) {
	for name, who := range map[string][2]string{
		"unknown device": {"pump-9", "secret-1"}, "wrong secret": {"pump-1", "secret-2"}, "no secret": {"pump-1", ""},
		"nobody": {"", ""}, "wildcard": {"+", "secret-1"}, "slash": {"pump-1/x", "secret-1"},
	} {
		t.Run(name, func(t *testing.T) {
			sink := NewSink(nil)
			server := s.start(t, sink)
			c, err := server.Dial(vigil.DeviceID(who[0]), who[1])
			if err == nil {
				t.Cleanup(c.Close)
				err = attempt(c, Message{Device: "pump-1", Payload: []byte("1")})
			}
			if err == nil {
				t.Error("a stranger's message was acknowledged")
			}
			sink.None(t)
		})
	}
	t.Run("revoked device", func(t *testing.T) {
		sink, devices := NewSink(nil), NewDevices()
		devices.Add(vigil.Device{ID: "pump-1", Revoked: 1}, "secret-1")
		server := s.Start(t, Options{Sink: sink.Take, Auth: devices, MaxPayload: maxPayload, Drain: time.Second, Now: now})
		c, err := server.Dial("pump-1", "secret-1")
		if err == nil {
			t.Cleanup(c.Close)
			err = attempt(c, Message{Payload: []byte("1")})
		}
		if err == nil {
			t.Error("a revoked device's message was acknowledged")
		}
		sink.None(t)
	})
}

func speaksFor(t *testing.T, s Suite) {
	sink := NewSink(nil)
	server := s.start(t, sink)
	send(t, dialAs(t, server, "gateway-1", "secret-g"), Message{Device: "pump-1", Payload: []byte("1")})
	if m := sink.Next(t); m.Device != "pump-1" || m.Gateway != "gateway-1" {
		t.Errorf("got device %q by gateway %q, want pump-1 by gateway-1", m.Device, m.Gateway)
	}
	if err := attempt(dialAs(t, server, "gateway-1", "secret-g"), Message{Device: "pump-2", Payload: []byte("1")}); err == nil {
		t.Error("a gateway spoke for a device that is not its own")
	}
	if err := attempt(dial(t, server), Message{Device: "pump-2", Payload: []byte("1")}); err == nil {
		t.Error("a device spoke for another")
	}
	if n := len(sink.Messages()); n != 1 {
		t.Errorf("the sink got %d messages, want 1", n)
	}
}

func oversize(t *testing.T, s Suite) {
	sink := NewSink(nil)
	server := s.start(t, sink)
	send(t, dial(t, server), Message{Payload: bytes.Repeat([]byte("x"), maxPayload)})
	for _, n := range []int{maxPayload + 1, 40 * maxPayload} {
		if err := attempt(dial(t, server), Message{Payload: bytes.Repeat([]byte("x"), n)}); err == nil {
			t.Errorf("%d bytes were acknowledged, the limit is %d", n, maxPayload)
		}
	}
	send(t, dial(t, server), Message{Payload: []byte("1")})
	if n := len(sink.Messages()); n != 2 {
		t.Errorf("the sink got %d messages, want 2", n)
	}
}

func rubbish(t *testing.T, s Suite) {
	sink := NewSink(nil)
	server := s.start(t, sink)
	random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- the same rubbish each time
	for range 200 {
		nc, err := server.Raw()
		if err != nil {
			t.Fatalf("connect: %v", err)
		}
		b := make([]byte, random.IntN(512))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		_, _ = nc.Write(b)
		_ = nc.Close()
	}
	sink.None(t)
	send(t, dial(t, server), Message{Payload: []byte("1")})
}

// taken waits until the sink has the message, and fails when the sender is
// answered before.
func taken(t *testing.T, dones <-chan func(error), answer <-chan error) func(error) {
	t.Helper()
	select {
	case done := <-dones:
		return done
	case err := <-answer:
		t.Fatalf("answered before the sink had the message: %v", err)
		return nil
	}
}

func stopsInOrder(t *testing.T, s Suite) {
	dones := make(chan func(error), 1)
	sink := NewSink(func(_ vigil.Message, done func(error)) { dones <- done })
	server := s.start(t, sink)
	c := dial(t, server)
	answer := make(chan error, 1)
	go func() { answer <- attempt(c, Message{Payload: []byte("1")}) }()
	done := taken(t, dones, answer)
	stopped := make(chan error, 1)
	go func() { stopped <- server.Stop() }()
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a message in flight: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	done(nil)
	if err := <-answer; err != nil {
		t.Errorf("the message that was taken before the stop was not acknowledged: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func stopsUnanswered(t *testing.T, s Suite) {
	dones := make(chan func(error), 1)
	sink := NewSink(func(_ vigil.Message, done func(error)) { dones <- done })
	server := s.Start(t, Options{Sink: sink.Take, Auth: NewDevices(), MaxPayload: maxPayload, Drain: 100 * time.Millisecond, Now: now})
	c := dial(t, server)
	answer := make(chan error, 1)
	go func() { answer <- attempt(c, Message{Payload: []byte("1")}) }()
	done := taken(t, dones, answer)
	if err := server.Stop(); err == nil {
		t.Error("the driver says that it stopped in order, with a message unanswered")
	}
	if err := <-answer; err == nil {
		t.Error("acknowledged, although the sink never answered")
	}
	done(nil) // late words must do no harm
}
