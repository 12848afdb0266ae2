package httpin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol"
)

// An envelope is one line of a batch.
type envelope struct {
	device     []byte
	channel    []byte
	id         []byte
	payload    []byte // lies in the line unless it was escaped
	time       vigil.Instant
	historical bool
	has        [len(envelopeKeys)]bool
}

// envelopeKeys are the keys of an envelope, in the order of envelope.has.
var envelopeKeys = [...]string{"device", "channel", "id", "time", "payload", "historical"}

// A scanner reads one line of JSON.
type scanner struct {
	b []byte
	i int
}

// fault makes an error at the current place.
func (s *scanner) fault(format string, args ...any) error {
	return &vigil.Error{Kind: vigil.Invalid, Path: fmt.Sprintf("column %d", s.i+1), Msg: fmt.Sprintf(format, args...)}
}

// parseEnvelope reads a line. Errors are of kind Invalid and name the column.
// The payload is found, not understood: that is the profile's business.
func parseEnvelope(line []byte) (envelope, error) {
	var e envelope
	s := scanner{b: line}
	s.space()
	if !s.take('{') {
		return e, s.fault("not a JSON object; send one on each line")
	}
	s.space()
	if !s.take('}') {
		for {
			if err := s.member(&e); err != nil {
				return e, err
			}
			s.space()
			if s.take('}') {
				break
			}
			if !s.take(',') {
				return e, s.fault("a comma or } is missing")
			}
			s.space()
		}
	}
	s.space()
	if s.i < len(s.b) {
		return e, s.fault("more follows the object")
	}
	if !e.has[4] {
		return e, &vigil.Error{Kind: vigil.Invalid, Path: "/payload", Msg: "missing"}
	}
	return e, nil
}

// member reads "key": value.
func (s *scanner) member(e *envelope) error {
	at := s.i
	key, err := s.text()
	if err != nil {
		return err
	}
	k := -1
	for i, name := range envelopeKeys {
		if string(key) == name {
			k = i
		}
	}
	if k < 0 {
		s.i = at
		return s.fault("unknown key; there are device, channel, id, time, payload, historical")
	}
	if e.has[k] {
		s.i = at
		return s.fault("%s stands there twice", envelopeKeys[k])
	}
	e.has[k] = true
	s.space()
	if !s.take(':') {
		return s.fault("a colon is missing")
	}
	s.space()
	return s.value(e, k)
}

// value reads the value of a key.
func (s *scanner) value(e *envelope, k int) error {
	at := s.i
	var err error
	switch k {
	case 0:
		e.device, err = s.text()
	case 1:
		if e.channel, err = s.text(); err == nil {
			err = protocol.CheckChannel(string(e.channel))
		}
	case 2:
		if e.id, err = s.text(); err == nil {
			err = protocol.CheckID(string(e.id))
		}
	case 3:
		var t []byte
		if t, err = s.text(); err == nil && (len(t) == 0 || e.time.UnmarshalText(t) != nil) {
			s.i = at
			err = s.fault("not a time like 2026-01-31T12:00:00Z")
		}
	case 4:
		e.payload, err = s.payload()
	case 5:
		var raw []byte
		if raw, err = s.skip(); err == nil {
			e.historical = string(raw) == "true"
			if !e.historical && string(raw) != "false" {
				s.i = at
				err = s.fault("historical is true or false")
			}
		}
	}
	return err
}

// payload reads the payload: a string stands for its text, {"base64": "…"} for
// bytes, anything else for itself.
func (s *scanner) payload() ([]byte, error) {
	at := s.i
	if s.i < len(s.b) && s.b[s.i] == '"' {
		return s.text()
	}
	raw, err := s.skip()
	if err != nil || len(raw) < 11 || raw[0] != '{' {
		return raw, err
	}
	in := scanner{b: raw, i: 1}
	in.space()
	if !bytes.HasPrefix(in.b[in.i:], []byte(`"base64"`)) {
		return raw, nil
	}
	in.i += len(`"base64"`)
	in.space()
	if !in.take(':') {
		return raw, nil
	}
	in.space()
	text, err := in.text()
	in.space()
	if err != nil || !in.take('}') || in.i != len(raw) {
		return raw, nil // an object of the device's own
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(out, text)
	if err != nil {
		s.i = at
		return nil, s.fault("not base64")
	}
	return out[:n], nil
}

// space skips white space.
func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r' || s.b[s.i] == '\n') {
		s.i++
	}
}

// take skips one character if it is c.
func (s *scanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// text reads a string. It lies in the line unless it is escaped.
func (s *scanner) text() ([]byte, error) {
	at := s.i
	escaped, err := s.skipText()
	if err != nil {
		return nil, err
	}
	raw := s.b[at:s.i]
	if !utf8.Valid(raw) {
		s.i = at
		return nil, s.fault("not UTF-8")
	}
	if !escaped {
		return raw[1 : len(raw)-1 : len(raw)-1], nil
	}
	var t string
	if err := json.Unmarshal(raw, &t); err != nil {
		s.i = at
		return nil, s.fault("a broken escape in a string")
	}
	return []byte(t), nil
}

// skipText skips a string and tells whether it holds escapes.
func (s *scanner) skipText() (escaped bool, err error) {
	if !s.take('"') {
		return false, s.fault("a string is missing")
	}
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return escaped, nil
		case c == '\\':
			escaped = true
			s.i++
		case c < ' ':
			return false, s.fault("a control character in a string")
		}
	}
	s.i = len(s.b)
	return false, s.fault("the string does not end")
}

// skip skips a value and returns it. What is inside of objects and arrays is not
// looked at, only their brackets.
func (s *scanner) skip() ([]byte, error) {
	at, depth := s.i, 0
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case '"':
			if _, err := s.skipText(); err != nil {
				return nil, err
			}
		case '{', '[':
			depth++
			s.i++
		case '}', ']':
			if depth == 0 {
				return s.scalar(at)
			}
			depth--
			s.i++
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return s.scalar(at)
			}
			s.i++
			continue
		default:
			s.i++
			continue
		}
		if depth == 0 {
			return s.b[at:s.i:s.i], nil
		}
	}
	if depth > 0 {
		return nil, s.fault("an object or array does not end")
	}
	return s.scalar(at)
}

// scalar returns the number, true, false or null that began at a place.
func (s *scanner) scalar(at int) ([]byte, error) {
	raw := s.b[at:s.i:s.i]
	if !json.Valid(raw) {
		s.i = at
		return nil, s.fault("not a JSON value")
	}
	return raw, nil
}
