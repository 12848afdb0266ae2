package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"
)

// A conn is one MQTT 3.1.1 connection that publishes with QoS 1. It does the
// least that a device does, so that hundreds of them leave the processor to the
// server. One goroutine publishes and flushes, one (perhaps the same) reads.
type conn struct {
	net.Conn
	in  *bufio.Reader
	out []byte
}

const (
	mqttConnect    = 0x10
	mqttConnack    = 0x20
	mqttPublish    = 0x32 // QoS 1
	mqttDup        = 0x08
	mqttPuback     = 0x40
	mqttDisconnect = 0xe0
	// mqttWait bounds the login.
	mqttWait = 10 * time.Second
)

// errTurned is a login that the server refused.
var errTurned = errors.New("the broker refused the login")

// dialMQTT connects and logs in as a device.
func dialMQTT(ctx context.Context, addr string, d Device) (*conn, error) {
	dialer := net.Dialer{Timeout: mqttWait}
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &conn{Conn: nc, in: bufio.NewReaderSize(nc, 1024)}
	if err := c.login(d); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// login sends CONNECT with a clean session and no keep-alive, and reads the
// answer.
func (c *conn) login(d Device) error {
	body := []byte("\x00\x04MQTT\x04\xc2\x00\x00")
	for _, field := range []string{d.ID, d.ID, d.Secret} { // client id, user name, password
		body = binary.BigEndian.AppendUint16(body, uint16(len(field))) // #nosec G115 -- short
		body = append(body, field...)
	}
	packet := binary.AppendUvarint([]byte{mqttConnect}, uint64(len(body)))
	if err := c.SetDeadline(time.Now().Add(mqttWait)); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	if _, err := c.Write(append(packet, body...)); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	var answer [4]byte
	for i := range answer {
		b, err := c.in.ReadByte()
		if err != nil {
			return fmt.Errorf("log in: %w", err)
		}
		answer[i] = b
	}
	if answer[0] != mqttConnack || answer[3] != 0 {
		return fmt.Errorf("log in: %w: code %d", errTurned, answer[3])
	}
	return c.SetDeadline(time.Time{})
}

// publish puts a PUBLISH into the buffer; flush sends what is there.
func (c *conn) publish(topic string, id uint16, dup bool, payload []byte) {
	first := byte(mqttPublish)
	if dup {
		first |= mqttDup
	}
	c.out = append(c.out, first)
	c.out = binary.AppendUvarint(c.out, uint64(2+len(topic)+2+len(payload))) // #nosec G115 -- lengths
	c.out = binary.BigEndian.AppendUint16(c.out, uint16(len(topic)))         // #nosec G115 -- short
	c.out = append(c.out, topic...)
	c.out = binary.BigEndian.AppendUint16(c.out, id)
	c.out = append(c.out, payload...)
}

// flush sends what publish has gathered, in one write.
func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.Write(c.out)
	c.out = c.out[:0]
	return err
}

// ack reads the next PUBACK and returns its packet id. more tells that another
// one is in the buffer already.
func (c *conn) ack() (id uint16, more bool, err error) {
	b, err := c.in.Peek(4)
	if err != nil {
		return 0, false, err
	}
	if b[0] != mqttPuback || b[1] != 2 {
		return 0, false, fmt.Errorf("expected PUBACK, got packet type %d", b[0]>>4)
	}
	id = binary.BigEndian.Uint16(b[2:])
	_, _ = c.in.Discard(4)
	return id, c.in.Buffered() >= 4, nil
}

// leave says goodbye and closes.
func (c *conn) leave() {
	_ = c.flush()
	_, _ = c.Write([]byte{mqttDisconnect, 0})
	_ = c.Close()
}

// Publish connects as a device, publishes one payload with QoS 1, and waits for
// its acknowledgement.
func Publish(ctx context.Context, addr string, d Device, payload []byte) error {
	c, err := dialMQTT(ctx, addr, d)
	if err != nil {
		return err
	}
	defer c.leave()
	c.publish(d.topic(), 1, false, payload)
	if err := c.flush(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := c.SetReadDeadline(time.Now().Add(mqttWait)); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if _, _, err := c.ack(); err != nil {
		return fmt.Errorf("wait for acknowledgement: %w", err)
	}
	return nil
}
