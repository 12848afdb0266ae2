package mqtt

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol"
)

// maxOther is the most bytes of any packet but PUBLISH: nobody needs a longer
// CONNECT or SUBSCRIBE, and strangers may send the first.
const maxOther = 16 << 10

// maxTopics is what a PUBLISH may be longer than its payload.
const maxTopics = 8 << 10

// Read gives the broker what is its business, and takes publishes out on the
// way. It is called by the connection's own goroutine, only when the broker is
// done with the packet before.
func (c *conn) Read(p []byte) (int, error) {
	for c.pass == 0 {
		if err := c.next(); err != nil {
			return 0, c.end(err)
		}
	}
	if c.r == c.w {
		if err := c.fill(); err != nil {
			return 0, c.end(err)
		}
	}
	n := copy(p, c.buf[c.r:min(c.w, c.r+c.pass)])
	c.r += n
	c.pass -= n
	return n, nil
}

// A fault is a violation of the protocol, with its reason code.
type fault byte

// Error names the reason code.
func (f fault) Error() string { return fmt.Sprintf("mqtt reason code 0x%02x", byte(f)) }

// end answers what was taken, says why the connection ends, and returns err for
// the broker.
func (c *conn) end(err error) error {
	var f fault
	switch {
	case errors.Is(err, errStopping):
		c.drain()
		c.linger()
		c.bye(codeStopping)
	case errors.As(err, &f):
		c.bye(byte(f))
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.bye(codeKeepAlive)
	}
	return err
}

// lingerFor is how long a stop waits for a client to release what it was told is
// safe.
const lingerFor = 500 * time.Millisecond

// linger lets a client come to the end of its QoS 2 messages before the server
// stops; it takes nothing else.
func (c *conn) linger() {
	if c.session == nil || !c.session.holds() {
		return
	}
	c.mu.Lock()
	c.lingering = true
	_ = c.Conn.SetReadDeadline(time.Now().Add(lingerFor))
	c.mu.Unlock()
	for c.session.holds() {
		first, n, size, err := c.header()
		if err != nil || n > largeBuffer {
			return
		}
		c.r += size
		body, _, err := c.body(n)
		if err != nil || (first>>4 == typePubrel && c.release(first, body) != nil) {
			return
		}
	}
	c.drain()
}

// next looks at the next packet: it handles a PUBLISH or PUBREL, and marks any
// other as the broker's.
func (c *conn) next() error {
	first, n, size, err := c.header()
	if err != nil {
		return err
	}
	kind := first >> 4
	switch {
	case !c.greeted && kind != typeConnect:
		return fault(codeProtocol)
	case kind == typePublish:
		if n > c.d.c.MaxPayload+maxTopics {
			return fault(codeTooLarge)
		}
		c.r += size
		body, owned, err := c.body(n)
		if err != nil {
			return err
		}
		return c.publish(first, body, owned)
	case n > maxOther:
		return fault(codeTooLarge)
	case kind == typePubrel:
		c.r += size
		body, _, err := c.body(n)
		if err != nil {
			return err
		}
		return c.release(first, body)
	case kind == typeAuth:
		return fault(codeProtocol) // no extended authentication was agreed on
	}
	c.greeted = true
	c.pass = size + n
	return nil
}

// header reads the fixed header of the next packet and leaves it in the buffer.
func (c *conn) header() (first byte, n, size int, err error) {
	for {
		if c.w-c.r >= 2 {
			n, size = length(c.buf[c.r+1 : c.w])
			if size < 0 {
				return 0, 0, 0, fault(codeMalformed)
			}
			if size > 0 {
				return c.buf[c.r], n, 1 + size, nil
			}
		}
		if err := c.fill(); err != nil {
			return 0, 0, 0, err
		}
	}
}

// body returns the n bytes that follow in the buffer, or, when they are many, in
// a slice of their own: then owned is true.
func (c *conn) body(n int) (b []byte, owned bool, err error) {
	if n > largeBuffer {
		b = make([]byte, n)
		have := copy(b, c.buf[c.r:c.w])
		c.r += have
		for have < n {
			m, err := c.receive(b[have:])
			if err != nil {
				return nil, false, err
			}
			have += m
		}
		return b, true, nil
	}
	for c.w-c.r < n {
		if len(c.buf) < n {
			c.resize(n)
		}
		if err := c.fill(); err != nil {
			return nil, false, err
		}
	}
	b = c.buf[c.r : c.r+n]
	c.r += n
	return b, false, nil
}

// fill reads more into the buffer. A read that fills the buffer tells of more to
// come: it grows.
func (c *conn) fill() error {
	switch {
	case c.r == c.w:
		c.r, c.w = 0, 0
		if c.buf == nil {
			c.buf = make([]byte, smallBuffer)
		}
	case c.w == len(c.buf):
		if c.r == 0 {
			c.resize(2 * len(c.buf))
		}
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	n, err := c.receive(c.buf[c.w:])
	c.w += n
	if err == nil && c.w == len(c.buf) && len(c.buf) < largeBuffer {
		c.resize(2 * len(c.buf))
	}
	return err
}

// resize moves what is unread to the front of a buffer that holds at least n
// bytes.
func (c *conn) resize(n int) {
	size := max(len(c.buf), smallBuffer)
	for size < n {
		size *= 2
	}
	b := make([]byte, size)
	c.w = copy(b, c.buf[c.r:c.w])
	c.r, c.buf = 0, b
}

// receive reads from the socket within the client's time.
func (c *conn) receive(p []byte) (int, error) {
	c.mu.Lock()
	switch {
	case c.stopping && !c.lingering:
		c.mu.Unlock()
		return 0, errStopping
	case c.closed, c.ending:
		// Who reads an error here closes the connection: the last words that
		// are on their way go first. Their writer closes it, too.
		for !c.closed {
			c.room.Wait()
		}
		c.mu.Unlock()
		return 0, net.ErrClosed
	case c.ready && c.patience > 0 && !c.lingering:
		_ = c.Conn.SetReadDeadline(time.Now().Add(c.patience))
	}
	c.mu.Unlock()
	n, err := c.Conn.Read(p)
	if n > 0 {
		return n, nil
	}
	if err == nil {
		return 0, io.ErrNoProgress
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping && !c.lingering {
		return 0, errStopping
	}
	return 0, err
}

// publish takes one message.
func (c *conn) publish(first byte, body []byte, owned bool) error {
	p, code := decodePublish(first, body, c.version)
	if code != 0 {
		return fault(code)
	}
	if len(p.payload) > c.d.c.MaxPayload {
		return fault(codeTooLarge)
	}
	t, code := c.resolve(&p)
	if code == 0 && !c.may(t.device) {
		code = codeNotAuthorized
	}
	switch {
	case code == codeNotAuthorized && c.version == 5 && p.qos > 0:
		return c.refuse(&p, vigil.Errorf(vigil.Forbidden, "a device publishes to devices/{its id}/messages"))
	case code != 0:
		c.d.stats.refused.Add(1)
		return fault(code)
	}
	if p.userID != nil {
		if err := protocol.CheckID(string(p.userID)); err != nil {
			return c.refuse(&p, err)
		}
	}
	m := vigil.Message{
		Device: t.device, Channel: t.channel, ID: string(p.userID), Protocol: "mqtt",
		Arrived: vigil.InstantOf(c.d.c.Now()), Payload: p.payload, BestEffort: p.qos == 0,
	}
	if t.device != c.device.ID {
		m.Gateway = c.device.ID
	}
	if !owned {
		m.Payload = append(make([]byte, 0, len(p.payload)), p.payload...)
	}
	switch p.qos {
	case 0:
		c.d.stats.messages[0].Add(1)
		c.d.loose.offer(c, m)
		return nil
	case 1:
		return c.take(m, p.packetID)
	}
	return c.takeOnce(m, p.packetID, first, body)
}

// answerTo is the packet type of the answer to a publish.
func answerTo(qos byte) byte {
	if qos == 2 {
		return typePubrec
	}
	return typePuback
}

// refuse answers a publish of MQTT 5 that cannot be taken, in its turn. QoS 0 has
// no answer.
func (c *conn) refuse(p *publish, why error) error {
	if p.qos == 0 {
		c.d.count(why)
		return nil
	}
	seq, err := c.reserve(p.packetID, answerTo(p.qos))
	if err != nil {
		return err
	}
	c.complete(seq, why)
	return nil
}

// take hands a QoS 1 message to the sink.
func (c *conn) take(m vigil.Message, id uint16) error {
	seq, err := c.reserve(id, typePuback)
	if err != nil {
		return err
	}
	c.d.stats.messages[1].Add(1)
	c.put(m, func(err error) { c.complete(seq, err) })
	return nil
}

// put calls the sink. When it panics the message counts as not kept.
func (c *conn) put(m vigil.Message, done func(error)) {
	defer func() {
		if r := recover(); r != nil {
			c.d.c.Log.Error("sink panicked", "device", string(m.Device), "panic", fmt.Sprint(r))
			done(vigil.Errorf(vigil.Internal, "the sink panicked"))
		}
	}()
	c.d.sink(m, done)
}
