package topic_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/topic"
)

// A line of deliveries without a network, with the time of each.
type wire struct {
	mu     sync.Mutex
	status int
	at     []time.Time
	kinds  []string
}

// RoundTrip notes a request.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	kind := "event-notification"
	for _, k := range []string{"handshake", "heartbeat"} {
		if strings.Contains(string(raw), `"valueCode":"`+k+`"`) {
			kind = k
		}
	}
	w.at, w.kinds = append(w.at, time.Now()), append(w.kinds, kind)
	return &http.Response{StatusCode: w.status, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
}

// since returns how many seconds after the last the deliveries were, and
// forgets them.
func (w *wire) since() (seconds []int, kinds []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := 1; i < len(w.at); i++ {
		seconds = append(seconds, int(w.at[i].Sub(w.at[i-1]).Round(time.Second)/time.Second))
	}
	kinds = w.kinds
	w.at, w.kinds = nil, nil
	return seconds, kinds
}

func (w *wire) answer(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = status
}

// TestRetries follows a dead endpoint by the clock, with the real pauses.
func TestRetries(t *testing.T) {
	engine() // made once, outside
	checker()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{status: 200}
		s := newSite(t, func(c *topic.Config) {
			c.Client = &http.Client{Transport: w}
			c.RetryMin, c.RetryMax, c.Attempts, c.Poll = 0, 0, 0, 0 // as they are
		})
		id := s.subscribe(spec{topic: "vital-signs", endpoint: "http://127.0.0.1/x", content: "id-only"})
		s.status(id, "active")
		w.answer(503)
		w.since()
		s.observe("ada", "72")
		time.Sleep(time.Hour)
		synctest.Wait()
		seconds, _ := w.since()
		want := []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}
		if len(seconds) != len(want) {
			t.Fatalf("pauses of %v seconds, want %v", seconds, want)
		}
		for i := range want {
			if seconds[i] != want[i] {
				t.Errorf("pauses of %v seconds, want %v", seconds, want)
				break
			}
		}
		s.status(id, "error")
	})
}

// TestRetriesOfOneOfMany keeps the right to deliver through the longest pauses.
func TestRetriesOfOneOfMany(t *testing.T) {
	engine()
	checker()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{status: 200}
		s := newSite(t, func(c *topic.Config) {
			c.Client, c.Holder = &http.Client{Transport: w}, "one"
			c.RetryMin, c.RetryMax, c.Attempts, c.Poll = 0, 0, 0, 0
		})
		id := s.subscribe(spec{topic: "vital-signs", endpoint: "http://127.0.0.1/x", content: "id-only"})
		s.status(id, "active")
		w.answer(503)
		s.observe("ada", "72")
		for range 60 { // another process asks all the time
			time.Sleep(10 * time.Second)
			now := vigil.InstantOf(time.Now())
			if ok, err := s.db.HoldNotices(t.Context(), id, "two", now, now.Add(time.Minute)); ok || err != nil {
				t.Fatalf("another process may deliver: %t, %v", ok, err)
			}
		}
		time.Sleep(time.Hour)
		s.status(id, "error")
		if _, kinds := w.since(); len(kinds) != 13 {
			t.Errorf("%d tries, want a handshake and 12", len(kinds))
		}
	})
}

// TestHeartbeats counts them by the clock, until the end.
func TestHeartbeats(t *testing.T) {
	engine()
	checker()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{status: 200}
		s := newSite(t, func(c *topic.Config) { c.Client, c.Poll = &http.Client{Transport: w}, time.Second })
		end := time.Now().Add(10*time.Minute + 30*time.Second).UTC().Format(time.RFC3339)
		id := s.subscribe(spec{topic: "vital-signs", endpoint: "http://127.0.0.1/x", content: "id-only", heartbeat: 60, end: end})
		s.status(id, "active")
		time.Sleep(90 * time.Second)
		s.observe("ada", "72") // an event is a sign of life, too
		time.Sleep(time.Hour)
		synctest.Wait()
		seconds, kinds := w.since()
		if len(kinds) != 11 || kinds[0] != "handshake" || kinds[1] != "heartbeat" || kinds[2] != "event-notification" || seconds[0] != 60 || seconds[1] != 30 || seconds[2] != 60 {
			t.Errorf("%v at %v", kinds, seconds)
		}
		s.status(id, "off")
	})
}
