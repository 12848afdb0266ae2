package reading

import (
	"math"
	"strconv"
	"time"
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

// appendDecimal appends a number with the digits after the point that the
// device meant, or with as many as it takes when the device did not say.
func appendDecimal(dst []byte, v float64, decimals int8) []byte {
	if v == 0 {
		v = 0 // minus zero is a zero
	}
	if whole := int64(v); decimals == 0 && float64(whole) == v && whole < 1e15 && whole > -1e15 {
		return strconv.AppendInt(dst, whole, 10)
	}
	start := len(dst)
	digits := int(decimals)
	if digits < 0 || math.Abs(v) >= 1e15 {
		digits = -1
	}
	dst = strconv.AppendFloat(dst, v, 'f', digits, 64)
	if dst[start] == '-' && allZero(dst[start+1:]) {
		dst = append(dst[:start], dst[start+1:]...)
	}
	return dst
}

func allZero(digits []byte) bool {
	for _, c := range digits {
		if c != '0' && c != '.' {
			return false
		}
	}
	return true
}

// The parts of time in microseconds.
const (
	second = 1_000_000
	day    = 86_400 * second
)

// appendTime appends an instant as FHIR dateTime or instant in UTC, with as
// many digits of a second as it needs.
func appendTime(dst []byte, at vigil.Instant) []byte {
	days, rest := at/day, at%day
	if rest < 0 {
		days, rest = days-1, rest+day
	}
	dst = appendDate(dst, int64(days))
	clock, fraction := int64(rest/second), int64(rest%second)
	dst = appendTwo(append(dst, 'T'), clock/3600)
	dst = appendTwo(append(dst, ':'), clock/60%60)
	dst = appendTwo(append(dst, ':'), clock%60)
	if fraction > 0 {
		dst = append(dst, '.')
		for unit := int64(100_000); fraction > 0; unit /= 10 {
			dst = append(dst, byte('0'+fraction/unit))
			fraction %= unit
		}
	}
	return append(dst, 'Z')
}

// appendDate appends the date of a day since 1970. The Gregorian calendar
// repeats itself every 146,097 days; a year is counted from March, so that the
// day that some years lack is its last.
func appendDate(dst []byte, days int64) []byte {
	const era = 146_097
	days += 719_468 // from 0000-03-01 on
	eras := days / era
	if days < 0 {
		eras = (days - era + 1) / era
	}
	in := days - eras*era
	year := (in - in/1460 + in/36_524 - in/(era-1)) / 365
	in -= 365*year + year/4 - year/100
	month := (5*in + 2) / 153
	in -= (153*month + 2) / 5
	year += eras * 400
	if month += 3; month > 12 {
		month, year = month-12, year+1
	}
	if year < 1000 || year > 9999 {
		return time.Unix((days-719_468)*86_400, 0).UTC().AppendFormat(dst, time.DateOnly)
	}
	dst = appendTwo(appendTwo(dst, year/100), year%100)
	dst = appendTwo(append(dst, '-'), month)
	return appendTwo(append(dst, '-'), in+1)
}

// appendTwo appends two digits.
func appendTwo(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

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
