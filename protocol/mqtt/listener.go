package mqtt

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
)

// A listener accepts connections, puts the front into each, and gives it to the
// broker. It is one listener to the broker, however many sockets it has.
type listener struct {
	d       *Driver
	serving sync.WaitGroup // accept loops and connections
	ended   chan error     // an accept loop that failed by itself
}

// Init is called by the broker before Serve; there is nothing to do.
func (l *listener) Init(*slog.Logger) error { return nil }

// ID names the listener to the broker.
func (l *listener) ID() string { return "mqtt" }

// Address returns the address of the first socket.
func (l *listener) Address() string { return l.d.c.Listeners[0].Addr().String() }

// Protocol names the protocol to the broker.
func (l *listener) Protocol() string { return "mqtt" }

// Close disconnects whoever is left; by then nobody is.
func (l *listener) Close(closeClients listeners.CloseFn) { closeClients(l.ID()) }

// Serve starts an accept loop for each socket and returns.
func (l *listener) Serve(establish listeners.EstablishFn) {
	for _, s := range l.d.c.Listeners {
		l.serving.Go(func() { l.accept(s, establish) })
	}
}

// shut closes the sockets, which ends the accept loops.
func (l *listener) shut() {
	for _, s := range l.d.c.Listeners {
		_ = s.Close()
	}
}

// accept takes connections until the socket is closed. Want of file descriptors
// and the like pass: it tries again.
func (l *listener) accept(s net.Listener, establish listeners.EstablishFn) {
	for {
		nc, err := s.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			var ne net.Error
			if !errors.As(err, &ne) {
				l.ended <- fmt.Errorf("accept MQTT connection: %w", err)
				return
			}
			l.d.c.Log.Warn("cannot accept connection", "err", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		c := newConn(l.d, nc)
		if !l.d.add(c) {
			_ = nc.Close()
			continue
		}
		l.serving.Go(func() { l.serve(c, establish) })
	}
}

// serve runs one connection. A panic ends that connection alone.
func (l *listener) serve(c *conn, establish listeners.EstablishFn) {
	defer func() {
		if r := recover(); r != nil {
			l.d.c.Log.Error("mqtt connection panicked", "device", string(c.device.ID), "panic", fmt.Sprint(r))
		}
		_ = c.Close()
		c.empty()
		l.d.remove(c)
	}()
	err := establish(l.ID(), c)
	l.d.c.Log.Debug("mqtt connection ended", "device", string(c.device.ID), "remote", c.RemoteAddr().String(), "err", err)
}

// add counts a connection in; false when there are too many or the driver
// stops.
func (d *Driver) add(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping || len(d.conns) >= d.c.MaxConnections {
		return false
	}
	d.conns[c] = struct{}{}
	return true
}

// remove counts a connection out.
func (d *Driver) remove(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
	if p := d.devices[c.device.ID]; p != nil {
		delete(p.conns, c)
		d.forget(c)
	}
}
