package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil/bench"
)

// TestHostileInput sends what no device should: each is refused or quarantined,
// none is acknowledged as something else, and the next good message goes through.
//
// Seen to fail when contained, supervise and the limits of the drivers are taken
// out.
func TestHostileInput(t *testing.T) {
	t.Parallel() // it waits for those who never log in
	r := run(t, t.TempDir(), nil)
	d := r.devices(1)[0]
	stranger, wrong := bench.Device{ID: "nobody", Secret: "x"}, bench.Device{ID: d.ID, Secret: "wrong"}
	for _, c := range []struct {
		says   string
		body   string
		status int
	}{
		{"NaN", `{"t":1700000000000,"spo2":NaN}`, http.StatusAccepted},
		{"infinity", `{"t":1700000000000,"spo2":Infinity}`, http.StatusAccepted},
		{"a number beyond all", `{"t":1700000000000,"spo2":1e999}`, http.StatusAccepted},
		{"a number of many digits", `{"t":1700000000000,"spo2":` + strings.Repeat("9", 100_000) + `}`, http.StatusAccepted},
		{"nil bytes", "\x00\x00\x00", http.StatusAccepted},
		{"broken UTF-8", "{\"t\":1700000000000,\"spo2\":\"\xff\xfe\"}", http.StatusAccepted},
		{"a deep bomb", strings.Repeat("[", 900_000), http.StatusAccepted},
		{"a deep bomb of objects", strings.Repeat(`{"spo2":`, 100_000), http.StatusAccepted},
		{"a wide bomb", "[" + strings.Repeat("0,", 400_000) + "0]", http.StatusAccepted},
		{"oversize", `{"t":1700000000000,"spo2":97,"x":"` + strings.Repeat("x", 2<<20) + `"}`, http.StatusRequestEntityTooLarge},
		{"1970", `{"t":12000,"spo2":96}`, http.StatusOK},
		{"2106", `{"t":4294967295000,"spo2":97}`, http.StatusOK},
		{"a time beyond all", `{"t":9e300,"spo2":97}`, http.StatusAccepted},
	} {
		t.Run(c.says, func(t *testing.T) {
			if status, says := r.one(d, c.body); status != c.status {
				t.Errorf("HTTP: got %d %.200s, want %d", status, says, c.status)
			}
			err := bench.Publish(r.t.Context(), r.MQTT, d, []byte(c.body))
			if refused := c.status >= 400; refused != (err != nil) {
				t.Errorf("MQTT: %v", err)
			}
		})
	}
	for _, who := range []bench.Device{stranger, wrong} {
		if status, _ := r.one(who, oximetry(time.Now(), 50)); status != http.StatusUnauthorized {
			t.Errorf("%s with its secret: got %d", who.ID, status)
		}
		if err := bench.Publish(r.t.Context(), r.MQTT, who, []byte(oximetry(time.Now(), 50))); err == nil {
			t.Errorf("%s logged in over MQTT", who.ID)
		}
	}
	t.Run("a gzip bomb", func(t *testing.T) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		for range 1024 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		header := map[string]string{"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"}
		if status, says := r.post(d, "/ingest/v1/messages", header, b.Bytes()); status < 400 && status != 0 {
			t.Errorf("got %d %.200s", status, says)
		}
	})
	t.Run("bytes that are no MQTT", func(*testing.T) { r.noise() })
	r.alive(d)
}

// alive fails when the server does not take a good message.
func (r *running) alive(d bench.Device) {
	r.t.Helper()
	if status, says := r.one(d, oximetry(time.Now(), 97)); status != http.StatusOK {
		r.t.Errorf("after all that HTTP answers %d %s", status, says)
	}
	if err := bench.Publish(r.t.Context(), r.MQTT, d, []byte(oximetry(time.Now().Add(time.Second), 97))); err != nil {
		r.t.Errorf("after all that MQTT answers %v", err)
	}
}

// noise sends packets that are not MQTT and waits until each is cut off.
func (r *running) noise() {
	r.t.Helper()
	for _, packet := range []string{
		"GET / HTTP/1.1\r\n\r\n",
		"\x10\xff\xff\xff\xff\xff",                      // a length that never ends
		"\x10\xff\xff\xff\x7f",                          // 256 MiB announced
		"\x32\x0a\x00\x01a\x00\x01xxxxx",                // PUBLISH before CONNECT
		"\x10\x10\x00\x04MQTT\x04\xc2\x00\x00\x00\xffd", // a client id longer than the packet
		"\xf0\x00", "\x00\x00", "\x82\x00", "\x10\x00",
		strings.Repeat("\xff", 70_000),
	} {
		conn, err := net.Dial("tcp", r.MQTT)
		if err != nil {
			r.t.Fatal(err)
		}
		_, _ = conn.Write([]byte(packet))
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			r.t.Errorf("%.20q: the connection stays open", packet)
		}
		_ = conn.Close()
	}
}

// TestOneBatchByTwoGateways posts the same batch through two gateways at once:
// every reading is there once.
//
// Seen to fail when the gateway is part of a reading's identity.
func TestOneBatchByTwoGateways(t *testing.T) {
	r := run(t, t.TempDir(), nil)
	devices := r.devices(4)
	var gateways []bench.Device
	for _, id := range []string{"gateway-1", "gateway-2"} {
		g, err := r.Gateway(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		gateways = append(gateways, g)
	}
	const each = 500
	var body bytes.Buffer
	begin := time.Now().Add(-time.Hour)
	for i := range each {
		for _, d := range devices {
			fmt.Fprintf(&body, "{\"device\":%q,\"payload\":%s}\n", d.ID, oximetry(begin.Add(time.Duration(i)*time.Second), 50+i%50))
		}
	}
	var g errgroup.Group
	for _, gateway := range gateways {
		g.Go(func() error {
			header := map[string]string{"Content-Type": "application/x-ndjson"}
			if status, says := r.post(gateway, "/ingest/v1/messages", header, body.Bytes()); status != http.StatusOK {
				return fmt.Errorf("%d %.200s", status, says)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		until(t, "all readings can be read", func() bool { return len(r.kept(d)) >= each })
		if n := len(r.kept(d)); n != each {
			t.Errorf("%s has %d readings, want %d", d.ID, n, each)
		}
	}
}

// TestSubscriberThatNeverReads leaves a screen's frames unread while devices
// send: another screen sees everything at once, devices are acknowledged, and
// what waits for the dead screen is bounded.
//
// Seen to fail when live's clients wait for each other's writes.
func TestSubscriberThatNeverReads(t *testing.T) {
	r := run(t, t.TempDir(), nil)
	devices := r.devices(50)
	dead, good := r.screen(), r.screen()
	defer dead.CloseNow()
	defer good.CloseNow()
	seen := make(chan string, 1)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	go func() {
		for {
			_, text, err := good.Read(ctx)
			if err != nil {
				return
			}
			if strings.Contains(string(text), `"33`) {
				seen <- string(text)
				return
			}
		}
	}()
	begin := time.Now().Add(-time.Minute)
	const rounds = 400
	for i := range rounds {
		var body bytes.Buffer
		for _, d := range devices {
			fmt.Fprintf(&body, "{\"device\":%q,\"payload\":%s}\n", d.ID, oximetry(begin.Add(time.Duration(i)*time.Millisecond), 90+i%10))
		}
		r.batch(&body)
	}
	var last bytes.Buffer
	fmt.Fprintf(&last, "{\"device\":%q,\"payload\":%s}\n", devices[0].ID, oximetry(time.Now(), 33))
	begun := time.Now()
	r.batch(&last)
	select {
	case <-seen:
		t.Logf("the other screen saw the last of %d readings after %s", 2*rounds*len(devices), time.Since(begun))
	case <-ctx.Done():
		t.Error("the other screen does not see what is new")
	}
	r.alive(devices[0])
}

// screen subscribes to everything without throttle.
func (r *running) screen() *websocket.Conn {
	r.t.Helper()
	conn, resp, err := websocket.Dial(r.t.Context(), "ws://"+r.HTTP+"/ws/events", nil)
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20)
	ask, err := json.Marshal(map[string]any{"subscribe": map[string]any{"all": true, "unthrottled": true}})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := conn.Write(r.t.Context(), websocket.MessageText, ask); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// batch posts lines over the socket, which may speak for every device.
func (r *running) batch(body *bytes.Buffer) {
	r.t.Helper()
	if err := r.Lines(r.t.Context(), body); err != nil {
		r.t.Fatal(err)
	}
}
