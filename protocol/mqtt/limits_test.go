package mqtt_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol/mqtt"
	"github.com/vigil-iomt/vigil/protocol/protocoltest"
)

func TestQoS2OfManyWithoutRelease(t *testing.T) {
	_, addr, _ := serve(t, mqtt.Config{InFlight: 3}, func(_ vigil.Message, done func(error)) { done(nil) })
	w := connect(t, addr, hello{version: 5})
	for id := uint16(1); id <= 3; id++ {
		w.send(w.pub(4, id, own, "1"))
		w.want(0x50, 2, 0, byte(id))
	}
	w.send(w.pub(4, 4, own, "1"))
	if code := w.ended(); code != 0x93 {
		t.Errorf("got DISCONNECT 0x%02x, want 0x93", code)
	}
}

func TestWindow(t *testing.T) {
	dones := make(chan func(error), 16)
	d, addr, _ := serve(t, mqtt.Config{InFlight: 4}, func(_ vigil.Message, done func(error)) { dones <- done })
	w := connect(t, addr, hello{})
	for id := uint16(1); id <= 10; id++ {
		w.send(w.pub(2, id, own, "1"))
	}
	for id := byte(1); id <= 10; id++ {
		done := <-dones
		if n := d.Stats().Messages[1]; n > uint64(id)+3 {
			t.Fatalf("%d messages were taken with %d acknowledged, the window is 4", n, id-1)
		}
		done(nil)
		w.want(0x40, 2, 0, id)
	}
}

func TestBrokenPackets(t *testing.T) {
	sink := protocoltest.NewSink(nil)
	_, addr, _ := serve(t, mqtt.Config{MaxPayload: 1000}, sink.Take)
	w5 := wire{version: 5}
	for name, c := range map[string]struct {
		send []byte
		code byte
	}{
		"wildcard topic":       {w5.pub(2, 1, "devices/+/messages", "1"), 0x90},
		"topic with NUL":       {w5.pub(2, 1, "devices/\x00", "1"), 0x81},
		"topic not UTF-8":      {w5.pub(2, 1, "devices/\xff", "1"), 0x81},
		"no topic":             {w5.pub(2, 1, "", "1"), 0x82},
		"qos 3":                {w5.pub(6, 1, own, "1"), 0x81},
		"packet id 0":          {w5.pub(2, 0, own, "1"), 0x82},
		"dup of qos 0":         {w5.pub(8, 0, own, "1"), 0x81},
		"alias 0":              {w5.pub(2, 1, own, "1", 35, 0, 0), 0x94},
		"alias too large":      {w5.pub(2, 1, own, "1", 35, 0, 17), 0x94},
		"unknown alias":        {w5.pub(2, 1, "", "1", 35, 0, 3), 0x82},
		"unknown property":     {w5.pub(2, 1, own, "1", 99), 0x81},
		"a server's property":  {w5.pub(2, 1, own, "1", 11, 1), 0x82},
		"properties too long":  {packet(0x32, append(text(own), 0, 1, 200)), 0x81},
		"topic too long":       {packet(0x32, []byte{0xff, 0xff, 'a'}), 0x81},
		"endless length":       {[]byte{0x32, 0xff, 0xff, 0xff, 0xff, 0xff}, 0x81},
		"a packet too large":   {append([]byte{0x32, 0xff, 0xff, 0xff, 0x7f}, text(own)...), 0x95},
		"a payload too large":  {w5.pub(2, 1, own, strings.Repeat("x", 1001)), 0x95},
		"large and not for us": {append([]byte{0x82, 0xff, 0xff, 0x7f}, 0, 1), 0x95},
		"PUBREL with flags 0":  {[]byte{0x60, 2, 0, 1}, 0x81},
		"short PUBREL":         {[]byte{0x62, 1, 0}, 0x81},
		"AUTH":                 {[]byte{0xf0, 0}, 0x82},
		"second CONNECT":       {(&hello{version: 5}).bytes(), 0x82},
		"packet type 0":        {[]byte{0x00, 0}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := connect(t, addr, hello{version: 5})
			w.send(c.send)
			if code := w.ended(); code != c.code {
				t.Errorf("got DISCONNECT 0x%02x, want 0x%02x", code, c.code)
			}
		})
	}
	for name, b := range map[string][]byte{
		"PUBLISH first": w5.pub(2, 1, own, "1"), "PINGREQ first": {0xc0, 0}, "a web browser": []byte("GET / HTTP/1.1\r\n\r\n"),
		"CONNECT too large": append([]byte{0x10, 0xff, 0xff, 0x7f}, text("MQTT")...), "empty CONNECT": {0x10, 0},
		"MQTT 6": (&hello{version: 6}).bytes(),
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, addr)
			w.send(b)
			for {
				first, _, err := w.read(10 * time.Second)
				if err != nil {
					break
				}
				if first != 0x20 {
					t.Errorf("got packet 0x%02x", first)
				}
			}
		})
	}
	sink.None(t)
}

func TestBestEffort(t *testing.T) {
	free := make(chan struct{})
	sink := protocoltest.NewSink(func(_ vigil.Message, done func(error)) {
		<-free
		done(nil)
	})
	d, addr, _ := serve(t, mqtt.Config{}, sink.Take)
	w := connect(t, addr, hello{})
	for range 3000 {
		w.send(w.pub(0, 0, own, "1"))
	}
	w.alive() // although the sink is full
	if s := d.Stats(); s.Messages[0] != 3000 || s.Dropped == 0 {
		t.Errorf("stats %+v", s)
	}
	close(free)
	until(t, "the rest is kept", func() bool { s := d.Stats(); return s.Acked+s.Dropped == 3000 })
	if m := sink.Next(t); !m.BestEffort {
		t.Error("not labelled best effort")
	}
}

func TestSlowReader(t *testing.T) {
	d, addr, _ := serve(t, mqtt.Config{WriteTimeout: 200 * time.Millisecond}, func(_ vigil.Message, done func(error)) { done(nil) })
	w := connect(t, addr, hello{})
	other := connect(t, addr, hello{user: "pump-2", secret: "secret-2"})
	p := w.pub(2, 1, own, "1")
	var many []byte
	for range 1000 {
		many = append(many, p...)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, err := w.nc.Write(many); err != nil {
				return
			}
		}
	}()
	for id := range 50 {
		other.send(other.pub(2, uint16(id+1), "devices/pump-2/messages", "1"))
		other.want(0x40, 2, 0, byte(id+1))
	}
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		t.Fatalf("a client that never reads keeps its connection: %+v", d.Stats())
	}
	until(t, "the slow reader is gone", func() bool { return d.Stats().Connections == 1 })
	other.alive()
}

func TestSilentClientsLoseTheirConnection(t *testing.T) {
	dones := make(chan func(error), 1)
	_, addr, _ := serve(t, mqtt.Config{Handshake: 300 * time.Millisecond}, func(_ vigil.Message, done func(error)) { dones <- done })
	half := open(t, addr)
	half.send([]byte{0x10, 50, 0})
	half.ended()
	w := connect(t, addr, hello{version: 5, keepalive: 1})
	w.send(w.pub(2, 1, own, "1"))
	if code := w.ended(); code != 0x8d {
		t.Errorf("DISCONNECT 0x%02x, want 0x8d", code)
	}
	(<-dones)(nil)
}

func TestTheTimeOfTheSinkIsNotTheClientsSilence(t *testing.T) {
	free := make(chan struct{})
	sink := protocoltest.NewSink(func(_ vigil.Message, done func(error)) {
		<-free
		done(nil)
	})
	_, addr, _ := serve(t, mqtt.Config{}, sink.Take)
	w := connect(t, addr, hello{version: 5, keepalive: 1})
	w.send(w.pub(2, 1, own, "1"))
	sink.Next(t)
	<-time.After(1700 * time.Millisecond) // the client's patience is 1.5 s
	w.send([]byte{0xc0, 0})
	close(free)
	for range 2 { // PUBACK and PINGRESP, in any order
		if first, _ := w.next(); first != 0x40 && first != 0xd0 {
			t.Errorf("got packet 0x%02x", first)
		}
	}
}

func TestTLS(t *testing.T) {
	donor := httptest.NewTLSServer(nil)
	defer donor.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dones := make(chan func(error), 1)
	d := mqtt.New(mqtt.Config{
		Auth:      protocoltest.NewDevices(),
		Listeners: []net.Listener{plain, tls.NewListener(l, &tls.Config{Certificates: donor.TLS.Certificates, MinVersion: tls.VersionTLS12})},
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- d.Run(ctx, func(_ vigil.Message, done func(error)) { dones <- done }) }()
	d.Addr(ctx)
	pool := x509.NewCertPool()
	pool.AddCert(donor.Certificate())
	nc, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	w := &wire{t: t, nc: nc, r: bufio.NewReader(nc)}
	if code, _ := w.login(hello{version: 5}); code != 0 {
		t.Fatalf("login refused with 0x%02x", code)
	}
	w.send(w.pub(2, 1, own, "1"))
	(<-dones)(nil)
	w.want(0x40, 2, 0, 1)
	w.send(w.pub(2, 2, own, "1"))
	done := <-dones
	cancel()
	done(nil)
	w.want(0x40, 2, 0, 2)
	if code := w.ended(); code != 0x8b {
		t.Errorf("DISCONNECT 0x%02x, want 0x8b", code)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestThousandIdleConnections(t *testing.T) {
	d, addr, _ := serve(t, mqtt.Config{MaxConnections: 1001}, func(_ vigil.Message, done func(error)) { done(nil) })
	var all []*wire
	for range 1000 {
		all = append(all, connect(t, addr, hello{}))
	}
	all = append(all, connect(t, addr, hello{}))
	if n := d.Stats().Connections; n != 1001 {
		t.Errorf("%d connections, want 1001", n)
	}
	one := open(t, addr)
	if _, err := one.nc.Write((&hello{}).bytes()); err == nil {
		one.ended()
	}
	for _, w := range all {
		w.send(w.pub(2, 1, own, "1"))
	}
	for _, w := range all {
		w.want(0x40, 2, 0, 1)
	}
}

func TestOfflineSessionsAreBounded(t *testing.T) {
	d, addr, _ := serve(t, mqtt.Config{}, func(_ vigil.Message, done func(error)) { done(nil) })
	for i := range 100 {
		w := connect(t, addr, hello{id: fmt.Sprint("c", i), keep: true})
		w.send([]byte{0xe0, 0})
		w.ended()
	}
	until(t, "all are gone", func() bool { return d.Stats().Connections == 0 })
	w := open(t, addr)
	if _, rest := w.login(hello{id: "c99", keep: true}); rest[0] != 1 {
		t.Error("the newest session was forgotten")
	}
	w = open(t, addr)
	if _, rest := w.login(hello{id: "c0", keep: true}); rest[0] != 0 {
		t.Error("the oldest of 100 sessions was kept")
	}
}

func TestMosquitto(t *testing.T) {
	pub, err := exec.LookPath("mosquitto_pub")
	if err != nil {
		t.Skip("mosquitto_pub is not installed")
	}
	sink := protocoltest.NewSink(nil)
	_, addr, _ := serve(t, mqtt.Config{}, sink.Take)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"mqttv311", "mqttv5"} {
		for _, qos := range []string{"0", "1", "2"} {
			args := []string{
				"-h", host, "-p", port, "-V", version, "-q", qos, "-u", "pump-1", "-P", "secret-1",
				"-t", own + "/x", "-m", version + qos, "-r",
			}
			if version == "mqttv5" {
				args = append(args, "-D", "publish", "user-property", "id", "m-1")
			}
			if out, err := exec.Command(pub, args...).CombinedOutput(); err != nil {
				t.Fatalf("%s qos %s: %v: %s", version, qos, err, out)
			}
			m := sink.Next(t)
			if string(m.Payload) != version+qos || m.Channel != "x" || m.BestEffort != (qos == "0") || (m.ID == "m-1") != (version == "mqttv5") {
				t.Errorf("%s qos %s became %+v", version, qos, m)
			}
		}
	}
	if out, err := exec.Command(pub, "-h", host, "-p", port, "-u", "pump-1", "-P", "wrong", "-t", own, "-m", "x", "-q", "1").CombinedOutput(); err == nil {
		t.Errorf("a wrong secret was let in: %s", out)
	}
}
