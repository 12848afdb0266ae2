package mqtt

import (
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol"
)

// A target is what the topic of a message means.
type target struct {
	device  vigil.DeviceID
	channel string
}

// An alias is a topic that the client has given a number.
type alias struct {
	topic  string
	target target
}

// maxAliases is how many topics a connection may number.
const maxAliases = 16

const (
	topicRoot     = "devices/"
	topicMessages = "messages"
	topicCommands = "commands"
	// thingsBoard is the topic of ThingsBoard's device API.
	thingsBoard = "v1/devices/me/telemetry"
)

// parseTopic finds out what a device that publishes to a topic means. It returns
// a reason code: the topic is no topic name at all, or none that devices may
// publish to.
func parseTopic(topic string, self vigil.DeviceID) (target, byte) {
	if topic == "" || strings.ContainsAny(topic, "+#\x00") {
		return target{}, codeTopicName
	}
	if topic == thingsBoard {
		return target{device: self}, 0
	}
	rest, ok := strings.CutPrefix(topic, topicRoot)
	if !ok {
		return target{}, codeNotAuthorized
	}
	id, rest, ok := strings.Cut(rest, "/")
	if !ok || !vigil.ValidID(id) {
		return target{}, codeNotAuthorized
	}
	kind, channel, more := strings.Cut(rest, "/")
	if kind != topicMessages || (more && channel == "") || protocol.CheckChannel(channel) != nil {
		return target{}, codeNotAuthorized
	}
	return target{device: vigil.DeviceID(id), channel: channel}, 0
}

// commandsOf returns whose commands a topic filter asks for: that of one device
// and what lies below it, nothing else.
func commandsOf(filter string) (vigil.DeviceID, bool) {
	rest, ok := strings.CutPrefix(filter, topicRoot)
	if !ok {
		return "", false
	}
	id, rest, ok := strings.Cut(rest, "/")
	if !ok || !vigil.ValidID(id) {
		return "", false
	}
	return vigil.DeviceID(id), rest == topicCommands || strings.HasPrefix(rest, topicCommands+"/")
}

// resolve finds the target of a publish through the topic before, the aliases,
// or the text.
func (c *conn) resolve(p *publish) (target, byte) {
	if p.alias > maxAliases {
		return target{}, codeTopicAlias
	}
	if len(p.topic) == 0 {
		if int(p.alias) > len(c.aliases) || c.aliases[p.alias-1].topic == "" {
			return target{}, codeProtocol
		}
		return c.aliases[p.alias-1].target, 0
	}
	if c.last == "" || string(p.topic) != c.last {
		topic := string(p.topic)
		t, code := parseTopic(topic, c.device.ID)
		if code != 0 {
			return t, code
		}
		c.last, c.target = topic, t
	}
	if p.alias > 0 {
		for len(c.aliases) < int(p.alias) {
			c.aliases = append(c.aliases, alias{})
		}
		c.aliases[p.alias-1] = alias{topic: c.last, target: c.target}
	}
	return c.target, 0
}

// may tells whether the device may deliver messages of another one.
func (c *conn) may(other vigil.DeviceID) bool {
	return other == c.device.ID || c.d.c.May(c.device, other)
}
