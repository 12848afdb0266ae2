package live

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
)

// newMux serves both streams.
func newMux(h *Hub) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/ws/events", h.ServeEvents)
	mux.HandleFunc("/ws/waves", h.ServeWaves)
	return mux
}

func spo2() *vigil.Metric { return &vigil.Metric{Name: "spo2", Unit: "%"} }

func now() vigil.Instant { return vigil.InstantOf(time.Now()) }

func TestSnapshotComesFirstThenReadings(t *testing.T) {
	b := start(t, nil)
	m, at := spo2(), now()
	b.put(t, 0, reading(patient("a"), m, at, 97))
	b.put(t, 1, reading(patient("other"), m, at, 55))
	v := b.dial(t, "/ws/events", `{"subscribe":{"patients":["a"]}}`)
	f, err := v.read()
	if err != nil || f.Type != "snapshot" {
		t.Fatalf("first frame is %q (%v), want the snapshot", f.Type, err)
	}
	var s struct {
		Readings []vigil.ReadingNow
		States   []State
	}
	if err := json.Unmarshal(f.Data, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Readings) != 1 || *s.Readings[0].Value != 97 || s.Readings[0].Text != "97" || s.States == nil {
		t.Fatalf("snapshot %s", f.Data)
	}
	b.put(t, 0, reading(patient("a"), m, at+1, 96))
	if r := v.next("readings").readings(t); len(r) != 1 || *r[0].Value != 96 || r[0].Subject != patient("a") {
		t.Fatalf("got %+v", r)
	}
	v.ask(`{"subscribe":{"patients":["a","other"]}}`)
	v.next("snapshot")
	b.put(t, 0, reading(patient("a"), m, at+1, 96)) // a repeat: there is no later reading than the one that was sent
	b.put(t, 0, reading(patient("a"), m, at-5, 50))
	b.put(t, 1, reading(patient("other"), m, at+1, 56))
	if r := v.next("readings").readings(t); len(r) != 1 || r[0].Subject != patient("other") {
		t.Fatalf("late data sent %+v", r)
	}
}

func TestASlowClientMissesNoSeries(t *testing.T) {
	b := start(t, nil)
	ids := []string{"a", "b", "c"}
	c := newClient(b.Hub, nil)
	c.ready = true
	for i, id := range ids {
		b.put(t, 0, reading(patient(id), spo2(), now(), float64(i)))
		sh := &b.shards[0]
		sh.mu.Lock()
		s := sh.byID[vigil.SeriesID(i+1)]
		sh.mu.Unlock()
		c.offerReadings(&batch{series: []*series{s}, data: []byte("[]")})
	}
	bytes, _ := c.next(context.Background())
	var f frame
	if err := json.Unmarshal(bytes, &f); err != nil {
		t.Fatal(err)
	}
	if r := f.readings(t); len(r) != len(ids) {
		t.Errorf("one frame for three that waited has %+v", r)
	}
}

func TestReadingsAreCoalesced(t *testing.T) {
	b := start(t, func(c *Config) { c.Tick = 100 * time.Millisecond })
	m, at := spo2(), now()
	v := b.dial(t, "/ws/events", `{"subscribe":{"patients":["a","b"]}}`)
	same := b.dial(t, "/ws/events", `{"subscribe":{"subjects":["patient/b","patient/a","patient/a"]}}`)
	v.next("snapshot")
	same.next("snapshot")
	if n := b.Stats().Groups; n != 1 {
		t.Errorf("%d groups for equal sets, want 1", n)
	}
	begun := time.Now()
	const frames = 500
	for i := range frames {
		id := []string{"a", "b"}[i%2]
		b.put(t, i%2, reading(patient(id), m, at+vigil.Instant(i), float64(i)))
	}
	got, last := 0, map[vigil.Subject]float64{}
	for last[patient("a")] != frames-2 || last[patient("b")] != frames-1 {
		got++
		for _, r := range v.next("readings").readings(t) {
			last[r.Subject] = *r.Value
		}
	}
	if most := int(time.Since(begun)/(100*time.Millisecond)) + 1; got > most {
		t.Errorf("%d frames of readings in %v, want at most %d", got, time.Since(begun), most)
	}
	for last = map[vigil.Subject]float64{}; last[patient("b")] != frames-1; {
		for _, r := range same.next("readings").readings(t) {
			last[r.Subject] = *r.Value
		}
	}
	if s := b.Stats(); s.Readings > uint64(2*got)+2 {
		t.Errorf("%d readings were encoded for %d frames of 2 series", s.Readings, got)
	}
}

func TestUnthrottledDoesNotWaitForTheTick(t *testing.T) {
	b := start(t, func(c *Config) { c.Tick = time.Hour })
	v := b.dial(t, "/ws/events", `{"subscribe":{"patients":["a"],"unthrottled":true}}`)
	v.next("snapshot")
	b.put(t, 0, reading(patient("a"), spo2(), now(), 97))
	if r := v.next("readings").readings(t); *r[0].Value != 97 {
		t.Fatalf("got %+v", r)
	}
}

func TestHeartbeatRegistryAndErrors(t *testing.T) {
	b := start(t, nil)
	v := b.dial(t, "/ws/events", `{"subscribe":{"all":true}}`)
	v.next("snapshot")
	if f := v.next("heartbeat"); f.Cursor == "" || f.Time.IsZero() {
		t.Errorf("heartbeat without cursor or time: %+v", f)
	}
	b.RegistryChanged("device", "d-1")
	if f := v.next("registry"); string(f.Data) != `{"kind":"device","id":"d-1"}` {
		t.Errorf("got %s", f.Data)
	}
	for i := range 200 {
		b.RegistryChanged("device", fmt.Sprint(i))
	}
	if f := v.next("registry"); string(f.Data) != `{"kind":"device","id":""}` {
		t.Errorf("a mass change is told as %s", f.Data)
	}
	for _, bad := range []string{`{`, `{}`, `{"subscribe":{"patients":["../x"]}}`, `{"subscribe":{"subjects":["nobody"]}}`, `{"subscribe":{"subjects":[""]}}`} {
		v.ask(bad)
		if f := v.next("error"); len(f.Data) == 0 {
			t.Errorf("%s: no message", bad)
		}
	}
}

// TestResume lets devices raise events while a client comes and goes and
// changes what it looks at: it gets every event of its patients once, in order.
func TestResume(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := start(t, nil)
		subjects := []vigil.Subject{patient("a"), patient("b"), patient("c")}
		counts := rapid.SliceOfN(rapid.IntRange(0, 60), partitions, partitions).Draw(rt, "events")
		burst := rapid.IntRange(1, 5).Draw(rt, "events in a frame")
		sessions := rapid.SliceOfN(rapid.IntRange(1, 12), 0, 8).Draw(rt, "reads before each break")

		v := b.dial(t, "/ws/events", `{"subscribe":{"patients":["a","c"]}}`)
		f := v.next("snapshot")
		var devices sync.WaitGroup
		for p := range partitions {
			devices.Go(func() {
				var recs []vigil.Record
				for i := range counts[p] {
					recs = append(recs, event(subjects[p], uint64(i+1), nil))
					if len(recs) == burst || i == counts[p]-1 {
						b.put(t, p, append(recs, recs[0])...) // and a repeat, which the store drops
						recs = nil
					}
				}
			})
		}
		want := counts[0] + counts[2]
		got := map[string][]int{}
		total := 0
		begun := time.Now()
		take := func(f frame) {
			if time.Since(begun) > patience {
				t.Fatalf("%d of %d events came in %v", total, want, patience)
			}
			if f.Type != "event" {
				return
			}
			var e vigil.StoredEvent
			if err := json.Unmarshal(f.Data, &e); err != nil {
				t.Fatal(err)
			}
			got[f.Subject] = append(got[f.Subject], int(e.Taken.Time().UnixMicro()))
			total++
		}
		for _, n := range sessions {
			for range n {
				if total == want {
					break
				}
				f = v.mustRead()
				take(f)
			}
			v.conn.CloseNow()
			v = b.dial(t, "/ws/events", fmt.Sprintf(`{"subscribe":{"patients":["a","c"],"since":%q}}`, f.Cursor))
		}
		for total < want {
			take(v.mustRead())
		}
		devices.Wait()
		b.put(t, 0, event(patient("a"), 9999, nil)) // nothing may lie between
		for total == want {
			take(v.mustRead())
		}
		for i, n := range []int{counts[0] + 1, 0, counts[2]} {
			s := subjects[i].String()
			if len(got[s]) != n || !slices.IsSorted(got[s]) || len(slices.Compact(got[s])) != n {
				t.Fatalf("%s: got %v, want %d events in order, each once", s, got[s], n)
			}
		}
	})
}

// mustRead returns the next frame.
func (v *viewer) mustRead() frame {
	v.t.Helper()
	f, err := v.read()
	if err != nil {
		v.t.Fatal(err)
	}
	return f
}

// keys reads n events and returns their keys.
func (v *viewer) keys(n int) []int64 {
	v.t.Helper()
	var out []int64
	for range n {
		var e vigil.StoredEvent
		if err := json.Unmarshal(v.next("event").Data, &e); err != nil {
			v.t.Fatal(err)
		}
		out = append(out, int64(e.Taken))
	}
	return out
}

func TestEventsThatArriveDuringAReplayComeOnceAndAfterIt(t *testing.T) {
	b := start(t, nil)
	v := b.dial(t, "/ws/events", `{"subscribe":{"patients":["a"]}}`)
	since := v.next("snapshot").Cursor
	v.conn.CloseNow()
	for key := range uint64(3) {
		b.put(t, int(key), event(patient("a"), key+1, nil))
	}
	b.store.reading = func() {
		for p := range partitions {
			b.put(t, p, event(patient("a"), uint64(p)+4, nil))
		}
	}
	v = b.dial(t, "/ws/events", fmt.Sprintf(`{"subscribe":{"patients":["a"],"since":%q}}`, since))
	got := v.keys(6)
	b.put(t, 0, event(patient("a"), 7, nil))
	if got = append(got, v.keys(1)...); !slices.Equal(got, []int64{1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("got %v, want each of seven once and in order", got)
	}
}

// TestACursorOutlivesARestart starts a hub on a store that has to take in again
// what it had not committed: a client that resumes gets none of it twice.
func TestACursorOutlivesARestart(t *testing.T) {
	b := start(t, nil)
	v := b.dial(t, "/ws/events", `{"subscribe":{"patients":["a"]}}`)
	v.next("snapshot")
	var frames []vigil.Frame
	for key := range uint64(5) {
		f := b.store.apply(0, event(patient("a"), key+1, nil))
		frames = append(frames, f)
		if err := b.Consume(context.Background(), f); err != nil {
			t.Fatal(err)
		}
	}
	v.keys(4)
	since := v.next("event").Cursor
	committed := uint64(2)
	again := start(t, func(c *Config) {
		c.Snapshot, c.Resolver, c.Events = b.store, b.store, b.store
		b.store.committed = &committed
	})
	again.store = b.store
	v = again.dial(t, "/ws/events", fmt.Sprintf(`{"subscribe":{"patients":["a"],"since":%q}}`, since))
	v.next("snapshot")
	for _, f := range frames[committed:] {
		if err := again.Consume(context.Background(), f); err != nil {
			t.Fatal(err)
		}
	}
	again.put(t, 0, event(patient("a"), 6, nil))
	if got := v.keys(1); got[0] != 6 {
		t.Errorf("got event %d again", got[0])
	}
}

func TestFurtherPatientsAreReplayedOnTheSameConnection(t *testing.T) {
	b := start(t, nil)
	v := b.dial(t, "/ws/events", `{"subscribe":{"patients":["a"]}}`)
	start := v.next("snapshot").Cursor
	b.put(t, 0, event(patient("a"), 1, nil), event(patient("b"), 2, nil))
	v.next("event")
	v.ask(fmt.Sprintf(`{"subscribe":{"patients":["a","b"],"since":%q}}`, start))
	if f := v.next("event"); f.Subject != "patient/b" {
		t.Fatalf("got an event of %s again", f.Subject)
	}
	b.put(t, 0, event(patient("a"), 3, nil))
	if f := v.next("event"); f.Subject != "patient/a" {
		t.Fatalf("got %s", f.Subject)
	}
}

func TestCursorsThatCannotBeResumed(t *testing.T) {
	b := start(t, nil)
	old := cursor{at: time.Now().Add(-25 * time.Hour), positions: make([]uint64, partitions)}
	fresh := cursor{at: time.Now(), positions: make([]uint64, partitions)}
	for name, text := range map[string]string{
		"too old": old.text(b.epoch), "of another installation": fresh.text(b.epoch + 1), "nonsense": "x",
	} {
		t.Run(name, func(t *testing.T) {
			v := b.dial(t, "/ws/events", fmt.Sprintf(`{"subscribe":{"patients":["a"],"since":%q}}`, text))
			for {
				if _, err := v.read(); err != nil {
					if got := websocket.CloseStatus(err); got != closeFellBehind {
						t.Errorf("closed with %v, want 4008", err)
					}
					return
				}
			}
		})
	}
}

func TestAClientThatFallsBehindIsToldToFetchAnew(t *testing.T) {
	b := start(t, func(c *Config) { c.Queue = 16 })
	v := b.dial(t, "/ws/events", `{"subscribe":{"patients":["a"]}}`)
	v.next("snapshot")
	data := []byte(`"` + largeText(1<<20) + `"`)
	var key uint64
	for b.Stats().Behind == 0 && key < 500 {
		key++
		b.put(t, 0, event(patient("a"), key, data))
	}
	if key < 16 || b.Stats().Behind != 1 {
		t.Fatalf("after %d events %d clients were behind", key, b.Stats().Behind)
	}
	for {
		if _, err := v.read(); err != nil {
			if got := websocket.CloseStatus(err); got != closeFellBehind {
				t.Errorf("closed with %v, want 4008", err)
			}
			return
		}
	}
}

// largeText returns n letters.
func largeText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}

func TestAClientWithoutProgressIsCut(t *testing.T) {
	b := start(t, func(c *Config) { c.WriteTimeout, c.Queue = 100*time.Millisecond, 1000 })
	v := b.dial(t, "/ws/events", `{"subscribe":{"patients":["a"]}}`)
	v.next("snapshot")
	data := []byte(`"` + largeText(1<<20) + `"`)
	for key := range 100 {
		b.put(t, 0, event(patient("a"), uint64(key+1), data))
	}
	for deadline := time.Now().Add(patience); b.Stats().EventClients > 0; {
		if time.Now().After(deadline) {
			t.Fatal("a client that takes nothing is still there")
		}
		<-time.After(time.Millisecond)
	}
}

// TestASleepingClientRecovers lets a client sleep over many ticks: then it gets
// the newest value of every series, in far fewer frames than there were ticks.
func TestASleepingClientRecovers(t *testing.T) {
	b := start(t, func(c *Config) {
		c.Tick = time.Millisecond
		c.WriteTimeout = time.Minute // it sleeps, and the machine may be slow
	})
	ms := make([]*vigil.Metric, 400)
	for i := range ms {
		ms[i] = &vigil.Metric{Name: fmt.Sprintf("metric-%d-%s", i, largeText(200))}
	}
	v := b.dial(t, "/ws/events", `{"subscribe":{"patients":["a"]}}`)
	v.next("snapshot")
	at := now()
	const rounds = 400
	for i := range rounds {
		recs := make([]vigil.Record, 0, len(ms))
		for _, m := range ms {
			recs = append(recs, reading(patient("a"), m, at+vigil.Instant(i), float64(i)))
		}
		b.put(t, 0, recs...)
		<-time.After(time.Millisecond)
	}
	behind, frames := len(ms), 0
	for behind > 0 {
		frames++
		for _, r := range v.next("readings").readings(t) {
			if *r.Value == rounds-1 {
				behind--
			}
		}
	}
	t.Logf("%d rounds came in %d frames", rounds, frames)
	if frames >= rounds {
		t.Errorf("%d frames for %d rounds: nothing was folded", frames, rounds)
	}
}

func TestStopEndsEveryClient(t *testing.T) {
	store := newMemory()
	h := New(Config{Snapshot: store, Resolver: store, Events: store, Partitions: partitions, Now: time.Now})
	b := &bench{h, store, serve(t, h)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	v := b.dial(t, "/ws/events", `{"subscribe":{"patients":["a"]}}`)
	w := b.dial(t, "/ws/waves", `{"subscribe":{"patients":["a"]}}`)
	v.next("snapshot")
	w.mustRead()
	cancel()
	for _, x := range []*viewer{v, w} {
		for {
			if _, err := x.read(); err != nil {
				if got := websocket.CloseStatus(err); got != closeGoingAway {
					t.Errorf("closed with %v, want 1001", err)
				}
				break
			}
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
