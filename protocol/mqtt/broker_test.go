package mqtt_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol/mqtt"
	"github.com/vigil-iomt/vigil/protocol/protocoltest"
)

const own = "devices/pump-1/messages"

// until polls a condition of the driver that has no event.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func TestAcknowledgementsKeepTheOrderOfPublishes(t *testing.T) {
	for _, version := range []byte{4, 5} {
		const n = 500
		var mu sync.Mutex
		var dones []func(error)
		ready := make(chan struct{})
		sink := func(_ vigil.Message, done func(error)) {
			mu.Lock()
			defer mu.Unlock()
			if dones = append(dones, done); len(dones) == n {
				close(ready)
			}
		}
		_, addr, _ := serve(t, mqtt.Config{}, sink)
		w := connect(t, addr, hello{version: version})
		var all []byte
		for id := uint16(1); id <= n; id++ {
			all = append(all, w.pub(2+2*byte(id%2), id, own, fmt.Sprint(id))...) // QoS 1 and 2 in turn
		}
		w.send(all)
		<-ready
		for _, i := range rand.Perm(n) {
			dones[i](nil)
			dones[i](vigil.Errorf(vigil.Internal, "a second word must not count"))
		}
		for id := uint16(1); id <= n; id++ {
			w.want(0x40+0x10*byte(id%2), 2, byte(id>>8), byte(id))
		}
	}
}

func TestReasonCodes(t *testing.T) {
	want := map[vigil.Kind]byte{
		vigil.Internal: 0x83, vigil.Invalid: 0x99, vigil.NotFound: 0x90, vigil.Conflicting: 0x83, vigil.Unknown: 0x87,
		vigil.Forbidden: 0x87, vigil.TooLarge: 0x97, vigil.Overloaded: 0x97, vigil.Full: 0x97, vigil.Unavailable: 0x83,
	}
	for kind, code := range want {
		sink := func(_ vigil.Message, done func(error)) {
			done(&vigil.Error{Kind: kind, Msg: "because", Op: "secret"})
		}
		_, addr, _ := serve(t, mqtt.Config{}, sink)
		words := append([]byte{10, 31, 0, 7}, "because"...)
		if kind == vigil.Internal {
			words = nil
		}
		w := connect(t, addr, hello{version: 5})
		for qos, first := range map[byte]byte{1: 0x40, 2: 0x50} {
			w.send(w.pub(qos<<1, 7, own, "1"))
			w.want(packet(first, append([]byte{0, 7, code}, words...))...)
		}
		silent := connect(t, addr, hello{version: 5, props: []byte{23, 0}}) // no problem information, please
		silent.send(silent.pub(2, 7, own, "1"))
		silent.want(0x40, 3, 0, 7, code)
		old := connect(t, addr, hello{})
		old.send(old.pub(2, 7, own, "1"))
		if c := old.ended(); c != 0 {
			t.Errorf("%s: MQTT 3.1.1 got a DISCONNECT 0x%02x", kind, c)
		}
	}
}

// TestSinkThatPanics: the message is refused, and the connection goes on.
//
// Seen to fail when put does not recover.
func TestSinkThatPanics(t *testing.T) {
	_, addr, _ := serve(t, mqtt.Config{}, func(m vigil.Message, done func(error)) {
		if string(m.Payload) == "boom" {
			panic("a mistake")
		}
		done(nil)
	})
	w := connect(t, addr, hello{version: 5, props: []byte{23, 0}})
	w.send(append(w.pub(2, 7, own, "boom"), w.pub(2, 8, own, "1")...))
	w.want(0x40, 3, 0, 7, 0x83)
	w.want(0x40, 2, 0, 8)
}

func TestOldClientsGetWhatWasKeptBeforeTheRefusal(t *testing.T) {
	dones := make(chan func(error), 3)
	_, addr, _ := serve(t, mqtt.Config{}, func(_ vigil.Message, done func(error)) { dones <- done })
	w := connect(t, addr, hello{})
	w.send(append(append(w.pub(2, 1, own, "1"), w.pub(2, 2, own, "2")...), w.pub(2, 3, own, "3")...))
	first, second, third := <-dones, <-dones, <-dones
	third(nil)
	second(vigil.Errorf(vigil.Full, "no room"))
	first(nil)
	w.want(0x40, 2, 0, 1)
	w.ended()
}

func TestQoS2(t *testing.T) {
	dones := make(chan func(error), 8)
	sink := protocoltest.NewSink(func(_ vigil.Message, done func(error)) { dones <- done })
	d, addr, _ := serve(t, mqtt.Config{}, sink.Take)
	h := hello{id: "c", keep: true}
	w := connect(t, addr, h)
	w.send(w.pub(4, 9, own, "a"))
	(<-dones)(nil)
	w.want(0x50, 2, 0, 9)
	w.send(w.pub(8|4, 9, own, "a")) // a retransmission
	w.want(0x50, 2, 0, 9)
	_ = w.nc.Close()

	w = connect(t, addr, h) // and one after a reconnect
	w.send(w.pub(8|4, 9, own, "a"))
	w.want(0x50, 2, 0, 9)
	w.send([]byte{0x62, 2, 0, 9})
	w.want(0x70, 2, 0, 9)
	w.send([]byte{0x62, 2, 0, 9}) // the PUBCOMP was lost
	w.want(0x70, 2, 0, 9)
	if n := len(sink.Messages()); n != 1 {
		t.Fatalf("the sink got %d messages, want 1", n)
	}

	w.send(w.pub(4, 9, own, "b")) // released: a new message
	(<-dones)(nil)
	w.want(0x50, 2, 0, 9)
	w.send(w.pub(4, 9, own, "c")) // a client without memory: other bytes are another message
	(<-dones)(nil)
	w.want(0x50, 2, 0, 9)

	w.send(w.pub(4, 10, own, "d")) // still with the sink when the client comes back
	done := <-dones
	w = connect(t, addr, h)
	w.send(w.pub(8|4, 10, own, "d"))
	until(t, "the retransmission is seen", func() bool { return d.Stats().Repeated == 3 })
	done(nil)
	w.want(0x50, 2, 0, 10)

	w.send(w.pub(4, 11, own, "e")) // refused: may come again under its id
	(<-dones)(vigil.Errorf(vigil.Overloaded, "later"))
	w.ended()
	w = connect(t, addr, h)
	w.send(w.pub(8|4, 11, own, "e"))
	(<-dones)(nil)
	w.want(0x50, 2, 0, 11)

	w = connect(t, addr, hello{id: "c"}) // a clean session knows nothing
	w.send(w.pub(4, 11, own, "e"))
	(<-dones)(nil)
	w.want(0x50, 2, 0, 11)
}

func TestTopics(t *testing.T) {
	for topic, want := range map[string]byte{
		own: 0, own + "/ecg": 0, own + "/a/b": 0, "v1/devices/me/telemetry": 0,
		"devices/pump-2/messages": 0x87, "devices/pump-1/commands": 0x87, "devices/pump-1/messages/": 0x87, "devices/pump-1": 0x87,
		"devices//messages": 0x87, "$SYS/broker/version": 0x87, "v1/devices/pump-2/telemetry": 0x87, "/" + own: 0x87, own + "/\x01": 0x87,
	} {
		sink := protocoltest.NewSink(nil)
		_, addr, _ := serve(t, mqtt.Config{}, sink.Take)
		w := connect(t, addr, hello{version: 5})
		w.send(w.pub(2, 1, topic, "1"))
		first, body := w.next()
		if code := append(body, 0)[2]; first != 0x40 || code != want {
			t.Errorf("%q: got 0x%02x %x, want PUBACK 0x%02x", topic, first, body, want)
		}
		old := connect(t, addr, hello{})
		old.send(old.pub(2, 1, topic, "1"))
		if want == 0 {
			old.want(0x40, 2, 0, 1)
		} else {
			old.ended()
		}
		if want == 0 {
			continue
		}
		sink.None(t)
		for _, version := range []byte{4, 5} {
			w := connect(t, addr, hello{version: version})
			w.send(w.pub(0, 0, topic, "1"))
			if code := w.ended(); (version == 5) != (code == want) {
				t.Errorf("%q qos 0 version %d: DISCONNECT 0x%02x", topic, version, code)
			}
		}
	}
}

func TestMessageIDs(t *testing.T) {
	sink := protocoltest.NewSink(nil)
	_, addr, _ := serve(t, mqtt.Config{}, sink.Take)
	w := connect(t, addr, hello{version: 5, props: []byte{23, 0}})
	w.send(w.pub(2, 1, own, "1", 38, 0, 2, 'i', 'd', 0, 3, 'm', '-', '1', 38, 0, 2, 'i', 'd', 0, 1, 'x'))
	w.want(0x40, 2, 0, 1)
	w.send(w.pub(2, 2, own, "1", 38, 0, 2, 'i', 'd', 0, 1, '\n'))
	w.want(0x40, 3, 0, 2, 0x99)
	w.alive()
	if m := sink.Next(t); m.ID != "m-1" || len(sink.Messages()) != 1 {
		t.Errorf("got %+v", sink.Messages())
	}
}

func TestTopicAlias(t *testing.T) {
	sink := protocoltest.NewSink(nil)
	_, addr, _ := serve(t, mqtt.Config{}, sink.Take)
	w := connect(t, addr, hello{version: 5})
	for i, p := range [][]byte{
		w.pub(2, 1, own+"/a", "1", 35, 0, 1), w.pub(2, 2, own+"/b", "1", 35, 0, 16), w.pub(2, 3, "", "1", 35, 0, 1),
		w.pub(2, 4, "", "1", 35, 0, 16), w.pub(2, 5, own+"/c", "1", 35, 0, 1), w.pub(2, 6, "", "1", 35, 0, 1),
	} {
		w.send(p)
		w.want(0x40, 2, 0, byte(i+1))
		if m := sink.Next(t); m.Channel != []string{"a", "b", "a", "b", "c", "c"}[i] {
			t.Errorf("message %d came on channel %q", i+1, m.Channel)
		}
	}
}

func TestLogin(t *testing.T) {
	devices := protocoltest.NewDevices()
	devices.Add(vigil.Device{ID: "gone", Revoked: 1}, "s")
	d, addr, _ := serve(t, mqtt.Config{Auth: devices}, func(_ vigil.Message, done func(error)) { done(nil) })
	victim := connect(t, addr, hello{user: "pump-2", secret: "secret-2", id: "pump-2", keep: true})
	for name, c := range map[string]struct {
		h     hello
		code5 byte
		code4 byte
	}{
		"own id":                     {hello{id: "pump-1"}, 0, 0},
		"own id and more":            {hello{id: "pump-1:7"}, 0, 0},
		"any id":                     {hello{id: "sensor"}, 0, 0},
		"no id":                      {hello{}, 0, 0},
		"wrong secret":               {hello{user: "pump-1", secret: "x"}, 0x86, 4},
		"unknown":                    {hello{user: "pump-7", secret: "x"}, 0x86, 4},
		"a wildcard as name":         {hello{user: "pump-1/#", secret: "secret-1"}, 0x86, 4},
		"revoked":                    {hello{user: "gone", secret: "s"}, 0x87, 5},
		"the id of another":          {hello{id: "pump-2"}, 0x85, 2},
		"the id of another and more": {hello{id: "pump-2/x"}, 0x85, 2},
		"an endless id":              {hello{id: strings.Repeat("x", 200)}, 0x85, 2},
		"a will for another":         {hello{will: "devices/pump-2/messages", willText: "x"}, 0x87, 5},
		"a will as command":          {hello{will: "devices/pump-1/commands", willText: "x"}, 0x87, 5},
		"a retained will":            {hello{will: own, willText: "x", retain: true}, 0, 0},
	} {
		for version, want := range map[byte]byte{4: c.code4, 5: c.code5} {
			h := c.h
			h.version = version
			w := open(t, addr)
			code, rest := w.login(h)
			if code != want {
				t.Errorf("%s, version %d: CONNACK 0x%02x, want 0x%02x", name, version, code, want)
			}
			if code != 0 {
				w.ended()
			} else if version == 5 && h.id != "" {
				// Receive Maximum 1024, Topic Alias Maximum 16, Retain 0, Maximum Packet Size, Shared Subscription 0
				if got := fmt.Sprintf("%x", rest); got != "00"+"0f"+"210400"+"220010"+"2500"+"2700102000"+"2a00" {
					t.Errorf("CONNACK properties %s", got)
				}
			}
			_ = w.nc.Close()
		}
	}
	victim.alive()
	if s := d.Stats(); s.Turned == 0 || s.Connected == 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestTwoDevicesWithOneClientID(t *testing.T) {
	_, addr, _ := serve(t, mqtt.Config{}, func(_ vigil.Message, done func(error)) { done(nil) })
	one := connect(t, addr, hello{id: "esp32", keep: true})
	two := connect(t, addr, hello{id: "esp32", keep: true, user: "pump-2", secret: "secret-2"})
	one.alive()
	two.alive()
	again := connect(t, addr, hello{id: "esp32", keep: true}) // its own session it may take over
	one.ended()
	again.alive()
	two.alive()
}

func TestCommands(t *testing.T) {
	sink := protocoltest.NewSink(nil)
	d, addr, _ := serve(t, mqtt.Config{}, sink.Take)
	ctx := context.Background()
	if err := d.Send(ctx, "pump-1", []byte("x")); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("to a device that is not there: %v", err)
	}
	w := connect(t, addr, hello{id: "c", keep: true})
	filters := []string{
		"devices/pump-1/commands", "devices/pump-1/commands/#", "#", "+/+/commands", "devices/+/commands", "devices/pump-2/commands",
		"$SYS/#", "$share/x/devices/pump-1/commands", own, "devices/pump-1/#",
	}
	body := []byte{0, 5}
	for _, f := range filters {
		body = append(append(body, text(f)...), 2)
	}
	w.send(packet(0x82, body))
	w.want(0x90, 12, 0, 5, 2, 2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80)
	other := connect(t, addr, hello{user: "pump-2", secret: "secret-2"})
	if err := d.Send(ctx, "pump-1", []byte("beep")); err != nil {
		t.Fatal(err)
	}
	first, got := w.next()
	if first != 0x32 || string(got[2:25]) != "devices/pump-1/commands" || string(got[27:]) != "beep" {
		t.Errorf("got 0x%02x %q", first, got)
	}
	w.send([]byte{0x40, 2, got[25], got[26]})
	w.alive()
	other.alive()
	other.send(other.pub(2, 1, "devices/pump-1/commands", "steal"))
	other.ended()
	w.alive()
	_ = w.nc.Close()
	until(t, "the device is away", func() bool { return d.Send(ctx, "pump-1", []byte("x")) != nil })
	sink.None(t)
}

func TestNothingIsRetainedOrPassedOn(t *testing.T) {
	sink := protocoltest.NewSink(nil)
	_, addr, _ := serve(t, mqtt.Config{}, sink.Take)
	w := connect(t, addr, hello{})
	w.send(w.pub(2|1, 1, own, "secret"))
	w.want(0x40, 2, 0, 1)
	sub := append(append([]byte{0, 1}, text("devices/pump-1/commands/#")...), 0)
	w.send(packet(0x82, sub))
	w.want(0x90, 3, 0, 1, 0)
	w.send(w.pub(2, 2, own, "secret"))
	w.want(0x40, 2, 0, 2)
	w.alive()
}

func TestWills(t *testing.T) {
	sink := protocoltest.NewSink(nil)
	d, addr, stop := serve(t, mqtt.Config{}, sink.Take)
	w := connect(t, addr, hello{will: own + "/status", willText: "lost", willQos: 1})
	_ = w.nc.Close()
	if m := sink.Next(t); m.Device != "pump-1" || m.Channel != "status" || string(m.Payload) != "lost" || m.BestEffort {
		t.Errorf("the will became %+v", m)
	}
	w = connect(t, addr, hello{will: own, willText: "polite", version: 5})
	w.send([]byte{0xe0, 0})
	w.ended()
	w = connect(t, addr, hello{will: own, willText: "delayed", version: 5, id: "d", keep: true, expiry: 60, willDelay: 1})
	_ = w.nc.Close()
	w = connect(t, addr, hello{will: own, willText: "back in time", version: 5, id: "e", keep: true, expiry: 60, willDelay: 1})
	_ = w.nc.Close()
	back := connect(t, addr, hello{version: 5, id: "e", keep: true, expiry: 60})
	if m := sink.Next(t); string(m.Payload) != "delayed" || !m.BestEffort {
		t.Errorf("the will became %+v", m)
	}
	back.alive()
	expelled := connect(t, addr, hello{will: own, willText: "revoked", version: 5})
	d.Disconnect("pump-1")
	if code := expelled.ended(); code != 0x98 {
		t.Errorf("DISCONNECT 0x%02x, want 0x98", code)
	}
	until(t, "all are gone", func() bool { return d.Stats().Connections == 0 })
	last := connect(t, addr, hello{will: own, willText: "server stopped", version: 5})
	if err := stop(); err != nil {
		t.Error(err)
	}
	if code := last.ended(); code != 0x8b {
		t.Errorf("DISCONNECT 0x%02x, want 0x8b", code)
	}
	if n := len(sink.Messages()); n != 2 {
		t.Errorf("the sink got %d messages, want 2: %+v", n, sink.Messages())
	}
}

// A client cannot be blamed for silence while the server does not read it.
