package live

import (
	"context"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A batch is the readings of one frame, encoded once and shared by the clients
// of a group.
type batch struct {
	series []*series
	data   []byte // a JSON list of vigil.ReadingNow
}

// takeDirty empties the list of changed series of a lane.
func (h *Hub) takeDirty(l int) []*series {
	var out []*series
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		for _, s := range sh.dirty[l] {
			s.dirty[l] = false
		}
		out = append(out, sh.dirty[l]...)
		clear(sh.dirty[l])
		sh.dirty[l] = sh.dirty[l][:0]
		sh.mu.Unlock()
	}
	return out
}

// flush sends the newest reading of every series that changed since the last
// time to the clients of a lane: one frame for each client, encoded once for
// each group.
func (h *Hub) flush(ctx context.Context, l int) {
	h.flushing.Lock()
	defer h.flushing.Unlock()
	changed := append(h.takeDirty(l), h.lanes[l].again...)
	h.lanes[l].again = nil
	if len(changed) == 0 {
		return
	}
	parts := h.encodeChanged(ctx, l, h.seen(l, changed))
	if len(parts) == 0 {
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	batches := map[*group]*batch{}
	for i := range parts {
		p := &parts[i]
		h.eachGroup(p.series.Subject, func(g *group) {
			if g.lane != l {
				return
			}
			b, ok := batches[g]
			if !ok {
				b = &batch{data: []byte{'['}}
				batches[g] = b
			}
			b.add(p.series, p.json)
		})
	}
	for g, b := range batches {
		b.data = append(b.data, ']')
		for c := range g.clients {
			c.offerReadings(b)
		}
	}
}

// add appends one reading.
func (b *batch) add(s *series, json []byte) {
	if len(b.series) > 0 {
		b.data = append(b.data, ',')
	}
	b.series = append(b.series, s)
	b.data = append(b.data, json...)
}

// seen returns the series that somebody on the lane looks at.
func (h *Hub) seen(l int, changed []*series) []*series {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.DeleteFunc(changed, func(s *series) bool {
		for _, g := range h.bySubject[s.Subject] {
			if g.lane == l {
				return false
			}
		}
		for _, g := range h.forAll {
			if g.lane == l {
				return false
			}
		}
		return true
	})
}

// A part is one encoded reading.
type part struct {
	series *series
	json   []byte
}

// encodeChanged encodes the newest reading of each series, unless it was sent
// on this lane before: late data does not move a number back.
func (h *Hub) encodeChanged(ctx context.Context, l int, changed []*series) []part {
	latest, ok := h.latest(ctx, changed)
	if !ok {
		h.lanes[l].again = changed
		return nil
	}
	parts := make([]part, 0, len(changed))
	buf := make([]byte, 0, len(changed)*300)
	for _, s := range changed {
		p, ok := latest[s.ID]
		if !ok || p == s.shown[l] {
			continue
		}
		s.shown[l] = p
		from := len(buf)
		r := s.Now(p)
		buf = r.AppendJSON(buf)
		parts = append(parts, part{s, buf[from:len(buf):len(buf)]})
	}
	h.stats.readings.Add(uint64(len(parts)))
	return parts
}

// latest reads the newest point of each series, and false when the store cannot
// be read, which is logged.
func (h *Hub) latest(ctx context.Context, list []*series) (map[vigil.SeriesID]vigil.Point, bool) {
	if len(list) == 0 {
		return nil, true
	}
	ids := make([]vigil.SeriesID, len(list))
	for i, s := range list {
		ids[i] = s.ID
	}
	m, err := h.c.Snapshot.Latest(ctx, ids)
	if err != nil && ctx.Err() == nil {
		h.c.Log.ErrorContext(ctx, "cannot read the newest readings", "series", len(ids), "error", err)
	}
	return m, err == nil
}

// encodeNewest encodes the newest readings for a client that missed frames.
func (h *Hub) encodeNewest(ctx context.Context, missed map[*series]struct{}) []byte {
	list := make([]*series, 0, len(missed))
	for s := range missed {
		list = append(list, s)
	}
	latest, _ := h.latest(ctx, list)
	b := batch{data: []byte{'['}}
	for _, s := range list {
		if p, ok := latest[s.ID]; ok {
			r := s.Now(p)
			b.add(s, r.AppendJSON(nil))
		}
	}
	return append(b.data, ']')
}

// A snapshotData is what a client starts from.
type snapshotData struct {
	Readings []vigil.ReadingNow `json:"readings"`
	States   []State            `json:"states"`
}

// snapshot reads the newest reading of every series that the group sees and
// that was heard within the horizon. The caller holds flushing.
func (h *Hub) snapshot(ctx context.Context, g *group) ([]byte, error) {
	out := snapshotData{Readings: []vigil.ReadingNow{}}
	if g.all || len(g.subjects) > 0 {
		q := vigil.SeriesQuery{}
		if !g.all {
			q.Subjects = g.subjects
		}
		all, err := h.c.Snapshot.Series(ctx, q)
		if err != nil {
			return nil, err
		}
		ids := make([]vigil.SeriesID, len(all))
		for i := range all {
			ids[i] = all[i].ID
		}
		latest, err := h.c.Snapshot.Latest(ctx, ids)
		if err != nil {
			return nil, err
		}
		oldest := vigil.InstantOf(h.c.Now().Add(-Horizon))
		for i := range all {
			if p, ok := latest[all[i].ID]; ok && (p.Arrived >= oldest || p.Taken >= oldest) {
				out.Readings = append(out.Readings, all[i].Now(p))
			}
		}
	}
	out.States = h.silences(g.wants)
	return encode(out), nil
}
