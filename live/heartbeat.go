package live

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-iomt/vigil"
)

// heartbeats watches the devices that speak only when something happens, and
// that say now and then that they are still there.
type heartbeats struct {
	changed atomic.Bool // the registry changed since the devices were read
	mu      sync.Mutex
	byID    map[vigil.DeviceID]*heartbeat
}

// A heartbeat is what the hub remembers of one such device.
type heartbeat struct {
	limit time.Duration // silence limit, see limitOf
	// heard is when its last message arrived, on the hub's own monotonic clock;
	// heardAt is the same as said by the server's clock. Before its first
	// message that is when the hub got to know the device.
	heard   time.Duration
	heardAt vigil.Instant
	// missing is whom or what the silent device serves; nobody while it is heard.
	missing vigil.Subject
}

// limitOf returns when a device with a heartbeat is silent: a tenth later, because
// one that beats exactly that often is well, and its message takes a varying time.
func limitOf(heartbeat time.Duration) time.Duration { return heartbeat + heartbeat/10 }

// due tells whether the device has passed its limit, see series.due.
func (b *heartbeat) due(now time.Duration) bool {
	return now-b.heard >= b.limit && now >= max(b.limit, minAfterStart)
}

// state returns what is to be said of a device as to a subject. It is about no
// series and no metric.
func (b *heartbeat) state(id vigil.DeviceID, s vigil.Subject, word string) State {
	return State{Subject: s, Device: id, State: word, Since: b.heardAt}
}

// readHeartbeats puts every device with a heartbeat under watch. One that is new
// is given its whole limit from now on.
func (h *Hub) readHeartbeats(now time.Duration, at vigil.Instant) {
	if h.c.Heartbeat == nil || h.c.Devices == nil {
		return
	}
	kept := map[vigil.DeviceID]*heartbeat{}
	for _, id := range h.c.Devices() {
		if limit := h.c.Heartbeat(id); limit > 0 {
			kept[id] = &heartbeat{limit: limitOf(limit), heard: now, heardAt: at}
		}
	}
	h.beats.mu.Lock()
	defer h.beats.mu.Unlock()
	for id, b := range kept {
		if old, ok := h.beats.byID[id]; ok {
			old.limit = b.limit
			kept[id] = old
		}
	}
	h.beats.byID = kept
}

// hearDevices notes that the devices of a frame spoke, whatever they said. What
// was recorded at another time says nothing about now.
func (h *Hub) hearDevices(recs []vigil.Record, now time.Duration, at vigil.Instant) {
	if h.c.Heartbeat == nil {
		return
	}
	h.beats.mu.Lock()
	defer h.beats.mu.Unlock()
	if len(h.beats.byID) == 0 {
		return
	}
	var said []State
	for i := range recs {
		r := &recs[i]
		b, ok := h.beats.byID[r.Message.Device]
		if !ok || r.Kind != vigil.Understood || r.Message.Historical {
			continue
		}
		heard := now - max(at.Sub(r.Message.Arrived), 0)
		if heard <= b.heard {
			continue
		}
		b.heard, b.heardAt = heard, r.Message.Arrived
		if b.missing.Kind != vigil.NoSubject {
			said = append(said, b.state(r.Message.Device, b.missing, "heard"))
			b.missing = vigil.Subject{}
		}
	}
	h.sendStates(said) // under the mutex, so that silent and heard stay in order
}

// watchDevices finds the devices that fell silent while they serve somebody.
func (h *Hub) watchDevices(now time.Duration, at vigil.Instant) {
	if h.beats.changed.Swap(false) {
		h.readHeartbeats(now, at)
	}
	h.beats.mu.Lock()
	defer h.beats.mu.Unlock()
	var said []State
	for id, b := range h.beats.byID {
		if !b.due(now) {
			continue
		}
		served := vigil.Unattributed(id)
		if h.c.Serves != nil {
			served = h.c.Serves(id, at)
		}
		if served == b.missing {
			continue
		}
		b.missing = served
		if served.Kind != vigil.NoSubject {
			said = append(said, b.state(id, served, "silent"))
		}
	}
	h.sendStates(said)
}

// missingDevices returns the silent devices that pass a filter.
func (h *Hub) missingDevices(wanted func(vigil.Subject) bool) []State {
	h.beats.mu.Lock()
	defer h.beats.mu.Unlock()
	var out []State
	for id, b := range h.beats.byID {
		if b.missing.Kind != vigil.NoSubject && wanted(b.missing) {
			out = append(out, b.state(id, b.missing, "silent"))
		}
	}
	return out
}
