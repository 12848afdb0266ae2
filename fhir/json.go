package fhir

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

// appendMember appends ,"name":"text" unless text is empty.
func appendMember(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	dst = append(append(append(dst, ',', '"'), name...), '"', ':')
	return appendString(dst, text)
}

// appendTime appends an instant as FHIR dateTime or instant in UTC, with as
// many digits of a second as it needs.
func appendTime(dst []byte, at vigil.Instant) []byte {
	return at.Time().AppendFormat(dst, "2006-01-02T15:04:05.999999Z07:00")
}

// appendCodings appends "coding":[…] without what stands around it.
func appendCodings(dst []byte, codes []vigil.Code) []byte {
	dst = append(dst, `"coding":[`...)
	for i, c := range codes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		mark := len(dst)
		dst = appendMember(dst, "system", c.System)
		dst = appendMember(dst, "code", c.Value)
		dst = appendMember(dst, "display", c.Display)
		if len(dst) > mark { // the first member has no comma
			dst = append(dst[:mark], dst[mark+1:]...)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendConcept appends a CodeableConcept: codes, and a text for people.
func appendConcept(dst []byte, codes []vigil.Code, text string) []byte {
	dst = append(dst, '{')
	mark := len(dst)
	if len(codes) > 0 {
		dst = append(dst, ',')
		dst = appendCodings(dst, codes)
	}
	dst = appendMember(dst, "text", text)
	if len(dst) > mark {
		dst = append(dst[:mark], dst[mark+1:]...)
	}
	return append(dst, '}')
}
