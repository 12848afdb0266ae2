package devices

import (
	"fmt"
	"strconv"
	"strings"
)

// A firmwareRange is the versions that a profile was verified with: every bound
// must hold. No bounds hold for every version.
type firmwareRange []firmwareBound

// A firmwareBound compares with one version.
type firmwareBound struct {
	sign    string
	version []int
}

// parseFirmware reads a range like ">=1.0 <3".
func parseFirmware(text string) (firmwareRange, error) {
	var out firmwareRange
	for word := range strings.FieldsSeq(text) {
		b := firmwareBound{sign: "="}
		for _, sign := range [...]string{">=", "<=", ">", "<", "="} {
			if rest, ok := strings.CutPrefix(word, sign); ok {
				b.sign, word = sign, rest
				break
			}
		}
		v, ok := parseVersion(word)
		if !ok {
			return nil, fmt.Errorf("%q is not a range of versions like \">=1.0 <3\"", text)
		}
		b.version = v
		out = append(out, b)
	}
	return out, nil
}

// parseVersion reads 1.2.3, with or without a v before and words behind.
func parseVersion(text string) ([]int, bool) {
	text = strings.TrimPrefix(strings.TrimPrefix(text, "v"), "V")
	text, _, _ = strings.Cut(text, "-")
	text, _, _ = strings.Cut(text, "+")
	var out []int
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || len(out) == 6 {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}

// holds tells whether a version lies in the range.
func (r firmwareRange) holds(text string) bool {
	v, ok := parseVersion(strings.TrimSpace(text))
	if !ok {
		return len(r) == 0
	}
	for _, b := range r {
		c := compareVersions(v, b.version)
		if b.sign == "=" && c != 0 || b.sign == ">=" && c < 0 || b.sign == ">" && c <= 0 ||
			b.sign == "<=" && c > 0 || b.sign == "<" && c >= 0 {
			return false
		}
	}
	return true
}

// compareVersions returns -1, 0 or 1; missing parts count as 0.
func compareVersions(a, b []int) int {
	at := func(v []int, i int) int {
		if i < len(v) {
			return v[i]
		}
		return 0
	}
	for i := range max(len(a), len(b)) {
		if x, y := at(a, i), at(b, i); x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	return 0
}
