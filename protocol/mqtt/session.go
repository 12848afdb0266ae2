package mqtt

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"

	mochi "github.com/mochi-mqtt/server/v2"

	"github.com/vigil-iomt/vigil"
)

// A session remembers which QoS 2 messages of a client were received and not
// yet released, across its connections.
type session struct {
	mu        sync.Mutex
	exchanges map[uint16]*exchange
}

// An exchange is a QoS 2 message between PUBLISH and PUBREL.
type exchange struct {
	sum  uint64 // of the packet: the same id with other bytes is another message
	kept bool
	// waiting are the places in which retransmissions wait for the sink.
	waiting []waiter
}

// A waiter is a place in the order of acknowledgements of a connection.
type waiter struct {
	c   *conn
	seq uint64
}

// takeOnce hands a QoS 2 message to the sink unless it did so before.
//
// A client that has lost its memory may use a packet id for a new message that
// the server still holds for an old one. The standard lets the server take that
// for a repeat, which would acknowledge what was never kept; so the bytes are
// compared, too.
func (c *conn) takeOnce(m vigil.Message, id uint16, first byte, body []byte) error {
	seq, err := c.reserve(id, typePubrec)
	if err != nil {
		return err
	}
	sum := c.d.sum(first, body)
	s := c.session
	s.mu.Lock()
	e := s.exchanges[id]
	if e != nil && e.sum == sum {
		kept := e.kept
		if !kept {
			e.waiting = append(e.waiting, waiter{c, seq})
		}
		s.mu.Unlock()
		c.d.stats.repeated.Add(1)
		if kept {
			c.complete(seq, nil)
		}
		return nil
	}
	if e == nil && len(s.exchanges) >= c.d.c.InFlight {
		s.mu.Unlock()
		return fault(codeReceiveMax)
	}
	e = &exchange{sum: sum}
	if s.exchanges == nil {
		s.exchanges = map[uint16]*exchange{}
	}
	s.exchanges[id] = e
	s.mu.Unlock()
	c.d.stats.messages[2].Add(1)
	c.put(m, func(err error) {
		waiting := s.settle(id, e, vigil.Safe(err))
		c.complete(seq, err)
		for _, w := range waiting {
			w.c.complete(w.seq, err)
		}
	})
	return nil
}

// settle notes what the sink said about a message, and returns who waits for
// that. What was not kept may come again under the same id.
func (s *session) settle(id uint16, e *exchange, kept bool) []waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.kept = kept
	if !kept && s.exchanges[id] == e {
		delete(s.exchanges, id)
	}
	waiting := e.waiting
	e.waiting = nil
	return waiting
}

// release handles PUBREL: the client will not send that message again. It is
// answered in any case, so that a client that reconnects after a restart of the
// server comes to an end with its message.
func (c *conn) release(first byte, body []byte) error {
	if first&15 != 2 || len(body) < 2 {
		return fault(codeMalformed)
	}
	id := binary.BigEndian.Uint16(body)
	c.session.mu.Lock()
	delete(c.session.exchanges, id)
	c.session.mu.Unlock()
	c.reply(typePubcomp<<4, 2, body[0], body[1])
	return nil
}

// holds tells whether messages wait for their release.
func (s *session) holds() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.exchanges) > 0
}

// sum hashes a PUBLISH without its DUP flag.
func (d *Driver) sum(first byte, body []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(d.seed)
	_ = h.WriteByte(first &^ 8) // cannot fail
	_, _ = h.Write(body)        // cannot fail
	return h.Sum64()
}

// resume finds the session of a client id, or begins one.
func (d *Driver) resume(c *conn, id string, clean bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.sessions[id]
	if s == nil || clean {
		s = &session{}
		d.sessions[id] = s
	}
	c.session = s
	if p := d.devices[c.device.ID]; p != nil {
		p.offline = slices.DeleteFunc(p.offline, func(o string) bool { return o == id })
	}
}

// leave ends a session, or keeps it for the client's return. A device keeps only
// so many; the oldest goes first.
func (d *Driver) leave(c *conn, cl *mochi.Client, ends bool) {
	if cl.IsTakenOver() {
		return
	}
	d.mu.Lock()
	p := d.devices[c.device.ID]
	if d.sessions[cl.ID] != c.session || p == nil {
		d.mu.Unlock()
		return
	}
	if ends {
		delete(d.sessions, cl.ID)
		d.mu.Unlock()
		return
	}
	p.offline = append(p.offline, cl.ID)
	var oldest string
	if len(p.offline) > maxOffline {
		oldest = p.offline[0]
		p.offline = p.offline[1:]
		delete(d.sessions, oldest)
	}
	d.mu.Unlock()
	if old, ok := d.broker.Clients.Get(oldest); ok && oldest != "" && old.Closed() {
		d.broker.UnsubscribeClient(old)
		d.broker.Clients.Delete(oldest)
	}
}

// expire forgets a session that was kept long enough.
func (d *Driver) expire(c *conn, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sessions[id] == c.session {
		delete(d.sessions, id)
	}
	if p := d.devices[c.device.ID]; p != nil {
		p.offline = slices.DeleteFunc(p.offline, func(o string) bool { return o == id })
		d.forget(c)
	}
}

// forget drops the presence of a device that has nothing here any longer. The
// caller holds mu.
func (d *Driver) forget(c *conn) {
	if p := d.devices[c.device.ID]; p != nil && len(p.conns) == 0 && len(p.offline) == 0 {
		delete(d.devices, c.device.ID)
	}
}
