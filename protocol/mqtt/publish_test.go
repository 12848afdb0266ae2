package mqtt

import (
	"bytes"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/vigil-iomt/vigil"
)

// FuzzPublish compares the decoder with that of the broker: what both accept
// must mean the same.
func FuzzPublish(f *testing.F) {
	f.Add(byte(0x32), []byte("\x00\x03a/b\x00\x07payload"), false)
	f.Add(byte(0x34), []byte("\x00\x03a/b\x00\x07\x0e\x23\x00\x02\x26\x00\x02id\x00\x03m-1payload"), true)
	f.Add(byte(0x30), []byte("\x00\x00\x03\x23\x00\x01x"), true)
	f.Add(byte(0x3b), []byte("\x00\x01a\x00\x01\x00"), true)
	f.Fuzz(func(t *testing.T, first byte, body []byte, five bool) {
		version := byte(4)
		if five {
			version = 5
		}
		first = 0x30 | first&15
		p, code := decodePublish(first, body, version)
		if code != 0 {
			return
		}
		pk := packets.Packet{ProtocolVersion: version, FixedHeader: packets.FixedHeader{Type: packets.Publish, Remaining: len(body)}}
		if err := pk.FixedHeader.Decode(first); err != nil {
			t.Fatalf("accepted the flags %x: %v", first, err)
		}
		pk.FixedHeader.Remaining = len(body)
		if err := pk.PublishDecode(bytes.Clone(body)); err != nil {
			t.Fatalf("accepted %x: %v", body, err)
		}
		if pk.TopicName != string(p.topic) || !bytes.Equal(pk.Payload, p.payload) || pk.PacketID != p.packetID || pk.Properties.TopicAlias != p.alias {
			t.Errorf("got %+v, the broker says %+v", p, pk)
		}
		id := ""
		for _, u := range pk.Properties.User {
			if u.Key == "id" {
				id = u.Val
				break
			}
		}
		if id != string(p.userID) {
			t.Errorf("id %q, the broker says %q", p.userID, id)
		}
	})
}

func FuzzTopic(f *testing.F) {
	for _, s := range []string{"devices/a/messages", "devices/a/messages/x/y", thingsBoard, "devices/+/messages", "$SYS/#", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		target, code := parseTopic(topic, "me")
		if code != 0 {
			return
		}
		if !vigil.ValidID(string(target.device)) {
			t.Fatalf("%q: device %q", topic, target.device)
		}
		back := topicRoot + string(target.device) + "/" + topicMessages
		if target.channel != "" {
			back += "/" + target.channel
		}
		if topic != thingsBoard && back != topic {
			t.Errorf("%q means %q", topic, back)
		}
	})
}

func TestRefusalsOfAnyLength(t *testing.T) {
	for n := range 300 {
		s := slot{id: 7, kind: typePubrec, code: codeQuota, why: string(bytes.Repeat([]byte("x"), n))}
		b := appendRefusal(nil, &s, true)
		size, used := length(b[1:])
		if used < 1 || size != len(b)-1-used {
			t.Fatalf("reason of %d bytes: length %d of %d", n, size, len(b))
		}
		pk := packets.Packet{ProtocolVersion: 5, FixedHeader: packets.FixedHeader{Type: packets.Pubrec, Remaining: size}}
		if err := pk.PubrecDecode(b[1+used:]); err != nil || pk.PacketID != 7 || pk.ReasonCode != codeQuota || len(pk.Properties.ReasonString) != min(n, maxReason) {
			t.Fatalf("reason of %d bytes: %v %+v", n, err, pk)
		}
	}
}
