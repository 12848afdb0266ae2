package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-iomt/vigil"
)

// A told is what somebody who subscribed was told.
type told struct {
	kind, number, focus string
	entries             []json.RawMessage
}

// newEar is an endpoint of a subscription.
func newEar(t *testing.T) (address string, heard chan told) {
	heard = make(chan told, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		heard <- toldOf(t, raw)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, heard
}

// toldOf reads a notification.
func toldOf(t *testing.T, raw []byte) told {
	t.Helper()
	type part struct {
		Name           string
		ValueString    string
		ValueCode      string
		ValueReference struct{ Reference string }
		Part           []struct {
			Name           string
			ValueString    string
			ValueReference struct{ Reference string }
		}
	}
	var b struct {
		Entry []struct{ Resource json.RawMessage }
	}
	var p struct{ Parameter []part }
	if err := json.Unmarshal(raw, &b); err != nil || len(b.Entry) == 0 {
		t.Errorf("no notification: %v: %s", err, raw)
		return told{}
	}
	if err := json.Unmarshal(b.Entry[0].Resource, &p); err != nil {
		t.Error(err)
	}
	var out told
	for _, x := range p.Parameter {
		if x.Name == "type" {
			out.kind = x.ValueCode
		}
		for _, y := range x.Part {
			switch y.Name {
			case "event-number":
				out.number += y.ValueString
			case "focus":
				out.focus = y.ValueReference.Reference
			}
		}
	}
	for _, e := range b.Entry[1:] {
		out.entries = append(out.entries, e.Resource)
	}
	return out
}

// newTellingSpine is a spine that keeps the record and may send to this machine.
func newTellingSpine(t *testing.T, dir string) (s *spine, end func()) {
	t.Helper()
	s = newSpineWith(t, dir, map[string]string{"subscription-hosts": "127.0.0.1"})
	ctx, stop := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() { done <- s.keepRecord(ctx) }()
	return s, func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// subscribe makes a Subscription by the RESTful API.
func (s *spine) subscribe(endpoint, filter string) string {
	s.t.Helper()
	const guide = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
	body := `{"resourceType":"Subscription","status":"requested","reason":"test","criteria":"https://github.com/vigil-iomt/vigil/SubscriptionTopic/vital-signs",` +
		`"_criteria":{"extension":[{"url":"` + guide + `filter-criteria","valueString":"` + filter + `"}]},` +
		`"channel":{"type":"rest-hook","endpoint":"` + endpoint + `","payload":"application/fhir+json","_payload":{"extension":[{"url":"` + guide + `payload-content","valueCode":"full-resource"}]}}}`
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/fhir/Subscription", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/fhir+json")
	w := httptest.NewRecorder()
	s.rest().ServeHTTP(w, r.WithContext(s.ctx))
	var made struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated {
		s.t.Fatalf("POST Subscription: %d %s", w.Code, w.Body)
	}
	return made.ID
}

// hear waits for a notification. A stop between telling and remembering it has
// the last one told again, with its number.
func (s *spine) hear(heard chan told, kind, number string) told {
	s.t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case x := <-heard:
			if x.kind == kind && x.number < number {
				continue
			}
			if x.kind != kind || x.number != number {
				s.t.Fatalf("got %s %s, want %s %s", x.kind, x.number, kind, number)
			}
			return x
		case <-limit:
			s.t.Fatalf("%s %s did not come", kind, number)
			return told{}
		}
	}
}

func TestReadingsReachSubscribers(t *testing.T) {
	dir := t.TempDir()
	address, heard := newEar(t)
	s, end := newTellingSpine(t, dir)
	ida, bo := s.patient("Ida"), s.patient("Bo")
	s.device("d", ida, vigil.Interval{})
	s.device("e", bo, vigil.Interval{})
	id := s.subscribe(address, "Observation?patient="+ida.ID+"&code=http://loinc.org|59408-5")
	s.hear(heard, "handshake", "")
	s.soon("the subscription is active", func() bool {
		r, err := s.db.Resource(s.ctx, "Subscription", id)
		return err == nil && strings.Contains(string(r.Body), `"status":"active"`)
	})
	at := vigil.InstantOf(time.Now())
	say := func(device vigil.DeviceID, n int, payload string) {
		t.Helper()
		when := at.Add(time.Duration(n) * time.Second)
		err := s.put(vigil.Message{Device: device, Arrived: when, Payload: fmt.Appendf(nil, payload, ms(at)+int64(n%100)*1000)})
		if err != nil {
			t.Fatal(err)
		}
	}
	say("d", 1, `{"t":%d,"o":97,"p":70}`)
	x := s.hear(heard, "event-notification", "1")
	if len(x.entries) != 1 || !strings.Contains(string(x.entries[0]), `"value":97`) || !strings.Contains(string(x.entries[0]), "Patient/"+ida.ID) {
		t.Errorf("told %s of %s", x.entries, x.focus)
	}
	r, err := s.readings.Read(s.ctx, "Observation", x.focus[strings.LastIndex(x.focus, "/")+1:], 0)
	if err != nil || string(r.Body) != string(x.entries[0]) {
		t.Errorf("what was told is read as %s, %v", r.Body, err)
	}
	say("e", 2, `{"t":%d,"o":90}`)   // of somebody else
	say("d", 3, `{"t":%d,"p":71}`)   // of another kind
	say("d", 101, `{"t":%d,"o":97}`) // a repeat
	say("d", 4, `{"t":%d,"o":96}`)
	s.hear(heard, "event-notification", "2")

	// What comes while nobody tells is told after a start.
	end()
	say("d", 5, `{"t":%d,"o":95}`)
	s.close()
	s, end = newTellingSpine(t, dir)
	x = s.hear(heard, "event-notification", "3")
	if !strings.Contains(string(x.entries[0]), `"value":95`) {
		t.Errorf("told %s", x.entries)
	}
	say("d", 6, `{"t":%d,"o":94}`)
	s.hear(heard, "event-notification", "4")
	end()
	s.close()
	if len(heard) > 0 {
		t.Errorf("%d more came", len(heard))
	}
}

// TestWebSocketsAreGuarded connects as a page of this machine, and as one that
// somebody else has made.
func TestWebSocketsAreGuarded(t *testing.T) {
	s, end := newTellingSpine(t, t.TempDir())
	defer func() { end(); s.close() }()
	srv := httptest.NewServer(s.routes())
	defer srv.Close()
	made := s.write("Subscription", "screen", `{"resourceType":"Subscription","id":"screen","status":"requested","reason":"x","criteria":"Observation?code=8867-4","channel":{"type":"websocket"}}`)
	s.soon("the subscription is active", func() bool {
		r, err := s.db.Resource(s.ctx, "Subscription", made.ID)
		return err == nil && r.Version > made.Version
	})
	for origin, want := range map[string]string{srv.URL: "bound screen", "https://elsewhere.example": "error a token is needed"} {
		ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
		conn, _, err := websocket.Dial(ctx, srv.URL+"/ws/subscriptions", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(ctx, websocket.MessageText, []byte("bind screen")); err != nil {
			t.Fatal(err)
		}
		_, got, err := conn.Read(ctx)
		if err != nil || string(got) != want {
			t.Errorf("a page of %s: %q, %v, want %q", origin, got, err, want)
		}
		conn.CloseNow()
		cancel()
	}
}
