package store

import "sync/atomic"

// Stats are what the store has done since it was opened.
type Stats struct {
	Accepted    uint64 // points that were new
	Repeats     uint64 // readings, waves and events that were here already, and dropped
	Conflicts   uint64 // other values under a known identity, kept beside it
	Corrections uint64 // new versions
	Late        uint64 // points older than the newest of their series
	Elsewhere   uint64 // readings whose record is a document
	Refused     uint64 // readings without a metric, or of one that does not fit
	Waves       uint64 // wave blocks that were new
	Events      uint64 // events that were new
	Moved       uint64 // points, wave blocks and events given to another subject
	Checkpoints uint64
	Compacted   uint64 // chunks that were joined with others
	Series      int    // in the dictionary
}

// A tally is what one goroutine counted.
type tally struct {
	accepted, repeats, conflicts, corrections, late, elsewhere, refused, waves, events, moved uint64
}

// counters are the sums of tallies.
type counters struct {
	accepted, repeats, conflicts, corrections, late, elsewhere, refused, waves, events, moved atomic.Uint64
	checkpoints, compacted                                                                    atomic.Uint64
}

func (c *counters) add(t *tally) {
	c.accepted.Add(t.accepted)
	for _, x := range []struct {
		sum *atomic.Uint64
		n   uint64
	}{
		{&c.repeats, t.repeats}, {&c.conflicts, t.conflicts}, {&c.corrections, t.corrections}, {&c.late, t.late},
		{&c.elsewhere, t.elsewhere}, {&c.refused, t.refused}, {&c.waves, t.waves}, {&c.events, t.events}, {&c.moved, t.moved},
	} {
		if x.n > 0 {
			x.sum.Add(x.n)
		}
	}
}

// Stats returns the counters.
func (db *DB) Stats() Stats {
	c := &db.counts
	return Stats{
		Accepted: c.accepted.Load(), Repeats: c.repeats.Load(), Conflicts: c.conflicts.Load(),
		Corrections: c.corrections.Load(), Late: c.late.Load(), Elsewhere: c.elsewhere.Load(),
		Refused: c.refused.Load(), Waves: c.waves.Load(), Events: c.events.Load(), Moved: c.moved.Load(),
		Checkpoints: c.checkpoints.Load(), Compacted: c.compacted.Load(), Series: db.dict.len(),
	}
}
