package mqtt

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// A publish is a PUBLISH packet. Its slices lie in the bytes that it was decoded
// from.
type publish struct {
	topic    []byte
	payload  []byte
	userID   []byte // the user property "id", nil if none
	packetID uint16 // 0 with QoS 0
	alias    uint16 // topic alias, 0 if none
	qos      byte
}

// decodePublish reads the body of a PUBLISH: everything after the fixed header,
// whose first byte is given. It returns a reason code, 0 when all is well.
func decodePublish(first byte, b []byte, version byte) (publish, byte) {
	p := publish{qos: first >> 1 & 3}
	if p.qos == 3 || (p.qos == 0 && first&8 != 0) {
		return p, codeMalformed
	}
	var ok bool
	if p.topic, b, ok = cutText(b); !ok {
		return p, codeMalformed
	}
	if p.qos > 0 {
		if len(b) < 2 {
			return p, codeMalformed
		}
		p.packetID = binary.BigEndian.Uint16(b)
		b = b[2:]
		if p.packetID == 0 {
			return p, codeProtocol
		}
	}
	if version == 5 {
		n, size := length(b)
		if size <= 0 || n > len(b)-size {
			return p, codeMalformed
		}
		if code := p.properties(b[size : size+n]); code != 0 {
			return p, code
		}
		b = b[size+n:]
	}
	p.payload = b
	if len(p.topic) == 0 && p.alias == 0 {
		return p, codeProtocol
	}
	return p, 0
}

// Properties of a PUBLISH (MQTT 5, 3.3.2.3).
const (
	propFormat       = 1
	propExpiry       = 2
	propContentType  = 3
	propResponse     = 8
	propCorrelation  = 9
	propSubscription = 11
	propAlias        = 35
	propUser         = 38
)

// properties reads the properties of a PUBLISH; of the known ones only the topic
// alias and the user property "id" mean something here.
func (p *publish) properties(b []byte) byte {
	for len(b) > 0 {
		id := b[0]
		b = b[1:]
		var ok bool
		switch id {
		case propFormat:
			b, ok = skip(b, 1)
		case propExpiry:
			b, ok = skip(b, 4)
		case propContentType, propResponse:
			_, b, ok = cutText(b)
		case propCorrelation:
			_, b, ok = cutBytes(b)
		case propAlias:
			if ok = len(b) >= 2 && p.alias == 0; ok {
				p.alias = binary.BigEndian.Uint16(b)
				b = b[2:]
				if p.alias == 0 {
					return codeTopicAlias
				}
			}
		case propUser:
			var key, value []byte
			if key, b, ok = cutText(b); ok {
				value, b, ok = cutText(b)
			}
			if p.userID == nil && string(key) == "id" {
				p.userID = value
			}
		case propSubscription:
			return codeProtocol // only a server may send it
		}
		if !ok {
			return codeMalformed
		}
	}
	return 0
}

// skip cuts n bytes off.
func skip(b []byte, n int) ([]byte, bool) {
	if len(b) < n {
		return nil, false
	}
	return b[n:], true
}

// cutBytes cuts bytes off that follow their two-byte length.
func cutBytes(b []byte) (v, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n : 2+n], b[2+n:], true
}

// cutText cuts a UTF-8 string off (MQTT 5, 1.5.4): well-formed and without
// U+0000.
func cutText(b []byte) (v, rest []byte, ok bool) {
	v, rest, ok = cutBytes(b)
	if !ok || bytes.IndexByte(v, 0) >= 0 || !utf8.Valid(v) {
		return nil, nil, false
	}
	return v, rest, true
}

// length reads a variable byte integer (MQTT 5, 1.5.5). The size is 0 when there
// are too few bytes and -1 when it is malformed.
func length(b []byte) (n, size int) {
	for i := range min(len(b), 4) {
		n |= int(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return n, i + 1
		}
	}
	if len(b) >= 4 {
		return 0, -1
	}
	return 0, 0
}
