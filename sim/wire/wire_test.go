package wire_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/wire"
)

// heard is a hook that notes what a real broker received.
type heard struct {
	broker.HookBase
	mu       sync.Mutex
	messages []string
	logins   []string
	clients  int
}

func (h *heard) ID() string { return "heard" }

func (h *heard) Provides(b byte) bool {
	return b == broker.OnPublish || b == broker.OnConnectAuthenticate || b == broker.OnACLCheck || b == broker.OnSessionEstablished
}

func (h *heard) OnConnectAuthenticate(_ *broker.Client, p packets.Packet) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logins = append(h.logins, p.Connect.ClientIdentifier+" "+string(p.Connect.Username)+" "+string(p.Connect.Password))
	return true
}

func (h *heard) OnACLCheck(*broker.Client, string, bool) bool { return true }

func (h *heard) OnSessionEstablished(*broker.Client, packets.Packet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients++
}

func (h *heard) OnPublish(_ *broker.Client, p packets.Packet) (packets.Packet, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, fmt.Sprintf("%s q%d %s", p.TopicName, p.FixedHeader.Qos, p.Payload))
	return p, nil
}

func (h *heard) list() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.messages)
}

// serve starts a real broker on an address ("" for any) and returns it.
func serve(t *testing.T, h *heard, addr string) (*broker.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", cmpOr(addr, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	s := broker.New(&broker.Options{Logger: slog.New(slog.DiscardHandler), InlineClient: true})
	if err := errors.Join(s.AddHook(h, nil), s.AddListener(listeners.NewNet("t", l)), s.Serve()); err != nil {
		t.Fatal(err)
	}
	return s, l.Addr().String()
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func line(device string, n int) vigil.Message {
	return vigil.Message{Device: vigil.DeviceID(device), ID: fmt.Sprint(device, n), Payload: fmt.Appendf(nil, `{"n":%d}`, n)}
}

func TestDevicesSpeakOverTheirOwnConnections(t *testing.T) {
	h := &heard{}
	s, addr := serve(t, h, "")
	defer s.Close()
	m := wire.NewMQTT(wire.MQTTConfig{URL: "tcp://" + addr, Secret: func(id vigil.DeviceID) string { return "secret-" + string(id) }})
	defer m.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for n := range 100 {
		for _, d := range []string{"a", "b"} {
			if err := m.Send(ctx, line(d, n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	l := line("a", 100)
	l.Channel = "x"
	if err := errors.Join(m.Send(ctx, l), m.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	var a []string
	for _, x := range h.list() {
		if strings.HasPrefix(x, "devices/a/") {
			a = append(a, x)
		}
	}
	for n := range 100 {
		if want := fmt.Sprintf(`devices/a/messages q1 {"n":%d}`, n); a[n] != want {
			t.Fatalf("message %d is %q, want %q", n, a[n], want)
		}
	}
	if a[100] != `devices/a/messages/x q1 {"n":100}` {
		t.Errorf("with a channel: %q", a[100])
	}
	if s := m.Stats(); s.Acknowledged != 201 || s.Dropped != 0 || s.Connects != 2 {
		t.Errorf("stats %+v", s)
	}
	slices.Sort(h.logins)
	if want := []string{"a a secret-a", "b b secret-b"}; !slices.Equal(h.logins, want) {
		t.Errorf("logins %q, want %q", h.logins, want)
	}
}

func TestABrokenConnectionLosesNothing(t *testing.T) {
	h := &heard{}
	s, addr := serve(t, h, "")
	m := wire.NewMQTT(wire.MQTTConfig{URL: "tcp://" + addr})
	defer m.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for n := range 50 {
		_ = m.Send(ctx, line("a", n))
	}
	if err := m.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	for n := 50; n < 100; n++ {
		_ = m.Send(ctx, line("a", n))
	}
	s, _ = serve(t, h, addr)
	defer s.Close()
	if err := m.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, x := range h.list() {
		got[x] = true
	}
	if len(got) != 100 {
		t.Errorf("%d different messages arrived, want 100", len(got))
	}
}

func TestACutDeviceKeepsItsLinesWithinBounds(t *testing.T) {
	h := &heard{}
	s, addr := serve(t, h, "")
	defer s.Close()
	m := wire.NewMQTT(wire.MQTTConfig{URL: "tcp://" + addr, Queue: 10})
	defer m.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := errors.Join(m.Send(ctx, line("a", 0)), m.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	m.Cut("a", true)
	for n := 1; n <= 25; n++ {
		_ = m.Send(ctx, line("a", n))
	}
	if err := m.Flush(ctx); err != nil {
		t.Fatalf("a cut device is not waited for: %v", err)
	}
	if got := len(h.list()); got != 1 {
		t.Fatalf("%d messages while cut", got)
	}
	m.Cut("a", false)
	if err := m.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	got := h.list()
	if len(got) != 11 || got[1] != `devices/a/messages q1 {"n":16}` || m.Stats().Dropped != 15 {
		t.Errorf("%d messages, first %q, dropped %d; want the newest ten and 15 dropped", len(got), got[min(1, len(got)-1)], m.Stats().Dropped)
	}
}

func TestAWrongSecretIsTriedAgainAndNothingIsLost(t *testing.T) {
	ledger := &auth.Ledger{Auth: auth.AuthRules{{Username: "a", Password: "right", Allow: true}}, ACL: auth.ACLRules{{Filters: auth.Filters{"#": auth.ReadWrite}}}}
	s := broker.New(&broker.Options{Logger: slog.New(slog.DiscardHandler)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.AddHook(new(auth.Hook), &auth.Options{Ledger: ledger}), s.AddListener(listeners.NewNet("t", l)), s.Serve()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var mu sync.Mutex
	tries := 0
	m := wire.NewMQTT(wire.MQTTConfig{URL: "tcp://" + l.Addr().String(), Secret: func(vigil.DeviceID) string {
		mu.Lock()
		defer mu.Unlock()
		if tries++; tries == 1 {
			return "wrong"
		}
		return "right"
	}})
	defer m.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := errors.Join(m.Send(ctx, line("a", 1)), m.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	if s := m.Stats(); s.Acknowledged != 1 || tries != 2 {
		t.Errorf("%+v after %d tries", s, tries)
	}
}

func TestBatchesGoOutPerCredential(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	busy := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if busy {
			busy = false
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.URL.Path+" "+r.Header.Get("Authorization")+"\n"+string(b))
		_, _ = io.WriteString(w, `{"accepted":2,"repeated":1,"quarantined":[{"line":1,"id":"q1","reason":"no"}]}`)
	}))
	defer server.Close()
	h := wire.NewHTTP(wire.HTTPConfig{URL: server.URL + "/", Secret: func(id vigil.DeviceID) string { return "s" }, Batch: 2})
	ctx := context.Background()
	for n := range 3 {
		if err := h.Send(ctx, line("a", n)); err != nil {
			t.Fatal(err)
		}
	}
	if len(bodies) != 1 {
		t.Fatalf("%d batches before the flush, want 1", len(bodies))
	}
	if err := errors.Join(h.Send(ctx, line("b", 0)), h.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	want := "/ingest/v1/messages Basic " + base64.StdEncoding.EncodeToString([]byte("a:s")) +
		"\n{\"device\":\"a\",\"id\":\"a0\",\"payload\":{\"n\":0}}\n{\"device\":\"a\",\"id\":\"a1\",\"payload\":{\"n\":1}}\n"
	if bodies[0] != want {
		t.Errorf("got %q\nwant %q", bodies[0], want)
	}
	if r := h.Result(); r.Accepted != 6 || r.Repeated != 3 || r.Quarantined != 3 || r.First != "no" {
		t.Errorf("result %+v", r)
	}
}

func TestARefusalForGoodIsNotTriedAgain(t *testing.T) {
	tries := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		tries++
		http.Error(w, "line 1: not JSON", http.StatusBadRequest)
	}))
	defer server.Close()
	h := wire.NewHTTP(wire.HTTPConfig{URL: server.URL})
	ctx := context.Background()
	err := errors.Join(h.Send(ctx, line("a", 0)), h.Flush(ctx))
	if err == nil || !strings.Contains(err.Error(), "400 Bad Request: line 1: not JSON") || tries != 1 {
		t.Errorf("got %v after %d tries", err, tries)
	}
}

func TestPatienceEnds(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	h := wire.NewHTTP(wire.HTTPConfig{URL: server.URL, Patience: 5 * time.Second})
	ctx := context.Background()
	err := errors.Join(h.Send(ctx, line("a", 0)), h.Flush(ctx))
	if err == nil || !strings.Contains(err.Error(), "given up after 5s") {
		t.Errorf("got %v", err)
	}
}
