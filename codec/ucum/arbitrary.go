package ucum

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The arbitrary units of a product are kept as one text, sorted, each with its
// exponent unless that is 1: "[iU]", "[iU]^-1 [arb'U]".

// splitArbitrary reads that text.
func splitArbitrary(s string) map[string]int {
	m := map[string]int{}
	for f := range strings.FieldsSeq(s) {
		code, e, ok := strings.Cut(f, "^")
		n := 1
		if ok {
			n, _ = strconv.Atoi(e)
		}
		m[code] += n
	}
	return m
}

// writeArbitrary writes that text.
func writeArbitrary(m map[string]int) string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(m)) {
		switch e := m[code]; e {
		case 0:
		case 1:
			parts = append(parts, code)
		default:
			parts = append(parts, code+"^"+strconv.Itoa(e))
		}
	}
	return strings.Join(parts, " ")
}

// joinArbitrary multiplies two texts.
func joinArbitrary(a, b string) string {
	if a == "" {
		return b
	}
	if b == "" {
		return a
	}
	m := splitArbitrary(a)
	for code, e := range splitArbitrary(b) {
		m[code] += e
	}
	return writeArbitrary(m)
}

// powerArbitrary raises a text to a power.
func powerArbitrary(s string, e int) string {
	m := splitArbitrary(s)
	for code := range m {
		m[code] *= e
	}
	return writeArbitrary(m)
}
