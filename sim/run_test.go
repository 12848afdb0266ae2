package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim"
	"github.com/vigil-iomt/vigil/sim/wire"
)

// counting is a hook that counts what a real broker received.
type counting struct {
	broker.HookBase
	mu    sync.Mutex
	count map[string]int
}

func (c *counting) ID() string           { return "counting" }
func (c *counting) Provides(b byte) bool { return b == broker.OnPublish }

func (c *counting) OnPublish(_ *broker.Client, p packets.Packet) (packets.Packet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[p.TopicName+string(p.Payload)]++
	return p, nil
}

func TestTheHospitalSpeaksToARealBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := broker.New(&broker.Options{Logger: slog.New(slog.DiscardHandler)})
	heard := &counting{count: map[string]int{}}
	if err := errors.Join(s.AddHook(new(auth.AllowHook), nil), s.AddHook(heard, nil), s.AddListener(listeners.NewNet("t", l)), s.Serve()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, rec := hospital(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err = sim.Run(ctx, sim.Config{
		Plan: p, MQTT: "tcp://" + l.Addr().String(), Recordings: rec, Speed: 20, For: 10 * time.Second,
		Now: func() time.Time { return time.Now() },
	})
	if err != nil {
		t.Fatal(err)
	}
	var want int
	from := vigil.InstantOf(day)
	_ = sim.Generate(ctx, p, rec, from, from.Add(10*time.Second), output(func(vigil.Instant, vigil.Message) { want++ }))
	if got := len(heard.count); got < want*97/100 || got > want*103/100 {
		t.Errorf("%d messages arrived, want about %d", got, want)
	}
}

func TestTheHospitalSpeaksHTTP(t *testing.T) {
	var mu sync.Mutex
	lines, first, last := 0, vigil.Instant(0), vigil.Instant(0)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		for d := json.NewDecoder(r.Body); ; lines++ {
			var l wire.Line
			if err := d.Decode(&l); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			if first == 0 || l.Time < first {
				first = l.Time
			}
			last = max(last, l.Time)
			if l.Device != "cgm-auklet" && !strings.HasPrefix(r.Header.Get("Authorization"), "Basic ") {
				http.Error(w, "no credentials", http.StatusUnauthorized)
				return
			}
		}
		_, _ = io.WriteString(w, `{"accepted":1}`)
	}))
	defer server.Close()
	p, rec := hospital(t, 3)
	began := vigil.InstantOf(time.Now())
	err := sim.Run(context.Background(), sim.Config{Plan: p, HTTP: server.URL, Recordings: rec, Speed: 50, For: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	// Nothing lies in the future, and the run ends in the present.
	if lines < 500 || last > vigil.InstantOf(time.Now()) || last < began-1e6 || last.Sub(first) < 9*time.Second {
		t.Errorf("%d lines from %v to %v, began at %v", lines, first, last, began)
	}
}

func TestRunRefusesWhatCannotBe(t *testing.T) {
	p, _ := hospital(t, 1)
	for name, c := range map[string]sim.Config{
		"no server":         {Plan: p},
		"fast without end":  {Plan: p, MQTT: "tcp://127.0.0.1:1", Speed: 5},
		"backwards":         {Plan: p, MQTT: "tcp://127.0.0.1:1", Speed: -1},
		"an unknown device": {Plan: &sim.Plan{Scenes: []sim.Scene{{Devices: []sim.Device{{Device: vigil.Device{ID: "x", Profile: "toaster"}}}}}}, MQTT: "tcp://127.0.0.1:1"},
	} {
		if err := sim.Run(context.Background(), c); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRunEndsWhenItIsTold(t *testing.T) {
	p, _ := hospital(t, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := sim.Run(ctx, sim.Config{Plan: p, MQTT: "tcp://127.0.0.1:1"}); err != nil {
		t.Errorf("got %v", err)
	}
}

// registrar remembers what it was told.
type registrar struct{ locations, patients, devices, reserve int }

func (r *registrar) Location(context.Context, vigil.Location) error { r.locations++; return nil }

func (r *registrar) Patient(context.Context, vigil.Patient, string, vigil.Instant) error {
	r.patients++
	return nil
}

func (r *registrar) Device(_ context.Context, d vigil.Device, s vigil.Subject, _ vigil.Instant) (string, error) {
	r.devices++
	if s.Kind == vigil.NoSubject {
		r.reserve++
	}
	return "secret-" + string(d.ID), nil
}

func TestTheHospitalIsAsItIsDescribed(t *testing.T) {
	p, err := sim.Hospital(sim.HospitalConfig{Seed: 1, Recording: "203"})
	if err != nil {
		t.Fatal(err)
	}
	r := &registrar{}
	secrets, err := p.Register(context.Background(), r, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r.locations != 24+1+12 || r.patients != 23+12 || r.reserve != 1 || r.devices != len(secrets) || secrets["monitor-07"] != "secret-monitor-07" {
		t.Errorf("%+v, %d secrets", r, len(secrets))
	}
	seen := map[vigil.DeviceID]string{}
	for _, s := range p.Scenes {
		for _, d := range s.Devices {
			seen[d.ID] = s.Location.ID
		}
	}
	if seen["recorder-05"] != "4-east-05" {
		t.Error("bed 05 has no recorder")
	}
	var spoke = map[vigil.DeviceID]int{}
	from := vigil.InstantOf(day)
	out := output(func(at vigil.Instant, l vigil.Message) {
		if at.Sub(from) > time.Minute {
			spoke[l.Device]++
		}
	})
	if err := sim.Generate(context.Background(), p, nil, from, from.Add(100*time.Second), out); err != nil {
		t.Fatal(err)
	}
	if spoke["monitor-14"] > 0 || spoke["monitor-19"] > 0 || spoke["monitor-22"] > 0 {
		t.Errorf("beds 14, 19 and 22 said %d, %d and %d things in the second minute", spoke["monitor-14"], spoke["monitor-19"], spoke["monitor-22"])
	}
	if spoke["monitor-01"] < 100 {
		t.Errorf("bed 01 said %d things", spoke["monitor-01"])
	}
}
