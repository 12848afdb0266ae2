package mqtt_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// A wire is a client that speaks in bytes, for what a decent client never says.
type wire struct {
	t       testing.TB
	nc      net.Conn
	r       *bufio.Reader
	version byte
}

// A hello is a CONNECT.
type hello struct {
	version   byte // 4 when zero
	id        string
	user      string // pump-1 when empty
	secret    string // secret-1 when empty
	keep      bool   // the session
	expiry    uint32 // of the session, MQTT 5
	keepalive uint16
	will      string // topic
	willText  string
	willQos   byte
	willDelay uint32
	retain    bool // the will
	props     []byte
}

func text(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

func packet(first byte, body []byte) []byte {
	b := []byte{first}
	n := len(body)
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(append(b, byte(n)), body...)
}

func (h *hello) bytes() []byte {
	if h.version == 0 {
		h.version = 4
	}
	if h.user == "" {
		h.user, h.secret = "pump-1", "secret-1"
	}
	flags := byte(0xc0)
	if !h.keep {
		flags |= 2
	}
	if h.will != "" {
		flags |= 4 | h.willQos<<3
	}
	if h.retain {
		flags |= 32
	}
	b := append(text("MQTT"), h.version, flags, byte(h.keepalive>>8), byte(h.keepalive))
	if h.version == 5 {
		props := h.props
		if h.expiry > 0 {
			props = binary.BigEndian.AppendUint32(append(props, 17), h.expiry)
		}
		b = append(append(b, byte(len(props))), props...)
	}
	b = append(b, text(h.id)...)
	if h.will != "" {
		if h.version == 5 {
			b = binary.BigEndian.AppendUint32(append(b, 5, 24), h.willDelay)
		}
		b = append(append(b, text(h.will)...), text(h.willText)...)
	}
	return packet(0x10, append(append(b, text(h.user)...), text(h.secret)...))
}

// connect logs in; the CONNACK must say 0.
func connect(t testing.TB, addr string, h hello) *wire {
	t.Helper()
	w := open(t, addr)
	if code, _ := w.login(h); code != 0 {
		t.Fatalf("login refused with 0x%02x", code)
	}
	return w
}

func open(t testing.TB, addr string) *wire {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return &wire{t: t, nc: nc, r: bufio.NewReader(nc)}
}

// login returns the code of the CONNACK and the rest of it.
func (w *wire) login(h hello) (byte, []byte) {
	w.t.Helper()
	w.send(h.bytes())
	w.version = h.version
	first, body := w.next()
	if first != 0x20 || len(body) < 2 {
		w.t.Fatalf("got packet 0x%02x %x, want CONNACK", first, body)
	}
	return body[1], append([]byte{body[0]}, body[2:]...)
}

func (w *wire) send(b []byte) {
	w.t.Helper()
	if _, err := w.nc.Write(b); err != nil {
		w.t.Fatalf("write: %v", err)
	}
}

// pub is a PUBLISH; the first byte's flags as given, without the type.
func (w *wire) pub(flags byte, id uint16, topic, payload string, props ...byte) []byte {
	b := text(topic)
	if flags&6 != 0 {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	if w.version == 5 {
		b = append(append(b, byte(len(props))), props...)
	}
	return packet(0x30|flags, append(b, payload...))
}

// next reads a packet.
func (w *wire) next() (byte, []byte) {
	w.t.Helper()
	first, body, err := w.read(10 * time.Second)
	if err != nil {
		w.t.Fatalf("read: %v", err)
	}
	return first, body
}

func (w *wire) read(patience time.Duration) (byte, []byte, error) {
	_ = w.nc.SetReadDeadline(time.Now().Add(patience))
	defer func() { _ = w.nc.SetReadDeadline(time.Time{}) }()
	first, err := w.r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(w.r)
	if err != nil {
		return 0, nil, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(w.r, body)
	return first, body, err
}

// want reads a packet that must be these bytes.
func (w *wire) want(b ...byte) {
	w.t.Helper()
	first, body := w.next()
	if got := packet(first, body); string(got) != string(b) {
		w.t.Fatalf("got packet %x, want %x", got, b)
	}
}

// ended waits for the end of the connection and returns the reason code of a
// DISCONNECT, 0 if there was none.
func (w *wire) ended() byte {
	w.t.Helper()
	code := byte(0)
	for {
		first, body, err := w.read(10 * time.Second)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.t.Fatal("the connection does not end")
		case err != nil:
			return code
		case first == 0xe0 && len(body) > 0:
			code = body[0]
		default:
			w.t.Fatalf("got packet 0x%02x %x, want the end", first, body)
		}
	}
}

// alive checks that the connection answers.
func (w *wire) alive() {
	w.t.Helper()
	w.send([]byte{0xc0, 0})
	w.want(0xd0, 0)
}
