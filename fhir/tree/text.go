package tree

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text goes over a string from quote to quote and reports whether it has
// escapes.
func (p *parser) text() (escaped bool, err error) {
	start := p.i
	s := p.s
	i := plain(p.d.src, p.i+1)
	for i < len(s) {
		switch c := s[i]; {
		case c == '"':
			p.i = i + 1
			return escaped, nil
		case c == '\\':
			escaped = true
			n, msg := escape(s[i:])
			if msg != "" {
				return false, p.fail(i, msg)
			}
			i = plain(p.d.src, i+n)
		case c < ' ':
			return false, p.fail(i, fmt.Sprintf("the control character U+%04X in a string", c))
		default:
			i++
		}
	}
	return false, p.fail(start, "a string without an end")
}

// plain goes on from i for as long as eight bytes together are neither quotes,
// backslashes nor control characters. That one of them is can be seen in the
// high bits of its byte: x-1 borrows only from 0, and x-0x20 only below 0x20;
// bytes from 0x80 on are masked out.
func plain(b []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		special := ((quote - ones) &^ quote) | ((slash - ones) &^ slash) | ((w - ones*' ') &^ w)
		if special &= highs; special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
		i += 8
	}
	return i
}

// escape returns how long the escape at the start of s is, or why it is none.
// Control characters other than tab, line feed and carriage return are no part
// of any FHIR string (§2.24.0.1), however they are written.
func escape(s string) (n int, msg string) {
	if len(s) < 2 {
		return 0, "a string without an end"
	}
	switch s[1] {
	case '"', '\\', '/', 'n', 'r', 't':
		return 2, ""
	case 'b', 'f':
		return 0, fmt.Sprintf(`the control character \%c in a string`, s[1])
	case 'u':
	default:
		return 0, `a backslash without one of " \ / b f n r t u behind it`
	}
	r := hex4(s)
	switch {
	case r < 0:
		return 0, `\u without four hexadecimal digits`
	case r < ' ' && r != '\t' && r != '\n' && r != '\r':
		return 0, fmt.Sprintf("the control character U+%04X in a string", r)
	case !utf16.IsSurrogate(r):
		return 6, ""
	}
	if utf16.DecodeRune(r, hex4(s[6:])) == utf8.RuneError {
		return 0, fmt.Sprintf(`the surrogate \u%04x without its other half`, r)
	}
	return 12, ""
}

// hex4 returns the number of an escape \uXXXX at the start of s; -1 when there
// is none.
func hex4(s string) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	r := rune(0)
	for _, c := range []byte(s[2:6]) {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// unescape returns what a string without its quotes means; its escapes are
// known to be good.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			return string(append(b, s...))
		}
		b, s = append(b, s[:i]...), s[i:]
		n := 2
		switch c := s[1]; c {
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := hex4(s)
			if n = 6; utf16.IsSurrogate(r) {
				r, n = utf16.DecodeRune(r, hex4(s[6:])), 12
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
		}
		s = s[n:]
	}
}

// AppendString appends the text as a JSON string.
func AppendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}
