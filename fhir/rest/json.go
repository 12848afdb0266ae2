package rest

import (
	"unicode/utf8"

	"github.com/vigil-iomt/vigil"
)

// appendString appends s as a JSON string. Bytes that are no UTF-8 become
// U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c < 0x20 || c == 0x7f:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return append(dst, '"')
}

// appendTime appends an instant as a FHIR instant in UTC, with as many digits
// of a second as it needs.
func appendTime(dst []byte, at vigil.Instant) []byte {
	return at.Time().AppendFormat(dst, "2006-01-02T15:04:05.999999Z07:00")
}
