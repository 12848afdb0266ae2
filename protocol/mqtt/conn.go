package mqtt

import (
	"errors"
	"net"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"

	"github.com/vigil-iomt/vigil"
)

// A conn is one connection with the front in it. The broker reads and writes it
// like any net.Conn and sees only what is its business.
type conn struct {
	net.Conn
	d    *Driver
	lane uint32 // of its QoS 0 messages

	// The reading side, for the connection's own goroutine.
	buf     []byte // buf[r:w] is read and not yet understood
	r, w    int
	pass    int // bytes of the current packet that are still for the broker
	greeted bool
	last    string // the topic of the publish before, and what it means
	target  target
	aliases []alias

	// Set while the client logs in, by the same goroutine; fixed afterwards.
	client    *mochi.Client
	device    vigil.Device
	session   *session
	clientID  string // as the client sent it
	assigned  string // client id that the server chose
	version   byte
	refusal   byte          // reason code of a refused login, 0 if none
	problems  bool          // the client wants reason strings
	patience  time.Duration // how long the client may be silent; 0 for ever
	willFired bool

	writing sync.Mutex // held while bytes go out

	mu        sync.Mutex
	room      sync.Cond // the window, out, or one of the flags below changed
	window    []slot    // ring; window[seq%len] for head <= seq < tail
	head      uint64
	tail      uint64
	out       []byte // acknowledgements on their way out
	spare     []byte
	flushing  bool
	ending    bool // close once out is written
	stopping  bool
	lingering bool // stopping, but PUBREL is still read
	closed    bool
	silenced  bool // its will must not be sent
	ready     bool // logged in
}

// A slot is a message that waits for its acknowledgement, or for those before
// it.
type slot struct {
	why  string // for the client, when refused
	id   uint16
	kind byte // packet type of the answer
	code byte // reason code, 0 when safe
	done bool
}

const (
	smallBuffer = 1 << 10
	largeBuffer = 16 << 10
	// maxOut is how many bytes of acknowledgements may wait for a client that
	// does not read; then it is not read either.
	maxOut = 16 << 10
)

// errStopping ends the reading of a connection when the driver stops.
var errStopping = errors.New("the server stops")

// newConn puts the front into a connection and starts the time for logging in.
func newConn(d *Driver, nc net.Conn) *conn {
	c := &conn{Conn: nc, d: d, lane: d.loose.next.Add(1) % looseLanes}
	c.room.L = &c.mu
	_ = nc.SetReadDeadline(time.Now().Add(d.c.Handshake))
	return c
}

// SetDeadline is called by the broker before each packet. The front sets its
// own deadlines, so that the time the sink takes is not counted as the client's
// silence.
func (c *conn) SetDeadline(time.Time) error { return nil }

// Write sends what the broker writes. A DISCONNECT is for MQTT 5 clients only.
func (c *conn) Write(p []byte) (int, error) {
	if c.version < 5 && len(p) > 0 && p[0] == typeDisconnect<<4 {
		return len(p), nil
	}
	if err := c.send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// send writes one or more whole packets. A client that does not read loses its
// connection.
func (c *conn) send(p []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.d.c.WriteTimeout))
	if _, err := c.Conn.Write(p); err != nil {
		_ = c.Close()
		return err
	}
	return nil
}

// Close ends the connection; what is not acknowledged stays so.
func (c *conn) Close() error {
	c.mu.Lock()
	was := c.closed
	c.closed = true
	c.room.Broadcast()
	c.mu.Unlock()
	if was {
		return nil
	}
	return c.Conn.Close()
}

// stop makes the connection take no further message, answer those it has, and
// say goodbye.
func (c *conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	c.silenced = true
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	c.room.Broadcast()
}

// reserve takes the next place in the order of acknowledgements. It waits while
// the window is full.
func (c *conn) reserve(id uint16, kind byte) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && !c.stopping && !c.ending && (c.tail-c.head >= uint64(c.d.c.InFlight) || len(c.out) > maxOut) { // #nosec G115 -- InFlight is positive
		c.room.Wait()
	}
	if c.closed || c.ending {
		return 0, net.ErrClosed
	}
	if c.stopping {
		return 0, errStopping
	}
	if n := uint64(len(c.window)); c.tail-c.head == n {
		c.grow()
	}
	seq := c.tail
	c.tail++
	*c.at(seq) = slot{id: id, kind: kind}
	return seq, nil
}

// grow doubles the ring. The caller holds mu.
func (c *conn) grow() {
	old := c.window
	c.window = make([]slot, max(4, 2*len(old)))
	for seq := c.head; seq < c.tail; seq++ {
		*c.at(seq) = old[seq%uint64(len(old))]
	}
}

// at returns the slot of a place. The caller holds mu.
func (c *conn) at(seq uint64) *slot { return &c.window[seq%uint64(len(c.window))] }

// complete notes what the sink said about a message and lets the
// acknowledgements go whose turn has come. Only the first call for a place
// counts.
func (c *conn) complete(seq uint64, err error) {
	code, why := byte(0), ""
	if err != nil && !vigil.Safe(err) {
		code, why = reason(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if seq < c.head || seq >= c.tail {
		return
	}
	s := c.at(seq)
	if s.done {
		return
	}
	s.done, s.code, s.why = true, code, why
	c.d.count(err)
	if seq == c.head {
		c.advance()
	}
}

// advance writes the acknowledgements of the finished run at the head. In MQTT
// 3.1.1 a refusal can only be said by ending the connection. The caller holds
// mu.
func (c *conn) advance() {
	for c.head < c.tail && c.at(c.head).done && !c.ending {
		s := c.at(c.head)
		switch {
		case s.code == 0:
			c.out = append(c.out, s.kind<<4, 2, byte(s.id>>8), byte(s.id))
		case c.version == 5:
			c.out = appendRefusal(c.out, s, c.problems)
		default:
			c.ending = true
		}
		*s = slot{}
		c.head++
	}
	c.room.Broadcast()
	c.flushSoon()
}

// flushSoon starts a writer unless one is at work. The caller holds mu.
func (c *conn) flushSoon() {
	if c.flushing || c.closed || (len(c.out) == 0 && !c.ending) {
		return
	}
	c.flushing = true
	c.d.running.Add(1)
	go c.flush()
}

// flush writes acknowledgements until there are none; what gathers during one
// write goes out with the next.
func (c *conn) flush() {
	defer c.d.running.Done()
	for {
		c.mu.Lock()
		if len(c.out) == 0 || c.closed {
			c.flushing = false
			end := c.ending
			c.room.Broadcast()
			c.mu.Unlock()
			if end {
				_ = c.Close()
			}
			return
		}
		b := c.out
		c.out, c.spare = c.spare, nil
		c.room.Broadcast()
		c.mu.Unlock()
		_ = c.send(b) // closes the connection when it fails
		if cap(b) <= smallBuffer {
			c.mu.Lock()
			c.spare = b[:0]
			c.mu.Unlock()
		}
	}
}

// reply sends an answer that has no turn to wait for.
func (c *conn) reply(p ...byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, p...)
	c.flushSoon()
}

// drain waits until all that was taken is answered and written.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && (c.head < c.tail || len(c.out) > 0 || c.flushing) {
		c.room.Wait()
	}
}

// bye tells an MQTT 5 client why the connection ends.
func (c *conn) bye(code byte) {
	if c.version == 5 {
		_ = c.send([]byte{typeDisconnect << 4, 1, code})
	}
}

// expel ends the connection of a device that may not be here any longer: within
// half a second, whether it reads or not. Its will is not sent.
func (c *conn) expel(code byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.silenced = true
	c.ending = true
	if c.version == 5 {
		c.out = append(c.out, typeDisconnect<<4, 1, code)
	}
	c.room.Broadcast()
	c.flushSoon()
	time.AfterFunc(500*time.Millisecond, func() { _ = c.Close() })
}

// empty lets go of what the connection held: the broker keeps the conn as long
// as the session. It is called by the connection's own goroutine at its end.
func (c *conn) empty() {
	c.buf, c.aliases, c.last = nil, nil, ""
	c.mu.Lock()
	defer c.mu.Unlock()
	c.window, c.out, c.spare = nil, nil, nil
	c.head = c.tail // late words of the sink find nothing
}
