package topic_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// flat writes a resource as text.
func flat(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// newSlow is a listener that never answers.
func newSlow(t *testing.T) *httptest.Server {
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(stop); s.Close() })
	return s
}

// TestRestart stops the server between what is written and what is delivered.
func TestRestart(t *testing.T) {
	s, h := newSite(t, nil), newHook(t)
	id := s.subscribe(spec{topic: "vital-signs", endpoint: h.URL, content: "id-only"})
	h.of(t, "handshake")
	s.status(id, "active")
	var want, got []string
	note := func(n int) {
		for range n {
			want = append(want, fmt.Sprintf("%d/Observation/%s", len(want)+1, s.observe("ada", "72")))
		}
	}
	take := func() {
		t.Helper()
		for len(got) < len(want) {
			for _, e := range events(h.of(t, "event-notification").bundle) {
				if !slices.Contains(got, e) { // a stop behind a delivery may repeat it
					got = append(got, e)
				}
			}
		}
	}
	note(3)
	take()
	for range 3 {
		s.stop() // nobody reads what is written
		note(5)
		s.close()
		s.open()
		note(2)
		take()
	}
	h.answer(http.StatusServiceUnavailable) // made, but not taken
	note(1)
	s.soon("the event is made", func() bool {
		return len(parameter(s.want(200, "GET", "Subscription/"+id+"/$events?eventsSinceNumber="+fmt.Sprint(len(want)), ""), "notification-event")) == 1
	})
	s.close()
	h.answer(http.StatusOK)
	s.open()
	if text(s.want(200, "GET", "Subscription/"+id, ""), "status") == "active" {
		take()
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("event %d is %s, want %s", i+1, got[i], want[i])
		}
	}
}

func TestOperations(t *testing.T) {
	s, h := newSite(t, nil), newHook(t)
	a := s.subscribe(spec{topic: "vital-signs", endpoint: h.URL, content: "id-only"})
	b := s.subscribe(spec{topic: "vital-signs", channel: "websocket", content: "empty"})
	h.of(t, "handshake")
	s.status(a, "active")
	s.status(b, "active")
	var ids []string
	for range 5 {
		ids = append(ids, s.observe("ada", "72"))
	}
	s.soon("there are five events", func() bool {
		return text(parameter(s.want(200, "GET", "Subscription/"+a+"/$status", ""), "events-since-subscription-start")[0], "valueString") == "5"
	})
	all := s.want(200, "GET", "Subscription/$status", "")
	if text(all, "type") != "searchset" || text(all, "total") != "2" {
		t.Errorf("$status of all: %s", flat(all))
	}
	one := s.want(200, "POST", "Subscription/$status", `{"resourceType":"Parameters","parameter":[{"name":"id","valueId":"`+b+`"},{"name":"status","valueCode":"active"}]}`)
	if text(one, "total") != "1" || !strings.Contains(flat(one), "Subscription/"+b) {
		t.Errorf("$status of one: %s", flat(one))
	}
	some := s.want(200, "GET", "Subscription/"+a+"/$events?eventsSinceNumber=2&eventsUntilNumber=3", "")
	if got := events(some); len(got) != 2 || got[0] != "2/Observation/"+ids[1] || got[1] != "3/Observation/"+ids[2] {
		t.Errorf("$events: %v", got)
	}
	valid(t, delivery{raw: flat(some)})
	if n := len(some["entry"].([]any)); n != 1 {
		t.Errorf("%d entries", n)
	}
	if shown := flat(s.want(200, "GET", "Subscription/"+b+"/$events?content=full-resource", "")); strings.Contains(shown, "Observation") {
		t.Errorf("an empty subscription shows more when asked: %s", shown)
	}
	s.want(400, "GET", "Subscription/"+a+"/$events?eventsSinceNumber=x", "")
	s.want(404, "GET", "Subscription/nobody/$status", "")
	s.want(422, "GET", "Subscription/"+a+"/$get-ws-binding-token", "")
	caps := flat(s.want(200, "GET", "metadata", ""))
	for _, want := range []string{"SubscriptionTopic/vital-signs", "backport-subscription-events", "wss://vigil.test/ws/subscriptions"} {
		if !strings.Contains(caps, want) {
			t.Errorf("the CapabilityStatement does not say %s", want)
		}
	}
}

// A listener is a client of WebSockets.
type listener struct {
	t    *testing.T
	conn *websocket.Conn
}

func (s *site) connect() *listener {
	s.t.Helper()
	srv := httptest.NewServer(s.desk)
	s.t.Cleanup(srv.Close)
	conn, _, err := websocket.Dial(context.Background(), srv.URL, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(16 << 20)
	return &listener{s.t, conn}
}

func (l *listener) say(text string) {
	l.t.Helper()
	if err := l.conn.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *listener) next() string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, raw, err := l.conn.Read(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(raw)
}

func (l *listener) of(kind string) map[string]any {
	l.t.Helper()
	raw := l.next()
	var out map[string]any
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		l.t.Fatal(err)
	}
	if got := (delivery{bundle: out}).kind(); got != kind {
		l.t.Fatalf("got %q, want %q: %s", got, kind, raw)
	}
	return out
}

func TestWebSocket(t *testing.T) {
	s := newSite(t, nil)
	id := s.subscribe(spec{topic: "vital-signs", channel: "websocket", content: "full-resource", heartbeat: 1})
	s.status(id, "active")
	first := s.observe("ada", "71")
	p := s.want(200, "GET", "Subscription/"+id+"/$get-ws-binding-token", "")
	token := text(p, "parameter", 0, "valueString")
	if text(p, "parameter", 3, "valueUrl") != "wss://vigil.test/ws/subscriptions" {
		t.Errorf("the token: %s", flat(p))
	}

	l := s.connect()
	l.say(`{"type":"bind-with-token","payload":{"token":"` + token + `x"}}`)
	if got := l.next(); !strings.Contains(got, "not valid") {
		t.Errorf("got %s", got)
	}
	l.say("bind " + id)
	if got := l.next(); !strings.Contains(got, "a token is needed") {
		t.Errorf("got %s", got)
	}
	l.say(`{"type":"bind-with-token","payload":{"token":"` + token + `"}}`)
	l.of("handshake")
	if got := events(l.of("event-notification")); got[0] != "1/Observation/"+first { // missed while nobody listened
		t.Errorf("events %v", got)
	}
	second := s.observe("ada", "72")
	d := l.of("event-notification")
	if got := events(d); got[0] != "2/Observation/"+second || text(d, "entry", 1, "resource", "valueQuantity", "value") != "72" {
		t.Errorf("events %v", got)
	}
	l.of("heartbeat")
	l.say(`{"type":"unbind-from-token","payload":{"token":"` + token + `"}}`)
	l.say(`{"type":"ping"}`)
	if got := l.next(); !strings.Contains(got, "pong") {
		t.Errorf("got %s", got)
	}

	// Another connection goes on where the last was.
	other := s.connect()
	third := s.observe("ada", "73")
	other.say("bind-with-token: " + token)
	other.of("handshake")
	if got := events(other.of("event-notification")); got[0] != "3/Observation/"+third {
		t.Errorf("events %v", got)
	}
}

func TestPlainWebSocket(t *testing.T) {
	s := newSite(t, nil)
	id := s.subscribe(spec{criteria: "Observation?code=8867-4", channel: "websocket"})
	s.status(id, "active")
	p := s.want(200, "POST", "Subscription/$get-ws-binding-token", "")
	l := s.connect()
	l.say(`{"type":"bind-with-token","payload":{"token":"` + text(p, "parameter", 0, "valueString") + `"}}`)
	if got := l.next(); got != "bound "+id {
		t.Errorf("got %s", got)
	}
	s.observe("ada", "72")
	if got := l.next(); got != "ping "+id {
		t.Errorf("got %s", got)
	}
}
