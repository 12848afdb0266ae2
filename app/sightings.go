package app

import (
	"context"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
)

const (
	// sightingSpan is how long what was seen of a device is told.
	sightingSpan = time.Hour
	// maxSighted bounds the devices that are remembered.
	maxSighted = 10_000
	// lateness is how long after it was measured a reading is late.
	lateness = time.Hour
	// manyLate is how many late messages of a device are a flood.
	manyLate = 1000
	// A device whose messages all come late by the same time does not catch
	// up: its clock is behind. This is how many messages, over how long, and
	// how equal.
	steadyMessages = 10
	steadyFor      = 30 * time.Second
	steadySpread   = 10 * time.Second
)

// A sighting is what the last hour's messages told of one device's clock.
type sighting struct {
	last    vigil.Instant // arrival of the newest message that counts here
	suspect int           // messages whose time could not be believed
	moved   int           // messages whose time was moved by the device's own now
	off     time.Duration // how far the clock was ahead, the last time one of these came
	late    int           // messages about more than an hour ago
	oldest  time.Duration // how late at most

	run steady
}

// A steady is an unbroken run of late messages.
type steady struct {
	n        int
	from     vigil.Instant
	min, max time.Duration // how late
}

// behind returns by how much the clock seems to be behind, 0 when it does not.
func (s *sighting) behind() time.Duration {
	if s.run.n < steadyMessages || s.last.Sub(s.run.from) < steadyFor || s.run.max-s.run.min > steadySpread {
		return 0
	}
	return s.run.min
}

// sightings watches the clocks of devices in the journal.
type sightings struct {
	mu      sync.Mutex
	devices map[vigil.DeviceID]*sighting
}

// consume is a consumer of the journal. One time is looked at in each record:
// all of a message come from the same clock.
func (s *sightings) consume(_ context.Context, f vigil.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range f.Records {
		r := &f.Records[i]
		if r.Kind != vigil.Understood || r.Message.Historical || r.Message.Replay != "" {
			continue
		}
		switch {
		case len(r.Readings) > 0:
			v := &r.Readings[0]
			s.see(r, v.Stated, v.Taken, v.Quality)
		case len(r.Waves) > 0:
			w := &r.Waves[0]
			s.see(r, w.Stated, w.Start, w.Quality)
		case len(r.Events) > 0:
			e := &r.Events[0]
			s.see(r, e.Stated, e.Taken, e.Quality)
		}
	}
	return nil
}

// see notes one time of a device.
func (s *sightings) see(r *vigil.Record, stated, taken vigil.Instant, q vigil.Quality) {
	d := s.devices[r.Message.Device]
	after := r.Message.Arrived.Sub(taken)
	odd := q.Has(vigil.ClockSuspect) || q.Has(vigil.ClockCorrected) || after > lateness
	if !odd {
		if d != nil {
			d.run = steady{}
		}
		return
	}
	if d == nil || r.Message.Arrived.Sub(d.last) > sightingSpan {
		if d == nil && len(s.devices) >= maxSighted {
			return
		}
		d = &sighting{}
		s.put(r.Message.Device, d)
	}
	d.last = max(d.last, r.Message.Arrived)
	switch {
	case q.Has(vigil.ClockSuspect):
		d.suspect++
		d.off = stated.Sub(r.Message.Arrived)
	case q.Has(vigil.ClockCorrected):
		d.moved++
		d.off = stated.Sub(taken)
	default:
		d.lateBy(after, r.Message.Arrived)
	}
}

// put lists a device.
func (s *sightings) put(id vigil.DeviceID, d *sighting) {
	if s.devices == nil {
		s.devices = map[vigil.DeviceID]*sighting{}
	}
	s.devices[id] = d
}

// lateBy notes a late message.
func (s *sighting) lateBy(by time.Duration, arrived vigil.Instant) {
	s.late++
	s.oldest = max(s.oldest, by)
	if s.run.n == 0 {
		s.run = steady{from: arrived, min: by, max: by}
	}
	s.run.n++
	s.run.min, s.run.max = min(s.run.min, by), max(s.run.max, by)
}

// recent returns what was seen of each device in the last hour.
func (s *sightings) recent(now vigil.Instant) map[vigil.DeviceID]sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[vigil.DeviceID]sighting{}
	for id, d := range s.devices {
		if now.Sub(d.last) > sightingSpan {
			delete(s.devices, id)
			continue
		}
		out[id] = *d
	}
	return out
}
