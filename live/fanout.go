package live

import (
	"context"
	"encoding/json"

	"github.com/vigil-iomt/vigil"
)

// sendEvents hands the events of a frame to the clients that want them, and
// moves the head of the partition: both under one lock, so that a client that
// subscribes meanwhile either gets them here or reads them from the store.
func (h *Hub) sendEvents(partition int, events []vigil.StoredEvent, head uint64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for i := range events {
		e := &events[i]
		var m message
		h.eachGroup(e.Subject, func(g *group) {
			if m.data == nil {
				m = eventMessage(e)
			}
			for c := range g.clients {
				c.offer(m)
			}
		})
	}
	h.heads[partition].Store(head)
}

// eventMessage encodes an event.
func eventMessage(e *vigil.StoredEvent) message {
	return message{
		kind: "event", subject: e.Subject, data: encode(e), partition: e.Partition, position: e.Position,
	}
}

// encode returns v as JSON. What the hub encodes always can be.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return b
}

// sendStates tells the clients that series fell silent or are heard again.
func (h *Hub) sendStates(states []State) {
	if len(states) == 0 {
		return
	}
	h.stats.states.Add(uint64(len(states)))
	h.mu.RLock()
	defer h.mu.RUnlock()
	for i := range states {
		s := &states[i]
		var m message
		h.eachGroup(s.Subject, func(g *group) {
			if m.data == nil {
				m = message{kind: "state", subject: s.Subject, data: encode(s)}
			}
			for c := range g.clients {
				c.offer(m)
			}
		})
	}
}

// A change is one change of the registry.
type change struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// maxChanges is how many changes of one tick are told one by one; of more, each
// kind is told once, without an id.
const maxChanges = 64

// RegistryChanged notes that a device, patient, location, assignment or stay
// changed; the clients are told at the next tick.
func (h *Hub) RegistryChanged(kind, id string) {
	if kind == "device" {
		h.beats.changed.Store(true)
	}
	h.registryMu.Lock()
	defer h.registryMu.Unlock()
	h.registry[change{kind, id}] = struct{}{}
}

// noteMove notes that readings of a device changed their subject.
func (h *Hub) noteMove(id vigil.DeviceID) {
	h.registryMu.Lock()
	defer h.registryMu.Unlock()
	h.moved[id] = struct{}{}
	h.registry[change{"assignment", string(id)}] = struct{}{}
}

// sendRegistry tells every client what changed in the registry since the last
// tick, and looks at every series of devices whose readings were moved.
func (h *Hub) sendRegistry(ctx context.Context) {
	h.registryMu.Lock()
	changes, moved := h.registry, h.moved
	h.registry, h.moved = map[change]struct{}{}, map[vigil.DeviceID]struct{}{}
	h.registryMu.Unlock()
	if len(changes) > maxChanges {
		kinds := map[change]struct{}{}
		for c := range changes {
			kinds[change{Kind: c.Kind}] = struct{}{}
		}
		changes = kinds
	}
	h.mu.RLock()
	for ch := range changes {
		m := message{kind: "registry", data: encode(ch)}
		for c := range h.clients {
			if c.subscribed() {
				c.offer(m)
			}
		}
	}
	h.mu.RUnlock()
	if len(moved) > 0 {
		h.markMoved(ctx, moved)
	}
}

// markMoved marks every series of the devices, so that what is newest now is
// sent.
func (h *Hub) markMoved(ctx context.Context, moved map[vigil.DeviceID]struct{}) {
	q := vigil.SeriesQuery{}
	for id := range moved {
		q.Devices = append(q.Devices, id)
	}
	all, err := h.c.Snapshot.Series(ctx, q)
	if err != nil {
		h.c.Log.ErrorContext(ctx, "cannot read the series of moved devices", "error", err)
		return
	}
	for i := range all {
		h.markMovedSeries(all[i])
	}
}

// markMovedSeries marks one series wherever it is kept.
func (h *Hub) markMovedSeries(v vigil.Series) {
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		s, ok := sh.byID[v.ID]
		if !ok && i == len(h.shards)-1 {
			s, ok = sh.add(v), true
		}
		if ok {
			n := intake{h: h, sh: sh}
			n.mark(s)
		}
		sh.mu.Unlock()
		if ok {
			return
		}
	}
}
