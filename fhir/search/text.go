package search

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// fold takes away what a string search does not look at (search.html#string):
// case, accents, punctuation and superfluous white space. Hyphens and slashes
// part words like spaces do.
func fold(s string) string {
	if plain(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	space := false
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.IsSpace(r) || r == '-' || r == '/' || unicode.Is(unicode.Pd, r):
			space = len(b) > 0
			continue
		case unicode.Is(unicode.M, r) || unicode.IsPunct(r) || unicode.IsControl(r):
			continue
		}
		if space {
			b = append(b, ' ')
			space = false
		}
		switch r = unicode.ToLower(unicode.ToUpper(r)); r {
		case 'ß', 'ẞ':
			b = append(b, 's', 's')
		case 'ø':
			b = append(b, 'o')
		case 'ł':
			b = append(b, 'l')
		case 'đ':
			b = append(b, 'd')
		case 'æ':
			b = append(b, 'a', 'e')
		case 'œ':
			b = append(b, 'o', 'e')
		default:
			b = append(b, string(r)...)
		}
	}
	return string(b)
}

// plain says whether folding changes nothing, without doing it.
func plain(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == ' ' && i > 0 && s[i-1] != ' ' && i < len(s)-1:
		default:
			return false
		}
	}
	return true
}

// maxWords is how many words of a name or an address can be found by
// themselves.
const maxWords = 16

// starts calls f with the folded text from each of its words on, the whole
// first; only with the whole if words do not count. It stops when f does.
func starts(folded string, words bool, f func(string) bool) {
	for n := 0; n < maxWords; n++ {
		if !f(folded) || !words {
			return
		}
		_, rest, more := strings.Cut(folded, " ")
		if !more {
			return
		}
		folded = rest
	}
}

// cutRunes returns the first n runes, and whether there are that many.
func cutRunes(s string, n int) (string, bool) {
	for i := range s {
		if n == 0 {
			return s[:i], true
		}
		n--
	}
	return s, n == 0
}

// code folds the case of a code.
func foldCode(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 0x80 || 'A' <= c && c <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}
