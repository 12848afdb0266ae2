package ingest

import (
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

const (
	// maxAhead is how far in the future a device may place a reading before
	// its clock is no longer believed.
	maxAhead = 5 * time.Minute
	// tolerance is how far the device's own "now" may be off before its times
	// are moved; below it the network explains the difference.
	tolerance = 2 * time.Second
)

// earliest is the first instant that a device of today can mean.
var earliest = vigil.InstantOf(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))

// A clock settles the times of one message.
type clock struct {
	message *vigil.Message
	policy  devices.Clock
	now     vigil.Instant // the device's own "now" beside its readings
	partial bool
}

// settle decides when something was measured that the device says was measured
// at stated (0 when it does not say). A past time is never moved because it
// came late: that takes evidence, the device's own "now".
func (c *clock) settle(stated vigil.Instant) (vigil.Instant, vigil.Quality) {
	arrived := c.message.Arrived
	if stated == 0 || c.policy == devices.ClockIgnore {
		return arrived, 0
	}
	taken, quality := stated, vigil.Quality(0)
	if c.policy == devices.ClockCorrect && c.now != 0 && !c.message.Historical {
		if off := arrived.Sub(c.now); off > tolerance || off < -tolerance {
			taken, quality = stated.Add(off), vigil.ClockCorrected
		}
	}
	if taken > arrived.Add(maxAhead) || (taken < earliest && !c.message.Historical) {
		return arrived, vigil.ClockSuspect
	}
	return taken, quality
}

// stated returns the time that the device, or the line around its payload, said.
func (c *clock) stated(own vigil.Instant) vigil.Instant {
	if own == 0 {
		return c.message.Stated
	}
	return own
}

// identity completes the identity of something measured: by the time beside
// the payload, else by the message. A message that is also quarantined in part
// will be replayed: its parts are told apart by their arrival, which a replay
// keeps.
func (c *clock) identity(kind vigil.KeyKind, key uint64, stated vigil.Instant) (vigil.KeyKind, uint64) {
	switch {
	case kind != vigil.KeyPosition:
		return kind, key
	case stated != 0:
		return vigil.KeyTime, uint64(stated)
	case c.partial || c.message.Replay != "":
		return vigil.KeyTime, uint64(c.message.Arrived)
	case c.message.ID != "":
		return vigil.KeyMessage, 0
	}
	return vigil.KeyPosition, 0
}
