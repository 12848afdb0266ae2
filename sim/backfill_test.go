package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/sim"
)

func TestBackfillIsABelievablePast(t *testing.T) {
	p, _ := hospital(t, 9)
	c := catalog(t)
	profile := map[vigil.DeviceID]string{}
	for _, s := range p.Scenes {
		for _, d := range s.Devices {
			profile[d.ID] = d.Profile
		}
	}
	const days = 14
	count, ids := map[string]int{}, map[string]bool{}
	now := day.Add(17 * time.Minute)
	var inRange, glucose float64
	var got devices.Decoded
	send := sender(func(_ context.Context, l vigil.Message) error {
		if !l.Historical || ids[l.ID] {
			t.Fatalf("historical %v, id %q twice %v", l.Historical, l.ID, ids[l.ID])
		}
		if l.Stated.Time().After(now) || l.Stated.Time().Before(now.Add(-days*24*time.Hour-time.Hour)) {
			t.Fatalf("%s at %v", l.Device, l.Stated)
		}
		ids[l.ID] = true
		x, _ := c.Profile(profile[l.Device])
		x.Decode(&got, l.Channel, l.Payload)
		if len(got.Refusals) > 0 {
			t.Fatalf("%s: %v in %s", l.Device, &got.Refusals[0], l.Payload)
		}
		for i := range got.Readings {
			r := &got.Readings[i]
			count[r.Metric.Name]++
			if r.Metric.Name == "glucose" && profile[l.Device] == "cgm" {
				glucose++
				if r.Value >= 70 && r.Value <= 180 && r.Usable() {
					inRange++
				}
			}
		}
		for i := range got.Events {
			count[got.Events[i].Type]++
		}
		return nil
	})
	if err := sim.Backfill(context.Background(), sim.BackfillConfig{Plan: p, Days: days, Until: vigil.InstantOf(now)}, send); err != nil {
		t.Fatal(err)
	}
	if want := 4 * days * 288.0; glucose < want-8 || glucose > want {
		t.Errorf("%g glucose samples of four sensors, want %g", glucose, want)
	}
	// People with diabetes spend some half to nine tenths of their time in
	// range; all of it or none of it is not believable.
	if part := inRange / glucose; part < 0.4 || part > 0.95 {
		t.Errorf("%.0f %% of glucose in 70 to 180 mg/dL", part*100)
	}
	for metric, least := range map[string]int{"weight": 4 * days, "nibp-sys": 7 * 2 * days, "dose-taken": 5 * days, "insulin": 4 * 3 * days, "room-temp": days * 1400, "hr": 5 * days * 1400} {
		if count[metric] < least {
			t.Errorf("%d times %s, want at least %d", count[metric], metric, least)
		}
	}
	again := 0
	err := sim.Backfill(context.Background(), sim.BackfillConfig{Plan: p, Days: days, Until: vigil.InstantOf(now.Add(20 * time.Minute))}, sender(func(_ context.Context, l vigil.Message) error {
		if !ids[l.ID] {
			again++
		}
		return nil
	}))
	if err != nil || again > 0 {
		t.Errorf("a second backfill in the same hour makes %d new lines, %v", again, err)
	}
}
