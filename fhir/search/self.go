package search

import (
	"strings"
)

// Self writes the query part of an address that asks for what was understood
// (bundle: link self). What was not understood is not in it.
func (q *Query) Self() string { return join(q.said) }

// Understood goes through what was understood, name and value as they were
// given.
func (q *Query) Understood(f func(name, value string)) {
	for _, x := range q.said {
		f(x.name, x.value)
	}
}

func join(pairs []pair) string {
	var b []byte
	for i, x := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(escapeURL(b, x.name), '=')
		b = escapeURL(b, x.value)
	}
	return string(b)
}

// escapeURL escapes what may not stand in the query part of an address, and
// leaves what makes searches readable.
func escapeURL(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range []byte(s) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~:/,$*@!()'", c) >= 0 {
			b = append(b, c)
			continue
		}
		b = append(b, '%', digits[c>>4], digits[c&15])
	}
	return b
}
