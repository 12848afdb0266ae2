// Package wire sends simulated and recorded device messages to a server, over
// MQTT or HTTP, as the devices themselves would: at least once, in order, with
// bounded memory.
package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// A Line is one message of a device, as POST /ingest/v1/messages takes it, one
// JSON object per line.
type Line struct {
	Device  vigil.DeviceID `json:"device"`
	Channel string         `json:"channel,omitempty"`
	// ID makes a message that is sent twice land once.
	ID string `json:"id,omitempty"`
	// Time is when the message was made, for payloads that do not say so.
	Time vigil.Instant `json:"time,omitzero"`
	// Payload is the device's own message: a JSON value.
	Payload json.RawMessage `json:"payload"`
	// Historical marks a recording.
	Historical bool `json:"historical,omitempty"`
}

// A Sender takes lines. Send may return before the line has arrived, and
// blocks while too many are under way.
type Sender interface {
	Send(ctx context.Context, l Line) error
}

// A Flusher is a Sender that can wait until all lines that it took have
// arrived. Flush returns the first failure since the last Flush.
type Flusher interface {
	Flush(ctx context.Context) error
}

// Flush waits for s if it is a Flusher.
func Flush(ctx context.Context, s Sender) error {
	if f, ok := s.(Flusher); ok {
		return f.Flush(ctx)
	}
	return nil
}

// A Collector keeps the lines that it is sent; safe for several goroutines.
type Collector struct {
	mu    sync.Mutex
	lines []Line
}

// Send keeps the line.
func (c *Collector) Send(_ context.Context, l Line) error {
	l.Payload = bytes.Clone(l.Payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, l)
	return nil
}

// Lines returns what was sent so far.
func (c *Collector) Lines() []Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Line(nil), c.lines...)
}

// A SenderFunc is a function that is a Sender.
type SenderFunc func(ctx context.Context, l Line) error

// Send calls the function.
func (f SenderFunc) Send(ctx context.Context, l Line) error { return f(ctx, l) }
