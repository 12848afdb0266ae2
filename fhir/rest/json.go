package rest

import (
	"strings"
	"unicode/utf8"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// appendString appends s as a JSON string. Bytes that are no UTF-8 become
// U+FFFD.
func appendString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	return tree.AppendString(dst, s)
}

// appendTime appends an instant as a FHIR instant in UTC, with as many digits
// of a second as it needs.
func appendTime(dst []byte, at vigil.Instant) []byte {
	return at.Time().AppendFormat(dst, "2006-01-02T15:04:05.999999Z07:00")
}
