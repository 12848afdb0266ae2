package markup

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// valid reports whether XML has the character (XML 1.0 §2.2).
func valid(r rune) bool {
	return r >= ' ' && r <= 0xD7FF || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// badChar returns where the first byte or character is that XML does not have;
// -1 when there is none.
func badChar(s string) int {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < ' ' && !isSpace(c) {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !valid(r) {
			return i
		}
		i += n
	}
	return -1
}

// inName reports whether a name can have the character (XML 1.0 §2.3).
func inName(r rune, first bool) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == ':':
		return true
	case r >= '0' && r <= '9', r == '-', r == '.', r == 0xB7, r >= 0x300 && r <= 0x36F, r == 0x203F, r == 0x2040:
		return !first
	case r == utf8.RuneError:
		return false
	}
	return r >= 0xC0 && r != 0xD7 && r != 0xF7 && r != 0x37E &&
		(r <= 0x1FFF || r == 0x200C || r == 0x200D || r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF ||
			r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF || r >= 0xFDF0 && r <= 0xFFFD || r >= 0x10000 && r <= 0xEFFFF)
}

// reference returns what the reference at the start of s means and how long it
// is, or why it is none.
func reference(s string) (r rune, n int, msg string) {
	end := strings.IndexByte(s[:min(len(s), 16)], ';')
	if end < 0 {
		return 0, 0, "an ampersand that starts no reference; write &amp;"
	}
	name := s[1:end]
	switch name {
	case "lt":
		return '<', end + 1, ""
	case "gt":
		return '>', end + 1, ""
	case "amp":
		return '&', end + 1, ""
	case "quot":
		return '"', end + 1, ""
	case "apos":
		return '\'', end + 1, ""
	}
	digits, isNumber := strings.CutPrefix(name, "#")
	if !isNumber {
		return 0, 0, "the entity &" + name + "; is not one of the five of XML"
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	number, err := strconv.ParseUint(digits, base, 32)
	if err != nil || digits[0] == '+' || !valid(rune(min(number, 1<<30))) {
		return 0, 0, "&" + name + "; is no character of XML"
	}
	return rune(number), end + 1, ""
}

// resolve returns what a text or the value of an attribute means: references
// and sections resolved, ends of lines as XML 1.0 §2.11 has it, white space in
// values as §3.3.3 does. It is known to be good.
func resolve(s string, value bool) string {
	i := special(s, value)
	if i == len(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for ; i < len(s); i = special(s, value) {
		b = append(b, s[:i]...)
		s = s[i:]
		n := 1
		switch {
		case s[0] == '&':
			var r rune
			r, n, _ = reference(s)
			b = utf8.AppendRune(b, r)
		case s[0] == '<':
			n = strings.Index(s, "]]>") + 3
			b = append(b, strings.ReplaceAll(strings.ReplaceAll(s[len("<![CDATA["):n-3], "\r\n", "\n"), "\r", "\n")...)
		case value:
			b = append(b, ' ')
			if strings.HasPrefix(s, "\r\n") {
				n = 2
			}
		case strings.HasPrefix(s, "\r\n"):
			b, n = append(b, '\n'), 2
		default:
			b = append(b, '\n')
		}
		s = s[n:]
	}
	return string(append(b, s...))
}

// special returns where the first character is that does not mean itself.
func special(s string, value bool) int {
	for i := range len(s) {
		switch s[i] {
		case '\r', '&':
			return i
		case '\n', '\t':
			if value {
				return i
			}
		case '<':
			if !value {
				return i
			}
		}
	}
	return len(s)
}

// AppendValue appends a text as the value of an attribute between quotes. ok is
// false when XML does not have one of its characters.
func AppendValue(b []byte, s string) (out []byte, ok bool) {
	b = append(b, '"')
	b, ok = appendEscaped(b, s, true)
	return append(b, '"'), ok
}

// AppendText appends a text between tags.
func AppendText(b []byte, s string) (out []byte, ok bool) { return appendEscaped(b, s, false) }

func appendEscaped(b []byte, s string, value bool) ([]byte, bool) {
	if badChar(s) >= 0 {
		return b, false
	}
	start := 0
	for i := 0; i < len(s); i++ {
		escape := ""
		switch c := s[i]; {
		case c == '&':
			escape = "&amp;"
		case c == '<':
			escape = "&lt;"
		case c == '>':
			escape = "&gt;"
		case c == '\r':
			escape = "&#xD;"
		case c == '"' && value:
			escape = "&quot;"
		case c == '\n' && value:
			escape = "&#xA;"
		case c == '\t' && value:
			escape = "&#x9;"
		}
		if escape != "" {
			b = append(append(b, s[start:i]...), escape...)
			start = i + 1
		}
	}
	return append(b, s[start:]...), true
}
