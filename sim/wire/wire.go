// Package wire sends simulated and recorded device messages to a server, over
// MQTT or HTTP, as the devices themselves would: at least once, in order, with
// bounded memory.
package wire

import (
	"encoding/json"

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

// LineOf returns the line for a message.
func LineOf(m vigil.Message) Line {
	return Line{Device: m.Device, Channel: m.Channel, ID: m.ID, Time: m.Stated, Payload: m.Payload, Historical: m.Historical}
}
