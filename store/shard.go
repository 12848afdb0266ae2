package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/chunk"
)

// A shard is the memory of one partition: the series whose subjects the journal
// keeps there.
type shard struct {
	no      int
	applied atomic.Uint64
	turn    chan struct{} // who changes the partition as a whole: Consume, Take, a rebuild
	moved   chan struct{} // a rebuild, or a Take, is done

	mu      sync.RWMutex
	held    bool   // checkpoints write this partition; always in a store that is alone
	lease   uint64 // epoch of the lease, as long as it is not known to be lost
	base    base
	sources map[sourceKey]*source
	intake
	pts, all []vigil.Point
	blocks   []vigil.Wave
	decoder  chunk.Decoder
}

// A base is what of the database the memory of a partition was built upon.
type base struct {
	cut int64         // how often the partition had been written
	at  vigil.Instant // the last time
}

// An intake is what was taken in of a partition and is not, or need not be, in
// the database.
type intake struct {
	// seq is the last frame that is applied as a whole, items how many items
	// of the frame behind it are: a record is one item, each of its readings,
	// waves and events another.
	seq, items uint64
	dirty      []*series
	loaded     []*series
	bytes      int // encoded since the last checkpoint
	// seen are message ids since the last checkpoint but one: what is being
	// written stays here until it is written.
	seen, writing map[messageHash]seenAt
	windows       []*series // those that have refs, oldest first
	hot           []*window // those that have decoded chunks, oldest first
}

func newShard(no int, held bool) *shard {
	return &shard{
		no: no, held: held, turn: make(chan struct{}, 1), moved: make(chan struct{}, 1),
		sources: map[sourceKey]*source{}, intake: intake{seen: map[messageHash]seenAt{}},
	}
}

// enter waits for the partition's turn; leave ends it.
func (sh *shard) enter(ctx context.Context) error {
	select {
	case sh.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case sh.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for partition %d: %w", sh.no, ctx.Err())
	}
}

func (sh *shard) leave() { <-sh.turn }

// mark lists a series for the next checkpoint.
func (sh *shard) mark(s *series, epoch uint32) {
	s.touched = epoch
	if !s.dirty {
		s.dirty = true
		sh.dirty = append(sh.dirty, s)
	}
}

// A sourceKey is what readings of one record have in common.
type sourceKey struct {
	subject vigil.Subject
	device  vigil.DeviceID
	channel string
}

// A source remembers which series the metrics of its readings belong to.
// Metrics are known by pointer; the same metric may come under several.
type source struct {
	metrics []*vigil.Metric
	series  []*series
	next    int // where the metric after the last one found is likely to be
}

// maxMetrics bounds the pointers that a source remembers. Only pointers beyond
// the first of each metric are forgotten with it.
const maxMetrics = 1024

// get returns the series of a metric whose pointer is known.
func (src *source) get(m *vigil.Metric) *series {
	if src.next < len(src.metrics) && src.metrics[src.next] == m {
		src.next++
		return src.series[src.next-1]
	}
	for i, known := range src.metrics {
		if known == m {
			src.next = i + 1
			return src.series[i]
		}
	}
	return nil
}

func (src *source) put(m *vigil.Metric, s *series) {
	if len(src.metrics) >= maxMetrics {
		src.metrics, src.series = src.metrics[:0:0], src.series[:0:0]
	}
	src.metrics, src.series = append(src.metrics, m), append(src.series, s)
	src.next = len(src.metrics)
}

// lockAll locks every shard, in order.
func (db *DB) lockAll() {
	for _, sh := range db.shards {
		sh.mu.Lock()
	}
}

func (db *DB) unlockAll() {
	for _, sh := range db.shards {
		sh.mu.Unlock()
	}
}

// reading runs f while the series stays as it is.
func (s *series) reading(f func()) {
	for {
		h := s.home.Load()
		h.mu.RLock()
		if s.home.Load() == h {
			f()
			h.mu.RUnlock()
			return
		}
		h.mu.RUnlock()
	}
}
