package live

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
)

// clock is a clock that the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	return c.at
}

// watched is a hub whose clock stands still, with a group that notes states.
type watched struct {
	*bench
	clock *clock
	view  *client
}

func newWatched(t *testing.T, store *memory, serves func(vigil.DeviceID, vigil.Instant) vigil.Subject) *watched {
	t.Helper()
	c := &clock{at: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	return watchedWith(t, store, c, Config{Snapshot: store, Resolver: store, Events: store, Partitions: partitions,
		Now: c.now, Serves: serves, Log: slog.New(slog.DiscardHandler)})
}

// watchedWith is a hub made of c, whose Now is the clock.
func watchedWith(t *testing.T, store *memory, now *clock, c Config) *watched {
	t.Helper()
	h := New(c)
	if err := h.expect(context.Background()); err != nil {
		t.Fatal(err)
	}
	w := &watched{&bench{h, store, ""}, now, newClient(h, nil)}
	h.mu.Lock()
	h.clients[w.view] = struct{}{}
	h.join(w.view, newInterest(true, paced, nil))
	h.mu.Unlock()
	return w
}

// after moves the clock second by second, as Run does, and returns what was
// said about which second.
func (w *watched) after(t *testing.T, d time.Duration) (said []string, at []time.Duration) {
	t.Helper()
	for i := time.Second; i <= d; i += time.Second {
		w.watch(w.clock.move(time.Second))
		for _, s := range w.states(t) {
			said, at = append(said, s.State+" "+s.Metric), append(at, i)
		}
	}
	return said, at
}

// states empties the client's queue.
func (w *watched) states(t *testing.T) []State {
	t.Helper()
	w.view.mu.Lock()
	defer w.view.mu.Unlock()
	var out []State
	for _, m := range w.view.queue {
		var s State
		if m.kind != "state" {
			continue
		}
		if err := json.Unmarshal(m.data, &s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	w.view.queue = nil
	return out
}

// hear lets a reading arrive now.
func (w *watched) hear(t *testing.T, m *vigil.Metric, change func(*vigil.Record)) {
	t.Helper()
	r := reading(patient("a"), m, vigil.InstantOf(w.clock.now()), 97)
	if change != nil {
		change(&r)
	}
	w.put(t, 0, r)
}

func limited(d time.Duration) *vigil.Metric {
	return &vigil.Metric{Name: "spo2", Unit: "%", Silence: d.Microseconds()}
}

func TestSilence(t *testing.T) {
	w := newWatched(t, newMemory(), nil)
	m := limited(10 * time.Second)
	w.clock.move(2 * time.Minute)
	w.hear(t, m, nil)
	first := vigil.InstantOf(w.clock.now())
	if said, at := w.after(t, 30*time.Second); len(said) != 1 || said[0] != "silent spo2" || at[0] != 10*time.Second {
		t.Fatalf("said %v at %v, want silent once after 10 s", said, at)
	}
	if s := w.silences(func(vigil.Subject) bool { return true }); len(s) != 1 || s[0].Since != first {
		t.Fatalf("snapshot has %+v", s)
	}
	w.hear(t, m, nil)
	if s := w.states(t); len(s) != 1 || s[0].State != "heard" || s[0].Since != vigil.InstantOf(w.clock.now()) {
		t.Fatalf("said %+v, want heard once", s)
	}
	if s := w.silences(func(vigil.Subject) bool { return true }); len(s) != 0 {
		t.Fatalf("snapshot has %+v", s)
	}
}

func TestWhatDoesNotBreakASilence(t *testing.T) {
	var last vigil.Reading
	quality := func(q vigil.Quality) func(*vigil.Record) {
		return func(r *vigil.Record) { r.Readings[0].Quality = q }
	}
	for name, change := range map[string]func(*vigil.Record){
		"implausible":      quality(vigil.Implausible),
		"a state":          quality(vigil.Quality(0).With(vigil.SensorOff)),
		"historical":       quality(vigil.Historical),
		"late data":        func(r *vigil.Record) { r.Readings[0].Taken -= vigil.Instant(time.Hour.Microseconds()) },
		"a repeat":         func(r *vigil.Record) { r.Readings[0] = last },
		"stored elsewhere": quality(vigil.StoredElsewhere),
		"a repeated message": func(r *vigil.Record) {
			r.Message.ID, r.Readings[0].KeyKind = "m-1", vigil.KeyMessage
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatched(t, newMemory(), nil)
			m := limited(10 * time.Second)
			w.clock.move(2 * time.Minute)
			w.hear(t, m, func(r *vigil.Record) {
				last = r.Readings[0]
				if name == "a repeated message" {
					r.Message.ID, r.Readings[0].KeyKind = "m-1", vigil.KeyMessage
				}
			})
			w.after(t, 5*time.Second)
			w.hear(t, m, change)
			if said, at := w.after(t, 10*time.Second); len(said) != 1 || at[0] != 5*time.Second {
				t.Errorf("said %v at %v, want silent 10 s after the good one", said, at)
			}
			w.hear(t, m, nil)
			if s := w.states(t); len(s) != 1 || s[0].State != "heard" {
				t.Errorf("a good reading said %+v", s)
			}
		})
	}
}

func TestNothingIsSilentRightAfterAStart(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limit  time.Duration
		before time.Duration // last heard before the start
		want   time.Duration // 0 for never
	}{
		{"a short limit waits a minute", 10 * time.Second, time.Hour, time.Minute},
		{"a long limit counts from the start", 15 * time.Minute, time.Hour, 15 * time.Minute},
		{"what was not heard for a day is not missed", 10 * time.Second, 25 * time.Hour, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := newMemory()
			at := vigil.InstantOf(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC).Add(-tt.before))
			store.apply(1, reading(patient("a"), limited(tt.limit), at, 97))
			w := newWatched(t, store, nil)
			said, when := w.after(t, 20*time.Minute)
			switch {
			case tt.want == 0 && len(said) != 0:
				t.Errorf("said %v", said)
			case tt.want != 0 && (len(said) != 1 || when[0] != tt.want):
				t.Errorf("said %v at %v, want silent after %v", said, when, tt.want)
			}
			if tt.want != 0 {
				w.put(t, 1, reading(patient("a"), limited(tt.limit), vigil.InstantOf(w.clock.now()), 96))
				if s := w.states(t); len(s) != 1 || s[0].State != "heard" {
					t.Errorf("the shard that hears it says %+v", s)
				}
				if n := w.Stats().Series; n != 1 {
					t.Errorf("%d series, want 1", n)
				}
			}
		})
	}
}

func TestASeriesThatNobodyExpectsIsNotMissed(t *testing.T) {
	serves := patient("a")
	w := newWatched(t, newMemory(), func(vigil.DeviceID, vigil.Instant) vigil.Subject { return serves })
	w.clock.move(2 * time.Minute)
	m := limited(10 * time.Second)
	w.hear(t, m, nil)
	serves = patient("b")
	if said, _ := w.after(t, time.Minute); len(said) != 0 {
		t.Errorf("said %v of a patient whom the device no longer serves", said)
	}
	serves = patient("a")
	w.hear(t, m, nil)
	if said, _ := w.after(t, time.Minute); len(said) != 1 {
		t.Errorf("said %v, want silent", said)
	}
	serves = vigil.Subject{}
	w.after(t, time.Second)
	if n := w.Stats().Silent; n != 0 {
		t.Errorf("%d silent series of a device that was taken off", n)
	}
}
