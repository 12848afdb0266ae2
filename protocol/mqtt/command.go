package mqtt

import (
	"context"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/vigil-iomt/vigil"
)

// Send publishes a command on devices/{device}/commands with QoS 1. It returns
// an error of kind Unavailable when nobody listens there now: a command is not
// kept for a device that is away, because what was right an hour ago may harm.
// A nil error means that it is on its way; one that a device that fell silent
// has not confirmed after Config.CommandExpiry is dropped.
func (d *Driver) Send(ctx context.Context, device vigil.DeviceID, payload []byte) error {
	if err := ctx.Err(); err != nil {
		return &vigil.Error{Kind: vigil.Unavailable, Op: "send command", Msg: "out of time", Err: err}
	}
	select {
	case <-d.started:
	default:
		return &vigil.Error{Kind: vigil.Unavailable, Op: "send command", Msg: "MQTT is not running"}
	}
	topic := topicRoot + string(device) + "/" + topicCommands
	if !vigil.ValidID(string(device)) || !d.listens(topic) {
		return &vigil.Error{Kind: vigil.Unavailable, Op: "send command", Msg: "the device is not listening"}
	}
	err := d.broker.InjectPacket(d.self, packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1},
		TopicName:   topic, Payload: append([]byte(nil), payload...), PacketID: 1,
	})
	if err != nil {
		return &vigil.Error{Kind: vigil.Internal, Op: "send command", Err: err}
	}
	d.stats.commands.Add(1)
	return nil
}

// listens tells whether a client that is connected has subscribed to a topic.
func (d *Driver) listens(topic string) bool {
	for id := range d.broker.Topics.Subscribers(topic).Subscriptions {
		if cl, ok := d.broker.Clients.Get(id); ok && !cl.Closed() {
			return true
		}
	}
	return false
}

// Disconnect ends the connections and sessions of a device whose credentials
// are void. Its wills are not sent.
func (d *Driver) Disconnect(device vigil.DeviceID) {
	d.mu.Lock()
	p := d.devices[device]
	var open []*conn
	var offline []string
	if p != nil {
		for c := range p.conns {
			open = append(open, c)
		}
		offline = p.offline
		p.offline = nil
		for _, id := range offline {
			delete(d.sessions, id)
		}
	}
	d.mu.Unlock()
	for _, c := range open {
		c.expel(codeAdministrative)
	}
	for _, id := range offline {
		if cl, ok := d.broker.Clients.Get(id); ok && cl.Closed() {
			d.broker.UnsubscribeClient(cl)
			d.broker.Clients.Delete(id)
		}
	}
}
