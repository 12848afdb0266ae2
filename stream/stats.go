package stream

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats is what the journal tells about itself.
type Stats struct {
	Partitions []PartitionStats
	// Damage lists what no longer reads, as far as it was met: at the start,
	// and by consumers.
	Damage []*DamagedError
	Free   uint64 // bytes free on the journal's disk; 0 when there is no folder
	Full   bool   // appends are refused because of that
	// SyncVerified: the servers said that they sync every write. Always true
	// with the embedded one.
	SyncVerified bool
}

// PartitionStats is what one partition has done since the start.
type PartitionStats struct {
	First, Head uint64 // the oldest frame that was not trimmed, and the newest
	Frames      uint64
	Records     uint64
	Bytes       uint64 // of frames, as they were written
	Failures    uint64 // frames whose senders were refused
	Queued      int64  // bytes that wait or are being written now
	Sync        Histogram
	Err         error // why nothing can be written now, nil when it can
}

// A Histogram counts durations.
type Histogram struct {
	// Bounds are the upper ends of the buckets, inclusive; Counts has one
	// more, for what is above.
	Bounds []time.Duration
	Counts []uint64
	Sum    time.Duration
}

// Quantile returns a duration that the share q (0 to 1) of the durations does
// not exceed, to within the width of a bucket; 0 when there are none.
func (h Histogram) Quantile(q float64) time.Duration {
	total := uint64(0)
	for _, n := range h.Counts {
		total += n
	}
	seen := uint64(0)
	for i, n := range h.Counts {
		seen += n
		if n > 0 && float64(seen) >= q*float64(total) {
			return h.Bounds[min(i, len(h.Bounds)-1)]
		}
	}
	return 0
}

// syncBounds grow by a quarter from 0.1 ms to more than 30 s.
func syncBounds() []time.Duration {
	var b []time.Duration
	for d := 100 * time.Microsecond; d < 32*time.Second; d += d / 4 {
		b = append(b, d)
	}
	return b
}

// partitionStats gathers.
type partitionStats struct {
	first atomic.Uint64

	mu       sync.Mutex
	frames   uint64
	records  uint64
	bytes    uint64
	failures uint64
	sync     Histogram
}

func (s *partitionStats) wrote(records, bytes int, took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failures++
		return
	}
	s.frames++
	s.records += uint64(records) // #nosec G115 -- a count
	s.bytes += uint64(bytes)     // #nosec G115 -- a count
	if s.sync.Counts == nil {
		s.sync.Bounds = syncBounds()
		s.sync.Counts = make([]uint64, len(s.sync.Bounds)+1)
	}
	i := 0
	for i < len(s.sync.Bounds) && took > s.sync.Bounds[i] {
		i++
	}
	s.sync.Counts[i]++
	s.sync.Sum += took
}

// Stats returns what the journal has done and how it is.
func (j *Journal) Stats() Stats {
	out := Stats{Free: j.free.Load(), Full: j.full.Load(), SyncVerified: j.synced}
	for _, p := range j.parts {
		out.Partitions = append(out.Partitions, p.report())
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	out.Damage = append(out.Damage, j.damage...)
	return out
}

func (p *partition) report() PartitionStats {
	s := &p.stats
	out := PartitionStats{First: s.first.Load(), Head: p.head.Load(), Queued: p.queue.waiting.Load()}
	if e := p.failing.Load(); e != nil {
		out.Err = *e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Frames, out.Records, out.Bytes, out.Failures = s.frames, s.records, s.bytes, s.failures
	out.Sync = s.sync
	out.Sync.Counts = append([]uint64(nil), s.sync.Counts...)
	return out
}
