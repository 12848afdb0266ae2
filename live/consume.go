package live

import (
	"context"
	"fmt"
	"time"

	"github.com/vigil-iomt/vigil"
)

// Consume takes the next frame of a partition, which the store has applied
// already. Frames of one partition come in order from one goroutine; a frame
// that was consumed before is ignored.
func (h *Hub) Consume(ctx context.Context, f vigil.Frame) error {
	if f.Partition < 0 || f.Partition >= len(h.heads) {
		return fmt.Errorf("consume frame: there is no partition %d", f.Partition)
	}
	if f.Seq <= h.heads[f.Partition].Load()>>positionBits {
		return nil
	}
	n := intake{h: h, sh: &h.shards[f.Partition], now: h.uptime(h.c.Now()), at: vigil.InstantOf(h.c.Now())}
	n.records(f.Records)
	if err := n.settle(ctx); err != nil {
		return err
	}
	var events []vigil.StoredEvent
	if n.eventful {
		var err error
		if events, err = h.eventsOf(ctx, f.Partition, f.Seq); err != nil {
			return err
		}
	}
	h.sendEvents(f.Partition, events, lastOf(f.Seq))
	h.sendStates(n.changed)
	h.hearDevices(f.Records, n.now, n.at)
	n.pass()
	if n.marked[fast] {
		h.lanes[fast].signal()
	}
	return nil
}

// eventPage is how many events are read at once.
const eventPage = 256

// eventsOf reads the events of one frame as the store keeps them: without
// repeats.
func (h *Hub) eventsOf(ctx context.Context, partition int, seq uint64) ([]vigil.StoredEvent, error) {
	var out []vigil.StoredEvent
	after := firstOf(seq)
	for {
		page, err := h.c.Events.EventsAfter(ctx, partition, after, eventPage)
		if err != nil {
			return nil, fmt.Errorf("read events of frame %d of partition %d: %w", seq, partition, err)
		}
		for i := range page {
			if page[i].Position > lastOf(seq) {
				return out, nil
			}
			after = page[i].Position
			out = append(out, page[i])
		}
		if len(page) < eventPage {
			return out, nil
		}
	}
}

// An intake is the work on one frame.
type intake struct {
	h        *Hub
	sh       *shard
	now      time.Duration
	at       vigil.Instant
	eventful bool
	changed  []State
	marked   [laneCount]bool
	doubtful []doubt
	blocks   []passing
}

// A doubt is a reading that is new only if its message is; the store knows.
type doubt struct {
	s       *series
	arrived vigil.Instant
}

// records goes through the frame.
func (n *intake) records(recs []vigil.Record) {
	n.sh.mu.Lock()
	defer n.sh.mu.Unlock()
	for i := range recs {
		r := &recs[i]
		switch r.Kind {
		case vigil.Understood:
			n.record(r)
		case vigil.Reattributed:
			n.eventful = true
			n.h.noteMove(r.Change.Device)
		case vigil.Quarantined:
		}
	}
}

// record goes through what a message said.
func (n *intake) record(r *vigil.Record) {
	n.eventful = n.eventful || len(r.Events) > 0
	if len(r.Readings) == 0 && len(r.Waves) == 0 {
		return
	}
	ms := n.sh.source(r)
	for i := range r.Readings {
		v := &r.Readings[i]
		s := n.h.find(n.sh, ms, r, v.Metric)
		switch {
		case s == nil:
		case v.Quality.Has(vigil.StoredElsewhere):
			n.mark(s) // it is shown, and breaks no silence of a device
		default:
			n.reading(s, r, v)
		}
	}
	for i := range r.Waves {
		w := &r.Waves[i]
		if s := n.h.find(n.sh, ms, r, w.Metric); s != nil {
			n.wave(s, r, w)
		}
	}
}

// reading notes one reading.
func (n *intake) reading(s *series, r *vigil.Record, v *vigil.Reading) {
	n.mark(s)
	if !s.newer(v) {
		return
	}
	s.taken, s.key, s.value = v.Taken, v.Key, v.Value
	if !v.Usable() || v.Quality.Has(vigil.Historical) {
		return
	}
	if v.KeyKind == vigil.KeyMessage {
		n.doubtful = append(n.doubtful, doubt{s, r.Message.Arrived})
		return
	}
	n.hear(s, r.Message.Arrived)
}

// newer tells whether a reading is news: taken later than the newest, or at the
// same time and not the same again.
func (s *series) newer(v *vigil.Reading) bool {
	return v.Taken > s.taken || v.Taken == s.taken && (v.Key != s.key || v.Value != s.value || v.KeyKind == vigil.KeyPosition)
}

// hear notes that a series was heard.
func (n *intake) hear(s *series, arrived vigil.Instant) {
	at := n.now - max(n.at.Sub(arrived), 0)
	if n.sh.hear(s, at, arrived) {
		n.changed = append(n.changed, s.state())
	}
}

// settle asks the store which of the doubtful readings are news.
func (n *intake) settle(ctx context.Context) error {
	if len(n.doubtful) == 0 {
		return nil
	}
	ids := make([]vigil.SeriesID, len(n.doubtful))
	for i, d := range n.doubtful {
		ids[i] = d.s.ID
	}
	latest, err := n.h.c.Snapshot.Latest(ctx, ids)
	if err != nil {
		return fmt.Errorf("read newest of %d series: %w", len(ids), err)
	}
	n.sh.mu.Lock()
	defer n.sh.mu.Unlock()
	for _, d := range n.doubtful {
		if p, ok := latest[d.s.ID]; ok && p.Arrived == d.arrived {
			n.hear(d.s, d.arrived)
		}
	}
	return nil
}

// mark notes for every lane with subscribers that the series changed.
func (n *intake) mark(s *series) {
	for l := range laneCount {
		if n.h.lanes[l].groups.Load() == 0 || s.dirty[l] {
			continue
		}
		s.dirty[l] = true
		n.sh.dirty[l] = append(n.sh.dirty[l], s)
		n.marked[l] = true
	}
}
