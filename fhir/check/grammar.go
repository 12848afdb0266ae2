package check

// The grammars of the primitive types, R4 datatypes.html section 2.24.0.1. They
// are written by hand because a regular expression costs ten times as much and
// each resource has dozens of values; a test holds each against the regular
// expression of its definition.

const (
	maxString = 1 << 20 // "strings SHALL NOT exceed 1MB"
	maxID     = 64
)

// isID: [A-Za-z0-9\-\.]{1,64}.
func isID(s []byte) bool {
	if len(s) == 0 || len(s) > maxID {
		return false
	}
	for _, c := range s {
		if !alphanumeric(c) && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// isCode: [^\s]+(\s[^\s]+)*, no white space but single ones inside.
func isCode(s []byte) bool {
	gap := true
	for _, c := range s {
		if !space(c) {
			gap = false
			continue
		}
		if gap {
			return false
		}
		gap = true
	}
	return !gap
}

// isURI: \S*, and not empty as no string is.
func isURI(s []byte) bool {
	for _, c := range s {
		if space(c) {
			return false
		}
	}
	return len(s) > 0
}

// isOID: urn:oid:[0-2](\.(0|[1-9][0-9]*))+.
func isOID(s []byte) bool {
	rest, ok := cut(s, "urn:oid:")
	if !ok || len(rest) < 3 || rest[0] < '0' || rest[0] > '2' || rest[1] != '.' {
		return false
	}
	first := true // of its number
	for i, c := range rest[2:] {
		switch {
		case c == '.':
			if first {
				return false
			}
			first = true
		case c < '0' || c > '9':
			return false
		case first:
			first = false
			if c == '0' && i+3 < len(rest) && rest[i+3] != '.' {
				return false
			}
		}
	}
	return !first
}

// isUUID: urn:uuid: and a UUID in lower case.
func isUUID(s []byte) bool {
	rest, ok := cut(s, "urn:uuid:")
	if !ok || len(rest) != 36 {
		return false
	}
	for i, c := range rest {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isBase64: groups of four, white space between groups, padding only at the
// end.
func isBase64(s []byte) bool {
	n, pad := 0, 0
	for _, c := range s {
		switch {
		case space(c):
			if n%4 != 0 {
				return false
			}
			continue
		case c == '=':
			pad++
			if pad > 2 || n%4 < 2 {
				return false
			}
		case pad > 0 || !alphanumeric(c) && c != '+' && c != '/':
			return false
		}
		n++
	}
	return n > 0 && n%4 == 0
}

// isInteger tells whether the text of a JSON number is an integer of 32 bits
// that is not below least.
func isInteger(s []byte, least int64) bool {
	minus := len(s) > 0 && s[0] == '-'
	if minus {
		if least == 0 {
			return false // unsignedInt has no sign, not even that of -0
		}
		s = s[1:]
	}
	if len(s) == 0 || len(s) > 10 || s[0] == '0' && len(s) > 1 {
		return false
	}
	v := int64(0)
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
		v = v*10 + int64(c-'0')
	}
	if minus {
		v = -v
	}
	return v >= least && v <= 1<<31-1
}

// isDecimal: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?, which is what a
// number of JSON is.
func isDecimal(s []byte) bool {
	s = skip(s, "-")
	whole := digits(s)
	if whole == 0 || whole > 1 && s[0] == '0' {
		return false
	}
	s = s[whole:]
	if len(s) > 0 && s[0] == '.' {
		n := digits(s[1:])
		if n == 0 {
			return false
		}
		s = s[1+n:]
	}
	if len(s) > 0 && (s[0] == 'e' || s[0] == 'E') {
		s = skip(s[1:], "+-")
		n := digits(s)
		if n == 0 {
			return false
		}
		s = s[n:]
	}
	return len(s) == 0
}

// textProblem says what is wrong with a string or markdown, "" if nothing.
func textProblem(s []byte) string {
	if len(s) == 0 {
		return "a string must not be empty"
	}
	if len(s) > maxString {
		return "a string must not be longer than 1 MB"
	}
	for _, c := range s {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return "a string must not contain control characters"
		}
	}
	return ""
}

// blank tells whether there is nothing but white space.
func blank(s []byte) bool {
	for _, c := range s {
		if !space(c) {
			return false
		}
	}
	return true
}

func skip(s []byte, any string) []byte {
	for i := range len(any) {
		if len(s) > 0 && s[0] == any[i] {
			return s[1:]
		}
	}
	return s
}

func digits(s []byte) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func space(c byte) bool {
	return c == ' ' || c >= '\t' && c <= '\r'
}

func cut(s []byte, prefix string) ([]byte, bool) {
	if len(s) < len(prefix) || string(s[:len(prefix)]) != prefix {
		return s, false
	}
	return s[len(prefix):], true
}
