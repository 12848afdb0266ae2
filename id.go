package vigil

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"time"
)

// A DeviceID names a device: the UUIDv7 text made when it was registered, or
// the identifier its registrar chose (letters, digits, dot, dash, underscore).
type DeviceID string

// A PatientID names a patient. It redacts itself in logs.
type PatientID string

// LogValue keeps patient identifiers out of every slog handler.
func (PatientID) LogValue() slog.Value { return slog.StringValue("patient:redacted") }

// A SeriesID names a series inside one installation. It is given once, when
// the series is first seen, and never reused.
type SeriesID int64

// NewID returns a fresh UUIDv7 (RFC 9562, section 5.7) as text, made from the
// given time and random bits. It panics when the system has no randomness,
// because nothing safe can be done without.
func NewID(now time.Time) string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic("vigil: no randomness: " + err.Error())
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(b[:6], ms[2:])
	b[6] = 0x70 | b[6]&0x0f
	b[8] = 0x80 | b[8]&0x3f
	var t [36]byte
	hex.Encode(t[0:8], b[0:4])
	hex.Encode(t[9:13], b[4:6])
	hex.Encode(t[14:18], b[6:8])
	hex.Encode(t[19:23], b[8:10])
	hex.Encode(t[24:36], b[10:16])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return string(t[:])
}

// ValidID tells whether s can name a device, patient or place: 1 to 64
// characters out of A-Z a-z 0-9 - . _ (the FHIR R4 id, datatypes.html#id,
// and the underscore), which is safe in topics, paths and file names.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return s != "." && s != ".."
}
