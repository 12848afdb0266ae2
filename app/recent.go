package app

import (
	"sync"
	"time"

	"github.com/vigil-iomt/vigil/stream"
)

// recentSpan is how far back "now" reaches in what health says.
const recentSpan = time.Minute

// A look is how the journal and its consumers were at one moment.
type look struct {
	at          time.Time // with its monotonic reading
	head        []uint64  // the journal's newest frame, by partition
	applied     []uint64  // the store's position, by partition
	sync        stream.Histogram
	queued      int64
	quarantined uint64
	failed      uint64 // frames whose senders were refused
	refused     uint64 // messages that drivers did not keep
}

// A recent keeps the looks of the last minute.
type recent struct {
	mu    sync.Mutex
	looks []look // oldest first
}

// add keeps one more look and forgets what is over its time.
func (r *recent) add(l look) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := 0
	for old < len(r.looks) && l.at.Sub(r.looks[old].at) > recentSpan {
		old++
	}
	r.looks = append(r.looks[:copy(r.looks, r.looks[old:])], l)
}

// since calls f with every look that is kept, oldest first, until it returns
// false.
func (r *recent) since(f func(look) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.looks {
		if !f(l) {
			return
		}
	}
}

// oldest returns the oldest look of the last minute, or now when there is none.
func (r *recent) oldest(now look) look {
	then := now
	r.since(func(l look) bool { then = l; return false })
	return then
}

// A lag is how far the store is behind the journal.
type lag struct {
	frames uint64
	age    time.Duration // of the oldest frame that is not applied, to a second
	still  time.Duration // for how long nothing was applied though there was something
}

// lag compares a look with those before it.
func (r *recent) lag(now look) lag {
	var out lag
	for p, head := range now.head {
		at := now.applied[p]
		if head <= at {
			continue
		}
		out.frames += head - at
		r.since(func(l look) bool {
			if p >= len(l.head) || l.head[p] <= at {
				return true
			}
			out.age = max(out.age, now.at.Sub(l.at))
			if l.applied[p] == at {
				out.still = max(out.still, now.at.Sub(l.at))
			}
			return false
		})
	}
	return out
}

// slowest returns the 99th percentile of the synced writes between two looks, 0
// when there were none.
func slowest(then, now look) time.Duration {
	h := stream.Histogram{Bounds: now.sync.Bounds, Counts: make([]uint64, len(now.sync.Counts))}
	for i, n := range now.sync.Counts {
		if i < len(then.sync.Counts) {
			n -= then.sync.Counts[i]
		}
		h.Counts[i] = n
	}
	return h.Quantile(0.99)
}

// look takes a look at the journal and its consumers.
func (s *server) look(now time.Time) look {
	l := look{at: now, quarantined: s.ingest.Stats().Quarantined}
	if s.httpin != nil {
		l.refused = s.httpin.Stats().Refused
	}
	if s.mqtt != nil {
		l.refused += s.mqtt.Stats().Refused
	}
	for p, st := range s.journal.Stats().Partitions {
		l.head = append(l.head, st.Head)
		l.applied = append(l.applied, s.db.Applied(p))
		l.queued += st.Queued
		l.failed += st.Failures
		if len(st.Sync.Counts) == 0 {
			continue
		}
		if l.sync.Counts == nil {
			l.sync.Bounds, l.sync.Counts = st.Sync.Bounds, make([]uint64, len(st.Sync.Counts))
		}
		for i, n := range st.Sync.Counts {
			l.sync.Counts[i] += n
		}
	}
	return l
}
