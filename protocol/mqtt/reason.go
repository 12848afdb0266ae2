package mqtt

import (
	"errors"

	"github.com/vigil-iomt/vigil"
)

// Packet types (MQTT 5, table 2-1).
const (
	typeConnect    = 1
	typePublish    = 3
	typePuback     = 4
	typePubrec     = 5
	typePubrel     = 6
	typePubcomp    = 7
	typeDisconnect = 14
	typeAuth       = 15
)

// Reason codes (MQTT 5, table 2-6).
const (
	codeMalformed      = 0x81
	codeProtocol       = 0x82
	codeImplementation = 0x83
	codeClientID       = 0x85
	codeCredentials    = 0x86
	codeNotAuthorized  = 0x87
	codeUnavailable    = 0x88
	codeStopping       = 0x8b
	codeAuthMethod     = 0x8c
	codeKeepAlive      = 0x8d
	codeTopicName      = 0x90
	codeReceiveMax     = 0x93
	codeTopicAlias     = 0x94
	codeTooLarge       = 0x95
	codeQuota          = 0x97
	codeAdministrative = 0x98
	codePayload        = 0x99
)

// publishCode maps what the sink said to the reason codes that PUBACK and
// PUBREC know (MQTT 5, tables 3-4 and 3-5).
func publishCode(k vigil.Kind) byte {
	switch k {
	case vigil.Invalid:
		return codePayload
	case vigil.NotFound:
		return codeTopicName
	case vigil.Unknown, vigil.Forbidden:
		return codeNotAuthorized
	case vigil.TooLarge, vigil.Overloaded, vigil.Full:
		return codeQuota
	case vigil.Internal, vigil.Conflicting, vigil.Unavailable:
		return codeImplementation
	}
	return codeImplementation
}

// loginCode maps what the authenticator said to the reason codes of CONNACK.
func loginCode(k vigil.Kind) byte {
	switch k {
	case vigil.Unknown, vigil.NotFound, vigil.Invalid:
		return codeCredentials
	case vigil.Forbidden:
		return codeNotAuthorized
	case vigil.Internal, vigil.Conflicting, vigil.TooLarge, vigil.Overloaded, vigil.Full, vigil.Unavailable:
		return codeUnavailable
	}
	return codeUnavailable
}

// oldLoginCode is the return code of a CONNACK before MQTT 5 (MQTT 3.1.1, table
// 3.1) for a reason code of it.
func oldLoginCode(code byte) byte {
	switch code {
	case 0:
		return 0
	case codeClientID:
		return 2 // identifier rejected
	case codeCredentials:
		return 4 // bad user name or password
	case codeNotAuthorized, codeAuthMethod:
		return 5 // not authorized
	}
	return 3 // server unavailable
}

// maxReason is the most bytes of a reason string.
const maxReason = 200

// reason returns the reason code for an error and, unless it is internal, the
// words for the client.
func reason(err error) (byte, string) {
	kind := vigil.KindOf(err)
	var e *vigil.Error
	if kind == vigil.Internal || !errors.As(err, &e) {
		return publishCode(kind), ""
	}
	return publishCode(kind), e.Msg
}

// appendRefusal appends a PUBACK or PUBREC with a reason code and, when the
// client wants it, the reason string (property 31).
func appendRefusal(b []byte, s *slot, words bool) []byte {
	why := s.why
	if len(why) > maxReason {
		why = why[:maxReason]
	}
	if why == "" || !words || !isPlain(why) {
		return append(b, s.kind<<4, 3, byte(s.id>>8), byte(s.id), s.code)
	}
	n := len(why)
	b = appendLength(append(b, s.kind<<4), 2+1+lengthSize(n+3)+n+3)
	b = append(b, byte(s.id>>8), byte(s.id), s.code)
	b = appendLength(b, n+3)
	b = append(b, 31, byte(n>>8), byte(n))
	return append(b, why...)
}

// isPlain tells whether a text is ASCII without control characters, which can
// be cut anywhere.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// appendLength appends a variable byte integer (MQTT 5, 1.5.5).
func appendLength(b []byte, n int) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80) // #nosec G115 -- the low seven bits
		n >>= 7
	}
	return append(b, byte(n)) // #nosec G115 -- below 128
}

// lengthSize is how many bytes appendLength takes.
func lengthSize(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// count counts what became of a message.
func (d *Driver) count(err error) {
	if err == nil {
		d.stats.acked.Add(1)
		return
	}
	switch {
	case vigil.Safe(err):
		d.stats.acked.Add(1)
		d.stats.quarantined.Add(1)
	default:
		d.stats.refused.Add(1)
	}
}
