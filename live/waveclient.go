package live

import (
	"context"
	"slices"
	"sync"

	"github.com/coder/websocket"

	"github.com/vigil-iomt/vigil"
)

// A channel is one wave on one connection.
type channel struct {
	Channel uint16         `json:"channel"`
	Series  vigil.SeriesID `json:"series"`
	Subject vigil.Subject  `json:"subject"`
	Metric  string         `json:"metric"`
	Title   string         `json:"title"`
	RateNum int64          `json:"rateNum"`
	RateDen int64          `json:"rateDen"`
	Unit    string         `json:"unit"`

	seq uint32
}

// queuedBlock waits for a client. Its sequence was counted when it was queued,
// so that a dropped one leaves a jump.
type queuedBlock struct {
	bytes   []byte
	channel uint16
	seq     uint32
}

// A waveClient is one connection to the stream of waves.
type waveClient struct {
	h     *Hub
	wake  chan struct{}
	wants *waveSubscribe // guarded by waveIndex.mu

	mu        sync.Mutex
	metrics   []string // of the present subscription, sorted; empty is all
	channels  map[vigil.SeriesID]*channel
	last      uint16 // channel numbers are not used twice
	announce  bool
	ring      []queuedBlock
	complaint []byte
	stopping  bool
}

// signal wakes the writer.
func (c *waveClient) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// stop ends the connection.
func (c *waveClient) stop() {
	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()
	c.signal()
}

// complain tells the client what is wrong with its request.
func (c *waveClient) complain(err error) {
	c.mu.Lock()
	c.complaint = encode(map[string]any{"type": "error", "data": map[string]string{"msg": err.Error()}})
	c.mu.Unlock()
	c.signal()
}

// retain drops the channels that a new subscription does not want any more.
func (c *waveClient) retain(s *waveSubscribe) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.metrics = s.Metrics
	for id, ch := range c.channels {
		wanted := slices.Contains(s.Series, id) || slices.Contains(s.Subjects, ch.Subject) ||
			ch.Subject.Kind == vigil.OfPatient && slices.Contains(s.Patients, vigil.PatientID(ch.Subject.ID))
		if !wanted || !c.wantsMetric(ch.Metric) {
			delete(c.channels, id)
		}
	}
	c.announce = true
	c.signal()
}

// wantsMetric tells whether the subscription has the metric.
func (c *waveClient) wantsMetric(name string) bool {
	_, ok := slices.BinarySearch(c.metrics, name)
	return ok || len(c.metrics) == 0
}

// offer queues the blocks of a wave. When the queue is full, the oldest blocks
// are dropped: the jump in their sequence shows it.
func (c *waveClient) offer(p *passing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wantsMetric(p.series.Metric.Name) {
		return
	}
	ch, ok := c.channels[p.series.ID]
	if !ok {
		ch = c.open(p.series)
	}
	for i := range p.blocks {
		if b := &p.blocks[i]; b.gap != nil && ok {
			c.queue(ch, b.gap)
		}
		c.queue(ch, p.blocks[i].bytes)
	}
}

// open makes a channel for a series.
func (c *waveClient) open(s *series) *channel {
	c.last++
	ch := &channel{
		Channel: c.last, Series: s.ID, Subject: s.Subject, Metric: s.Metric.Name, Title: s.Metric.Title,
		RateNum: s.Metric.RateNum, RateDen: s.Metric.RateDen, Unit: s.Metric.Unit,
	}
	c.channels[s.ID] = ch
	c.announce = true
	return ch
}

// queue appends one block.
func (c *waveClient) queue(ch *channel, b []byte) {
	if len(c.ring) >= c.h.c.WaveQueue {
		n := max(len(c.ring)/4, 1)
		c.ring = slices.Delete(c.ring, 0, n)
		c.h.stats.waveDropped.Add(uint64(n)) // #nosec G115 -- positive
	}
	c.ring = append(c.ring, queuedBlock{b, ch.Channel, ch.seq})
	ch.seq++
}

// next returns what is to be written: a text frame, or a frame of blocks.
func (c *waveClient) next(buf []byte) (kind websocket.MessageType, b []byte, stop bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stopping:
		return 0, nil, true
	case c.complaint != nil:
		b, c.complaint = c.complaint, nil
		return websocket.MessageText, b, false
	case c.announce:
		c.announce = false
		list := make([]*channel, 0, len(c.channels))
		for _, ch := range c.channels {
			list = append(list, ch)
		}
		slices.SortFunc(list, func(a, b *channel) int { return int(a.Channel) - int(b.Channel) })
		return websocket.MessageText, encode(map[string]any{"channels": list}), false
	}
	b = buf[:0]
	n := 0
	for n < len(c.ring) && (n == 0 || len(b)+len(c.ring[n].bytes) <= maxWaveFrame) {
		q := c.ring[n]
		b = appendBlock(b, q.bytes, q.channel, q.seq)
		n++
	}
	c.ring = slices.Delete(c.ring, 0, n)
	c.h.stats.waveBlocks.Add(uint64(n)) // #nosec G115 -- positive
	return websocket.MessageBinary, b, false
}

// write sends what waits until ctx is done or the client fails.
func (c *waveClient) write(ctx context.Context, conn *websocket.Conn) *websocket.CloseError {
	buf := make([]byte, 0, maxWaveFrame)
	for {
		kind, b, stop := c.next(buf)
		switch {
		case stop:
			return &websocket.CloseError{Code: closeGoingAway, Reason: "the server stops"}
		case len(b) > 0:
			if err := c.h.send(ctx, conn, kind, b); err != nil {
				return &websocket.CloseError{Code: websocket.StatusAbnormalClosure}
			}
			continue
		}
		select {
		case <-ctx.Done():
			return &websocket.CloseError{Code: closeGoingAway, Reason: "the connection ends"}
		case <-c.wake:
		}
	}
}
