package live

import (
	"context"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-iomt/vigil"
)

// The close codes.
const (
	closeFellBehind websocket.StatusCode = 4008 // fetch anew
	closeGoingAway                       = websocket.StatusGoingAway
)

// A message waits for a client. Its cursor and time are written when it is sent.
type message struct {
	kind      string
	subject   vigil.Subject
	data      []byte
	partition int
	position  uint64 // of an event, 0 otherwise
}

// A client is one connection to the stream of events.
type client struct {
	h     *Hub
	conn  *websocket.Conn
	wake  chan struct{}
	group *group // guarded by Hub.mu

	mu    sync.Mutex
	room  sync.Cond // told when the queue has shrunk, or the client ends
	queue []message
	// held are events that arrived while older ones are being replayed.
	held    []message
	holding bool
	// queued is the position of the last event put into queue or held, per
	// partition; sent is that of the last one written.
	queued, sent []uint64
	// pinned is the cursor while events for further subjects are replayed on
	// a connection that had events before: should it break, they come again.
	pinned []uint64
	ready  bool // has had its snapshot
	newest *batch
	missed map[*series]struct{}
	beat   bool
	failed *websocket.CloseError
	ended  bool
}

// newClient returns a client that has not subscribed yet.
func newClient(h *Hub, conn *websocket.Conn) *client {
	c := &client{h: h, conn: conn, wake: make(chan struct{}, 1), sent: h.positions()}
	c.queued = h.positions()
	c.room.L = &c.mu
	return c
}

// signal wakes the writer.
func (c *client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// fail ends the connection with a code, after what is being written now.
func (c *client) fail(code websocket.StatusCode, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(code, reason)
}

// failLocked is fail for a caller that holds mu.
func (c *client) failLocked(code websocket.StatusCode, reason string) {
	if c.failed == nil {
		c.failed = &websocket.CloseError{Code: code, Reason: reason}
		if code == closeFellBehind {
			c.h.stats.behind.Add(1)
		}
	}
	c.queue, c.held, c.newest, c.missed = nil, nil, nil, nil
	c.room.Broadcast()
	c.signal()
}

// offer puts a message into the queue of the client. It never waits: a client
// whose queue is full is told to fetch anew.
func (c *client) offer(m message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil || c.ended {
		return
	}
	if m.position > 0 {
		if m.position <= c.queued[m.partition] {
			return
		}
		c.queued[m.partition] = m.position
	}
	if len(c.queue)+len(c.held) >= c.h.c.Queue {
		c.failLocked(closeFellBehind, "fell behind; fetch anew")
		return
	}
	if c.holding && m.position > 0 {
		c.held = append(c.held, m)
		return
	}
	c.queue = append(c.queue, m)
	c.signal()
}

// push puts a replayed message into the queue and waits while it is half full:
// a replay goes at the client's pace. It returns false when the client ended.
func (c *client) push(m message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) >= c.h.c.Queue/2 && c.failed == nil && !c.ended {
		c.room.Wait()
	}
	if c.failed != nil || c.ended {
		return false
	}
	c.queue = append(c.queue, m)
	c.signal()
	return true
}

// offerReadings replaces the frame of readings that waits. What a slow client
// did not get of the frame before is read anew when it is ready.
func (c *client) offerReadings(b *batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.failed != nil || c.ended || !c.ready:
		return
	case c.newest == nil && c.missed == nil:
		c.newest = b
	default:
		c.miss(c.newest)
		c.miss(b)
		c.newest = nil
	}
	c.signal()
}

// miss notes the series of a frame that is not sent as it is.
func (c *client) miss(b *batch) {
	if b == nil {
		return
	}
	if c.missed == nil {
		c.missed = map[*series]struct{}{}
	}
	for _, s := range b.series {
		c.missed[s] = struct{}{}
	}
}

// beatNow asks for a heartbeat.
func (c *client) beatNow() {
	c.mu.Lock()
	c.beat = true
	c.mu.Unlock()
	c.signal()
}

// subscribed tells whether the client has asked for anything yet. The caller
// holds Hub.mu.
func (c *client) subscribed() bool { return c.group != nil }

// end lets everybody who waits for the client go on.
func (c *client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.queue, c.held, c.newest, c.missed = nil, nil, nil, nil
	c.room.Broadcast()
}

// next returns the next frame to write, nil when there is none, and how the
// connection is to be closed, if it is.
func (c *client) next(ctx context.Context) ([]byte, *websocket.CloseError) {
	heads := c.h.positions() // read before the queue: what is up to here was queued
	c.mu.Lock()
	if c.failed != nil {
		defer c.mu.Unlock()
		return nil, c.failed
	}
	if len(c.queue) > 0 {
		defer c.mu.Unlock()
		m := c.queue[0]
		c.queue[0] = message{}
		c.queue = c.queue[1:]
		c.room.Broadcast()
		if m.position > 0 {
			c.sent[m.partition] = max(c.sent[m.partition], m.position)
			c.h.stats.events.Add(1)
		}
		return c.frame(m), nil
	}
	if !c.holding {
		c.pinned = nil
		for i, p := range heads {
			c.sent[i] = max(c.sent[i], p)
		}
	}
	newest, missed := c.newest, c.missed
	c.newest, c.missed = nil, nil
	switch {
	case newest != nil:
		defer c.mu.Unlock()
		c.h.stats.frames.Add(1)
		return c.frame(message{kind: "readings", data: newest.data}), nil
	case missed != nil:
		c.mu.Unlock()
		data := c.h.encodeNewest(ctx, missed)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.h.stats.frames.Add(1)
		return c.frame(message{kind: "readings", data: data}), nil
	case c.beat:
		defer c.mu.Unlock()
		c.beat = false
		return c.frame(message{kind: "heartbeat"}), nil
	}
	c.mu.Unlock()
	return nil, nil
}

// frame writes a message with the client's cursor and the server's time.
func (c *client) frame(m message) []byte {
	now := c.h.c.Now()
	at := cursor{at: now, positions: c.sent}
	if c.pinned != nil {
		at.positions = c.pinned
	}
	b := make([]byte, 0, len(m.data)+256)
	b = append(b, `{"type":"`...)
	b = append(b, m.kind...)
	b = append(b, `","cursor":"`...)
	b = append(b, at.text(c.h.epoch)...)
	b = append(b, `","time":"`...)
	b = now.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	if m.subject.Kind != vigil.NoSubject {
		b = append(b, `,"subject":"`...)
		b = append(b, m.subject.String()...)
		b = append(b, '"')
	}
	if m.data != nil {
		b = append(b, `,"data":`...)
		b = append(b, m.data...)
	}
	return append(b, '}')
}

// write sends what waits until ctx is done or the client fails. It returns how
// the connection should be closed.
func (c *client) write(ctx context.Context) *websocket.CloseError {
	for {
		b, failed := c.next(ctx)
		switch {
		case failed != nil:
			return failed
		case b != nil:
			if err := c.h.send(ctx, c.conn, websocket.MessageText, b); err != nil {
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

// chunk is how many bytes must get through within the write timeout: a client
// is judged by its progress, not by the size of what it is sent.
const chunk = 32 << 10

// send writes one message.
func (h *Hub) send(ctx context.Context, conn *websocket.Conn, kind websocket.MessageType, b []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stuck := time.AfterFunc(h.c.WriteTimeout, cancel)
	defer stuck.Stop()
	if len(b) <= chunk {
		return conn.Write(ctx, kind, b)
	}
	w, err := conn.Writer(ctx, kind)
	if err != nil {
		return err
	}
	for len(b) > 0 {
		n := min(len(b), chunk)
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		stuck.Reset(h.c.WriteTimeout)
	}
	return w.Close()
}
