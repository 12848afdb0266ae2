package live

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
)

// pendants is a registry whose devices have heartbeats.
type pendants struct {
	mu     sync.Mutex
	limits map[vigil.DeviceID]time.Duration
	serves map[vigil.DeviceID]vigil.Subject
}

func (p *pendants) limit(id vigil.DeviceID) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limits[id]
}

func (p *pendants) devices() []vigil.DeviceID {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []vigil.DeviceID
	for id := range p.limits {
		out = append(out, id)
	}
	return out
}

func (p *pendants) served(id vigil.DeviceID, _ vigil.Instant) vigil.Subject {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.serves[id]
}

// put registers a device with its heartbeat, or moves it.
func (p *pendants) put(id vigil.DeviceID, limit time.Duration, serves vigil.Subject) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limits[id], p.serves[id] = limit, serves
}

// newPendant is a hub that watches the device d-a of patient a.
func newPendant(t *testing.T, limit time.Duration) (*watched, *pendants) {
	t.Helper()
	p := &pendants{limits: map[vigil.DeviceID]time.Duration{}, serves: map[vigil.DeviceID]vigil.Subject{}}
	p.put("d-a", limit, patient("a"))
	c := &clock{at: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	store := newMemory()
	return watchedWith(t, store, c, Config{
		Snapshot: store, Resolver: store, Events: store, Partitions: partitions, Now: c.now, Serves: p.served,
		Heartbeat: p.limit, Devices: p.devices, Log: slog.New(slog.DiscardHandler),
	}), p
}

// speak lets a message without a reading arrive now.
func (w *watched) speak(t *testing.T, change func(*vigil.Record)) {
	t.Helper()
	at := vigil.InstantOf(w.clock.now())
	r := vigil.Record{Kind: vigil.Understood, Subject: patient("a"), Message: vigil.Message{Device: "d-a", Arrived: at}}
	if change != nil {
		change(&r)
	}
	w.put(t, 0, r)
}

func everyone(vigil.Subject) bool { return true }

func TestHeartbeat(t *testing.T) {
	w, _ := newPendant(t, 15*time.Minute)
	w.clock.move(20 * time.Minute)
	w.speak(t, nil)
	last := vigil.InstantOf(w.clock.now())
	said, at := w.after(t, 40*time.Minute)
	if len(said) != 1 || said[0] != "silent " || at[0] != 16*time.Minute+30*time.Second {
		t.Fatalf("said %v at %v, want silent once after 16 min 30 s", said, at)
	}
	want := State{Subject: patient("a"), Device: "d-a", State: "silent", Since: last}
	if s := w.silences(everyone); len(s) != 1 || s[0] != want {
		t.Fatalf("snapshot has %+v, want %+v", s, want)
	}
	if s := w.silences(func(s vigil.Subject) bool { return s == patient("b") }); len(s) != 0 {
		t.Fatalf("snapshot of somebody else has %+v", s)
	}
	w.speak(t, nil)
	want.State, want.Since = "heard", vigil.InstantOf(w.clock.now())
	if s := w.states(t); len(s) != 1 || s[0] != want {
		t.Fatalf("said %+v, want %+v", s, want)
	}
	if s := w.silences(everyone); len(s) != 0 {
		t.Fatalf("snapshot has %+v", s)
	}
	if said, at := w.after(t, 20*time.Minute); len(said) != 1 || at[0] != 16*time.Minute+30*time.Second {
		t.Errorf("said %v at %v, want silent again after 16 min 30 s", said, at)
	}
}

func TestHeartbeatOnTimeIsNotMissed(t *testing.T) {
	w, _ := newPendant(t, 15*time.Minute)
	for range 8 {
		if said, _ := w.after(t, 15*time.Minute+2*time.Second); len(said) != 0 {
			t.Fatalf("said %v of a device that beats as often as it should", said)
		}
		w.speak(t, nil)
	}
}

func TestHeartbeatIsAnyMessageOfNow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*vigil.Record)
		counts bool
	}{
		{"without a reading", nil, true},
		{"with an event", func(r *vigil.Record) {
			r.Events = []vigil.Event{{Type: "button", Taken: 1, Key: 1, KeyKind: vigil.KeyNumber}}
		}, true},
		{"historical", func(r *vigil.Record) { r.Message.Historical = true }, false},
		{"quarantined", func(r *vigil.Record) {
			r.Kind, r.Refusal = vigil.Quarantined, &vigil.Refusal{Reason: "not JSON"}
		}, false},
		{"of another device", func(r *vigil.Record) { r.Message.Device = "d-b" }, false},
		{"arrived long ago", func(r *vigil.Record) { r.Message.Arrived = 1 }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, _ := newPendant(t, 2*time.Minute)
			w.speak(t, nil)
			w.after(t, time.Minute)
			w.speak(t, tt.change)
			want := time.Minute + 12*time.Second
			if tt.counts {
				want += time.Minute
			}
			if said, at := w.after(t, 3*time.Minute); len(said) != 1 || at[0] != want {
				t.Errorf("said %v at %v, want silent after %v", said, at, want)
			}
		})
	}
}

func TestHeartbeatAfterAStart(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{
		10 * time.Second: time.Minute, 10 * time.Minute: 11 * time.Minute,
	} {
		w, _ := newPendant(t, limit)
		start := vigil.InstantOf(w.clock.now())
		if said, at := w.after(t, 20*time.Minute); len(said) != 1 || at[0] != want {
			t.Errorf("limit %v: said %v at %v, want silent after %v", limit, said, at, want)
		}
		if s := w.silences(everyone); len(s) != 1 || s[0].Since != start {
			t.Errorf("limit %v: snapshot has %+v, want since the start", limit, s)
		}
	}
}

func TestHeartbeatOfADeviceThatServesNobody(t *testing.T) {
	w, p := newPendant(t, 2*time.Minute)
	p.put("d-a", 2*time.Minute, vigil.Subject{})
	if said, _ := w.after(t, 5*time.Minute); len(said) != 0 {
		t.Fatalf("said %v of a device in the drawer", said)
	}
	p.put("d-a", 2*time.Minute, patient("b"))
	w.watch(w.clock.move(time.Second))
	if s := w.states(t); len(s) != 1 || s[0].State != "silent" || s[0].Subject != patient("b") {
		t.Fatalf("said %+v, want silent as to b", s)
	}
	p.put("d-a", 2*time.Minute, vigil.Subject{})
	if said, _ := w.after(t, time.Second); len(said) != 0 || len(w.silences(everyone)) != 0 {
		t.Errorf("said %v of a device that was taken off, snapshot has %+v", said, w.silences(everyone))
	}
}

func TestHeartbeatOfANewDevice(t *testing.T) {
	w, p := newPendant(t, 0)
	w.after(t, 10*time.Minute)
	p.put("d-a", 2*time.Minute, patient("a"))
	if said, _ := w.after(t, 5*time.Minute); len(said) != 0 {
		t.Fatalf("said %v before the registry was read", said)
	}
	w.RegistryChanged("device", "d-a")
	if said, at := w.after(t, 5*time.Minute); len(said) != 1 || at[0] != 2*time.Minute+13*time.Second {
		t.Fatalf("said %v at %v, want silent 2 min 12 s after it was read", said, at)
	}
	w.RegistryChanged("device", "d-b")
	if said, _ := w.after(t, time.Minute); len(said) != 0 || len(w.silences(everyone)) != 1 {
		t.Errorf("another change said %v, snapshot has %+v", said, w.silences(everyone))
	}
	p.put("d-a", 0, patient("a"))
	w.RegistryChanged("device", "d-a")
	if w.after(t, time.Second); len(w.silences(everyone)) != 0 {
		t.Errorf("without a heartbeat snapshot has %+v", w.silences(everyone))
	}
}

func TestHeartbeatsUnderLoad(t *testing.T) {
	w, p := newPendant(t, time.Second)
	w.clock.move(2 * time.Minute)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 200 {
			w.watch(w.clock.move(time.Second))
			w.RegistryChanged("device", "d-a")
			w.silences(everyone)
		}
	})
	for range 200 {
		w.speak(t, nil)
		p.put("d-a", time.Second, patient("a"))
	}
	wg.Wait()
	last := "heard"
	for _, s := range w.states(t) {
		if s.State == last {
			t.Fatalf("said %s twice in a row", last)
		}
		last = s.State
	}
	if silent := len(w.silences(everyone)) == 1; silent != (last == "silent") {
		t.Errorf("last said %s, snapshot has silent %v", last, silent)
	}
}
