package app

import (
	"time"

	"github.com/vigil-iomt/vigil"
)

// Limits of what health calls well.
const (
	maxLag = 5 * time.Second
	// maxStill is how long the store may stand still before it is called stuck.
	maxStill = 10 * time.Second
	// slowSync is how long a synced write may take. Devices wait for it.
	slowSync = 250 * time.Millisecond
	// muchQueued is how much may wait to be written: a quarter of what fits
	// into the queue of one partition.
	muchQueued = 4 << 20
)

// checkCaughtUp tells whether the consumers have what was in the journal at the
// start.
func (s *server) checkCaughtUp() Check {
	if s.caughtUp.Load() {
		return good("consumers", "caught up")
	}
	behind := uint64(0)
	for p := range s.journal.Partitions() {
		behind += s.journal.Head(p) - min(s.db.Applied(p), s.journal.Head(p))
	}
	return bad("consumers", "wait; the journal is being read since the last checkpoint", "catching up, %d frames behind", behind)
}

// checkConsumers tells how far what can be read is behind what was acknowledged.
func (s *server) checkConsumers(now look) Check {
	l := s.watch.recent.lag(now)
	switch {
	case l.still >= maxStill:
		return bad("consumers", "nothing is lost, the journal keeps it; see the checks of store and disk, and the log",
			"the store stands still since %s, %d frames behind: what devices send is kept, but nobody sees it",
			l.still.Round(time.Second), l.frames)
	case l.age >= maxLag:
		return bad("consumers", "nothing is lost; if it lasts, the processor or the database's disk is too slow for this load",
			"the store is behind by %s, %d frames: readings are seen late", l.age.Round(time.Second), l.frames)
	case !s.caughtUp.Load():
		return s.checkCaughtUp()
	}
	return good("consumers", "%d frames behind", l.frames)
}

// checkFlow tells how fast the disk takes what devices send, and whether they
// are held back now.
func (s *server) checkFlow(now look) Check {
	then := s.watch.recent.oldest(now)
	slow, lost := slowest(then, now), now.failed-min(now.failed, then.failed)
	switch {
	case lost > 0:
		return bad("journal speed", "nothing of it was acknowledged: devices send it again; look at "+s.journalPlace(),
			"in the last minute %d frames could not be written and their senders were refused; %s wait to be written", lost, bytesText(queued(now)))
	case now.queued >= muchQueued:
		return bad("journal speed", s.faster(),
			"more comes than the disk takes: %s wait to be written, devices are held back; a synced write takes up to %s",
			bytesText(queued(now)), tenths(slow))
	case slow >= slowSync:
		return bad("journal speed", s.faster(),
			"%s slow: a synced write takes up to %s, and each acknowledgement waits for one", s.slowPlace(), tenths(slow))
	case slow == 0:
		return good("journal speed", "nothing was written in the last minute")
	}
	waits := "nothing waits"
	if n := queued(now); n > 0 {
		waits = bytesText(n) + " wait"
	}
	return good("journal speed", "a synced write takes up to %s, %s", max(tenths(slow), 100*time.Microsecond), waits)
}

// faster says what to do when the journal is written too slowly.
func (s *server) faster() string {
	if s.c.NATS != "" {
		return "look at the NATS servers: their disks, what else uses them, and the network to them"
	}
	return "look for what else uses this disk; use a faster one, with power-loss protection"
}

// slowPlace says of the journal's place that it is.
func (s *server) slowPlace() string {
	if s.c.NATS != "" {
		return "the NATS servers are"
	}
	return "the disk is"
}

// queued is the bytes that wait in a look.
func queued(l look) uint64 { return uint64(max(l.queued, 0)) } // #nosec G115 -- not negative

// checkRetention tells whether raw messages are kept as long as was asked.
func (s *server) checkRetention() Check {
	at := s.watch.cut.Load()
	if at == 0 || time.Since(time.Unix(0, at)) > s.c.RawRetention {
		return good("raw retention", "messages as they came are kept for %s", s.c.RawRetention)
	}
	return bad("raw retention", "readings are safe, but older messages cannot be replayed; use a larger disk or a shorter --raw-retention",
		"messages as they came have reached a fifth of the disk: those before %s were deleted in part before their %s were over",
		vigil.InstantOf(time.Unix(0, at)), s.c.RawRetention)
}
