package mqtt

import (
	"sync"
	"sync/atomic"

	"github.com/vigil-iomt/vigil"
)

const (
	looseLanes    = 2
	looseMessages = 1024     // that wait in a lane
	looseBytes    = 16 << 20 // that wait in all lanes
)

// bestEffort carries QoS 0 messages to the sink beside the connections: a full
// sink makes it drop and count, and never holds up a connection. Messages of one
// connection stay in order.
type bestEffort struct {
	lanes   [looseLanes]chan loose
	waiting atomic.Int64 // bytes
	next    atomic.Uint32
	running sync.WaitGroup
}

// A loose is a message that nobody waits for.
type loose struct {
	c *conn
	m vigil.Message
}

// start begins to carry.
func (b *bestEffort) start(d *Driver) {
	for i := range b.lanes {
		lane := make(chan loose, looseMessages)
		b.lanes[i] = lane
		b.running.Go(func() {
			for l := range lane {
				b.waiting.Add(-int64(len(l.m.Payload)))
				l.c.put(l.m, d.count)
			}
		})
	}
}

// offer takes a message, or drops it when there is no room.
func (b *bestEffort) offer(c *conn, m vigil.Message) {
	n := int64(len(m.Payload))
	if b.waiting.Add(n) > looseBytes {
		b.waiting.Add(-n)
		c.d.stats.dropped.Add(1)
		return
	}
	select {
	case b.lanes[c.lane] <- loose{c, m}:
	default:
		b.waiting.Add(-n)
		c.d.stats.dropped.Add(1)
	}
}

// stop waits until what was taken has been handed over. Nothing may be offered
// any longer.
func (b *bestEffort) stop() {
	for _, lane := range b.lanes {
		close(lane)
	}
	b.running.Wait()
}
