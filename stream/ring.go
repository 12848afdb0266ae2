package stream

import (
	"sort"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// A ring keeps the newest frames of a partition as they were given, so that a
// consumer that keeps up does not decode them.
type ring struct {
	max int // bytes

	mu     sync.RWMutex
	frames []vigil.Frame // by Seq; frames of other nodes are missing
	firsts []uint64      // the producer's sequence of the first record of each
	costs  []int
	total  int
}

// put adds the newest frame and lets the oldest go.
func (r *ring) put(f vigil.Frame, first uint64, cost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames = append(r.frames, f)
	r.firsts = append(r.firsts, first)
	r.costs = append(r.costs, cost)
	r.total += cost
	drop := 0
	for r.total > r.max && drop < len(r.frames)-1 {
		r.total -= r.costs[drop]
		r.frames[drop] = vigil.Frame{}
		drop++
	}
	r.frames, r.firsts, r.costs = r.frames[drop:], r.firsts[drop:], r.costs[drop:]
}

// get returns a frame and the producer's sequence of its first record, and false
// when the ring does not have it.
func (r *ring) get(seq uint64) (vigil.Frame, uint64, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	i := sort.Search(len(r.frames), func(i int) bool { return r.frames[i].Seq >= seq })
	if i < len(r.frames) && r.frames[i].Seq == seq {
		return r.frames[i], r.firsts[i], true
	}
	return vigil.Frame{}, 0, false
}

// Rough sizes in memory of what a record holds, to bound the ring.
const (
	recordCost  = 320
	readingCost = 80
	waveCost    = 128
	eventCost   = 256
)

// costOf returns about how many bytes a record takes in memory.
func costOf(r *vigil.Record) int {
	n := recordCost + len(r.Message.Payload) + readingCost*len(r.Readings)
	for i := range r.Waves {
		n += waveCost + 4*len(r.Waves[i].Samples)
	}
	for i := range r.Events {
		n += eventCost + len(r.Events[i].Data)
	}
	return n
}
