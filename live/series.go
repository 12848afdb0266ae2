package live

import (
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A series is what the hub remembers of one series: little, because there are
// many. The values themselves are the store's.
type series struct {
	vigil.Series
	// taken, key and version order readings: an older one, or a repeat, does
	// not count as news.
	taken vigil.Instant
	key   uint64
	value float64
	// heard is when the last new usable reading arrived, on the hub's own
	// monotonic clock (time since the start); heardAt is the same as said by
	// the server's clock.
	heard   time.Duration
	heardAt vigil.Instant
	limit   time.Duration // silence limit; 0 is never
	watched bool
	silent  bool

	dirty [laneCount]bool
	shown [laneCount]vigil.Point

	// waves only
	end      vigil.Instant // end of the last block that was passed on
	passedAt time.Duration
}

// A shard is the part of the series that belongs to one partition: one
// goroutine writes it, the clocks read it.
type shard struct {
	mu      sync.Mutex
	sources map[source]*metrics
	byID    map[vigil.SeriesID]*series
	silent  map[*series]struct{}
	dirty   [laneCount][]*series
}

// A source is where readings come from and whose they are.
type source struct {
	subject vigil.Subject
	device  vigil.DeviceID
	channel string
}

// metrics are the series of one source. Metrics are shared by pointer, so a
// short list of pointers is the fastest map.
type metrics struct {
	known []known
}

// known is a metric and its series, nil when the store keeps none.
type known struct {
	metric *vigil.Metric
	series *series
}

// maxKnown bounds the list against metrics that are not shared.
const maxKnown = 256

// init makes the maps.
func (sh *shard) init() {
	sh.sources = map[source]*metrics{}
	sh.byID = map[vigil.SeriesID]*series{}
	sh.silent = map[*series]struct{}{}
}

// source returns the series of a record's source.
func (sh *shard) source(r *vigil.Record) *metrics {
	k := source{r.Subject, r.Message.Device, r.Message.Channel}
	ms, ok := sh.sources[k]
	if !ok {
		ms = &metrics{}
		sh.sources[k] = ms
	}
	return ms
}

// find returns the series of a metric, nil when the store keeps none.
func (h *Hub) find(sh *shard, ms *metrics, r *vigil.Record, m *vigil.Metric) *series {
	for i := range ms.known {
		if ms.known[i].metric == m {
			return ms.known[i].series
		}
	}
	id, ok := h.c.Resolver.SeriesFor(r.Subject, r.Message.Device, r.Message.Channel, m)
	if !ok {
		h.stats.unresolved.Add(1)
		return nil // perhaps later: nothing is remembered
	}
	h.adopt(sh, id)
	s := sh.add(vigil.Series{
		ID: id, Subject: r.Subject, Device: r.Message.Device, Channel: r.Message.Channel, Metric: m,
	})
	if len(ms.known) >= maxKnown {
		ms.known = ms.known[:0]
	}
	ms.known = append(ms.known, known{m, s})
	return s
}

// add returns the series with this id, made when it is new.
func (sh *shard) add(v vigil.Series) *series {
	s, ok := sh.byID[v.ID]
	if !ok {
		s = &series{Series: v, limit: time.Duration(v.Metric.Silence) * time.Microsecond}
		sh.byID[v.ID] = s
	}
	return s
}

// forget drops a series that has not been heard for long.
func (sh *shard) forget(s *series) {
	delete(sh.byID, s.ID)
	delete(sh.silent, s)
	k := source{s.Subject, s.Device, s.Channel}
	ms, ok := sh.sources[k]
	if !ok {
		return
	}
	kept := ms.known[:0]
	for _, e := range ms.known {
		if e.series != s {
			kept = append(kept, e)
		}
	}
	clear(ms.known[len(kept):])
	ms.known = kept
	if len(kept) == 0 {
		delete(sh.sources, k)
	}
}
